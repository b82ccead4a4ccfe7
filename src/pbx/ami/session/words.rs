//! What a session is told in the beginning, and what it tells.

use std::time::Duration;

use crate::call::Agent;
use crate::config::Secret;

/// How an AMI account logs in and what it wants to hear.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name in manager.conf.
    pub username: String,
    /// The secret.
    pub secret: Secret,
    /// The secret may be sent as it is when the PBX refuses the challenge: the connection is
    /// encrypted, or does not leave the machine.
    pub plain_allowed: bool,
    /// The classes of events that are asked for, as in manager.conf; the PBX sends what the account
    /// may read of them.
    pub classes: &'static str,
    /// The channel variables that are wanted, as the config writes them.
    pub variables: Vec<String>,
    /// Events of these classes that the PBX is asked to keep to itself, by name.
    pub unwanted: &'static [&'static str],
    /// Calls are recorded: it is asked whether the account may do that, and what is recorded already.
    pub records: bool,
}

/// The classes that are of use; the PBX sends those that the account may read. `dialplan` is what shows
/// FreePBX's ring groups and, without a new message, the voice mail; `user` is for pausing recordings.
pub const CLASSES: &str = "system,call,agent,dialplan,user";

/// The variables whose `VarSet` tells something, besides those of the config.
pub(super) const VARIABLES: &[&str] = &["NODEST", "FROMQUEUEEXTEN", "MIXMONITOR_FILENAME", "VM_MESSAGEFILE"];

/// The variable of a channel in which Asterisk leaves the id of the recording that we began there. A later
/// life of the daemon finds it.
pub const RECORDING_ID: &str = "RINGDESK_RECORDING";

/// The variable in which Asterisk names the file of the recording that began last on a channel. It stays when the
/// recording is stopped.
pub const RECORDING_FILE: &str = "MIXMONITOR_FILENAME";

/// Events of these classes that tell nothing about calls.
pub const UNWANTED: &[&str] = &[
    "TestEvent",
    "RTCPSent",
    "RTCPReceived",
    "DeviceStateChange",
    "PresenceStateChange",
    "ExtensionStatus",
    "PresenceStatus",
    "QueueMemberStatus",
    "PeerStatus",
    "ContactStatus",
    "Registry",
    "ChallengeSent",
    "SuccessfulAuth",
    "RequestBadFormat",
];

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the connection to the banner, and for each step of the log-in.
    pub hello: Duration,
    /// From any other action to its answer, and between the items of a list.
    pub answer: Duration,
    /// From the log-in to `FullyBooted`. An account that may not read the class `system` never
    /// hears it; a PBX that is up sends it at once.
    pub booted: Duration,
    /// From the question whether a number may be shown to the word that it is not known yet.
    pub presentation: Duration,
    /// Between two pings.
    pub ping_every: Duration,
    /// From a ping to any sign of life.
    pub ping_deadline: Duration,
    /// How often users and queues are read again.
    pub house_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            booted: Duration::from_secs(1),
            presentation: Duration::from_millis(250),
            ping_every: Duration::from_secs(20),
            ping_deadline: Duration::from_secs(10),
            house_every: Duration::from_secs(4 * 60 * 60),
        }
    }
}

/// A list that the PBX is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// `CoreShowChannels`: one `CoreShowChannel` a channel.
    Channels,
    /// `Status`: one `Status` a channel, with what was dialled first (`DNID`) and FreePBX's `NODEST`.
    Status,
    /// `QueueStatus`: `QueueParams`, `QueueMember`, `QueueEntry`.
    Queues,
    /// `VoicemailUsersList`: one `VoicemailUserEntry` a mailbox. Kept by the session itself.
    Mailboxes,
}

impl List {
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Channels => "CoreShowChannels",
            Self::Status => "Status",
            Self::Queues => "QueueStatus",
            Self::Mailboxes => "VoicemailUsersList",
        }
    }
}

/// Whether the account may record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MayRecord {
    /// Nobody wanted to know, or the PBX did not tell.
    #[default]
    Unknown,
    /// It may.
    Yes,
    /// The account has no right `system`.
    NoRight,
    /// The PBX has no `app_mixmonitor`.
    NoModule,
}

/// A question or an order about the recording of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingAsk {
    /// The channel's Uniqueid. Asterisk takes it in place of the name (seen in 16.28 and 22.10), and unlike the name
    /// it stays the same.
    pub leg: String,
    /// What.
    pub what: RecordingWhat,
}

/// See [`RecordingAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingWhat {
    /// `MixMonitor`. The answer is the recording's id.
    Start {
        /// The file.
        file: String,
    },
    /// `StopMixMonitor`.
    Stop {
        /// The recording's id.
        id: String,
    },
    /// `MixMonitorMute`, both directions: of all recordings of the channel, for it knows no ids.
    Mute {
        /// Leave out what is said, or go on.
        muted: bool,
    },
    /// `Getvar`. The answer is the file of this recording, or nothing when it does not run any more.
    Look {
        /// The recording's id; without one that which began last on the channel.
        id: Option<String>,
    },
}

/// For whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An event of the PBX.
    Event,
    /// An item of a list that tells what is up.
    Item(List),
    /// The session's own.
    Own,
}

/// What the session tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Logged in.
    LoggedIn {
        /// The version of the protocol, from the banner: `11.0.0` is Asterisk 22.
        version: String,
    },
    /// From here on list items tell what is up.
    ResyncBegan,
    /// All list items were there.
    ResyncDone {
        /// All channels that are up were told. `false` when the account may not list them.
        whole: bool,
    },
    /// The PBX told whether a caller's number may be shown.
    Presentation {
        /// The channel's Uniqueid, as asked.
        uniqueid: String,
        /// `None` when it did not tell (in time): the channel is gone, the account may not ask.
        /// After a late answer the event comes a second time.
        withheld: Option<bool>,
    },
    /// What the PBX tells about its users and queues.
    House {
        /// The owners of mailboxes.
        agents: Vec<Agent>,
        /// Queues with their wrap-up time in seconds.
        queues: Vec<(String, Option<u32>)>,
    },
    /// Whether the account may record; told after each log-in when it is wanted.
    MayRecord(MayRecord),
    /// The PBX did what was asked about a recording, or why not.
    Recording {
        /// What was asked.
        ask: RecordingAsk,
        /// What the question is about: an id, a file. Else the PBX's words, with the way out.
        answer: Result<Option<String>, String>,
    },
    /// The account may not do something that is wanted; the session goes on without.
    NotAllowed {
        /// The action.
        action: &'static str,
        /// The PBX's words.
        message: String,
    },
    /// The PBX says that it is going down.
    ShuttingDown,
    /// The log-in was refused: the session is over.
    LoginRefused {
        /// Why, with the way out.
        reason: String,
    },
    /// What answers is no AMI: the session is over.
    WrongPeer {
        /// What it said.
        reason: String,
    },
    /// The connection is of no use any more.
    Dead {
        /// Why.
        reason: String,
    },
}
