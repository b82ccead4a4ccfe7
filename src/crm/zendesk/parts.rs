//! The parts of a change, sent in one request, and what is left of them when some are refused.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errand::{Ask, Errand};
use super::failure::{Answer, Complaint, Failure};
use super::fields::Owner;
use super::talk;
use crate::call::PersonId;

/// Requests that one change may cost before a person must look: each refused part costs one.
const MOST_TRIES: usize = 10;

/// What changes in a ticket.
#[derive(Debug, Default)]
pub(super) struct Parts {
    ticket: Map<String, Value>,
    /// The group that was wished for, however the ticket ends up.
    group: Option<u64>,
    /// The assignee's own group was tried.
    moved: bool,
    /// What was not done as it was wished, in words.
    pub notes: Vec<String>,
}

/// How a change ended.
#[derive(Debug)]
pub(super) enum Put {
    /// It was made, as far as it was accepted.
    Made,
    /// The ticket is closed for ever.
    Closed,
    /// The ticket is not there.
    Gone,
    /// It was not made; says why.
    Refused(String),
}

/// What becomes of a refused change.
enum Rest {
    /// What is left is sent again.
    Goes,
    /// Only what may be left out was wished for: nothing is done, and that is all right.
    Nothing,
    /// Somebody should know.
    Refused,
    /// The ticket is closed.
    Closed,
}

impl Parts {
    pub fn requester(&mut self, id: PersonId) {
        self.ticket.insert("requester_id".to_owned(), json!(id.0));
    }

    pub fn assignee(&mut self, id: PersonId) {
        self.ticket.insert("assignee_id".to_owned(), json!(id.0));
    }

    pub fn group(&mut self, group: u64) {
        self.group = Some(group);
        self.ticket.insert("group_id".to_owned(), json!(group));
    }

    /// A comment, marked with `key` so that it can be found again.
    pub fn comment(&mut self, text: &str, public: bool, author: Option<PersonId>, key: &str) {
        let mut comment = json!({"body": text, "public": public});
        if let Some(author) = author {
            comment["author_id"] = json!(author.0);
        }
        self.ticket.insert("comment".to_owned(), comment);
        self.ticket.insert("metadata".to_owned(), talk::mark(key));
    }

    /// Files that go with the comment.
    pub fn uploads(&mut self, tokens: &[String]) {
        if let (Some(comment), false) = (self.ticket.get_mut("comment"), tokens.is_empty()) {
            comment["uploads"] = json!(tokens);
        }
    }

    pub fn status(&mut self, status: &'static str) {
        self.ticket.insert("status".to_owned(), json!(status));
    }

    pub fn custom_fields(&mut self, fields: Value) {
        self.ticket.insert("custom_fields".to_owned(), fields);
    }

    /// All tags that the ticket shall have. Refused by a conflict when somebody changed the ticket since it was
    /// read, because their tags would be lost.
    pub fn tags(&mut self, tags: &[String], read_at: Option<&str>) {
        self.ticket.insert("tags".to_owned(), json!(tags));
        if let Some(read_at) = read_at {
            self.ticket.insert("safe_update".to_owned(), json!(true));
            self.ticket.insert("updated_stamp".to_owned(), json!(read_at));
        }
    }

    /// Nothing but what accompanies a part.
    pub fn is_empty(&self) -> bool {
        !self.ticket.keys().any(|key| !matches!(key.as_str(), "metadata" | "safe_update" | "updated_stamp"))
    }

    /// Sends the change; what is refused is left out, the comment last.
    pub async fn put(&mut self, errand: &Errand<'_>, ticket: u64) -> Result<Put, Failure> {
        for _ in 0..MOST_TRIES {
            let answer =
                errand.ask(&Ask::put("/tickets/{}", &[ticket]).body(&json!({"ticket": self.ticket}))).await?;
            match answer.status {
                _ if answer.ok() => return Ok(Put::Made),
                404 => return Ok(Put::Gone),
                422 => match self.leave_out(errand, &answer).await? {
                    Rest::Goes => errand.zendesk.counters.retry(),
                    Rest::Nothing => return Ok(Put::Made),
                    Rest::Refused => return Ok(Put::Refused(answer.reason())),
                    Rest::Closed => return Ok(Put::Closed),
                },
                _ => return Ok(Put::Refused(answer.reason())),
            }
        }
        Ok(Put::Refused("every form of the change was refused".to_owned()))
    }

