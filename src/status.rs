//! How the daemon stands: what the status page, the metrics and the health checks show.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::archive::ArchiveState;
use crate::call::SourceName;
use crate::clock::Clock;
use crate::config::Config;
use crate::crm::Crm;
use crate::desk::DeskState;
use crate::directory::Directory;
use crate::dispatch::Load;
use crate::pbx::ami::counters::Counters;
use crate::pbx::ami::driver::LinkState;
use crate::phonebook::BookStatus;
use crate::recording::Room;

/// Everything that can be looked at. Looking changes nothing.
#[derive(Clone)]
pub struct Status {
    /// The config that is in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// The sources.
    pub pbx: Vec<PbxView>,
    /// The calls.
    pub desk: watch::Receiver<DeskState>,
    /// The owed work.
    pub load: watch::Receiver<Load>,
    /// Recordings that are waited for.
    pub keeping: watch::Receiver<Load>,
    /// Recordings that are to be attached.
    pub uploads: watch::Receiver<Load>,
    /// The room for them.
    pub room: watch::Receiver<Room>,
    /// The CRM's log-in.
    pub crm_login: watch::Receiver<CrmLogin>,
    /// Why the last reload was refused; `None` when there was none or it went well.
    pub reload_refused: watch::Receiver<Option<String>>,
    /// Who is who.
    pub directory: Directory,
    /// The phone book.
    pub phonebook: watch::Receiver<BookStatus>,
    /// The archive; `None`: nothing is copied.
    pub archive: Option<watch::Receiver<ArchiveState>>,
    /// The CRM's client.
    pub crm: Crm,
    /// The clock.
    pub clock: Clock,
    /// Since when the daemon runs.
    pub started: Timestamp,
}

/// One source.
#[derive(Clone)]
pub struct PbxView {
    /// Its name.
    pub name: SourceName,
    /// The connection.
    pub state: watch::Receiver<LinkState>,
    /// What it has done.
    pub counters: Arc<Counters>,
}

/// How the CRM's log-in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmLogin {
    /// It was not tried yet.
    Unknown,
    /// It is proven.
    Proven {
        /// Our own user's name.
        name: String,
        /// Its role.
        role: String,
    },
    /// It does not work.
    Failed {
        /// Why, with the way out.
        reason: String,
    },
}

/// The status at one moment, as `/status.json` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The program's version.
    pub version: &'static str,
    /// Since when it runs.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether calls are served.
    pub ready: bool,
    /// What is missing for that.
    pub not_ready: Vec<String>,
    /// The sources.
    pub pbx: Vec<PbxSnapshot>,
    /// The CRM.
    pub crm: CrmSnapshot,
    /// The calls.
    pub calls: CallsSnapshot,
    /// The directory.
    pub directory: DirectorySnapshot,
    /// The phone book.
    pub phone_book: PhoneBookSnapshot,
    /// The recordings.
    pub recordings: RecordingsSnapshot,
    /// The archive; `null`: nothing is copied.
    pub archive: Option<ArchiveSnapshot>,
    /// Why the journal cannot be written, while it cannot.
    pub journal_error: Option<String>,
    /// Why the config that was read last is not in force, while an older one is.
    pub reload_refused: Option<String>,
}

/// A source.
#[derive(Clone, Debug, Serialize)]
pub struct PbxSnapshot {
    /// Its name.
    pub name: String,
    /// `live`, `reading` or `down`.
    pub state: &'static str,
    /// The protocol's version, or why it is down.
    pub detail: String,
    /// Messages read since the start.
    pub messages: u64,
    /// What happened to calls, since the start.
    pub events: u64,
    /// Lines that were skipped as broken.
    pub broken_lines: u64,
    /// Connections that were lost.
    pub lost: u64,
    /// Log-ins that were refused.
    pub logins_refused: u64,
}

/// The CRM.
#[derive(Clone, Debug, Serialize)]
pub struct CrmSnapshot {
    /// `proven`, `failed` or `unknown`.
    pub login: &'static str,
    /// Who we are, or why it failed.
    pub detail: String,
    /// It did not answer the last time.
    pub away: bool,
    /// Whether tickets open on screens; `None` until it was found out.
    pub screen_pops: Option<bool>,
    /// Work that is owed.
    pub owed: usize,
    /// Work that is being done.
    pub in_flight: usize,
    /// Requests that were answered well, refused, limited (429), answered with 5xx, not answered.
    pub requests: [u64; 5],
}

