//! Channels: they are born, move through the dialplan, get another name and are gone.
//!
//! The first channel of a call is the caller's leg; the call begins and ends with it.

use std::str::FromStr as _;

use jiff::Timestamp;

use super::super::channel::{Hints, Kind};
use super::super::legs::{CallKey, Leg};
use super::super::message::Message;
use super::super::quirks;
use super::recording::Recordings;
use super::{Birth, CallLegs, Translate, caller_name};
use crate::call::{CallId, DialResult, Direction, EndedBy, Event, Extension, Heard};

impl Translate {
    pub(super) fn new_channel(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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
    pub(in super::super) fn add_leg(&mut self, birth: Birth<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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
            queued: false,
            on_hold: false,
            consultation: false,
            transfer: None,
            hung_up_by: None,
            links,
            variables: Vec::new(),
            recordings: Recordings::default(),
        };
        self.calls.insert(key, call);
        key
    }

    /// The caller's leg is somewhere in the dialplan. Nothing is told twice in a row.
    pub(in super::super) fn reached(&mut self, id: &str, exten: &str, now: Timestamp, out: &mut Vec<Heard>) {
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

    pub(super) fn moved(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        if let (Some(id), Some(exten)) = (message.text("Uniqueid"), message.text("Exten")) {
            self.reached(&id, &exten, now, out);
        }
    }

    pub(super) fn new_exten(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        self.moved(message, now, out);
        if message.get("Application").is_some_and(quirks::is_voicemail) {
            let Some(id) = message.text("Uniqueid") else { return };
            if let Some(key) = self.call_of(&id) {
                self.tell(key, Event::ReachedVoicemail, now, out);
            }
        }
    }

    /// A mailbox got a message. Since 13 at the latest (seen in 16.28 and 22.10) the event also says by
    /// whose channel; where it does not, it is guessed.
    pub(super) fn message_waiting(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(mailbox) = message.text("Mailbox") else { return };
        if let Some(id) = message.text("Uniqueid") {
            // Without a new message it is somebody who listens to the mailbox.
            let new = message.number::<u32>("New").is_some_and(|count| count > 0);
            if let Some(key) = self.call_of(&id).filter(|_| new) {
                self.tell(key, Event::ReachedVoicemail, now, out);
            }
        } else if let Some(key) = quirks::voicemail_without_dialplan_events(self, &mailbox) {
            self.tell(key, Event::ReachedVoicemail, now, out);
        }
    }

    /// An analogue line tells the caller's number after the channel is born.
    pub(super) fn new_caller_id(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
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

    pub(super) fn var_set(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        match message.get("Variable") {
            Some(b"MIXMONITOR_FILENAME") => self.recording_named(message, now, out),
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
            _ => self.variable_set(message, now, out),
        }
    }

    pub(super) fn rename(&mut self, message: &Message<'_>) {
        if let (Some(id), Some(name)) = (message.text("Uniqueid"), message.text("Newname"))
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.name = name.as_ref().into();
        }
    }

    pub(super) fn hangup_request(&mut self, event: &str, message: &Message<'_>) {
        let Some(id) = message.text("Uniqueid") else { return };
        let Some(leg) = self.legs.get(&id) else { return };
        let (Some(key), alone) = (leg.call, leg.bridge.is_none()) else { return };
        let near = self.is_near(key, &id);
        let Some(call) = self.calls.get_mut(&key) else { return };
        // Where the call goes on after an agent hung up (`Dial` with `g`, `Queue` with `c`), the caller ends it later.
        if call.hung_up_by.is_some() && !(near && alone) {
            return;
        }
        if near && quirks::caller_asks_for_the_end(event, message.get("Cause"), call.last_dial) {
            call.hung_up_by = Some(EndedBy::Caller);
        } else if !near && event == "HangupRequest" {
            let mut heard = Vec::new();
            self.legs.hears(&call.near, &mut heard);
            if heard.contains(&&*id) {
                call.hung_up_by = Some(EndedBy::Called);
            }
        }
    }

    pub(super) fn hang_up(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(id) = message.text("Uniqueid") else { return };
        self.remove_leg(&id, false, now, out);
    }

    /// A leg is gone. With the caller's leg the call is over.
    pub(in super::super) fn remove_leg(
        &mut self,
        id: &str,
        estimated: bool,
        now: Timestamp,
        out: &mut Vec<Heard>,
    ) {
        let Some(key) = self.legs.remove(id).and_then(|leg| leg.call) else { return };
        if !self.is_near(key, id) {
            self.look_who_speaks(key, now, out);
            return;
        }
        let Some(call) = self.calls.get(&key) else { return };
        let refused = call.last_dial == Some(DialResult::Busy) && !call.queued;
        let by = call.hung_up_by.unwrap_or(if refused { EndedBy::Called } else { EndedBy::Pbx });
        let event = Event::HungUp { by: (!estimated).then_some(by), last_dial: call.last_dial, estimated };
        self.tell(key, event, now, out);
        if let Some(call) = self.calls.remove(&key) {
            for link in &call.links {
                self.by_link.remove(link);
            }
        }
    }
}
