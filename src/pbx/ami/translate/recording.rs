//! Recordings: which file a call is recorded into, by whomever it was begun, and the orders about it.
//!
//! Of a call the caller's channel is recorded: it stays through transfers, parking and pick-ups, and with it the one
//! file. A channel that is moved (`Bridge` of AMI, a masquerade) takes its recording along; the Uniqueid, by which it
//! is named to the PBX, stays too. So a call gets a second file only when a second recording is begun.
//!
//! Sources: `app_mixmonitor` of 16.28 and 22.10, tried. `VarSet` (class `dialplan`) comes before `MixMonitorStart`
//! (class `call`), which does not name the file. At the end of a channel no `MixMonitorStop` comes.
//! Deliberately absent: beginning anew what somebody else stopped (`MixMonitorStop`): the caller may have asked for it.

use jiff::Timestamp;

use super::super::legs::CallKey;
use super::super::message::{Message, decode, without_c_escapes};
use super::super::session::{RECORDING_FILE, RECORDING_ID, RecordingAsk, RecordingWhat};
use super::Translate;
use crate::call::{CallId, Event, Heard, RecordingOrder};

/// Asterisk's lines of input have about 1024 bytes.
const LONGEST_FILE: usize = 800;

/// What is known of the recordings of one call.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Recordings {
    /// The files, and whether they were told.
    files: Vec<(Box<str>, bool)>,
    /// The channels that are recorded, by Uniqueid.
    legs: Vec<Box<str>>,
    /// The recording that we began.
    ours: Option<Ours>,
    paused: bool,
    /// Whether it was last asked to be muted, while that is not answered.
    muting: Option<bool>,
}

#[derive(Clone, Debug)]
struct Ours {
    /// The channel, by Uniqueid.
    leg: Box<str>,
    file: Box<str>,
    /// Asterisk's id; without one the PBX has not answered the start yet.
    id: Option<Box<str>>,
    /// It runs, as the PBX said itself; else the start or a look at it waits for its answer.
    sure: bool,
    /// It is to be stopped as soon as it is sure.
    stop: bool,
    /// What is begun if it turns out that it does not run any more.
    next: Option<String>,
}

impl Translate {
    /// The source promises to put [`Translate::asks`] to the PBX: calls are recorded.
    #[must_use]
    pub fn with_recording(mut self) -> Self {
        self.records = true;
        self
    }

    /// The questions and orders for the PBX that came up since the last time.
    pub fn asks(&mut self) -> Vec<RecordingAsk> {
        std::mem::take(&mut self.asks)
    }

    /// The desk wants something. What cannot be done is told.
    pub fn order(&mut self, call: &CallId, order: RecordingOrder, now: Timestamp, out: &mut Vec<Heard>) {
        let near = call.pbx();
        let key = self.call_of(near).filter(|key| self.calls.get(key).is_some_and(|known| known.id == *call));
        let Some(key) = key else {
            if let RecordingOrder::Start { .. } = order {
                let event = Event::RecordingFailed { reason: "the call is over".to_owned() };
                out.push(Heard { call: call.clone(), at: now, event });
            }
            return;
        };
        match order {
            RecordingOrder::Start { file } => self.start(key, file, now, out),
            RecordingOrder::Stop => self.stop(key),
            RecordingOrder::Pause => self.mute(key, true),
            RecordingOrder::Resume => self.mute(key, false),
        }
    }

    fn start(&mut self, key: CallKey, file: String, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        match &mut call.recordings.ours {
            // Asked already, or looked at, or it runs: nothing is begun twice.
            Some(ours) if !ours.sure => {
                ours.stop = false;
                ours.next = ours.id.is_some().then_some(file);
            }
            Some(ours) if !ours.stop => {
                let event = Event::RecordingStarted { file: ours.file.to_string() };
                self.tell(key, event, now, out);
            }
            _ if !is_safe(&file) => {
                let reason = format!(
                    "the name of the file has a character that Asterisk reads otherwise, or is too long: {file}"
                );
                self.tell(key, Event::RecordingFailed { reason }, now, out);
            }
            _ => {
                let leg = call.near.clone();
                let name = file.as_str().into();
                call.recordings.ours =
                    Some(Ours { leg, file: name, id: None, sure: false, stop: false, next: None });
                let leg = call.near.to_string();
                self.asks.push(RecordingAsk { leg, what: RecordingWhat::Start { file } });
            }
        }
    }

