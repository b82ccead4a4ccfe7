//! The form of a new ticket: what is sent, and what of it may still be left out.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Undone;
use super::errand::{Ask, Errand};
use super::failure::{Answer, Failure};
use super::{newcomer, talk};
use crate::call::{Agent, Author, PersonId, Requester, Standing, TicketDraft};
use crate::crm::Resolve;

/// `via_id` of an inbound call.
const INBOUND_CALL: u32 = 45;

/// What is sent, and what of it may still be left out.
pub(super) struct Form {
    pub requester: PersonId,
    pub standing: Standing,
    pub default_user: Option<PersonId>,
    pub agent: Option<PersonId>,
    pub group: Option<u64>,
    pub pair: Pair,
    pub pop: Option<(PersonId, Agent)>,
    /// Who writes; `None`: our log-in.
    pub author: Option<PersonId>,
    /// The closed ticket that this one goes on with.
    pub follows: Option<u64>,
    /// Files that go with the comment, as tokens of uploads.
    pub uploads: Vec<String>,
    /// What is known of the caller, below the comment.
    pub shown: String,
    /// By what the comment is found again, see `talk`.
    pub mark: String,
    /// How many parts were left out: another body needs another `Idempotency-Key`.
    pub left_out: usize,
}

/// What is sent of assignee and group: the assignee must belong to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Both,
    GroupAlone,
    AgentAlone,
    Neither,
}

/// The user in whose name is written; `None`: our log-in's own.
pub(super) fn author(author: Option<&Author>, resolve: &dyn Resolve) -> Option<PersonId> {
    match author? {
        Author::Agent(agent) => resolve.agent(agent),
        Author::DefaultAgent => resolve.default_agent(),
    }
}

impl Form {
    pub async fn fill(
        errand: &Errand<'_>,
        draft: &TicketDraft,
        resolve: &dyn Resolve,
    ) -> Result<Self, Undone> {
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
        let agent = match &draft.assignee {
            _ if draft.for_default_agent => resolve.default_agent(),
            Some(agent) => resolve.agent(agent),
            None => None,
        };
        let group = draft.group.as_deref().and_then(|name| resolve.group(name));
        let screen = draft.pop.as_ref().filter(|_| !draft.for_default_agent);
        let pop = screen.and_then(|agent| Some((resolve.agent(agent)?, agent.clone())));
        Ok(Self {
            requester,
            standing,
            default_user,
            agent,
            group,
            pair: Pair::Both,
            pop,
            author: author(draft.author.as_ref(), resolve),
            follows: None,
            uploads: Vec::new(),
            shown: String::new(),
            mark: draft.external_id.clone(),
            left_out: 0,
        })
    }

    pub fn ask(&self, draft: &TicketDraft, by_voice: bool, mismatch: Option<u32>) -> Ask {
        let mut ticket = json!({
            "external_id": draft.external_id,
            "subject": draft.subject,
            "comment": {"body": format!("{}{}", draft.comment, self.shown), "public": draft.public},
            "requester_id": self.requester.0,
            "tags": draft.tags,
            "metadata": talk::mark(&self.mark),
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
        set("via_followup_source_id", self.follows.map(|ticket| json!(ticket)));
        // The submitter becomes the author of the first comment.
        set("submitter_id", self.author.map(|author| json!(author.0)));
        if let Some(author) = self.author {
            ticket["comment"]["author_id"] = json!(author.0);
        }
        if !self.uploads.is_empty() {
            ticket["comment"]["uploads"] = json!(self.uploads);
        }
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
    pub fn leave_out(&mut self, draft: &TicketDraft, answer: &Answer, by_voice: bool) -> bool {
        if answer.status != 422 {
            return false;
        }
        let complaint = answer.complaint();
        let left = if complaint.about("requester") {
            self.leave_requester()
        } else if complaint.about("assignee") || complaint.about("group") {
            self.leave_pair(draft)
        } else if complaint.about("author") || complaint.about("submitter") {
            self.author.take().is_some()
        } else if complaint.about("via_followup_source") {
            self.follows.take().is_some()
        } else if complaint.fields.is_empty() && by_voice {
            // The agent of the screen is checked first, and refused with an empty body.
            self.pop.take().is_some() || self.leave_any(draft)
        } else {
            self.leave_any(draft) || (by_voice && self.pop.take().is_some())
        };
        self.left_out += usize::from(left);
        left
    }

    fn leave_any(&mut self, draft: &TicketDraft) -> bool {
        self.author.take().is_some()
            || self.follows.take().is_some()
            || self.leave_pair(draft)
            || self.leave_requester()
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
    /// The default agent spoke with nobody, there the group stays.
    fn leave_pair(&mut self, draft: &TicketDraft) -> bool {
        let next = match (self.pair, self.agent, self.group) {
            (Pair::Both, Some(_), Some(_)) if draft.for_default_agent => Pair::GroupAlone,
            (Pair::Both, Some(_), Some(_)) => Pair::AgentAlone,
            (Pair::AgentAlone, Some(_), Some(_)) => Pair::GroupAlone,
            (Pair::Neither, ..) | (_, None, None) => return false,
            _ => Pair::Neither,
        };
        self.pair = next;
        true
    }

    /// What was not done as drafted, in words.
    pub fn remarks(&self, draft: &TicketDraft) -> String {
        let mut text = String::new();
        if self.pair != Pair::Both && (self.agent.is_some() && self.group.is_some()) {
            text.push_str("; agent and group do not go together");
        }
        if draft.author.is_some() && self.author.is_none() {
            text.push_str("; written in the name of our log-in");
        }
        if let Some(closed) = self.follows {
            text.push_str(&format!("; it follows ticket {closed}, which is closed"));
        }
        text
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
            author: None,
            follows: None,
            uploads: Vec::new(),
            shown: String::new(),
            mark: String::new(),
            left_out: 0,
        };
        let draft = |for_default_agent| TicketDraft {
            external_id: String::new(),
            requester: Requester::DefaultUser,
            assignee: None,
            group: None,
            subject: String::new(),
            comment: String::new(),
            public: false,
            tags: Vec::new(),
            priority: None,
            pop: None,
            tells_candidates: false,
            author: None,
            for_default_agent,
            reuse_within: 0,
        };
        let steps = |mut form: Form, for_default_agent| {
            let draft = draft(for_default_agent);
            let mut steps = Vec::new();
            while form.leave_pair(&draft) {
                steps.push(form.pair);
            }
            steps
        };
        let (agent, group) = (Some(7), Some(8));
        assert_eq!(steps(form(agent, group), false), [Pair::AgentAlone, Pair::GroupAlone, Pair::Neither]);
        assert_eq!(steps(form(agent, group), true), [Pair::GroupAlone, Pair::Neither]);
        assert_eq!(steps(form(agent, None), false), [Pair::Neither]);
        assert_eq!(steps(form(None, group), false), [Pair::Neither]);
        assert!(steps(form(None, None), false).is_empty());
    }
}
