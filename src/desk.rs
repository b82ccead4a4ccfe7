//! The desk owns the book of calls: event, step, commit, publish.
//!
//! It takes everything that waits, steps the book, writes what must survive in one transaction and
//! only then tells the dispatcher. So one write to the disk serves all calls of the moment, and
//! nothing is done outside that is not written down. While the journal cannot be written (a full
//! disk), the desk holds its batch and waits: the sources go on reading into memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::call::{
    Book, CallId, E164, Effect, Event, Heard, Identified, Requester, Rules, Standing, Step, Task, Work,
};
use crate::causes;
use crate::clock::{self, Clock};
use crate::directory::Directory;
use crate::dispatch::{End, Order, Outcome, Owed};
use crate::journal::{Change, HowSettled, Journal, Postponed, Settled, Snapshot};
use crate::lifecycle::Lifecycle;
use crate::pbx::Input;
use crate::phonebook::PhoneBook;

/// At most so many inputs are taken into one transaction: the agent of the first one waits for it.
const BATCH: usize = 256;

/// Changes that need not survive a crash are written with the next one that must, or after this time.
const LAZY: Duration = Duration::from_secs(1);

/// So many calls that came a second time are remembered: a stream that is played twice makes no
/// second ticket.
const REPEATS: usize = 10_000;

/// A jump of the wall clock that is larger than this moves all timers along.
const JUMP: SignedDuration = SignedDuration::from_secs(2);

/// What the desk is connected to.
pub struct Desk {
    /// The journal.
    pub journal: Journal,
    /// The phone book.
    pub phonebook: PhoneBook,
    /// Who is who.
    pub directory: Directory,
    /// The rules of the moment.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// What the sources hear.
    pub inputs: mpsc::Receiver<Input>,
    /// How attempts at owed work ended.
    pub outcomes: mpsc::Receiver<Outcome>,
    /// What is owed, to the dispatcher.
    pub orders: mpsc::UnboundedSender<Order>,
    /// Numbers for the status page.
    pub state: watch::Sender<DeskState>,
    /// The clock.
    pub clock: Clock,
}

/// Numbers for the status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskState {
    /// Calls that are up.
    pub up: usize,
    /// Calls in their wrap-up time, or kept for owed work.
    pub ended: usize,
    /// Calls heard since the start.
    pub heard: u64,
    /// Watched calls among them that were answered.
    pub answered: u64,
    /// Tickets made since the start.
    pub tickets: u64,
    /// Work that was refused since the start.
    pub refused: u64,
    /// Why the journal cannot be written, while it cannot.
    pub journal_error: Option<String>,
}

/// Work and calls out of the journal, to begin with.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The open calls.
    pub calls: Vec<crate::call::Call>,
}

struct Running {
    desk: Desk,
    book: Book,
    rules_now: Arc<Rules>,
    batch: Batch,
    /// Calls that have a row in the journal.
    journaled: HashSet<CallId>,
    repeats: HashSet<CallId>,
    repeats_in_order: VecDeque<CallId>,
    found: Answers,
    searches: Lifecycle,
    state: DeskState,
    /// Wall clock and monotonic clock at the last look, to see jumps.
    clocks: (Timestamp, std::time::Instant),
}

/// The way by which searches bring their answers back.
type Answers = (mpsc::UnboundedSender<(CallId, Identified)>, mpsc::UnboundedReceiver<(CallId, Identified)>);

/// What waits to be written.
#[derive(Default)]
struct Batch {
    order: Vec<CallId>,
    changes: HashMap<CallId, Change>,
    /// Calls whose state must be written.
    snapshots: HashSet<CallId>,
    orders: Vec<Order>,
    urgent: bool,
    since: Option<std::time::Instant>,
}

impl Desk {
    /// Works until `stop`. What was heard before is written down.
    pub async fn run(self, recovery: Recovery, searches: Lifecycle, stop: CancellationToken) {
        let journaled = recovery.calls.iter().map(|call| call.id.clone()).collect();
        let rules_now = Arc::clone(&self.rules.borrow());
        let clocks = (self.clock.now(), clock::instant());
        let mut running = Running {
            desk: self,
            book: Book::recover(recovery.calls),
            rules_now,
            batch: Batch::default(),
            journaled,
            repeats: HashSet::new(),
            repeats_in_order: VecDeque::new(),
            found: mpsc::unbounded_channel(),
            searches,
            state: DeskState::default(),
            clocks,
        };
        running.resume_lookups().await;
        running.work(stop).await;
    }
}

