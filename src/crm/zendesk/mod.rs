//! Zendesk: tickets, screen pops, users.
//!
//! A request goes `errand` → `budget` (may we ask now?) → `token` (who are we?) → `crm::http` →
//! `failure` (what does the answer mean?). What is asked stands in one file each: `create` (with `form`,
//! `reuse`, `show`), `change` (with `parts`, `values`, `follow_up`), `pop`, `record`, `attach`, `person`
//! (decided by `filing`) for owed work, `redact`, `people`, `newcomer`, `roster` for users and groups, `fields` for custom fields.
//!
//! Source: <https://developer.zendesk.com/api-reference/>. With Talk Partner Edition a known caller
//! costs one request, `POST /channels/voice/tickets`; without it tickets are plain ones with an
//! `Idempotency-Key`, and nothing opens by itself.
//!
//! Deliberately absent: jobs, and anything that parses a text meant for people.

mod attach;
mod budget;
mod change;
mod create;
mod errand;
mod failure;
mod fields;
mod filing;
mod follow_up;
mod form;
mod newcomer;
mod options;
mod parts;
mod people;
mod person;
mod pop;
mod record;
mod redact;
mod reuse;
mod roster;
mod show;
mod talk;
mod token;
mod values;
mod voice;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client;

pub use options::{Credentials, Options, PhoneField, PhoneFieldError, ShowField, ShowOf, Voice};

use crate::call::{E164, Person, PersonId, RecordingAttachment, Task, TicketId, Urgency, Work};
use crate::clock::{self, Clock};
pub use crate::crm::http::LineError;
use crate::crm::http::{self, Patience};
use crate::crm::{
    Attachment, Counters, CrmError, FieldCheck, FieldProblem, Login, PeoplePage, PersonRecord, ReadNumbers,
    Resolve, Roster,
};
use crate::delivery::{Attempt, Delivered, DeliveryError};

use budget::Budget;
use errand::Errand;
use failure::Failure;

/// How long a user made for a number is known here without asking; Zendesk's own look-up by
/// `external_id` takes over after that.
const NEWCOMER_KEPT: Duration = Duration::from_secs(600);
/// Numbers that are kept so; 10 000 new callers in ten minutes are none.
const NEWCOMERS: u64 = 10_000;

/// How long custom fields are known without asking again.
const FIELDS_KEPT: Duration = Duration::from_secs(3600);

/// How long a ticket that we made is known here; the list of its requester's tickets was reported to be
/// up to 90 s behind.
const MADE_KEPT: Duration = Duration::from_secs(300);
/// Tickets that are kept so: more than 30 a second are none.
const MADE: u64 = 10_000;

/// Users share so many turns by their ids.
const TURNS: usize = 16;

/// How long a doubt is kept here; the journal remembers it longer.
const DOUBT_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The client of one Zendesk account. Cheap to ask from many tasks at once.
pub struct Zendesk {
    client: Client,
    /// `https://example.zendesk.com`, without a slash.
    root: String,
    login: token::Login,
    budget: Budget,
    voice: voice::VoiceDoor,
    phone_fields: Vec<PhoneField>,
    numbers: Arc<dyn ReadNumbers>,
    request_timeout: Duration,
    counters: Counters,
    clock: Clock,
    /// Work of which an attempt in this run may have succeeded unheard.
    doubts: Mutex<HashMap<String, Doubt>>,
    /// The users made for numbers; also lets one caller at a time make one.
    newcomers: moka::future::Cache<E164, Person>,
    /// The account's custom fields.
    fields: moka::future::Cache<fields::Owner, fields::Fields>,
    /// The latest ticket that we made for a requester in a group.
    made: moka::future::Cache<(PersonId, u64), u64>,
    show: Vec<ShowField>,
    calls_app_id: Option<u64>,
    /// When the export of users was asked for.
    exports: Mutex<std::collections::VecDeque<Instant>>,
    /// When a user was changed last.
    last_user_write: tokio::sync::Mutex<Option<Instant>>,
    /// Who writes to a user after a look at it waits for its turn.
    turns: [tokio::sync::Mutex<()>; TURNS],
}

/// An attempt whose end was not heard.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// When it began.
    since: Instant,
    /// No answer came in time: Zendesk may even still be at it.
    timed_out: bool,
}

