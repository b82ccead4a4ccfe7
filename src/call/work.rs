//! What a call asks for, and the durable form of what it asks for.

use serde::{Deserialize, Serialize};

use super::after::{Author, CallRecord, FieldValue, PersonUpdate, RecordId};
use super::event::{Person, PersonId, TicketId};
use super::id::{CallId, Extension};
use super::number::E164;
use super::recording::{RecordingAttachment, RecordingOrder, RecordingSought};

/// What a call's state asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the phone book who has this number. Not durable: asked again after a restart.
    LookUpCaller {
        /// The number.
        number: E164,
    },
    /// An order for the PBX. Not durable: a call that is gone is not recorded.
    Record(RecordingOrder),
    /// Work for the CRM, to be written down before it is done.
    Owe(Work),
    /// Work that is no longer worth doing.
    Withdraw {
        /// The key of the work.
        key: String,
        /// Why, for the call's story.
        reason: &'static str,
    },
}

impl Effect {
    /// The name of the effect in stories and in `ringdesk replay`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LookUpCaller { .. } => "look_up_caller",
            Self::Record(RecordingOrder::Start { .. }) => "start_recording",
            Self::Record(RecordingOrder::Stop) => "stop_recording",
            Self::Record(RecordingOrder::Pause) => "pause_recording",
            Self::Record(RecordingOrder::Resume) => "resume_recording",
            Self::Owe(work) => work.task.name(),
            Self::Withdraw { .. } => "withdraw",
        }
    }
}

/// An effect made durable: what an exit must do for a call, once.
///
/// Work of one call for one [`Exit`] is done in order of `seq`; a later piece waits for the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The call it belongs to.
    pub call: CallId,
    /// Its place in the call, from 1.
    pub seq: u32,
    /// What is to be done.
    pub task: Task,
}

impl Work {
    /// The key: one piece of work in the whole house, `main/1795292763.0#1`.
    pub fn key(&self) -> String {
        format!("{}#{}", self.call, self.seq)
    }

    /// How urgent the work is.
    pub fn urgency(&self) -> Urgency {
        match self.task {
            Task::CreateTicket(_) | Task::PopScreen { .. } => Urgency::Live,
            Task::UpdateTicket { .. } => Urgency::Soon,
            Task::UpdatePerson(_)
            | Task::RecordCall(_)
            | Task::ShowRecord { .. }
            | Task::CompleteRecord { .. } => Urgency::Later,
            Task::KeepRecording(_) | Task::AttachRecording(_) => Urgency::Background,
        }
    }
}

/// How urgent a request is; the first is served first when the CRM allows few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// A person waits: the ticket, the screen pop.
    Live,
    /// A caller's look-up.
    LookUp,
    /// Corrections of a ticket that stands.
    Soon,
    /// What is written after the call: numbers, fields, records.
    Later,
    /// Everything else: the mirror, the directory.
    Background,
}

/// What an exit can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Make the ticket and open it for the agent.
    CreateTicket(Box<TicketDraft>),
    /// Change the ticket that stands.
    UpdateTicket {
        /// The ticket.
        ticket: TicketId,
        /// What changes.
        change: Box<TicketChange>,
    },
    /// Open the ticket on an agent's screen.
    PopScreen {
        /// The ticket.
        ticket: TicketId,
        /// For whom.
        agent: Agent,
    },
    /// After the wrap-up: write number and fields to the person who is the ticket's requester by now.
    UpdatePerson(Box<PersonUpdate>),
    /// Make the CRM's record of the call.
    RecordCall(Box<CallRecord>),
    /// Fetch the recording from the PBX and keep it.
    KeepRecording(Box<RecordingSought>),
    /// Attach the recording to the ticket.
    AttachRecording(Box<RecordingAttachment>),
    /// Let that record lead to the recording.
    CompleteRecord {
        /// The record.
        record: RecordId,
        /// Where the CRM has the recording.
        address: String,
    },
    /// Show that record in its ticket.
    ShowRecord {
        /// The ticket.
        ticket: TicketId,
        /// The record.
        record: RecordId,
        /// Its title.
        title: String,
    },
}

/// Who does a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The CRM.
    Crm,
    /// Whoever keeps recordings. It may wait for them, and the rest of the call's work does not.
    Keeping,
    /// The CRM again, for files: they are large, and nothing else waits behind them.
    Uploads,
}

