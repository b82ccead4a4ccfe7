//! Whether there is room for more recordings: on our disk, and on the PBX's where it is seen from here.
//!
//! A PBX whose disk is full loses calls, so recording stops first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked: at 16 kB/s a call, a hundred calls write 16 MB in this time.
const LOOK: Duration = Duration::from_secs(10);

/// The room on the disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// There is enough.
    pub enough: bool,
    /// How many bytes are free on the disk that has the least; `None` while nobody could look.
    pub free: Option<u64>,
}

impl Default for Room {
    fn default() -> Self {
        Self { enough: true, free: None }
    }
}

impl Room {
    /// What this one becomes when so much is free. There is enough again when a tenth more than `least` is free, so
    /// that recording does not begin and stop with each file that is deleted.
    fn then(&self, free: Option<u64>, least: u64) -> Self {
        let needed = if self.enough { least } else { least + least / 10 };
        Self { enough: free.is_none_or(|free| free >= needed), free }
    }
}

/// Looks at once, then by the clock until `stop`. A folder that is not there yet is judged by the one above it.
pub async fn watch(folders: Vec<PathBuf>, least: u64, room: watch::Sender<Room>, stop: CancellationToken) {
    loop {
        let (before, looked_at) = (room.borrow().clone(), folders.clone());
        // A disk of the network may hang.
        let free = tokio::task::spawn_blocking(move || looked_at.iter().filter_map(|path| free(path)).min());
        let now = tokio::select! {
            free = free => before.then(free.unwrap_or(None), least),
            () = stop.cancelled() => return,
        };
        if now.enough != before.enough {
            let megabytes = now.free.unwrap_or(0) / 1_000_000;
            match now.enough {
                true => tracing::info!(megabytes, "there is room for recordings again"),
                false => tracing::error!(
                    megabytes,
                    "the disk is nearly full: nothing is recorded until there is room (`min_free_mb` of [recording])"
                ),
            }
        }
        room.send_if_modified(|room| std::mem::replace(room, now.clone()) != now);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// How many bytes this service may still write there.
pub fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let about = rustix::fs::statvfs(there).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_begins_again_only_with_some_room_to_spare() {
        let mut room = Room::default();
        for (free, enough) in
            [(Some(1_000), true), (Some(999), false), (Some(1_050), false), (Some(1_100), true), (None, true)]
        {
            room = room.then(free, 1_000);
            assert_eq!((room.enough, room.free), (enough, free));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("a/b/c")).unwrap() > 0);
    }
}
