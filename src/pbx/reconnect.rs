//! When a lost connection to a PBX is tried again.
//!
//! A lost link is tried again at once and then every few seconds, because each second costs events
//! that the PBX will not repeat. A refused log-in is tried slowly: fail2ban, which guards many
//! Asterisks, bans an address after five refusals in ten minutes.

use std::time::Duration;

/// Why the connection is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The link was lost, or nobody answers.
    Lost,
    /// The PBX refused the log-in.
    LoginRefused,
    /// What answers cannot be trusted or speaks another language: a wrong certificate, a wrong port.
    WrongPeer,
}

/// Waits after a lost link, in milliseconds; the last one repeats. Each is lengthened by up to a
/// quarter, so that the first is below one second.
const LOST: &[u64] = &[250, 500, 1_000, 2_000, 4_000];

/// Waits after a refused log-in. With the first try there are at most four in any ten minutes, one
/// less than fail2ban's default allows, and the second comes within 75 s.
const REFUSED: &[u64] = &[60_000, 190_000];

/// Waits after a wrong peer: a person must change something.
const WRONG: &[u64] = &[5_000, 15_000, 30_000];

/// How long the last waits are lengthened at most: a hundredth of the wait times this.
const JITTER_PERCENT: u64 = 25;

/// Remembers how often it went wrong in a row.
#[derive(Debug)]
pub struct Backoff {
    why: Option<Why>,
    failures: usize,
    jitter: fastrand::Rng,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(fastrand::Rng::new())
    }
}

impl Backoff {
    /// A new one; the jitter comes from `jitter`.
    pub fn new(jitter: fastrand::Rng) -> Self {
        Self { why: None, failures: 0, jitter }
    }

    /// Notes a failure and says how long to wait before the next try.
    pub fn next(&mut self, why: Why) -> Duration {
        if self.why != Some(why) {
            self.why = Some(why);
            self.failures = 0;
        }
        let waits = match why {
            Why::Lost => LOST,
            Why::LoginRefused => REFUSED,
            Why::WrongPeer => WRONG,
        };
        let wait = waits[self.failures.min(waits.len() - 1)];
        self.failures += 1;
        // 60 s must stay below 75 s, however the dice fall.
        let most = (wait * JITTER_PERCENT / 100).min(12_000);
        Duration::from_millis(wait + self.jitter.u64(0..=most))
    }

    /// The log-in succeeded: the next failure is the first one again.
    pub fn succeeded(&mut self) {
        self.why = None;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(why: Why, count: usize) -> impl Iterator<Item = Vec<Duration>> {
        (0..50).map(move |seed| {
            let mut backoff = Backoff::new(fastrand::Rng::with_seed(seed));
            (0..count).map(|_| backoff.next(why)).collect()
        })
    }

    #[test]
    fn a_lost_link_is_tried_again_within_a_second_and_then_at_least_every_five() {
        for waits in waits(Why::Lost, 20) {
            assert!(waits[0] < Duration::from_secs(1), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)), "{waits:?}");
        }
    }

    #[test]
    fn a_refused_login_is_tried_again_within_75_seconds_and_never_five_times_in_ten_minutes() {
        for waits in waits(Why::LoginRefused, 20) {
            assert!(waits[0] >= Duration::from_secs(5) && waits[0] <= Duration::from_secs(75), "{waits:?}");
            for four_in_a_row in waits.windows(4) {
                assert!(four_in_a_row.iter().sum::<Duration>() > Duration::from_secs(600), "{waits:?}");
            }
        }
    }

    #[test]
    fn success_and_another_reason_begin_anew() {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
        for _ in 0..9 {
            backoff.next(Why::Lost);
        }
        backoff.succeeded();
        assert!(backoff.next(Why::Lost) < Duration::from_secs(1));
        backoff.next(Why::LoginRefused);
        assert!(backoff.next(Why::Lost) < Duration::from_secs(1));
    }
}
