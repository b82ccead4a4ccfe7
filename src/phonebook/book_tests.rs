use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::super::ask::Asked;
use super::super::mirror::ReadError;
use super::super::normaliser::NumberRules;
use super::*;
use crate::crm::{PeoplePage, PersonRecord};

/// A CRM that searches by the last six digits, as wildcards do, and tells the pages it was given.
#[derive(Default)]
struct Desk {
    people: StdMutex<Vec<PersonRecord>>,
    search_errors: StdMutex<VecDeque<CrmError>>,
    searches: AtomicUsize,
    /// Where a search waits until the test lets it go on.
    gate: Option<Semaphore>,
    pages: StdMutex<VecDeque<Result<PeoplePage, CrmError>>>,
    cursors: StdMutex<Vec<Option<String>>>,
}

impl AskCrm for Desk {
    fn search(&self, number: E164) -> Asked<'_, Vec<PersonRecord>> {
        Box::pin(async move {
            self.searches.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            if let Some(error) = self.search_errors.lock().unwrap().pop_front() {
                return Err(error);
            }
            let end = number.to_string();
            let end = &end[end.len() - 6..];
            let plain = |text: &String| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let hit = |record: &&PersonRecord| record.numbers.iter().any(|text| plain(text).ends_with(end));
            Ok(self.people.lock().unwrap().iter().filter(hit).cloned().collect())
        })
    }

    fn page<'a>(&'a self, cursor: Option<&'a str>) -> Asked<'a, PeoplePage> {
        self.cursors.lock().unwrap().push(cursor.map(str::to_owned));
        let page = self.pages.lock().unwrap().pop_front();
        Box::pin(async move { page.unwrap_or_else(|| Err(away())) })
    }
}

fn away() -> CrmError {
    CrmError::Away { what: "asking", source: "connection refused".into() }
}

fn odd() -> CrmError {
    CrmError::Odd { what: "asking", reason: "403".to_owned() }
}

fn person(id: u64) -> Person {
    Person { id: PersonId(id), name: format!("Person {id}") }
}

fn record(id: u64, numbers: &[&str]) -> PersonRecord {
    let numbers = numbers.iter().map(|text| (*text).to_owned()).collect();
    PersonRecord { person: person(id), numbers, usable: true, placeholder: false }
}

fn page(people: Vec<PersonRecord>, cursor: &str, end: bool) -> Result<PeoplePage, CrmError> {
    Ok(PeoplePage { people, cursor: Some(cursor.to_owned()), end })
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// A place for the file, a clock, and how the book is opened.
struct House {
    _place: tempfile::TempDir,
    file: PathBuf,
    clock: Clock,
    rules: BookRules,
    area_code: &'static str,
}

impl House {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("phonebook.db");
        let rules = BookRules {
            several: Several::Unknown,
            refresh: Duration::from_secs(300),
            keep_found: Duration::from_secs(600),
            keep_not_found: Duration::from_secs(60),
            search_timeout: Duration::from_secs(10),
            origin: "https://example.zendesk.com phone".to_owned(),
        };
        Self { _place: place, file, clock: Clock::standing_at(second(0)), rules, area_code: "30" }
    }

    async fn open(&self, desk: &Arc<Desk>) -> PhoneBook {
        let rules = NumberRules {
            country: "DE".to_owned(),
            area_code: Some(self.area_code.to_owned()),
            strip_prefix: String::new(),
            internal_digits: 6,
        };
        let normaliser = Arc::new(Normaliser::new(rules).unwrap());
        let crm: Arc<dyn AskCrm> = Arc::clone(desk) as _;
        PhoneBook::open_asking(&self.file, normaliser, self.rules.clone(), crm, self.clock.clone())
            .await
            .unwrap()
    }
}

fn desk(people: Vec<PersonRecord>, pages: Vec<Result<PeoplePage, CrmError>>) -> Arc<Desk> {
    Arc::new(Desk { people: people.into(), pages: StdMutex::new(pages.into()), ..Desk::default() })
}

