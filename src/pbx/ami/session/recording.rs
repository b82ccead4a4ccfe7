//! Recordings: what the PBX is told and asked about them, and its answers.
//!
//! Source: `app_mixmonitor` of 16.28 and 22.10, tried. `MixMonitor` needs the right `system`, the others also go with
//! `call`. Success means that the recording was begun and not that the file could be written: a folder that cannot be
//! made or an ending that is no format are told nowhere on AMI.

use std::time::Instant;

use super::super::message::Message;
use super::words::{MayRecord, RECORDING_FILE, RECORDING_ID, RecordingAsk, RecordingWhat};
use super::{Phase, Session, SessionEvent, What};

impl Session {
    /// Asks or orders something about a recording. A [`SessionEvent::Recording`] follows unless the session ends before.
    pub fn order(&mut self, ask: RecordingAsk, now: Instant) {
        if !matches!(self.phase, Phase::Booting { .. } | Phase::Live { .. }) {
            self.tell(SessionEvent::Recording { ask, answer: Err("the PBX is not connected".to_owned()) });
            return;
        }
        let (leg, what) = (ask.leg.clone(), ask.what.clone());
        let what_for = What::Recording(ask);
        match what {
            RecordingWhat::Start { file } => {
                // `b`: only while it is connected to somebody. What a caller says to nobody, while the
                // next phone rings or music plays in a queue, is not for a file.
                let options = format!("bi({RECORDING_ID})");
                let fields = [("Channel", leg.as_str()), ("File", &file), ("Options", &options)];
                self.send(what_for, "MixMonitor", &fields, now);
            }
            RecordingWhat::Stop { id } => {
                let fields = [("Channel", leg.as_str()), ("MixMonitorID", &id)];
                self.send(what_for, "StopMixMonitor", &fields, now);
            }
            RecordingWhat::Mute { muted } => {
                let state = if muted { "1" } else { "0" };
                let fields = [("Channel", leg.as_str()), ("Direction", "both"), ("State", state)];
                self.send(what_for, "MixMonitorMute", &fields, now);
            }
            RecordingWhat::Look { id } => {
                let variable = match id {
                    Some(id) => format!("MIXMONITOR({id},filename)"),
                    None => RECORDING_FILE.to_owned(),
                };
                self.send(what_for, "Getvar", &[("Channel", &leg), ("Variable", &variable)], now);
            }
        }
    }

    /// Asks for the actions that the account may use. Harmless: everybody may, and it changes nothing.
    pub(super) fn ask_may_record(&mut self, now: Instant) {
        if self.account.records {
            self.send(What::Commands, "ListCommands", &[], now);
        }
    }

    pub(super) fn on_commands(&mut self, refused: bool, message: &Message<'_>) {
        let may = match () {
            () if refused => MayRecord::Unknown,
            () if message.get("MixMonitor").is_some() => MayRecord::Yes,
            // These two go with `call` as well; the first one is a part of the same module.
            () if message.get("StopMixMonitor").is_none() && message.get("Hangup").is_some() => {
                MayRecord::NoModule
            }
            () => MayRecord::NoRight,
        };
        self.tell(SessionEvent::MayRecord(may));
    }

    pub(super) fn on_recording(&mut self, ask: RecordingAsk, refused: bool, message: &Message<'_>) {
        let key = match ask.what {
            RecordingWhat::Start { .. } => "MixMonitorID",
            RecordingWhat::Look { .. } => "Value",
            RecordingWhat::Stop { .. } | RecordingWhat::Mute { .. } => "",
        };
        let answer = if refused {
            Err(way_out(&message.text("Message").unwrap_or_default(), &ask.what))
        } else {
            Ok(message.text(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
        };
        self.tell(SessionEvent::Recording { ask, answer });
    }
}

/// The PBX's words, and what a person can do about them.
fn way_out(words: &str, what: &RecordingWhat) -> String {
    let right = match what {
        RecordingWhat::Start { .. } => "system",
        RecordingWhat::Look { .. } => "call,reporting",
        RecordingWhat::Stop { .. } | RecordingWhat::Mute { .. } => "system,call",
    };
    if words.contains("ermission") {
        format!("{words}: give the account `write = {right}` in manager.conf")
    } else if words.contains("nknown command") {
        format!("{words}: load app_mixmonitor.so in modules.conf")
    } else {
        words.to_owned()
    }
}