impl Zendesk {
    /// Sets a client up. Nothing is asked yet.
    ///
    /// # Errors
    /// When the address is not encrypted, or the HTTP client cannot be made.
    pub fn new(options: Options, clock: Clock) -> Result<Self, LineError> {
        let patience = Patience { connect: options.connect_timeout, request: options.request_timeout };
        let client = http::client(&options.url, patience)?;
        let root = options.url.as_str().trim_end_matches('/').trim_end_matches("/api/v2").to_owned();
        Ok(Self {
            client,
            login: token::Login::new(options.credentials, &root, clock.clone()),
            root,
            budget: Budget::new(options.requests_per_minute, options.max_in_flight, clock.clone()),
            voice: voice::VoiceDoor::new(options.voice, options.voice_known),
            phone_fields: options.phone_fields,
            numbers: options.numbers,
            request_timeout: options.request_timeout,
            counters: Counters::default(),
            clock,
            doubts: Mutex::default(),
            newcomers: moka::future::Cache::builder()
                .max_capacity(NEWCOMERS)
                .time_to_live(NEWCOMER_KEPT)
                .build(),
            fields: moka::future::Cache::builder().time_to_live(FIELDS_KEPT).build(),
            made: moka::future::Cache::builder().max_capacity(MADE).time_to_live(MADE_KEPT).build(),
            show: options.show,
            calls_app_id: options.calls_app_id,
            exports: Mutex::default(),
            last_user_write: tokio::sync::Mutex::default(),
            turns: Default::default(),
        })
    }

    /// What is known about the voice endpoints; `None` until the first ticket tells. To be kept, so
    /// that the next run need not find it out again.
    pub fn voice_available(&self) -> Option<bool> {
        self.voice.known()
    }

    /// The largest file that can be attached, in bytes.
    pub fn largest_attachment(&self) -> u64 {
        attach::LARGEST
    }

