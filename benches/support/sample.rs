//! Durations and their percentiles.

use std::time::Duration;

/// Measured durations.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Adds one.
    pub fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The duration in milliseconds that so many percent do not exceed.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(at).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1e3)
    }

    /// `p50 / p90 / p99 / longest` in milliseconds, as cells of a table.
    pub fn cells(&self) -> String {
        [50, 90, 99, 100].map(|percent| format!("{:.2}", self.percentile(percent))).join(" | ")
    }
}

impl Extend<Duration> for Sample {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, durations: T) {
        self.0.extend(durations);
    }
}
