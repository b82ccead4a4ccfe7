//! What the house has decided: which groups are watched, who sits where, what a ticket says.
//!
//! Made anew whenever the config is read again or the directory learns something; a call takes the
//! rules of the moment as an argument and keeps none of them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::id::Extension;
use super::number::{Caller, ReadNumber};
use super::template::Template;
use super::work::Agent;

/// The rules.
#[derive(Clone)]
pub struct Rules {
    /// Reads the caller's number.
    pub numbers: Arc<dyn ReadNumber>,
    /// The watched groups.
    pub groups: Groups,
    /// Agents by extension.
    pub agents: HashMap<Extension, Agent>,
    /// What becomes of a caller whom the CRM does not know.
    pub unknown: UnknownCaller,
    /// How long a ticket waits for the PBX's word on a hidden number, from the question on.
    pub presentation_timeout: SignedDuration,
    /// Nothing is written in the names of agents, see [`Author`](super::Author).
    pub always_default_agent: bool,
    /// Fields and tags that get their value from the call, when the wrap-up time is over.
    pub fields: Arc<[FieldRule]>,
    /// A user that was made for a number is removed when the number has found its owner.
    pub remove_placeholders: bool,
    /// The CRM gets a record of the call (Zendesk: `calls_app_id`).
    pub records: bool,
    /// The zone of dates in file names: the PBX's.
    pub zone: TimeZone,
}

/// One `[[field]]` of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Where it is written.
    pub target: FieldTarget,
    /// What is written; nothing when it is empty.
    pub value: Template,
}

/// Where a value from the call is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldTarget {
    /// A field of the ticket, by title or id.
    Ticket(String),
    /// A field of the requester, by key.
    Person(String),
    /// The value is a tag.
    Tag,
}

/// The way of a caller whom the CRM does not know.
#[derive(Clone)]
pub enum UnknownCaller {
    /// The default user is the requester.
    DefaultUser,
    /// A new user who has only the number; the template makes the name.
    NewUser {
        /// Makes the name; `{number}` is the caller's number.
        name: Template,
    },
}

/// A watched group.
#[derive(Clone)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The name of the CRM's group.
    pub crm_group: String,
    /// How long a call is kept after its end.
    pub wrap_up: SignedDuration,
    /// A ticket of the same requester and group that is younger takes the call; zero: each call has its own.
    pub reuse_within: SignedDuration,
    /// What becomes of calls that nobody answered.
    pub missed: Missed,
    /// How its calls are recorded; `None`: not at all.
    pub recording: Option<Arc<RecordingRules>>,
    /// What becomes of messages that callers leave in a mailbox; `None`: they stay there.
    pub message: Option<Arc<KeepRules>>,
    /// What its tickets say.
    pub texts: Arc<Texts>,
}

/// How the calls of a group are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRules {
    /// Who records.
    pub way: RecordingWay,
    /// The file as the PBX names it: what it is told to write, or where it is found, with `*` for what nobody can know.
    pub file: Template,
    /// There is room on the disk for more recordings.
    pub room: bool,
    /// What becomes of it.
    pub keep: KeepRules,
}

/// What becomes of a recording or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepRules {
    /// What the kept file is called, without the ending of the format.
    pub name: Template,
    /// What is not there so long after the end never comes.
    pub give_up_after: SignedDuration,
    /// It is attached to the ticket.
    pub attach: bool,
    /// What it is called there, without the ending. It goes over the wire in an address.
    pub shown: Template,
    /// The comment that carries it.
    pub comment: Template,
    /// Whether the requester may read the comment and hear it.
    pub public: bool,
}

/// Who records a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingWay {
    /// The PBX by our word, from the answer on.
    Start,
    /// The PBX by its own; the file is found.
    Find,
}

/// What becomes of calls that nobody answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// A caller who gave up, or whom the PBX gave up, gets a ticket.
    pub on_abandoned: bool,
    /// A caller who was sent to a voice mailbox gets a ticket.
    pub on_voicemail: bool,
    /// Further attempts of the same caller within this time after the end go into the same ticket; zero: none.
    pub merge_within: SignedDuration,
    /// A later call of the same caller within that time that is answered solves the ticket.
    pub solve: bool,
}

/// What tickets say.
#[derive(Clone)]
pub struct Texts {
    /// The subject.
    pub subject: Template,
    /// The first comment.
    pub comment: Template,
    /// The subject of a call that nobody answered.
    pub missed_subject: Template,
    /// The comment of a call that nobody answered.
    pub missed_comment: Template,
    /// Whether the requester may see the first comment.
    pub public: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// Priority, where set.
    pub priority: Option<String>,
}

/// How a group is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// A queue of the PBX, by name.
    Queue(String),
    /// A number inside the PBX: a ring group, a queue's number, a phone.
    Extension(Extension),
    /// A number dialled from outside: in E.164 where it can be read as such, else as it is sent.
    Did(String),
}

/// The watched groups, found by the way a call takes.
#[derive(Clone, Default)]
pub struct Groups {
    by_way: HashMap<Way, Arc<Group>>,
}

impl Groups {
    /// Adds a group; a way that is taken already keeps its first group and gives `false`.
    pub fn add(&mut self, way: Way, group: Arc<Group>) -> bool {
        let vacant = !self.by_way.contains_key(&way);
        if vacant {
            self.by_way.insert(way, group);
        }
        vacant
    }

    /// The group reached by this way.
    pub fn find(&self, way: &Way) -> Option<&Arc<Group>> {
        self.by_way.get(way)
    }

    /// The group of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Group>> {
        self.by_way.values().find(|group| group.name == name)
    }

    /// Every group with its way, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Way, &Arc<Group>)> {
        self.by_way.iter()
    }

    /// True when nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.by_way.is_empty()
    }
}

impl Rules {
    /// The way of a call that dialled this number.
    pub fn did(&self, dialled: &str) -> Way {
        Way::Did(match self.numbers.read(dialled) {
            Caller::Number(number) => number.to_string(),
            _ => dialled.to_owned(),
        })
    }

    /// The agent at this extension; one of whom nothing but the extension is known where nobody told more.
    pub fn agent(&self, extension: &Extension) -> Agent {
        self.agents.get(extension).cloned().unwrap_or_else(|| Agent {
            extension: extension.clone(),
            email: None,
            name: None,
        })
    }
}
