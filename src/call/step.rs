//! What happens to a call, one step at a time: an event, an answer, time, a restart.

use jiff::{SignedDuration, Timestamp};

use super::event::{Direction, Event};
use super::id::Extension;
use super::missed::Ask;
use super::rules::{Group, Rules, Way};
use super::state::{Call, Lookup, Outcome, Phase, Presentation, Step, Transfer};

/// How many channel variables are kept of a call.
const VARIABLES: usize = 32;

/// How long a variable's name may be, in characters.
const VARIABLE_NAME: usize = 80;

/// How much is kept of a variable's value, in characters.
const VARIABLE_VALUE: usize = 255;

impl Call {
    /// Takes one event and says what must now be done.
    ///
    /// An event that makes no sense in this phase changes nothing: after a reconnect the PBX repeats
    /// itself.
    pub fn on(&mut self, event: &Event, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        if !self.open() {
            return step;
        }
        match event {
            Event::Arrived { direction, number, name, dialled, presentation_asked } => {
                self.arrived(
                    *direction,
                    number,
                    name.as_deref(),
                    dialled,
                    *presentation_asked,
                    now,
                    rules,
                    &mut step,
                );
            }
            Event::PresentationKnown { withheld } => self.presentation_known(*withheld, now, &mut step),
            Event::JoinedQueue { queue } => {
                if self.phase == Phase::Ringing {
                    self.queue.get_or_insert_with(|| queue.clone());
                    let way = Way::Queue(queue.clone());
                    self.reached(
                        rules.groups.find(&way).map(AsRef::as_ref),
                        &format!("queue {queue}"),
                        now,
                        &mut step,
                    );
                }
            }
            Event::ReachedExtension { extension } => {
                if self.phase == Phase::Ringing {
                    let way = Way::Extension(extension.clone());
                    self.reached(
                        rules.groups.find(&way).map(AsRef::as_ref),
                        &format!("extension {extension}"),
                        now,
                        &mut step,
                    );
                }
            }
            Event::Rang { extension } => {
                if self.phase == Phase::Ringing && !self.rang.contains(extension) {
                    self.rang.push(extension.clone());
                    if self.watched() {
                        step.tell(now, format!("rings at {extension}"), "");
                    }
                }
            }
            Event::Refused { extension } => {
                if self.watched() && self.phase == Phase::Ringing {
                    step.tell(now, format!("{extension} is busy or refused"), "");
                }
            }
            Event::PickedUp { by, from } => {
                if self.watched() && self.up() {
                    let from = from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
                    step.tell(now, format!("{by} picks the call up{from}"), "");
                }
            }
            Event::Answered { extension } => self.answered_by(extension, now, rules, &mut step),
            Event::FarEndAnswered => {
                if self.phase == Phase::Ringing {
                    self.phase = Phase::Talking;
                    self.answered = Some(now);
                    if let (Direction::Outbound, Some(number)) =
                        (self.direction, rules.numbers.read(&self.dialled).e164())
                    {
                        step.ask = Some(Ask::Reached { number, ticket: None });
                    }
                }
            }
            Event::Transferred { kind, from, to } => {
                let transfer = Transfer { kind: *kind, from: from.clone(), to: to.clone() };
                if self.up() && self.transfers.last() != Some(&transfer) {
                    let to = to.as_deref().unwrap_or("somebody");
                    step.tell(now, format!("{from} transfers the call to {to}"), "");
                    self.transfers.push(transfer);
                    step.durable = true;
                }
            }
            Event::Held { .. } => self.held |= self.up(),
            Event::Resumed => {}
            Event::Parked { .. } => {
                if self.up() && !self.parked {
                    self.parked = true;
                    step.tell(now, "parked", "");
                }
            }
            Event::ReachedVoicemail => {
                if self.phase == Phase::Ringing && !self.voicemail {
                    self.voicemail = true;
                    step.tell(now, "goes to a voice mailbox", "");
                }
            }
            Event::RecordingStarted { file } => self.recording_started(file, now, &mut step),
            Event::RecordingFailed { reason } => self.recording_failed(reason, now, &mut step),
            Event::RecordingPaused { paused } => self.recording_paused(*paused, now, &mut step),
            Event::Variable { name, value } => self.keep_variable(name, value),
            Event::VoicemailLeft { file, .. } => {
                if self.up() {
                    if self.phase == Phase::Ringing && !self.voicemail {
                        self.voicemail = true;
                        step.tell(now, "goes to a voice mailbox", "");
                    }
                    if self.watched() && self.voicemail_file.is_none() {
                        step.tell(now, "the caller left a message", "");
                    }
                    self.voicemail_file = Some(file.clone());
                }
            }
            Event::Absorbed { into } => {
                if self.up() {
                    step.tell(now, format!("goes on as {into}"), "it was a part of that call");
                    self.absorbed_into = Some(into.clone());
                    self.close(now, Outcome::Answered, None, false);
                    step.durable = true;
                }
            }
            Event::HungUp { by, last_dial, estimated } => {
                self.hung_up(*by, *last_dial, *estimated, now, rules, &mut step);
            }
            Event::CallerIdentified(identified) => self.identified(identified, now, &mut step),
            // The word of an exit comes by `delivered` and `refused`, which know the work.
            Event::TicketStands(_)
            | Event::PersonUpdated(_)
            | Event::CallRecorded { .. }
            | Event::RecordShown
            | Event::RecordingKept { .. }
            | Event::RecordingMissing { .. }
            | Event::RecordCompleted
            | Event::RecordingAttached { .. }
            | Event::TicketUpdated
            | Event::ScreenPopped { .. }
            | Event::WorkRefused { .. } => {}
        }
        self.settle(now, rules, &mut step);
        // What nobody watches leaves nothing in the journal, whatever becomes of it.
        step.durable &= self.watched();
        step
    }

