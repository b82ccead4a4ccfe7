//! The end of a call: what became of it, the wrap-up time, and until when it is kept.

use jiff::Timestamp;

use super::event::{DialResult, Direction, EndedBy};
use super::rules::Rules;
use super::state::{Call, Lookup, Outcome, Phase, Presentation, Standing, Step, Ticket};
use super::work::{Effect, Requester};

/// A call that is over does not wait for a search that failed so often: 6 min by the pauses between.
const LOOKUPS_AFTER_THE_CALL: u32 = 10;

impl Call {
    pub(super) fn hung_up(
        &mut self,
        by: Option<EndedBy>,
        last_dial: Option<DialResult>,
        estimated: bool,
        now: Timestamp,
        rules: &Rules,
        step: &mut Step,
    ) {
        if !self.up() {
            return;
        }
        let outcome = self.outcome(by, last_dial, estimated);
        let wrap_up = match self.group.as_deref().and_then(|name| rules.groups.named(name)) {
            Some(group) if outcome == Outcome::Answered => group.wrap_up,
            _ => self.ends_missed(outcome, rules),
        };
        let wrap_up_until = now.checked_add(wrap_up).unwrap_or(now);
        self.phase = Phase::Ended { at: now, outcome, by, estimated, wrap_up_until, wrapped_up: false };
        if self.watched() {
            let why = if estimated {
                "it was gone when the PBX could be asked again; the end is estimated"
            } else {
                ""
            };
            step.tell(now, format!("ended: {}", outcome_text(outcome)), why);
            step.durable = true;
        }
    }

    fn outcome(&self, by: Option<EndedBy>, last_dial: Option<DialResult>, estimated: bool) -> Outcome {
        if self.phase == Phase::Talking {
            Outcome::Answered
        } else if self.voicemail {
            Outcome::Voicemail
        } else if last_dial == Some(DialResult::Busy) && self.queue.is_none() {
            Outcome::Busy
        } else if self.direction != Direction::Inbound {
            Outcome::NoAnswer
        } else if by == Some(EndedBy::Caller) || estimated {
            Outcome::Abandoned
        } else {
            Outcome::Unanswered
        }
    }

    pub(super) fn end_wrap_up(&mut self, now: Timestamp, step: &mut Step) {
        let Phase::Ended { wrap_up_until, wrapped_up, .. } = &mut self.phase else { return };
        if *wrapped_up || *wrap_up_until > now {
            return;
        }
        *wrapped_up = true;
        step.durable |= self.watched();
        if let Ticket::Stands(standing) = &mut self.ticket
            && let Some(seq) = standing.pop_owed.take()
        {
            let reason = "the wrap-up time is over: nobody waits for the screen pop any more";
            step.tell(now, "the screen pop is dropped", reason);
            let key = format!("{}#{seq}", self.id);
            step.effects.push(Effect::Withdraw { key, reason });
        }
    }

    pub(super) fn pop_worth_it(&self) -> bool {
        match &self.phase {
            Phase::Talking => true,
            Phase::Ended { wrapped_up, .. } => !wrapped_up,
            Phase::Ringing | Phase::Closed { .. } => false,
        }
    }

    pub(super) fn pop_worth_it_at(&self, now: Timestamp) -> bool {
        match &self.phase {
            Phase::Ended { wrap_up_until, .. } => now < *wrap_up_until,
            _ => self.pop_worth_it(),
        }
    }

    /// Closes the call when its wrap-up time is over and nothing is owed.
    pub(super) fn close_when_done(&mut self, step: &mut Step) {
        let Phase::Ended { at, outcome, by, estimated, wrapped_up: true, .. } = self.phase else { return };
        let owes = match &self.ticket {
            // Shorter than the PBX's word on the number: the ticket waits for that word.
            Ticket::None => {
                self.owes_missed_ticket()
                    || self.watched()
                        && self.answered.is_some()
                        && matches!(self.presentation, Presentation::Asked { .. })
            }
            Ticket::Refused { .. } => false,
            Ticket::Owed { .. } => true,
            Ticket::Stands(standing) => standing.change_owed.is_some() || standing.pop_owed.is_some(),
        };
        if !owes && !self.after.owes() && !self.recorded.owes() && !self.may_be_corrected() {
            self.close(at, outcome, by, estimated);
            step.durable |= self.watched();
        }
    }

    /// The ticket is the default user's because the search was slower than the call; the answer will
    /// still correct it.
    pub(super) fn may_be_corrected(&self) -> bool {
        let Ticket::Stands(Standing { requester: Requester::DefaultUser, .. }) = &self.ticket else {
            return false;
        };
        match &self.lookup {
            Lookup::Asked | Lookup::Searching => true,
            Lookup::Failed { .. } => !self.gave_look_up_up(),
            Lookup::NotAsked | Lookup::Known(_) => false,
        }
    }

    /// The search failed so often that a call that is over does not wait for it.
    pub(super) fn gave_look_up_up(&self) -> bool {
        self.lookups_failed >= LOOKUPS_AFTER_THE_CALL
    }

    /// Ends the call for good.
    pub(super) fn close(&mut self, at: Timestamp, outcome: Outcome, by: Option<EndedBy>, estimated: bool) {
        self.phase = Phase::Closed { at, outcome, by, estimated };
    }
}

/// The outcome in words for stories.
fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Abandoned => "the caller gave up",
        Outcome::Unanswered => "nobody answered",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "the phone was not answered",
        Outcome::Voicemail => "voice mail",
    }
}
