//! What the connection to one PBX has done so far, for the status page.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters since the start of the daemon.
#[derive(Debug, Default)]
pub struct Counters {
    /// Whether the PBX is logged in and its calls are known.
    pub live: AtomicBool,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Messages of all kinds.
    pub messages: AtomicU64,
    /// Events that were handed to the translator.
    pub events: AtomicU64,
    /// Lines without a colon, skipped.
    pub broken_lines: AtomicU64,
    /// Lines and messages beyond the limits, left out.
    pub oversize: AtomicU64,
    /// Connections dropped because more was waiting than fits in memory.
    pub overflows: AtomicU64,
    /// Log-ins that succeeded.
    pub logins: AtomicU64,
    /// Log-ins that were refused.
    pub logins_refused: AtomicU64,
    /// Connections that were lost after the log-in.
    pub lost: AtomicU64,
    /// Attempts to connect that failed.
    pub unreachable: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count(counter: &AtomicU64) {
        Self::add(counter, 1);
    }
}
