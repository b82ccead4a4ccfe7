//! The recording of a call as the state machine sees it: begun, kept, attached, or missing.
//!
//! A recording is begun at the answer and ends with the call, so transfers go on in it. What the PBX
//! tells of its files is believed; what it was told and did not confirm is asked again after a restart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::TicketId;
use super::follow_up::Once;
use super::missed::{Joined, MissedAs};
use super::recording::{KeptRecording, RecordingAttachment, RecordingOrder, RecordingSought};
use super::rules::{KeepRules, RecordingRules, RecordingWay, Rules};
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
    /// It is not recorded now, because the disk is nearly full.
    pub held: bool,
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
    /// The sequence number of the work that attached them.
    pub attached_by: Option<u32>,
    /// Where the CRM has the first of them.
    pub address: Option<String>,
    /// They are kept, and the ticket that they belong to is not known yet.
    pub awaits_ticket: bool,
}

/// What is fetched after the call.
struct Fetched<'a> {
    rules: &'a KeepRules,
    files: Vec<String>,
    began: Timestamp,
    message: bool,
}

/// The ticket that a file belongs to.
enum TicketOf {
    Known(TicketId),
    Later,
    Never,
}

impl Recorded {
    /// Something is still owed.
    pub(super) fn owes(&self) -> bool {
        self.keep.owed() || self.attach.owed() || self.awaits_ticket
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

    /// Tells the PBX to begin once the call is answered, to stop before the disk is full, and to go on, into
    /// a further file, when there is room again.
    pub(super) fn want_recording(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        let Some(recording) = self.recording_rules(rules) else { return };
        let refused = self.recorded.failed.is_some();
        if self.phase != Phase::Talking || recording.way != RecordingWay::Start || refused {
            return;
        }
        let (runs, held) = (self.recorded.asked && !self.recorded.held, self.recorded.held);
        if recording.room && !runs {
            let Some(file) = self.path(&recording.file, rules) else { return };
            let file = part(&file, self.recorded.files.len() + 1);
            if held {
                step.tell(now, "the recording goes on", "there is room on the disk again");
            }
            (self.recorded.asked, self.recorded.held) = (true, false);
            step.effects.push(Effect::Record(RecordingOrder::Start { file }));
        } else if !recording.room && !held {
            self.recorded.held = true;
            let what = if runs { "the recording is stopped" } else { "the call is not recorded" };
            step.tell(now, what, "the disk is nearly full");
            if runs {
                step.effects.push(Effect::Record(RecordingOrder::Stop));
            }
        } else {
            return;
        }
        step.durable = true;
    }

    /// After a restart: what was asked and not confirmed is asked again. The source tells first what
    /// is recorded already.
    pub(super) fn resume_recording(&mut self) {
        if self.recorded.files.is_empty() && self.recorded.failed.is_none() && !self.recorded.held {
            self.recorded.asked = false;
        }
    }

    /// Owes what is to be done with the recording of a call that is over, or with the caller's message.
    pub(super) fn want_kept(&mut self, rules: &Rules, step: &mut Step) {
        let Phase::Ended { at: ended, .. } = self.phase else { return };
        // Nothing must be waited for that the config does not want any more.
        self.recorded.awaits_ticket = false;
        let Some(Fetched { rules: keep, files, began, message }) = self.fetched(rules) else { return };
        if self.recorded.keep == Once::NotYet {
            if files.is_empty() {
                self.recorded.keep = Once::Done;
            } else {
                let name = self.path(&keep.name, rules).unwrap_or_else(|| self.id.pbx().to_owned());
                let give_up = ended.checked_add(keep.give_up_after).unwrap_or(ended);
                let sought = RecordingSought { files, name, began, ended, give_up, message };
                self.recorded.keep = self.owe(Task::KeepRecording(Box::new(sought)), step);
            }
        }
        let wanted = keep.attach && !self.recorded.kept.is_empty() && self.recorded.attach == Once::NotYet;
        let ticket = self.ticket_of_kept();
        self.recorded.awaits_ticket = wanted && matches!(ticket, TicketOf::Later);
        if let (true, TicketOf::Known(ticket)) = (wanted, ticket) {
            let attachment = RecordingAttachment {
                ticket,
                files: self.recorded.kept.clone(),
                name: self.path(&keep.shown, rules).unwrap_or_else(|| "recording".to_owned()),
                comment: self.text(&keep.comment, rules).unwrap_or_default(),
                public: keep.public,
            };
            self.recorded.attach = self.owe(Task::AttachRecording(Box::new(attachment)), step);
        }
    }

    /// An answered call's recording, or the message of one that nobody answered, once it is decided that it
    /// has a ticket.
    fn fetched<'a>(&self, rules: &'a Rules) -> Option<Fetched<'a>> {
        if let Some(began) = self.answered {
            let recording = self.recording_rules(rules)?;
            let files = match recording.way {
                _ if !self.recorded.files.is_empty() => self.recorded.files.clone(),
                RecordingWay::Find => self.path(&recording.file, rules).into_iter().collect(),
                RecordingWay::Start => Vec::new(),
            };
            return Some(Fetched { rules: &recording.keep, files, began, message: false });
        }
        let group = rules.groups.named(self.group.as_deref()?)?;
        let (message, file) = (group.message.as_deref()?, self.voicemail_file.clone()?);
        match self.after.missed {
            MissedAs::Alone | MissedAs::Into(_) => {
                Some(Fetched { rules: message, files: vec![file], began: self.started, message: true })
            }
            MissedAs::NotMissed | MissedAs::Undecided => None,
        }
    }

    fn ticket_of_kept(&self) -> TicketOf {
        match (&self.after.missed, self.after.joined, &self.ticket) {
            (MissedAs::Into(_), Joined::NotYet, _) => TicketOf::Later,
            (MissedAs::Into(_), Joined::Ticket(ticket), _) => TicketOf::Known(ticket),
            (MissedAs::Into(_), Joined::Never, _) | (_, _, Ticket::Refused { .. }) => TicketOf::Never,
            (_, _, Ticket::Stands(standing)) if standing.ticket == TicketId::NONE => TicketOf::Never,
            (_, _, Ticket::Stands(standing)) => TicketOf::Known(standing.ticket),
            (_, _, Ticket::None | Ticket::Owed { .. }) => TicketOf::Later,
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
        let attach = self.fetched(rules).is_some_and(|fetched| fetched.rules.attach);
        let recorded = &mut self.recorded;
        if recorded.missing_told || !attach {
            return None;
        }
        let reason = recorded.missing.as_ref()?;
        recorded.missing_told = true;
        let what = if self.answered.is_some() { "recording of this call" } else { "caller's message" };
        Some(format!("The {what} is missing: {reason}."))
    }
}

/// The file of a further part of the same recording: what was begun before must not be written over.
fn part(file: &str, number: usize) -> String {
    if number < 2 {
        return file.to_owned();
    }
    match file.rsplit_once('.') {
        Some((stem, ending)) if !ending.contains('/') => format!("{stem}-{number}.{ending}"),
        _ => format!("{file}-{number}"),
    }
}
