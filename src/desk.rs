//! The desk owns the book of calls: event, step, commit, publish.
//!
//! It takes everything that waits, steps the book, writes what must survive in one transaction and
//! only then tells the dispatcher. So one write to the disk serves all calls of the moment, and
//! nothing is done outside that is not written down. While the journal cannot be written (a full
//! disk), the desk holds its batch and waits: the sources go on reading into memory.

mod batch;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::call::{
    Book, CallId, E164, Effect, Event, Filed, Heard, Identified, PersonId, PersonUpdate, PersonUpdated,
    RecordingOrder, Requester, Rules, Standing, Step, Task, Urgency, Work,
};
use crate::clock::{self, Clock};
use crate::directory::Directory;
use crate::dispatch::{End, Order, Orders, Outcome, Owed};
use crate::journal::{HowSettled, Journal, Postponed, Settled};
use crate::lifecycle::Lifecycle;
use crate::pbx::Input;
use crate::phonebook::PhoneBook;

use batch::Batch;

/// At most so many inputs are taken into one transaction: the agent of the first one waits for it.
const BATCH: usize = 256;

/// Changes that must survive a crash and that nobody waits for are written after this time, to share a
/// commit. A person does not see it, and at 50 calls a second it is the time between two answers.
const SHARED: Duration = Duration::from_millis(20);

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
    /// What is owed, to the dispatchers.
    pub orders: Orders,
    /// Orders for the PBX.
    pub pbx: Arc<dyn TellPbx>,
    /// Numbers for the status page.
    pub state: watch::Sender<DeskState>,
    /// The clock.
    pub clock: Clock,
}

/// Takes orders for the PBX of a call; never waits.
pub trait TellPbx: Send + Sync {
    /// Gives the order on.
    ///
    /// # Errors
    /// Why it cannot be given: no such source, or one that does not take any more.
    fn tell(&self, call: &CallId, order: RecordingOrder) -> Result<(), String>;
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
    /// Numbers since the start that found their owner, who has no free field for them; and the latest of these persons.
    pub without_room: (u64, Option<PersonId>),
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
    stop: CancellationToken,
    state: DeskState,
    /// Wall clock and monotonic clock at the last look, to see jumps.
    clocks: (Timestamp, std::time::Instant),
}

/// The way by which searches bring their answers back.
type Answers = (mpsc::UnboundedSender<(CallId, Identified)>, mpsc::UnboundedReceiver<(CallId, Identified)>);

impl Desk {
    /// Works until `stop`. What was heard before is written down.
    pub async fn run(self, recovery: Recovery, searches: Lifecycle, stop: CancellationToken) {
        let mut running = Running::new(self, recovery, searches, stop);
        running.resume_lookups().await;
        // What that asked for does not wait for the first event, and the status page neither.
        running.commit_if_due().await;
        running.work().await;
    }
}

impl Running {
    fn new(desk: Desk, recovery: Recovery, searches: Lifecycle, stop: CancellationToken) -> Self {
        let rules_now = Arc::clone(&desk.rules.borrow());
        Self {
            journaled: recovery.calls.iter().map(|call| call.id.clone()).collect(),
            book: Book::recover(recovery.calls),
            rules_now,
            clocks: (desk.clock.now(), clock::instant()),
            desk,
            batch: Batch::default(),
            repeats: HashSet::new(),
            repeats_in_order: VecDeque::new(),
            found: mpsc::unbounded_channel(),
            searches,
            stop,
            state: DeskState::default(),
        }
    }

