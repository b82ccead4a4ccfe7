//! Durations with their unit: `"250ms"`, `"30s"`, `"5m"`, `"4h"`, `"90d"`.

use std::ops::RangeInclusive;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a whole number and its unit; `None` when it is anything else.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*milliseconds)?))
}

/// Writes a duration in the largest unit that fits: `30s`, `1500ms`.
pub fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let fits =
        |size: &u64| milliseconds.is_multiple_of(u128::from(*size)) && milliseconds >= u128::from(*size);
    // 90s reads better than 1500ms, but 24h better than 1d.
    let unit = UNITS[..4].iter().rev().find(|(_, size)| fits(size));
    match unit {
        Some((name, size)) => format!("{}{name}", milliseconds / u128::from(*size)),
        None => format!("{milliseconds}ms"),
    }
}

/// What is allowed, for an error.
pub(super) fn allowed(range: &RangeInclusive<Duration>) -> String {
    format!(
        "write a whole number with its unit ms, s, m, h or d, such as \"250ms\", \"30s\", \"5m\" or \"4h\", \
         from {} to {}",
        written(*range.start()),
        written(*range.end())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let table = [
            ("250ms", 250),
            ("30s", 30_000),
            ("30 s", 30_000),
            ("5m", 300_000),
            ("4h", 14_400_000),
            ("90d", 7_776_000_000),
            ("0s", 0),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Some(Duration::from_millis(expected)), "{text}");
        }
        for text in
            ["", "30", "s", "1.5s", "-1s", "5 min", "1h30m", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["250ms", "30s", "90s", "5m", "4h", "24h", "1500ms", "0ms"] {
            assert_eq!(written(parse(text).unwrap()), text);
        }
        assert_eq!(written(Duration::from_secs(120)), "2m");
    }
}