    /// Leaves out what is complained about. Which name a complaint has is published nowhere for most of these, so
    /// one that is not understood costs the parts in turn.
    async fn leave_out(&mut self, errand: &Errand<'_>, answer: &Answer) -> Result<Rest, Failure> {
        let complaint = answer.complaint();
        let pair = complaint.about("assignee") || complaint.about("group");
        let fields = self.fields_of(&complaint);
        let rest = if complaint.about("status") && !self.take("status", "the ticket cannot be solved") {
            return Ok(Rest::Closed);
        } else if complaint.about("status") {
            self.rest(Rest::Nothing)
        } else if !fields.is_empty() {
            self.leave_fields(&fields);
            // The account's fields are not what we remember.
            errand.zendesk.fields.invalidate(&Owner::Tickets).await;
            self.rest(Rest::Nothing)
        } else if complaint.about("requester")
            && self.take("requester_id", "the requester was refused and stays")
        {
            self.rest(Rest::Refused)
        } else if complaint.about("author") && self.leave_author() {
            Rest::Goes
        } else if pair && self.leave_pair(errand).await? {
            self.rest(Rest::Refused)
        } else if self.take("status", "something that solving needs is missing, the ticket stays open")
            || self.take("custom_fields", "fields were refused")
        {
            self.rest(Rest::Nothing)
        } else if self.leave_author() {
            Rest::Goes
        } else if self.leave_pair(errand).await?
            || self.take("requester_id", "the requester was refused and stays")
        {
            self.rest(Rest::Refused)
        } else {
            Rest::Refused
        };
        Ok(rest)
    }

    fn rest(&self, otherwise: Rest) -> Rest {
        if self.is_empty() { otherwise } else { Rest::Goes }
    }

    fn take(&mut self, key: &str, note: &str) -> bool {
        let taken = self.ticket.remove(key).is_some();
        if taken {
            self.notes.push(note.to_owned());
        }
        taken
    }

    /// The ids of our fields that are complained about.
    fn fields_of(&self, complaint: &Complaint) -> Vec<u64> {
        let ours = self.ticket.get("custom_fields").and_then(Value::as_array).into_iter().flatten();
        let ours = ours.filter_map(|field| field["id"].as_u64());
        ours.filter(|id| complaint.field_ids.contains(id)).collect()
    }

    fn leave_fields(&mut self, refused: &[u64]) {
        let list = self.ticket.get_mut("custom_fields").and_then(Value::as_array_mut);
        let left = list.map_or(0, |list| {
            list.retain(|field| field["id"].as_u64().is_none_or(|id| !refused.contains(&id)));
            list.len()
        });
        if left == 0 {
            self.ticket.remove("custom_fields");
        }
        for id in refused {
            self.notes.push(format!("field {id} left out: its value was refused"));
        }
    }

    fn leave_author(&mut self) -> bool {
        let comment = self.ticket.get_mut("comment").and_then(Value::as_object_mut);
        let left = comment.is_some_and(|comment| comment.remove("author_id").is_some());
        if left {
            self.notes.push("written in the name of our log-in".to_owned());
        }
        left
    }

    /// The assignee must be in the ticket's group: first the agent's own group takes the ticket, then the agent
    /// is left out, then the group.
    async fn leave_pair(&mut self, errand: &Errand<'_>) -> Result<bool, Failure> {
        let Some(agent) = self.ticket.get("assignee_id").and_then(Value::as_u64) else {
            return Ok(self.take("group_id", "the group was refused and stays"));
        };
        if !std::mem::replace(&mut self.moved, true)
            && let Some(own) = own_group(errand, agent).await?
            && self.ticket.get("group_id").and_then(Value::as_u64) != Some(own)
        {
            self.ticket.insert("group_id".to_owned(), json!(own));
            self.notes.push("the agent is not in the group, the agent's own group was tried".to_owned());
            return Ok(true);
        }
        match self.group {
            Some(group) => self.ticket.insert("group_id".to_owned(), json!(group)),
            None => self.ticket.remove("group_id"),
        };
        Ok(self.take("assignee_id", "the agent was refused and the assignee stays"))
    }
}

/// The group that an agent's tickets go to by themselves.
async fn own_group(errand: &Errand<'_>, agent: u64) -> Result<Option<u64>, Failure> {
    #[derive(Deserialize)]
    struct One {
        user: Agent,
    }
    #[derive(Deserialize)]
    struct Agent {
        default_group_id: Option<u64>,
    }
    let answer = errand.ask(&Ask::get("/users/{}", &[agent])).await?;
    if !answer.ok() {
        return Ok(None);
    }
    Ok(answer.read::<One>()?.user.default_group_id)
}
