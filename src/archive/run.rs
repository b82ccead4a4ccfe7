//! The task: waits for the hour, runs, tells how it goes, tries again where that helps.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::diary::{Diary, DiaryFile, LastRun, Progress, Running};
use super::kept::Kept;
use super::pass::{Outcome, Pass};
use super::{Settings, share::ShareError};
use crate::causes;
use crate::clock::Clock;

/// How often the clock is looked at: it may be set, and the machine may have slept.
const LOOK: Duration = Duration::from_secs(20);

/// The first wait after a failure that may pass; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(30);

/// How often a run that is under way is written down, and how often it is logged.
const WRITE_EVERY: Duration = Duration::from_secs(2);
const LOG_EVERY: Duration = Duration::from_secs(30);

/// Below the calls, which run with 0.
const NICE: i32 = 10;

/// How the archive stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveState {
    /// Where copies go.
    pub place: String,
    /// When the next run begins, or the next try of this one.
    pub next: Option<Timestamp>,
    /// The run that is under way.
    pub running: Option<Running>,
    /// How the last one ended.
    pub last: Option<LastRun>,
    /// Why the archive's own notes cannot be written, while they cannot.
    pub diary_error: Option<String>,
}

/// The archive of one daemon.
pub struct Archive<K> {
    settings: Settings,
    kept: Arc<K>,
    clock: Clock,
    state: watch::Sender<ArchiveState>,
}

/// How a run that was begun by hand or by the clock ended.
#[derive(Debug)]
pub enum Ran {
    /// It ran.
    Ended(LastRun, Option<ShareError>),
    /// Another one is under way.
    Busy,
    /// The recordings or the archive's own notes cannot be read or written.
    Home(std::io::Error),
}

impl<K: Kept> Archive<K> {
    /// An archive that does nothing yet.
    pub fn new(settings: Settings, kept: K, clock: Clock) -> Self {
        let state = ArchiveState { place: settings.place.to_string(), ..ArchiveState::default() };
        Self { settings, kept: Arc::new(kept), clock, state: watch::Sender::new(state) }
    }

    /// How it stands.
    pub fn state(&self) -> watch::Receiver<ArchiveState> {
        self.state.subscribe()
    }

