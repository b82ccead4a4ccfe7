//! The door for a share: what every place for copies can do, in small steps.
//!
//! Implementations: a mounted [`folder`], SMB by [`smb2`](mod@smb2), and, as a cargo feature, SMB by libsmbclient in a child
//! process. All are held to one contract, `tests/archive/contract.rs`. Paths are relative to the share, with forward
//! slashes. Every step has a time limit of its own; after an error other than [`ShareError::is_about_one_file`]
//! the connection is not used again.

pub mod folder;
#[cfg(feature = "libsmbclient")]
pub mod libsmbclient;
pub mod place;
pub mod smb2;
mod source;
#[cfg(feature = "libsmbclient")]
pub mod worker;

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

pub(super) use source::keep_buffers;
pub use source::{PIECE, Source};

use super::kept::Sum;
use super::plan::Listed;

/// A step that is under way.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, ShareError>> + Send + 'a>>;

/// Is told how many bytes of the file are at the share.
pub type Told<'a> = &'a mut (dyn FnMut(u64) + Send);

/// A share that is connected.
pub trait Share: Send {
    /// What lies in a folder; `None`: there is no such folder.
    fn list<'a>(&'a mut self, folder: &'a str) -> Step<'a, Option<Vec<Listed>>>;

    /// Makes a folder; the one above it must be there. One that is there already is fine.
    fn make_folder<'a>(&'a mut self, folder: &'a str) -> Step<'a, ()>;

    /// Writes the rest of `source` to the file `path`, behind its first `from` bytes, which stay; with 0 the
    /// file is made anew. Returns how long the file is by what the share acknowledged, when all is on its disk.
    fn put<'a>(
        &'a mut self,
        source: &'a mut Source,
        path: &'a str,
        from: u64,
        told: Told<'a>,
    ) -> Step<'a, u64>;

    /// Reads a file and returns its length and hash.
    fn read_back<'a>(&'a mut self, path: &'a str) -> Step<'a, (u64, Sum)>;

    /// Gives a file another name in the same folder. [`ShareError::Exists`] when the name is taken.
    fn rename<'a>(&'a mut self, from: &'a str, to: &'a str) -> Step<'a, ()>;

    /// Deletes a file; one that is not there is fine.
    fn remove<'a>(&'a mut self, path: &'a str) -> Step<'a, ()>;

    /// How many bytes fit, where the share tells.
    fn free(&mut self) -> Step<'_, Option<u64>>;
}

/// Why a step failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The user or the password is wrong, or the account is locked.
    #[error("{share} refuses the user `{user}`: check username, password and domain in [archive.smb]")]
    Login {
        /// The share.
        share: String,
        /// The user.
        user: String,
    },
    /// The server lets us in as a guest, which we did not ask for.
    #[error(
        "{share} does not know the user `{user}` or the password and lets it in as a guest only, which would send \
         recordings without protection: check username and password"
    )]
    Guest {
        /// The share.
        share: String,
        /// The user.
        user: String,
    },
    /// The server has no such share.
    #[error("the server has no share {share}: check `share` in [archive.smb]")]
    NoShare {
        /// The share.
        share: String,
    },
    /// The server refuses the share as a whole.
    #[error(
        "the server lets the user `{user}` in but refuses the share {share}: either the user may not use it, or it \
         demands encryption, which this client cannot do: then set client = \"libsmbclient\" in [archive.smb]"
    )]
    Refused {
        /// The share.
        share: String,
        /// The user.
        user: String,
    },
    /// Not allowed.
    #[error("{doing} is not allowed: the share is read-only, or its user may not write there")]
    Denied {
        /// What was tried, with its place.
        doing: String,
    },
    /// The disk or the quota is full.
    #[error("{share} is full: make room there, or set `keep_days`")]
    Full {
        /// The share.
        share: String,
    },
    /// Nothing is mounted at the folder.
    #[error(
        "nothing is mounted at {folder}: mount it, or set must_be_mounted = false if it is a plain folder"
    )]
    NotMounted {
        /// The folder.
        folder: String,
    },
    /// The server is not there, or the connection broke.
    #[error("the connection to {share} failed")]
    Gone {
        /// The share.
        share: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server did not answer in time.
    #[error("{share} did not answer within {} s: {doing}", limit.as_secs())]
    Silent {
        /// The share.
        share: String,
        /// What was tried.
        doing: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The name is taken.
    #[error("{path} is there already")]
    Exists {
        /// The path.
        path: String,
    },
    /// The share does not take the name.
    #[error("the share does not take the name {path}")]
    Name {
        /// The path.
        path: String,
    },
    /// The recording at home cannot be read.
    #[error("the recording cannot be read")]
    Home {
        /// Why.
        source: std::io::Error,
    },
    /// Something else.
    #[error("{doing} failed")]
    Other {
        /// What was tried, with its place.
        doing: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ShareError {
    /// Whether the same may work in a few minutes without anybody's help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::Silent { .. } | Self::NotMounted { .. } | Self::Other { .. })
    }

    /// Whether only one file is concerned, and the connection and other files are fine.
    pub fn is_about_one_file(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::Name { .. } | Self::Home { .. })
    }
}

/// Waits for a step, but not for ever.
async fn within<T>(
    limit: Duration,
    share: &str,
    doing: impl FnOnce() -> String,
    step: impl Future<Output = Result<T, ShareError>>,
) -> Result<T, ShareError> {
    match tokio::time::timeout(limit, step).await {
        Ok(result) => result,
        Err(_) => Err(ShareError::Silent { share: share.to_owned(), doing: doing(), limit }),
    }
}
