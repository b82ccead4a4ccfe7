//! The lock that keeps a second daemon away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::JournalError;

/// Held by the daemon for as long as it lives: an exclusive `flock` on a file beside the journal.
///
/// The kernel lets go of it when the process ends, however it ends. The file itself stays, because
/// deleting it would let two daemons lock two files of the same name.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(journal: &Path) -> Result<Self, JournalError> {
        let path = beside(journal);
        let access = |source| JournalError::Access { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(access)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // What cannot be read is only the number for the message.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(JournalError::AlreadyRunning { path: journal.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(access(source)),
        }
        // On a full disk the number cannot be written; the lock holds all the same.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

pub(super) fn beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
