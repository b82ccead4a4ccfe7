//! The state of one call. What changes it: `step.rs`, `caller.rs`, `end.rs`, `ticket.rs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Direction, EndedBy, Identified, Person, TicketId, TransferKind};
use super::follow_up::After;
use super::id::{CallId, Extension};
use super::missed::Ask;
use super::number::Caller;
use super::recorded::Recorded;
use super::work::{Effect, Requester, TicketDraft};

/// The version of the stored form; raised when an old snapshot can no longer be read as it is.
pub const SNAPSHOT_VERSION: u32 = 1;

/// One telephone call, from its first channel to the end of the wrap-up time.
///
/// Serialised whole into the journal; every field that came later has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Where it comes from.
    pub direction: Direction,
    /// The caller's number as the PBX sent it.
    pub number: String,
    /// What the number means.
    pub caller: Caller,
    /// The caller's name as sent.
    pub caller_name: Option<String>,
    /// What was dialled first.
    pub dialled: String,
    /// Whether the number may be shown.
    pub presentation: Presentation,
    /// The watched group it came to.
    pub group: Option<String>,
    /// The first queue it waited in, watched or not.
    pub queue: Option<String>,
    /// How far it has come.
    pub phase: Phase,
    /// When its first channel appeared.
    pub started: Timestamp,
    /// The phones that rang before the answer, in order.
    pub rang: Vec<Extension>,
    /// The first agent who spoke with the caller.
    pub answered_by: Option<Extension>,
    /// When that agent did.
    pub answered: Option<Timestamp>,
    /// The last agent who spoke with the caller.
    pub last_agent: Option<Extension>,
    /// Transfers, in order.
    pub transfers: Vec<Transfer>,
    /// It was on hold at least once.
    pub held: bool,
    /// It was parked at least once.
    pub parked: bool,
    /// It reached a voice mailbox.
    pub voicemail: bool,
    /// The message that the caller left there: its path on the PBX, without the ending of the format.
    #[serde(default)]
    pub voicemail_file: Option<String>,
    /// The recording's name on the PBX.
    pub recording: Option<String>,
    /// Channel variables that the config wants, by lower-case name. Bounded, see `step.rs`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The call that it turned out to be a part of.
    pub absorbed_into: Option<CallId>,
    /// What the phone book knows.
    pub lookup: Lookup,
    /// How often the phone book could not find out.
    pub lookups_failed: u32,
    /// The ticket.
    pub ticket: Ticket,
    /// Its recording.
    #[serde(default)]
    pub recorded: Recorded,
    /// What follows it.
    #[serde(default)]
    pub after: After,
    /// The last sequence number given to owed work.
    pub seq: u32,
}

/// Whether the caller's number may be shown (RFC 3323 `Privacy: id`, as Asterisk's `CALLERID(num-pres)` tells).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// Nobody was asked, or the answer did not come in time: it may.
    Presumed,
    /// The PBX was asked and has until then to answer.
    Asked {
        /// The end of our patience.
        until: Timestamp,
    },
    /// It may be shown.
    Allowed,
    /// It must not be shown.
    Withheld,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No agent has spoken with the caller.
    Ringing,
    /// An agent has answered; on hold and parked calls included.
    Talking,
    /// Over; kept until the wrap-up time is over.
    Ended {
        /// When it ended.
        at: Timestamp,
        /// What became of it.
        outcome: Outcome,
        /// Who ended it, where known.
        by: Option<EndedBy>,
        /// The end was not seen.
        estimated: bool,
        /// When the wrap-up time is over.
        wrap_up_until: Timestamp,
        /// It is over; the call is kept only for the work that is still owed.
        wrapped_up: bool,
    },
    /// Nothing more will happen.
    Closed {
        /// When it ended.
        at: Timestamp,
        /// What became of it.
        outcome: Outcome,
        /// Who ended it, where known.
        by: Option<EndedBy>,
        /// The end was not seen.
        estimated: bool,
    },
}

impl Phase {
    pub(super) fn up(&self) -> bool {
        matches!(self, Self::Ringing | Self::Talking)
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An agent spoke with the caller; for outgoing calls: the far end answered.
    Answered,
    /// The caller gave up before.
    Abandoned,
    /// The PBX gave up.
    Unanswered,
    /// The phone or the far end was busy or refused.
    Busy,
    /// The phone or the far end never answered.
    NoAnswer,
    /// The caller was sent to a voice mailbox.
    Voicemail,
}

impl Outcome {
    /// The word for it in texts and in `ringdesk replay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Abandoned => "abandoned",
            Self::Unanswered => "unanswered",
            Self::Busy => "busy",
            Self::NoAnswer => "noanswer",
            Self::Voicemail => "voicemail",
        }
    }
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How.
    pub kind: TransferKind,
    /// Who sent the call on.
    pub from: Extension,
    /// To whom, where known.
    pub to: Option<String>,
}