    /// Runs by the clock until `stop`, on a thread of its own: hashing and a share that hangs must not hold up
    /// what calls wait for. A run that is under way is cut off at the stop; the next one continues it.
    pub async fn run(self, stop: CancellationToken) {
        let (done_tx, done) = oneshot::channel();
        let thread = std::thread::Builder::new().name("archive".to_owned()).spawn(move || {
            // Refused to some services; then it has the same priority as the rest.
            let _ = rustix::process::nice(NICE);
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    runtime.block_on(self.serve(stop));
                    // A share that hangs keeps a thread for ever; nobody waits for it.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "the archive cannot start"),
            }
            let _ = done_tx.send(());
        });
        match thread {
            Ok(_) => {
                let _ = done.await;
            }
            Err(error) => tracing::error!(%error, "the archive cannot start"),
        }
    }

    /// Waits and runs until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        let mut attempts: u32 = 0;
        let mut not_before = Timestamp::MIN;
        loop {
            let now = self.clock.now();
            let due = match self.done_until(now) {
                Ok(done) => self.settings.schedule.next_after(done).map(|due| due.max(not_before)),
                Err(error) => {
                    self.cannot_write(&error);
                    now.checked_add(FIRST_WAIT).ok()
                }
            };
            self.state.send_if_modified(|state| std::mem::replace(&mut state.next, due) != due);
            if due.is_none_or(|due| due > now) {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => continue,
                    () = stop.cancelled() => return,
                }
            }
            let ran = tokio::select! {
                ran = self.once(false) => ran,
                () = stop.cancelled() => {
                    tracing::info!("stopping: the copy that is under way is continued by the next run");
                    return;
                }
            };
            let wait = next_try(&ran, attempts);
            attempts = if wait.is_some() { attempts.saturating_add(1) } else { 0 };
            not_before = match wait {
                Some(wait) => self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX),
                None if ran.is_whole() => Timestamp::MIN,
                // A person must look. The next scheduled run tries again, and so does the next start.
                None => self.settings.schedule.next_after(self.clock.now()).unwrap_or(Timestamp::MAX),
            };
            tell(&ran, wait, attempts);
        }
    }

    fn diary(&self) -> DiaryFile {
        DiaryFile::new(self.settings.diary.clone())
    }

    fn done_until(&self, now: Timestamp) -> std::io::Result<Timestamp> {
        let diary = self.diary();
        let found = match diary.read()? {
            Some(found) => found,
            None => {
                let found = Diary::begun(now);
                diary.write(&found)?;
                found
            }
        };
        self.state.send_if_modified(|state| {
            let changed = state.last != found.last || state.diary_error.is_some();
            (state.last, state.diary_error) = (found.last.clone(), None);
            changed
        });
        // A clock that was ahead must not keep the archive from running.
        Ok(found.done_until.min(now))
    }

    fn cannot_write(&self, error: &std::io::Error) {
        let text = error.to_string();
        self.state.send_if_modified(|state| {
            let new = state.diary_error.as_ref() != Some(&text);
            if new {
                let file = self.settings.diary.display();
                tracing::error!(%error, "the archive's notes in {file} cannot be read or written; nothing is copied");
                state.diary_error = Some(text.clone());
            }
            new
        });
    }

    /// One run, now.
    pub async fn once(&self, verify: bool) -> Ran {
        match self.try_once(verify).await {
            Ok(ran) => ran,
            Err(error) => Ran::Home(error),
        }
    }

    async fn try_once(&self, verify: bool) -> std::io::Result<Ran> {
        let file = self.diary();
        let Some(_lock) = file.lock()? else { return Ok(Ran::Busy) };
        let began = self.clock.now();
        let kept = self.kept.list().await?;
        let mut diary = file.read()?.unwrap_or_else(|| Diary::begun(began));
        let running = Running { began, progress: Progress::default() };
        diary.running = Some(running.clone());
        file.write(&diary)?;
        self.state.send_modify(|state| state.running = Some(running));
        let _cleared = Cleared(&self.state);

        let more = Some(&self.settings.place);
        let pass = Pass { kept: &kept, rules: &self.settings.rules, verify, more, now: began };
        let (mut written, mut logged) = (crate::clock::instant(), crate::clock::instant());
        let mut told = |progress: Progress| {
            self.state.send_modify(|state| {
                state.running = Some(Running { began, progress });
            });
            let now = crate::clock::instant();
            if now.duration_since(written) >= WRITE_EVERY {
                written = now;
                diary.running = Some(Running { began, progress });
                // Only for whoever looks.
                let _ = file.write(&diary);
            }
            if now.duration_since(logged) >= LOG_EVERY {
                logged = now;
                tracing::info!(place = %self.settings.place, "archive: {progress}");
            }
        };
        let outcome = match self.settings.place.connect().await {
            Ok(mut share) => pass.run(share.as_mut(), &mut told).await,
            Err(error) => Outcome { stopped_by: Some(error), ..Outcome::default() },
        };
        let last = LastRun {
            began,
            ended: self.clock.now(),
            copied: outcome.copied,
            there: outcome.there,
            deleted: outcome.deleted,
            problems: outcome.problems,
            stopped_by: outcome.stopped_by.as_ref().map(|error| causes::in_one_line(error)),
        };
        diary.running = None;
        diary.last = Some(last.clone());
        if outcome.stopped_by.is_none() {
            diary.done_until = began;
        }
        file.write(&diary)?;
        self.state.send_modify(|state| state.last = Some(last.clone()));
        Ok(Ran::Ended(last, outcome.stopped_by))
    }
}

/// However a run ends, it is not under way any more.
struct Cleared<'a>(&'a watch::Sender<ArchiveState>);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.running = None);
    }
}

impl Ran {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Ended(_, None))
    }
}

/// When the same is tried again; `None`: it is done, or trying does not help.
fn next_try(ran: &Ran, attempts: u32) -> Option<SignedDuration> {
    match ran {
        Ran::Ended(_, None) => None,
        Ran::Ended(_, Some(error)) if !error.may_pass() => None,
        Ran::Ended(_, Some(_)) | Ran::Home(_) => {
            Some((FIRST_WAIT * (1 << attempts.min(10))).min(LONGEST_WAIT))
        }
        Ran::Busy => Some(FIRST_WAIT),
    }
}

fn tell(ran: &Ran, wait: Option<SignedDuration>, attempts: u32) {
    let next = match wait {
        Some(wait) => format!("; tried again in {} min", wait.as_mins()),
        None => "; tried again at the next scheduled time".to_owned(),
    };
    match ran {
        Ran::Ended(last, stopped_by) => {
            for problem in &last.problems {
                tracing::warn!("archive: a recording was not copied: {problem}");
            }
            match stopped_by {
                None => {
                    tracing::info!(there = last.there, deleted = last.deleted, "archive: {}", last.copied)
                }
                // The same trouble again is no news.
                Some(error) if wait.is_some() && attempts > 1 => {
                    tracing::debug!("archive: {}{next}", causes::in_one_line(error));
                }
                Some(error) if wait.is_some() => {
                    tracing::warn!("archive: {}, {}{next}", causes::in_one_line(error), last.copied);
                }
                Some(error) => {
                    tracing::error!("archive: {}, {}{next}", causes::in_one_line(error), last.copied)
                }
            }
        }
        Ran::Busy => tracing::debug!("archive: another run is under way{next}"),
        Ran::Home(error) => tracing::error!("archive: the recordings or the archive's notes: {error}{next}"),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
