//! EXIT: where tickets go. This file is the door for a new CRM.
//!
//! A CRM is a folder here, a variant of [`Crm`] and a section `[crm.…]` of the config. Nothing
//! outside `crm/zendesk` speaks Zendesk, and nothing in here names an entrance (`pbx`) or the desk.
//! Deliberately a set of plain functions behind an enum and no trait: with one CRM there is nothing
//! to abstract over yet.

mod counters;
mod fields;
pub mod http;
pub mod zendesk;

use std::path::PathBuf;
use std::sync::Arc;

pub use counters::Counters;
pub use fields::{FieldCheck, FieldProblem};
pub use http::LineError;

use crate::call::{Agent, E164, Person, PersonId, RecordingAttachment, TicketId, Urgency, Work};
use crate::delivery::{Attempt, Delivered, DeliveryError};

/// A CRM, ready to be asked.
#[derive(Clone)]
pub enum Crm {
    /// Zendesk.
    Zendesk(Arc<zendesk::Zendesk>),
}

/// A file that is to be attached to a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// What it is called there.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// Its media type.
    pub kind: &'static str,
}

/// A person as the phone book keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRecord {
    /// Id and name.
    pub person: Person,
    /// Every number as it is written in the CRM, from all configured phone fields.
    pub numbers: Vec<String>,
    /// One that we made for a number, see [`Placeholder`](crate::call::Placeholder): who else has the number goes before.
    pub placeholder: bool,
    /// False for deleted and suspended persons and for agents: they are never a caller.
    pub usable: bool,
}

/// One page of the export of all persons.
#[derive(Clone, Debug)]
pub struct PeoplePage {
    /// The persons; some may have come before.
    pub people: Vec<PersonRecord>,
    /// Where to go on, now and after a restart.
    pub cursor: Option<String>,
    /// True when there is no more for now.
    pub end: bool,
}

/// An agent as the CRM knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrmAgent {
    /// The id.
    pub id: PersonId,
    /// The name.
    pub name: String,
    /// The e-mail address as written in the CRM.
    pub email: Option<String>,
    /// Which tickets the agent can own.
    pub owns: Ownership,
}

/// Which tickets an agent can own, as far as the CRM tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// All.
    #[default]
    All,
    /// Some: the rest is not even seen.
    Some,
    /// None, because the agent is in no group.
    NoGroup,
    /// None, because of the agent's licence (Zendesk: light agents and those for chats only).
    NoLicence,
}

/// A group as the CRM knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrmGroup {
    /// The id.
    pub id: u64,
    /// The name as written in the CRM.
    pub name: String,
}

/// Everything of the CRM that the directory matches.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Agents and admins that are neither deleted nor suspended.
    pub agents: Vec<CrmAgent>,
    /// Groups that are not deleted.
    pub groups: Vec<CrmGroup>,
}

/// Who we are to the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Our own user.
    pub user: CrmAgent,
    /// `agent` or `admin`.
    pub role: String,
    /// Warnings for the admin, each with a way out ("the API token stops on 2027-04-30: …").
    pub warnings: Vec<String>,
}

/// Answers who an agent or a group of the house is in the CRM; the directory's latest matching.
///
/// The exits ask it at the moment of sending, so that work made while the CRM was away finds its ids.
pub trait Resolve: Send + Sync {
    /// The CRM's id of the agent; `None` when the agent is not matched.
    fn agent(&self, agent: &Agent) -> Option<PersonId>;
    /// The CRM's id of the group with this name (case-folded, trimmed); `None` when it is not matched.
    fn group(&self, name: &str) -> Option<u64>;
    /// The default user; `None` until it was found or made.
    fn default_user(&self) -> Option<PersonId>;
    /// The agent of what is done without an agent: the first of `default_agent` and `deputy_agent`
    /// that is neither suspended nor gone; `None` when there is none: then it is our log-in's.
    fn default_agent(&self) -> Option<PersonId>;
}

/// Reads the numbers in a text of the CRM, however people wrote them.
///
/// The one implementation is the phone book's normaliser; the trait stands here because the phone book
/// names the CRM and not the other way round.
pub trait ReadNumbers: Send + Sync + std::fmt::Debug {
    /// Every number in the text.
    fn numbers(&self, text: &str) -> Vec<E164>;
}

