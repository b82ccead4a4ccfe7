//! The journal's side of the desk: what waits to be written, and what follows when it is.
//!
//! Nothing is ordered before its commit, and a batch that cannot be written is kept and tried again.
//!
//! Only what a person waits for is written at once; the rest may wait for a commit to share. A crash
//! in that time loses no more than one a moment earlier would have:
//!
//! - that a call rings, is transferred or has ended: the next start asks the PBX what is up;
//! - that work is owed for which nobody waits: it comes of the state, which is lost with it, and of
//!   what the PBX and the phone book say again;
//! - that work is done: it is still owed after the start, so it is looked for before it is sent.
//!
//! In no case is anything done outside that is not written down.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::{LAZY, REPEATS, Running, SHARED};
use crate::call::CallId;
use crate::causes;
use crate::clock;
use crate::dispatch::Order;
use crate::journal::{Change, Snapshot};

/// What waits to be written.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) order: Vec<CallId>,
    changes: HashMap<CallId, Change>,
    /// Calls whose state must be written.
    pub(super) snapshots: HashSet<CallId>,
    pub(super) orders: Vec<Order>,
    due: Option<Instant>,
}

impl Running {
    /// A call is to be written down for the first time. One that an earlier life has closed is a
    /// repetition: the PBX, or somebody, plays an old stream again.
    pub(super) async fn begins(&mut self, id: &CallId) -> bool {
        let known = loop {
            match self.desk.journal.knows(id).await {
                Ok(known) => break known,
                Err(error) => self.journal_fails(&causes::in_one_line(&error)).await,
            }
            if self.stop.is_cancelled() {
                // It is left to the next start, which asks the PBX what is up.
                self.book.forget(id);
                self.batch.forget(id);
                return false;
            }
        };
        if !known {
            self.journaled.insert(id.clone());
            return true;
        }
        tracing::warn!(call.id = %id, "this call was heard and closed before: it is left alone");
        self.book.forget(id);
        self.batch.forget(id);
        self.repeats.insert(id.clone());
        self.repeats_in_order.push_back(id.clone());
        if self.repeats_in_order.len() > REPEATS
            && let Some(oldest) = self.repeats_in_order.pop_front()
        {
            self.repeats.remove(&oldest);
        }
        false
    }

    pub(super) async fn commit_if_due(&mut self) {
        if self.batch.due.is_some_and(|due| due <= clock::instant()) {
            self.commit().await;
        }
        // Not before: the last state of a closed call is read out of the book when it is written.
        if self.batch.order.is_empty() {
            for call in self.book.sweep() {
                self.journaled.remove(&call.id);
            }
        }
        self.publish();
    }

    pub(super) async fn commit(&mut self) {
        let Batch { order, mut changes, snapshots, orders, .. } = std::mem::take(&mut self.batch);
        let batch: Vec<Change> = order
            .iter()
            .filter_map(|id| {
                let mut change = changes.remove(id)?;
                // What is told of a call that nobody watches is not kept.
                if snapshots.contains(id) {
                    change.snapshot = self.book.get(id).map(Snapshot::of);
                } else if !self.journaled.contains(id) {
                    return None;
                }
                Some(change)
            })
            .collect();
        while let Err(error) = self.desk.journal.commit(&batch).await {
            self.journal_fails(&causes::in_one_line(&error)).await;
            if self.stop.is_cancelled() {
                tracing::error!(
                    "stopped while the journal could not be written: the latest changes are lost"
                );
                return;
            }
        }
        if self.state.journal_error.take().is_some() {
            tracing::info!("the journal can be written again");
        }
        for order in orders {
            self.desk.orders.send(order);
        }
    }

    pub(super) async fn journal_fails(&mut self, error: &str) {
        if self.state.journal_error.as_deref() != Some(error) {
            tracing::error!(
                error,
                "the journal cannot be used; calls are held in memory and it is tried again every second"
            );
            self.state.journal_error = Some(error.to_owned());
            self.publish();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    pub(super) fn publish(&mut self) {
        (self.state.up, self.state.ended) = (self.book.up(), self.book.ended());
        let state = self.state.clone();
        self.desk.state.send_if_modified(|shown| {
            let differs = *shown != state;
            *shown = state;
            differs
        });
    }
}

impl Batch {
    pub(super) fn change(&mut self, id: &CallId) -> &mut Change {
        self.changes.entry(id.clone()).or_insert_with(|| {
            self.order.push(id.clone());
            Change::of(id.clone())
        })
    }

    /// When it must be written; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Somebody waits for it.
    pub(super) fn write_now(&mut self) {
        self.write_within(Duration::ZERO);
    }

    /// It must survive a crash, and nobody waits for it.
    pub(super) fn write_soon(&mut self) {
        self.write_within(SHARED);
    }

    /// It is worth keeping.
    pub(super) fn write_some_time(&mut self) {
        self.write_within(LAZY);
    }

    fn write_within(&mut self, pause: Duration) {
        let due = clock::instant() + pause;
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    pub(super) fn forget(&mut self, id: &CallId) {
        self.changes.remove(id);
        self.snapshots.remove(id);
        self.order.retain(|known| known != id);
        self.orders.retain(|order| !matches!(order, Order::Owe(owed) if owed.work.call == *id));
    }
}
