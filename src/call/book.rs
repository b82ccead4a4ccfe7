//! All calls that are not closed, found by id and by time.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::event::{Event, Heard};
use super::id::{CallId, SourceName};
use super::missed::{Ask, Joined, Reached};
use super::number::E164;
use super::rules::Rules;
use super::state::{Call, Step};
use super::work::Work;

/// The open calls.
///
/// Every input goes to one call and comes back as one [`Step`]; the owner makes it durable before
/// anything is done. A closed call stays until [`Book::sweep`], so that its last state can be written.
#[derive(Debug, Default)]
pub struct Book {
    calls: HashMap<CallId, Call>,
    due: BTreeSet<(Timestamp, CallId)>,
    closed: Vec<CallId>,
    /// So many are up, and so many open; counted as they change, because there are thousands and the
    /// status asks after each step.
    up: usize,
    open: usize,
    /// Missed calls that further attempts of the same caller may go into.
    missed: HashMap<E164, Vec<CallId>>,
}

impl Book {
    /// A book that goes on with calls from the journal.
    pub fn recover(calls: impl IntoIterator<Item = Call>) -> Self {
        let mut book = Self::default();
        for call in calls {
            book.due.extend(call.due().map(|due| (due, call.id.clone())));
            book.count(&call);
            if let Some(number) = call.missed_caller() {
                book.missed.entry(number).or_default().push(call.id.clone());
            }
            book.calls.insert(call.id.clone(), call);
        }
        book
    }

    /// Takes something that a source heard.
    pub fn on(&mut self, heard: &Heard, rules: &Rules) -> Step {
        let begins = matches!(heard.event, Event::Arrived { .. });
        if !begins && !self.calls.contains_key(&heard.call) {
            // The tail of a call that is closed, or of one whose beginning nobody heard.
            return Step::default();
        }
        if begins && !self.calls.contains_key(&heard.call) {
            let call = Call::new(heard.call.clone(), heard.at);
            self.count(&call);
            self.calls.insert(heard.call.clone(), call);
        }
        self.step(&heard.call, heard.at, rules, |call| call.on(&heard.event, heard.at, rules))
    }

    /// The phone book must search for this call's caller.
    pub fn search_begins(&mut self, id: &CallId, now: Timestamp, rules: &Rules) -> Step {
        self.step(id, now, rules, |call| call.search_begins(now, rules))
    }

    /// An exit has done a piece of work.
    pub fn delivered(&mut self, work: &Work, event: &Event, now: Timestamp, rules: &Rules) -> Step {
        self.step(&work.call, now, rules, |call| call.delivered(work, event, now, rules))
    }

    /// An exit will never be able to do a piece of work.
    pub fn refused(&mut self, work: &Work, reason: &str, now: Timestamp, rules: &Rules) -> Step {
        self.step(&work.call, now, rules, |call| call.refused(work, reason, now, rules))
    }