/// A request that is not owed work did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// Nobody answered or the far side failed: try later.
    #[error("{what}: the CRM is away")]
    Away {
        /// What was asked.
        what: &'static str,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Our log-in is refused; text has the way out.
    #[error("{0}")]
    LoginRefused(String),
    /// Asked to wait.
    #[error("asked to wait {} s", .0.as_secs())]
    Wait(std::time::Duration),
    /// The CRM answered, but not with what it must answer.
    #[error("{what}: {reason}")]
    Odd {
        /// What was asked.
        what: &'static str,
        /// What is odd, without callers' data.
        reason: String,
    },
}

impl Crm {
    /// Whether tickets open on screens; `None` until it was found out.
    pub fn screen_pops(&self) -> Option<bool> {
        match self {
            Self::Zendesk(zendesk) => zendesk.voice_available(),
        }
    }

    /// What was asked so far, and how it was answered.
    pub fn counters(&self) -> &Counters {
        match self {
            Self::Zendesk(zendesk) => zendesk.counters(),
        }
    }

    /// Does one piece of owed work.
    ///
    /// # Errors
    /// Says whether the same work may be tried again, see [`DeliveryError`].
    pub async fn deliver(
        &self,
        work: &Work,
        attempt: Attempt,
        resolve: &dyn Resolve,
    ) -> Result<Delivered, DeliveryError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.deliver(work, attempt, resolve).await,
        }
    }

    /// The largest file that can be attached, in bytes.
    pub fn largest_attachment(&self) -> u64 {
        match self {
            Self::Zendesk(zendesk) => zendesk.largest_attachment(),
        }
    }

    /// Whether the files of this work are attached already. Asks only when they may be.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn attached(
        &self,
        work: &Work,
        attachment: &RecordingAttachment,
        attempt: Attempt,
    ) -> Result<Option<Delivered>, DeliveryError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.attached(work, attachment, attempt).await,
        }
    }

    /// Attaches files to the ticket by one comment with this text; [`Crm::attached`] must have said no.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn attach(
        &self,
        work: &Work,
        attachment: &RecordingAttachment,
        files: &[Attachment],
        comment: &str,
        attempt: Attempt,
        resolve: &dyn Resolve,
    ) -> Result<Delivered, DeliveryError> {
        match self {
            Self::Zendesk(zendesk) => {
                zendesk.attach(work, attachment, files, comment, attempt, resolve).await
            }
        }
    }

    /// Takes the files that this work attached out of its ticket, for good; says how many there were.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn redact(&self, ticket: TicketId, work: &Work) -> Result<usize, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.redact(ticket, work).await,
        }
    }

    /// Proves that we are logged in.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn login(&self) -> Result<Login, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.login().await,
        }
    }

    /// From now on this client logs in as the other one does, which must be proven and of the same account.
    pub fn take_login(&self, other: &Self) {
        match (self, other) {
            (Self::Zendesk(zendesk), Self::Zendesk(other)) => zendesk.take_login(other),
        }
    }

    /// Reads all agents and groups.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn roster(&self) -> Result<Roster, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.roster().await,
        }
    }

    /// Finds the default user by e-mail address, or makes it.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn default_user(&self, email: &str, name: &str) -> Result<PersonId, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.default_user(email, name).await,
        }
    }

    /// Finds an active user by e-mail address; makes nothing.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn find_user(&self, email: &str) -> Result<Option<PersonId>, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.find_user(email).await,
        }
    }

    /// Searches persons who may have this number. The hits are candidates: the phone book compares.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn search(&self, number: E164, urgency: Urgency) -> Result<Vec<PersonRecord>, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.search(number, urgency).await,
        }
    }

    /// Reads one page of all persons; `None` begins from the beginning.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn export_people(&self, cursor: Option<&str>) -> Result<PeoplePage, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.export_people(cursor).await,
        }
    }

    /// Holds mappings against the fields of the CRM: for each of `checks`, in their order, what is wrong
    /// with it; nothing when it will work.
    ///
    /// # Errors
    /// When the fields cannot be read, see [`CrmError`].
    pub async fn check_fields(&self, checks: &[FieldCheck]) -> Result<Vec<Vec<FieldProblem>>, CrmError> {
        match self {
            Self::Zendesk(zendesk) => zendesk.check_fields(checks).await,
        }
    }
}
