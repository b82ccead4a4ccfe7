//! What can go wrong with the journal, and the way out.

use std::io;
use std::path::PathBuf;

/// The journal cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is nothing to look at.
    #[error("no journal at {}: the daemon has not run with this config yet, or `url` in [journal] is another one", .0.display())]
    Absent(PathBuf),
    /// Another daemon has this journal.
    #[error("another ringdesk{} is running with the journal {}: stop it first, or give this one its own `url` in [journal]",
            pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), path.display())]
    AlreadyRunning {
        /// The journal.
        path: PathBuf,
        /// The other process, as it wrote itself down.
        pid: Option<u32>,
    },
    /// A folder or file cannot be made or opened.
    #[error("cannot use {} for the journal: the user of the daemon must be able to write there, also in its folder", path.display())]
    Access {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no room for the journal {}: make room on its disk; nothing is lost, it is tried again", path.display())]
    Full {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// The file may not be written or opened.
    #[error("cannot write the journal {}: it is read-only for this user; check the owner of the file and of its folder, and whether the file system is mounted read-only", path.display())]
    ReadOnly {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// Another program holds the file.
    #[error("the journal {} is held by another program: end what has it open, such as a `sqlite3` shell with a transaction", path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// The disk failed.
    #[error("the disk failed at the journal {}: look for errors of the disk in the kernel's log, or for a quota that is used up", path.display())]
    Disk {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// The file is damaged.
    #[error("the journal {} is damaged: stop ringdesk, move the file and those beside it named `-wal` and `-shm` away together, and start again; `sqlite3 FILE .recover` saves what can be read", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// The file is of another program.
    #[error("{} is a database, but no journal of ringdesk: give another `url` in [journal]", .0.display())]
    Foreign(PathBuf),
    /// The file was written by a newer version.
    #[error("the journal {} has the form {found}, this version knows forms up to {known}: install the newer ringdesk again", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The form found.
        found: i64,
        /// The newest form known.
        known: i64,
    },
    /// The file was written by an older version and may not be changed here.
    #[error("the journal {} has the old form {found}: start the daemon once, it brings the journal up to date", path.display())]
    Older {
        /// The journal.
        path: PathBuf,
        /// The form found.
        found: i64,
    },
    /// The journal was opened to be looked at.
    #[error("the journal {} was opened for looking only: ask the running daemon to change it", .0.display())]
    OnlyLooking(PathBuf),
    /// The file system has no shared memory, as most network file systems.
    #[error("the file system of the journal {} cannot keep a write-ahead log: put the journal on a local disk", .0.display())]
    NoWriteAheadLog(PathBuf),
    /// The database refused for a reason that is none of the above.
    #[error("the journal {} refused a statement: this is an error in ringdesk, please report it", path.display())]
    Statement {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
}

impl JournalError {
    /// Whether the same can succeed later without a restart: the disk gets room, a mount returns, another
    /// program lets go. Otherwise the daemon had better end with this error.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Full { .. } | Self::ReadOnly { .. } | Self::Busy { .. } | Self::Disk { .. } => true,
            // A file stands where a folder must be: making the folder says "exists", what is below "no folder".
            Self::Access { source, .. } => {
                !matches!(source.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists)
            }
            Self::Absent(_)
            | Self::OnlyLooking(_)
            | Self::NoWriteAheadLog(_)
            | Self::AlreadyRunning { .. }
            | Self::Damaged { .. }
            | Self::Foreign(_)
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Statement { .. } => false,
        }
    }
}
