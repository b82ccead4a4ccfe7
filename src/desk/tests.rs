//! The desk with a real journal and an exit that the test plays.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::call::{
    Direction, EndedBy, Filed, Person, PersonId, Placeholder, Standing, TicketId, TicketStanding,
};
use crate::config::{Config, Environment, Secrets};
use crate::delivery::Delivered;
use crate::journal::{AfterCommit, Lock, Story, WorkStanding};
use crate::{assembly, rules};

/// A PBX that takes no orders.
struct Deaf;

impl TellPbx for Deaf {
    fn tell(&self, _: &CallId, _: RecordingOrder) -> Result<(), String> {
        Err("deaf".to_owned())
    }
}

/// Nothing here takes this long; what does not come by then does not come.
const SOON: Duration = Duration::from_secs(20);

const CONFIG: &str = r#"
[[pbx.ami]]
name = "main"
username = "ringdesk"
secret = "none"
[crm.zendesk]
url = "http://127.0.0.1:9"
client_id = "ringdesk"
client_secret = "none"
[callers]
country = "DE"
area_code = "30"
default_user = "telephone@example.com"
search_timeout = "1s"
[[group]]
queue = "support"
wrap_up = "30s"
[[group]]
queue = "brief"
wrap_up = "0s"
[[agent]]
extension = "201"
email = "anna.weber@example.com"
[[agent]]
extension = "202"
email = "ben@example.com"
"#;

/// A place with a journal, where desks can be opened one after the other.
struct House {
    place: TempDir,
    clock: Clock,
}

/// An open desk, not yet at work.
struct Open {
    desk: Desk,
    recovery: Recovery,
    inputs: mpsc::Sender<Input>,
    outcomes: mpsc::Sender<Outcome>,
    orders: Arc<Mutex<mpsc::UnboundedReceiver<Order>>>,
    state: watch::Receiver<DeskState>,
    journal: Journal,
    lock: Lock,
    commits: Arc<AtomicU64>,
    /// Orders that could be seen while a commit was under way.
    too_early: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// A desk at work.
struct Working {
    inputs: mpsc::Sender<Input>,
    outcomes: mpsc::Sender<Outcome>,
    orders: Arc<Mutex<mpsc::UnboundedReceiver<Order>>>,
    state: watch::Receiver<DeskState>,
    journal: Journal,
    commits: Arc<AtomicU64>,
    too_early: Arc<AtomicUsize>,
    clock: Clock,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _lock: Lock,
}

impl House {
    fn new() -> Self {
        Self::with(Clock::standing_at(Timestamp::from_second(1_795_000_000).unwrap()))
    }

    fn with(clock: Clock) -> Self {
        Self { place: TempDir::new().unwrap(), clock }
    }

    async fn open(&self) -> Open {
        let folder = self.place.path();
        let path = folder.join("ringdesk.toml");
        let config = Config::parse(CONFIG, &path, &Environment::empty(), Secrets::Needed).unwrap();
        let (orders_tx, ends) = Orders::new();
        let orders = ends.crm;
        let orders = Arc::new(Mutex::new(orders));
        let (commits, too_early) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let hook: AfterCommit = {
            let (commits, too_early, orders) =
                (Arc::clone(&commits), Arc::clone(&too_early), Arc::clone(&orders));
            Arc::new(move |ordinal| {
                commits.store(ordinal, Ordering::SeqCst);
                too_early.fetch_add(orders.lock().unwrap().len(), Ordering::SeqCst);
            })
        };
        let (journal, lock) =
            Journal::open(&folder.join("journal.db"), self.clock.clone(), Some(hook)).await.unwrap();
        let numbers = Arc::new(rules::normaliser(&config).unwrap());
        let crm = assembly::crm(&config, &numbers, None, self.clock.clone()).unwrap();
        let phonebook = PhoneBook::open(
            &folder.join("phonebook.db"),
            Arc::clone(&numbers),
            assembly::book_rules(&config),
            crm.clone(),
            self.clock.clone(),
        )
        .await
        .unwrap();
        let directory = Directory::new(assembly::house_rules(&config), crm, self.clock.clone());
        let (_, rules) = watch::channel(Arc::new(rules::rules(&config, &numbers, None, true)));
        let (inputs, inputs_rx) = mpsc::channel(512);
        let (outcomes, outcomes_rx) = mpsc::channel(64);
        let (state_tx, state) = watch::channel(DeskState::default());
        let recovery = Recovery { calls: journal.load().await.unwrap().calls };
        let desk = Desk {
            journal: journal.clone(),
            phonebook,
            directory,
            rules,
            inputs: inputs_rx,
            outcomes: outcomes_rx,
            orders: orders_tx,
            pbx: Arc::new(Deaf),
            state: state_tx,
            clock: self.clock.clone(),
        };
        let stop = CancellationToken::new();
        Open { desk, recovery, inputs, outcomes, orders, state, journal, lock, commits, too_early, stop }
    }

