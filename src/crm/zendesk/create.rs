//! Making a call's ticket, exactly once.
//!
//! Known caller, voice endpoint: one request makes, assigns and opens it. After an attempt whose end
//! was not heard the `external_id` is looked up first, which reads the database and not the search
//! index. Plain tickets carry an `Idempotency-Key` besides. A refused part (requester, agent outside
//! the group, screen) is left out and the rest is made: a ticket that is a little wrong can be
//! corrected, a call without one is lost.

use serde::Deserialize;

use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::form::Form;
use super::pop::{self, Shown};
use super::{Doubt, Undone, reuse, show};
use crate::call::{
    Agent, Event, Extension, Person, PersonId, Requester, Standing, TicketDraft, TicketId, TicketStanding,
};
use crate::clock;
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

/// Requests that one ticket may cost before a person must look: each refused part costs one.
const MOST_TRIES: usize = 10;

/// A ticket as Zendesk shows it; only what is needed here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TicketRecord {
    pub id: u64,
    pub external_id: Option<String>,
    pub subject: Option<String>,
    pub requester_id: Option<u64>,
    pub assignee_id: Option<u64>,
    pub group_id: Option<u64>,
    pub status: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
}

impl TicketRecord {
    pub fn is_closed(&self) -> bool {
        self.status.as_deref() == Some("closed")
    }
}

/// `{"ticket": …}`.
#[derive(Debug, Deserialize)]
pub(super) struct OneTicket {
    pub ticket: TicketRecord,
}

#[derive(Debug, Deserialize)]
struct TicketList {
    tickets: Vec<TicketRecord>,
}

/// How a new ticket came to stand.
pub(super) enum Made {
    /// It was made now.
    New {
        ticket: u64,
        /// Its screen was asked for in the same request.
        by_voice: bool,
    },
    /// It was made before.
    Before(TicketRecord),
}

/// Owed work: makes the ticket, or finds it made.
pub(super) async fn create(
    errand: &Errand<'_>,
    draft: &TicketDraft,
    attempt: Attempt,
    doubt: Option<Doubt>,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let older = reuse::Wish::of(draft, resolve);
    if attempt.look_first {
        if let Some(found) = find(errand, &draft.external_id).await? {
            return Ok(take(errand, draft, &found, resolve).await);
        }
        if let Some(older) = &older
            && let Some(ticket) = older.said_in(errand, draft).await?
        {
            return Ok(older.taken(errand, draft, ticket, &[], resolve).await);
        }
        // Where no answer came in time, Zendesk may still be making it: not found is no proof yet.
        if let Some(doubt) = doubt.filter(|doubt| doubt.timed_out)
            && clock::instant().duration_since(doubt.since) < 2 * errand.zendesk.request_timeout
        {
            return Err(Failure::Away {
                unclear: true,
                timed_out: false,
                source: std::sync::Arc::new(super::failure::Told(
                    "the ticket of the last attempt does not stand yet".to_owned(),
                )),
            }
            .into());
        }
    }
    let mut form = Form::fill(errand, draft, resolve).await?;
    if let Some(older) = &older {
        match older.find(errand).await? {
            reuse::Found::Open(ticket) => match older.say(errand, draft, &form, &ticket, resolve).await? {
                reuse::Said::There(done) => return Ok(done),
                reuse::Said::Closed => form.follows = Some(ticket.id),
                reuse::Said::Nowhere => {}
            },
            reuse::Found::Closed(ticket) => form.follows = Some(ticket),
            reuse::Found::Nothing => {}
        }
    }
    if let Requester::Person(person) = &draft.requester
        && !draft.public
    {
        form.shown = show::lines(errand, *person).await;
    }
    // Nobody's screen is asked for, and a plain request knows whether it was made before.
    let by_voice = errand.zendesk.voice.open() && !draft.for_default_agent;
    match make(errand, draft, &mut form, by_voice, attempt).await? {
        Made::Before(found) => Ok(take(errand, draft, &found, resolve).await),
        Made::New { ticket, by_voice } => {
            if let (Requester::Person(person), Some(group)) = (&draft.requester, form.group) {
                errand.zendesk.made.insert((*person, group), ticket).await;
            }
            let popped = form.pop.as_ref().filter(|_| by_voice).map(|(_, agent)| agent.extension.clone());
            let note = format!("ticket {ticket} made by {}{}", errand.cost(), form.remarks(draft));
            Ok(standing(errand, ticket, form.standing, popped, note))
        }
    }
}

