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
}

/// The classes that are of use; the PBX sends those that the account may read. `dialplan` is what shows
/// FreePBX's ring groups and, without a new message, the voice mail; `user` is for pausing recordings.
pub const CLASSES: &str = "system,call,agent,dialplan,user";

/// The variables whose `VarSet` tells something, besides those of the config.
pub(super) const VARIABLES: &[&str] = &["NODEST", "FROMQUEUEEXTEN", "MIXMONITOR_FILENAME", "VM_MESSAGEFILE"];

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
