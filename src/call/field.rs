//! What a placeholder in the admin's texts stands for, and where each may stand.

use std::borrow::Cow;

/// Before the name of a channel variable.
pub(super) const VARIABLE: &str = "var.";

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The caller's number as written for people, or a word for a number that is withheld.
    CallerNumber,
    /// The caller's name as the line sent it.
    CallerName,
    /// The name of the person that the phone book found.
    Person,
    /// What was dialled.
    Dialled,
    /// The name of the group that was called.
    Group,
    /// The name of the agent who answered.
    AgentName,
    /// The extension of the agent who answered. `agent_id` is the same.
    AgentExtension,
    /// The e-mail address of the agent who answered.
    AgentEmail,
    /// Inbound, outbound or internal.
    Direction,
    /// When the call began.
    Started,
    /// When the agent answered.
    Answered,
    /// When the call ended.
    Ended,
    /// How long was spoken, from the answer to the end, as `hh:mm:ss`.
    Duration,
    /// The same in whole seconds.
    DurationSeconds,
    /// How long the caller waited, from the beginning to the answer or to the end, as `hh:mm:ss`.
    Waiting,
    /// The same in whole seconds.
    WaitingSeconds,
    /// What became of the call, in the words of [`Outcome`](super::Outcome).
    Outcome,
    /// `caller`, `agent` or `pbx`.
    HungUpBy,
    /// Everybody who has the number, when there are several. May have several lines.
    Candidates,
    /// The CRM's id of the person that the phone book found.
    ContactId,
    /// Our id of the call.
    CallId,
    /// The PBX's id of the call that its parts have in common (Asterisk: `Linkedid`).
    LinkedId,
    /// The number of the ticket.
    Ticket,
    /// The recording, or the message in the voice mailbox, as the PBX names it.
    Recording,
    /// The name of the PBX in the config.
    Source,
    /// The caller's number in E.164; only for the name of a new user.
    Number,
    /// The year in which the call began, as four digits; this one and the next three are in the PBX's time zone.
    Year,
    /// The month, as two digits.
    Month,
    /// The day of the month, as two digits.
    Day,
    /// The time of day, as `hhmmss`.
    Time,
    /// The channel variable of this name, in small letters.
    Variable(String),
}

impl Field {
    /// What the first texts of a ticket may name: its agent has just answered.
    pub const OF_TICKETS: &[Field] = &[
        Self::CallerNumber,
        Self::CallerName,
        Self::Person,
        Self::ContactId,
        Self::Dialled,
        Self::Group,
        Self::AgentName,
        Self::AgentExtension,
        Self::AgentEmail,
        Self::Direction,
        Self::Started,
        Self::Answered,
        Self::Waiting,
        Self::WaitingSeconds,
        Self::Candidates,
        Self::CallId,
        Self::LinkedId,
        Self::Source,
    ];

    /// What the texts about a call may name that nobody answered: it is over, and had no agent.
    pub const OF_MISSED: &[Field] = &[
        Self::CallerNumber,
        Self::CallerName,
        Self::Person,
        Self::ContactId,
        Self::Dialled,
        Self::Group,
        Self::Direction,
        Self::Started,
        Self::Ended,
        Self::Waiting,
        Self::WaitingSeconds,
        Self::Outcome,
        Self::HungUpBy,
        Self::Candidates,
        Self::CallId,
        Self::LinkedId,
        Self::Source,
        Self::Recording,
    ];

    /// What can be written into a field when all is over.
    pub const OF_FIELDS: &[Field] = &[
        Self::CallerNumber,
        Self::CallerName,
        Self::Person,
        Self::ContactId,
        Self::Dialled,
        Self::Group,
        Self::AgentName,
        Self::AgentExtension,
        Self::AgentEmail,
        Self::Direction,
        Self::Started,
        Self::Answered,
        Self::Ended,
        Self::Duration,
        Self::DurationSeconds,
        Self::Waiting,
        Self::WaitingSeconds,
        Self::Outcome,
        Self::HungUpBy,
        Self::CallId,
        Self::LinkedId,
        Self::Source,
        Self::Ticket,
        Self::Recording,
    ];

    /// What the path and the name of a recording may be made of.
    pub const OF_FILES: &[Field] = &[
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Time,
        Self::CallerNumber,
        Self::Dialled,
        Self::Group,
        Self::AgentName,
        Self::AgentExtension,
        Self::Direction,
        Self::CallId,
        Self::LinkedId,
        Self::Source,
    ];

    /// What the name of a new user may be made of.
    pub const OF_NEW_USERS: &[Field] = &[Self::Number, Self::CallerName];

    /// The word between the braces.
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::CallerNumber => "caller_number",
            Self::CallerName => "caller_name",
            Self::Person => "person",
            Self::Dialled => "dialled",
            Self::Group => "group",
            Self::AgentName => "agent_name",
            Self::AgentExtension => "agent_extension",
            Self::AgentEmail => "agent_email",
            Self::Direction => "direction",
            Self::Started => "started",
            Self::Answered => "answered",
            Self::Ended => "ended",
            Self::Duration => "duration",
            Self::DurationSeconds => "duration_seconds",
            Self::Waiting => "waiting",
            Self::WaitingSeconds => "waiting_seconds",
            Self::Outcome => "outcome",
            Self::HungUpBy => "hung_up_by",
            Self::Candidates => "candidates",
            Self::ContactId => "contact_id",
            Self::CallId => "call_id",
            Self::LinkedId => "linked_id",
            Self::Source => "source",
            Self::Ticket => "ticket",
            Self::Recording => "recording",
            Self::Number => "number",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Time => "time",
            Self::Variable(name) => return Cow::Owned(format!("{VARIABLE}{name}")),
        })
    }

    /// Whether the word between the braces means this one. `agent_id` is what other programs say.
    pub(super) fn is_called(&self, word: &str) -> bool {
        self.name() == word || (*self == Self::AgentExtension && word == "agent_id")
    }
}
