//! Calls that nobody answered: which of them get a ticket, and which go into the ticket of an earlier one.
//!
//! A missed call is kept for the time in which further attempts of the same caller belong to it. Which
//! call that is only the book can tell, so a call asks by [`Ask`] and is told by
//! [`Call::missed_alone`] or [`Call::missed_again`].

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::TicketId;
use super::id::{CallId, Extension};
use super::number::E164;
use super::rules::{Missed, Rules};
use super::state::{Call, Lookup, Outcome, Phase, Step, Ticket};

/// More attempts are counted, but not told one by one.
const ATTEMPTS_TOLD: usize = 20;

/// What a call must know of the other calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Whether it goes into the ticket of an earlier missed call.
    EarlierMissed,
    /// Nothing: it tells that somebody speaks with the person who has this number.
    Reached {
        /// The number.
        number: E164,
        /// The ticket of the conversation, where it has one.
        ticket: Option<TicketId>,
    },
    /// Nothing: it tells later attempts of its caller which ticket they went into.
    Joined {
        /// The attempts.
        attempts: Vec<CallId>,
        /// The ticket; `None` when there will never be one.
        ticket: Option<TicketId>,
    },
}

/// The ticket of the earlier call that a missed one went into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// It is not made yet.
    #[default]
    NotYet,
    /// It stands.
    Ticket(TicketId),
    /// It was refused, or calls are only observed.
    Never,
}

impl Joined {
    fn from_ticket(ticket: Option<TicketId>) -> Self {
        match ticket {
            Some(ticket) if ticket != TicketId::NONE => Self::Ticket(ticket),
            _ => Self::Never,
        }
    }
}

/// What became of a call as a missed one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedAs {
    /// It was answered, or is up, or the config wants no ticket for it.
    #[default]
    NotMissed,
    /// It gets a ticket, its own or that of an earlier call.
    Undecided,
    /// It has its own ticket.
    Alone,
    /// It went into the ticket of this call.
    Into(CallId),
}

/// A further attempt of the same caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub started: Timestamp,
    /// How long the caller waited, in seconds.
    pub waited: i64,
    /// What became of it.
    pub outcome: Outcome,
}

/// Somebody spoke with the caller later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// In this call.
    pub call: CallId,
    /// With this ticket, where it has one.
    pub ticket: Option<TicketId>,
    /// By this agent.
    #[serde(default)]
    pub agent: Option<Extension>,
}

impl Call {
    /// The rules for missed calls of the group, when they want a ticket for one that ended so.
    fn missed_rules(&self, outcome: Outcome, rules: &Rules) -> Option<Missed> {
        if !self.watched() {
            return None;
        }
        let missed = rules.groups.named(self.group.as_deref()?)?.missed;
        let wanted = match outcome {
            Outcome::Answered => false,
            Outcome::Voicemail => missed.on_voicemail,
            Outcome::Abandoned | Outcome::Unanswered | Outcome::Busy | Outcome::NoAnswer => {
                missed.on_abandoned
            }
        };
        wanted.then_some(missed)
    }

    /// The call ends so. Gives how long it is kept for further attempts.
    pub(super) fn ends_missed(&mut self, outcome: Outcome, rules: &Rules) -> SignedDuration {
        let Some(missed) = self.missed_rules(outcome, rules) else { return SignedDuration::ZERO };
        self.after.missed = MissedAs::Undecided;
        match self.caller.e164() {
            Some(_) => missed.merge_within,
            None => SignedDuration::ZERO,
        }
    }

    /// The ticket of a missed call waits for nothing but the answer of the phone book: nobody looks at
    /// a screen meanwhile.
    pub(super) fn wants_missed_ticket(&self) -> bool {
        self.after.missed == MissedAs::Alone
            && !(self.ticket == Ticket::None && matches!(self.lookup, Lookup::Asked | Lookup::Searching))
    }

    /// A ticket of a missed call is still to be made.
    pub(super) fn owes_missed_ticket(&self) -> bool {
        self.ticket == Ticket::None && matches!(self.after.missed, MissedAs::Undecided | MissedAs::Alone)
    }

    pub(super) fn decide_missed(&mut self, step: &mut Step) {
        if self.after.missed != MissedAs::Undecided {
            return;
        }
        match &self.phase {
            Phase::Ended { wrapped_up: false, .. } if self.caller.e164().is_some() => {
                step.ask = Some(Ask::EarlierMissed);
            }
            // Without a number, or without a time to wait for others.
            _ => self.after.missed = MissedAs::Alone,
        }
    }

