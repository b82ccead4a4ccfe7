//! Asterisk's events become the words of a call.
//!
//! Sources: the AMI event pages of Asterisk 13 to 23 and the captures of 16.28 and 22.10. Every
//! deviation is a function with its name and the version it was seen in (see `quirks.rs`).
//!
//! Fed with whole messages of one source, in order, over all its connections: what is known of the
//! legs survives a lost link and is compared with the lists of the next one (`resync.rs`).
//! Deliberately absent: CDR and CEL (both come after the end), the hang-up cause (an abandoned queue
//! caller ends with 0 on 22 and 16 on 16).

use std::borrow::Cow;
use std::str::FromStr as _;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::channel::{ChannelRules, Hints, Kind};
use super::legs::{CallKey, Leg, Legs};
use super::message::{Kind as MessageKind, Message, unescape_name};
use super::quirks;
use crate::call::{
    CallId, DialResult, Direction, EndedBy, Event, Extension, Heard, SourceName, TransferKind,
};

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
    pub last_dial: Option<DialResult>,
    /// The phone that was dialled last.
    pub last_rung: Option<Extension>,
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
            resync: None,
        }
    }

    /// Takes one message; what it means is added to `out`.
    pub fn on_message(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let MessageKind::Event(event) = message.kind() else { return };
        match event {
            "VarSet" => self.var_set(message, now, out),
            "Newchannel" => self.new_channel(message, now, out),
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

    // ── Channels ────────────────────────────────────────────────────────────────────────────────

    fn new_channel(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(name)) = (message.text("Uniqueid"), message.text("Channel")) else { return };
        if self.legs.get(&id).is_some() {
            return;
        }
        if let Some(resync) = &mut self.resync {
            resync.seen.insert(id.as_ref().into());
        }
        let link = message.text("Linkedid").unwrap_or_else(|| id.clone());
        let born = link == id;
        let context = message.text("Context").filter(|_| born);
        let number = message.known("CallerIDNum");
        let kind = self.rules.kind(&name, Hints { context: context.as_deref(), number: number.as_deref() });
        let exten = message.text("Exten").unwrap_or_default();
        let birth = Birth {
            id: &id,
            link: &link,
            name: &name,
            kind,
            number: number.unwrap_or_default().into_owned(),
            caller_name: caller_name(message),
            dialled: &exten,
            exten: &exten,
        };
        self.add_leg(birth, now, out);
    }

    /// A leg appears, in an event or in a list.
    pub(super) fn add_leg(&mut self, birth: Birth<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Birth { id, name, exten, .. } = birth;
        let kind = birth.kind.clone();
        let party = matches!(kind, Kind::Phone(_) | Kind::Line);
        let known = self.by_link.get(birth.link).copied();
        let call = match known {
            None if party => Some(self.new_call(birth)),
            known => known,
        };
        let begins = known.is_none() && party;
        self.legs.add(id, Leg { name: name.into(), kind, call, bridge: None, exten: "".into() });
        if let (Some(key), true) = (call, begins) {
            if self.calls[&key].direction == Direction::Inbound {
                self.announce(key, now, out);
            }
            self.reached(id, exten, now, out);
        }
    }

    fn new_call(&mut self, birth: Birth<'_>) -> CallKey {
        let Birth { id, link, kind, dialled, .. } = birth;
        let key = CallKey(self.next_key);
        self.next_key = self.next_key.wrapping_add(1);
        let direction = if kind == Kind::Line { Direction::Inbound } else { Direction::Internal };
        let mut links: Vec<Box<str>> = vec![link.into()];
        if id != link {
            links.push(id.into());
        }
        for link in &links {
            self.by_link.insert(link.clone(), key);
        }
        let call = CallLegs {
            id: CallId::new(self.source.clone(), id),
            direction,
            near: id.into(),
            number: birth.number,
            name: birth.caller_name,
            dialled: if quirks::is_no_number(dialled) { String::new() } else { dialled.to_owned() },
            announced: false,
            agent: None,
            far_end: false,
            last_dial: None,
            last_rung: None,
            on_hold: false,
            consultation: false,
            transfer: None,
            hung_up_by: None,
            links,
        };
        self.calls.insert(key, call);
        key
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

    /// The caller's leg is somewhere in the dialplan. Nothing is told twice in a row.
    pub(super) fn reached(&mut self, id: &str, exten: &str, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        if *leg.exten == *exten {
            return;
        }
        leg.exten = exten.into();
        let Some(key) = leg.call else { return };
        if !self.is_near(key, id) || quirks::is_no_number(exten) {
            return;
        }
        if let Some(call) = self.calls.get_mut(&key)
            && call.dialled.is_empty()
        {
            exten.clone_into(&mut call.dialled);
            if call.announced {
                let (direction, dialled) = (call.direction, exten.to_owned());
                let event = Event::Arrived {
                    direction,
                    number: String::new(),
                    name: None,
                    dialled,
                    presentation_asked: false,
                };
                self.tell(key, event, now, out);
            }
        }
        let announced = self.calls.get(&key).is_some_and(|call| call.announced);
        if let (true, Ok(extension)) = (announced, Extension::from_str(exten)) {
            self.tell(key, Event::ReachedExtension { extension }, now, out);
        }
    }

    fn moved(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        if let (Some(id), Some(exten)) = (message.text("Uniqueid"), message.text("Exten")) {
            self.reached(&id, &exten, now, out);
        }
    }

    fn new_exten(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        self.moved(message, now, out);
        if message.get("Application").is_some_and(quirks::is_voicemail) {
            let Some(id) = message.text("Uniqueid") else { return };
            if let Some(key) = self.call_of(&id) {
                self.tell(key, Event::ReachedVoicemail, now, out);
            }
        }
    }

    /// An analogue line tells the caller's number after the channel is born.
    fn new_caller_id(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(number)) = (message.text("Uniqueid"), message.known("CallerIDNum")) else {
            return;
        };
        let Some(key) = self.call_of(&id).filter(|key| self.is_near(*key, &id)) else { return };
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.number.is_empty()) else { return };
        call.number = number.into_owned();
        if call.name.is_none() {
            call.name = caller_name(message);
        }
        if call.announced {
            call.announced = false;
            self.announce(key, now, out);
        }
    }

    fn var_set(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        match message.get("Variable") {
            Some(b"MIXMONITOR_FILENAME") => {
                let (Some(id), Some(file)) = (message.text("Uniqueid"), message.known("Value")) else {
                    return;
                };
                if let Some(key) = self.call_of(&id) {
                    self.tell(key, Event::RecordingStarted { file: file.into_owned() }, now, out);
                }
            }
            // FreePBX: the number of the queue or ring group that the caller is in.
            Some(b"NODEST" | b"__NODEST" | b"FROMQUEUEEXTEN") => {
                let (Some(id), Some(exten)) = (message.text("Uniqueid"), message.known("Value")) else {
                    return;
                };
                if let Some(key) = self.call_of(&id).filter(|key| self.is_near(*key, &id))
                    && let Ok(extension) = Extension::from_str(&exten)
                {
                    self.tell(key, Event::ReachedExtension { extension }, now, out);
                }
            }
            _ => {}
        }
    }

    fn rename(&mut self, message: &Message<'_>) {
        if let (Some(id), Some(name)) = (message.text("Uniqueid"), message.text("Newname"))
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.name = name.as_ref().into();
        }
    }

    // ── Dialling ────────────────────────────────────────────────────────────────────────────────

    fn dial_begin(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(dialled) = message.text("DestUniqueid") else { return };
        let Some(key) = self.call_of(&dialled).or_else(|| self.call_of(&message.text("Uniqueid")?)) else {
            return;
        };
        self.settle_kind(&dialled, message);
        let kind = self.legs.get(&dialled).map(|leg| leg.kind.clone());
        let by_near = message.text("Uniqueid").filter(|id| self.is_near(key, id));
        if let Some(call) = self.calls.get_mut(&key).filter(|call| !call.announced) {
            // A phone of the house begins: only now it shows where to.
            if kind == Some(Kind::Line) {
                call.direction = Direction::Outbound;
            }
            if let (true, Some(exten)) = (call.dialled.is_empty(), message.known("Exten")) {
                call.dialled = exten.into_owned();
            }
        }
        self.consultation_begins(key);
        self.announce(key, now, out);
        if let (Some(near), Some(exten)) = (&by_near, message.text("Exten")) {
            self.reached(near, &exten, now, out);
        }
        for variable in message.get_all("ChanVariable") {
            // FreePBX with `channelvars = NODEST`: the ring group, without the class `dialplan`.
            let number =
                variable.strip_prefix(b"NODEST=").and_then(|number| std::str::from_utf8(number).ok());
            if let Some(extension) = number.and_then(|number| Extension::from_str(number).ok()) {
                self.tell(key, Event::ReachedExtension { extension }, now, out);
            }
        }
        if let Some(Kind::Phone(extension)) = kind {
            if let Some(call) = self.calls.get_mut(&key) {
                call.last_rung = Some(extension.clone());
            }
            self.tell(key, Event::Rang { extension }, now, out);
        }
    }

    /// A phone that dials while it holds a caller asks a colleague.
    fn consultation_begins(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(&key).filter(|call| !call.announced) else { return };
        let Some(Kind::Phone(asks)) = self.legs.get(&call.near).map(|leg| &leg.kind) else { return };
        let holds = self.calls.values().any(|other| {
            let agent = other.agent.as_deref().and_then(|id| self.legs.get(id));
            other.on_hold && agent.is_some_and(|leg| matches!(&leg.kind, Kind::Phone(agent) if agent == asks))
        });
        if holds && let Some(call) = self.calls.get_mut(&key) {
            call.consultation = true;
        }
    }

    /// A phone whose name is no extension shows it only when it is dialled.
    fn settle_kind(&mut self, id: &str, message: &Message<'_>) {
        let number = message.known("DestCallerIDNum");
        let Some(leg) = self.legs.get_mut(id).filter(|leg| leg.kind == Kind::Line) else { return };
        leg.kind = self.rules.kind(&leg.name, Hints { context: None, number: number.as_deref() });
    }

    fn dial_end(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(dialled) = message.text("DestUniqueid") else { return };
        let Some(key) = self.call_of(&dialled).or_else(|| self.call_of(&message.text("Uniqueid")?)) else {
            return;
        };
        let result = match message.get("DialStatus") {
            Some(b"BUSY" | b"CONGESTION") => DialResult::Busy,
            Some(b"NOANSWER") => DialResult::NoAnswer,
            Some(b"CHANUNAVAIL") => DialResult::Unreachable,
            Some(b"CANCEL" | b"ABORT") => DialResult::Cancelled,
            _ => return,
        };
        let kind = self.legs.get(&dialled).map(|leg| leg.kind.clone());
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.last_dial = Some(result);
        if let (DialResult::Busy, Some(Kind::Phone(extension))) = (result, kind) {
            self.tell(key, Event::Refused { extension }, now, out);
        }
    }

    fn queue_join(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(queue)) = (message.text("Uniqueid"), message.known("Queue")) else { return };
        if let Some(key) = self.call_of(&id) {
            self.tell(key, Event::JoinedQueue { queue: queue.into_owned() }, now, out);
            self.moved(message, now, out);
        }
    }

    // ── Talking ─────────────────────────────────────────────────────────────────────────────────

    fn bridge_enter(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(bridge)) = (message.text("Uniqueid"), message.text("BridgeUniqueid")) else {
            return;
        };
        self.moved(message, now, out);
        if let Some(swapped) = message.known("SwapUniqueid") {
            self.legs.leave(&swapped);
        }
        self.legs.enter(&id, &bridge);
        self.met(&id, now, out);
    }

    fn bridge_leave(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("Uniqueid") else { return };
        self.legs.leave(&id);
        if let Some(key) = self.call_of(&id) {
            self.look_who_speaks(key, now, out);
        }
    }

    /// A leg came into a bridge: calls whose legs meet there are one call, and somebody may have answered.
    pub(super) fn met(&mut self, id: &str, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(own) = self.call_of(id) else { return };
        let mut heard = Vec::new();
        self.legs.hears(id, &mut heard);
        let mut others: Vec<CallKey> =
            heard.iter().filter_map(|id| self.legs.get(id)?.call).filter(|key| *key != own).collect();
        others.dedup();
        let mut survivor = own;
        for other in others {
            survivor = self.join(survivor, other, now, out);
        }
        self.look_who_speaks(survivor, now, out);
    }

    /// Two calls are one from here on. Two callers from outside whom an agent put together stay two.
    fn join(&mut self, a: CallKey, b: CallKey, now: Timestamp, out: &mut Vec<Heard>) -> CallKey {
        let (Some(first), Some(second)) = (self.calls.get(&a), self.calls.get(&b)) else { return a };
        let outside = (first.direction == Direction::Inbound, second.direction == Direction::Inbound);
        let (stays, goes) = match outside {
            (true, true) => return a,
            (true, false) => (a, b),
            (false, true) => (b, a),
            (false, false) if a <= b => (a, b),
            (false, false) => (b, a),
        };
        let into = self.calls[&stays].id.clone();
        if self.calls[&goes].announced {
            self.tell(goes, Event::Absorbed { into }, now, out);
        }
        self.legs.hand_over(goes, stays);
        if let Some(gone) = self.calls.remove(&goes) {
            for link in &gone.links {
                self.by_link.insert(link.clone(), stays);
            }
            if let Some(call) = self.calls.get_mut(&stays) {
                call.links.extend(gone.links);
            }
        }
        stays
    }

    /// Compares who speaks with the caller now with who was told last.
    pub(super) fn look_who_speaks(&mut self, key: CallKey, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get(&key) else { return };
        let mut heard = Vec::new();
        self.legs.hears(&call.near, &mut heard);
        let phones: Vec<(&str, &Extension)> = heard
            .iter()
            .filter_map(|id| match &self.legs.get(id)?.kind {
                Kind::Phone(extension) => Some((*id, extension)),
                _ => None,
            })
            .collect();
        if call.direction == Direction::Outbound {
            if !call.far_end && heard.len() > phones.len() {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.far_end = true;
                }
                self.tell(key, Event::FarEndAnswered, now, out);
            }
            return;
        }
        if let Some(told) = &call.agent
            && phones.iter().any(|(id, _)| **id == **told)
        {
            return;
        }
        // With several phones (a conference, the moment of a transfer) the one that came last.
        let agent = phones.last().map(|(id, extension)| (Box::<str>::from(*id), (*extension).clone()));
        let Some(call) = self.calls.get_mut(&key) else { return };
        match agent {
            None => call.agent = None,
            Some((id, extension)) => {
                call.agent = Some(id);
                self.tell(key, Event::Answered { extension }, now, out);
            }
        }
    }

    fn hold(&mut self, held: bool, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("Uniqueid") else { return };
        let Some(leg) = self.legs.get(&id) else { return };
        let Some(key) = leg.call else { return };
        let by = match &leg.kind {
            Kind::Phone(extension) => Some(extension.clone()),
            _ => None,
        };
        if let Some(call) = self.calls.get_mut(&key) {
            call.on_hold = held;
        }
        self.tell(key, if held { Event::Held { by } } else { Event::Resumed }, now, out);
    }

    fn parked(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("ParkeeUniqueid") else { return };
        if let Some(key) = self.call_of(&id) {
            let space = message.known("ParkingSpace").map(Cow::into_owned);
            self.tell(key, Event::Parked { space }, now, out);
        }
    }

    fn pickup(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(target)) = (message.text("Uniqueid"), message.text("TargetUniqueid")) else {
            return;
        };
        let Some(key) = self.call_of(&target) else { return };
        let phone = |id: &str| match self.legs.get(id).map(|leg| &leg.kind) {
            Some(Kind::Phone(extension)) => Some(extension.clone()),
            _ => None,
        };
        if let Some(by) = phone(&id) {
            let from = phone(&target);
            self.tell(key, Event::PickedUp { by, from }, now, out);
        }
    }

    // ── Transfers ───────────────────────────────────────────────────────────────────────────────

    fn blind_transfer(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        if message.get("Result") != Some(b"Success") {
            return;
        }
        let to = message.known("Extension").map(Cow::into_owned);
        self.transferred(TransferKind::Blind, "TransfererUniqueid", to, message, now, out);
    }

    fn attended_transfer(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        if message.get("Result") != Some(b"Success") {
            return;
        }
        let target = message.text("TransferTargetUniqueid").or_else(|| message.text("TransfereeUniqueid"));
        let to = target.and_then(|id| match &self.legs.get(&id)?.kind {
            Kind::Phone(extension) => Some(extension.to_string()),
            _ => None,
        });
        let to = to.or_else(|| message.known("SecondTransfererConnectedLineNum").map(Cow::into_owned));
        self.transferred(TransferKind::Attended, "OrigTransfererUniqueid", to, message, now, out);
    }

    fn transferred(
        &mut self,
        kind: TransferKind,
        transferer: &str,
        to: Option<String>,
        message: &Message<'_>,
        now: Timestamp,
        out: &mut Vec<Heard>,
    ) {
        let Some(transferer) = message.text(transferer) else { return };
        let Some(leg) = self.legs.get(&transferer) else { return };
        let Kind::Phone(from) = leg.kind.clone() else { return };
        let of_transferee = message.text("TransfereeUniqueid").and_then(|id| self.call_of(&id));
        let Some(key) = of_transferee.or(leg.call) else { return };
        self.tell(key, Event::Transferred { kind, from, to }, now, out);
    }

    // ── The end ─────────────────────────────────────────────────────────────────────────────────

    fn hangup_request(&mut self, event: &str, message: &Message<'_>) {
        let Some(id) = message.text("Uniqueid") else { return };
        let Some(leg) = self.legs.get(&id) else { return };
        let (Some(key), is_phone) = (leg.call, matches!(leg.kind, Kind::Phone(_))) else { return };
        let near = self.is_near(key, &id);
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.hung_up_by.is_some() {
            return;
        }
        if near && quirks::caller_asks_for_the_end(event, message.get("Cause"), call.last_dial) {
            call.hung_up_by = Some(EndedBy::Caller);
        } else if !near && call.agent.as_deref() == Some(&*id) && is_phone {
            call.hung_up_by = Some(EndedBy::Called);
        }
    }

    fn hang_up(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("Uniqueid") else { return };
        self.remove_leg(&id, false, now, out);
    }

    /// A leg is gone. With the caller's leg the call is over.
    pub(super) fn remove_leg(&mut self, id: &str, estimated: bool, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(key) = self.legs.remove(id).and_then(|leg| leg.call) else { return };
        if !self.is_near(key, id) {
            self.look_who_speaks(key, now, out);
            return;
        }
        let Some(call) = self.calls.get(&key) else { return };
        let by = call.hung_up_by.unwrap_or(EndedBy::Pbx);
        let event = Event::HungUp { by: (!estimated).then_some(by), last_dial: call.last_dial, estimated };
        self.tell(key, event, now, out);
        if let Some(call) = self.calls.remove(&key) {
            for link in &call.links {
                self.by_link.remove(link);
            }
        }
    }

    /// The mailbox of a phone got a message while a caller whom nobody answered is on the line.
    fn message_waiting(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(mailbox) = message.text("Mailbox") else { return };
        if let Some(key) = quirks::voicemail_without_dialplan_events(self, &mailbox) {
            self.tell(key, Event::ReachedVoicemail, now, out);
        }
    }
}

/// The caller's name, cleaned; `None` where there is none.
pub(super) fn caller_name(message: &Message<'_>) -> Option<String> {
    message
        .known("CallerIDName")
        .map(|name| unescape_name(&name).trim().to_owned())
        .filter(|name| !name.is_empty())
}