impl Task {
    /// Who does it. Work of one call for one exit is done in order.
    pub fn exit(&self) -> Exit {
        match self {
            Self::KeepRecording(_) => Exit::Keeping,
            Self::AttachRecording(_) => Exit::Uploads,
            Self::CreateTicket(_)
            | Self::UpdateTicket { .. }
            | Self::PopScreen { .. }
            | Self::UpdatePerson(_)
            | Self::RecordCall(_)
            | Self::ShowRecord { .. }
            | Self::CompleteRecord { .. } => Exit::Crm,
        }
    }

    /// The name of the task in stories, logs and `ringdesk replay`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateTicket(_) => "create_ticket",
            Self::UpdateTicket { .. } => "update_ticket",
            Self::PopScreen { .. } => "pop_screen",
            Self::UpdatePerson(_) => "update_person",
            Self::RecordCall(_) => "record_call",
            Self::ShowRecord { .. } => "show_record",
            Self::CompleteRecord { .. } => "complete_record",
            Self::KeepRecording(_) => "keep_recording",
            Self::AttachRecording(_) => "attach_recording",
        }
    }
}

/// A person of the house: known to the PBX by extension, to the CRM by e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The extension.
    pub extension: Extension,
    /// The e-mail address, lower-case; `None` when nobody told it.
    pub email: Option<String>,
    /// The name, where the PBX or the config tells it.
    pub name: Option<String>,
}

/// Who a ticket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// A person that the CRM knows.
    Person(PersonId),
    /// The default user of the config.
    DefaultUser,
    /// A new user who has only the number and a name.
    NewUser {
        /// The number.
        number: E164,
        /// The name, made by the template of the config.
        name: String,
    },
}

/// A ticket that is to be made. All texts are ready: a repeated request has the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketDraft {
    /// Contains the source's name and the PBX's id of the call verbatim.
    pub external_id: String,
    /// Who the ticket is for.
    pub requester: Requester,
    /// The agent who answered; `None` leaves the ticket unassigned.
    pub assignee: Option<Agent>,
    /// The name of the CRM's group; `None` leaves it to the CRM.
    pub group: Option<String>,
    /// The subject, at most 150 characters.
    pub subject: String,
    /// The first comment, plain text.
    pub comment: String,
    /// Whether the requester may see the first comment.
    pub public: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// Priority (`low`, `normal`, `high`, `urgent`), where set.
    pub priority: Option<String>,
    /// For whom the new ticket opens; `None` when nobody is to see it at once.
    pub pop: Option<Agent>,
    /// The comment names the candidates for an ambiguous number, if there are any.
    #[serde(default)]
    pub tells_candidates: bool,
    /// In whose name; `None`: in that of our log-in.
    #[serde(default)]
    pub author: Option<Author>,
    /// Nobody answered: the ticket is the default agent's, and no screen is asked for.
    #[serde(default)]
    pub for_default_agent: bool,
    /// A ticket of the same requester and group that is younger than so many seconds and not closed
    /// takes the comment instead; 0: never.
    #[serde(default)]
    pub reuse_within: u32,
}

/// A change of a ticket that stands. All parts go in one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketChange {
    /// The new requester.
    pub requester: Option<Requester>,
    /// The new assignee.
    pub assignee: Option<Agent>,
    /// The new group, by the CRM's name.
    pub group: Option<String>,
    /// An internal comment that is added.
    pub comment: Option<String>,
    /// Ticket fields that get a value.
    #[serde(default)]
    pub fields: Vec<FieldValue>,
    /// Tags that are added.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The ticket is solved.
    #[serde(default)]
    pub solve: bool,
    /// Who owns it as a solved one when nobody owned it: no solved ticket is without an assignee.
    #[serde(default)]
    pub solver: Option<Agent>,
    /// In whose name the comment is; `None`: in that of our log-in.
    #[serde(default)]
    pub author: Option<Author>,
}

/// How a ticket stands in the CRM after it was made or found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketStanding {
    /// The ticket.
    pub ticket: TicketId,
    /// Who it is for in truth: the default user where the draft's requester was refused.
    pub requester: Standing,
    /// The agent whose screen it was opened on in the same step.
    pub popped: Option<Extension>,
    /// Whether the CRM can open tickets on screens at all (Zendesk: Talk Partner Edition).
    pub pops_possible: bool,
    /// It is an older ticket that took this call's comment.
    #[serde(default)]
    pub reused: bool,
}

/// The requester that a ticket got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As the draft said.
    AsDrafted,
    /// The draft's person was refused (deleted, merged away, suspended); the default user stands in.
    DefaultUserInstead,
    /// A new user was made for the number.
    NewUser(Person),
}
