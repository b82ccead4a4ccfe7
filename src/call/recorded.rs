//! The recording of a call as the state machine sees it: begun, kept, attached, or missing.
//!
//! A recording is begun at the answer and ends with the call, so transfers go on in it. What the PBX
//! tells of its files is believed; what it was told and did not confirm is asked again after a restart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::TicketId;
use super::follow_up::Once;
use super::recording::{KeptRecording, RecordingAttachment, RecordingOrder, RecordingSought};
use super::rules::{RecordingRules, RecordingWay, Rules};
use super::state::{Call, Phase, Step, Ticket};
use super::work::{Effect, Task};

/// More parts than that are no recording of one call.
const PARTS: usize = 20;

/// The recording, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// The PBX was told to record.
    pub asked: bool,
    /// The files as the PBX names them, in order.
    pub files: Vec<String>,
    /// It leaves out what is said now.
    pub paused: bool,
    /// Why the PBX would not.
    pub failed: Option<String>,
    /// That the files are fetched.
    pub keep: Once,
    /// What is in our keeping.
    pub kept: Vec<KeptRecording>,
    /// Why there is nothing.
    pub missing: Option<String>,
    /// That is told in the ticket, or will be.
    pub missing_told: bool,
    /// That the files are attached to the ticket.
    pub attach: Once,
}

impl Recorded {
    /// Something is still owed.
    pub(super) fn owes(&self) -> bool {
        self.keep.owed() || self.attach.owed()
    }

    /// Work of this number is done or refused.
    pub(super) fn settled(&mut self, seq: u32) {
        for once in [&mut self.keep, &mut self.attach] {
            once.settled(seq);
        }
    }
}

impl Call {
    fn recording_rules<'a>(&self, rules: &'a Rules) -> Option<&'a RecordingRules> {
        if !self.watched() {
            return None;
        }
        rules.groups.named(self.group.as_deref()?)?.recording.as_deref()
    }

    /// The PBX records into this file, by our word or by its own.
    pub(super) fn recording_started(&mut self, file: &str, now: Timestamp, step: &mut Step) {
        let recorded = &mut self.recorded;
        if !self.phase.up()
            || recorded.files.iter().any(|known| known == file)
            || recorded.files.len() >= PARTS
        {
            return;
        }
        recorded.files.push(file.to_owned());
        recorded.failed = None;
        self.recording.get_or_insert_with(|| file.to_owned());
        step.durable = true;
        step.tell(now, "the call is recorded", format!("file {file}"));
    }

    pub(super) fn recording_failed(&mut self, reason: &str, now: Timestamp, step: &mut Step) {
        if self.recorded.asked && self.recorded.files.is_empty() && self.recorded.failed.is_none() {
            self.recorded.failed = Some(reason.to_owned());
            step.durable = true;
            step.tell(now, "the call is not recorded", reason);
        }
    }

    pub(super) fn recording_paused(&mut self, paused: bool, now: Timestamp, step: &mut Step) {
        if self.recorded.paused != paused && !self.recorded.files.is_empty() {
            self.recorded.paused = paused;
            step.tell(now, if paused { "the recording pauses" } else { "the recording goes on" }, "");
        }
    }

    /// Tells the PBX to begin, once the call is answered.
    pub(super) fn want_recording(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        let Some(recording) = self.recording_rules(rules) else { return };
        match self.phase {
            Phase::Talking if recording.way == RecordingWay::Start && !self.recorded.asked => {
                if !recording.room {
                    self.recording_refused_for_room(now, step);
                } else if let Some(file) = self.text(&recording.file, rules) {
                    self.recorded.asked = true;
                    step.effects.push(Effect::Record(RecordingOrder::Start { file }));
                }
            }
            _ => {}
        }
    }

    fn recording_refused_for_room(&mut self, now: Timestamp, step: &mut Step) {
        self.recorded.asked = true;
        self.recorded.failed = Some("the disk is nearly full".to_owned());
        step.durable = true;
        step.tell(now, "the call is not recorded", "the disk is nearly full");
    }

    /// The disk is nearly full: what runs is stopped before the PBX suffers.
    pub(super) fn stop_recording(&mut self, now: Timestamp, step: &mut Step) {
        if self.phase.up() && self.recorded.asked && self.recorded.failed.is_none() {
            step.tell(now, "the recording is stopped", "the disk is nearly full");
            step.durable = true;
            self.recorded.failed = Some("the disk was nearly full".to_owned());
            step.effects.push(Effect::Record(RecordingOrder::Stop));
        }
    }

    /// After a restart: what was asked and not confirmed is asked again. The source tells first what
    /// is recorded already.
    pub(super) fn resume_recording(&mut self) {
        if self.recorded.files.is_empty() && self.recorded.failed.is_none() {
            self.recorded.asked = false;
        }
    }

    /// Owes what is to be done with the recording of a call that is over.
    pub(super) fn want_kept(&mut self, rules: &Rules, step: &mut Step) {
        let Phase::Ended { at: ended, .. } = self.phase else { return };
        let (Some(recording), Some(answered)) = (self.recording_rules(rules), self.answered) else { return };
        if self.recorded.keep == Once::NotYet {
            let files = match recording.way {
                _ if !self.recorded.files.is_empty() => self.recorded.files.clone(),
                RecordingWay::Find => self.text(&recording.file, rules).into_iter().collect(),
                RecordingWay::Start => Vec::new(),
            };
            if files.is_empty() {
                self.recorded.keep = Once::Done;
            } else {
                let name = self.text(&recording.name, rules).unwrap_or_else(|| self.id.pbx().to_owned());
                let give_up = ended.checked_add(recording.give_up_after).unwrap_or(ended);
                let sought = RecordingSought { files, name, began: answered, ended, give_up, message: false };
                self.recorded.keep = self.owe(Task::KeepRecording(Box::new(sought)), step);
            }
        }
        let Ticket::Stands(standing) = &self.ticket else { return };
        let ticket = standing.ticket;
        let wanted = recording.attach && ticket != TicketId::NONE && !self.recorded.kept.is_empty();
        if wanted && self.recorded.attach == Once::NotYet {
            let attachment = RecordingAttachment {
                ticket,
                files: self.recorded.kept.clone(),
                comment: self.text(&recording.comment, rules).unwrap_or_default(),
                public: recording.public,
            };
            self.recorded.attach = self.owe(Task::AttachRecording(Box::new(attachment)), step);
        }
    }

    pub(super) fn recording_kept(&mut self, files: &[KeptRecording], now: Timestamp, step: &mut Step) {
        files.clone_into(&mut self.recorded.kept);
        let seconds: u32 = files.iter().filter_map(|file| file.seconds).sum();
        step.tell(now, "the recording is kept", format!("{} file(s), {seconds} s", files.len()));
    }

    pub(super) fn recording_missing(&mut self, reason: &str, now: Timestamp, step: &mut Step) {
        self.recorded.missing = Some(reason.to_owned());
        step.tell(now, "there is no recording", reason);
    }

    /// What the ticket is told of a recording that never came; once.
    pub(super) fn news_of_recording(&mut self, rules: &Rules) -> Option<String> {
        let attach = self.recording_rules(rules).is_some_and(|recording| recording.attach);
        let recorded = &mut self.recorded;
        if recorded.missing_told || !attach {
            return None;
        }
        let reason = recorded.missing.as_ref()?;
        recorded.missing_told = true;
        Some(format!("The recording of this call is missing: {reason}."))
    }
}
