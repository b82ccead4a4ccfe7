//! The loop of the exits: owed work in order for each call, the most urgent first.
//!
//! What is owed lives in the journal; this is only the view of it that the running daemon works on.
//! The desk tells what is owed after it is durable, and gets told how each attempt ended; a piece of
//! work leaves when the desk has written its end down. After a restart everything that is still owed
//! may have succeeded unheard, so it is looked for first.
//!
//! A CRM that does not answer is asked by one request at a time until one succeeds.

mod orders;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::call::{CallId, Work};
use crate::causes;
use crate::clock::Clock;
use crate::delivery::{Attempt, Delivered, DeliveryError, next_attempt};
use crate::lifecycle::Lifecycle;

pub use orders::{Ends, Orders};

/// A CRM that does not answer is asked again after this time, then after 2 and 4 times it: work goes on
/// 2 s after it is back, and a ticket stands within 12 s of the answer after an outage of 4 s.
const PROBE_FIRST: Duration = Duration::from_millis(500);

/// Up to so many failed attempts are put down to the CRM and not to the work, when other work succeeds.
const BLAMELESS_ATTEMPTS: u32 = 8;

/// Up to so many, while no work succeeds: an outage of some minutes. After that a piece of work that
/// may itself be the reason is tried ever more seldom.
const PROBES: u32 = 500;

/// What the desk tells the dispatcher.
#[derive(Clone, Debug)]
pub enum Order {
    /// Work is owed, and durable. The same key again replaces what has not been sent yet.
    Owe(Owed),
    /// The work is not worth doing any more; what is being sent goes on.
    Withdraw {
        /// The key.
        key: String,
    },
    /// The end of the work is written down.
    Settled {
        /// The key.
        key: String,
    },
    /// What is waited for may be there: recordings are looked for now.
    Hurry,
}

