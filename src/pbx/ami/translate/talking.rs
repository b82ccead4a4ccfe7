//! Talking: who stands in a bridge with whom, who is held or parked, and to whom a call goes on.

use std::borrow::Cow;

use jiff::Timestamp;

use super::super::channel::Kind;
use super::super::legs::CallKey;
use super::super::message::Message;
use super::Translate;
use crate::call::{Direction, Event, Extension, Heard, TransferKind};

impl Translate {
    pub(super) fn bridge_enter(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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

    pub(super) fn bridge_leave(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("Uniqueid") else { return };
        self.legs.leave(&id);
        if let Some(key) = self.call_of(&id) {
            self.look_who_speaks(key, now, out);
        }
    }

    /// A leg came into a bridge: calls whose legs meet there are one call, and somebody may have answered.
    pub(in super::super) fn met(&mut self, id: &str, now: Timestamp, out: &mut Vec<Heard>) {
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
                call.recordings.join(gone.recordings);
            }
        }
        stays
    }

    /// Compares who speaks with the caller now with who was told last.
    pub(in super::super) fn look_who_speaks(&mut self, key: CallKey, now: Timestamp, out: &mut Vec<Heard>) {
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
                    call.last_dial = None;
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
                call.last_dial = None;
                // Somebody else has the call now: who had it before did not end it.
                call.hung_up_by = None;
                self.tell(key, Event::Answered { extension }, now, out);
            }
        }
    }

    pub(super) fn hold(&mut self, held: bool, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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

    pub(super) fn parked(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("ParkeeUniqueid") else { return };
        if let Some(key) = self.call_of(&id) {
            let space = message.known("ParkingSpace").map(Cow::into_owned);
            self.tell(key, Event::Parked { space }, now, out);
        }
    }

    pub(super) fn blind_transfer(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        if message.get("Result") != Some(b"Success") {
            return;
        }
        let to = message.known("Extension").map(Cow::into_owned);
        self.transferred(TransferKind::Blind, "TransfererUniqueid", to, message, now, out);
    }

    pub(super) fn attended_transfer(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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
}
