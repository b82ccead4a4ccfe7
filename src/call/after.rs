//! What is owed after the call: the number to its person, the mapped fields, the CRM's record of the call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Direction, EndedBy, Person, PersonId, TicketId};
use super::number::E164;
use super::state::Outcome;
use super::work::Agent;

/// What becomes of the person who is the ticket's requester when the wrap-up time is over.
///
/// The exit reads the ticket and the person first and writes what is missing in one request, so doing
/// it again is harmless and finds it done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonUpdate {
    /// The ticket whose requester is meant.
    pub ticket: TicketId,
    /// The number that the person shall have; `None` when only fields are written.
    pub number: Option<E164>,
    /// The user that we made for the number, as long as it may still be an empty one.
    pub placeholder: Option<Placeholder>,
    /// Fields of the person, by key, and their values as text.
    #[serde(default)]
    pub fields: Vec<FieldValue>,
}

/// A user who was made for a number and has nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// The user, with the name that we gave it.
    pub person: Person,
    /// Whether it is removed when its number has found an owner and it has nothing else.
    pub remove: bool,
}

/// A value for a field of the CRM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldValue {
    /// The field's name as in the config: title, key or id.
    pub field: String,
    /// The value as text; the exit makes it what the field wants.
    pub value: String,
}

/// What became of a [`PersonUpdate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonUpdated {
    /// What became of the number; `None` when there was none to write.
    pub number: Option<Filed>,
    /// The placeholder was removed.
    #[serde(default)]
    pub placeholder_removed: bool,
}

/// What became of a number that looks for its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filed {
    /// It was written.
    Written {
        /// To whom.
        person: Person,
        /// Where, in the words of the config: `phone`, `user_fields.phone_2`, `identity`.
        place: String,
    },
    /// The person has it already, in whatever form.
    HadIt {
        /// Who.
        person: Person,
    },
    /// Every field of the person holds another number: nothing was changed.
    NoRoom {
        /// Who.
        person: Person,
    },
    /// The ticket was given to nobody: the default user or our placeholder still has it.
    Nobody,
    /// The requester is nobody whose number is written: an agent, suspended, deleted.
    NotWritable {
        /// Why.
        reason: String,
    },
    /// The ticket is gone.
    TicketGone,
}

/// The CRM's own record of a call (Zendesk: the Calls API of Talk Partner Edition), complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Our id of the call, with the source's name.
    pub external_id: String,
    /// The ticket that it belongs to.
    pub ticket: TicketId,
    /// The subject of the ticket, for the record's title.
    pub title: String,
    /// Where the call came from.
    pub direction: Direction,
    /// The caller's number, where it may be shown.
    pub caller: Option<E164>,
    /// The number dialled.
    pub dialled: String,
    /// The last agent who spoke with the caller.
    pub agent: Option<Agent>,
    /// When the call began.
    pub started: Timestamp,
    /// When it was answered.
    pub answered: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Who ended it, where known.
    pub by: Option<EndedBy>,
    /// A public address of the recording, where there is one.
    pub recording: Option<String>,
}

/// The CRM's id of a call record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub u64);

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// In whose name something is written into a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The agent who had the call.
    Agent(Agent),
    /// The default agent of the config.
    DefaultAgent,
}

impl PersonUpdated {
    /// The person who has the number now.
    pub fn owner(&self) -> Option<&Person> {
        match &self.number {
            Some(Filed::Written { person, .. } | Filed::HadIt { person }) => Some(person),
            _ => None,
        }
    }
}

impl Placeholder {
    /// The user's id.
    pub fn id(&self) -> PersonId {
        self.person.id
    }
}
