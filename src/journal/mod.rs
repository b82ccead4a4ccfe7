//! MEMORY: the state of each call and the work it owes, in one transaction, before anything is done
//! outside.
//!
//! The desk is the only one who commits: it drains the inputs that wait, steps its book and calls
//! [`Journal::commit`] once for all of them, so that one write to the disk serves many calls. What
//! [`Journal::commit`] has answered with `Ok` survives a power cut. Who only looks gets a
//! [`JournalReader`], which cannot change anything.
//!
//! Deliberately absent: any knowledge of what a snapshot means. It is text with a version here;
//! `call` reads it. All SQL is in `sqlite/`; a PostgreSQL journal will be a second variant of `Store`.

mod change;
mod error;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::call::CallId;
use crate::clock::Clock;

pub use change::{Change, How, Postponed, Settled, Snapshot, StoryLine, Summary};
pub use error::JournalError;
pub use row::{
    CallRow, Filter, OwedRow, OwedStanding, OwedWork, Recovered, Story, StoredCall, Unreadable,
};
pub use sqlite::Lock;

/// Called after each durable commit with its ordinal, counted from 1 since the journal was opened.
///
/// The crash test ends the process in it; nothing else should be done here, the desk is waiting.
pub type AfterCommit = Arc<dyn Fn(u64) + Send + Sync>;

/// So many commits later the log beside the journal is carried into the journal's file by
/// [`Journal::tend`]. 128 commits are about 1,000 pages (4 MB): short to carry, seldom enough.
const COMMITS_BETWEEN_CHECKPOINTS: u64 = 128;

/// A handle to the journal. Clones share the same connections.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    reader: JournalReader,
    clock: Clock,
    commits: AtomicU64,
    after_commit: OnceLock<AfterCommit>,
    grown: Notify,
}

/// The door for another database: one variant each.
enum Store {
    Sqlite(sqlite::Writer),
}

#[derive(Clone)]
enum ReadStore {
    Sqlite(Arc<sqlite::Reader>),
}

impl Journal {
    /// Opens the journal at a URL such as `sqlite:/var/lib/ringdesk/journal.db`, makes it where it is
    /// missing (folders 0700, file 0600) and brings an older one to the present form.
    ///
    /// The [`Lock`] keeps a second daemon away for as long as it lives; drop it last.
    pub async fn open(url: &str, clock: Clock) -> Result<(Self, Lock), JournalError> {
        let place = sqlite::Place::from_url(url)?;
        let (writer, reader, lock) = sqlite::open(place).await?;
        let shared = Shared {
            store: Store::Sqlite(writer),
            reader: JournalReader { store: ReadStore::Sqlite(Arc::new(reader)) },
            clock,
            commits: AtomicU64::new(0),
            after_commit: OnceLock::new(),
            grown: Notify::new(),
        };
        Ok((Self { shared: Arc::new(shared) }, lock))
    }

    /// Opens the journal to look at it, also while the daemon runs; makes and changes nothing.
    pub async fn open_read_only(url: &str) -> Result<JournalReader, JournalError> {
        let reader = sqlite::open_read_only(sqlite::Place::from_url(url)?).await?;
        Ok(JournalReader { store: ReadStore::Sqlite(Arc::new(reader)) })
    }

    /// Sets the hook that is called after each commit. The first one set stays.
    pub fn set_after_commit(&self, hook: AfterCommit) {
        // A second hook would be a mistake of a test; the first one goes on counting.
        let _ = self.shared.after_commit.set(hook);
    }

    /// What must go on after a restart: the open calls and the unfinished work, oldest first.
    pub async fn load(&self) -> Result<Recovered, JournalError> {
        match &self.shared.store {
            Store::Sqlite(writer) => writer.load().await,
        }
    }

    /// Writes the batch in one transaction; it is durable when this returns `Ok`.
    ///
    /// After an error nothing of the batch is written, and the same batch can be committed again:
    /// [`JournalError::may_pass`] says whether that can help. An empty batch costs nothing.
    pub async fn commit(&self, batch: &[Change]) -> Result<(), JournalError> {
        if batch.iter().all(Change::is_empty) {
            return Ok(());
        }
        match &self.shared.store {
            Store::Sqlite(writer) => writer.commit(batch, self.shared.clock.now()).await?,
        }
        let ordinal = self.shared.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(hook) = self.shared.after_commit.get() {
            hook(ordinal);
        }
        if ordinal.is_multiple_of(COMMITS_BETWEEN_CHECKPOINTS) {
            self.shared.grown.notify_one();
        }
        Ok(())
    }

    /// Keeps a small fact across restarts, such as that an account has no Talk Partner Edition.
    pub async fn remember(&self, key: &str, value: &str) -> Result<(), JournalError> {
        match &self.shared.store {
            Store::Sqlite(writer) => writer.remember(key, value).await,
        }
    }

    /// The fact kept under this key.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.shared.reader.recall(key).await
    }

    /// Deletes the closed calls that began before `older_than`, with their stories and finished work,
    /// and returns how many calls went. Calls with unfinished or refused work stay.
    ///
    /// It goes in small steps, so that the desk never waits for more than one of them.
    pub async fn prune(&self, older_than: Timestamp) -> Result<u64, JournalError> {
        match &self.shared.store {
            Store::Sqlite(writer) => writer.prune(older_than).await,
        }
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
            if let Err(error) = self.checkpoint().await {
                tracing::debug!(%error, "the journal's log could not be carried over yet");
            }
        }
    }

    async fn checkpoint(&self) -> Result<(), JournalError> {
        match &self.shared.reader.store {
            ReadStore::Sqlite(reader) => reader.checkpoint().await,
        }
    }

    /// The part that only looks; for the status page.
    pub fn reader(&self) -> JournalReader {
        self.shared.reader.clone()
    }

    /// Closes the files in order. Nothing depends on it: a journal that was only dropped, or whose
    /// process was killed, is whole as well.
    pub async fn close(&self) {
        match &self.shared.reader.store {
            ReadStore::Sqlite(reader) => reader.close().await,
        }
        match &self.shared.store {
            Store::Sqlite(writer) => writer.close().await,
        }
    }
}

/// Looks into the journal and changes nothing.
#[derive(Clone)]
pub struct JournalReader {
    store: ReadStore,
}

impl JournalReader {
    /// The calls that pass the filter, newest first.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<CallRow>, JournalError> {
        match &self.store {
            ReadStore::Sqlite(reader) => reader.list(filter).await,
        }
    }

    /// One call with its story and all its work; `None` when it is not in the journal.
    pub async fn story(&self, call: &CallId) -> Result<Option<Story>, JournalError> {
        match &self.store {
            ReadStore::Sqlite(reader) => reader.story(call).await,
        }
    }

    /// The unfinished work, oldest first, that which was refused and waits for a person included.
    pub async fn owed(&self) -> Result<Vec<OwedRow>, JournalError> {
        match &self.store {
            ReadStore::Sqlite(reader) => reader.owed().await,
        }
    }

    /// The fact kept under this key.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, JournalError> {
        match &self.store {
            ReadStore::Sqlite(reader) => reader.recall(key).await,
        }
    }
}
