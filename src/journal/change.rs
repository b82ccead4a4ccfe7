//! What the desk asks the journal to write.

use jiff::Timestamp;

use crate::call::{
    Call, CallId, Direction, E164, Extension, Outcome, Phase, SNAPSHOT_VERSION, StoryLine, Ticket, TicketId,
    Work,
};

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
    /// Work to be written down. A key that is owed already gets the new task and keeps its attempts,
    /// because one of them may have succeeded unheard; a key that came to an end stays as it ended.
    pub owe: Vec<Work>,
    /// Work that came to an end. A key that is unknown, done or withdrawn changes nothing.
    pub settle: Vec<Settled>,
    /// Work that is to be tried later. A key that is unknown, done or withdrawn changes nothing.
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

/// The state of a call as it is kept, with the columns that lists show without reading the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) version: u32,
    pub(super) state: String,
    pub(super) open: bool,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) direction: Direction,
    pub(super) group: Option<String>,
    pub(super) caller: Option<E164>,
    pub(super) answered_by: Option<Extension>,
    pub(super) outcome: Option<Outcome>,
    pub(super) ticket: Option<TicketId>,
    pub(super) kept: bool,
}

impl Snapshot {
    /// The stored form of a call as it is now.
    pub fn of(call: &Call) -> Self {
        let (ended, outcome) = match &call.phase {
            Phase::Ringing | Phase::Talking => (None, None),
            Phase::Ended { at, outcome, .. } | Phase::Closed { at, outcome, .. } => {
                (Some(*at), Some(*outcome))
            }
        };
        let ticket = match &call.ticket {
            Ticket::Stands(standing) => Some(standing.ticket),
            Ticket::None | Ticket::Owed { .. } | Ticket::Refused { .. } => None,
        };
        Self {
            version: SNAPSHOT_VERSION,
            state: serde_json::to_string(call).expect("a call has only text keys and no fallible parts"),
            open: call.open(),
            started: call.started,
            ended,
            direction: call.direction,
            group: call.group.clone(),
            caller: call.caller.e164(),
            answered_by: call.answered_by.clone(),
            outcome,
            ticket,
            kept: !call.recorded.kept.is_empty(),
        }
    }
}

/// Work that came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The key, as [`Work::key`] gives it.
    pub key: String,
    /// How.
    pub how: HowSettled,
    /// When.
    pub at: Timestamp,
}

/// How work came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HowSettled {
    /// It is done.
    Done {
        /// A line about it.
        note: String,
    },
    /// It was refused: it is kept and shown among what is owed until a person lets it be tried again
    /// ([`Postponed`]) or drops it ([`HowSettled::Withdrawn`]). It is not loaded after a restart.
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

/// Work that is to be tried later. Refused work is taken up again by it.
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
