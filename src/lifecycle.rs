//! Starting and stopping the tasks of the daemon.
//!
//! Stopping has two steps: `stop` asks every task to finish what it has in hand, `abort` drops
//! everything. Entrances stop first and exits last, so that what an entrance brought in is written
//! down and, where time allows, done.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one stage, and the way to stop them.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// A new one, nothing running.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled when this stage must stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A stage of tasks of its own that also stops when this one stops.
    pub fn stage(&self) -> Self {
        Self { stop: self.stop.child_token(), tasks: TaskTracker::new() }
    }

    /// Runs `task` for as long as the daemon lives. A task that ends early, by return or by panic,
    /// stops its stage: the daemon ends, systemd starts it again, and the journal knows what is owed.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let guard = self.stop.clone().drop_guard();
        self.tasks.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }

    /// Runs a short task that may end at any time: one request, one look-up.
    pub fn spawn_short(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Asks the tasks of this stage to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every task of this stage has ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
