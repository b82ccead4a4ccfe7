//! Asterisk's events become the words of a call.
//!
//! Sources: the AMI event pages of Asterisk 13 to 23 and the captures of 16.28 and 22.10. Every
//! deviation is a function with its name and the version it was seen in (see `quirks.rs`).
//!
//! Fed with whole messages of one source, in order, over all its connections: what is known of the
//! legs survives a lost link and is compared with the lists of the next one (`resync.rs`).
//! Here are the translator itself and what is told of a call; `channels`, `dialling`, `talking`,
//! `recording` and `variables` hold what the single events mean.
//! Deliberately absent: CDR and CEL (both come after the end), the hang-up cause (an abandoned queue
//! caller ends with 0 on 22 and 16 on 16).

mod channels;
mod dialling;
mod recording;
mod talking;
mod variables;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::channel::{ChannelRules, Kind};
use super::legs::{CallKey, Legs};
use super::message::{Kind as MessageKind, Message, unescape_name};
use super::session::RecordingAsk;
use crate::call::{CallId, DialResult, Direction, EndedBy, Event, Extension, Heard, SourceName};

/// The translator of one PBX.
#[derive(Clone, Debug)]
pub struct Translate {
    pub(super) source: SourceName,
    pub(super) rules: ChannelRules,
    ask_presentation: bool,
    pub(super) legs: Legs,
    pub(super) calls: FxHashMap<CallKey, CallLegs>,
    by_link: FxHashMap<Box<str>, CallKey>,
    next_key: u32,
    questions: Vec<Question>,
    records: bool,
    asks: Vec<RecordingAsk>,
    /// The channel variables that are wanted, lower-case.
    wanted: Vec<Box<str>>,
    pub(super) resync: Option<super::resync::Resync>,
}

/// A question for the PBX: may the caller's number be shown?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The channel's name, as `Getvar` wants it.
    pub channel: String,
    /// The channel's Uniqueid, as [`Translate::presentation`] wants it.
    pub unique_id: String,
}

/// What is known of one call beyond its legs.
#[derive(Clone, Debug)]
pub(super) struct CallLegs {
    pub id: CallId,
    pub direction: Direction,
    /// The leg of the first channel: the caller.
    pub near: Box<str>,
    /// The number and name of the caller, kept until the call is announced.
    pub number: String,
    pub name: Option<String>,
    pub dialled: String,
    /// [`Event::Arrived`] was told. A call that a phone of the house begins is told when it dials:
    /// before, it may still turn out to be a pick-up or a retrieval.
    pub announced: bool,
    /// The leg of the agent who was told last as speaking with the caller.
    pub agent: Option<Box<str>>,
    /// The outside party of an outgoing call was told.
    pub far_end: bool,
    /// What became of the phone that was dialled last; nothing once somebody answered.
    pub last_dial: Option<DialResult>,
    /// The phone that was dialled last.
    pub last_rung: Option<Extension>,
    /// It waited in a queue: there the next phone is tried after a refusal.
    pub queued: bool,
    /// The agent holds the caller.
    pub on_hold: bool,
    /// An agent asks a colleague while the caller holds: a leg of that call, not a call of its own.
    pub consultation: bool,
    /// A transfer that is told with the next event: when that is the parking, it was none.
    pub transfer: Option<Event>,
    /// Who asked for the end of the first leg, seen before its `Hangup`.
    pub hung_up_by: Option<EndedBy>,
    /// Links and legs that find this call, to be forgotten with it.
    pub links: Vec<Box<str>>,
    /// What is known of channel variables.
    pub variables: Vec<variables::Variable>,
    pub recordings: recording::Recordings,
}

/// A leg that appears.
#[derive(Clone, Debug)]
pub(super) struct Birth<'a> {
    pub id: &'a str,
    /// Its Linkedid.
    pub link: &'a str,
    /// The channel's name.
    pub name: &'a str,
    pub kind: Kind,
    /// The number and name that it carries as its own; empty where there is none.
    pub number: String,
    pub caller_name: Option<String>,
    /// What was dialled first.
    pub dialled: &'a str,
    /// Where it is in the dialplan.
    pub exten: &'a str,
}

impl Translate {
    /// A translator for a source. With `ask_presentation` the source promises to put the
    /// [`Question`]s to the PBX.
    pub fn new(source: SourceName, rules: ChannelRules, ask_presentation: bool) -> Self {
        Self {
            source,
            rules,
            ask_presentation,
            legs: Legs::default(),
            calls: FxHashMap::default(),
            by_link: FxHashMap::default(),
            next_key: 0,
            questions: Vec::new(),
            records: false,
            asks: Vec::new(),
            wanted: Vec::new(),
            resync: None,
        }
    }

    /// The translator also tells these channel variables, whatever the case of their names.
    #[must_use]
    pub fn with_variables(mut self, names: &[String]) -> Self {
        self.wanted = names.iter().map(|name| name.to_lowercase().into()).collect();
        self
    }

