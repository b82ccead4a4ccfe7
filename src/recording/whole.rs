//! Whether a file is complete: the PBX may still be writing it.
//!
//! Asterisk writes the length into the header of a WAV file of PCM when it closes it, so a header that tells the true
//! length is the proof. Anything else is complete when it has not grown for a while.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use super::wav::{Wav, Whole};

/// A file without a header that tells is complete when it rests for so long.
const RESTS: Duration = Duration::from_secs(3);

/// A header that tells less than there is, or more, of a file that rests for so long: whoever wrote it is gone.
const ABANDONED: Duration = Duration::from_secs(30);

/// The format tag of plain samples.
const PCM: u16 = 1;

/// A disk's clock may differ from ours by so much.
const SKEW: Duration = Duration::from_secs(60);

/// Files that are remembered; more are looked at anew, which only makes them wait.
const REMEMBERED: usize = 4096;

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It can be taken.
    Whole,
    /// It is being written, as far as one can see.
    Growing,
    /// It is older than what is sought.
    Older,
}

/// What was seen of files that were not complete yet.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<PathBuf, (u64, SystemTime, Instant)>>);

impl Seen {
    /// Looks at a file.
    pub(super) fn look(&self, path: &Path, began: Timestamp, now: Instant) -> std::io::Result<State> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        let modified = about.modified()?;
        if modified + SKEW < SystemTime::from(began) {
            return Ok(State::Older);
        }
        let header = Wav::read(&mut file).ok().map(|wav| (wav.whole(about.len()), wav.format));
        if header == Some((Whole::Yes, PCM)) {
            return Ok(State::Whole);
        }
        let rests = self.rests(path, about.len(), modified, now);
        let enough = match header {
            // Other writers may correct the header with each piece.
            Some((Whole::Yes, _)) => RESTS,
            Some(_) => ABANDONED,
            None if about.len() == 0 => ABANDONED,
            None => RESTS,
        };
        // Nothing was ever written into it: there is nothing to take.
        let whole = rests >= enough && about.len() > 0;
        Ok(if whole { State::Whole } else { State::Growing })
    }

    fn rests(&self, path: &Path, bytes: u64, modified: SystemTime, now: Instant) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let entry = seen.entry(path.to_owned()).or_insert((bytes, modified, now));
        if (entry.0, entry.1) != (bytes, modified) {
            *entry = (bytes, modified, now);
        }
        now.saturating_duration_since(entry.2)
    }

    /// The file was taken, or is waited for no longer.
    pub(super) fn forget(&self, path: &Path) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wav::tests::header;
    use super::*;

    #[test]
    fn what_does_not_tell_its_length_must_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let (seen, began, start) = (Seen::default(), Timestamp::UNIX_EPOCH, crate::clock::instant());
        let look = |bytes: &[u8], seconds: u64| {
            if std::fs::read(&path).ok().as_deref() != Some(bytes) {
                std::fs::write(&path, bytes).unwrap();
            }
            seen.look(&path, began, start + Duration::from_secs(seconds)).unwrap()
        };
        let wav = |format, told: u32, there: usize| {
            let mut file = header(format, 16_000, 2, told);
            file.resize(44 + there, 0);
            file
        };
        assert_eq!(look(b"ogg", 0), State::Growing);
        assert_eq!(look(b"ogg2", 2), State::Growing);
        assert_eq!(look(b"ogg2", 4), State::Growing, "it has grown since");
        assert_eq!(look(b"ogg2", 5), State::Whole);
        assert_eq!(look(&wav(1, 8, 8), 10), State::Whole, "at once");
        assert_eq!(look(&wav(49, 130, 130), 10), State::Growing);
        assert_eq!(look(&wav(49, 130, 130), 13), State::Whole);
        assert_eq!(look(&wav(1, 0, 0), 20), State::Growing, "the header alone");
        assert_eq!(look(&wav(1, 0, 8), 20), State::Growing);
        assert_eq!(look(&wav(1, 0, 8), 49), State::Growing);
        assert_eq!(look(&wav(1, 0, 8), 50), State::Whole, "whoever wrote it is gone");
        assert_eq!(look(b"", 60), State::Growing);
        assert_eq!(look(b"", 600), State::Growing, "there is nothing to take");
    }
}