/// The calls.
#[derive(Clone, Debug, Serialize)]
pub struct CallsSnapshot {
    /// Up now.
    pub up: usize,
    /// Ended and in wrap-up, or kept for owed work.
    pub ended: usize,
    /// Heard since the start.
    pub heard: u64,
    /// Answered by an agent, since the start.
    pub answered: u64,
    /// Tickets made since the start.
    pub tickets: u64,
    /// Work that was refused since the start.
    pub refused: u64,
    /// Numbers that were not written since the start, because their owner has no free field for them.
    pub without_room: u64,
    /// The latest of these owners, by the CRM's id.
    pub without_room_at: Option<u64>,
}

/// The directory.
#[derive(Clone, Debug, Serialize)]
pub struct DirectorySnapshot {
    /// The CRM's agents and groups were read.
    pub read: bool,
    /// Agents of the house, and how many of them the CRM knows.
    pub agents: [usize; 2],
    /// Groups of the house, and how many of them the CRM knows.
    pub groups: [usize; 2],
    /// The default user was found or made.
    pub default_user: bool,
    /// Default agent or deputy can be used.
    pub default_agent: bool,
    /// What does not match, with reason and way out.
    pub problems: Vec<String>,
}

/// The phone book.
#[derive(Clone, Debug, Serialize)]
pub struct PhoneBookSnapshot {
    /// Nothing more is to be waited for.
    pub ready: bool,
    /// Persons.
    pub people: usize,
    /// Numbers.
    pub numbers: usize,
    /// When it was last refreshed.
    pub last_refresh: Option<Timestamp>,
    /// Searches so far, and how many of them failed.
    pub searches: [u64; 2],
    /// The last error.
    pub last_error: Option<String>,
}

/// The archive.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveSnapshot {
    /// Where copies go.
    pub place: String,
    /// `waiting`, `copying` or `failed`: the last run ended early.
    pub state: &'static str,
    /// How far the run is that is under way, or how the last one ended.
    pub detail: String,
    /// When the next run begins, or the next try.
    pub next: Option<Timestamp>,
    /// Files copied and files to copy, of the run that is under way or of the last one.
    pub files: [u64; 2],
    /// The same in bytes.
    pub bytes: [u64; 2],
    /// When the last run ended.
    pub last_ended: Option<Timestamp>,
    /// What is wrong with single recordings.
    pub problems: Vec<String>,
}

/// The recordings.
#[derive(Clone, Debug, Serialize)]
pub struct RecordingsSnapshot {
    /// Those that the PBX has not finished, or that are being fetched.
    pub waited_for: usize,
    /// Those that are to be attached to their tickets.
    pub to_attach: usize,
    /// The CRM did not answer the last upload.
    pub uploads_away: bool,
    /// They cannot be kept: the disk does not take them.
    pub keeping_fails: bool,
    /// There is room on the disk; while there is none, nothing is recorded.
    pub room: bool,
    /// How many bytes are free; `null` where nothing is recorded.
    pub free: Option<u64>,
}

impl ArchiveSnapshot {
    fn of(state: &ArchiveState) -> Self {
        let copied = match (&state.running, &state.last) {
            (Some(running), _) => running.progress,
            (None, last) => last.as_ref().map(|last| last.copied).unwrap_or_default(),
        };
        let stopped_by = state.last.as_ref().and_then(|last| last.stopped_by.clone());
        let (name, detail) = match (&state.running, &state.diary_error, stopped_by) {
            (_, Some(error), _) => ("failed", format!("its notes cannot be read or written: {error}")),
            (Some(running), None, _) => ("copying", running.progress.to_string()),
            (None, None, Some(error)) => ("failed", error),
            (None, None, None) => {
                ("waiting", state.last.as_ref().map(|last| last.copied.to_string()).unwrap_or_default())
            }
        };
        Self {
            place: state.place.clone(),
            state: name,
            detail,
            next: state.next,
            files: [copied.files, copied.of_files],
            bytes: [copied.bytes, copied.of_bytes],
            last_ended: state.last.as_ref().map(|last| last.ended),
            problems: state.last.as_ref().map(|last| last.problems.clone()).unwrap_or_default(),
        }
    }
}

