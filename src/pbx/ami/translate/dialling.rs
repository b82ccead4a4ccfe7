//! Dialling: phones ring, refuse or are let ring on; callers wait in queues and are picked up.

use std::str::FromStr as _;

use jiff::Timestamp;

use super::super::channel::{Hints, Kind};
use super::super::legs::CallKey;
use super::super::message::Message;
use super::Translate;
use crate::call::{DialResult, Direction, Event, Extension, Heard};

impl Translate {
    pub(super) fn dial_begin(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(dialled) = message.text("DestUniqueid") else { return };
        let Some(key) = self.call_of(&dialled).or_else(|| self.call_of(&message.text("Uniqueid")?)) else {
            return;
        };
        self.settle_kind(&dialled, message);
        let kind = self.legs.get(&dialled).map(|leg| leg.kind.clone());
        let Some(dialler) = message.text("Uniqueid") else {
            // Originate: the PBX rings the phone that begins the call (click to call); it is no leg's doing.
            return;
        };
        let by_near = Some(dialler).filter(|id| self.is_near(key, id));
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

    pub(super) fn dial_end(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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

    pub(super) fn queue_join(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(queue)) = (message.text("Uniqueid"), message.known("Queue")) else { return };
        if let Some(key) = self.call_of(&id) {
            if let Some(call) = self.calls.get_mut(&key) {
                call.queued = true;
            }
            self.tell(key, Event::JoinedQueue { queue: queue.into_owned() }, now, out);
            self.moved(message, now, out);
        }
    }

    pub(super) fn pickup(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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
}
