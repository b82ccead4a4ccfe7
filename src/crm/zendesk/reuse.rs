//! An older ticket takes the call: same requester, same group, not closed, young enough.
//!
//! Which one is found in the list of the requester's tickets. That list was reported to be half a minute and more
//! behind, so what we made ourselves is remembered for some minutes. The comment is marked with the draft's
//! `external_id` (see `talk`), by which a repetition finds it; a ticket that turns out to be closed is
//! followed by a new one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Undone;
use super::create::{self, OneTicket, TicketRecord};
use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::form::Form;
use super::parts::{Parts, Put};
use super::talk;
use crate::call::{Event, PersonId, Requester, Standing, TicketDraft, TicketId, TicketStanding};
use crate::crm::Resolve;
use crate::delivery::Delivered;

/// How long the ticket may be held up by the question for an older one: promise 7 of the plan gives 2 s in all.
const DEADLINE: Duration = Duration::from_millis(1500);
/// Tickets of one requester that are looked at, the latest changed ones.
const LOOKED_AT: &str = "25";
/// Tickets whose comments are searched for ours after an attempt whose end was not heard.
const SEARCHED: usize = 5;

/// An older ticket is wanted.
pub(super) struct Wish {
    person: PersonId,
    group: u64,
    within: SignedDuration,
}

/// What was found.
pub(super) enum Found {
    /// It takes the comment.
    Open(Box<TicketRecord>),
    /// It is closed: the new ticket follows it.
    Closed(u64),
    Nothing,
}

/// What became of the comment.
pub(super) enum Said {
    /// The ticket has it.
    There(Delivered),
    /// The ticket was closed meanwhile.
    Closed,
    /// The ticket does not take it: the call gets its own.
    Nowhere,
}

#[derive(Debug, Deserialize)]
struct TicketList {
    tickets: Vec<TicketRecord>,
}

impl Wish {
    /// `None` when every call has its own ticket, or when who or which group is not known.
    pub fn of(draft: &TicketDraft, resolve: &dyn Resolve) -> Option<Self> {
        let (Requester::Person(person), Some(group)) = (&draft.requester, &draft.group) else { return None };
        let group = resolve.group(group)?;
        let within = SignedDuration::from_secs(draft.reuse_within.into());
        (draft.reuse_within > 0).then_some(Self { person: *person, group, within })
    }

    /// The newest ticket that fits. A list that does not come in time, or not at all, costs nobody the ticket.
    pub async fn find(&self, errand: &Errand<'_>) -> Result<Found, Failure> {
        let mut tickets = match tokio::time::timeout(DEADLINE, self.candidates(errand)).await {
            Err(_) | Ok(Err(Failure::Refused(_) | Failure::Odd { .. } | Failure::Away { .. })) => {
                tracing::warn!("the requester's tickets cannot be listed: the call gets a ticket of its own");
                return Ok(Found::Nothing);
            }
            Ok(Err(failure)) => return Err(failure),
            Ok(Ok(tickets)) => tickets,
        };
        let now = errand.zendesk.clock.now();
        tickets.retain(|ticket| self.fits(ticket, now));
        tickets.sort_by_key(|ticket| std::cmp::Reverse(ticket.id));
        let closed = tickets.iter().find(|ticket| ticket.is_closed()).map(|ticket| ticket.id);
        let open = tickets.into_iter().find(|ticket| !ticket.is_closed());
        Ok(match (open, closed) {
            (Some(open), _) => Found::Open(Box::new(open)),
            (None, Some(closed)) => Found::Closed(closed),
            (None, None) => Found::Nothing,
        })
    }

    fn fits(&self, ticket: &TicketRecord, now: Timestamp) -> bool {
        let young = |stamp: &Option<String>| {
            let stamp = stamp.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            stamp.is_some_and(|stamp| now.duration_since(stamp) <= self.within)
        };
        ticket.group_id == Some(self.group)
            && ticket.requester_id == Some(self.person.0)
            && (young(&ticket.created_at) || young(&ticket.updated_at))
    }

    /// The requester's tickets, the latest changed first; what we made ourselves before all.
    async fn candidates(&self, errand: &Errand<'_>) -> Result<Vec<TicketRecord>, Failure> {
        let ask = Ask::get("/users/{}/tickets/requested", &[self.person.0])
            .query("sort", "-updated_at")
            .query("page[size]", LOOKED_AT);
        let mut tickets = errand.ask(&ask).await?.read::<TicketList>()?.tickets;
        if let Some(made) = errand.zendesk.made.get(&(self.person, self.group)).await
            && tickets.iter().all(|ticket| ticket.id != made)
        {
            let answer = errand.ask(&Ask::get("/tickets/{}", &[made])).await?;
            if answer.ok() {
                tickets.insert(0, answer.read::<OneTicket>()?.ticket);
            }
        }
        Ok(tickets)
    }

    /// The ticket that has our comment already, wherever an agent moved it meanwhile.
    pub async fn said_in(&self, errand: &Errand<'_>, draft: &TicketDraft) -> Result<Option<u64>, Undone> {
        let tickets = match self.candidates(errand).await {
            // Who is not there has no tickets.
            Err(Failure::Refused(_)) => return Ok(None),
            tickets => tickets?,
        };
        for ticket in tickets.into_iter().take(SEARCHED) {
            match talk::is_said(errand, ticket.id, &draft.external_id, &draft.comment).await {
                Ok(true) => return Ok(Some(ticket.id)),
                Ok(false) | Err(Undone::Refused(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(None)
    }

    /// Puts the call into the ticket. A solved one opens again; one that nobody has, or only the default agent,
    /// goes to who answered. Whoever else has it keeps it.
    pub async fn say(
        &self,
        errand: &Errand<'_>,
        draft: &TicketDraft,
        form: &Form,
        ticket: &TicketRecord,
        resolve: &dyn Resolve,
    ) -> Result<Said, Undone> {
        let mut parts = Parts::default();
        parts.comment(&draft.comment, draft.public, form.author, &draft.external_id);
        if ticket.status.as_deref() == Some("solved") {
            parts.status("open");
        }
        let nobodys = ticket.assignee_id.is_none()
            || ticket.assignee_id == resolve.default_agent().map(|agent| agent.0);
        if let Some(agent) = form.agent.filter(|_| nobodys && !draft.for_default_agent) {
            parts.assignee(agent);
            parts.group(self.group);
        }
        Ok(match parts.put(errand, ticket.id).await? {
            Put::Made => Said::There(self.taken(errand, draft, ticket.id, &parts.notes, resolve).await),
            Put::Closed => Said::Closed,
            Put::Gone | Put::Refused(_) => Said::Nowhere,
        })
    }

    /// The ticket has the call; it opens, if it is to open.
    pub async fn taken(
        &self,
        errand: &Errand<'_>,
        draft: &TicketDraft,
        ticket: u64,
        notes: &[String],
        resolve: &dyn Resolve,
    ) -> Delivered {
        let popped = create::open(errand, draft, ticket, resolve).await;
        let mut note = format!("the older ticket {ticket} took the call, {}", errand.cost());
        for part in notes {
            note.push_str("; ");
            note.push_str(part);
        }
        let standing = TicketStanding {
            ticket: TicketId(ticket),
            requester: Standing::AsDrafted,
            popped,
            pops_possible: errand.zendesk.voice.open(),
            reused: true,
        };
        Delivered { event: Event::TicketStands(standing), note }
    }
}