    fn stop(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(ours) = &mut call.recordings.ours else { return };
        ours.stop = true;
        ours.next = None;
        if let (Some(id), true) = (&ours.id, ours.sure) {
            let what = RecordingWhat::Stop { id: id.to_string() };
            self.asks.push(RecordingAsk { leg: ours.leg.to_string(), what });
        }
    }

    /// Asterisk mutes all recordings of a channel, the PBX's own as well.
    fn mute(&mut self, key: CallKey, muted: bool) {
        let Some(Recordings { ours, legs, muting, .. }) =
            self.calls.get_mut(&key).map(|call| &mut call.recordings)
        else {
            return;
        };
        let ours = ours.as_ref().map(|ours| &ours.leg);
        for leg in legs.iter().chain(ours.filter(|leg| !legs.contains(leg))) {
            if self.legs.get(leg).is_some() {
                *muting = Some(muted);
                self.asks.push(RecordingAsk { leg: leg.to_string(), what: RecordingWhat::Mute { muted } });
            }
        }
    }

    /// The PBX answered one of the [`Translate::asks`].
    pub fn answered(
        &mut self,
        ask: &RecordingAsk,
        answer: &Result<Option<String>, String>,
        now: Timestamp,
        out: &mut Vec<Heard>,
    ) {
        let Some(key) = self.call_of(&ask.leg) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let recordings = &mut call.recordings;
        if let RecordingWhat::Mute { muted } = ask.what {
            recordings.muting.take_if(|asked| *asked == muted);
        }
        match (&ask.what, answer) {
            (RecordingWhat::Start { file }, Ok(id)) => {
                // The link was cut meanwhile, and the answer to another question told it.
                let Some(ours) = recordings.ours.as_mut().filter(|ours| *ours.file == **file) else { return };
                ours.id = Some(id.clone().unwrap_or_default().into());
                ours.sure = true;
                let stop = ours.stop;
                self.begun(key, &ask.leg, file, now, out);
                if stop {
                    self.stop(key);
                }
            }
            (RecordingWhat::Start { .. }, Err(reason)) => {
                recordings.ours = None;
                self.tell(key, Event::RecordingFailed { reason: reason.clone() }, now, out);
            }
            // Refused: it was stopped already.
            (RecordingWhat::Stop { id }, _) => {
                if recordings.ours.as_ref().is_some_and(|ours| ours.id.as_deref() == Some(id)) {
                    recordings.ours = None;
                }
            }
            (RecordingWhat::Mute { muted }, Ok(_)) => self.paused(key, *muted, now, out),
            (RecordingWhat::Look { id: Some(id) }, answer) => {
                let looked_at = |ours: &&mut Ours| ours.id.as_deref() == Some(id) && !ours.sure;
                let Some(ours) = recordings.ours.as_mut().filter(looked_at) else { return };
                if let Ok(None) = answer {
                    let next = recordings.ours.take().and_then(|ours| ours.next);
                    return next.into_iter().for_each(|file| self.start(key, file, now, out));
                }
                // Without the right to ask, it likely runs: nothing that would write over it is begun.
                if let Ok(Some(file)) = answer
                    && !is_same(&ours.file, file)
                {
                    ours.file = file.as_str().into();
                }
                ours.sure = true;
                let (file, stop) = (ours.file.clone(), ours.stop);
                self.begun(key, &ask.leg, &file, now, out);
                if stop {
                    self.stop(key);
                }
            }
            (RecordingWhat::Look { id: None }, Ok(Some(file))) => self.begun(key, &ask.leg, file, now, out),
            (RecordingWhat::Mute { .. } | RecordingWhat::Look { .. }, _) => {}
        }
    }