    /// No earlier call of this caller was missed.
    pub(super) fn missed_alone(&mut self, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        if self.after.missed == MissedAs::Undecided {
            self.after.missed = MissedAs::Alone;
            self.settle(now, rules, &mut step);
        }
        step
    }

    /// The call is told in the ticket of an earlier one and is done with.
    pub(super) fn missed_into(
        &mut self,
        earlier: &CallId,
        joined: Joined,
        now: Timestamp,
        rules: &Rules,
    ) -> Step {
        let mut step = Step { durable: true, ..Step::default() };
        self.after.missed = MissedAs::Into(earlier.clone());
        self.after.joined = joined;
        step.tell(now, "goes into the ticket of an earlier call", format!("{earlier} was missed before"));
        if let Phase::Ended { wrap_up_until, .. } = &mut self.phase {
            *wrap_up_until = now;
        }
        self.settle(now, rules, &mut step);
        step
    }

    /// The ticket that further attempts of the caller go into.
    pub(super) fn joined(&self) -> Joined {
        match &self.ticket {
            Ticket::Stands(standing) => Joined::from_ticket(Some(standing.ticket)),
            Ticket::None | Ticket::Owed { .. } => Joined::NotYet,
            Ticket::Refused { .. } => Joined::Never,
        }
    }

    /// What further attempts, if there were any, must hear when the ticket stands or never will.
    pub(super) fn tell_attempts(&self, ticket: Option<TicketId>) -> Option<Ask> {
        let attempts: Vec<_> = self.after.attempts.iter().map(|attempt| attempt.call.clone()).collect();
        (!attempts.is_empty()).then_some(Ask::Joined { attempts, ticket })
    }

    /// The ticket that the call went into stands, or never will.
    pub(super) fn now_joined(&mut self, ticket: Option<TicketId>, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        if self.after.joined == Joined::NotYet && matches!(self.after.missed, MissedAs::Into(_)) {
            step.durable = true;
            self.after.joined = Joined::from_ticket(ticket);
            self.settle(now, rules, &mut step);
        }
        step
    }

    /// The caller whose further attempts belong to this call, while it is kept for them.
    pub(super) fn missed_caller(&self) -> Option<E164> {
        let waits = matches!(self.phase, Phase::Ended { wrapped_up: false, .. })
            && self.after.missed == MissedAs::Alone
            && self.after.reached.is_none()
            && !matches!(self.ticket, Ticket::Refused { .. });
        self.caller.e164().filter(|_| waits)
    }

    /// This call as an attempt of its caller.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        let (Phase::Ended { at, outcome, .. } | Phase::Closed { at, outcome, .. }) = self.phase else {
            return None;
        };
        let waited = at.duration_since(self.started).as_secs();
        Some(Attempt { call: self.id.clone(), started: self.started, waited, outcome })
    }

    /// The same caller tried again, in vain.
    pub(super) fn missed_again(&mut self, attempt: Attempt, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step { durable: true, ..Step::default() };
        step.tell(now, "the caller tried again", format!("call {}", attempt.call));
        self.after.attempts.push(attempt);
        self.settle(now, rules, &mut step);
        step
    }

    /// Somebody spoke with the caller in a later call.
    pub(super) fn reached_later(&mut self, reached: Reached, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        let solves = self
            .group
            .as_deref()
            .and_then(|name| rules.groups.named(name))
            .is_some_and(|group| group.missed.solve);
        if solves && self.after.reached.is_none() {
            step.durable = true;
            step.tell(
                now,
                "the ticket is solved",
                format!("the caller was reached in call {}", reached.call),
            );
            self.after.reached = Some(reached);
            self.settle(now, rules, &mut step);
        }
        step
    }

    /// What the ticket is told of later attempts, and whether it is solved by one; each thing once.
    pub(super) fn news_of_missed(&mut self) -> (Option<String>, bool) {
        let after = &mut self.after;
        let mut lines: Vec<String> = after.attempts[after.attempts_told..]
            .iter()
            .take(ATTEMPTS_TOLD.saturating_sub(after.attempts_told))
            .map(|attempt| {
                format!(
                    "Called again at {}, waited {} s ({}).",
                    attempt.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
                    attempt.waited,
                    if attempt.outcome == Outcome::Voicemail { "voice mail" } else { "not answered" },
                )
            })
            .collect();
        after.attempts_told = after.attempts.len();
        let solves = after.reached.is_some() && !after.reached_told;
        if let (true, Some(reached)) = (solves, &after.reached) {
            after.reached_told = true;
            lines.push(match reached.ticket {
                Some(ticket) => format!("The caller was reached: ticket #{ticket}."),
                None => "The caller was called back and reached.".to_owned(),
            });
        }
        ((!lines.is_empty()).then(|| lines.join("\n")), solves)
    }
}
