//! The dispatcher with an exit that does what the test says, and a clock that runs by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::call::{Event, Task, TicketDraft, TicketId};

const SECOND: Duration = Duration::from_secs(1);

/// How the exit answers: after how long, and what.
type Answer = (Duration, Result<(), DeliveryError>);

/// An attempt as the exit saw it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    after: Duration,
    key: String,
    number: u32,
    look_first: bool,
}

/// A dispatcher at work. The test is the desk.
struct House {
    orders: mpsc::UnboundedSender<Order>,
    outcomes: mpsc::Receiver<Outcome>,
    load: watch::Receiver<Load>,
    seen: Arc<Mutex<Vec<Seen>>>,
    most_at_once: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl House {
    fn with(max_in_flight: usize, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let (told, most, answer) = (Arc::clone(&seen), Arc::clone(&most_at_once), Arc::new(answer));
        let deliver = move |work: Arc<Work>, attempt: Attempt| {
            let one = Seen {
                after: begin.elapsed(),
                key: work.key(),
                number: attempt.number,
                look_first: attempt.look_first,
            };
            told.lock().unwrap().push(one.clone());
            let (at_once, most, answer) = (Arc::clone(&at_once), Arc::clone(&most), Arc::clone(&answer));
            async move {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (time, result) = answer(&one);
                tokio::time::sleep(time).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                result.map(|()| Delivered { event: Event::TicketUpdated, note: String::new() })
            }
        };
        let (orders, orders_rx) = mpsc::unbounded_channel();
        let (outcomes_tx, outcomes) = mpsc::channel(64);
        let (load_tx, load) = watch::channel(Load::default());
        let stop = CancellationToken::new();
        let clock = Clock::standing_at(Timestamp::from_second(1_795_000_000).unwrap());
        let dispatch = Dispatch::new(deliver, clock, max_in_flight);
        #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
        let task =
            tokio::spawn(dispatch.run(orders_rx, outcomes_tx, load_tx, Lifecycle::new(), stop.clone()));
        Self { orders, outcomes, load, seen, most_at_once, stop, task }
    }

    fn owe(&self, work: Work) {
        self.order(Order::Owe(owed(work)));
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    /// The next outcome; the end of the work is written down at once, as the desk does.
    async fn outcome(&mut self) -> (String, End) {
        let Outcome { work, end } = self.outcomes.recv().await.expect("the dispatcher works");
        if matches!(end, End::Delivered(_) | End::Refused { .. }) {
            self.order(Order::Settled { key: work.key() });
        }
        (work.key(), end)
    }

    /// Waits until so many pieces of work are delivered, and tells their keys in order.
    async fn delivered(&mut self, count: usize) -> Vec<String> {
        let mut keys = Vec::new();
        while keys.len() < count {
            if let (key, End::Delivered(_)) = self.outcome().await {
                keys.push(key);
            }
        }
        keys
    }

    /// Lets time pass while the test writes nothing down.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }

    fn keys(&self) -> Vec<String> {
        self.seen().iter().map(|one| one.key.clone()).collect()
    }
}

fn owed(work: Work) -> Owed {
    let due = Timestamp::from_second(1_795_000_000).unwrap();
    Owed { work: Arc::new(work), attempts: 0, due, recovered: false }
}

fn work(call: &str, seq: u32, task: Task) -> Work {
    Work { call: format!("main/{call}").parse().unwrap(), seq, task }
}

fn create(call: &str) -> Work {
    let draft = TicketDraft {
        external_id: format!("ringdesk:main/{call}"),
        requester: crate::call::Requester::DefaultUser,
        assignee: None,
        group: None,
        subject: "Call".to_owned(),
        comment: "Call".to_owned(),
        public: false,
        tags: vec![],
        priority: None,
        pop: None,
        tells_candidates: false,
        author: None,
        for_default_agent: false,
        reuse_within: 0,
    };
    work(call, 1, Task::CreateTicket(Box::new(draft)))
}

fn update(call: &str, seq: u32) -> Work {
    work(call, seq, Task::UpdateTicket { ticket: TicketId(7), change: Box::default() })
}

fn away(unclear: bool) -> DeliveryError {
    DeliveryError::Retry { what: "creating the ticket", unclear, source: "connection refused".into() }
}

fn at_once(result: Result<(), DeliveryError>) -> Answer {
    (Duration::from_millis(20), result)
}

#[tokio::test(start_paused = true)]
async fn the_work_of_one_call_goes_in_order_and_waits_until_the_end_before_it_is_written_down() {
    let mut house = House::with(8, |_| at_once(Ok(())));
    for work in [create("1.1"), update("1.1", 2), update("1.1", 3)] {
        house.owe(work);
    }
    let Outcome { work, .. } = house.outcomes.recv().await.unwrap();
    house.pass(60 * SECOND).await;
    assert_eq!(house.keys(), ["main/1.1#1"]);
    house.order(Order::Settled { key: work.key() });
    assert_eq!(house.delivered(2).await, ["main/1.1#2", "main/1.1#3"]);
    assert_eq!(house.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn tickets_go_before_corrections_of_other_calls() {
    let mut house = House::with(1, |_| at_once(Ok(())));
    for work in [update("1.1", 2), update("1.2", 2), update("1.3", 2)] {
        house.owe(work);
    }
    // The first is on its way when the ticket is owed.
    house.pass(Duration::from_millis(1)).await;
    house.owe(create("1.4"));
    let first = house.delivered(2).await;
    assert_eq!(first[1], "main/1.4#1");
    house.delivered(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_of_one_call_does_not_hold_the_others() {
    let mut house = House::with(2, |seen| match &*seen.key {
        "main/1.1#1" => (30 * SECOND, Ok(())),
        _ => at_once(Ok(())),
    });
    house.owe(create("1.1"));
    house.owe(update("1.1", 2));
    for number in 2..12 {
        house.owe(create(&format!("1.{number}")));
    }
    let begin = Instant::now();
    house.delivered(10).await;
    assert!(begin.elapsed() < SECOND, "{:?}", begin.elapsed());
    assert_eq!(house.delivered(2).await, ["main/1.1#1", "main/1.1#2"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_while_other_work_succeeds_is_tried_ever_more_seldom() {
    let mut house = House::with(8, |seen| match &*seen.key {
        "main/1.1#1" => at_once(Err(away(false))),
        _ => at_once(Ok(())),
    });
    house.owe(create("1.1"));
    let mut last = 0;
    for number in 2..2000 {
        house.owe(create(&format!("1.{number}")));
        loop {
            match house.outcome().await {
                (_, End::Delivered(_)) => break,
                (key, End::Postponed { attempts, error, .. }) => {
                    assert_eq!((key.as_str(), attempts), ("main/1.1#1", last + 1));
                    assert_eq!(error, "creating the ticket did not succeed: connection refused");
                    last = attempts;
                }
                other => panic!("{other:?}"),
            }
        }
        house.pass(SECOND / 4).await;
    }
    let tries: Vec<Duration> =
        house.seen().iter().filter(|one| one.key == "main/1.1#1").map(|one| one.after).collect();
    let pauses: Vec<u64> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(pauses.len() > 10, "{pauses:?}");
    assert!(pauses[BLAMELESS_ATTEMPTS as usize..].iter().all(|pause| *pause >= 59), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 61), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn asked_to_wait_it_sends_nothing_at_all_and_counts_no_attempt() {
    let asked = AtomicUsize::new(0);
    let mut house = House::with(8, move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => at_once(Err(DeliveryError::Wait(30 * SECOND))),
        _ => at_once(Ok(())),
    });
    house.owe(create("1.1"));
    let (_, end) = house.outcome().await;
    assert!(matches!(end, End::Postponed { attempts: 0, .. }), "{end:?}");
    for number in 2..5 {
        house.owe(create(&format!("1.{number}")));
    }
    house.delivered(4).await;
    let seen = house.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen[1..].iter().all(|one| one.after >= 30 * SECOND && one.after < 31 * SECOND), "{seen:?}");
    assert!(seen.iter().all(|one| one.number == 1 && !one.look_first), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_yet_holds_nobody_else_and_counts_no_attempt() {
    let asked = AtomicUsize::new(0);
    let mut house = House::with(8, move |seen| match &*seen.key {
        "main/1.1#1" if asked.fetch_add(1, Ordering::SeqCst) < 3 => {
            at_once(Err(DeliveryError::NotYet(10 * SECOND)))
        }
        _ => at_once(Ok(())),
    });
    house.owe(create("1.1"));
    let (_, end) = house.outcome().await;
    assert!(matches!(end, End::Postponed { attempts: 0, .. }), "{end:?}");
    house.owe(create("1.2"));
    let (work, _) = house.outcome().await;
    assert_eq!(work, "main/1.2#1");
    assert!(house.seen().iter().all(|one| one.after < SECOND), "the other is sent at once");
    for _ in 0..2 {
        house.outcome().await;
    }
    house.delivered(1).await;
    let last = house.seen().pop().unwrap();
    assert!(last.after >= 30 * SECOND && last.number == 1, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_work_is_told_and_the_next_work_of_the_call_goes_on() {
    let mut house = House::with(8, |seen| match &*seen.key {
        "main/1.1#1" => at_once(Err(DeliveryError::Refused { reason: "422: it says no".to_owned() })),
        _ => at_once(Ok(())),
    });
    house.owe(create("1.1"));
    house.owe(update("1.1", 2));
    let (key, end) = house.outcome().await;
    assert_eq!(key, "main/1.1#1");
    assert!(matches!(end, End::Refused { reason } if reason == "refused: 422: it says no"));
    assert_eq!(house.delivered(1).await, ["main/1.1#2"]);
    assert!(!house.load.borrow().crm_away, "a CRM that refuses is there");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_and_after_an_unclear_end_it_looks_first() {
    let mut house = House::with(8, |seen| match (&*seen.key, seen.number) {
        ("main/1.2#1", 1) => at_once(Err(away(true))),
        ("main/1.3#1", 1) => at_once(Err(away(false))),
        _ => at_once(Ok(())),
    });
    house.order(Order::Owe(Owed { recovered: true, attempts: 4, ..owed(create("1.1")) }));
    house.delivered(1).await;
    house.owe(create("1.2"));
    house.delivered(1).await;
    house.owe(create("1.3"));
    house.delivered(1).await;
    let seen: Vec<_> = house.seen().iter().map(|one| (one.number, one.look_first)).collect();
    assert_eq!(seen, [(5, true), (1, false), (2, true), (1, false), (2, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_is_away_is_asked_by_one_request_at_a_time_and_work_goes_on_when_it_is_back() {
    for outage in [4, 60, 600] {
        let outage = outage * SECOND;
        let mut house =
            House::with(8, move |seen| at_once(if seen.after < outage { Err(away(false)) } else { Ok(()) }));
        for number in 0..40 {
            house.owe(create(&format!("1.{number}")));
        }
        let begin = Instant::now();
        let mut keys = house.delivered(40).await;
        assert!(begin.elapsed() < outage + 2 * SECOND + SECOND / 2, "{outage:?}: {:?}", begin.elapsed());
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 40, "each one was delivered once");
        let probes: Vec<Duration> =
            house.seen().iter().map(|one| one.after).filter(|after| *after < outage).skip(8).collect();
        assert!(probes.windows(2).all(|pair| pair[1] - pair[0] >= PROBE_FIRST), "{probes:?}");
        assert!(probes.len() as u64 <= outage.as_secs() / 2 + 3, "{} probes", probes.len());
        assert!(!house.load.borrow_and_update().crm_away);
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_piece_of_work_goes_on_when_the_crm_is_back() {
    let outage = 600 * SECOND;
    let mut house =
        House::with(8, move |seen| at_once(if seen.after < outage { Err(away(false)) } else { Ok(()) }));
    house.owe(create("1.1"));
    let begin = Instant::now();
    house.delivered(1).await;
    assert!(begin.elapsed() < outage + 2 * SECOND + SECOND / 2, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_requests_that_break_together_are_one_sign() {
    let mut house = House::with(8, |seen| match seen.number {
        1 => (Duration::from_millis(seen.key.len() as u64), Err(away(true))),
        _ => at_once(Ok(())),
    });
    for number in [1, 20, 300, 4000] {
        house.owe(create(&format!("1.{number}")));
    }
    let begin = Instant::now();
    house.delivered(4).await;
    assert!(begin.elapsed() < SECOND, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn withdrawn_work_is_not_sent_and_not_sent_again() {
    let mut house = House::with(1, |seen| match &*seen.key {
        "main/1.1#1" => (SECOND, Err(away(false))),
        _ => at_once(Ok(())),
    });
    for work in [create("1.1"), update("1.1", 2), update("1.2", 2)] {
        house.owe(work);
    }
    house.pass(SECOND / 2).await;
    assert_eq!(house.keys(), ["main/1.1#1"]);
    // The first is being sent, the second waits for it, the third for its turn.
    for key in ["main/1.1#1", "main/1.2#2"] {
        house.order(Order::Withdraw { key: key.to_owned() });
    }
    assert_eq!(house.delivered(1).await, ["main/1.1#2"]);
    house.pass(60 * SECOND).await;
    assert_eq!(house.keys(), ["main/1.1#1", "main/1.1#2"]);
    assert_eq!(house.load.borrow().owed, 0);
}

#[tokio::test(start_paused = true)]
async fn withdrawn_work_that_succeeds_all_the_same_is_told() {
    let mut house = House::with(1, |_| (SECOND, Ok(())));
    house.owe(create("1.1"));
    house.pass(SECOND / 2).await;
    house.order(Order::Withdraw { key: "main/1.1#1".to_owned() });
    assert_eq!(house.delivered(1).await, ["main/1.1#1"]);
    house.pass(SECOND).await;
    assert_eq!(house.load.borrow().owed, 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_work_owed_again_replaces_what_was_not_sent() {
    let mut house = House::with(1, |_| at_once(Ok(())));
    house.owe(create("1.1"));
    house.owe(create("1.2"));
    let mut newer = create("1.2");
    if let Task::CreateTicket(draft) = &mut newer.task {
        draft.subject = "newer".to_owned();
    }
    house.owe(newer.clone());
    house.delivered(1).await;
    let Outcome { work, .. } = house.outcomes.recv().await.unwrap();
    assert_eq!(*work, newer);
    house.order(Order::Settled { key: work.key() });
    house.pass(SECOND).await;
    assert_eq!(house.keys(), ["main/1.1#1", "main/1.2#1"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_being_sent_and_sends_nothing_more() {
    let mut house = House::with(1, |_| (3 * SECOND, Ok(())));
    house.owe(create("1.1"));
    house.owe(create("1.2"));
    house.pass(SECOND).await;
    house.stop.cancel();
    let Outcome { end, .. } = house.outcomes.recv().await.unwrap();
    assert!(matches!(end, End::Delivered(_)));
    let begin = Instant::now();
    (&mut house.task).await.unwrap();
    assert!(begin.elapsed() < SECOND);
    assert_eq!(house.keys().len(), 1);
}
