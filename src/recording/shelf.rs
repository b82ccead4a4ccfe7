//! The house's own keeping: a folder beside the journal, open to nobody else.
//!
//! A file gets its name when it is whole on the disk and its hash is known, and a name that is taken is never
//! taken away; so a repetition after a crash finds what it made before.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::wav;
use crate::archive::names;
use crate::call::KeptRecording;

/// What is copied at once.
const PIECE: usize = 256 * 1024;

/// So many different files of one name are no accident.
const NAMESAKES: usize = 100;

/// Names of what is under way begin so, …
pub(super) const PREFIX: &str = ".ringdesk-";
/// … and those of files that are being copied end so.
const SUFFIX: &str = ".part";

/// Holds the hashes of what was forgotten, one a line. No names: they may have numbers in them.
const FORGOTTEN: &str = ".forgotten";

/// The folder of kept recordings.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The shelf in this folder, which is made when something is put there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a kept file lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Copies a file here under a relative name without ending; it keeps its own ending and its time.
    ///
    /// # Errors
    /// When the source cannot be read to its end, or the copy not be written; then nothing stays.
    pub fn put(&self, source: &Path, name: &str) -> io::Result<KeptRecording> {
        let ending = source.extension().and_then(|ending| ending.to_str());
        let ending = ending.filter(|ending| is_plain(ending)).unwrap_or("raw");
        let name = format!("{}.{ending}", safe(name));
        let target = self.path(&name);
        let folder = target.parent().unwrap_or(&self.folder);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut copy = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder)?;
        let mut original = File::open(source)?;
        let modified = original.metadata()?.modified()?;
        let mut piece = vec![0; PIECE];
        loop {
            let count = original.read(&mut piece)?;
            if count == 0 {
                break;
            }
            copy.write_all(&piece[..count])?;
        }
        let file = copy.as_file_mut();
        // A recording whose end was not written down (a PBX that died) would play for no time.
        wav::repair(file)?;
        let (bytes, sha256) = sum(file)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_modified(modified)?;
        file.sync_all()?;
        let seconds = wav::seconds_of(copy.path(), ending);
        let name = self.name_it(copy, &name, &sha256)?;
        File::open(folder)?.sync_all()?;
        Ok(KeptRecording { name, bytes, sha256, seconds, source: None })
    }

    fn name_it(
        &self,
        mut copy: tempfile::NamedTempFile,
        name: &str,
        sum_of_copy: &str,
    ) -> io::Result<String> {
        for number in 1..=NAMESAKES {
            let name = names::numbered(name, number);
            match copy.persist_noclobber(self.path(&name)) {
                Ok(_) => return Ok(name),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    if sum(&mut File::open(self.path(&name))?)?.1 == sum_of_copy {
                        return Ok(name);
                    }
                    copy = error.file;
                }
                Err(error) => return Err(error.error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many recordings have one name"))
    }

    /// What was put here under this name before, whatever its ending.
    ///
    /// # Errors
    /// When the folder cannot be listed or the file not be read.
    pub fn find(&self, name: &str) -> io::Result<Option<KeptRecording>> {
        let wanted = safe(name);
        let (folder, stem) = match wanted.rsplit_once('/') {
            Some((folder, stem)) => (format!("{folder}/"), stem),
            None => (String::new(), wanted.as_str()),
        };
        let entries = match std::fs::read_dir(self.folder.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let Ok(found) = entry?.file_name().into_string() else { continue };
            let ending = found.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.'));
            if let Some(ending) = ending.filter(|ending| is_plain(ending)) {
                let name = format!("{folder}{found}");
                let (bytes, sha256) = sum(&mut File::open(self.path(&name))?)?;
                let seconds = wav::seconds_of(&self.path(&name), ending);
                return Ok(Some(KeptRecording { name, bytes, sha256, seconds, source: None }));
            }
        }
        Ok(None)
    }

    /// Length and hash of a kept file as it is now; `None` when it is gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&self, name: &str) -> io::Result<Option<(u64, String)>> {
        match File::open(self.path(name)) {
            Ok(mut file) => sum(&mut file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes that a file was deleted because somebody wanted it forgotten: it is not missing.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn note_forgotten(&self, sha256: &str) -> io::Result<()> {
        let mut options = File::options();
        options.create(true).append(true).mode(0o600);
        let mut file = options.open(self.path(FORGOTTEN))?;
        writeln!(file, "{sha256}")?;
        file.sync_all()
    }

    /// The hashes of files that were forgotten.
    pub fn forgotten(&self) -> HashSet<String> {
        let text = std::fs::read_to_string(self.path(FORGOTTEN)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Deletes a kept file; false when it was gone.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match std::fs::remove_file(self.path(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file or folder of this name is of no use once its maker is gone.
pub(super) fn is_under_way(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Each part of a name without its ending as every file system and share takes it, with room for an ending.
fn safe(name: &str) -> String {
    let with_room = |part: &str| {
        let safe = names::safe(&format!("{part}{LONGEST_ENDING}"));
        safe.strip_suffix(LONGEST_ENDING).unwrap_or(&safe).to_owned()
    };
    name.split('/').map(with_room).collect::<Vec<_>>().join("/")
}

/// Stands for the ending until it is known: the file may have any.
const LONGEST_ENDING: &str = ".endingofall";

fn is_plain(ending: &str) -> bool {
    (1..LONGEST_ENDING.len()).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn sum(file: &mut File) -> io::Result<(u64, String)> {
    file.seek(io::SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        hash.update(&piece[..count]);
    }
    let digits = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("recordings"));
        (folder, shelf)
    }

    #[test]
    fn what_is_put_here_is_open_to_nobody_else_and_found_again() {
        let (folder, shelf) = shelf();
        let source = folder.path().join("a.raw");
        std::fs::write(&source, "abc").unwrap();
        let kept = shelf.put(&source, "sales/2026_x:1").unwrap();
        assert_eq!((kept.bytes, &kept.sha256[..8]), (3, "ba7816bf"));
        assert!(kept.name.starts_with("sales/2026_x_1~") && kept.name.ends_with(".raw"), "{}", kept.name);
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(shelf.path(&kept.name)), 0o600);
        assert_eq!((mode(shelf.folder().to_owned()), mode(shelf.path("sales"))), (0o700, 0o700));
        let time = |path: PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(shelf.path(&kept.name)), time(source.clone()));

        assert_eq!(shelf.put(&source, "sales/2026_x:1").unwrap(), kept, "a repetition makes no second file");
        assert_eq!(shelf.find("sales/2026_x:1").unwrap().as_ref(), Some(&kept));
        assert_eq!(shelf.find("sales/2026_x:2").unwrap(), None);
        assert_eq!(shelf.find("support/1").unwrap(), None);
        assert_eq!(std::fs::read_dir(shelf.path("sales")).unwrap().count(), 1);

        std::fs::write(&source, "other").unwrap();
        let other = shelf.put(&source, "sales/2026_x:1").unwrap();
        assert!(other.name.ends_with(" (2).raw"), "{}", other.name);
        assert!(shelf.remove(&other.name).unwrap() && !shelf.remove(&other.name).unwrap());
        assert_eq!(shelf.look(&other.name).unwrap(), None);
        assert_eq!(shelf.look(&kept.name).unwrap(), Some((3, kept.sha256)));
        assert!(shelf.forgotten().is_empty());
        shelf.note_forgotten("ab").unwrap();
        shelf.note_forgotten("cd").unwrap();
        assert_eq!(shelf.forgotten().len(), 2);
    }

    #[test]
    fn a_source_that_breaks_leaves_nothing() {
        let (folder, shelf) = shelf();
        assert!(shelf.put(&folder.path().join("none.wav"), "a").is_err());
        assert!(shelf.put(folder.path(), "a").is_err(), "a folder is no recording");
        assert_eq!(std::fs::read_dir(shelf.folder()).unwrap().count(), 0);
    }
}
