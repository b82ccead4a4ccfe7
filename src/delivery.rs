//! The words between the dispatcher and the exits: how an attempt at owed work ends.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::call::Event;

/// How an attempt ended well: what the call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The event for the call.
    pub event: Event,
    /// A line for the call's story, such as "ticket 35436 made by 1 request"; no caller's data.
    pub note: String,
}

/// What the exit must know of the earlier attempts at a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// An earlier attempt may have succeeded without our hearing of it (time-out, reset,
    /// restart): look first whether it is done, then do it.
    pub look_first: bool,
}

/// How one attempt at owed work ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Nobody answered or the far side failed; the same request may succeed later.
    #[error("{what} did not succeed")]
    Retry {
        /// What was tried, such as "creating the ticket".
        what: &'static str,
        /// True when the far side may have done it all the same.
        unclear: bool,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not yet: HTTP 429 or 503 with `Retry-After`, or a rate budget that is used up. Not counted as an attempt.
    #[error("asked to wait {} s", .0.as_secs())]
    Wait(Duration),
    /// Only this piece of work must wait: what it needs is not there yet. Not counted as an attempt.
    #[error("not yet; looked for again in {} s", .0.as_secs())]
    NotYet(Duration),
    /// It will never be accepted as it is; a person must look.
    #[error("refused: {reason}")]
    Refused {
        /// Why, without callers' data.
        reason: String,
    },
}

/// Says when work is tried again: at once after the first failure would hammer, so 0.5 s, 1 s, 2 s …
/// doubling to 60 s at most. `None` parks it for a person.
///
/// The first steps are short because promise 11 of the plan asks for the ticket within 12 s of the
/// answer after an outage of 4 s; the exit's own health check holds the whole queue back meanwhile,
/// so that a dead CRM is asked by one request at a time.
pub fn next_attempt(error: &DeliveryError, attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let delay = match error {
        DeliveryError::Retry { .. } => {
            Duration::from_millis(500u64 << attempts.saturating_sub(1).min(7)).min(Duration::from_secs(60))
        }
        DeliveryError::Wait(duration) | DeliveryError::NotYet(duration) => *duration,
        DeliveryError::Refused { .. } => return None,
    };
    now.checked_add(SignedDuration::try_from(delay).ok()?).ok()
}
