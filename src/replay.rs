//! A dry run of recorded connections: no network, nothing kept.
//!
//! The same translator and the same state machine as in the daemon, with a phone book in which nobody
//! stands and a CRM that does everything at once.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::call::{Book, Call, CallId, Effect, Event, Heard, Identified, Rules, Step, Summary};
use crate::config::{Config, Source};
use crate::observe;
use crate::pbx::ami::frame::Framer;
use crate::pbx::ami::message::Kind;
use crate::pbx::ami::translate::Translate;
use crate::phonebook::RulesError;
use crate::rules;

/// A call of a recorded stream with what would have been done for it.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The call.
    #[serde(flatten)]
    pub summary: Summary,
    /// The names of the effects, in order.
    pub effects: Vec<&'static str>,
}

/// What came of a replay.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// The calls in the order of their start.
    pub calls: Vec<Replayed>,
    /// Messages read.
    pub messages: u64,
    /// Lines that were no header and were skipped.
    pub broken_lines: u64,
    /// Lines and messages that were left out because they are too long.
    pub too_long: u64,
}

/// Replays connections that came one after the other from the first source of the config.
///
/// # Errors
/// When the config's rules for numbers are no rules.
pub fn replay(config: &Config, connections: &[Vec<u8>]) -> Result<Replay, RulesError> {
    let numbers = Arc::new(rules::normaliser(config)?);
    let rules = rules::rules(config, &numbers, None, true);
    let Some(Source::Ami(ami)) = config.sources.first() else { return Ok(Replay::default()) };
    let translate = Translate::new(ami.name.clone(), rules::channel_rules(config, ami), false)
        .with_variables(&ami.variables);
    let mut player = Player {
        translate,
        rules,
        book: Book::default(),
        order: Vec::new(),
        effects: HashMap::new(),
        done: HashMap::new(),
        now: Timestamp::UNIX_EPOCH,
    };
    let mut result = Replay::default();
    for (index, bytes) in connections.iter().enumerate() {
        player.connection(index, bytes, &mut result);
    }
    result.calls = player.finish();
    Ok(result)
}

struct Player {
    translate: Translate,
    rules: Rules,
    book: Book,
    order: Vec<CallId>,
    effects: HashMap<CallId, Vec<&'static str>>,
    done: HashMap<CallId, Call>,
    now: Timestamp,
}

impl Player {
    fn connection(&mut self, index: usize, bytes: &[u8], result: &mut Replay) {
        let mut framer = Framer::new();
        framer.push(bytes);
        if index > 0 {
            self.translate.resync_begins();
        }
        let mut heard = Vec::new();
        while let Some(message) = framer.take() {
            if matches!(message.kind(), Kind::Event(_)) {
                result.messages += 1;
            }
            // A capture tells no times; a millisecond a message keeps the order.
            self.now = self.now.checked_add(SignedDuration::from_millis(1)).unwrap_or(self.now);
            self.translate.on_message(&message, self.now, &mut heard);
            for heard in heard.drain(..) {
                self.on(&heard);
            }
        }
        result.too_long += framer.too_long();
        result.broken_lines += framer.broken_lines();
    }

    fn on(&mut self, heard: &Heard) {
        if matches!(heard.event, Event::Arrived { .. }) && self.book.get(&heard.call).is_none() {
            if self.done.contains_key(&heard.call) {
                return;
            }
            self.order.push(heard.call.clone());
        }
        let step = self.book.on(heard, &self.rules);
        self.carry_out(&heard.call, step);
        self.sweep();
    }

    fn carry_out(&mut self, id: &CallId, step: Step) {
        for (other, step) in step.others {
            self.carry_out(&other, step);
        }
        for effect in step.effects {
            self.effects.entry(id.clone()).or_default().push(effect.name());
            let next = match effect {
                Effect::LookUpCaller { .. } => {
                    let event = Event::CallerIdentified(Identified::Nobody);
                    let heard = Heard { call: id.clone(), at: self.now, event };
                    self.book.on(&heard, &self.rules)
                }
                Effect::Owe(work) => {
                    let event = observe::pretend(&work).event;
                    self.book.delivered(&work, &event, self.now, &self.rules)
                }
                Effect::Record(_) | Effect::Withdraw { .. } => continue,
            };
            self.carry_out(id, next);
        }
    }

    fn sweep(&mut self) {
        for call in self.book.sweep() {
            self.done.insert(call.id.clone(), call);
        }
    }

    /// Lets the wrap-up times run out and tells the calls.
    fn finish(mut self) -> Vec<Replayed> {
        while let Some(due) = self.book.next_due() {
            self.now = due.max(self.now);
            for id in self.book.due(self.now) {
                let step = self.book.on_time(&id, self.now, &self.rules);
                self.carry_out(&id, step);
            }
            self.sweep();
        }
        let mut calls = Vec::new();
        for id in &self.order {
            let Some(call) = self.done.get(id).or_else(|| self.book.get(id)) else { continue };
            if call.absorbed_into.is_some() {
                continue;
            }
            let effects = self.effects.remove(id).unwrap_or_default();
            calls.push(Replayed { summary: Summary::from(call), effects });
        }
        calls
    }
}