fn searches(desk: &Desk) -> usize {
    desk.searches.load(Ordering::SeqCst)
}

#[tokio::test]
async fn who_is_in_the_mirror_is_found_without_asking() {
    let people = vec![record(7, &["030/23125-111", "0171 2345678"]), record(8, &["+41 44 668 18 00"])];
    let desk = desk(vec![], vec![page(people, "c1", true)]);
    let book = House::new().open(&desk).await;
    assert_eq!(book.find(number("+493023125111")), None);
    assert!(book.read_page().await.unwrap());
    for (text, id) in [("+493023125111", 7), ("+491712345678", 7), ("+41446681800", 8)] {
        assert_eq!(book.find(number(text)), Some(Identified::One(person(id))), "{text}");
        assert_eq!(book.identify(number(text)).await, Identified::One(person(id)));
    }
    assert_eq!(searches(&desk), 0);
    let status = book.status().borrow().clone();
    assert!(status.ready && status.whole);
    assert_eq!((status.people, status.numbers, status.last_refresh), (2, 3, Some(second(0))));
}

#[tokio::test]
async fn a_miss_is_searched_once_and_remembered_found_or_not() {
    let desk = desk(vec![record(7, &["030 / 23125 111"])], vec![]);
    let book = House::new().open(&desk).await;
    for (text, expected) in
        [("+493023125111", Identified::One(person(7))), ("+493099999999", Identified::Nobody)]
    {
        let before = searches(&desk);
        assert_eq!(book.find(number(text)), None);
        assert_eq!(book.identify(number(text)).await, expected);
        assert_eq!(book.identify(number(text)).await, expected);
        assert_eq!(book.find(number(text)), Some(expected));
        assert_eq!(searches(&desk), before + 1);
    }
}

#[tokio::test]
async fn only_hits_with_the_whole_number_and_a_usable_person_count() {
    let suspended = PersonRecord { usable: false, ..record(9, &["+493023125111"]) };
    let people = vec![record(7, &["+4989 23125111"]), suspended, record(8, &["23125111"])];
    let desk = desk(people, vec![]);
    let book = House::new().open(&desk).await;
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(8)));
}

#[tokio::test]
async fn a_hundred_askers_of_one_number_make_one_search() {
    let desk = Arc::new(Desk {
        people: vec![record(7, &["+493023125111"])].into(),
        gate: Some(Semaphore::new(0)),
        ..Desk::default()
    });
    let book = House::new().open(&desk).await;
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let book = book.clone();
        askers.spawn(async move { book.identify(number("+493023125111")).await });
    }
    desk.gate.as_ref().unwrap().add_permits(100);
    let answers = askers.join_all().await;
    assert_eq!(answers, vec![Identified::One(person(7)); 100]);
    assert_eq!(searches(&desk), 1);
}

#[tokio::test]
async fn an_asker_who_gives_up_does_not_take_the_answer_from_the_others() {
    let desk = Arc::new(Desk {
        people: vec![record(7, &["+493023125111"])].into(),
        gate: Some(Semaphore::new(0)),
        ..Desk::default()
    });
    let book = House::new().open(&desk).await;
    let asking = |book: PhoneBook| async move { book.identify(number("+493023125111")).await };
    let mut first = Box::pin(asking(book.clone()));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut second = Box::pin(asking(book.clone()));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(first);
    desk.gate.as_ref().unwrap().add_permits(2);
    assert_eq!(second.await, Identified::One(person(7)));
}

#[tokio::test]
async fn a_crm_that_is_away_for_a_moment_is_asked_again() {
    let desk = desk(vec![record(7, &["+493023125111"])], vec![]);
    desk.search_errors.lock().unwrap().push_back(away());
    let book = House::new().open(&desk).await;
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(7)));
    assert_eq!(searches(&desk), 2);
}

