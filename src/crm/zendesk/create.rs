//! Making a call's ticket, exactly once.
//!
//! Known caller, voice endpoint: one request makes, assigns and opens it. After an attempt whose end
//! was not heard the `external_id` is looked up first, which reads the database and not the search
//! index. Plain tickets carry an `Idempotency-Key` besides. A refused part (requester, agent outside
//! the group, screen) is left out and the rest is made: a ticket that is a little wrong can be
//! corrected, a call without one is lost.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::errand::{Ask, Errand};
use super::failure::{Answer, Failure};
use super::newcomer;
use super::pop::{self, Shown};
use super::{Doubt, Undone};
use crate::call::{
    Agent, Event, Person, PersonId, Requester, Standing, TicketDraft, TicketId, TicketStanding,
};
use crate::clock;
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

/// `via_id` of an inbound call.
const INBOUND_CALL: u32 = 45;
/// Requests that one ticket may cost before a person must look: each refused part costs one.
const MOST_TRIES: usize = 8;

/// A ticket as Zendesk shows it; only what is needed here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TicketRecord {
    pub id: u64,
    pub external_id: Option<String>,
    pub requester_id: Option<u64>,
    pub status: Option<String>,
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

/// What is sent, and what of it may still be left out.
struct Form {
    requester: PersonId,
    standing: Standing,
    default_user: Option<PersonId>,
    agent: Option<PersonId>,
    group: Option<u64>,
    pair: Pair,
    pop: Option<(PersonId, Agent)>,
    /// How many parts were left out: another body needs another `Idempotency-Key`.
    left_out: usize,
}

/// What is sent of assignee and group: the assignee must belong to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    Both,
    GroupAlone,
    AgentAlone,
    Neither,
}

