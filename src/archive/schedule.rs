//! When copies are made: times of the day or a cron line, in one time zone. Pure.
//!
//! Both are read as what a clock on the wall shows. Where the clocks change, a time that does not exist stands
//! for the next moment that does, and a time that exists twice means the first of the two. So every time of
//! the day happens exactly once on every day, and never twice.
//!
//! Deliberately absent: seconds and years in cron lines.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A line that runs every minute has 60 candidates inside the hour that a clock change takes or repeats.
/// More than some hundred steps mean a line that never runs, such as one for the 30th of February.
const STEPS: usize = 500;

/// When copies are made.
#[derive(Clone, PartialEq)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
}

#[derive(Clone, PartialEq)]
enum When {
    /// Sorted, without repeats, not empty.
    At(Vec<Time>),
    Cron(Box<Cron>),
}

/// This is no cron line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CronLineError {
    reason: String,
}

impl Schedule {
    /// At these times of every day. No times: never.
    pub fn at(mut times: Vec<Time>, zone: TimeZone) -> Self {
        times.sort_unstable();
        times.dedup();
        Self { when: When::At(times), zone }
    }

    /// By a cron line with five fields: minute, hour, day, month, day of the week.
    ///
    /// # Errors
    /// Says what is wrong with the line.
    pub fn cron(line: &str, zone: TimeZone) -> Result<Self, CronLineError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(line).map_err(|error| CronLineError { reason: error.to_string() })?;
        Ok(Self { when: When::Cron(Box::new(cron)), zone })
    }

    /// The zone whose clock counts.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first moment after `moment`; `None`: never again.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let mut civil = self.zone.to_datetime(moment);
        for _ in 0..STEPS {
            civil = self.next_on_the_wall(civil)?;
            // In the hour that comes twice, what was meant the first time is over already.
            if let Some(found) = self.moment_of(civil).filter(|found| *found > moment) {
                return Some(found);
            }
        }
        None
    }

    /// Whether a run was missed: one was to begin after `done` and not later than `now`.
    pub fn is_due(&self, done: Timestamp, now: Timestamp) -> bool {
        self.next_after(done).is_some_and(|next| next <= now)
    }

    fn next_on_the_wall(&self, after: DateTime) -> Option<DateTime> {
        match &self.when {
            When::At(times) => {
                let (day, now) = (after.date(), after.time());
                let today = times.iter().find(|time| **time > now).map(|time| day.to_datetime(*time));
                today.or_else(|| Some(day.tomorrow().ok()?.to_datetime(*times.first()?)))
            }
            When::Cron(cron) => cron.find_next_occurrence(&after, false).ok(),
        }
    }

    fn moment_of(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the later offset the time lies before the change; what follows it is the change itself,
                // the first moment that exists again.
                let before = after.to_timestamp(civil).ok()?;
                self.zone.following(before).next().map(|change| change.timestamp())
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::At(times) => {
                let times: Vec<_> = times.iter().map(|time| time.strftime("%H:%M").to_string()).collect();
                write!(f, "at {}", times.join(", "))?;
            }
            When::Cron(cron) => write!(f, "by the cron line `{}`", cron.as_str())?,
        }
        match self.zone.iana_name() {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::{Date, date, time};
    use proptest::prelude::*;

    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(times: &[(i8, i8)]) -> Schedule {
        Schedule::at(times.iter().map(|(hour, minute)| time(*hour, *minute, 0, 0)).collect(), berlin())
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn runs(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
        let (mut now, to) = (moment(from), moment(to));
        let mut found = Vec::new();
        while let Some(next) = schedule.next_after(now).filter(|next| *next <= to) {
            found.push(next.to_zoned(berlin()).strftime("%m-%d %H:%M %Z").to_string());
            now = next;
        }
        found
    }

    #[test]
    fn times_of_the_day_come_in_order_and_go_on_tomorrow() {
        let twice = at(&[(12, 0), (3, 30), (3, 30)]);
        assert_eq!(
            runs(&twice, "2026-11-26T00:00:00Z", "2026-11-27T03:00:00Z"),
            ["11-26 03:30 CET", "11-26 12:00 CET", "11-27 03:30 CET"]
        );
        assert_eq!(Schedule::at(Vec::new(), berlin()).next_after(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_time_that_does_not_exist_runs_at_the_next_moment_that_does() {
        assert_eq!(
            runs(&at(&[(2, 10), (2, 30), (4, 0)]), "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
            ["03-29 03:00 CEST", "03-29 04:00 CEST"]
        );
    }

    #[test]
    fn a_time_that_exists_twice_runs_once() {
        assert_eq!(
            runs(&at(&[(2, 30), (3, 0)]), "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
            ["10-25 02:30 CEST", "10-25 03:00 CET"]
        );
        // Between the first and the second 02:30, and after the second: that was today's.
        for between in ["2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z"] {
            let next = at(&[(2, 30)]).next_after(moment(between)).unwrap();
            assert_eq!(next, moment("2026-10-26T01:30:00Z"), "{between}");
        }
    }

    #[test]
    fn a_cron_line_follows_the_clock_on_the_wall() {
        let weekdays = Schedule::cron("30 2 * * 1-5", berlin()).unwrap();
        assert_eq!(
            runs(&weekdays, "2026-03-27T00:00:00Z", "2026-03-30T12:00:00Z"),
            ["03-27 02:30 CET", "03-30 02:30 CEST"]
        );
        let sundays = Schedule::cron("30 2 * * 0", berlin()).unwrap();
        assert_eq!(
            runs(&sundays, "2026-03-28T00:00:00Z", "2026-04-05T12:00:00Z"),
            ["03-29 03:00 CEST", "04-05 02:30 CEST"]
        );
        assert_eq!(Schedule::cron("0 0 30 2 *", berlin()).unwrap().next_after(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_is_no_cron_line_is_refused() {
        for line in ["", "3:30", "61 * * * *", "* * * *", "0 30 3 * * *", "a b c d e"] {
            assert!(Schedule::cron(line, berlin()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_missed_run_is_due_once() {
        let schedule = at(&[(3, 30)]);
        let (done, now) = (moment("2026-11-20T02:30:00Z"), moment("2026-11-26T09:00:00Z"));
        assert!(schedule.is_due(done, now));
        assert!(!schedule.is_due(now, now));
        assert!(!schedule.is_due(done, moment("2026-11-21T02:29:59Z")));
        assert!(schedule.is_due(done, moment("2026-11-21T02:30:00Z")));
    }

    /// Days around both changes of a year, and minutes of the day.
    fn around_a_change() -> impl Strategy<Value = (Date, i64)> {
        let changes = vec![date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28), date(2027, 10, 31)];
        (prop::sample::select(changes), 0_i64..5 * 24 * 3600)
    }

    fn start((change, second): (Date, i64)) -> Timestamp {
        let first = change.checked_sub(2.days()).unwrap().to_zoned(berlin()).unwrap();
        first.timestamp() + second.seconds()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_day_has_every_time_exactly_once(from in around_a_change(), hour in 0_i8..24, minute in 0_i8..60) {
            let schedule = at(&[(hour, minute)]);
            let mut now = start(from);
            let mut last: Option<jiff::Zoned> = None;
            for _ in 0..6 {
                let next = schedule.next_after(now).unwrap();
                prop_assert!(next > now);
                let zoned = next.to_zoned(berlin());
                // The day of the time, which is the day of the moment, because clocks change at night.
                if let Some(last) = last {
                    prop_assert_eq!(zoned.date(), last.date().tomorrow().unwrap());
                }
                let wanted = zoned.date().at(hour, minute, 0, 0);
                let ambiguous = berlin().to_ambiguous_timestamp(wanted);
                if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
                    prop_assert_eq!(zoned.time(), time(3, 0, 0, 0));
                } else {
                    prop_assert_eq!(zoned.datetime(), wanted);
                    prop_assert_eq!(next, ambiguous.earlier().unwrap());
                }
                last = Some(zoned);
                now = next;
            }
        }

        #[test]
        fn nothing_lies_between_a_moment_and_the_next_run(from in around_a_change(), hour in 0_i8..24, part in 0.0_f64..1.0) {
            let schedule = at(&[(hour, 15), ((hour + 7) % 24, 45)]);
            let begin = start(from);
            let next = schedule.next_after(begin).unwrap();
            let gap = next.as_second() - begin.as_second();
            let between = begin + ((gap as f64 * part) as i64).min(gap - 1).seconds();
            prop_assert_eq!(schedule.next_after(between).unwrap(), next);
            prop_assert!(!schedule.is_due(begin, between));
            prop_assert!(schedule.is_due(begin, next));
        }

        #[test]
        fn a_daily_cron_line_is_the_same_as_its_time(from in around_a_change(), hour in 0_i8..24, minute in 0_i8..60) {
            let cron = Schedule::cron(&format!("{minute} {hour} * * *"), berlin()).unwrap();
            let (mut one, mut other) = (start(from), start(from));
            for _ in 0..6 {
                one = at(&[(hour, minute)]).next_after(one).unwrap();
                other = cron.next_after(other).unwrap();
                prop_assert_eq!(one, other);
            }
        }

        #[test]
        fn a_frequent_line_goes_on_through_both_changes(from in around_a_change(), every in 1_i64..31) {
            let schedule = Schedule::cron(&format!("*/{every} * * * *"), berlin()).unwrap();
            let mut now = start(from);
            for _ in 0..40 {
                let next = schedule.next_after(now).unwrap();
                // An hour that comes twice counts once, so the longest wait is one hour more than usual.
                prop_assert!(next > now && next.as_second() - now.as_second() <= 3600 + every * 60);
                now = next;
            }
        }
    }
}