    async fn work(&mut self) {
        let stop = self.stop.clone();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(outcome) = self.desk.outcomes.recv() => self.on_outcome(outcome).await,
                Some((call, identified)) = self.found.1.recv() => self.on_identified(call, identified).await,
                Some(input) = self.desk.inputs.recv() => self.on_input(input).await,
                Ok(()) = self.desk.rules.changed() => self.on_rules().await,
                () = sleep(wake) => {}
            }
            self.take_what_waits().await;
            self.on_time().await;
            self.commit_if_due().await;
        }
        self.take_what_waits().await;
        self.batch.write_now();
        self.commit_if_due().await;
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
        let commit = self.batch.due().map(|due| due.saturating_duration_since(clock::instant()));
        [due, commit].into_iter().flatten().min()
    }

    // ── Inputs ──────────────────────────────────────────────────────────────────────────────────

    async fn on_input(&mut self, input: Input) {
        // What is heard now sets timers by the new time, and those must not move once more.
        self.see_jumps();
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
            Input::House { source, agents, queues } => {
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
        let answered =
            |book: &Book| book.get(&heard.call).is_some_and(|call| call.watched() && call.answered.is_some());
        let (rules, answered_before) = (self.rules(), answered(&self.book));
        let step = self.book.on(heard, &rules);
        // The next agent of a transferred call makes it no second answered call.
        if !answered_before && answered(&self.book) {
            self.state.answered += 1;
        }
        self.carry_out(heard.call.clone(), step).await;
    }

    async fn on_identified(&mut self, call: CallId, identified: Identified) {
        self.see_jumps();
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
                self.batch.write_some_time();
            }
        }
    }

    /// What the exit found out about persons is known to the next call at once.
    async fn learn(&mut self, work: &Work, event: &Event) {
        if let (Task::UpdatePerson(update), Event::PersonUpdated(updated)) = (&work.task, event) {
            self.learn_owner(update, updated).await;
        }
        let (Task::CreateTicket(draft), Event::TicketStands(standing)) = (&work.task, event) else { return };
        self.state.tickets += 1;
        match (&standing.requester, &draft.requester) {
            (Standing::NewUser(person), Requester::NewUser { number, .. }) => {
                self.desk.phonebook.learn_placeholder(*number, person.clone()).await;
            }
            (Standing::DefaultUserInstead, Requester::Person(person)) => {
                self.desk.phonebook.forget(*person).await;
            }
            _ => {}
        }
    }

    /// The number has an owner: the next call of it finds that one, and not who stood in.
    async fn learn_owner(&mut self, update: &PersonUpdate, updated: &PersonUpdated) {
        if updated.placeholder_removed
            && let Some(placeholder) = &update.placeholder
        {
            self.desk.phonebook.forget(placeholder.id()).await;
        }
        if let Some(Filed::NoRoom { person }) = &updated.number {
            tracing::warn!(person = %person.id, "a number finds no free field at its owner: nothing is changed");
            self.state.without_room = (self.state.without_room.0 + 1, Some(person.id));
        }
        if let (Some(number), Some(person)) = (update.number, updated.owner()) {
            self.desk.phonebook.learn(number, person.clone()).await;
        }
    }

    fn settle(&mut self, work: &Work, key: String, how: HowSettled, at: Timestamp) {
        self.batch.change(&work.call).settle.push(Settled { key: key.clone(), how, at });
        self.batch.orders.push(Order::Settled { key });
        self.batch.write_soon();
    }

    async fn on_time(&mut self) {
        self.see_jumps();
        let (now, rules) = (self.desk.clock.now(), self.rules());
        for id in self.book.due(now) {
            let step = self.book.on_time(&id, now, &rules);
            self.carry_out(id, step).await;
        }
    }

    /// Other rules may mean something to calls that are up: whether there is room to record them.
    async fn on_rules(&mut self) {
        self.rules_now = Arc::clone(&self.desk.rules.borrow_and_update());
        let (now, rules) = (self.desk.clock.now(), self.rules());
        let up: Vec<CallId> = self
            .book
            .calls()
            .filter(|call| call.up() && call.watched())
            .map(|call| call.id.clone())
            .collect();
        for id in up {
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
        let mut steps = VecDeque::from([(id, step)]);
        while let Some((id, step)) = steps.pop_front() {
            steps.extend(step.others);
            if step.durable && !self.journaled.contains(&id) && !self.begins(&id).await {
                continue;
            }
            if step.durable {
                self.batch.snapshots.insert(id.clone());
                self.batch.write_soon();
            }
            if !step.story.is_empty() || step.durable {
                for line in &step.story {
                    tracing::info!(call.id = %id, "{}", line.what);
                }
                self.batch.change(&id).story.extend(step.story);
                self.batch.write_some_time();
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
                        steps.push_back((id.clone(), next));
                    }
                    Effect::Record(order) => {
                        if let Err(reason) = self.desk.pbx.tell(&id, order) {
                            let event = Event::RecordingFailed { reason };
                            let heard = Heard { call: id.clone(), at: now, event };
                            steps.push_back((id.clone(), self.book.on(&heard, &rules)));
                        }
                    }
                    Effect::Owe(work) => {
                        let work = Arc::new(work);
                        self.batch.change(&id).owe.push(Work::clone(&work));
                        match work.urgency() {
                            Urgency::Live => self.batch.write_now(),
                            Urgency::LookUp | Urgency::Soon | Urgency::Later | Urgency::Background => {
                                self.batch.write_soon()
                            }
                        }
                        let owed = Owed { work, attempts: 0, due: now, recovered: false };
                        self.batch.orders.push(Order::Owe(owed));
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
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