/// Makes the ticket, or finds it made.
pub(super) async fn create(
    errand: &Errand<'_>,
    draft: &TicketDraft,
    attempt: Attempt,
    doubt: Option<Doubt>,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let voice = &errand.zendesk.voice;
    if attempt.look_first {
        if let Some(found) = find(errand, &draft.external_id).await? {
            return Ok(take(errand, draft, &found, resolve).await);
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
    let mut by_voice = voice.open();
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
                return Ok(form.made(errand, answer.read::<OneTicket>()?.ticket.id, by_voice));
            }
            422 if form.leave_out(&answer, by_voice) => {}
            403 | 404 if by_voice => {
                by_voice = false;
                voice_refused = Some(answer.status);
            }
            // Whatever the voice endpoint dislikes now, a plain ticket may still stand.
            400..=499 if by_voice => by_voice = false,
            400 if answer.complaint().code.as_deref() == Some("IdempotentRequestError") => {
                // The same call was sent with another text before: made then, or never.
                if let Some(found) = find(errand, &draft.external_id).await? {
                    return Ok(take(errand, draft, &found, resolve).await);
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
async fn find(errand: &Errand<'_>, external_id: &str) -> Result<Option<TicketRecord>, Failure> {
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
    let standing = match (&draft.requester, requester) {
        (Requester::DefaultUser, _) | (_, None) => Standing::AsDrafted,
        (Requester::Person(_) | Requester::NewUser { .. }, Some(_)) if stands_in => {
            Standing::DefaultUserInstead
        }
        (Requester::Person(_), Some(_)) => Standing::AsDrafted,
        (Requester::NewUser { name, .. }, Some(id)) => Standing::NewUser(Person { id, name: name.clone() }),
    };
    let mut popped = None;
    if let Some(agent) = &draft.pop
        && let Some(id) = resolve.agent(agent)
        && errand.zendesk.voice.open()
    {
        // The ticket stands whatever becomes of this; the call asks for the screen again.
        match pop::show(errand, id, TicketId(found.id)).await {
            Ok(Shown::Open) => popped = Some(agent.extension.clone()),
            Ok(Shown::NoVoice | Shown::Unknown(_)) | Err(_) => {}
        }
    }
    Delivered {
        event: Event::TicketStands(TicketStanding {
            ticket: TicketId(found.id),
            requester: standing,
            popped,
            pops_possible: errand.zendesk.voice.open(),
            reused: false,
        }),
        note: format!("ticket {} was found made, {}", found.id, errand.cost()),
    }
}

impl Form {
    async fn fill(errand: &Errand<'_>, draft: &TicketDraft, resolve: &dyn Resolve) -> Result<Self, Undone> {
        let default_user = resolve.default_user();
        let stand_in =
            || default_user.ok_or_else(|| Failure::away(false, "the default user is not known yet"));
        let (requester, standing) = match &draft.requester {
            Requester::Person(id) => (*id, Standing::AsDrafted),
            Requester::DefaultUser => (stand_in()?, Standing::AsDrafted),
            Requester::NewUser { number, name } => {
                match newcomer::person_of(errand.zendesk, *number, name, errand).await? {
                    Some(person) => (person.id, Standing::NewUser(person)),
                    None => (stand_in()?, Standing::DefaultUserInstead),
                }
            }
        };
        let agent = draft.assignee.as_ref().and_then(|agent| resolve.agent(agent));
        let group = draft.group.as_deref().and_then(|name| resolve.group(name));
        let pop = draft.pop.as_ref().and_then(|agent| Some((resolve.agent(agent)?, agent.clone())));
        Ok(Self { requester, standing, default_user, agent, group, pair: Pair::Both, pop, left_out: 0 })
    }

    fn ask(&self, draft: &TicketDraft, by_voice: bool, mismatch: Option<u32>) -> Ask {
        let mut ticket = json!({
            "external_id": draft.external_id,
            "subject": draft.subject,
            "comment": {"body": draft.comment, "public": draft.public},
            "requester_id": self.requester.0,
            "tags": draft.tags,
        });
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                ticket[key] = value;
            }
        };
        set("priority", draft.priority.as_ref().map(|priority| json!(priority)));
        let (agent, group) = match self.pair {
            Pair::Both => (self.agent, self.group),
            Pair::GroupAlone => (None, self.group),
            Pair::AgentAlone => (self.agent, None),
            Pair::Neither => (None, None),
        };
        set("assignee_id", agent.map(|agent| json!(agent.0)));
        set("group_id", group.map(|group| json!(group)));
        if !by_voice {
            let key = key(&draft.external_id, self.left_out, mismatch);
            return Ask::post("/tickets", &[]).body(&json!({"ticket": ticket})).once(key);
        }
        ticket["via_id"] = json!(INBOUND_CALL);
        let mut body = json!({"ticket": ticket});
        if let Some((agent, _)) = &self.pop {
            body["display_to_agent"] = json!(agent.0);
        }
        Ask::post("/channels/voice/tickets", &[]).body(&body)
    }

    /// Leaves the refused part out; false when nothing more can be.
    ///
    /// Which field a complaint names is published nowhere for most of these, so a name that is not
    /// understood costs the parts in turn, the dearest last.
    fn leave_out(&mut self, answer: &Answer, by_voice: bool) -> bool {
        if answer.status != 422 {
            return false;
        }
        let complaint = answer.complaint();
        let left = if complaint.about("requester") {
            self.leave_requester()
        } else if complaint.about("assignee") || complaint.about("group") {
            self.leave_pair()
        } else if complaint.fields.is_empty() && by_voice {
            // The agent of the screen is checked first, and refused with an empty body.
            self.pop.take().is_some() || self.leave_pair() || self.leave_requester()
        } else {
            self.leave_pair() || self.leave_requester() || (by_voice && self.pop.take().is_some())
        };
        self.left_out += usize::from(left);
        left
    }

    fn leave_requester(&mut self) -> bool {
        match self.default_user {
            Some(default) if default != self.requester => {
                self.requester = default;
                self.standing = Standing::DefaultUserInstead;
                true
            }
            _ => false,
        }
    }

    /// The agent who spoke with the caller stays before the group: Zendesk then takes the agent's own.
    fn leave_pair(&mut self) -> bool {
        let next = match (self.pair, self.agent, self.group) {
            (Pair::Both, Some(_), Some(_)) => Pair::AgentAlone,
            (Pair::AgentAlone, Some(_), Some(_)) => Pair::GroupAlone,
            (Pair::Neither, ..) | (_, None, None) => return false,
            _ => Pair::Neither,
        };
        self.pair = next;
        true
    }

    fn made(self, errand: &Errand<'_>, ticket: u64, by_voice: bool) -> Delivered {
        let popped = self.pop.filter(|_| by_voice).map(|(_, agent)| agent.extension);
        let mut note = format!("ticket {ticket} made by {}", errand.cost());
        if self.pair != Pair::Both && (self.agent.is_some() && self.group.is_some()) {
            note.push_str("; agent and group do not go together");
        }
        let pops_possible = errand.zendesk.voice.open();
        let requester = self.standing;
        Delivered {
            event: Event::TicketStands(TicketStanding {
                ticket: TicketId(ticket),
                requester,
                popped,
                pops_possible,
                reused: false,
            }),
            note,
        }
    }
}

/// The `Idempotency-Key`: at most 255 visible characters, the same for the same ticket.
fn key(external_id: &str, left_out: usize, mismatch: Option<u32>) -> String {
    let fits = external_id.len() <= 200 && external_id.bytes().all(|byte| byte.is_ascii_graphic());
    let mut key = if fits {
        external_id.to_owned()
    } else {
        let digest = Sha256::digest(external_id.as_bytes());
        digest.iter().fold("ringdesk:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    };
    if left_out > 0 {
        key.push_str(&format!("~{left_out}"));
    }
    if let Some(attempt) = mismatch {
        key.push_str(&format!("!{attempt}"));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_external_id_or_stands_for_it() {
        assert_eq!(key("ringdesk:main/1795292763.0", 0, None), "ringdesk:main/1795292763.0");
        assert_eq!(key("ringdesk:main/1795292763.0", 2, Some(3)), "ringdesk:main/1795292763.0~2!3");
        for odd in ["ringdesk:main/ä", &"x".repeat(201), "a b"] {
            let key = key(odd, 0, None);
            assert_eq!(key.len(), 9 + 64, "{odd}");
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        assert_ne!(key("ä", 0, None), key("ö", 0, None));
    }

    #[test]
    fn agent_and_group_are_left_out_in_turn() {
        let form = |agent: Option<u64>, group| Form {
            requester: PersonId(1),
            standing: Standing::AsDrafted,
            default_user: None,
            agent: agent.map(PersonId),
            group,
            pair: Pair::Both,
            pop: None,
            left_out: 0,
        };
        let steps = |mut form: Form| {
            let mut steps = Vec::new();
            while form.leave_pair() {
                steps.push(form.pair);
            }
            steps
        };
        let (agent, group) = (Some(7), Some(8));
        assert_eq!(steps(form(agent, group)), [Pair::AgentAlone, Pair::GroupAlone, Pair::Neither]);
        assert_eq!(steps(form(agent, None)), [Pair::Neither]);
        assert_eq!(steps(form(None, group)), [Pair::Neither]);
        assert!(steps(form(None, None)).is_empty());
    }
}
