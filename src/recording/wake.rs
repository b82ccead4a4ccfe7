//! The kernel tells when something changes in a folder, so that a recording is fetched at once. Only a hint: a folder
//! of the network tells nothing, and the looks by the clock find everything.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Folders that are watched at once; PBXs make one a day. The kernel has some thousands for each user.
const FOLDERS: usize = 64;

/// After a change so long nothing more is told: a recording that grows changes all the time.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches folders.
#[derive(Clone, Default)]
pub struct Wake(Option<Arc<Inside>>);

struct Inside {
    watcher: Mutex<(RecommendedWatcher, BTreeSet<PathBuf>)>,
    changed: Arc<Notify>,
}

impl Wake {
    /// One that never tells anything.
    pub fn none() -> Self {
        Self(None)
    }

    /// One that watches; where the kernel gives no watcher, [`Wake::none`].
    pub fn new() -> Self {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(notify::event::AccessKind::Open(_)))
            }) {
                tell.notify_one();
            }
        });
        match watcher {
            Ok(watcher) => {
                Self(Some(Arc::new(Inside { watcher: Mutex::new((watcher, BTreeSet::new())), changed })))
            }
            Err(error) => {
                tracing::info!(%error, "folders of recordings cannot be watched: they are looked at by the clock");
                Self::none()
            }
        }
    }

    /// From now on changes in these folders are told. What cannot be watched is left to the clock.
    pub(super) fn watch(&self, folders: impl Iterator<Item = PathBuf>) {
        let Some(inside) = &self.0 else { return };
        let mut guard = inside.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let (watcher, watched) = &mut *guard;
        for folder in folders {
            if watched.contains(&folder) {
                continue;
            }
            if watched.len() >= FOLDERS {
                for old in std::mem::take(watched) {
                    let _ = watcher.unwatch(&old);
                }
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder);
                }
                Err(error) => tracing::debug!(%error, "a folder of recordings cannot be watched"),
            }
        }
    }

    /// Calls `hurry` after changes, until `stop`.
    pub async fn run(self, hurry: impl Fn(), stop: CancellationToken) {
        let Some(inside) = self.0 else { return stop.cancelled().await };
        loop {
            tokio::select! {
                () = inside.changed.notified() => hurry(),
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_change_in_a_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (wake, told, stop) = (Wake::new(), Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        wake.watch([folder.path().to_owned()].into_iter());
        let count = Arc::clone(&told);
        let changes = async {
            std::fs::write(folder.path().join("a.wav"), "x").unwrap();
            while told.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let run = wake.clone().run(
            move || {
                count.fetch_add(1, Ordering::Relaxed);
            },
            stop.clone(),
        );
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(run, changes) }).await.unwrap();
    }
}
