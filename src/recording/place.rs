//! Where the PBX's files are seen from here, and which of them are meant.

use std::io;
use std::path::{Path, PathBuf};

/// Where Asterisk puts what is named without a folder (`astspooldir` and `monitor`).
const MONITOR: &str = "/var/spool/asterisk/monitor/";

/// More files are not of one call: the pattern is too wide.
const FILES: usize = 20;

/// Endings of recordings and messages, the better ones first: mailboxes hold a message in several formats.
const ENDINGS: [&str; 12] =
    ["wav", "wav16", "flac", "mp3", "opus", "ogg", "WAV", "wav49", "gsm", "ulaw", "alaw", "sln"];

/// The PBX's folders as this machine sees them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    maps: Vec<(String, PathBuf)>,
}

impl Places {
    /// Folders of the PBX, each with its place on this machine; the first that fits counts.
    pub fn new(maps: Vec<(String, PathBuf)>) -> Self {
        Self { maps }
    }

    /// The place of a path of the PBX; `None` for one that leads elsewhere by `..`.
    pub fn here(&self, path: &str) -> Option<PathBuf> {
        let whole = if path.starts_with('/') { path.to_owned() } else { format!("{MONITOR}{path}") };
        if whole.split('/').any(|part| part == "..") {
            return None;
        }
        for (pbx, here) in &self.maps {
            if let Some(rest) = whole.strip_prefix(pbx.as_str())
                && rest.starts_with('/')
            {
                return Some(here.join(rest.trim_start_matches('/')));
            }
        }
        Some(PathBuf::from(whole))
    }

    /// The files that are meant, in order of their names. Nothing there is no error.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn find(&self, path: &str) -> io::Result<Vec<PathBuf>> {
        let Some(here) = self.here(path) else { return Ok(Vec::new()) };
        let mut found = vec![PathBuf::new()];
        for part in here.iter() {
            let Some(pattern) = part.to_str().filter(|part| part.contains('*')) else {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            };
            let mut next = Vec::new();
            for folder in found {
                let fitting = names(&folder)?.into_iter().filter(|name| fits(pattern, name));
                next.extend(fitting.map(|name| folder.join(name)));
            }
            found = next;
        }
        found.retain(|path| is_file(path));
        found.sort();
        found.truncate(FILES);
        Ok(found)
    }

    /// The best format of a message, which is named without its ending.
    ///
    /// # Errors
    /// When its folder cannot be listed.
    pub fn find_message(&self, path: &str) -> io::Result<Option<PathBuf>> {
        let Some(here) = self.here(path) else { return Ok(None) };
        let (Some(folder), Some(stem)) = (here.parent(), here.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(None);
        };
        let rank = |name: &String| {
            let ending = name.strip_prefix(stem)?.strip_prefix('.')?;
            ENDINGS.iter().position(|known| *known == ending)
        };
        let best = names(folder)?.into_iter().filter(|name| rank(name).is_some()).min_by_key(rank);
        Ok(best.map(|name| folder.join(name)).filter(|path| is_file(path)))
    }

    /// The folder to watch for a file that is not there yet: the nearest one that is.
    pub fn folder(&self, path: &str) -> Option<PathBuf> {
        let here = self.here(path)?;
        let plain: PathBuf = here.iter().take_while(|part| !part.to_string_lossy().contains('*')).collect();
        let start = if plain == here { here.parent()? } else { plain.as_path() };
        start.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
    }
}

/// Names that are no UTF-8 are not ours. A folder that is not there is empty.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// A link is none: whoever may write into the folder shall not get other files attached.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_file())
}

/// Whether the whole name fits the pattern, in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_pbx_are_seen_elsewhere() {
        let places = Places::new(vec![
            ("/var/spool/asterisk/voicemail".to_owned(), "/mnt/mail".into()),
            ("/var/spool/asterisk".to_owned(), "/mnt/pbx".into()),
        ]);
        for (pbx, here) in [
            ("/var/spool/asterisk/monitor/a.wav", Some("/mnt/pbx/monitor/a.wav")),
            (
                "/var/spool/asterisk/voicemail/default/201/INBOX/msg0000",
                Some("/mnt/mail/default/201/INBOX/msg0000"),
            ),
            ("/var/spool/asterisk2/a.wav", Some("/var/spool/asterisk2/a.wav")),
            ("2026/a.wav", Some("/mnt/pbx/monitor/2026/a.wav")),
            ("/var/spool/asterisk/../../etc/shadow", None),
            ("../x", None),
        ] {
            assert_eq!(places.here(pbx).as_deref(), here.map(Path::new), "{pbx}");
        }
    }

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name, expected) in [
            ("*-17.0.wav", "q-600-201-20261126-101502-17.0.wav", true),
            ("*-17.0.wav", "q-600-117.0.wav", false),
            ("q-*-*.wav", "q-600-17.wav", true),
            ("q-*-*.wav", "q-600.wav", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*b", "a-b", false),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_meant_is_found_and_links_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("2026/11");
        std::fs::create_dir_all(&day).unwrap();
        for name in ["q-1-17.0.wav", "ext-2-17.0.wav", "q-1-18.0.wav"] {
            std::fs::write(day.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", day.join("link-17.0.wav")).unwrap();
        let places = Places::new(vec![("/pbx".to_owned(), folder.path().to_owned())]);
        let names = |path: &str| {
            let found = places.find(path).unwrap();
            found
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("/pbx/2026/*/*-17.0.wav"), ["ext-2-17.0.wav", "q-1-17.0.wav"]);
        assert_eq!(names("/pbx/2026/11/q-1-18.0.wav"), ["q-1-18.0.wav"]);
        assert_eq!(names("/pbx/2027/*/*-17.0.wav"), [""; 0]);
        assert_eq!(places.folder("/pbx/2026/12/*-17.0.wav").unwrap(), folder.path().join("2026"));
        assert_eq!(places.folder("/pbx/2026/11/a.wav").unwrap(), day);

        for ending in ["txt", "gsm", "WAV", "wav"] {
            std::fs::write(day.join(format!("msg0001.{ending}")), "x").unwrap();
            let best = places.find_message("/pbx/2026/11/msg0001").unwrap();
            let best = best.map(|path| path.extension().unwrap().to_str().unwrap().to_owned());
            assert_eq!(best.as_deref(), (ending != "txt").then_some(ending));
        }
    }
}