impl Running {
    async fn work(&mut self, stop: CancellationToken) {
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(outcome) = self.desk.outcomes.recv() => self.on_outcome(outcome).await,
                Some((call, identified)) = self.found.1.recv() => self.on_identified(call, identified).await,
                Some(input) = self.desk.inputs.recv() => self.on_input(input).await,
                () = sleep(wake) => {}
            }
            self.take_what_waits().await;
            self.on_time().await;
            self.commit_if_due(&stop).await;
        }
        self.take_what_waits().await;
        self.batch.urgent |= !self.batch.order.is_empty();
        self.commit_if_due(&stop).await;
    }

    async fn take_what_waits(&mut self) {
        for _ in 0..BATCH {
            if let Ok(outcome) = self.desk.outcomes.try_recv() {
                self.on_outcome(outcome).await;
            } else if let Ok((call, identified)) = self.found.1.try_recv() {
                self.on_identified(call, identified).await;
            } else if let Ok(input) = self.desk.inputs.try_recv() {
                self.on_input(input).await;
            } else {
                break;
            }
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let due = self.book.next_due().map(|due| {
            Duration::try_from(due.duration_since(self.desk.clock.now())).unwrap_or(Duration::ZERO)
        });
        let lazy = self.batch.since.map(|since| LAZY.saturating_sub(clock::instant().duration_since(since)));
        [due, lazy].into_iter().flatten().min()
    }

    // ── Inputs ──────────────────────────────────────────────────────────────────────────────────

    async fn on_input(&mut self, input: Input) {
        match input {
            Input::Heard(heard) => {
                for heard in heard {
                    self.on_heard(&heard).await;
                }
            }
            Input::Resynced { source, present } => {
                let now = self.desk.clock.now();
                for call in self.book.gone(&source, &present) {
                    let event = Event::HungUp { by: None, last_dial: None, estimated: true };
                    self.on_heard(&Heard { call, at: now, event }).await;
                }
            }
            Input::Lost { .. } => {}
            Input::House { source, agents, queues } => {
                let queues = queues.into_iter().map(|(name, _)| name).collect();
                self.desk.directory.pbx_tells(source, agents, queues);
            }
        }
    }

    async fn on_heard(&mut self, heard: &Heard) {
        if self.repeats.contains(&heard.call) {
            return;
        }
        if matches!(heard.event, Event::Arrived { .. }) && self.book.get(&heard.call).is_none() {
            self.state.heard += 1;
        }
        let rules = self.rules();
        let step = self.book.on(heard, &rules);
        if matches!(heard.event, Event::Answered { .. }) && step.durable {
            self.state.answered += 1;
        }
        self.carry_out(heard.call.clone(), step).await;
    }

    async fn on_identified(&mut self, call: CallId, identified: Identified) {
        let heard = Heard { call, at: self.desk.clock.now(), event: Event::CallerIdentified(identified) };
        let rules = self.rules();
        let step = self.book.on(&heard, &rules);
        self.carry_out(heard.call, step).await;
    }

    async fn on_outcome(&mut self, outcome: Outcome) {
        let (work, now, rules) = (outcome.work, self.desk.clock.now(), self.rules());
        let key = work.key();
        match outcome.end {
            End::Delivered(delivered) => {
                self.learn(&work, &delivered.event).await;
                let how = match &delivered.event {
                    Event::WorkRefused { reason, .. } => HowSettled::Withdrawn { reason: reason.clone() },
                    _ => HowSettled::Done { note: delivered.note.clone() },
                };
                let step = self.book.delivered(&work, &delivered.event, now, &rules);
                self.settle(&work, key, how, now);
                self.carry_out(work.call.clone(), step).await;
            }
            End::Refused { reason } => {
                tracing::warn!(call.id = %work.call, work.key = %key, task = work.task.name(), reason, "work is refused: a person must look");
                self.state.refused += 1;
                let step = self.book.refused(&work, &reason, now, &rules);
                self.settle(&work, key, HowSettled::Refused { reason }, now);
                self.carry_out(work.call.clone(), step).await;
            }
            End::Postponed { due, attempts, error } => {
                let change = self.batch.change(&work.call);
                change.postpone.push(Postponed { key, due, attempts, error });
                self.batch.touch();
            }
        }
    }

    /// What the exit found out about persons is known to the next call at once.
    async fn learn(&mut self, work: &Work, event: &Event) {
        let (Task::CreateTicket(draft), Event::TicketStands(standing)) = (&work.task, event) else { return };
        self.state.tickets += 1;
        match (&standing.requester, &draft.requester) {
            (Standing::NewUser(person), Requester::NewUser { number, .. }) => {
                self.desk.phonebook.learn(*number, person.clone()).await;
            }
            (Standing::DefaultUserInstead, Requester::Person(person)) => {
                self.desk.phonebook.forget(*person).await;
            }
            _ => {}
        }
    }

    fn settle(&mut self, work: &Work, key: String, how: HowSettled, at: Timestamp) {
        self.batch.change(&work.call).settle.push(Settled { key: key.clone(), how, at });
        self.batch.orders.push(Order::Settled { key });
        self.batch.urgent = true;
    }

    async fn on_time(&mut self) {
        self.see_jumps();
        let (now, rules) = (self.desk.clock.now(), self.rules());
        for id in self.book.due(now) {
            let step = self.book.on_time(&id, now, &rules);
            self.carry_out(id, step).await;
        }
    }

    /// A wall clock that is set moves the timers of calls along: they mean durations.
    fn see_jumps(&mut self) {
        let (wall, monotonic) = (self.desk.clock.now(), clock::instant());
        let passed =
            SignedDuration::try_from(monotonic.duration_since(self.clocks.1)).unwrap_or(SignedDuration::ZERO);
        let jump = wall.duration_since(self.clocks.0) - passed;
        self.clocks = (wall, monotonic);
        if jump.abs() > JUMP && self.desk.clock.is_system() {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock of this machine was set: timers of calls move along"
            );
            self.book.clock_jumped(jump);
        }
    }

    // ── Steps ───────────────────────────────────────────────────────────────────────────────────

    /// Notes what a step changed, and does at once what needs no journal.
    async fn carry_out(&mut self, id: CallId, step: Step) {
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            if step.durable && !self.journaled.contains(&id) && !self.begins(&id).await {
                return;
            }
            if step.durable {
                self.batch.snapshots.insert(id.clone());
                self.batch.urgent = true;
            }
            if !step.story.is_empty() || step.durable {
                for line in &step.story {
                    tracing::info!(call.id = %id, "{}", line.what);
                }
                self.batch.change(&id).story.extend(step.story);
                self.batch.touch();
            }
            let now = self.desk.clock.now();
            let rules = self.rules();
            for effect in step.effects {
                match effect {
                    Effect::LookUpCaller { number } => {
                        let next = match self.desk.phonebook.find(number) {
                            Some(identified) => {
                                let event = Event::CallerIdentified(identified);
                                self.book.on(&Heard { call: id.clone(), at: now, event }, &rules)
                            }
                            None => {
                                self.search(id.clone(), number);
                                self.book.search_begins(&id, now, &rules)
                            }
                        };
                        steps.push_back(next);
                    }
                    Effect::Owe(work) => {
                        let work = Arc::new(work);
                        self.batch.change(&id).owe.push(Work::clone(&work));
                        let owed = Owed { work, attempts: 0, due: now, recovered: false };
                        self.batch.orders.push(Order::Owe(owed));
                        self.batch.urgent = true;
                    }
                    Effect::Withdraw { key, reason } => {
                        let how = HowSettled::Withdrawn { reason: reason.to_owned() };
                        self.batch.change(&id).settle.push(Settled { key: key.clone(), how, at: now });
                        self.batch.orders.push(Order::Withdraw { key });
                    }
                }
            }
        }
    }

    /// A call is to be written down for the first time. One that an earlier life has closed is a
    /// repetition: the PBX, or somebody, plays an old stream again.
    async fn begins(&mut self, id: &CallId) -> bool {
        let known = loop {
            match self.desk.journal.knows(id).await {
                Ok(known) => break known,
                Err(error) => self.journal_fails(&causes::in_one_line(&error)).await,
            }
        };
        if !known {
            self.journaled.insert(id.clone());
            return true;
        }
        tracing::warn!(call.id = %id, "this call was heard and closed before: it is left alone");
        self.book.forget(id);
        self.batch.forget(id);
        self.repeats.insert(id.clone());
        self.repeats_in_order.push_back(id.clone());
        if self.repeats_in_order.len() > REPEATS
            && let Some(oldest) = self.repeats_in_order.pop_front()
        {
            self.repeats.remove(&oldest);
        }
        false
    }

    fn search(&self, id: CallId, number: E164) {
        let (phonebook, found) = (self.desk.phonebook.clone(), self.found.0.clone());
        self.searches.spawn_short(async move {
            let identified = phonebook.identify(number).await;
            // The desk may be gone by now.
            let _ = found.send((id, identified));
        });
    }

    /// Look-ups are not durable: those that were under way are asked again.
    async fn resume_lookups(&mut self) {
        let (now, rules) = (self.desk.clock.now(), self.rules());
        let calls: Vec<CallId> = self.book.calls().map(|call| call.id.clone()).collect();
        for id in calls {
            let step = self.book.resume(&id, now, &rules);
            self.carry_out(id, step).await;
        }
    }

    fn rules(&mut self) -> Arc<Rules> {
        if self.desk.rules.has_changed().unwrap_or(false) {
            self.rules_now = Arc::clone(&self.desk.rules.borrow_and_update());
        }
        Arc::clone(&self.rules_now)
    }

    // ── The journal ─────────────────────────────────────────────────────────────────────────────

    async fn commit_if_due(&mut self, stop: &CancellationToken) {
        let lazy = self.batch.since.is_some_and(|since| clock::instant().duration_since(since) >= LAZY);
        if self.batch.urgent || lazy {
            self.commit(stop).await;
        }
        for call in self.book.sweep() {
            self.journaled.remove(&call.id);
        }
        self.publish();
    }

    async fn commit(&mut self, stop: &CancellationToken) {
        let Batch { order, mut changes, snapshots, orders, .. } = std::mem::take(&mut self.batch);
        let batch: Vec<Change> = order
            .iter()
            .filter_map(|id| {
                let mut change = changes.remove(id)?;
                // What is told of a call that nobody watches is not kept.
                if snapshots.contains(id) {
                    change.snapshot = self.book.get(id).map(Snapshot::of);
                } else if !self.journaled.contains(id) {
                    return None;
                }
                Some(change)
            })
            .collect();
        while let Err(error) = self.desk.journal.commit(&batch).await {
            self.journal_fails(&causes::in_one_line(&error)).await;
            if stop.is_cancelled() {
                tracing::error!(
                    "stopped while the journal could not be written: the latest changes are lost"
                );
                return;
            }
        }
        if self.state.journal_error.take().is_some() {
            tracing::info!("the journal can be written again");
        }
        for order in orders {
            // The dispatcher outlives the desk.
            let _ = self.desk.orders.send(order);
        }
    }

    async fn journal_fails(&mut self, error: &str) {
        if self.state.journal_error.as_deref() != Some(error) {
            tracing::error!(
                error,
                "the journal cannot be used; calls are held in memory and it is tried again every second"
            );
            self.state.journal_error = Some(error.to_owned());
            self.publish();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn publish(&mut self) {
        self.state.up = self.book.calls().filter(|call| call.up()).count();
        self.state.ended = self.book.calls().filter(|call| !call.up() && call.open()).count();
        let state = self.state.clone();
        self.desk.state.send_if_modified(|shown| {
            let differs = *shown != state;
            *shown = state;
            differs
        });
    }
}

impl Batch {
    fn change(&mut self, id: &CallId) -> &mut Change {
        self.changes.entry(id.clone()).or_insert_with(|| {
            self.order.push(id.clone());
            Change::of(id.clone())
        })
    }

    fn touch(&mut self) {
        self.since.get_or_insert_with(clock::instant);
    }

    fn forget(&mut self, id: &CallId) {
        self.changes.remove(id);
        self.snapshots.remove(id);
        self.order.retain(|known| known != id);
        self.orders.retain(|order| !matches!(order, Order::Owe(owed) if owed.work.call == *id));
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
