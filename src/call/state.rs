//! The state of one call, and what each event does to it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{DialResult, Direction, EndedBy, Event, Identified, TicketId, TransferKind};
use super::id::{CallId, Extension};
use super::number::Caller;
use super::rules::{Group, Rules, Way};
use super::work::{Effect, Requester, TicketDraft};

/// The version of the stored form; raised when an old snapshot can no longer be read as it is.
pub const SNAPSHOT_VERSION: u32 = 1;

/// One telephone call, from its first channel to the end of the wrap-up time.
///
/// Serialised whole into the journal; every field that came later has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Where it comes from.
    pub direction: Direction,
    /// The caller's number as the PBX sent it.
    pub number: String,
    /// What the number means.
    pub caller: Caller,
    /// The caller's name as sent.
    pub caller_name: Option<String>,
    /// What was dialled first.
    pub dialled: String,
    /// Whether the number may be shown.
    pub presentation: Presentation,
    /// The watched group it came to.
    pub group: Option<String>,
    /// The first queue it waited in, watched or not.
    pub queue: Option<String>,
    /// How far it has come.
    pub phase: Phase,
    /// When its first channel appeared.
    pub started: Timestamp,
    /// The phones that rang before the answer, in order.
    pub rang: Vec<Extension>,
    /// The first agent who spoke with the caller.
    pub answered_by: Option<Extension>,
    /// When that agent did.
    pub answered: Option<Timestamp>,
    /// The last agent who spoke with the caller.
    pub last_agent: Option<Extension>,
    /// Transfers, in order.
    pub transfers: Vec<Transfer>,
    /// It was on hold at least once.
    pub held: bool,
    /// It was parked at least once.
    pub parked: bool,
    /// It reached a voice mailbox.
    pub voicemail: bool,
    /// The recording's name on the PBX.
    pub recording: Option<String>,
    /// The call that it turned out to be a part of.
    pub absorbed_into: Option<CallId>,
    /// What the phone book knows.
    pub lookup: Lookup,
    /// How often the phone book could not find out.
    pub lookups_failed: u32,
    /// The ticket.
    pub ticket: Ticket,
    /// The last sequence number given to owed work.
    pub seq: u32,
}

/// Whether the caller's number may be shown (RFC 3323 `Privacy: id`, as Asterisk's `CALLERID(num-pres)` tells).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// Nobody was asked, or the answer did not come in time: it may.
    Presumed,
    /// The PBX was asked and has until then to answer.
    Asked {
        /// The end of our patience.
        until: Timestamp,
    },
    /// It may be shown.
    Allowed,
    /// It must not be shown.
    Withheld,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No agent has spoken with the caller.
    Ringing,
    /// An agent has answered; on hold and parked calls included.
    Talking,
    /// Over; kept until the wrap-up time is over.
    Ended {
        /// When it ended.
        at: Timestamp,
        /// What became of it.
        outcome: Outcome,
        /// Who ended it, where known.
        by: Option<EndedBy>,
        /// The end was not seen.
        estimated: bool,
        /// When the wrap-up time is over.
        wrap_up_until: Timestamp,
        /// It is over; the call is kept only for the work that is still owed.
        wrapped_up: bool,
    },
    /// Nothing more will happen.
    Closed {
        /// When it ended.
        at: Timestamp,
        /// What became of it.
        outcome: Outcome,
        /// Who ended it, where known.
        by: Option<EndedBy>,
        /// The end was not seen.
        estimated: bool,
    },
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An agent spoke with the caller; for outgoing calls: the far end answered.
    Answered,
    /// The caller gave up before.
    Abandoned,
    /// The PBX gave up.
    Unanswered,
    /// The phone or the far end was busy or refused.
    Busy,
    /// The phone or the far end never answered.
    NoAnswer,
    /// The caller was sent to a voice mailbox.
    Voicemail,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How.
    pub kind: TransferKind,
    /// Who sent the call on.
    pub from: Extension,
    /// To whom, where known.
    pub to: Option<String>,
}

/// What the phone book knows of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// It was not asked.
    NotAsked,
    /// It was asked this moment and answers at once, or says that it must search.
    Asked,
    /// It searches; nothing waits for it.
    Searching,
    /// It could not find out; it is asked again then.
    Failed {
        /// When it is asked again.
        again: Timestamp,
    },
    /// It answered.
    Known(Identified),
}

/// The ticket of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ticket {
    /// None, and none is owed.
    None,
    /// It is owed.
    Owed {
        /// The sequence number of the work.
        seq: u32,
        /// As it shall be.
        draft: Box<TicketDraft>,
    },
    /// It stands in the CRM.
    Stands(Standing),
    /// The CRM refused it for good.
    Refused {
        /// Why.
        reason: String,
    },
}

