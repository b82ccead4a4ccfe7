//! The phone book as the house asks it.
//!
//! An answer comes, in this order, from what the house did itself, from the mirror, from an earlier
//! search, and from a search. Only the last one asks the CRM; simultaneous askers of one number
//! share it.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::{Mutex, Notify, watch};

use super::ask::AskCrm;
use super::normaliser::Normaliser;
use super::own::{Learned, Own};
use super::people::{Owner, People, Print, real_before_placeholders};
use super::printed::Press;
use super::store::{Change, Reading, Store, StoreError};
use crate::call::{E164, Identified, Person, PersonId};
use crate::causes;
use crate::clock::Clock;
use crate::crm::{Crm, CrmError};

/// The rule for several persons with one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Several {
    /// No guess is made.
    #[default]
    Unknown,
    /// The person that the CRM has known longest: the lowest id.
    First,
}

/// How the phone book works: keys of `[callers]`.
#[derive(Clone, Debug)]
pub struct BookRules {
    /// The rule for several matches.
    pub several: Several,
    /// How often changes are fetched.
    pub refresh: Duration,
    /// How long a person found by search is believed.
    pub keep_found: Duration,
    /// How long it is believed that a search found nobody.
    pub keep_not_found: Duration,
    /// How long a search may take, retries included.
    pub search_timeout: Duration,
    /// Names the CRM account and its phone fields: with another one everybody is read anew.
    pub origin: String,
}

/// How the phone book stands, for the status page and `/readyz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookStatus {
    /// Nothing more is to be waited for: everybody was read once, now or before the last restart,
    /// or the CRM does not let us read everybody and the search must do.
    pub ready: bool,
    /// Everybody was read once.
    pub whole: bool,
    /// Persons with a number.
    pub people: usize,
    /// Numbers; one of two persons counts twice.
    pub numbers: usize,
    /// When the export was last read to its end.
    pub last_refresh: Option<Timestamp>,
    /// Searches asked of the CRM.
    pub searches: u64,
    /// Searches that failed.
    pub failed_searches: u64,
    /// Pages that could not be read or kept.
    pub errors: u64,
    /// The last error of the mirror; `None` when the last page came well.
    pub last_error: Option<String>,
}

impl BookStatus {
    pub(super) fn count(&mut self, change: Change) {
        self.people = self.people.saturating_add_signed(change.people);
        self.numbers = self.numbers.saturating_add_signed(change.numbers);
    }
}

/// Number to person. Clones are the same book.
#[derive(Clone)]
pub struct PhoneBook(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) normaliser: Arc<Normaliser>,
    pub(super) rules: BookRules,
    pub(super) crm: Arc<dyn AskCrm>,
    pub(super) clock: Clock,
    pub(super) store: Store,
    /// Held while a page is read, so that two refreshes never overlap.
    pub(super) reading: Mutex<Reading>,
    pub(super) refresh_now: Notify,
    pub(super) status: watch::Sender<BookStatus>,
    people: RwLock<People>,
    own: RwLock<Own>,
    answers: Cache<E164, Arc<[Owner]>>,
}

/// At most so many answers of searches are kept: a day's callers of a busy house.
const ANSWERS: u64 = 10_000;

/// A failed search is tried again after this time, then after twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

impl PhoneBook {
    /// Opens the book kept in `file`, or begins one. Everybody kept there is known at once.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be made, opened or read.
    pub async fn open(
        file: &Path,
        normaliser: Arc<Normaliser>,
        rules: BookRules,
        crm: Crm,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Self::open_asking(file, normaliser, rules, Arc::new(crm), clock).await
    }

    pub(super) async fn open_asking(
        file: &Path,
        normaliser: Arc<Normaliser>,
        rules: BookRules,
        crm: Arc<dyn AskCrm>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let fingerprint = format!("{} | {}", normaliser.fingerprint(), rules.origin);
        let store = Store::open(file, &fingerprint).await?;
        let reading = store.reading().await?;
        let mut people = People::default();
        let print = Print::first(set(&store).await?);
        let (persons, numbers) = print.counts();
        people.replace(print);
        let mut own = Own::default();
        for (number, learned) in store.learned().await? {
            own.learn(number, learned);
        }
        let status = BookStatus {
            ready: reading.whole,
            whole: reading.whole,
            people: persons,
            numbers,
            ..BookStatus::default()
        };
        let answers = Cache::builder()
            .max_capacity(ANSWERS)
            .expire_after(Kept { found: rules.keep_found, not_found: rules.keep_not_found })
            .build();
        Ok(Self(Arc::new(Inner {
            normaliser,
            rules,
            crm,
            clock,
            store,
            reading: Mutex::new(reading),
            refresh_now: Notify::new(),
            status: watch::Sender::new(status),
            people: RwLock::new(people),
            own: RwLock::new(own),
            answers,
        })))
    }