    /// Takes one message; what it means is added to `out`.
    pub fn on_message(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let MessageKind::Event(event) = message.kind() else { return };
        // With the last event of a channel goes what is known of it, and its first one makes it known.
        if event == "Newchannel" {
            self.new_channel(message, now, out);
            self.channel_variables(message, now, out);
            return;
        }
        self.channel_variables(message, now, out);
        match event {
            "VarSet" => self.var_set(message, now, out),
            "Newstate" | "NewConnectedLine" | "MusicOnHoldStart" | "MusicOnHoldStop" => {
                self.moved(message, now, out)
            }
            "Newexten" => self.new_exten(message, now, out),
            "NewCallerid" => self.new_caller_id(message, now, out),
            "DialBegin" => self.dial_begin(message, now, out),
            "DialEnd" => self.dial_end(message, now, out),
            "BridgeEnter" => self.bridge_enter(message, now, out),
            "BridgeLeave" => self.bridge_leave(message, now, out),
            "Hangup" => self.hang_up(message, now, out),
            "HangupRequest" | "SoftHangupRequest" => self.hangup_request(event, message),
            "QueueCallerJoin" | "QueueEntry" => self.queue_join(message, now, out),
            "BlindTransfer" => self.blind_transfer(message, now, out),
            "AttendedTransfer" => self.attended_transfer(message, now, out),
            "Pickup" => self.pickup(message, now, out),
            "Hold" | "Unhold" => self.hold(event == "Hold", message, now, out),
            "ParkedCall" => self.parked(message, now, out),
            "MessageWaiting" => self.message_waiting(message, now, out),
            "MixMonitorStart" => self.recording_started(message),
            "MixMonitorMute" => self.recording_muted(message, now, out),
            "UserEvent" => self.user_event(message),
            "Rename" => self.rename(message),
            "CoreShowChannel" | "Status" => self.listed(message),
            "CoreShowChannelsComplete" => self.list_complete(now, out),
            _ => {}
        }
    }

    /// The questions that came up since the last time.
    pub fn questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// The PBX answered a question.
    pub fn presentation(&mut self, unique_id: &str, withheld: bool, now: Timestamp, out: &mut Vec<Heard>) {
        if let Some(key) = self.legs.get(unique_id).and_then(|leg| leg.call) {
            self.tell(key, Event::PresentationKnown { withheld }, now, out);
        }
    }

    /// The calls that are up, by what this translator knows.
    pub fn present(&self) -> Vec<CallId> {
        let mut present: Vec<_> =
            self.calls.values().filter(|call| call.announced).map(|call| call.id.clone()).collect();
        present.sort();
        present
    }

    /// How many channels are known.
    pub fn channels(&self) -> usize {
        self.legs.len()
    }

    pub(super) fn announce(&mut self, key: CallKey, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.announced || call.consultation {
            return;
        }
        call.announced = true;
        let ask = self.ask_presentation && call.direction == Direction::Inbound && !call.number.is_empty();
        if ask && let Some(leg) = self.legs.get(&call.near) {
            self.questions.push(Question { channel: leg.name.to_string(), unique_id: call.near.to_string() });
        }
        let event = Event::Arrived {
            direction: call.direction,
            number: call.number.clone(),
            name: call.name.clone(),
            dialled: call.dialled.clone(),
            presentation_asked: ask,
        };
        out.push(Heard { call: call.id.clone(), at: now, event });
        self.tell_variables(key, now, out);
        self.tell_recordings(key, now, out);
    }

    /// Tells an event of a call, which is announced first.
    pub(super) fn tell(&mut self, key: CallKey, event: Event, now: Timestamp, out: &mut Vec<Heard>) {
        self.announce(key, now, out);
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.announced) else { return };
        match &event {
            Event::Transferred { .. } => {
                call.transfer = Some(event);
                return;
            }
            // Parking by blind transfer (22.10: BlindTransfer to 700, then ParkedCall) is no transfer.
            Event::Parked { .. } => call.transfer = None,
            // On its way the call passes the number it was sent to.
            Event::ReachedExtension { .. } => {}
            _ => {
                if let Some(event) = call.transfer.take() {
                    out.push(Heard { call: call.id.clone(), at: now, event });
                }
            }
        }
        out.push(Heard { call: call.id.clone(), at: now, event });
    }

    pub(super) fn call_of(&self, id: &str) -> Option<CallKey> {
        self.legs.get(id).and_then(|leg| leg.call)
    }

    fn is_near(&self, key: CallKey, id: &str) -> bool {
        self.calls.get(&key).is_some_and(|call| *call.near == *id)
    }
}

/// The caller's name, cleaned; `None` where there is none.
pub(super) fn caller_name(message: &Message<'_>) -> Option<String> {
    message
        .known("CallerIDName")
        .map(|name| unescape_name(&name).trim().to_owned())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
