//! What the archive writes down about itself: until when it is done, how the last run ended, how the present one goes.
//!
//! Not what was copied: that is compared anew each time. A small file beside the journal, 0600, replaced as a whole.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of the file. Whoever changes it keeps reading the older ones.
const VERSION: u32 = 1;

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diary {
    version: u32,
    /// Runs that were to begin until then are done, or count as done.
    pub done_until: Timestamp,
    /// The run that is under way.
    pub running: Option<Running>,
    /// The last run that ended.
    pub last: Option<LastRun>,
}

/// A run that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Since when.
    pub began: Timestamp,
    /// How far it is.
    pub progress: Progress,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Files copied, whole and checked.
    pub files: u64,
    /// Files to copy.
    pub of_files: u64,
    /// Bytes that are at the share.
    pub bytes: u64,
    /// Bytes to copy.
    pub of_bytes: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Files and bytes that it copied.
    pub copied: Progress,
    /// Files that were there already.
    pub there: u64,
    /// Old copies that it deleted.
    pub deleted: u64,
    /// What is wrong with single files.
    pub problems: Vec<String>,
    /// Why it ended early.
    pub stopped_by: Option<String>,
}

impl Diary {
    /// A new one: nothing from before `now` is made up for.
    pub fn begun(now: Timestamp) -> Self {
        Self { version: VERSION, done_until: now, running: None, last: None }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        let (done, all) = (megabytes(self.bytes), megabytes(self.of_bytes));
        write!(f, "copied {} of {}, {done} MB of {all} MB", self.files, self.of_files)
    }
}

/// The diary's file and the lock beside it.
#[derive(Clone, Debug)]
pub struct DiaryFile {
    path: PathBuf,
}

/// Held while a run is under way; one at a time, whoever began it.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl DiaryFile {
    /// The diary at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What is written there; `None`: nothing yet.
    ///
    /// # Errors
    /// When it cannot be read, or is of a newer version.
    pub fn read(&self) -> io::Result<Option<Diary>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let diary: Diary = serde_json::from_slice(&text)?;
        if diary.version > VERSION {
            return Err(io::Error::other("it was written by a newer version of ringdesk"));
        }
        Ok(Some(diary))
    }

    /// Replaces it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, diary: &Diary) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // A temporary file is made with 0600.
        let file = tempfile::Builder::new().prefix(".archive").tempfile_in(folder)?;
        // In one write: the serialiser makes one of each comma.
        fs::write(&file, serde_json::to_vec(diary)?)?;
        give_to_owner_of(folder, file.path())?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The lock of a run; `None`: another run is under way.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn lock(&self) -> io::Result<Option<RunLock>> {
        let path = self.path.with_extension("lock");
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        give_to_owner_of(folder, &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(RunLock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What root writes by `ringdesk archive now` must not lock the service's user out.
fn give_to_owner_of(folder: &Path, file: &Path) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    let found = fs::metadata(file)?;
    if rustix::process::geteuid().is_root() && (owner.uid(), owner.gid()) != (found.uid(), found.gid()) {
        std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = DiaryFile::new(folder.path().join("state/archive.json"));
        assert_eq!(file.read().unwrap(), None);
        let mut diary = Diary::begun("2026-11-26T03:30:00Z".parse().unwrap());
        file.write(&diary).unwrap();
        diary.running = Some(Running { began: diary.done_until, progress: Progress::default() });
        file.write(&diary).unwrap();
        assert_eq!(file.read().unwrap(), Some(diary));
        let mode = fs::metadata(folder.path().join("state/archive.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_first_form_stays_readable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.json");
        let text = r#"{"version":1,"done_until":"2026-11-26T03:30:00Z","running":null,"last":{"began":"2026-11-26T02:30:00Z",
            "ended":"2026-11-26T02:31:00Z","copied":{"files":3,"of_files":3,"bytes":9,"of_bytes":9},"there":4,"deleted":0,
            "problems":[],"stopped_by":null}}"#;
        fs::write(&path, text).unwrap();
        assert_eq!(DiaryFile::new(path.clone()).read().unwrap().unwrap().last.unwrap().there, 4);
        fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(DiaryFile::new(path).read().unwrap_err().to_string().contains("newer version"));
    }

    #[test]
    fn two_runs_at_once_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = DiaryFile::new(folder.path().join("archive.json"));
        let held = file.lock().unwrap();
        assert!(held.is_some() && file.lock().unwrap().is_none());
        drop(held);
        assert!(file.lock().unwrap().is_some());
    }

    #[test]
    fn progress_is_told_in_files_and_megabytes() {
        let progress = Progress { files: 31, of_files: 200, bytes: 44_100_000, of_bytes: 210_000_000 };
        assert_eq!(progress.to_string(), "copied 31 of 200, 45 MB of 210 MB");
    }
}
