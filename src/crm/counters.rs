//! What the client of a CRM has done so far, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start; they only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers with 2xx.
    pub succeeded: AtomicU64,
    /// Answers with 3xx and 4xx, 429 left out.
    pub refused: AtomicU64,
    /// Answers with 429.
    pub limited: AtomicU64,
    /// Answers with 5xx.
    pub failed: AtomicU64,
    /// Requests without an answer.
    pub unanswered: AtomicU64,
    /// Times that somebody was asked to wait, by the CRM or by our own budget.
    pub waits: AtomicU64,
    /// Requests that were repeated at once, with a new token or with less in them.
    pub retries: AtomicU64,
    /// Tokens fetched.
    pub tokens: AtomicU64,
}

impl Counters {
    /// Counts an answer by its status, or that none came.
    pub(in crate::crm) fn answer(&self, status: Option<u16>) {
        match status {
            Some(429) => &self.limited,
            Some(200..=299) => &self.succeeded,
            Some(500..) => &self.failed,
            Some(_) => &self.refused,
            None => &self.unanswered,
        }
        .fetch_add(1, Relaxed);
    }

    pub(in crate::crm) fn wait(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    pub(in crate::crm) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }
}