    /// A recording runs. Each file is told once.
    fn begun(&mut self, key: CallKey, leg: &str, file: &str, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if !call.recordings.legs.iter().any(|known| **known == *leg) {
            call.recordings.legs.push(leg.into());
        }
        if call.recordings.files.iter().any(|(known, _)| is_same(known, file)) {
            return;
        }
        call.recordings.files.push((file.into(), false));
        // A new recording is not muted, whatever an earlier one was.
        self.paused(key, false, now, out);
        self.tell_recordings(key, now, out);
    }

    /// Tells what is new, of a call that is announced.
    pub(super) fn tell_recordings(&mut self, key: CallKey, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.announced) else { return };
        let news = call.recordings.files.iter_mut().filter(|(_, told)| !told);
        let files: Vec<String> = news
            .map(|(file, told)| {
                *told = true;
                file.to_string()
            })
            .collect();
        for file in files {
            self.tell(key, Event::RecordingStarted { file }, now, out);
        }
    }

    fn paused(&mut self, key: CallKey, paused: bool, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.recordings.paused != paused) else {
            return;
        };
        call.recordings.paused = paused;
        if call.announced {
            self.tell(key, Event::RecordingPaused { paused }, now, out);
        }
    }

    /// `VarSet` of `MIXMONITOR_FILENAME`: somebody records. What we began ourselves is told with its answer, by the
    /// name that it was ordered with.
    pub(super) fn recording_named(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(file)) = (message.text("Uniqueid"), message.get("Value")) else { return };
        let file = without_c_escapes(&decode(file));
        let Some(key) = self.call_of(&id).filter(|_| !file.is_empty()) else { return };
        let ours = self.calls.get(&key).and_then(|call| call.recordings.ours.as_ref());
        if !ours.is_some_and(|ours| is_same(&ours.file, &file)) {
            self.begun(key, &id, &file, now, out);
        }
    }

    /// `MixMonitorStart`: without the class `dialplan` it is the only word of it, and the file must be asked for.
    pub(super) fn recording_started(&mut self, message: &Message<'_>) {
        let Some(id) = message.text("Uniqueid").filter(|_| self.records) else { return };
        let Some(call) = self.call_of(&id).and_then(|key| self.calls.get(&key)) else { return };
        let known = call.recordings.legs.iter().any(|leg| **leg == *id);
        if !known && (call.recordings.ours.is_none() || *call.near != *id) {
            self.asks.push(RecordingAsk { leg: id.into_owned(), what: RecordingWhat::Look { id: None } });
        }
    }

    /// `MixMonitorMute`, by whomever.
    pub(super) fn recording_muted(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(id), Some(state)) = (message.text("Uniqueid"), message.get("State")) else { return };
        // One direction alone still has half of what is said.
        let both = message.get("Direction").is_none_or(|direction| direction.eq_ignore_ascii_case(b"both"));
        if let Some(key) = self.call_of(&id).filter(|_| both) {
            self.paused(key, state == b"1", now, out);
        }
    }

    /// `UserEvent(RingdeskRecording,Order: pause)` on any channel of the call: by the dialplan, with all that a channel
    /// event has, or by AMI, which only has what its sender wrote.
    pub(super) fn user_event(&mut self, message: &Message<'_>) {
        if !message.get("UserEvent").is_some_and(|name| name.eq_ignore_ascii_case(b"RingdeskRecording")) {
            return;
        }
        let muted = match message.get("Order") {
            Some(order) if order.eq_ignore_ascii_case(b"pause") => true,
            Some(order) if order.eq_ignore_ascii_case(b"resume") => false,
            _ => return,
        };
        let of_leg = message.text("Uniqueid").and_then(|id| self.call_of(&id));
        let of_name = || self.legs.named(&message.text("Channel")?).and_then(|leg| leg.call);
        if let Some(key) = of_leg.or_else(of_name).filter(|_| self.records) {
            self.mute(key, muted);
        }
    }

    /// After a gap: what the list of channels tells of recordings. Those that were begun by us, in this life or an
    /// earlier one, are looked at, for their variables stay when they are stopped.
    pub(in super::super) fn recordings_listed(
        &mut self,
        leg: &str,
        variables: &[(Vec<u8>, Vec<u8>)],
        now: Timestamp,
        out: &mut Vec<Heard>,
    ) {
        let Some(key) = self.call_of(leg).filter(|_| self.records) else { return };
        let value = |name: &str| {
            let mut values = variables.iter().filter(|(known, _)| known == name.as_bytes());
            let (_, value) = values.find(|(_, value)| !value.is_empty() && value != b"(null)")?;
            Some(decode(value).into_owned())
        };
        let near = *self.calls[&key].near == *leg;
        let file = value(RECORDING_FILE);
        match value(RECORDING_ID) {
            Some(id) if near => self.look(key, id, file.unwrap_or_default()),
            _ => {
                if let Some(file) = file {
                    self.begun(key, leg, &file, now, out);
                }
                if near {
                    self.ask_again(key);
                }
            }
        }
        if let (Some(muted), true) = (self.calls[&key].recordings.muting, near) {
            self.mute(key, muted);
        }
    }

    /// The caller's channel has the id of a recording that we began.
    fn look(&mut self, key: CallKey, id: String, file: String) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let before = call.recordings.ours.take_if(|ours| !(ours.sure && ours.id.as_deref() == Some(&*id)));
        if call.recordings.ours.is_some() {
            return;
        }
        let leg = call.near.clone();
        let mut ours = Ours {
            leg,
            file: file.into(),
            id: Some(id.as_str().into()),
            sure: false,
            stop: false,
            next: None,
        };
        if let Some(before) = before.filter(|before| !before.sure) {
            ours.stop = before.stop;
            if is_same(&before.file, &ours.file) {
                // The desk knows it by the name that it ordered.
                ours.file = before.file.clone();
            }
            ours.next = (!before.stop).then_some(before.file.into());
        }
        let leg = ours.leg.to_string();
        call.recordings.ours = Some(ours);
        self.asks.push(RecordingAsk { leg, what: RecordingWhat::Look { id: Some(id) } });
    }

    /// A start whose answer was lost with the link, and that the PBX did not hear either.
    fn ask_again(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(ours) = call.recordings.ours.as_ref().filter(|ours| ours.id.is_none()) else { return };
        if ours.stop {
            call.recordings.ours = None;
            return;
        }
        let what = RecordingWhat::Start { file: ours.file.to_string() };
        self.asks.push(RecordingAsk { leg: ours.leg.to_string(), what });
    }

    /// The PBX does not tell what is up: starts whose answers were lost with the link may run or not, and are not
    /// begun a second time, which would write over the file.
    pub(in super::super) fn starts_are_lost(&mut self, now: Timestamp, out: &mut Vec<Heard>) {
        let lost =
            |call: &super::CallLegs| call.recordings.ours.as_ref().is_some_and(|ours| ours.id.is_none());
        let mut keys: Vec<_> =
            self.calls.iter().filter(|(_, call)| lost(call)).map(|(key, _)| *key).collect();
        keys.sort();
        for key in keys {
            if let Some(call) = self.calls.get_mut(&key) {
                call.recordings.ours = None;
            }
            let reason = "the connection was lost before the PBX answered".to_owned();
            self.tell(key, Event::RecordingFailed { reason }, now, out);
        }
    }
}

impl Recordings {
    /// Two calls are one from here on. What the other one was recorded into is its own; what still runs can be paused
    /// and stopped.
    pub(super) fn join(&mut self, other: Self) {
        self.legs.extend(other.legs);
        self.ours = self.ours.take().or(other.ours);
    }
}

/// Asterisk puts the folder of recordings before a relative name.
fn is_same(known: &str, file: &str) -> bool {
    let ends_with = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
    };
    !known.is_empty() && !file.is_empty() && (ends_with(known, file) || ends_with(file, known))
}

/// The action puts file and options together with commas and takes them apart again, heeding brackets, quotes and
/// backslashes.
fn is_safe(file: &str) -> bool {
    let plain = |letter: char| !letter.is_control() && !",\"'\\()[]{}|$^&".contains(letter);
    (1..=LONGEST_FILE).contains(&file.len()) && file.chars().all(plain)
}

#[cfg(test)]
mod tests;
