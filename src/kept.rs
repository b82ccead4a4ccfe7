//! What the archive copies: the files on the shelf, with the hashes that the journal has of them.
//!
//! The shelf is the truth; a file that the journal has forgotten is copied as well, and its hash is then made anew.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::archive::kept::Sum;
use crate::archive::{Kept, KeptFile, Spool};
use crate::causes;
use crate::journal::{Journal, JournalError};

/// The kept recordings of one daemon.
pub struct KeptRecordings {
    spool: Spool,
    journal: Where,
}

enum Where {
    Open(Journal),
    File(PathBuf),
}

impl KeptRecordings {
    /// For the daemon.
    pub fn new(folder: PathBuf, journal: Journal) -> Self {
        Self { spool: Spool::new(folder), journal: Where::Open(journal) }
    }

    /// For a command beside it. Where there is no journal yet, no hash is known.
    pub fn beside(folder: PathBuf, journal: PathBuf) -> Self {
        Self { spool: Spool::new(folder), journal: Where::File(journal) }
    }

    async fn sums(&self) -> Result<HashMap<String, Sum>, JournalError> {
        let rows = match &self.journal {
            Where::Open(journal) => journal.kept().await?,
            Where::File(path) => {
                let journal = Journal::open_read_only(path).await?;
                let rows = journal.kept().await;
                journal.close().await;
                rows?
            }
        };
        let files = rows.into_iter().flat_map(|row| row.files);
        Ok(files.filter_map(|file| Some((file.name, sum(&file.sha256)?))).collect())
    }
}

impl Kept for KeptRecordings {
    async fn list(&self) -> io::Result<Vec<KeptFile>> {
        let mut files = self.spool.list().await?;
        let sums = match self.sums().await {
            Ok(sums) => sums,
            Err(error) => {
                // A journal that cannot be read keeps no recording from being copied.
                tracing::debug!(
                    error = causes::in_one_line(&error),
                    "the archive copies without the journal's hashes"
                );
                HashMap::new()
            }
        };
        for file in &mut files {
            file.sha256 = sums.get(&file.name).copied();
        }
        Ok(files)
    }
}

/// The sum in 64 hexadecimal digits.
pub fn sum(digits: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    if digits.len() != 2 * sum.len() || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_from_its_digits() {
        assert_eq!(sum(&"0a".repeat(32)), Some([10; 32]));
        for odd in ["", "0a", &"0g".repeat(32), &"ü".repeat(32)] {
            assert_eq!(sum(odd), None, "{odd}");
        }
    }
}