/// Sends the form until it is taken, with less in it after each refusal.
pub(super) async fn make(
    errand: &Errand<'_>,
    draft: &TicketDraft,
    form: &mut Form,
    mut by_voice: bool,
    attempt: Attempt,
) -> Result<Made, Undone> {
    let voice = &errand.zendesk.voice;
    let mut voice_refused = None;
    let mut mismatched = false;
    for _ in 0..MOST_TRIES {
        let answer = errand.ask(&form.ask(draft, by_voice, mismatched.then_some(attempt.number))).await?;
        // A log-in that may not make tickets at all looks like an account without voice; then the
        // plain way is refused as well and nothing was found out.
        if let Some(status) = voice_refused.take_if(|_| answer.status != 403) {
            voice.is_missing(status);
        }
        match answer.status {
            _ if answer.ok() => {
                if by_voice {
                    voice.is_there();
                }
                return Ok(Made::New { ticket: answer.read::<OneTicket>()?.ticket.id, by_voice });
            }
            422 if form.leave_out(draft, &answer, by_voice) => {}
            403 | 404 if by_voice => {
                by_voice = false;
                voice_refused = Some(answer.status);
            }
            // Whatever the voice endpoint dislikes now, a plain ticket may still stand.
            400..=499 if by_voice => by_voice = false,
            400 if answer.complaint().code.as_deref() == Some("IdempotentRequestError") => {
                // The same call was sent with another text before: made then, or never.
                if let Some(found) = find(errand, &draft.external_id).await? {
                    return Ok(Made::Before(found));
                }
                if mismatched {
                    return Err(Failure::away(true, answer.reason()).into());
                }
                mismatched = true;
            }
            _ => return Err(Undone::Refused(answer.reason())),
        }
        errand.zendesk.counters.retry();
    }
    Err(Undone::Refused("every form of the ticket was refused".to_owned()))
}

/// The ticket with our id, where there is one. Of several the first: the others were made by hand.
pub(super) async fn find(errand: &Errand<'_>, external_id: &str) -> Result<Option<TicketRecord>, Failure> {
    let answer = errand.ask(&Ask::get("/tickets", &[]).query("external_id", external_id)).await?;
    let found = answer.read::<TicketList>()?.tickets;
    // Compared here as well: a parameter that is not understood would list everybody's tickets.
    let ours = found.into_iter().filter(|ticket| ticket.external_id.as_deref() == Some(external_id));
    Ok(ours.min_by_key(|ticket| ticket.id))
}

/// A ticket that stands already is ours; it opens now, if it is to open.
async fn take(
    errand: &Errand<'_>,
    draft: &TicketDraft,
    found: &TicketRecord,
    resolve: &dyn Resolve,
) -> Delivered {
    let requester = found.requester_id.map(PersonId);
    let stands_in = requester.is_some() && requester == resolve.default_user();
    let requester = match (&draft.requester, requester) {
        (Requester::DefaultUser, _) | (_, None) => Standing::AsDrafted,
        (Requester::Person(_) | Requester::NewUser { .. }, Some(_)) if stands_in => {
            Standing::DefaultUserInstead
        }
        (Requester::Person(_), Some(_)) => Standing::AsDrafted,
        (Requester::NewUser { name, .. }, Some(id)) => Standing::NewUser(Person { id, name: name.clone() }),
    };
    let popped = open(errand, draft, found.id, resolve).await;
    let note = format!("ticket {} was found made, {}", found.id, errand.cost());
    standing(errand, found.id, requester, popped, note)
}

/// Opens a ticket that stands, if it is to open. It stands whatever becomes of this; the call asks for the
/// screen again.
pub(super) async fn open(
    errand: &Errand<'_>,
    draft: &TicketDraft,
    ticket: u64,
    resolve: &dyn Resolve,
) -> Option<Extension> {
    let agent: &Agent = draft.pop.as_ref().filter(|_| !draft.for_default_agent)?;
    let id = resolve.agent(agent)?;
    if !errand.zendesk.voice.open() {
        return None;
    }
    match pop::show(errand, id, TicketId(ticket)).await {
        Ok(Shown::Open) => Some(agent.extension.clone()),
        Ok(Shown::NoVoice | Shown::Unknown(_)) | Err(_) => None,
    }
}

fn standing(
    errand: &Errand<'_>,
    ticket: u64,
    requester: Standing,
    popped: Option<Extension>,
    note: String,
) -> Delivered {
    let pops_possible = errand.zendesk.voice.open();
    let standing =
        TicketStanding { ticket: TicketId(ticket), requester, popped, pops_possible, reused: false };
    Delivered { event: Event::TicketStands(standing), note }
}