    /// What the client has done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
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
        let key = work.key();
        let doubt = self.doubts().get(&key).copied();
        let errand = Errand::new(self, work.urgency());
        let attempt = Attempt { look_first: attempt.look_first || doubt.is_some(), ..attempt };
        let begun = clock::instant();
        let (what, done) = match &work.task {
            Task::CreateTicket(draft) => {
                ("creating the ticket", create::create(&errand, draft, attempt, doubt, resolve).await)
            }
            Task::UpdateTicket { ticket, change } => (
                "changing the ticket",
                change::change(&errand, work, *ticket, change, attempt, resolve).await,
            ),
            Task::PopScreen { ticket, agent } => {
                ("opening the ticket", pop::pop(&errand, &key, *ticket, agent, resolve).await)
            }
            Task::UpdatePerson(update) => {
                ("updating the person", person::update(&errand, update, resolve).await)
            }
            // They have doors of their own: files are made ready between the look and the upload.
            Task::KeepRecording(_) | Task::AttachRecording(_) => {
                ("attaching", Err(Undone::Refused("a recording is no work of this door".to_owned())))
            }
            Task::RecordCall(record) => {
                ("recording the call", record::record(&errand, &key, record, attempt, resolve).await)
            }
            Task::CompleteRecord { record, address } => {
                ("completing the record of the call", record::complete(&errand, &key, *record, address).await)
            }
            Task::ShowRecord { ticket, record, title } => (
                "showing the record of the call",
                record::show(&errand, &key, *ticket, *record, title, attempt).await,
            ),
        };
        self.conclude(key, work.urgency(), what, done, begun, attempt)
    }

    /// Whether the files of this work are attached already; asked only when they may be.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn attached(
        &self,
        work: &Work,
        attachment: &RecordingAttachment,
        attempt: Attempt,
    ) -> Result<Option<Delivered>, DeliveryError> {
        let key = work.key();
        if !attempt.look_first && !self.doubts().contains_key(&key) {
            return Ok(None);
        }
        let (errand, begun) = (Errand::new(self, work.urgency()), clock::instant());
        match attach::attached(&errand, work, attachment).await {
            Ok(None) => {
                self.doubts().remove(&key);
                Ok(None)
            }
            done => {
                let done = done.map(|found| found.expect("looked at above"));
                let attempt = Attempt { look_first: true, ..attempt };
                let what = "looking for the recording in the ticket";
                self.conclude(key, work.urgency(), what, done, begun, attempt).map(Some)
            }
        }
    }

    /// Attaches files to the ticket, by one comment; see [`Zendesk::attached`], which must have said no.
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
        let (errand, begun) = (Errand::new(self, work.urgency()), clock::instant());
        let attempt = Attempt { look_first: false, ..attempt };
        let done = attach::attach(&errand, work, attachment, files, comment, attempt, resolve).await;
        self.conclude(work.key(), work.urgency(), "attaching the recording", done, begun, attempt)
    }

    /// Takes the files of this work out of its ticket; says how many there were.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn redact(&self, ticket: TicketId, work: &Work) -> Result<usize, CrmError> {
        let what = "redacting the recording";
        match redact::redact(&Errand::new(self, Urgency::Soon), ticket, work).await {
            Ok(count) => Ok(count),
            Err(Undone::Failed(failure)) => Err(failure.asked(what)),
            Err(Undone::Refused(reason)) => Err(CrmError::Odd { what, reason }),
            Err(Undone::NotYet(wait)) => Err(CrmError::Wait(wait)),
        }
    }

    /// What the end of an attempt at owed work means, and what is remembered of it.
    fn conclude(
        &self,
        key: String,
        urgency: Urgency,
        what: &'static str,
        done: Result<Delivered, Undone>,
        begun: Instant,
        attempt: Attempt,
    ) -> Result<Delivered, DeliveryError> {
        match done {
            Ok(delivered) => {
                self.doubts().remove(&key);
                Ok(delivered)
            }
            Err(Undone::Refused(reason) | Undone::Failed(Failure::Refused(reason))) => {
                self.doubts().remove(&key);
                Err(DeliveryError::Refused { reason })
            }
            Err(Undone::NotYet(pause)) => Err(DeliveryError::NotYet(pause)),
            // Its own share of the minute is used up: what is more urgent may still be sent, and must not wait for it.
            Err(Undone::Failed(Failure::Wait { wait, unclear: false }))
                if urgency > Urgency::Live && !self.budget.is_stopped() =>
            {
                Err(DeliveryError::NotYet(wait))
            }
            Err(Undone::Failed(failure)) => {
                if failure.unclear() {
                    let doubt = Doubt { since: begun, timed_out: failure.timed_out() };
                    let mut doubts = self.doubts();
                    // Work that was withdrawn meanwhile never comes back for its doubt.
                    doubts.retain(|_, doubt| begun.saturating_duration_since(doubt.since) < DOUBT_KEPT);
                    let kept = doubts.entry(key).or_insert(doubt);
                    // A look that found nothing must not make the wait after a time-out start anew.
                    if doubt.timed_out {
                        *kept = doubt;
                    }
                }
                // An earlier doubt goes on until somebody has looked.
                Err(failure.owed(what, attempt.look_first))
            }
        }
    }

    /// Proves that we are logged in.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn login(&self) -> Result<Login, CrmError> {
        roster::login(&Errand::new(self, Urgency::Soon)).await
    }

    /// From now on we log in as the other client does, which must have been proven. Same account only.
    pub fn take_login(&self, other: &Self) {
        self.login.become_of(&other.login);
    }

    /// Reads all agents and groups.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn roster(&self) -> Result<Roster, CrmError> {
        let what = "reading agents and groups";
        roster::roster(&Errand::new(self, Urgency::Soon)).await.map_err(|failure| failure.asked(what))
    }

    /// Finds the default user by e-mail address, or makes it.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn default_user(&self, email: &str, name: &str) -> Result<PersonId, CrmError> {
        let what = "finding the default user";
        let errand = Errand::new(self, Urgency::Soon);
        newcomer::default_user(&errand, email, name).await.map_err(|failure| failure.asked(what))
    }

    /// Finds an active user by e-mail address; makes nothing.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn find_user(&self, email: &str) -> Result<Option<PersonId>, CrmError> {
        let what = "finding the default user";
        newcomer::by_email(&Errand::new(self, Urgency::Soon), email)
            .await
            .map_err(|failure| failure.asked(what))
    }

    /// Searches persons who may have this number. The hits are candidates: the phone book compares.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn search(&self, number: E164, urgency: Urgency) -> Result<Vec<PersonRecord>, CrmError> {
        let what = "searching a caller";
        people::search(&Errand::new(self, urgency), number).await.map_err(|failure| failure.asked(what))
    }

    /// Reads one page of all persons; `None` begins from the beginning.
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn export_people(&self, cursor: Option<&str>) -> Result<PeoplePage, CrmError> {
        let what = "reading all persons";
        let errand = Errand::new(self, Urgency::Background);
        people::export(&errand, cursor).await.map_err(|failure| failure.asked(what))
    }

    /// Holds mappings against the account's custom fields, see [`Crm::check_fields`](crate::crm::Crm::check_fields).
    ///
    /// # Errors
    /// See [`CrmError`].
    pub async fn check_fields(&self, checks: &[FieldCheck]) -> Result<Vec<Vec<FieldProblem>>, CrmError> {
        let what = "reading the custom fields";
        let errand = Errand::new(self, Urgency::Soon);
        values::check(&errand, checks).await.map_err(|failure| failure.asked(what))
    }

    fn turn_of(&self, user: PersonId) -> &tokio::sync::Mutex<()> {
        &self.turns[usize::try_from(user.0 % TURNS as u64).unwrap_or_default()]
    }

    fn doubts(&self) -> MutexGuard<'_, HashMap<String, Doubt>> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Zendesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zendesk").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Owed work was not done.
#[derive(Debug)]
enum Undone {
    /// It may be tried again.
    Failed(Failure),
    /// It may be tried again after this time; nothing else has to wait for it.
    NotYet(Duration),
    /// It will never be accepted.
    Refused(String),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