/// The ticket as it stands in the CRM, as far as we made it so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub ticket: TicketId,
    /// Who it is for.
    pub requester: Requester,
    /// Whose it is.
    pub assignee: Option<Extension>,
    /// For whom it was opened last, or shall be by work that is owed.
    pub popped: Option<Extension>,
    /// The work that opens it, while owed.
    pub pop_owed: Option<u32>,
    /// The CRM can open tickets on screens.
    pub pops_possible: bool,
    /// The change that is owed: its sequence number.
    pub change_owed: Option<u32>,
    /// Candidates were named in the ticket.
    pub candidates_told: bool,
    /// The requester that the CRM refused, so that it is not tried twice.
    pub refused_requester: Option<Requester>,
}

/// What one step leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// What must be done.
    pub effects: Vec<Effect>,
    /// What is worth telling, with its reason.
    pub story: Vec<StoryLine>,
    /// The state changed in a way that must survive a crash.
    pub durable: bool,
}

/// One line of a call's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// When.
    pub at: Timestamp,
    /// What happened or was decided.
    pub what: String,
    /// Why; empty where the event speaks for itself.
    pub why: String,
}

impl Step {
    pub(super) fn tell(&mut self, at: Timestamp, what: impl Into<String>, why: impl Into<String>) {
        self.story.push(StoryLine { at, what: what.into(), why: why.into() });
    }
}

impl Call {
    /// A call that nothing is known of but its id. The first event fills it.
    pub fn new(id: CallId, now: Timestamp) -> Self {
        Self {
            id,
            direction: Direction::Inbound,
            number: String::new(),
            caller: Caller::Withheld,
            caller_name: None,
            dialled: String::new(),
            presentation: Presentation::Presumed,
            group: None,
            queue: None,
            phase: Phase::Ringing,
            started: now,
            rang: Vec::new(),
            answered_by: None,
            answered: None,
            last_agent: None,
            transfers: Vec::new(),
            held: false,
            parked: false,
            voicemail: false,
            recording: None,
            absorbed_into: None,
            lookup: Lookup::NotAsked,
            lookups_failed: 0,
            ticket: Ticket::None,
            seq: 0,
        }
    }

    /// A call from outside to a watched group: the only kind that gets a ticket.
    pub fn watched(&self) -> bool {
        self.group.is_some() && self.direction == Direction::Inbound
    }

    /// True until nothing more will happen.
    pub fn open(&self) -> bool {
        !matches!(self.phase, Phase::Closed { .. })
    }

    /// True while the call is up on the PBX.
    pub fn up(&self) -> bool {
        matches!(self.phase, Phase::Ringing | Phase::Talking)
    }

    /// When time alone changes something, see [`Call::on_time`].
    pub fn due(&self) -> Option<Timestamp> {
        let wrap_up = match &self.phase {
            Phase::Ended { wrap_up_until, wrapped_up: false, .. } => Some(*wrap_up_until),
            Phase::Ended { .. } | Phase::Ringing | Phase::Talking | Phase::Closed { .. } => None,
        };
        let presentation = match &self.presentation {
            Presentation::Asked { until } if self.open() => Some(*until),
            _ => None,
        };
        let lookup = match &self.lookup {
            Lookup::Failed { again } if self.open() => Some(*again),
            _ => None,
        };
        [wrap_up, presentation, lookup].into_iter().flatten().min()
    }

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
            Event::RecordingStarted { file } => {
                if self.up() && self.recording.is_none() {
                    self.recording = Some(file.clone());
                    step.durable = true;
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
    /// asked again, the wrap-up time ends.
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

    #[expect(clippy::too_many_arguments, reason = "the fields of one event, unpacked")]
    fn arrived(
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
        self.direction = direction;
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

    fn presentation_known(&mut self, withheld: bool, now: Timestamp, step: &mut Step) {
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

    /// The call came to a group, or past one that is not watched. The first watched one is the group
    /// that was called; a second queue that it overflows to does not change that.
    fn reached(&mut self, group: Option<&Group>, by: &str, now: Timestamp, step: &mut Step) {
        let Some(group) = group else { return };
        if self.group.is_none() {
            self.group = Some(group.name.clone());
            if self.watched() {
                step.tell(now, format!("group {}", group.name), format!("reached by {by}"));
                step.durable = true;
            }
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

    fn hung_up(
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
            _ => SignedDuration::ZERO,
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

    fn identified(&mut self, identified: &Identified, now: Timestamp, step: &mut Step) {
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

    /// Ends the call for good.
    pub(super) fn close(&mut self, at: Timestamp, outcome: Outcome, by: Option<EndedBy>, estimated: bool) {
        self.phase = Phase::Closed { at, outcome, by, estimated };
    }
}

/// The outcome in words for stories.
pub(super) fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Abandoned => "the caller gave up",
        Outcome::Unanswered => "nobody answered",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "the phone was not answered",
        Outcome::Voicemail => "voice mail",
    }
}
