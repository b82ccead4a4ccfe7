//! The one place that reads the clock.
//!
//! Everything else takes `now` as an argument or asks a [`Clock`], so that tests move the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A clock: the machine's, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until [`Clock::set`] moves it.
    pub fn standing_at(now: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now.as_microsecond()))))
    }

    /// Moves a standing clock; the machine's clock cannot be moved.
    pub fn set(&self, now: Timestamp) {
        if let Some(standing) = &self.0 {
            standing.store(now.as_microsecond(), Ordering::Relaxed);
        }
    }

    /// Whether it is the machine's.
    pub fn is_system(&self) -> bool {
        self.0.is_none()
    }

    /// The time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(standing) => {
                Timestamp::from_microsecond(standing.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }
    }
}

/// A monotonic instant, for durations and deadlines; jumps of the wall clock do not move it.
///
/// It is the clock of the run time's timers, so that a test which stops those stops this one too.
pub fn instant() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
