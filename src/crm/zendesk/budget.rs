//! Who may ask Zendesk, and when: one budget for the whole account, shared by urgency.
//!
//! Three things must fit: no stop by `Retry-After` is on, the minute's requests are not used up, and
//! a line is free. A stop and a used-up minute are told at once as a wait, so that owed work goes
//! back to the journal; a line is waited for here, because that takes milliseconds.
//!
//! Source of the limits: <https://developer.zendesk.com/api-reference/introduction/rate-limits/>.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::call::Urgency;
use crate::clock::{self, Clock};

const MINUTE: Duration = Duration::from_secs(60);
/// How long background work pauses when Zendesk does not say when its minute ends.
const PAUSE: Duration = Duration::from_secs(15);
/// The share of the minute's requests, in percent, up to which each urgency may use it.
const fn share(urgency: Urgency) -> u64 {
    match urgency {
        Urgency::Live => 100,
        Urgency::LookUp => 90,
        Urgency::Soon => 80,
        Urgency::Later => 65,
        Urgency::Background => 50,
    }
}

/// The budget of one account.
#[derive(Clone)]
pub(super) struct Budget {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

struct State {
    per_minute: usize,
    max_in_flight: usize,
    /// When the requests of the last minute were sent.
    sent: VecDeque<Instant>,
    stopped: Option<Stop>,
    /// Background work pauses.
    paused: Option<Stop>,
    in_flight: BTreeMap<Urgency, usize>,
    waiting: BTreeMap<(Urgency, u64), oneshot::Sender<Permit>>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    since: Timestamp,
    until: Timestamp,
}

impl Stop {
    fn new(now: Timestamp, wait: Duration) -> Self {
        let until = SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok());
        Self { since: now, until: until.unwrap_or(now) }
    }

    /// How long it still lasts. A clock that was set back must not make it last longer.
    fn left(self, now: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(self.until.duration_since(now)).unwrap_or_default();
        (now >= self.since && !left.is_zero()).then_some(left)
    }
}

/// The right to send one request; the line is free again when it is dropped.
pub(super) struct Permit {
    budget: Option<Budget>,
    urgency: Urgency,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.give_back(self.urgency);
        }
    }
}