#[tokio::test]
async fn a_failed_search_is_not_remembered() {
    let desk = desk(vec![record(7, &["+493023125111"])], vec![]);
    desk.search_errors.lock().unwrap().push_back(odd());
    let book = House::new().open(&desk).await;
    assert_eq!(book.identify(number("+493023125111")).await, Identified::Failed);
    assert_eq!(book.find(number("+493023125111")), None);
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(7)));
    let status = book.status().borrow().clone();
    assert_eq!((status.searches, status.failed_searches), (2, 1));
}

#[tokio::test]
async fn a_silent_crm_fails_the_search_in_time() {
    let mut house = House::new();
    house.rules.search_timeout = Duration::from_millis(30);
    let desk = Arc::new(Desk { gate: Some(Semaphore::new(0)), ..Desk::default() });
    let book = house.open(&desk).await;
    assert_eq!(book.identify(number("+493023125111")).await, Identified::Failed);
}

#[tokio::test]
async fn that_nobody_was_found_is_believed_for_its_own_time_only() {
    let mut house = House::new();
    house.rules.keep_not_found = Duration::from_millis(20);
    let desk = desk(vec![record(7, &["+493023125111"])], vec![]);
    let book = house.open(&desk).await;
    assert_eq!(book.identify(number("+493099999999")).await, Identified::Nobody);
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(7)));
    let asked_again = async {
        while searches(&desk) < 3 {
            book.identify(number("+493099999999")).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asked_again).await.unwrap();
    assert_eq!(book.find(number("+493023125111")), Some(Identified::One(person(7))), "kept longer");
}

#[tokio::test]
async fn several_persons_are_a_matter_of_the_admins_rule() {
    let people =
        || vec![record(9, &["+493023125111"]), record(3, &["030 23125111"]), record(5, &["23125111"])];
    for (several, expected) in [
        (Several::Unknown, Identified::Several(vec![person(3), person(5), person(9)])),
        (Several::First, Identified::One(person(3))),
    ] {
        let mut house = House::new();
        house.rules.several = several;
        let by_search = house.open(&desk(people(), vec![])).await;
        assert_eq!(by_search.identify(number("+493023125111")).await, expected);
        drop(by_search);
        let by_mirror = house.open(&desk(vec![], vec![page(people(), "c1", true)])).await;
        by_mirror.read_page().await.unwrap();
        assert_eq!(by_mirror.find(number("+493023125111")), Some(expected));
    }
}

#[tokio::test]
async fn what_the_house_learned_is_known_at_once_and_after_a_restart() {
    let house = House::new();
    let desk = desk(vec![], vec![]);
    let book = house.open(&desk).await;
    let caller = number("+493023125111");
    assert_eq!(book.identify(caller).await, Identified::Nobody);
    book.learn(caller, person(7)).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(7))));
    drop(book);
    let book = house.open(&desk).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(7))));
    // Carried over to a real person when the placeholder was merged away.
    book.learn(caller, person(8)).await;
    book.forget(PersonId(7)).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(8))));
    drop(book);
    let book = house.open(&desk).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(8))));
    assert_eq!(searches(&desk), 1);
}

#[tokio::test]
async fn somebody_goes_before_who_was_made_for_the_number_wherever_they_are_known_from() {
    let caller = number("+493023125111");
    let made = PersonRecord { placeholder: true, ..record(7, &["+493023125111"]) };
    // From a search.
    let by_search = House::new().open(&desk(vec![made.clone(), record(8, &["+493023125111"])], vec![])).await;
    assert_eq!(by_search.identify(caller).await, Identified::One(person(8)));
    assert_eq!(by_search.find(caller), Some(Identified::One(person(8))));
    // From the mirror and the house itself, and the same after a restart.
    let house = House::new();
    let desk = desk(vec![], vec![page(vec![made], "c1", true)]);
    let book = house.open(&desk).await;
    book.learn_placeholder(caller, person(7)).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(7))), "while it is alone");
    book.read_page().await.unwrap();
    assert_eq!(book.find(caller), Some(Identified::One(person(7))), "while it is alone");
    book.learn(caller, person(8)).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(8))));
    drop(book);
    let book = house.open(&desk).await;
    assert_eq!(book.find(caller), Some(Identified::One(person(8))));
    // It was renamed: it is somebody by now.
    book.learn(caller, person(7)).await;
    assert_eq!(book.find(caller), Some(Identified::Several(vec![person(7), person(8)])));
}

