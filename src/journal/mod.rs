//! MEMORY: the state of each call and the work it owes, in one transaction, before anything is done
//! outside.
//!
//! The desk is the only one who commits: it drains the inputs that wait, steps its book and calls
//! [`Journal::commit`] once for all of them, so that one write to the disk serves many calls. What
//! [`Journal::commit`] has answered with `Ok` survives a power cut. Looking goes through a second
//! connection, so that a long list never holds a commit up.
//!
//! All SQL is in `sqlite/`; a journal in PostgreSQL will stand beside it.

mod change;
mod error;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::call::CallId;
use crate::clock::Clock;

pub use change::{Change, HowSettled, Postponed, Settled, Snapshot};
pub use error::JournalError;
pub use row::{CallRow, KeptRow, OwedRow, OwedWork, Recovered, Story, Unreadable, WorkStanding};
pub use sqlite::Lock;

/// Where a journal is kept: the path of its SQLite file.
pub type JournalPlace = Path;

/// Called after each durable commit with its ordinal, counted from 1 since the journal was opened.
///
/// The crash test ends the process in it; nothing else should be done here, the desk is waiting.
pub type AfterCommit = Arc<dyn Fn(u64) + Send + Sync>;

/// So many commits later [`Journal::tend`] carries the write-ahead log over: some 4 MB, a few seconds of
/// a busy house.
const COMMITS_BETWEEN_CHECKPOINTS: u64 = 128;

/// The journal. Clones are the same journal.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` where the journal is only looked at.
    writer: Option<sqlite::Writer>,
    reader: sqlite::Reader,
    clock: Clock,
    commits: AtomicU64,
    after_commit: Option<AfterCommit>,
    grown: Notify,
}

impl Journal {
    /// Opens the journal, makes it where it is missing (folder 0700, file 0600) and brings an older one
    /// to the present form.
    ///
    /// The [`Lock`] keeps a second daemon away for as long as it lives; drop it last.
    pub async fn open(
        place: &JournalPlace,
        clock: Clock,
        after_commit: Option<AfterCommit>,
    ) -> Result<(Self, Lock), JournalError> {
        let (writer, reader, lock) = sqlite::open(place).await?;
        Ok((Self::new(Some(writer), reader, clock, after_commit), lock))
    }

    /// Opens the journal to look at it, also while the daemon runs; changes nothing in it.
    pub async fn open_read_only(place: &JournalPlace) -> Result<Self, JournalError> {
        let reader = sqlite::open_read_only(place).await?;
        Ok(Self::new(None, reader, Clock::system(), None))
    }

    fn new(
        writer: Option<sqlite::Writer>,
        reader: sqlite::Reader,
        clock: Clock,
        after_commit: Option<AfterCommit>,
    ) -> Self {
        let shared =
            Shared { writer, reader, clock, commits: AtomicU64::new(0), after_commit, grown: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    fn writer(&self) -> Result<&sqlite::Writer, JournalError> {
        self.shared.writer.as_ref().ok_or_else(|| JournalError::OnlyLooking(self.shared.reader.path().into()))
    }

    /// What must go on after a restart: the open calls and the owed work, oldest first.
    pub async fn load(&self) -> Result<Recovered, JournalError> {
        self.shared.reader.load().await
    }

    /// Whether anything is written down about this call, be it open or closed.
    pub async fn knows(&self, id: &CallId) -> Result<bool, JournalError> {
        match &self.shared.writer {
            // Not behind somebody's long list: the desk asks this for each new call.
            Some(writer) => writer.knows(id).await,
            None => self.shared.reader.knows(id).await,
        }
    }

    /// Writes the batch in one transaction; it is durable when this returns `Ok`.
    ///
    /// After an error nothing of the batch is written, and the same batch can be committed again:
    /// [`JournalError::may_pass`] says whether that can help. An empty batch costs nothing and is not
    /// counted. A future that is dropped half-way leaves the batch written or not written, never half.
    pub async fn commit(&self, batch: &[Change]) -> Result<(), JournalError> {
        let writer = self.writer()?;
        if batch.iter().all(Change::is_empty) {
            return Ok(());
        }
        writer.commit(batch, self.shared.clock.now()).await?;
        let ordinal = self.shared.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(after_commit) = &self.shared.after_commit {
            after_commit(ordinal);
        }
        if ordinal.is_multiple_of(COMMITS_BETWEEN_CHECKPOINTS) {
            self.shared.grown.notify_one();
        }
        Ok(())
    }

    /// The calls that were first written last, newest first.
    pub async fn list(&self, last: u32) -> Result<Vec<CallRow>, JournalError> {
        self.shared.reader.list(last).await
    }

    /// One call with its story and all its work; `None` when the journal has no state of it.
    pub async fn story(&self, id: &CallId) -> Result<Option<Story>, JournalError> {
        self.shared.reader.story(id).await
    }

    /// The work that is owed or was refused and waits for a person, oldest first.
    pub async fn owed(&self) -> Result<Vec<OwedRow>, JournalError> {
        self.shared.reader.owed().await
    }

    /// The calls whose recordings are kept or were, in the order in which they were first written.
    pub async fn kept(&self) -> Result<Vec<KeptRow>, JournalError> {
        self.shared.reader.kept().await
    }

    /// Keeps a small fact across restarts, such as that an account has no Talk Partner Edition. Durable
    /// when this returns `Ok`.
    pub async fn remember(&self, key: &str, value: &str) -> Result<(), JournalError> {
        self.writer()?.remember(key, value).await
    }

    /// The fact kept under this key.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.shared.reader.recall(key).await
    }

    /// Deletes the closed calls that ended before `older_than`, with their stories and finished work, and
    /// returns how many calls went. Calls with owed or refused work stay.
    ///
    /// It goes in small steps, so that the desk never waits for more than one of them.
    pub async fn prune(&self, older_than: Timestamp) -> Result<u64, JournalError> {
        self.writer()?.prune(older_than).await
    }

    /// Carries the write-ahead log into the journal's file beside the desk's commits until `stop`.
    ///
    /// To be spawned once. Without it the commits do the same themselves, seldom, and those few then
    /// take some milliseconds longer.
    pub async fn tend(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.grown.notified() => {}
            }
            if let Err(error) = self.shared.reader.checkpoint().await {
                tracing::debug!(%error, "the journal's log could not be carried over yet");
            }
        }
    }

    /// Closes the files in order. Nothing depends on it: a journal that was only dropped, or whose
    /// process was killed, is whole as well.
    pub async fn close(&self) {
        self.shared.reader.close().await;
        if let Some(writer) = &self.shared.writer {
            writer.close().await;
        }
    }
}