    /// Who has this number, as far as it is known without asking the CRM: within a microsecond.
    /// `None`: ask by [`PhoneBook::identify`].
    pub fn find(&self, number: E164) -> Option<Identified> {
        if let Some(known) = self.known(number) {
            return Some(known);
        }
        let answer = self.0.answered(number)?;
        let left = self.0.without_forgotten(&answer);
        // All that were found are gone since: who has the number now?
        (left.is_empty() == answer.is_empty()).then(|| self.verdict(left))
    }

    /// Who has this number. Asks the CRM if need be, and again for as long as `search_timeout`
    /// allows while it is away; [`Identified::Failed`] after that.
    pub async fn identify(&self, number: E164) -> Identified {
        if let Some(known) = self.find(number) {
            return known;
        }
        match self.0.answers.try_get_with(number, self.0.search(number)).await {
            // What was learned meanwhile is newer than the CRM's index.
            Ok(found) => self.known(number).unwrap_or_else(|| self.verdict(self.0.without_forgotten(&found))),
            Err(_) => self.find(number).unwrap_or(Identified::Failed),
        }
    }

    /// Remembers what the house did itself: this person has this number now. Known at once and
    /// after a restart, although the CRM's index and export are late.
    pub async fn learn(&self, number: E164, person: Person) {
        self.take_in(number, Owner { person, placeholder: false }).await;
    }

    /// The same of a user who was made for this number and is nobody yet: whoever else has the number
    /// goes before.
    pub async fn learn_placeholder(&self, number: E164, person: Person) {
        self.take_in(number, Owner { person, placeholder: true }).await;
    }

    async fn take_in(&self, number: E164, owner: Owner) {
        let same =
            |known: &Owner| known.person.id == owner.person.id && known.placeholder == owner.placeholder;
        let known = self.0.people().find(number).iter().any(same);
        let outdated = {
            let own = self.0.own();
            own.is_forgotten(owner.person.id)
                || own.find(number).any(|known| known.person.id == owner.person.id && !same(known))
        };
        if known && !outdated {
            return;
        }
        let learned = Learned { owner, at: self.0.clock.now() };
        self.0.own_mut().learn(number, learned.clone());
        self.0.answers.invalidate(&number).await;
        if let Err(error) = self.0.store.learn(number, &learned).await {
            tracing::warn!(
                error = causes::in_one_line(&error),
                "a learned number will be forgotten at the next restart"
            );
        }
    }

    /// Takes a person out: deleted, merged away, or refused by the CRM as a requester.
    pub async fn forget(&self, id: PersonId) {
        self.0.own_mut().forget(id, self.0.clock.now());
        self.0.people_mut().remove(id);
        self.0.drop_answers(|person| person.id == id).await;
        match self.0.store.forget(id).await {
            Ok(change) => self.0.status.send_modify(|status| status.count(change)),
            Err(error) => {
                tracing::warn!(
                    error = causes::in_one_line(&error),
                    "a person that is gone may return at the next restart"
                );
            }
        }
    }

    /// The reader of numbers.
    pub fn normaliser(&self) -> &Arc<Normaliser> {
        &self.0.normaliser
    }

    /// How the book stands, now and at every change.
    pub fn status(&self) -> watch::Receiver<BookStatus> {
        self.0.status.subscribe()
    }

    /// Own knowledge and the mirror.
    fn known(&self, number: E164) -> Option<Identified> {
        let mut owners = self.0.people().find(number);
        let own = self.0.own();
        owners.retain(|owner| !own.is_forgotten(owner.person.id));
        for owner in own.find(number) {
            // What we did ourselves is newer, also about who is a placeholder.
            owners.retain(|known| known.person.id != owner.person.id);
            owners.push(owner.clone());
        }
        drop(own);
        (!owners.is_empty()).then(|| self.verdict(owners))
    }

