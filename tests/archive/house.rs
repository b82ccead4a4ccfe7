//! A spool, a share, and runs by hand.

use std::fs;
use std::path::PathBuf;

use jiff::civil::time;
use jiff::tz::TimeZone;
use ringdesk::archive::run::Ran;
use ringdesk::archive::share::ShareError;
use ringdesk::archive::{Archive, LastRun, Place, Rules, Schedule, Settings, Spool};
use ringdesk::clock::Clock;

pub struct House {
    pub folder: tempfile::TempDir,
    pub rules: Rules,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recordings")).unwrap();
        let rules = Rules {
            subfolder: "team/phone".to_owned(),
            date_folders: String::new(),
            zone: TimeZone::UTC,
            keep_days: None,
        };
        Self { folder, rules }
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    pub fn keep(&self, name: &str, bytes: &[u8]) {
        fs::write(self.spool().join(name), bytes).unwrap();
    }

    pub fn archive(&self, place: Place) -> Archive<Spool> {
        let settings = Settings {
            schedule: Schedule::at(vec![time(3, 30, 0, 0)], TimeZone::UTC),
            place,
            rules: self.rules.clone(),
            diary: self.folder.path().join("archive.json"),
        };
        Archive::new(settings, Spool::new(self.spool()), Clock::system())
    }

    pub async fn run(&self, place: Place) -> (LastRun, Option<ShareError>) {
        match self.archive(place).once(false).await {
            Ran::Ended(last, stopped_by) => (last, stopped_by),
            other => panic!("{other:?}"),
        }
    }

    /// A run that must be whole.
    pub async fn whole(&self, place: Place) -> LastRun {
        let (last, stopped_by) = self.run(place).await;
        assert!(stopped_by.is_none(), "{stopped_by:?}");
        assert_eq!(last.problems, Vec::<String>::new());
        last
    }
}

/// Bytes that do not repeat, so that a piece in the wrong place is seen.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
