//! What is to be copied: the recordings that are kept at home.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A SHA-256.
pub type Sum = [u8; 32];

/// One recording that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name for people, made from the call, such as `2026-11-26_101502_+493023125111_201.wav`. Parts before
    /// a `/` become folders on the share.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// What it must contain, where that was written down when it was recorded.
    pub sha256: Option<Sum>,
    /// When the call was recorded.
    pub recorded_at: Timestamp,
}

/// The door for whoever keeps recordings.
pub trait Kept: Send + Sync + 'static {
    /// All recordings that are complete.
    ///
    /// # Errors
    /// When they cannot be listed; that is tried again.
    fn list(&self) -> impl Future<Output = io::Result<Vec<KeptFile>>> + Send;
}

/// The spool folder itself: every file in it is a recording, under the name that it has there.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool in this folder; a folder that is not there is an empty one.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Kept for Spool {
    async fn list(&self) -> io::Result<Vec<KeptFile>> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || scan(&folder)).await.map_err(io::Error::other)?
    }
}

/// Names that begin with a dot are files that are not complete. Links are not followed: whoever may write one
/// into the spool shall not get other files copied.
fn scan(spool: &Path) -> io::Result<Vec<KeptFile>> {
    let mut found = Vec::new();
    let mut folders = vec![(spool.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A file that was deleted meanwhile is none.
            let Ok(about) = entry.metadata() else { continue };
            if name.starts_with('.') {
                continue;
            } else if about.is_dir() {
                folders.push((entry.path(), format!("{prefix}{name}/")));
            } else if about.is_file() {
                let recorded_at = about.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                found.push(KeptFile {
                    path: entry.path(),
                    name: format!("{prefix}{name}"),
                    bytes: about.len(),
                    sha256: None,
                    recorded_at: recorded_at.unwrap_or(Timestamp::UNIX_EPOCH),
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn the_spool_lists_complete_files_and_follows_no_links() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("recordings");
        assert_eq!(Spool::new(spool.clone()).list().await.unwrap(), []);
        fs::create_dir_all(spool.join("sales")).unwrap();
        fs::write(spool.join("a.wav"), "abc").unwrap();
        fs::write(spool.join("sales/b.wav"), "").unwrap();
        fs::write(spool.join(".c.wav"), "not complete").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), spool.join("d.wav")).unwrap();
        let mut found = Spool::new(spool.clone()).list().await.unwrap();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let found: Vec<_> = found.into_iter().map(|file| (file.name, file.bytes)).collect();
        assert_eq!(found, [("a.wav".to_owned(), 3), ("sales/b.wav".to_owned(), 0)]);
    }
}
