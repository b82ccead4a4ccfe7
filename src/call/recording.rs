//! The recording of a call: what the PBX is told, what is looked for, what is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::TicketId;

/// What the PBX is told about the recording of a call. Not durable: a call that is gone is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOrder {
    /// Record the caller's channel into this file: a path on the PBX, with the ending of the format.
    Start {
        /// The file.
        file: String,
    },
    /// Stop what was started by us.
    Stop,
    /// Leave the next part out.
    Pause,
    /// Go on after a pause.
    Resume,
}

/// A recording that must be fetched from where the PBX puts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingSought {
    /// The files as the PBX names them, in order; `*` stands for any part of a name within one folder.
    pub files: Vec<String>,
    /// What the kept file is called: relative, without the ending of the format.
    pub name: String,
    /// When that began which was recorded: the answer, or the greeting of a mailbox.
    pub began: Timestamp,
    /// When the call ended: the file is complete some time after.
    pub ended: Timestamp,
    /// What is not there by then never comes.
    pub give_up: Timestamp,
    /// A caller's message in a mailbox: the files are named without the ending of their format, and stay
    /// where they are.
    #[serde(default)]
    pub message: bool,
}

/// A file in the house's own keeping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRecording {
    /// Its name, relative to the folder of recordings.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// How long it plays, in seconds, where its header tells.
    pub seconds: Option<u32>,
    /// Where it was found; `None` when it stays there whatever the config says.
    #[serde(default)]
    pub source: Option<String>,
}

/// Recordings that must be attached to a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingAttachment {
    /// The ticket.
    pub ticket: TicketId,
    /// The files, in order.
    pub files: Vec<KeptRecording>,
    /// What they are called there, without the ending; empty: as they are kept.
    #[serde(default)]
    pub name: String,
    /// The comment that carries them.
    pub comment: String,
    /// Whether the requester may read it and hear them.
    pub public: bool,
}
