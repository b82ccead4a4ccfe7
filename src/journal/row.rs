//! What the journal gives back.

use jiff::Timestamp;

use super::change::{StoryLine, Summary};
use crate::call::{CallId, Work};

/// What must go on after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The open calls, in the order in which they were first written.
    pub calls: Vec<StoredCall>,
    /// The unfinished work, in the order in which it was first written. What was tried before the
    /// restart may have succeeded unheard: look first.
    pub owed: Vec<OwedWork>,
    /// What is unfinished and cannot be read: it stays in the journal and must be told to a person.
    pub unreadable: Vec<Unreadable>,
}

/// The kept state of an open call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    /// The call.
    pub call: CallId,
    /// The form of `state`.
    pub version: u32,
    /// The state, as it was given.
    pub state: String,
}

/// Unfinished work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedWork {
    /// What is to be done.
    pub work: Work,
    /// The attempts that count.
    pub attempts: u32,
    /// Not before.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// It was refused and waits for a person.
    pub parked: bool,
}

/// A stored thing that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The call's id or the work's key, as it is stored.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Which calls a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only those that are not closed.
    pub open_only: bool,
    /// Only those that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only those of this group.
    pub group: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for Filter {
    /// The newest 50 calls.
    fn default() -> Self {
        Self { open_only: false, since: None, until: None, group: None, limit: 50 }
    }
}

/// A call in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it is not closed yet.
    pub open: bool,
    /// What is known of it.
    pub summary: Summary,
}

/// Everything about one call that a person may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The call.
    pub row: CallRow,
    /// What happened and why, in the order of writing.
    pub lines: Vec<StoryLine>,
    /// All its work, finished or not, in the order of the call.
    pub work: Vec<OwedRow>,
}

/// A piece of work in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedRow {
    /// The key.
    pub key: String,
    /// The task's name, such as `create_ticket`.
    pub task: String,
    /// How it stands.
    pub standing: OwedStanding,
    /// The attempts that count.
    pub attempts: u32,
    /// Not before.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Until when it is worth doing; `None`: for ever.
    pub worth_until: Option<Timestamp>,
}

/// How a piece of work stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwedStanding {
    /// It is to be done.
    Owed,
    /// It was refused and waits for a person; the reason is the last error.
    Parked,
    /// It is done.
    Done {
        /// A line about it.
        note: String,
        /// When.
        at: Timestamp,
    },
    /// It was given up.
    Withdrawn {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
}
