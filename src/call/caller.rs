//! Who calls: the number as sent, whether it may be shown, and what the phone book says of it.

use jiff::{SignedDuration, Timestamp};

use super::event::{Direction, Identified};
use super::missed::MissedAs;
use super::number::Caller;
use super::rules::Rules;
use super::state::{Call, Lookup, Phase, Presentation, Step};
use super::work::Effect;

impl Call {
    #[expect(clippy::too_many_arguments, reason = "the fields of one event, unpacked")]
    pub(super) fn arrived(
        &mut self,
        direction: Direction,
        number: &str,
        name: Option<&str>,
        dialled: &str,
        presentation_asked: bool,
        now: Timestamp,
        rules: &Rules,
        step: &mut Step,
    ) {
        if self.phase != Phase::Ringing {
            return;
        }
        // A watched call stays one: it is in the journal, and its end must get there too.
        if !self.watched() {
            self.direction = direction;
        }
        if self.number.is_empty() && !number.is_empty() {
            number.clone_into(&mut self.number);
            self.caller = rules.numbers.read(number);
            if presentation_asked && self.caller.e164().is_some() {
                let until = now.checked_add(rules.presentation_timeout).unwrap_or(now);
                self.presentation = Presentation::Asked { until };
            }
        }
        if self.caller_name.is_none() {
            self.caller_name = name.map(str::to_owned);
        }
        if self.dialled.is_empty() && !dialled.is_empty() {
            dialled.clone_into(&mut self.dialled);
            let group = rules.groups.find(&rules.did(dialled)).map(AsRef::as_ref);
            self.reached(group, &format!("number {dialled}"), now, step);
        }
    }

    pub(super) fn presentation_known(&mut self, withheld: bool, now: Timestamp, step: &mut Step) {
        if matches!(self.presentation, Presentation::Withheld | Presentation::Allowed) {
            return;
        }
        if withheld {
            self.presentation = Presentation::Withheld;
            self.caller = Caller::Withheld;
            self.caller_name = None;
            self.lookup = Lookup::NotAsked;
            if self.watched() {
                step.tell(now, "the number is hidden", "the PBX knows it, but it must not be shown");
            }
        } else {
            self.presentation = Presentation::Allowed;
        }
    }

    pub(super) fn identified(&mut self, identified: &Identified, now: Timestamp, step: &mut Step) {
        if self.caller.e164().is_none() || matches!(self.lookup, Lookup::Known(_)) {
            return;
        }
        match identified {
            Identified::Failed => {
                // 2 s, 4 s … 64 s: the CRM that could not answer is busy or away.
                let pause = SignedDuration::from_secs(2 << self.lookups_failed.min(5));
                self.lookup = Lookup::Failed { again: now.checked_add(pause).unwrap_or(now) };
                self.lookups_failed += 1;
                if self.lookups_failed == 1 && self.watched() {
                    step.tell(
                        now,
                        "the caller could not be looked up",
                        "the CRM did not answer; it is asked again",
                    );
                }
            }
            Identified::One(_) | Identified::Several(_) | Identified::Nobody => {
                let (what, why) = match identified {
                    Identified::One(person) => (format!("the caller is person {}", person.id), ""),
                    Identified::Several(people) => {
                        (format!("{} persons have the number", people.len()), "no guess is made")
                    }
                    _ => ("nobody has the number".to_owned(), ""),
                };
                step.tell(now, what, why);
                self.lookup = Lookup::Known(identified.clone());
                step.durable = self.answered.is_some();
            }
        }
    }

    pub(super) fn look_up(&mut self, step: &mut Step) {
        let settled = !matches!(self.presentation, Presentation::Asked { .. });
        let worth_it = self.up() || self.answered.is_some() || self.after.missed != MissedAs::NotMissed;
        if let (Lookup::NotAsked, Some(number), true, true) =
            (&self.lookup, self.caller.e164(), settled, worth_it)
        {
            self.lookup = Lookup::Asked;
            step.effects.push(Effect::LookUpCaller { number });
        }
    }
}
