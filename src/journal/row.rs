//! What the journal gives back.

use jiff::Timestamp;

use crate::call::{Call, CallId, Joined, KeptRecording, StoryLine, Ticket, TicketId, Work};

/// What must go on after a restart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// The open calls, in the order in which they were first written.
    pub calls: Vec<Call>,
    /// The owed work, in the order in which it was first written. What was tried before the restart
    /// may have succeeded unheard: look first.
    pub owed: Vec<OwedWork>,
    /// What is open or owed and cannot be read: it stays in the journal and must be told to a person.
    pub unreadable: Vec<Unreadable>,
}

/// Work that is still to be done.
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
}

/// A stored thing that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The call's id or the work's key, as it is stored.
    pub key: String,
    /// What is wrong with it; names no caller's data.
    pub reason: String,
}

/// A call in a list. The words are those of `ringdesk replay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether something may still happen to it.
    pub open: bool,
    /// `inbound`, `outbound` or `internal`.
    pub direction: String,
    /// The watched group.
    pub group: Option<String>,
    /// The caller's number in E.164, where it is one that may be shown.
    pub caller: Option<String>,
    /// The agent who answered first.
    pub answered_by: Option<String>,
    /// What became of it: `answered`, `abandoned`, …
    pub outcome: Option<String>,
    /// The ticket.
    pub ticket: Option<TicketId>,
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

/// A call whose recording is kept, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub started: Timestamp,
    /// The watched group.
    pub group: Option<String>,
    /// The ticket that carries it.
    pub ticket: Option<TicketId>,
    /// The work that attached it, as a sequence number, where there is a ticket.
    pub attached: Option<u32>,
    /// The files, in order.
    pub files: Vec<KeptRecording>,
    /// Nothing more will happen to the call.
    pub closed: bool,
}

impl KeptRow {
    pub(super) fn of(call: &Call) -> Self {
        let ticket = match (&call.after.joined, &call.ticket) {
            (Joined::Ticket(ticket), _) => Some(*ticket),
            (_, Ticket::Stands(standing)) => Some(standing.ticket),
            _ => None,
        };
        Self {
            call: call.id.clone(),
            started: call.started,
            group: call.group.clone(),
            ticket: ticket.filter(|ticket| *ticket != TicketId::NONE),
            attached: call.recorded.attached_by,
            files: call.recorded.kept.clone(),
            closed: !call.open(),
        }
    }
}

/// A piece of work in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedRow {
    /// The key, as [`Work::key`] gives it.
    pub key: String,
    /// The call.
    pub call: CallId,
    /// The task's name, such as `create_ticket`.
    pub task: String,
    /// How it stands.
    pub standing: WorkStanding,
    /// The attempts that count.
    pub attempts: u32,
    /// Not before.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How a piece of work stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkStanding {
    /// It is to be done.
    Owed,
    /// It was refused and waits for a person.
    Refused {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
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