/// Owed work as the dispatcher keeps it.
#[derive(Clone, Debug)]
pub struct Owed {
    /// What is to be done.
    pub work: Arc<Work>,
    /// Attempts that counted so far.
    pub attempts: u32,
    /// Not before.
    pub due: Timestamp,
    /// It comes out of the journal of an earlier life: it may be done already.
    pub recovered: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Outcome {
    /// The work.
    pub work: Arc<Work>,
    /// How.
    pub end: End,
}

/// The end of an attempt, as the desk must write it down.
#[derive(Debug)]
pub enum End {
    /// It is done.
    Delivered(Delivered),
    /// It is tried again.
    Postponed {
        /// Not before.
        due: Timestamp,
        /// Attempts that counted so far.
        attempts: u32,
        /// Why the last one failed.
        error: String,
    },
    /// It will never be done; a person must look.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Numbers for the status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Pieces of work that are owed.
    pub owed: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// The CRM did not answer the last time.
    pub crm_away: bool,
}

/// The dispatcher.
pub struct Dispatch<D> {
    deliver: D,
    clock: Clock,
    max_in_flight: usize,
    lanes: HashMap<CallId, Lane>,
    in_flight: usize,
    /// How often in a row the CRM did not answer; from the first time on it is asked by one request at a time.
    away: u32,
    /// When that was noticed last. Requests that were under way by then tell nothing new.
    noticed: Option<Instant>,
    /// Nothing is sent before: the CRM asked to wait, or did not answer.
    hold_until: Option<Instant>,
    finished: (mpsc::UnboundedSender<Finished>, mpsc::UnboundedReceiver<Finished>),
    /// What is called away when it does not answer.
    far_side: &'static str,
}

/// The work of one call, in order. The head is the only one that is sent.
#[derive(Default)]
struct Lane {
    items: VecDeque<Item>,
    /// The head is being sent, or its end is being written down.
    busy: bool,
}

struct Item {
    work: Arc<Work>,
    key: String,
    attempts: u32,
    due: Instant,
    look_first: bool,
    /// It was withdrawn while it was being sent: it is not tried again.
    withdrawn: bool,
}

struct Finished {
    work: Arc<Work>,
    attempts: u32,
    sent: Instant,
    /// The CRM was away when it was sent.
    probe: bool,
    result: Result<Delivered, DeliveryError>,
}

impl<D, F> Dispatch<D>
where
    D: Fn(Arc<Work>, Attempt) -> F,
    F: Future<Output = Result<Delivered, DeliveryError>> + Send + 'static,
{
    /// A dispatcher that sends by `deliver`, at most `max_in_flight` pieces of work at once.
    pub fn new(deliver: D, clock: Clock, max_in_flight: usize) -> Self {
        Self {
            deliver,
            clock,
            max_in_flight: max_in_flight.max(1),
            lanes: HashMap::new(),
            in_flight: 0,
            away: 0,
            noticed: None,
            hold_until: None,
            finished: mpsc::unbounded_channel(),
            far_side: "the CRM",
        }
    }

    /// What the log calls the far side, where it is not the CRM.
    #[must_use]
    pub fn called(mut self, far_side: &'static str) -> Self {
        self.far_side = far_side;
        self
    }

    /// Works until `stop`, then waits for what is being sent. `orders` must outlive it.
    pub async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        outcomes: mpsc::Sender<Outcome>,
        load: tokio::sync::watch::Sender<Load>,
        lifecycle: Lifecycle,
        stop: CancellationToken,
    ) {
        let mut stopping = false;
        loop {
            if !stopping {
                self.send_what_is_due(&lifecycle);
            }
            let now = Load {
                owed: self.lanes.values().map(|lane| lane.items.len()).sum(),
                in_flight: self.in_flight,
                crm_away: self.away > 0,
            };
            load.send_if_modified(|load| std::mem::replace(load, now) != now);
            if stopping && self.in_flight == 0 {
                return;
            }
            let wake = if stopping { None } else { self.next_wake() };
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => stopping = true,
                Some(finished) = self.finished.1.recv() => {
                    if let Some(outcome) = self.finish(finished)
                        && outcomes.send(outcome).await.is_err()
                    {
                        return;
                    }
                }
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Owe(owed) => self.owe(owed),
            Order::Withdraw { key } => {
                for lane in self.lanes.values_mut() {
                    let mut being_sent = lane.busy;
                    lane.items.retain_mut(|item| {
                        let stays = std::mem::take(&mut being_sent) || item.key != key;
                        item.withdrawn |= item.key == key;
                        stays
                    });
                }
                self.drop_empty_lanes();
            }
            Order::Hurry => {
                let now = Instant::now();
                let heads = self.lanes.values_mut().filter(|lane| !lane.busy);
                for head in heads.filter_map(|lane| lane.items.front_mut()) {
                    head.due = head.due.min(now);
                }
            }
            Order::Settled { key } => {
                for lane in self.lanes.values_mut() {
                    if lane.busy && lane.items.front().is_some_and(|item| item.key == key) {
                        lane.items.pop_front();
                        lane.busy = false;
                    }
                }
                self.drop_empty_lanes();
            }
        }
    }

    fn owe(&mut self, owed: Owed) {
        let key = owed.work.key();
        let lane = self.lanes.entry(owed.work.call.clone()).or_default();
        if let Some(item) = lane.items.iter_mut().find(|item| item.key == key) {
            item.work = owed.work;
            return;
        }
        let now = self.clock.now();
        let pause = Duration::try_from(owed.due.duration_since(now)).unwrap_or_default();
        lane.items.push_back(Item {
            work: owed.work,
            key,
            attempts: owed.attempts,
            due: Instant::now() + pause,
            look_first: owed.recovered,
            withdrawn: false,
        });
    }

    fn drop_empty_lanes(&mut self) {
        self.lanes.retain(|_, lane| !lane.items.is_empty());
    }

    fn send_what_is_due(&mut self, lifecycle: &Lifecycle) {
        let now = Instant::now();
        if self.hold_until.is_some_and(|until| until > now) {
            return;
        }
        self.hold_until = None;
        let limit = if self.away > 0 { 1 } else { self.max_in_flight };
        while self.in_flight < limit {
            let due = self.lanes.iter().filter_map(|(call, lane)| {
                let head = lane.items.front().filter(|head| !lane.busy && head.due <= now)?;
                Some((head.work.urgency(), head.due, call.clone()))
            });
            let next = due.min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
            let Some((_, _, call)) = next else { return };
            self.send(&call, lifecycle);
        }
    }

