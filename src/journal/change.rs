//! What the desk asks the journal to write.

use jiff::Timestamp;

use crate::call::{CallId, Direction, E164, Extension, TicketId, Work};

/// All that one step changed for one call.
///
/// Within a batch the changes count in their order, and within a change the fields in theirs: what is
/// owed, then what is settled, then what is postponed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The call.
    pub call: CallId,
    /// Its new state; `None` when the state is as it was.
    pub snapshot: Option<Snapshot>,
    /// Lines to be added to its story.
    pub story: Vec<StoryLine>,
    /// Work to be written down. A key that is unfinished already gets the new task and keeps its
    /// attempts, because one of them may have succeeded unheard; a key that is finished stays finished.
    pub owe: Vec<Work>,
    /// Work that came to an end. A key that is unknown or finished already changes nothing.
    pub settle: Vec<Settled>,
    /// Work that is to be tried later. A key that is unknown or finished already changes nothing.
    pub postpone: Vec<Postponed>,
}

impl Change {
    /// One that changes nothing yet.
    pub fn of(call: CallId) -> Self {
        Self { call, snapshot: None, story: vec![], owe: vec![], settle: vec![], postpone: vec![] }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.snapshot.is_none()
            && self.story.is_empty()
            && self.owe.is_empty()
            && self.settle.is_empty()
            && self.postpone.is_empty()
    }
}

/// The state of a call as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The form of `state`; who writes it reads it.
    pub version: u32,
    /// The state, as JSON; the journal keeps it byte for byte.
    pub state: String,
    /// Whether the call must be loaded after a restart.
    pub open: bool,
    /// When the call began.
    pub started_at: Timestamp,
    /// What lists show.
    pub summary: Summary,
}

/// What lists of calls show without reading the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Where the call comes from.
    pub direction: Option<Direction>,
    /// The watched group.
    pub group: Option<String>,
    /// The caller's number, where it is one.
    pub caller: Option<E164>,
    /// The agent who answered first.
    pub answered_by: Option<Extension>,
    /// What became of it, in the words of `ringdesk replay`.
    pub outcome: Option<String>,
    /// The ticket.
    pub ticket: Option<TicketId>,
}

/// One line of a call's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    /// When.
    pub at: Timestamp,
    /// What happened or was decided.
    pub what: String,
    /// The reason; empty where there is none to tell.
    pub why: String,
}

/// Work that came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The key, as [`Work::key`] gives it.
    pub key: String,
    /// How.
    pub how: How,
    /// When.
    pub at: Timestamp,
}

/// How work came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It is done.
    Done {
        /// A line about it.
        note: String,
    },
    /// It was refused: it is kept, parked, until a person retries it ([`Postponed`]) or drops it
    /// ([`How::Withdrawn`]).
    Refused {
        /// Why.
        reason: String,
    },
    /// It is no longer worth doing.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// Work that is to be tried later. Parked work is taken up again by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// The key, as [`Work::key`] gives it.
    pub key: String,
    /// Not before.
    pub due: Timestamp,
    /// The attempts that count up to now. A wait that the far side asked for leaves the number as it
    /// was; a person's retry sets it to 0.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
}