    fn verdict(&self, mut owners: Vec<Owner>) -> Identified {
        real_before_placeholders(&mut owners);
        let mut persons: Vec<Person> = owners.into_iter().map(|owner| owner.person).collect();
        persons.sort_unstable_by_key(|person| person.id);
        if self.0.rules.several == Several::First {
            persons.truncate(1);
        }
        match persons.len() {
            0 => Identified::Nobody,
            1 => Identified::One(persons.remove(0)),
            _ => Identified::Several(persons),
        }
    }
}

impl Inner {
    /// Asks the CRM until it answers or the time is up.
    async fn search(&self, number: E164) -> Result<Arc<[Owner]>, SearchError> {
        let mut last = None;
        let asking = async {
            let mut pause = FIRST_PAUSE;
            loop {
                self.status.send_modify(|status| status.searches += 1);
                match self.crm.search(number).await {
                    Ok(hits) => return Ok(self.comparing(number, hits)),
                    Err(error @ (CrmError::Away { .. } | CrmError::Wait(_))) => {
                        let asked_to_wait =
                            if let CrmError::Wait(wait) = error { wait } else { Duration::ZERO };
                        last = Some(error);
                        tokio::time::sleep(pause.max(asked_to_wait)).await;
                        pause *= 2;
                    }
                    Err(error) => return Err(SearchError::Crm(error)),
                }
            }
        };
        let result = tokio::time::timeout(self.rules.search_timeout, asking)
            .await
            .unwrap_or_else(|_| Err(SearchError::Late(self.rules.search_timeout, last)));
        if let Err(error) = &result {
            self.status.send_modify(|status| status.failed_searches += 1);
            tracing::warn!(error = causes::in_one_line(error), "a caller could not be looked up");
        }
        result
    }

    /// The search compares ends of numbers only: here they are compared whole.
    fn comparing(&self, number: E164, hits: Vec<crate::crm::PersonRecord>) -> Arc<[Owner]> {
        let mut found: Vec<Owner> = hits
            .into_iter()
            .filter(|hit| hit.usable)
            .filter(|hit| hit.numbers.iter().any(|text| self.normaliser.numbers(text).contains(&number)))
            .map(|hit| Owner { person: hit.person, placeholder: hit.placeholder })
            .collect();
        found.sort_unstable_by_key(|owner| owner.person.id);
        found.dedup_by_key(|owner| owner.person.id);
        found.into()
    }

    /// An earlier search's answer. `moka` has no reading without `async`, but the future does no
    /// I/O: it is ready at the first poll, or else housekeeping is going on and a miss is no harm.
    fn answered(&self, number: E164) -> Option<Arc<[Owner]>> {
        let mut asking = pin!(self.answers.get(&number));
        match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => None,
        }
    }

    fn without_forgotten(&self, owners: &[Owner]) -> Vec<Owner> {
        let own = self.own();
        owners.iter().filter(|owner| !own.is_forgotten(owner.person.id)).cloned().collect()
    }

    pub(super) async fn drop_answers(&self, about: impl Fn(&Person) -> bool) {
        for (number, answer) in &self.answers {
            if answer.iter().any(|owner| about(&owner.person)) {
                self.answers.invalidate(&*number).await;
            }
        }
    }

    pub(super) fn people(&self) -> RwLockReadGuard<'_, People> {
        self.people.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn people_mut(&self) -> RwLockWriteGuard<'_, People> {
        self.people.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> RwLockReadGuard<'_, Own> {
        self.own.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn own_mut(&self) -> RwLockWriteGuard<'_, Own> {
        self.own.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets everybody in the file, for print.
async fn set(store: &Store) -> Result<Press, StoreError> {
    let mut press = Press::default();
    let mut last = None;
    loop {
        let part = store.people(last).await?;
        let Some((owner, _)) = part.last() else {
            return Ok(press);
        };
        last = Some(owner.person.id);
        for (owner, numbers) in part {
            press.add(&owner, numbers.into_iter());
        }
    }
}

/// Why a search has no answer. Not kept: the next asker asks anew.
#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error("the search was not answered within {} ms", .0.as_millis())]
    Late(Duration, #[source] Option<CrmError>),
    #[error(transparent)]
    Crm(CrmError),
}

/// How long an answer of a search is believed.
struct Kept {
    found: Duration,
    not_found: Duration,
}

impl Expiry<E164, Arc<[Owner]>> for Kept {
    fn expire_after_create(&self, _: &E164, answer: &Arc<[Owner]>, _: Instant) -> Option<Duration> {
        Some(if answer.is_empty() { self.not_found } else { self.found })
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