    fn send(&mut self, call: &CallId, lifecycle: &Lifecycle) {
        let Some(lane) = self.lanes.get_mut(call) else { return };
        let Some(item) = lane.items.front() else { return };
        lane.busy = true;
        self.in_flight += 1;
        let attempt = Attempt { number: item.attempts + 1, look_first: item.look_first };
        let (work, attempts) = (Arc::clone(&item.work), item.attempts);
        let delivery = (self.deliver)(Arc::clone(&work), attempt);
        let finished = self.finished.0.clone();
        let (sent, probe) = (Instant::now(), self.away > 0);
        lifecycle.spawn_short(async move {
            let result = delivery.await;
            // The receiver lives as long as the dispatcher.
            let _ = finished.send(Finished { work, attempts, sent, probe, result });
        });
    }

    /// What the desk must hear of the end of an attempt.
    fn finish(&mut self, finished: Finished) -> Option<Outcome> {
        self.in_flight -= 1;
        let Finished { work, attempts, sent, probe, result } = finished;
        let (now, instant) = (self.clock.now(), Instant::now());
        let error = match result {
            Ok(delivered) => {
                self.crm_answers(instant);
                // The lane stays busy until the desk says `Settled`.
                return Some(Outcome { work, end: End::Delivered(delivered) });
            }
            Err(error) => error,
        };
        match &error {
            DeliveryError::Retry { .. } => self.crm_is_away(sent, instant),
            DeliveryError::Wait(pause) => self.hold(instant + *pause),
            DeliveryError::NotYet(_) => {}
            DeliveryError::Refused { .. } => self.crm_answers(instant),
        }
        if self.drop_withdrawn(&work.call) {
            return None;
        }
        let text = causes::in_one_line(&error);
        let failed = matches!(error, DeliveryError::Retry { .. });
        let counted = attempts + u32::from(failed);
        let Some(mut due) = next_attempt(&error, counted, now) else {
            return Some(Outcome { work, end: End::Refused { reason: text } });
        };
        if let (true, true, Some(held)) = (failed && probe, counted <= PROBES, self.hold_until) {
            due = SignedDuration::try_from(held - instant).map_or(due, |pause| now + pause);
        }
        let unclear = matches!(error, DeliveryError::Retry { unclear: true, .. });
        if let Some(lane) = self.lanes.get_mut(&work.call) {
            lane.busy = false;
            if let Some(head) = lane.items.front_mut() {
                head.attempts = counted;
                head.look_first |= unclear;
                head.due = instant + Duration::try_from(due.duration_since(now)).unwrap_or_default();
            }
        }
        Some(Outcome { work, end: End::Postponed { due, attempts: counted, error: text } })
    }

    /// Drops the head of a call's work if it was withdrawn while it was being sent.
    fn drop_withdrawn(&mut self, call: &CallId) -> bool {
        let Some(lane) = self.lanes.get_mut(call) else { return false };
        let withdrawn = lane.items.pop_front_if(|head| head.withdrawn).is_some();
        if withdrawn {
            lane.busy = false;
            self.drop_empty_lanes();
        }
        withdrawn
    }

    /// Many requests that fail together are one sign, not many.
    fn crm_is_away(&mut self, sent: Instant, now: Instant) {
        if self.noticed.is_none_or(|noticed| sent >= noticed) {
            if self.away == 0 {
                tracing::warn!(
                    "{} does not answer: what is owed is kept, and one request at a time asks again",
                    self.far_side
                );
            }
            self.hold(now + PROBE_FIRST * (1 << self.away.min(2)));
            self.away += 1;
            self.noticed = Some(now);
        }
    }

    fn hold(&mut self, until: Instant) {
        self.hold_until = Some(self.hold_until.map_or(until, |held| held.max(until)));
    }

    /// It is back: what waits for its next attempt need not wait any longer. Work that has failed
    /// often is perhaps itself the reason and keeps its pause.
    fn crm_answers(&mut self, now: Instant) {
        if std::mem::take(&mut self.away) > 0 {
            tracing::info!("{} answers again", self.far_side);
            let items = self.lanes.values_mut().flat_map(|lane| lane.items.iter_mut());
            for item in items.filter(|item| item.attempts <= BLAMELESS_ATTEMPTS) {
                item.due = item.due.min(now);
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let limit = if self.away > 0 { 1 } else { self.max_in_flight };
        if self.in_flight >= limit {
            return None;
        }
        let heads = self.lanes.values().filter(|lane| !lane.busy).filter_map(|lane| lane.items.front());
        let due = heads.map(|head| head.due).min()?;
        Some(self.hold_until.map_or(due, |until| until.max(due)))
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
