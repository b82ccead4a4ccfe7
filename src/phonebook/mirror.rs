//! The mirror: everybody who is in the CRM, fetched page by page, then the changes.
//!
//! A page and the place behind it are written in one transaction before they are believed, so that
//! the file never misses a page. While the CRM is away, what is there goes on being served.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::book::{Inner, PhoneBook};
use super::people::Owner;
use super::store::{Entry, Reading, StoreError};
use crate::call::PersonId;
use crate::causes;
use crate::clock;
use crate::crm::{CrmError, PeoplePage, PersonRecord};

/// A page could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Crm(#[from] CrmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// CRMs allow few pages a minute (Zendesk: 10 for the whole account, and more would stop the
/// tickets too). One is left for others.
const PAGES_A_MINUTE: u32 = 9;
const MINUTE: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After so many odd answers in a row it is the cursor that is refused: everybody is read anew.
const ODD_ANSWERS: u32 = 3;

impl PhoneBook {
    /// Reads everybody, then the changes every `refresh`, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pace = Pace::default();
        let mut failures = Failures::default();
        loop {
            let page = tokio::select! {
                () = stop.cancelled() => return,
                page = self.read_page() => page,
            };
            pace.page_read(clock::instant());
            let pause = match page {
                Ok(end) => {
                    failures.over();
                    if end { self.0.rules.refresh } else { Duration::ZERO }
                }
                Err(error) => self.failed(&error, &mut failures).await,
            };
            let pause = pause.max(pace.pause(clock::instant()));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.refresh_now.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Fetches changes now instead of at the next `refresh`.
    pub fn refresh_now(&self) {
        self.0.refresh_now.notify_one();
    }

    /// Reads one page. True when there is no more for now.
    pub(super) async fn read_page(&self) -> Result<bool, ReadError> {
        let inner = &self.0;
        let mut reading = inner.reading.lock().await;
        let asked = inner.clock.now();
        let page = inner.crm.page(reading.cursor.as_deref()).await?;
        let next = next_place(&reading, &page)?;
        let entries: Vec<Entry> = page.people.into_iter().filter_map(|record| inner.entry(record)).collect();
        let change = inner.store.write_page(&entries, &next).await?;
        *reading = next;

        let mut gone = Vec::new();
        {
            let mut people = inner.people_mut();
            let mut own = inner.own_mut();
            for Entry { owner, numbers } in &entries {
                people.put(owner, numbers);
                gone.extend(own.exported(owner.person.id, numbers, asked));
            }
            if page.end {
                gone.extend(own.age(asked));
            }
        }
        if !gone.is_empty() {
            inner.store.unlearn(&gone).await?;
        }
        let changed: HashSet<PersonId> = entries.iter().map(|entry| entry.owner.person.id).collect();
        inner.drop_answers(|person| changed.contains(&person.id)).await;
        self.print_if_due(page.end).await;
        let whole = reading.whole;
        inner.status.send_modify(|status| {
            status.count(change);
            status.whole = whole;
            status.ready |= whole;
            status.last_error = None;
            if page.end {
                status.last_refresh = Some(asked);
            }
        });
        Ok(page.end)
    }

    /// Prints the book anew beside the tasks that serve calls: a million people take some 100 ms.
    async fn print_if_due(&self, at_rest: bool) {
        let manuscript = {
            let people = self.0.people();
            if !people.wants_printing(at_rest) {
                return;
            }
            people.manuscript()
        };
        if let Ok(print) = tokio::task::spawn_blocking(|| manuscript.print()).await {
            self.0.people_mut().replace(print);
        }
    }

    /// Notes a failure and says when to try again.
    async fn failed(&self, error: &ReadError, failures: &mut Failures) -> Duration {
        let text = causes::in_one_line(error);
        if failures.begin() {
            tracing::warn!(
                error = text,
                "the phone book cannot be refreshed; what it has goes on being served"
            );
        }
        let odd = matches!(error, ReadError::Crm(CrmError::Odd { .. }));
        self.0.status.send_modify(|status| {
            status.errors += 1;
            status.last_error = Some(text);
            // The CRM answers, but not with people: waiting does not help, the search must do.
            status.ready |= odd;
        });
        if failures.is_odd_again(odd) {
            let mut reading = self.0.reading.lock().await;
            if reading.cursor.take().is_some() {
                tracing::warn!("the CRM does not know any more where we were: everybody is read anew");
            }
        }
        match error {
            ReadError::Crm(CrmError::Wait(wait)) => *wait,
            _ => failures.pause(),
        }
    }
}

impl Inner {
    fn entry(&self, record: PersonRecord) -> Option<Entry> {
        // SQLite's integers end there, and so do the ids of every CRM.
        i64::try_from(record.person.id.0).ok()?;
        let mut numbers = Vec::new();
        if record.usable {
            for text in &record.numbers {
                numbers.extend(self.normaliser.numbers(text));
            }
            numbers.sort_unstable();
            numbers.dedup();
        }
        let owner = Owner { person: record.person, placeholder: record.placeholder };
        Some(Entry { owner, numbers })
    }
}

/// Where to go on. A page that is not the last must lead on, or we would ask for it for ever.
fn next_place(reading: &Reading, page: &PeoplePage) -> Result<Reading, CrmError> {
    let leads_on = page.cursor.is_some() && page.cursor != reading.cursor;
    if !page.end && !leads_on {
        return Err(CrmError::Odd {
            what: "reading everybody",
            reason: "the page is not the last one and does not say where to go on".to_owned(),
        });
    }
    let cursor = page.cursor.clone().or_else(|| reading.cursor.clone());
    Ok(Reading { cursor, whole: reading.whole || page.end })
}

/// Keeps the pages below the CRM's limit: a small house is read at once, a large one evenly.
#[derive(Debug, Default)]
struct Pace {
    minute: Option<Instant>,
    pages: u32,
}

impl Pace {
    fn page_read(&mut self, now: Instant) {
        if self.minute.is_none_or(|begin| now.duration_since(begin) >= MINUTE) {
            (self.minute, self.pages) = (Some(now), 0);
        }
        self.pages += 1;
    }