    /// The phone book must ask the CRM first; nothing waits for it any longer.
    pub fn search_begins(&mut self, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        if self.lookup == Lookup::Asked {
            self.lookup = Lookup::Searching;
            self.settle(now, rules, &mut step);
        }
        step
    }

    /// Lets time pass: the PBX's word on a hidden number is no longer waited for, a failed look-up is
    /// asked again, the wrap-up time ends. Also after the rules changed.
    pub fn on_time(&mut self, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step::default();
        if matches!(self.presentation, Presentation::Asked { until } if until <= now) {
            self.presentation = Presentation::Presumed;
            if self.watched() {
                step.tell(now, "the number may be shown", "the PBX did not say in time whether it is hidden");
            }
        }
        if matches!(self.lookup, Lookup::Failed { again } if again <= now) {
            self.lookup = Lookup::NotAsked;
        }
        self.settle(now, rules, &mut step);
        step
    }

    /// Takes a call up after a restart: what was asked and not answered is asked again.
    pub fn resume(&mut self, now: Timestamp, rules: &Rules) -> Step {
        if matches!(self.lookup, Lookup::Asked | Lookup::Searching) {
            self.lookup = Lookup::NotAsked;
        }
        if matches!(self.presentation, Presentation::Asked { .. }) {
            self.presentation = Presentation::Asked { until: now };
        }
        self.resume_recording();
        let mut step = Step::default();
        self.settle(now, rules, &mut step);
        step
    }

    /// The wall clock was set by so much.
    pub fn clock_jumped(&mut self, by: SignedDuration) {
        let shift = |time: &mut Timestamp| *time = time.checked_add(by).unwrap_or(*time);
        if let Presentation::Asked { until } = &mut self.presentation {
            shift(until);
        }
        if let Lookup::Failed { again } = &mut self.lookup {
            shift(again);
        }
        if let Phase::Ended { wrap_up_until, .. } = &mut self.phase {
            shift(wrap_up_until);
        }
    }

    /// The call came to a group, or past one that is not watched. The first watched one is the group
    /// that was called; a second queue that it overflows to does not change that.
    pub(super) fn reached(&mut self, group: Option<&Group>, by: &str, now: Timestamp, step: &mut Step) {
        let Some(group) = group else { return };
        if self.group.is_none() {
            self.group = Some(group.name.clone());
            if self.watched() {
                step.tell(now, format!("group {}", group.name), format!("reached by {by}"));
                step.durable = true;
            }
        }
    }

    /// Kept with the next commit: alone it is not worth one. What is beyond the limits is left out, for
    /// whoever writes the dialplan may let callers say what stands in a variable.
    fn keep_variable(&mut self, name: &str, value: &str) {
        let known = self.variables.contains_key(name);
        let room = self.variables.len() < VARIABLES && name.chars().count() <= VARIABLE_NAME;
        if self.up() && (known || room) {
            let value = value.chars().take(VARIABLE_VALUE).collect();
            self.variables.insert(name.to_owned(), value);
        }
    }

    fn answered_by(&mut self, extension: &Extension, now: Timestamp, rules: &Rules, step: &mut Step) {
        if !self.up() || self.last_agent.as_ref() == Some(extension) && self.phase == Phase::Talking {
            return;
        }
        if self.phase == Phase::Ringing {
            self.phase = Phase::Talking;
            self.answered = Some(now);
            self.answered_by = Some(extension.clone());
        }
        self.last_agent = Some(extension.clone());
        step.durable = true;
        if self.watched() {
            let why = match rules.agents.get(extension).and_then(|agent| agent.email.as_deref()) {
                Some(_) => String::new(),
                None => {
                    "no e-mail address is known for this extension, so the ticket opens for nobody".to_owned()
                }
            };
            step.tell(now, format!("{extension} speaks with the caller"), why);
        }
    }
}