    /// When time alone changes something.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The calls for which that time has come.
    pub fn due(&self, now: Timestamp) -> Vec<CallId> {
        self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| id.clone()).collect()
    }

    /// Lets time pass for one call.
    pub fn on_time(&mut self, id: &CallId, now: Timestamp, rules: &Rules) -> Step {
        self.step(id, now, rules, |call| call.on_time(now, rules))
    }

    /// The calls of a source that were up and that the PBX does not know any more.
    pub fn gone(&self, source: &SourceName, present: &[CallId]) -> Vec<CallId> {
        let mut gone: Vec<_> = self
            .calls
            .values()
            .filter(|call| call.up() && call.id.source() == source && !present.contains(&call.id))
            .map(|call| call.id.clone())
            .collect();
        gone.sort();
        gone
    }

    /// Takes up a call that came out of the journal: a look-up that was under way is asked again.
    pub fn resume(&mut self, id: &CallId, now: Timestamp, rules: &Rules) -> Step {
        self.step(id, now, rules, |call| call.resume(now, rules))
    }

    /// The wall clock was set by so much; timers mean durations and move along.
    pub fn clock_jumped(&mut self, by: SignedDuration) {
        self.due.clear();
        for call in self.calls.values_mut() {
            call.clock_jumped(by);
            self.due.extend(call.due().map(|due| (due, call.id.clone())));
        }
    }

    /// A call.
    pub fn get(&self, id: &CallId) -> Option<&Call> {
        self.calls.get(id)
    }

    /// All calls, in no order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// How many calls are up.
    pub fn up(&self) -> usize {
        self.up
    }

    /// How many are over and kept, for their wrap-up time or for what is owed.
    pub fn ended(&self) -> usize {
        self.open - self.up
    }

    /// Forgets a call as if it had never been heard of.
    pub fn forget(&mut self, id: &CallId) {
        let Some(call) = self.calls.remove(id) else { return };
        self.up -= usize::from(call.up());
        self.open -= usize::from(call.open());
        if let Some(due) = call.due() {
            self.due.remove(&(due, id.clone()));
        }
        if let Some(number) = call.missed_caller() {
            self.no_longer_missed(number, id);
        }
    }

    /// Takes the closed calls out.
    pub fn sweep(&mut self) -> Vec<Call> {
        let closed = std::mem::take(&mut self.closed);
        closed.iter().filter_map(|id| self.calls.remove(id)).collect()
    }

    fn count(&mut self, call: &Call) {
        self.up += usize::from(call.up());
        self.open += usize::from(call.open());
    }

    fn no_longer_missed(&mut self, number: E164, id: &CallId) {
        if let Some(ids) = self.missed.get_mut(&number) {
            ids.retain(|missed| missed != id);
            if ids.is_empty() {
                self.missed.remove(&number);
            }
        }
    }

    /// Answers what a call must know of the others; what they do because of it goes along.
    fn answer(&mut self, id: &CallId, ask: Ask, step: &mut Step, now: Timestamp, rules: &Rules) {
        let Some(call) = self.calls.get(id) else { return };
        match ask {
            Ask::EarlierMissed => {
                let group = call.group.clone();
                let earlier =
                    call.caller.e164().and_then(|number| self.missed.get(&number)).and_then(|ids| {
                        ids.iter()
                            .find(|other| self.calls.get(*other).is_some_and(|other| other.group == group))
                    });
                let next = match (earlier.cloned(), call.attempt()) {
                    (Some(earlier), Some(attempt)) => {
                        let told =
                            self.step(&earlier, now, rules, |call| call.missed_again(attempt, now, rules));
                        step.others.push((earlier.clone(), told));
                        let joined = self.calls.get(&earlier).map_or(Joined::Never, Call::joined);
                        self.step(id, now, rules, |call| call.missed_into(&earlier, joined, now, rules))
                    }
                    _ => self.step(id, now, rules, |call| call.missed_alone(now, rules)),
                };
                step.append(next);
            }
            Ask::Joined { attempts, ticket } => {
                for attempt in attempts {
                    let told = self.step(&attempt, now, rules, |call| call.now_joined(ticket, now, rules));
                    step.others.push((attempt, told));
                }
            }
            Ask::Reached { number, ticket } => {
                let agent = call.last_agent.clone();
                for earlier in self.missed.get(&number).cloned().unwrap_or_default() {
                    let reached = Reached { call: id.clone(), ticket, agent: agent.clone() };
                    let told =
                        self.step(&earlier, now, rules, |call| call.reached_later(reached, now, rules));
                    step.others.push((earlier, told));
                }
            }
        }
    }

    fn step(
        &mut self,
        id: &CallId,
        now: Timestamp,
        rules: &Rules,
        advance: impl FnOnce(&mut Call) -> Step,
    ) -> Step {
        let Some(call) = self.calls.get_mut(id) else { return Step::default() };
        let (before, was_up, was_open, was_missed) =
            (call.due(), call.up(), call.open(), call.missed_caller());
        let mut step = advance(call);
        let (after, missed) = (call.due(), call.missed_caller());
        // A call that is over stays over.
        self.up -= usize::from(was_up && !call.up());
        self.open -= usize::from(was_open && !call.open());
        if before != after {
            if let Some(before) = before {
                self.due.remove(&(before, id.clone()));
            }
            if let Some(after) = after {
                self.due.insert((after, id.clone()));
            }
        }
        if was_open && !call.open() {
            self.closed.push(id.clone());
        }
        if was_missed != missed {
            if let Some(number) = was_missed {
                self.no_longer_missed(number, id);
            }
            if let Some(number) = missed {
                self.missed.entry(number).or_default().push(id.clone());
            }
        }
        if let Some(ask) = step.ask.take() {
            self.answer(id, ask, &mut step, now, rules);
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::event::{Direction, EndedBy, TransferKind};
    use super::super::number::{Caller, ReadNumber};
    use super::super::rules::{Groups, UnknownCaller};
    use super::*;

    struct NoNumbers;

    impl ReadNumber for NoNumbers {
        fn read(&self, _: &str) -> Caller {
            Caller::Withheld
        }
    }

    #[test]
    fn a_call_that_nobody_watches_leaves_nothing_in_the_journal() {
        let rules = Rules {
            numbers: Arc::new(NoNumbers),
            groups: Groups::default(),
            agents: HashMap::new(),
            unknown: UnknownCaller::DefaultUser,
            presentation_timeout: SignedDuration::ZERO,
            always_default_agent: false,
            fields: Arc::default(),
            remove_placeholders: false,
            records: false,
            zone: jiff::tz::TimeZone::UTC,
        };
        let call: CallId = "main/1795660652.64".parse().unwrap();
        let (anna, dana) = ("201".parse().unwrap(), "204".to_owned());
        let arrived = Event::Arrived {
            direction: Direction::Inbound,
            number: "+4915228817386".to_owned(),
            name: None,
            dialled: "203".to_owned(),
            presentation_asked: false,
        };
        let transferred = Event::Transferred { kind: TransferKind::Blind, from: anna, to: Some(dana) };
        let answered = |extension: &str| Event::Answered { extension: extension.parse().unwrap() };
        let hung_up = Event::HungUp { by: Some(EndedBy::Caller), last_dial: None, estimated: false };
        let mut book = Book::default();
        let at = Timestamp::from_second(1_795_660_652).unwrap();
        for event in [arrived, answered("201"), transferred, answered("204"), hung_up] {
            let step = book.on(&Heard { call: call.clone(), at, event: event.clone() }, &rules);
            assert_eq!(book.up(), book.calls().filter(|call| call.up()).count(), "{event:?}");
            assert_eq!(
                book.ended(),
                book.calls().filter(|call| call.open() && !call.up()).count(),
                "{event:?}"
            );
            assert!(!step.durable, "{event:?}");
            assert_eq!(step.effects, [], "{event:?}");
        }
        assert_eq!(book.sweep().len(), 1, "it ended and is forgotten");
        assert_eq!((book.up(), book.ended()), (0, 0));

        let other: CallId = "main/1795660652.65".parse().unwrap();
        let mut book = Book::recover([Call::new(other.clone(), at)]);
        assert_eq!((book.up(), book.ended()), (1, 0));
        book.forget(&other);
        assert_eq!((book.up(), book.ended()), (0, 0));
    }
}