    fn pause(&self, now: Instant) -> Duration {
        match self.minute {
            Some(begin) if self.pages >= PAGES_A_MINUTE => MINUTE.saturating_sub(now.duration_since(begin)),
            _ => Duration::ZERO,
        }
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Failures {
    row: u32,
    odd: u32,
}

impl Failures {
    /// True for the first of a row.
    fn begin(&mut self) -> bool {
        self.row += 1;
        self.row == 1
    }

    fn over(&mut self) {
        if self.row > 0 {
            tracing::info!(failures = self.row, "the phone book is refreshed again");
        }
        *self = Self::default();
    }

    fn is_odd_again(&mut self, odd: bool) -> bool {
        self.odd = if odd { self.odd + 1 } else { 0 };
        self.odd == ODD_ANSWERS
    }

    /// 1 s, 2 s, 4 s … 60 s, and up to a quarter more, so that several hosts do not ask in step.
    fn pause(&self) -> Duration {
        let pause = (FIRST_PAUSE * (1 << self.row.saturating_sub(1).min(6))).min(LONGEST_PAUSE);
        pause.mul_f64(1.0 + fastrand::f64() / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_pages_are_read_at_once_and_the_tenth_waits_for_the_minute_to_end() {
        let begin = clock::instant();
        let mut pace = Pace::default();
        for page in 0..9 {
            assert_eq!(pace.pause(begin), Duration::ZERO, "page {page}");
            pace.page_read(begin + Duration::from_secs(page));
        }
        assert_eq!(pace.pause(begin + Duration::from_secs(10)), Duration::from_secs(50));
        assert_eq!(pace.pause(begin + MINUTE), Duration::ZERO);
        pace.page_read(begin + MINUTE);
        assert_eq!(pace.pause(begin + MINUTE), Duration::ZERO, "a new minute begins");
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut failures = Failures::default();
        let mut seconds = Vec::new();
        for _ in 0..9 {
            failures.begin();
            let pause = failures.pause().as_secs_f64();
            seconds.push(pause);
        }
        for (pause, least) in seconds.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]) {
            assert!(*pause >= least && *pause <= least * 1.25, "{seconds:?}");
        }
    }

    #[test]
    fn a_page_that_leads_nowhere_is_refused() {
        let page = |cursor: Option<&str>, end| PeoplePage {
            people: Vec::new(),
            cursor: cursor.map(str::to_owned),
            end,
        };
        let reading = Reading { cursor: Some("a".to_owned()), whole: false };
        assert!(next_place(&reading, &page(None, false)).is_err());
        assert!(next_place(&reading, &page(Some("a"), false)).is_err());
        let on = next_place(&reading, &page(Some("b"), false)).unwrap();
        assert_eq!(on, Reading { cursor: Some("b".to_owned()), whole: false });
        let end = next_place(&reading, &page(None, true)).unwrap();
        assert_eq!(end, Reading { cursor: Some("a".to_owned()), whole: true });
    }
}
