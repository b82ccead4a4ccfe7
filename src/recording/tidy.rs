//! What is no longer kept: files that are too old, sources that were fetched, what a crash left.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::shelf::{Shelf, is_under_way};
use crate::archive::names;
use crate::call::KeptRecording;

/// A file under way that is older than this has no maker any more.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Kept files that were too old.
    pub aged: usize,
    /// Sources on the PBX's disk.
    pub sources: usize,
}

/// Deletes what is older than `keep` and not among `needed`. Each file is logged, without what may be a number.
///
/// # Errors
/// When the shelf cannot be listed.
pub fn old_files(
    shelf: &Shelf,
    keep: Duration,
    needed: &HashSet<String>,
    now: SystemTime,
) -> io::Result<usize> {
    let mut deleted = 0;
    let mut folders = vec![(shelf.folder().to_owned(), String::new(), false)];
    while let Some((folder, prefix, under_way)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                let under_way = under_way || is_under_way(&name);
                folders.push((entry.path(), format!("{prefix}{name}/"), under_way));
                continue;
            }
            let age = about.modified().ok().and_then(|modified| now.duration_since(modified).ok());
            let under_way = under_way || is_under_way(&name);
            // Other hidden files are no recordings.
            let longest = if under_way { LEFT_OVER } else { keep };
            let path = format!("{prefix}{name}");
            if !under_way && name.starts_with('.')
                || age.is_none_or(|age| age < longest)
                || needed.contains(&path)
            {
                continue;
            }
            match shelf.remove(&path) {
                Ok(_) => {
                    deleted += usize::from(!under_way);
                    tracing::info!(
                        file = names::discreet(&path),
                        "a recording is deleted: it is older than `keep_days`"
                    );
                }
                Err(error) => tracing::warn!(%error, "an old recording cannot be deleted"),
            }
        }
        // A folder that holds something is not removed.
        if !prefix.is_empty() {
            let _ = std::fs::remove_dir(&folder);
        }
    }
    Ok(deleted)
}

/// Deletes the sources of files that are on the shelf, as the journal knows for certain.
pub fn sources<'a>(shelf: &Shelf, kept: impl IntoIterator<Item = &'a KeptRecording>) -> usize {
    let mut deleted = 0;
    for file in kept {
        let Some(source) = &file.source else { continue };
        // Another file by now, or none: the copy was made of one of this length, or a repaired one.
        let is_there = Path::new(source).symlink_metadata().is_ok_and(|about| about.len() == file.bytes);
        let is_kept = shelf.path(&file.name).metadata().is_ok_and(|about| about.len() == file.bytes);
        if !is_there || !is_kept {
            continue;
        }
        match std::fs::remove_file(source) {
            Ok(()) => {
                deleted += 1;
                tracing::info!(
                    file = names::discreet(&file.name),
                    "the PBX's copy of a kept recording is deleted"
                );
            }
            Err(error) => tracing::warn!(%error, "the PBX's copy of a recording cannot be deleted"),
        }
    }
    deleted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_goes_unless_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("recordings"));
        assert_eq!(old_files(&shelf, Duration::ZERO, &HashSet::new(), SystemTime::UNIX_EPOCH).unwrap(), 0);
        let source = folder.path().join("a.raw");
        std::fs::write(&source, "x").unwrap();
        let one = shelf.put(&source, "2026/one").unwrap();
        let two = shelf.put(&source, "2026/two").unwrap();
        let written = std::fs::metadata(&source).unwrap().modified().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let needed = HashSet::from([two.name.clone()]);
        let tidy = |days: u32, needed: &HashSet<String>| {
            old_files(&shelf, 30 * day, needed, written + days * day).unwrap()
        };
        assert_eq!(tidy(29, &needed), 0);
        assert_eq!(tidy(30, &needed), 1);
        assert!(!shelf.path(&one.name).exists() && shelf.path(&two.name).exists());
        assert_eq!(tidy(30, &HashSet::new()), 1);
        assert!(!shelf.path("2026").exists(), "an empty folder goes with its last file");
    }

    #[test]
    fn a_source_goes_only_while_its_copy_is_here() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("recordings"));
        let source = folder.path().join("a.raw");
        std::fs::write(&source, "x").unwrap();
        let mut kept = shelf.put(&source, "one").unwrap();
        assert_eq!(sources(&shelf, [&kept]), 0, "it was not noted");
        kept.source = Some(source.to_str().unwrap().to_owned());
        let gone = KeptRecording { name: "other.raw".to_owned(), ..kept.clone() };
        assert_eq!(sources(&shelf, [&gone]), 0);
        assert_eq!((sources(&shelf, [&kept]), source.exists()), (1, false));
        assert_eq!(sources(&shelf, [&kept]), 0);
    }
}