impl Budget {
    pub fn new(per_minute: u32, max_in_flight: u32, clock: Clock) -> Self {
        let state = State {
            per_minute: usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX),
            max_in_flight: usize::try_from(max_in_flight.max(1)).unwrap_or(usize::MAX),
            sent: VecDeque::new(),
            stopped: None,
            paused: None,
            in_flight: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// Waits for a line. `Err` says for how long nobody of this urgency may ask.
    pub async fn permit(&self, urgency: Urgency) -> Result<Permit, Duration> {
        let turn = {
            let mut state = self.lock();
            state.may_ask(urgency, self.clock.now(), clock::instant())?;
            if state.line_is_free(urgency) && state.nobody_before(urgency) {
                state.take_line(urgency);
                state.sent.push_back(clock::instant());
                return Ok(Permit { budget: Some(self.clone()), urgency });
            }
            let (give, turn) = oneshot::channel();
            let place = (urgency, state.next);
            state.next += 1;
            state.waiting.insert(place, give);
            turn
        };
        // The giver lives in our own state and is only ever used up by giving.
        let permit = turn.await.map_err(|_| Duration::ZERO)?;
        let mut state = self.lock();
        match state.may_ask(urgency, self.clock.now(), clock::instant()) {
            Ok(()) => {
                state.sent.push_back(clock::instant());
                Ok(permit)
            }
            Err(wait) => {
                drop(state);
                Err(wait)
            }
        }
    }

    /// Zendesk asked us to wait: everybody does.
    pub fn stop(&self, wait: Duration) {
        let stop = Stop::new(self.clock.now(), wait);
        let mut state = self.lock();
        if state.stopped.is_none_or(|stopped| stopped.until < stop.until) {
            state.stopped = Some(stop);
        }
    }

    /// Whether everybody must wait; else a wait is a matter of urgency.
    pub fn is_stopped(&self) -> bool {
        let now = self.clock.now();
        self.lock().stopped.is_some_and(|stop| stop.left(now).is_some())
    }

    /// Takes note of what is left of the account's minute.
    pub fn heard(&self, limit: u64, remaining: u64, resets: Option<Duration>) {
        let low = remaining.saturating_mul(5) < limit;
        self.lock().paused = low.then(|| Stop::new(self.clock.now(), resets.unwrap_or(PAUSE)));
    }

    fn give_back(&self, urgency: Urgency) {
        let mut state = self.lock();
        state.free_line(urgency);
        state.hand_on(self);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held cannot have left it half changed in a way that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the minute and the stops allow a request.
    fn may_ask(&mut self, urgency: Urgency, now: Timestamp, instant: Instant) -> Result<(), Duration> {
        if let Some(left) = self.stopped.and_then(|stop| stop.left(now)) {
            return Err(left);
        }
        self.stopped = None;
        if urgency == Urgency::Background
            && let Some(left) = self.paused.and_then(|pause| pause.left(now))
        {
            return Err(left);
        }
        while self.sent.front().is_some_and(|&sent| instant.duration_since(sent) >= MINUTE) {
            self.sent.pop_front();
        }
        let mine = u64::try_from(self.per_minute).unwrap_or(u64::MAX).saturating_mul(share(urgency)) / 100;
        let mine = usize::try_from(mine).unwrap_or(usize::MAX).max(1);
        match self.sent.len().checked_sub(mine) {
            None => Ok(()),
            // So many must grow older than a minute before there is room again.
            Some(over) => {
                let oldest = self.sent.get(over).copied().unwrap_or(instant);
                Err(MINUTE.saturating_sub(instant.duration_since(oldest)).max(Duration::from_millis(1)))
            }
        }
    }

    /// One line is kept for who waits at the telephone, half of them from background work.
    fn line_is_free(&self, urgency: Urgency) -> bool {
        let busy = |from: Urgency| self.in_flight.range(from..).map(|(_, count)| count).sum::<usize>();
        let all = self.max_in_flight;
        busy(Urgency::Live) < all
            && (urgency == Urgency::Live || busy(Urgency::LookUp) < (all - 1).max(1))
            && (urgency != Urgency::Background || busy(Urgency::Background) < (all / 2).max(1))
    }

    fn nobody_before(&self, urgency: Urgency) -> bool {
        self.waiting.range(..(urgency, u64::MAX)).next().is_none()
    }

    fn take_line(&mut self, urgency: Urgency) {
        *self.in_flight.entry(urgency).or_default() += 1;
    }

    fn free_line(&mut self, urgency: Urgency) {
        if let Some(count) = self.in_flight.get_mut(&urgency) {
            *count = count.saturating_sub(1);
        }
    }

    /// Gives free lines to those who wait, the most urgent first.
    fn hand_on(&mut self, budget: &Budget) {
        let places: Vec<(Urgency, u64)> = self.waiting.keys().copied().collect();
        for place @ (urgency, _) in places {
            if !self.line_is_free(urgency) {
                continue;
            }
            let Some(give) = self.waiting.remove(&place) else { continue };
            self.take_line(urgency);
            let permit = Permit { budget: Some(budget.clone()), urgency };
            if let Err(mut permit) = give.send(permit) {
                // Who waited has gone. The permit must not give itself back: the lock is ours.
                permit.budget = None;
                self.free_line(urgency);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn budget(per_minute: u32, max_in_flight: u32) -> (Budget, Clock) {
        let clock = Clock::standing_at(at(0));
        (Budget::new(per_minute, max_in_flight, clock.clone()), clock)
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_stop_holds_everybody_until_it_is_over() {
        let (budget, clock) = budget(100, 4);
        budget.stop(Duration::from_secs(10));
        budget.stop(Duration::from_secs(3));
        assert_eq!(budget.permit(Urgency::Live).await.err(), Some(Duration::from_secs(10)));
        clock.set(at(7));
        assert_eq!(budget.permit(Urgency::Soon).await.err(), Some(Duration::from_secs(3)));
        clock.set(at(10));
        assert!(budget.permit(Urgency::Live).await.is_ok());
    }

    #[tokio::test]
    async fn a_clock_set_back_does_not_make_a_stop_longer() {
        let (budget, clock) = budget(100, 4);
        budget.stop(Duration::from_secs(10));
        clock.set(at(-3600));
        assert!(budget.permit(Urgency::Live).await.is_ok());
    }

    #[tokio::test]
    async fn background_work_pauses_when_little_is_left() {
        let (budget, clock) = budget(100, 4);
        budget.heard(700, 139, Some(Duration::from_secs(20)));
        assert_eq!(budget.permit(Urgency::Background).await.err(), Some(Duration::from_secs(20)));
        assert!(budget.permit(Urgency::Soon).await.is_ok());
        clock.set(at(20));
        assert!(budget.permit(Urgency::Background).await.is_ok());
        budget.heard(700, 139, None);
        budget.heard(700, 140, None);
        assert!(budget.permit(Urgency::Background).await.is_ok());
    }

    #[test]
    fn the_minute_is_shared_by_urgency_and_refills_as_it_passes() {
        let (budget, _) = budget(10, 4);
        let mut state = budget.lock();
        let start = clock::instant();
        let later = |seconds| start + Duration::from_secs(seconds);
        let shares =
            [(Urgency::Background, 5), (Urgency::Soon, 8), (Urgency::LookUp, 9), (Urgency::Live, 10)];
        for (urgency, until) in shares {
            while state.may_ask(urgency, at(0), start).is_ok() {
                state.sent.push_back(start);
            }
            assert_eq!(state.sent.len(), until, "{urgency:?}");
        }
        assert_eq!(state.may_ask(Urgency::Live, at(0), later(59)), Err(Duration::from_secs(1)));
        assert_eq!(state.may_ask(Urgency::Live, at(0), later(60)), Ok(()));
        assert!(state.sent.is_empty());
    }

    #[tokio::test]
    async fn a_line_is_kept_for_who_waits_at_the_telephone() {
        let (budget, _) = budget(1000, 4);
        let first = budget.permit(Urgency::Background).await.unwrap();
        let _second = budget.permit(Urgency::Background).await.unwrap();
        let mut third = pin!(budget.permit(Urgency::Background));
        assert!(poll(third.as_mut()).is_pending(), "background work has half of the lines");
        let _soon = budget.permit(Urgency::Soon).await.unwrap();
        let mut look_up = pin!(budget.permit(Urgency::LookUp));
        assert!(poll(look_up.as_mut()).is_pending(), "the last line is for the telephone");
        let live = budget.permit(Urgency::Live).await.unwrap();
        let mut more_live = pin!(budget.permit(Urgency::Live));
        assert!(poll(more_live.as_mut()).is_pending());

        drop(first);
        let Poll::Ready(Ok(_held)) = poll(more_live.as_mut()) else {
            panic!("the most urgent gets the line")
        };
        assert!(poll(look_up.as_mut()).is_pending());
        drop(live);
        let Poll::Ready(Ok(_held)) = poll(look_up.as_mut()) else { panic!("the next one gets it") };
        assert!(poll(third.as_mut()).is_pending());
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_takes_no_line_along() {
        let (budget, _) = budget(1000, 1);
        let only = budget.permit(Urgency::Live).await.unwrap();
        {
            let mut gone = pin!(budget.permit(Urgency::Live));
            assert!(poll(gone.as_mut()).is_pending());
        }
        let mut granted = Box::pin(budget.permit(Urgency::Soon));
        assert!(poll(granted.as_mut()).is_pending());
        drop(only);
        // The line was handed to who never came back for it.
        drop(granted);
        assert!(budget.permit(Urgency::Live).await.is_ok());
        assert_eq!(budget.lock().in_flight.values().sum::<usize>(), 0);
    }
}
