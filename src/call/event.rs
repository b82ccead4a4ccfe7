//! What happens to a call. Every source speaks these words, whatever its PBX calls them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::after::{PersonUpdated, RecordId};
use super::id::{CallId, Extension};
use super::recording::KeptRecording;
use super::work::TicketStanding;

/// One thing that happened to one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The call.
    pub call: CallId,
    /// When the source heard it.
    pub at: Timestamp,
    /// What it was.
    pub event: Event,
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the outside world to the house.
    Inbound,
    /// From the house to the outside world.
    Outbound,
    /// Between two extensions.
    Internal,
}

/// How a call went from one agent to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Sent on without asking (SIP REFER, feature code).
    Blind,
    /// The agent spoke with the next one first.
    Attended,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The other side hung up or refused.
    Called,
    /// The PBX ended it: time-out, announcement, restart.
    Pbx,
}

impl EndedBy {
    /// The word for it in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Called => "agent",
            Self::Pbx => "pbx",
        }
    }
}

/// An event. Those that the call's phase does not expect change nothing, because a PBX repeats
/// itself after a reconnect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The call exists. A repeated one changes nothing.
    Arrived {
        /// Where it comes from.
        direction: Direction,
        /// The caller's number as the PBX shows it; empty where there is none.
        number: String,
        /// The caller's name as sent, cleaned of the PBX's escapes.
        name: Option<String>,
        /// What was dialled first.
        dialled: String,
        /// Whether the source asks the PBX if the number may be shown and will tell by
        /// [`Event::PresentationKnown`].
        presentation_asked: bool,
    },
    /// The PBX told whether the caller's number may be shown.
    PresentationKnown {
        /// The caller hides the number; the PBX knows it all the same.
        withheld: bool,
    },
    /// The call waits in a queue.
    JoinedQueue {
        /// The queue's name.
        queue: String,
    },
    /// The caller's leg came to this number inside the PBX: a ring group, a queue's number, a phone.
    ReachedExtension {
        /// The number inside the PBX.
        extension: Extension,
    },
    /// A phone rings.
    Rang {
        /// The phone's extension.
        extension: Extension,
    },
    /// A phone refused: busy, do not disturb.
    Refused {
        /// The phone's extension.
        extension: Extension,
    },
    /// An agent and the caller speak with each other.
    Answered {
        /// The agent's extension.
        extension: Extension,
    },
    /// The far end of an outgoing call answered.
    FarEndAnswered,
    /// The call was taken by a phone that did not ring.
    PickedUp {
        /// The phone that took it.
        by: Extension,
        /// The phone that rang, where the PBX tells.
        from: Option<Extension>,
    },
    /// The agent sent the call on. The next [`Event::Answered`] tells who really has it.
    Transferred {
        /// How.
        kind: TransferKind,
        /// The agent who had the call.
        from: Extension,
        /// To whom, where known: an extension or an outside number.
        to: Option<String>,
    },
    /// The call was put on hold.
    Held {
        /// Who holds it, where known.
        by: Option<Extension>,
    },
    /// The hold is over.
    Resumed,
    /// The call waits in a parking space.
    Parked {
        /// The space, where known.
        space: Option<String>,
    },
    /// The call went to a voice mailbox.
    ReachedVoicemail,
    /// The call turned out to be a part of another one: a consultation, a pick-up, a retrieval.
    Absorbed {
        /// The call that goes on.
        into: CallId,
    },
    /// The call is over.
    HungUp {
        /// Who ended it, where the PBX tells.
        by: Option<EndedBy>,
        /// What became of the last phone tried, for calls that nobody answered.
        last_dial: Option<DialResult>,
        /// True when the end was not seen: the call was gone after a reconnect or restart.
        estimated: bool,
    },
    /// The recording of the call has begun under this name on the PBX.
    RecordingStarted {
        /// The file as the PBX names it.
        file: String,
    },
    /// The PBX would not record the call.
    RecordingFailed {
        /// Why, in its own words.
        reason: String,
    },
    /// The recording leaves out what is said now, or goes on again.
    RecordingPaused {
        /// It leaves it out.
        paused: bool,
    },
    /// A channel variable of the caller's channel has this value now. Only those that the config wants are told.
    Variable {
        /// Its name, lower-case and without the underscores of inheritance.
        name: String,
        /// Its value, without control characters; never empty.
        value: String,
    },
    /// The caller left a message in a voice mailbox.
    VoicemailLeft {
        /// The message as the PBX names it: a path on the PBX, without the ending of the format.
        file: String,
        /// How long it is, where the PBX tells.
        seconds: Option<u32>,
    },
    /// The phone book knows now who calls.
    CallerIdentified(Identified),
    /// The CRM has the ticket.
    TicketStands(TicketStanding),
    /// A change of the ticket is made.
    TicketUpdated,
    /// The ticket was opened on the agent's screen.
    ScreenPopped {
        /// The agent's extension.
        extension: Extension,
    },
    /// The person of the ticket has what was to be written, or why not.
    PersonUpdated(PersonUpdated),
    /// The CRM has its record of the call.
    CallRecorded {
        /// Its id, which nothing but this tells.
        record: RecordId,
    },
    /// The record is shown in its ticket.
    RecordShown,
    /// The record leads to the recording.
    RecordCompleted,
    /// The recording is in our keeping.
    RecordingKept {
        /// The files, in order.
        files: Vec<KeptRecording>,
    },
    /// There is no recording, for good.
    RecordingMissing {
        /// Why.
        reason: String,
    },
    /// The recording is attached to the ticket.
    RecordingAttached {
        /// Where the CRM has it, for those who are logged in; never to be shown to anybody.
        address: Option<String>,
    },
    /// Owed work was refused for good.
    WorkRefused {
        /// The key of the work.
        key: String,
        /// Why, without callers' data.
        reason: String,
    },
}

/// What became of the last phone that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialResult {
    /// It was busy or refused.
    Busy,
    /// It rang until the PBX gave up.
    NoAnswer,
    /// It could not be reached.
    Unreachable,
    /// The caller gave up while it rang.
    Cancelled,
}

/// What the phone book found for a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identified {
    /// Exactly one person has the number.
    One(Person),
    /// Several persons have it: no guess is made.
    Several(Vec<Person>),
    /// Nobody has it.
    Nobody,
    /// It could not be found out.
    Failed,
}

/// A person in the CRM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The CRM's id.
    pub id: PersonId,
    /// The name as the CRM shows it; may be empty.
    pub name: String,
}

/// The CRM's id of a person, an agent included (Zendesk: a user id, beyond 2^53).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub u64);

/// The CRM's id of a ticket; see [`TicketId::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub u64);

impl TicketId {
    /// Of a call that is only observed: the ticket was thought of and not made. No CRM counts from 0.
    pub const NONE: Self = Self(0);
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for TicketId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