    async fn works(&self) -> Working {
        self.open().await.works()
    }

    /// Another program does something to the journal.
    async fn meddle(&self, sql: &'static str) {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(self.place.path().join("journal.db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

const BREAK: &str = "CREATE TRIGGER broken BEFORE INSERT ON work BEGIN SELECT RAISE(ABORT, 'broken'); END";
const MEND: &str = "DROP TRIGGER broken";
const HIDE: &str = "ALTER TABLE call RENAME TO hidden";
const SHOW: &str = "ALTER TABLE hidden RENAME TO call";

impl Open {
    fn works(self) -> Working {
        let Self { desk, recovery, inputs, outcomes, orders, state, journal, lock, commits, too_early, stop } =
            self;
        let clock = desk.clock.clone();
        #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
        let task = tokio::spawn(desk.run(recovery, Lifecycle::new(), stop.clone()));
        Working {
            inputs,
            outcomes,
            orders,
            state,
            journal,
            commits,
            too_early,
            clock,
            stop,
            task,
            _lock: lock,
        }
    }
}

impl Working {
    async fn hears(&self, call: &str, events: impl IntoIterator<Item = Event>) {
        self.inputs.send(heard(call, &self.clock, events)).await.unwrap();
    }

    async fn order(&self) -> Order {
        let next = std::future::poll_fn(|context| self.orders.lock().unwrap().poll_recv(context));
        timeout(SOON, next).await.expect("an order comes").expect("the desk works")
    }

    /// The next work that is owed, past everything else.
    async fn owed(&self) -> Arc<Work> {
        loop {
            if let Order::Owe(owed) = self.order().await {
                return owed.work;
            }
        }
    }

    fn ordered(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    async fn delivers(&self, work: &Arc<Work>, event: Event) {
        let delivered = Delivered { event, note: "done".to_owned() };
        self.ends(work, End::Delivered(delivered)).await;
    }

    async fn ends(&self, work: &Arc<Work>, end: End) {
        self.outcomes.send(Outcome { work: Arc::clone(work), end }).await.unwrap();
    }

    async fn until(&mut self, what: impl FnMut(&DeskState) -> bool) -> DeskState {
        timeout(SOON, self.state.wait_for(what)).await.expect("it comes").unwrap().clone()
    }

    /// Lets the desk look at the clock.
    async fn nudge(&self) {
        self.inputs.send(Input::Heard(Vec::new())).await.unwrap();
    }

    async fn stops(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.expect("the desk stops").unwrap();
        self.journal.close().await;
    }

    /// What the journal tells of this call, as soon as it fits: what nobody waits for is written late.
    async fn told(&self, call: &str, fits: impl Fn(&Story) -> bool) -> Story {
        let id = format!("main/{call}").parse().unwrap();
        let reads = async {
            loop {
                if let Some(story) = self.journal.story(&id).await.unwrap().filter(&fits) {
                    return story;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, reads).await.expect("it is written")
    }

    async fn works_of(&self, call: &str, fit: impl Fn(&[WorkStanding]) -> bool) {
        let standings = |story: &Story| story.work.iter().map(|row| row.standing.clone()).collect::<Vec<_>>();
        self.told(call, |story| fit(&standings(story))).await;
    }
}

fn heard(call: &str, clock: &Clock, events: impl IntoIterator<Item = Event>) -> Input {
    let call: CallId = format!("main/{call}").parse().unwrap();
    let one = |event| Heard { call: call.clone(), at: clock.now(), event };
    Input::Heard(events.into_iter().map(one).collect())
}

fn rings(queue: &str, number: &str) -> Vec<Event> {
    let arrived = Event::Arrived {
        direction: Direction::Inbound,
        number: number.to_owned(),
        name: None,
        dialled: "03023125110".to_owned(),
        presentation_asked: false,
    };
    vec![arrived, Event::JoinedQueue { queue: queue.to_owned() }, Event::Rang { extension: anna() }]
}

/// A caller of whom the phone book need not be asked.
fn answered(queue: &str) -> Vec<Event> {
    let mut events = rings(queue, "anonymous");
    events.push(Event::Answered { extension: anna() });
    events
}

fn ended() -> Event {
    Event::HungUp { by: Some(EndedBy::Caller), last_dial: None, estimated: false }
}

fn anna() -> crate::call::Extension {
    "201".parse().unwrap()
}

fn stands() -> Event {
    Event::TicketStands(TicketStanding {
        ticket: TicketId(7),
        requester: Standing::AsDrafted,
        popped: Some(anna()),
        pops_possible: true,
        reused: false,
    })
}

#[tokio::test]
async fn nothing_is_ordered_before_it_is_written_down() {
    let house = House::new();
    let mut desk = house.works().await;
    desk.hears("1.1", answered("support")).await;
    let work = desk.owed().await;
    assert_eq!(work.task.name(), "create_ticket");
    let row = desk.journal.owed().await.unwrap().remove(0);
    assert_eq!((row.key, row.standing), (work.key(), WorkStanding::Owed));

    desk.delivers(&work, stands()).await;
    assert!(matches!(desk.order().await, Order::Settled { key } if key == work.key()));
    desk.works_of("1.1", |works| matches!(works, [WorkStanding::Done { .. }])).await;

    desk.hears("1.1", [Event::Answered { extension: "202".parse().unwrap() }]).await;
    let pop = desk.owed().await;
    assert_eq!(pop.task.name(), "pop_screen");
    assert_eq!(desk.owed().await.task.name(), "update_ticket");
    assert_eq!(desk.journal.owed().await.unwrap().len(), 2);
    assert_eq!(desk.too_early.load(Ordering::SeqCst), 0);
    assert_eq!(desk.until(|state| state.tickets == 1).await.answered, 1);
    desk.stops().await;
}

#[tokio::test]
async fn the_owner_of_a_number_is_known_at_once_and_a_removed_placeholder_forgotten() {
    let house = House::new();
    let open = house.open().await;
    let book = open.desk.phonebook.clone();
    let mut desk = open.works();
    desk.hears("1.1", answered("support")).await;
    let call = desk.owed().await.call.clone();
    let number: E164 = "+4930555123".parse().unwrap();
    let person = |id| Person { id: PersonId(id), name: format!("Person {id}") };
    let (made, owner) = (person(7), person(8));
    for (seq, filed, removed, known) in [
        (5, Filed::Nobody, false, made.clone()),
        (6, Filed::NoRoom { person: owner.clone() }, false, made.clone()),
        (7, Filed::Written { person: owner.clone(), place: "phone".to_owned() }, false, owner.clone()),
        (8, Filed::HadIt { person: owner.clone() }, true, owner.clone()),
    ] {
        book.learn_placeholder(number, made.clone()).await;
        let placeholder = Some(Placeholder { person: made.clone(), remove: true });
        let ticket = TicketId(5);
        let update = PersonUpdate { ticket, number: Some(number), placeholder, fields: Vec::new() };
        let work = Arc::new(Work { call: call.clone(), seq, task: Task::UpdatePerson(Box::new(update)) });
        let updated = PersonUpdated { number: Some(filed), placeholder_removed: removed };
        desk.delivers(&work, Event::PersonUpdated(updated)).await;
        while !matches!(desk.order().await, Order::Settled { key } if key == work.key()) {}
        assert_eq!(book.find(number), Some(Identified::One(known)), "{seq}");
    }
    let state = desk.until(|state| state.without_room.0 == 1).await;
    assert_eq!(state.without_room.1, Some(owner.id));
    book.forget(owner.id).await;
    assert_eq!(book.find(number), None, "who was removed is forgotten");
    desk.stops().await;
}

#[tokio::test]
async fn what_waits_together_is_written_together() {
    let house = House::new();
    let open = house.open().await;
    for number in 0..60 {
        let events = answered("support");
        open.inputs.send(heard(&format!("1.{number}"), &house.clock, events)).await.unwrap();
    }
    let desk = open.works();
    for number in 0..60 {
        assert_eq!(desk.owed().await.call.pbx(), format!("1.{number}"));
    }
    assert_eq!(desk.commits.load(Ordering::SeqCst), 1);
    assert_eq!(desk.journal.owed().await.unwrap().len(), 60);
    assert_eq!(desk.too_early.load(Ordering::SeqCst), 0);
    desk.stops().await;
}

#[tokio::test]
async fn what_nobody_waits_for_waits_for_a_commit_to_share_and_an_answer_takes_it_along() {
    let house = House::new();
    let desk = house.works().await;
    let begin = clock::instant();
    desk.hears("1.1", rings("support", "anonymous")).await;
    desk.told("1.1", |_| true).await;
    assert!(begin.elapsed() >= SHARED, "{:?}", begin.elapsed());
    assert_eq!(desk.commits.load(Ordering::SeqCst), 1);

    let mut batch = Batch::default();
    batch.write_soon();
    let soon = batch.due().unwrap();
    batch.write_some_time();
    assert_eq!(batch.due(), Some(soon), "what is of less worth does not put it off");
    batch.write_now();
    assert!(batch.due().unwrap() <= clock::instant(), "and what a person waits for does not wait for it");
    desk.stops().await;
}

#[tokio::test]
async fn a_call_that_closes_is_written_down_closed_before_it_is_forgotten() {
    let house = House::new();
    let mut desk = house.works().await;
    desk.hears("1.1", rings("support", "anonymous")).await;
    desk.hears("1.1", [ended()]).await;
    desk.until(|state| state.heard == 1 && state.up + state.ended == 0).await;
    desk.stops().await;
    let open = house.open().await;
    assert_eq!(open.recovery.calls, []);
    assert_eq!(open.journal.list(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_holds_everything_and_loses_nothing() {
    for (breaks, mends) in [(BREAK, MEND), (HIDE, SHOW)] {
        let house = House::new();
        let mut desk = house.works().await;
        desk.hears("1.1", answered("support")).await;
        let first = desk.owed().await;
        house.meddle(breaks).await;
        desk.hears("1.2", answered("support")).await;
        desk.until(|state| state.journal_error.is_some()).await;
        // Meanwhile another call comes, and the exit tells of the first one.
        desk.hears("1.3", answered("support")).await;
        desk.delivers(&first, stands()).await;
        assert_eq!(desk.ordered(), 0);
        house.meddle(mends).await;
        let mut keys = Vec::new();
        while keys.len() < 3 {
            keys.push(match desk.order().await {
                Order::Owe(owed) => format!("owe {}", owed.work.key()),
                Order::Settled { key } => format!("settled {key}"),
                Order::Withdraw { key } => format!("withdraw {key}"),
                Order::Hurry => panic!("the desk hurries nobody"),
            });
        }
        keys.sort();
        assert_eq!(keys, ["owe main/1.2#1", "owe main/1.3#1", "settled main/1.1#1"]);
        assert_eq!(desk.journal.owed().await.unwrap().len(), 2);
        desk.until(|state| state.journal_error.is_none()).await;
        desk.stops().await;
    }
}

#[tokio::test]
async fn it_stops_also_while_the_journal_cannot_be_used() {
    for breaks in [BREAK, HIDE] {
        let house = House::new();
        let mut desk = house.works().await;
        house.meddle(breaks).await;
        desk.hears("1.1", answered("support")).await;
        desk.until(|state| state.journal_error.is_some()).await;
        assert_eq!(desk.ordered(), 0);
        desk.stops().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_played_again_makes_no_second_ticket() {
    let house = House::new();
    let mut desk = house.works().await;
    let mut whole_call = answered("brief");
    whole_call.push(ended());
    // A PBX repeats itself while the call is up …
    desk.hears("1.1", answered("brief")).await;
    desk.hears("1.1", answered("brief")).await;
    let work = desk.owed().await;
    desk.hears("1.1", whole_call.clone()).await;
    desk.delivers(&work, stands()).await;
    desk.until(|state| state.tickets == 1 && state.up + state.ended == 0).await;
    // … and somebody plays the stream again when it is closed.
    desk.hears("1.1", whole_call.clone()).await;
    desk.hears("1.2", answered("brief")).await;
    assert_eq!(desk.owed().await.key(), "main/1.2#1");
    desk.hears("1.1", whole_call.clone()).await;
    assert_eq!(desk.until(|state| state.up == 1).await.tickets, 1);
    desk.stops().await;
    // Also in the next life.
    let desk = house.works().await;
    desk.hears("1.1", whole_call).await;
    desk.hears("1.3", answered("brief")).await;
    assert_eq!(desk.owed().await.key(), "main/1.3#1");
    desk.works_of("1.1", |works| works.len() == 1).await;
    desk.stops().await;
}

#[tokio::test]
async fn a_call_goes_on_after_a_restart_and_ends_with_one_ticket() {
    let house = House::new();
    let desk = house.works().await;
    desk.hears("1.1", answered("support")).await;
    let work = desk.owed().await;
    desk.stops().await;
    let mut desk = house.works().await;
    assert_eq!(desk.until(|state| state.up == 1).await.heard, 0);
    // The lists of the new connection tell what is up once more.
    desk.hears("1.1", answered("support")).await;
    desk.delivers(&work, stands()).await;
    desk.hears("1.1", [ended()]).await;
    desk.until(|state| state.ended == 1).await;
    house.clock.set(house.clock.now() + SignedDuration::from_secs(30));
    desk.nudge().await;
    desk.until(|state| state.up + state.ended == 0).await;
    desk.works_of("1.1", |works| matches!(works, [WorkStanding::Done { .. }])).await;
    desk.stops().await;
}

#[tokio::test]
async fn calls_that_the_pbx_does_not_know_any_more_are_over_and_marked() {
    let house = House::new();
    let mut desk = house.works().await;
    for call in ["1.1", "1.2"] {
        desk.hears(call, answered("brief")).await;
        let work = desk.owed().await;
        desk.delivers(&work, stands()).await;
    }
    let source: crate::call::SourceName = "main".to_owned().try_into().unwrap();
    desk.until(|state| state.up == 2).await;
    let present = vec!["main/1.2".parse().unwrap()];
    desk.inputs.send(Input::Resynced { source, present }).await.unwrap();
    desk.until(|state| state.up == 1).await;
    let estimated = |story: &Story| story.lines.iter().any(|line| line.why.contains("the end is estimated"));
    desk.told("1.1", |story| story.row.ended.is_some() && estimated(story)).await;
    desk.stops().await;
}

#[tokio::test]
async fn calls_that_nobody_watches_leave_nothing_in_the_journal() {
    let house = House::new();
    let mut desk = house.works().await;
    let mut events = answered("nobody's");
    events.push(ended());
    desk.hears("1.1", events).await;
    desk.until(|state| state.heard == 1 && state.up + state.ended == 0).await;
    desk.hears("1.2", answered("support")).await;
    desk.owed().await;
    let calls: Vec<String> =
        desk.journal.list(10).await.unwrap().iter().map(|row| row.call.to_string()).collect();
    assert_eq!(calls, ["main/1.2"]);
    desk.stops().await;
}

#[tokio::test]
async fn refused_work_is_told_to_the_call_and_kept_for_a_person() {
    let house = House::new();
    let mut desk = house.works().await;
    desk.hears("1.1", answered("brief")).await;
    let work = desk.owed().await;
    desk.ends(&work, End::Refused { reason: "422: it says no".to_owned() }).await;
    assert!(matches!(desk.order().await, Order::Settled { key } if key == work.key()));
    desk.hears("1.1", [ended()]).await;
    desk.until(|state| state.refused == 1 && state.up + state.ended == 0).await;
    desk.works_of(
        "1.1",
        |works| matches!(works, [WorkStanding::Refused { reason, .. }] if reason == "422: it says no"),
    )
    .await;
    let refused = |story: &Story| story.lines.iter().any(|line| line.what == "refused: create_ticket");
    desk.told("1.1", refused).await;
    desk.stops().await;
}

#[tokio::test]
async fn attempts_are_kept_across_a_restart() {
    let house = House::new();
    let desk = house.works().await;
    desk.hears("1.1", answered("support")).await;
    let work = desk.owed().await;
    let due = house.clock.now() + SignedDuration::from_secs(5);
    desk.ends(&work, End::Postponed { due, attempts: 3, error: "connection refused".to_owned() }).await;
    desk.nudge().await;
    // Written with the next thing that must be, at the latest at the end.
    desk.stops().await;
    let desk = house.works().await;
    let owed = desk.journal.load().await.unwrap().owed.remove(0);
    assert_eq!((owed.attempts, owed.due), (3, due));
    assert_eq!(owed.last_error.as_deref(), Some("connection refused"));
    desk.stops().await;
}

#[tokio::test]
async fn the_ticket_does_not_wait_for_a_search_that_fails() {
    let house = House::new();
    let desk = house.works().await;
    let mut events = rings("support", "03023125111");
    events.push(Event::Answered { extension: anna() });
    desk.hears("1.1", events).await;
    let begin = clock::instant();
    let work = desk.owed().await;
    let Task::CreateTicket(draft) = &work.task else { panic!("{work:?}") };
    assert_eq!(draft.requester, Requester::DefaultUser);
    assert!(draft.comment.contains("+493023125111"), "{}", draft.comment);
    assert!(clock::instant() - begin < Duration::from_secs(2));
    desk.stops().await;
}

#[tokio::test]
async fn what_the_exit_learned_of_a_person_is_known_to_the_next_call() {
    let house = House::new();
    let desk = house.works().await;
    let person = crate::call::Person { id: PersonId(9), name: "Mira".to_owned() };
    let draft = |work: &Work| match &work.task {
        Task::CreateTicket(draft) => draft.clone(),
        other => panic!("{other:?}"),
    };
    let mut events = rings("support", "03023125111");
    events.push(Event::Answered { extension: anna() });
    desk.hears("1.1", events.clone()).await;
    let work = desk.owed().await;
    // As if the house made new users of unknown callers.
    let mut newcomer = draft(&work);
    let number = "+493023125111".parse().unwrap();
    newcomer.requester = Requester::NewUser { number, name: "Mira".to_owned() };
    let made = Arc::new(Work { task: Task::CreateTicket(newcomer), ..Work::clone(&work) });
    let standing = TicketStanding {
        ticket: TicketId(7),
        requester: Standing::NewUser(person),
        popped: None,
        pops_possible: false,
        reused: false,
    };
    desk.delivers(&made, Event::TicketStands(standing)).await;
    desk.hears("1.2", events).await;
    let second = loop {
        let work = desk.owed().await;
        if work.call.pbx() == "1.2" {
            break work;
        }
    };
    assert_eq!(draft(&second).requester, Requester::Person(PersonId(9)));
    desk.stops().await;
}

#[tokio::test]
async fn timers_move_along_when_the_clock_of_the_machine_is_set() {
    for hours in [3, -3] {
        let house = House::with(Clock::system());
        let Open { desk, inputs: _inputs, recovery, stop, .. } = house.open().await;
        let clock = desk.clock.clone();
        let mut desk = Running::new(desk, recovery, Lifecycle::new(), stop);
        let mut call = answered("support");
        call.push(ended());
        desk.on_input(heard("1.1", &clock, call.clone())).await;
        let jump = SignedDuration::from_hours(hours);
        let before = desk.book.next_due().unwrap();
        // The clock was set: at the last look it told another time.
        desk.clocks.0 -= jump;
        desk.see_jumps();
        let after = desk.book.next_due().unwrap();
        assert!((after.duration_since(before) - jump).abs() < JUMP, "{before} became {after}");
        desk.see_jumps();
        assert_eq!(desk.book.next_due(), Some(after), "one jump moves them once");
    }
}

#[tokio::test]
async fn timers_that_begin_after_the_jump_do_not_move_with_it() {
    for hours in [3, -3] {
        let house = House::with(Clock::system());
        let Open { desk, inputs: _inputs, recovery, stop, .. } = house.open().await;
        let clock = desk.clock.clone();
        let mut desk = Running::new(desk, recovery, Lifecycle::new(), stop);
        let mut call = answered("support");
        call.push(ended());
        desk.clocks.0 -= SignedDuration::from_hours(hours);
        desk.on_input(heard("1.1", &clock, call)).await;
        desk.on_time().await;
        let wrap_up = desk.book.next_due().expect("the wrap-up time runs").duration_since(clock.now());
        assert!((wrap_up - SignedDuration::from_secs(30)).abs() < JUMP, "{wrap_up}");
    }
}