impl Status {
    /// What is missing until calls are served; empty when they are.
    pub fn not_ready(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for pbx in &self.pbx {
            match &*pbx.state.borrow() {
                LinkState::Live { .. } => {}
                LinkState::Reading => missing.push(format!("the PBX {} is being read", pbx.name)),
                LinkState::Down { reason } => missing.push(format!("the PBX {} is away: {reason}", pbx.name)),
            }
        }
        let house = self.directory.house();
        if !house.read {
            let why = house.last_error.clone().map(|error| format!(": {error}")).unwrap_or_default();
            missing.push(format!("agents and groups of the CRM are not read yet{why}"));
        }
        let book = self.phonebook.borrow();
        if !book.ready {
            let why = book.last_error.clone().map(|error| format!(": {error}")).unwrap_or_default();
            missing.push(format!("the phone book is not read yet{why}"));
        }
        if let Some(error) = &self.desk.borrow().journal_error {
            missing.push(format!("the journal cannot be written: {error}"));
        }
        missing
    }

    /// The status at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let not_ready = self.not_ready();
        let (desk, load, book) =
            (self.desk.borrow().clone(), *self.load.borrow(), self.phonebook.borrow().clone());
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            now: self.clock.now(),
            ready: not_ready.is_empty(),
            not_ready,
            pbx: self.pbx.iter().map(PbxView::snapshot).collect(),
            crm: self.crm_snapshot(load),
            calls: CallsSnapshot {
                up: desk.up,
                ended: desk.ended,
                heard: desk.heard,
                answered: desk.answered,
                tickets: desk.tickets,
                refused: desk.refused,
                without_room: desk.without_room.0,
                without_room_at: desk.without_room.1.map(|person| person.0),
            },
            directory: self.directory_snapshot(),
            phone_book: PhoneBookSnapshot {
                ready: book.ready,
                people: book.people,
                numbers: book.numbers,
                last_refresh: book.last_refresh,
                searches: [book.searches, book.failed_searches],
                last_error: book.last_error,
            },
            recordings: self.recordings_snapshot(),
            archive: self.archive.as_ref().map(|archive| ArchiveSnapshot::of(&archive.borrow())),
            journal_error: desk.journal_error,
            reload_refused: self.reload_refused.borrow().clone(),
        }
    }

    fn recordings_snapshot(&self) -> RecordingsSnapshot {
        let (keeping, uploads, room) =
            (*self.keeping.borrow(), *self.uploads.borrow(), self.room.borrow().clone());
        RecordingsSnapshot {
            waited_for: keeping.owed,
            to_attach: uploads.owed,
            uploads_away: uploads.crm_away,
            keeping_fails: keeping.crm_away,
            room: room.enough,
            free: room.free,
        }
    }

    fn crm_snapshot(&self, load: Load) -> CrmSnapshot {
        let (login, detail) = match &*self.crm_login.borrow() {
            CrmLogin::Unknown => ("unknown", String::new()),
            CrmLogin::Proven { name, role } => ("proven", format!("{name} ({role})")),
            CrmLogin::Failed { reason } => ("failed", reason.clone()),
        };
        let counters = self.crm.counters();
        CrmSnapshot {
            login,
            detail,
            away: load.crm_away,
            screen_pops: self.crm.screen_pops(),
            owed: load.owed,
            in_flight: load.in_flight,
            requests: [
                counters.succeeded.load(Relaxed),
                counters.refused.load(Relaxed),
                counters.limited.load(Relaxed),
                counters.failed.load(Relaxed),
                counters.unanswered.load(Relaxed),
            ],
        }
    }

    fn directory_snapshot(&self) -> DirectorySnapshot {
        let house = self.directory.house();
        let (agents, groups) = (&house.matching.agents, &house.matching.groups);
        DirectorySnapshot {
            read: house.read,
            agents: [agents.len(), agents.iter().filter(|agent| agent.id.is_some()).count()],
            groups: [groups.len(), groups.iter().filter(|group| group.id.is_some()).count()],
            default_user: house.default_user.is_some(),
            default_agent: house.default_agent().is_some(),
            problems: house.matching.problems.iter().map(ToString::to_string).collect(),
        }
    }
}

impl PbxView {
    fn snapshot(&self) -> PbxSnapshot {
        let (state, detail) = match &*self.state.borrow() {
            LinkState::Live { version, .. } => ("live", format!("Asterisk Call Manager/{version}")),
            LinkState::Reading => ("reading", String::new()),
            LinkState::Down { reason } => ("down", reason.clone()),
        };
        PbxSnapshot {
            name: self.name.to_string(),
            state,
            detail,
            messages: self.counters.messages.load(Relaxed),
            events: self.counters.events.load(Relaxed),
            broken_lines: self.counters.broken_lines.load(Relaxed),
            lost: self.counters.lost.load(Relaxed),
            logins_refused: self.counters.logins_refused.load(Relaxed),
        }
    }
}