#[tokio::test]
async fn what_was_learned_during_a_search_outweighs_its_answer() {
    let desk = Arc::new(Desk { gate: Some(Semaphore::new(0)), ..Desk::default() });
    let book = House::new().open(&desk).await;
    let caller = number("+493023125111");
    let mut asking = Box::pin(book.identify(caller));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    book.learn(caller, person(7)).await;
    desk.gate.as_ref().unwrap().add_permits(1);
    assert_eq!(asking.await, Identified::One(person(7)));
    assert_eq!(book.identify(caller).await, Identified::One(person(7)));
}

#[tokio::test]
async fn a_person_who_is_gone_is_found_nowhere_even_by_a_late_index() {
    let desk =
        desk(vec![record(7, &["+493023125111"])], vec![page(vec![record(7, &["030 23125222"])], "c1", true)]);
    let book = House::new().open(&desk).await;
    book.read_page().await.unwrap();
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(7)));
    book.forget(PersonId(7)).await;
    assert_eq!((book.status().borrow().people, book.status().borrow().numbers), (0, 0));
    assert_eq!(book.identify(number("+493023125222")).await, Identified::Nobody);
    assert_eq!(book.identify(number("+493023125111")).await, Identified::Nobody);
}

#[tokio::test]
async fn a_page_takes_old_numbers_and_old_answers_away() {
    let unusable = PersonRecord { usable: false, ..record(8, &["+493023125333"]) };
    let desk = desk(
        vec![record(7, &["030 23125444"]), record(8, &["+493023125555"])],
        vec![
            page(vec![record(7, &["030 23125111"]), record(8, &["+493023125333"])], "c1", true),
            page(vec![record(7, &["030 23125222"]), unusable], "c2", true),
        ],
    );
    let book = House::new().open(&desk).await;
    book.read_page().await.unwrap();
    assert_eq!(book.identify(number("+493023125444")).await, Identified::One(person(7)));
    assert_eq!(book.identify(number("+493023125555")).await, Identified::One(person(8)));
    desk.people.lock().unwrap().clear();
    book.read_page().await.unwrap();
    assert_eq!(book.find(number("+493023125222")), Some(Identified::One(person(7))));
    assert_eq!((book.status().borrow().people, book.status().borrow().numbers), (1, 1));
    for old in ["+493023125111", "+493023125333", "+493023125444", "+493023125555"] {
        assert_eq!(book.identify(number(old)).await, Identified::Nobody, "{old}");
    }
}

#[tokio::test]
async fn after_a_restart_everybody_is_there_and_reading_goes_on_where_it_was() {
    let mut house = House::new();
    let pages = vec![
        page(vec![record(7, &["+493023125111"])], "c1", false),
        page(vec![record(8, &["+493023125222"])], "c2", true),
    ];
    let first = desk(vec![], pages);
    let book = house.open(&first).await;
    assert!(!book.read_page().await.unwrap());
    assert!(!book.status().borrow().ready);
    assert!(book.read_page().await.unwrap());
    drop(book);

    let second = desk(vec![], vec![]);
    let book = house.open(&second).await;
    assert!(book.status().borrow().ready, "what was read once needs no CRM");
    assert_eq!(book.find(number("+493023125111")), Some(Identified::One(person(7))));
    assert!(matches!(book.read_page().await, Err(ReadError::Crm(CrmError::Away { .. }))));
    assert_eq!(*second.cursors.lock().unwrap(), [Some("c2".to_owned())]);
    assert_eq!(book.find(number("+493023125222")), Some(Identified::One(person(8))));
    drop(book);

    house.area_code = "89";
    let third = desk(vec![], vec![]);
    let book = house.open(&third).await;
    assert!(!book.status().borrow().ready);
    assert_eq!(book.find(number("+493023125111")), None);
    assert!(book.read_page().await.is_err());
    assert_eq!(*third.cursors.lock().unwrap(), [None]);
}