/// What the phone book knows of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// It was not asked.
    NotAsked,
    /// It was asked this moment and answers at once, or says that it must search.
    Asked,
    /// It searches; nothing waits for it.
    Searching,
    /// It could not find out; it is asked again then.
    Failed {
        /// When it is asked again.
        again: Timestamp,
    },
    /// It answered.
    Known(Identified),
}

/// The ticket of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ticket {
    /// None, and none is owed.
    None,
    /// It is owed.
    Owed {
        /// The sequence number of the work.
        seq: u32,
        /// As it shall be.
        draft: Box<TicketDraft>,
    },
    /// It stands in the CRM.
    Stands(Standing),
    /// The CRM refused it for good.
    Refused {
        /// Why.
        reason: String,
    },
}

/// The ticket as it stands in the CRM, as far as we made it so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub ticket: TicketId,
    /// Who it is for.
    pub requester: Requester,
    /// Whose it is.
    pub assignee: Option<Extension>,
    /// For whom it was opened last, or shall be by work that is owed.
    pub popped: Option<Extension>,
    /// The work that opens it, while owed.
    pub pop_owed: Option<u32>,
    /// The CRM can open tickets on screens.
    pub pops_possible: bool,
    /// The change that is owed: its sequence number.
    pub change_owed: Option<u32>,
    /// Candidates were named in the ticket.
    pub candidates_told: bool,
    /// The requester that the CRM refused, so that it is not tried twice.
    pub refused_requester: Option<Requester>,
    /// The user that was made for the number and is its requester.
    #[serde(default)]
    pub placeholder: Option<Person>,
    /// The fields and tags that the config wants are written, or will be by work that is owed.
    #[serde(default)]
    pub fields_told: bool,
    /// It is an older ticket that took this call: it keeps its agent and group.
    #[serde(default)]
    pub reused: bool,
}

/// What one step leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// What must be done.
    pub effects: Vec<Effect>,
    /// What is worth telling, with its reason.
    pub story: Vec<StoryLine>,
    /// The state changed in a way that must survive a crash.
    pub durable: bool,
    /// What other calls do because of this one: to be written in the same transaction.
    pub others: Vec<(CallId, Step)>,
    /// What only the book knows; it is answered before the step leaves the book.
    pub(super) ask: Option<Ask>,
}

/// One line of a call's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// When.
    pub at: Timestamp,
    /// What happened or was decided.
    pub what: String,
    /// Why; empty where the event speaks for itself.
    pub why: String,
}

impl Step {
    /// What the same call does next, in the same transaction.
    pub(super) fn append(&mut self, next: Step) {
        self.effects.extend(next.effects);
        self.story.extend(next.story);
        self.durable |= next.durable;
        self.others.extend(next.others);
    }

    pub(super) fn tell(&mut self, at: Timestamp, what: impl Into<String>, why: impl Into<String>) {
        self.story.push(StoryLine { at, what: what.into(), why: why.into() });
    }
}

impl Call {
    /// A call that nothing is known of but its id. The first event fills it.
    pub fn new(id: CallId, now: Timestamp) -> Self {
        Self {
            id,
            direction: Direction::Inbound,
            number: String::new(),
            caller: Caller::Withheld,
            caller_name: None,
            dialled: String::new(),
            presentation: Presentation::Presumed,
            group: None,
            queue: None,
            phase: Phase::Ringing,
            started: now,
            rang: Vec::new(),
            answered_by: None,
            answered: None,
            last_agent: None,
            transfers: Vec::new(),
            held: false,
            parked: false,
            voicemail: false,
            voicemail_file: None,
            recording: None,
            variables: BTreeMap::new(),
            absorbed_into: None,
            lookup: Lookup::NotAsked,
            lookups_failed: 0,
            ticket: Ticket::None,
            recorded: Recorded::default(),
            after: After::default(),
            seq: 0,
        }
    }

    /// A call from outside to a watched group: the only kind that gets a ticket.
    pub fn watched(&self) -> bool {
        self.group.is_some() && self.direction == Direction::Inbound
    }

    /// True until nothing more will happen.
    pub fn open(&self) -> bool {
        !matches!(self.phase, Phase::Closed { .. })
    }

    /// True while the call is up on the PBX.
    pub fn up(&self) -> bool {
        self.phase.up()
    }

    /// When time alone changes something, see [`Call::on_time`].
    pub fn due(&self) -> Option<Timestamp> {
        let wrap_up = match &self.phase {
            Phase::Ended { wrap_up_until, wrapped_up: false, .. } => Some(*wrap_up_until),
            Phase::Ended { .. } | Phase::Ringing | Phase::Talking | Phase::Closed { .. } => None,
        };
        let presentation = match &self.presentation {
            Presentation::Asked { until } if self.open() => Some(*until),
            _ => None,
        };
        let lookup = match &self.lookup {
            Lookup::Failed { again } if self.up() || self.open() && !self.gave_look_up_up() => Some(*again),
            _ => None,
        };
        [wrap_up, presentation, lookup].into_iter().flatten().min()
    }
}