#[tokio::test]
async fn the_task_reads_page_after_page_and_stops_when_asked() {
    let pages = (0..5)
        .map(|i| {
            let people = vec![record(100 + i, &[&format!("+49302312{i}000")])];
            page(people, &format!("c{i}"), i == 4)
        })
        .collect();
    let book = House::new().open(&desk(vec![], pages)).await;
    let stop = CancellationToken::new();
    let mut status = book.status();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(book.clone().run(stop.clone()));
    let whole = status.wait_for(|status| status.whole);
    let people = tokio::time::timeout(Duration::from_secs(10), whole).await.unwrap().unwrap().people;
    assert_eq!(people, 5);
    book.refresh_now();
    let failed = status.wait_for(|status| status.errors > 0);
    let error =
        tokio::time::timeout(Duration::from_secs(10), failed).await.unwrap().unwrap().last_error.clone();
    assert_eq!(error.as_deref(), Some("asking: the CRM is away: connection refused"));
    assert!(book.find(number("+493023120000")).is_some());
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running.join_all()).await.unwrap();
}

#[tokio::test]
async fn a_crm_that_does_not_let_us_read_everybody_leaves_the_search() {
    let desk = desk(vec![record(7, &["+493023125111"])], vec![Err(odd())]);
    let book = House::new().open(&desk).await;
    let stop = CancellationToken::new();
    let mut status = book.status();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(book.clone().run(stop.clone()));
    let ready = status.wait_for(|status| status.ready);
    assert!(!tokio::time::timeout(Duration::from_secs(10), ready).await.unwrap().unwrap().whole);
    assert_eq!(book.identify(number("+493023125111")).await, Identified::One(person(7)));
    stop.cancel();
    running.join_all().await;
}

#[test]
fn an_answer_is_kept_as_long_as_its_kind_says() {
    let kept = Kept { found: Duration::from_secs(600), not_found: Duration::from_secs(60) };
    let caller = number("+493023125111");
    let now = crate::clock::instant();
    assert_eq!(
        kept.expire_after_create(&caller, &vec![Owner { person: person(7), placeholder: false }].into(), now),
        Some(Duration::from_secs(600))
    );
    assert_eq!(kept.expire_after_create(&caller, &vec![].into(), now), Some(Duration::from_secs(60)));
}

/// Prints what a look-up costs among a million people; promised is one microsecond.
#[tokio::test]
#[ignore = "a measurement, for a quiet machine: cargo test --release a_look_up_among -- --ignored --nocapture"]
async fn a_look_up_among_a_million_people_takes_less_than_a_microsecond() {
    let book = House::new().open(&desk(vec![], vec![])).await;
    let nth = |n: u64| E164::from_digits(493_000_000_000 + n * 7).unwrap();
    let mut press = Press::default();
    for n in 0..1_000_000 {
        let person = Person { id: PersonId(6_000_000_000_000 + n), name: "Katharina Müller".to_owned() };
        press.add(&Owner { person, placeholder: false }, [nth(n)].into_iter());
    }
    book.0.people_mut().replace(Print::first(press));
    let rounds = 1_000_000u32;
    // A stride that is prime to the million meets every number once, in no order of the memory.
    let begin = crate::clock::instant();
    let found = (0..u64::from(rounds)).filter(|n| book.find(nth(n * 618_033 % 1_000_000)).is_some()).count();
    let hit = begin.elapsed() / rounds;
    let begin = crate::clock::instant();
    let missed = (0..u64::from(rounds))
        .filter(|n| book.find(nth(n * 618_033 % 1_000_000 + 2_000_000)).is_none())
        .count();
    let miss = begin.elapsed() / rounds;
    println!("look-up: {} ns for a hit, {} ns for a miss", hit.as_nanos(), miss.as_nanos());
    assert_eq!((found, missed), (rounds as usize, rounds as usize));
    assert!(hit < Duration::from_micros(1) && miss < Duration::from_micros(1));
}
