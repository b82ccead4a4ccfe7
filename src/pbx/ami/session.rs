//! One AMI connection as a state, without I/O and without a clock.
//!
//! Messages and the time go in; bytes to send and [`SessionEvent`]s come out. In order: banner,
//! challenge, log-in, the wait for `FullyBooted`, the event filter, the lists of what is up, and then
//! nothing but pings and questions until the connection ends.
//!
//! Source: the AMI pages of Asterisk's documentation, and captures of Asterisk 16 and 22.
//! Deliberately absent: what events mean ([`super::translate`]), and trying again
//! ([`super::driver`]).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

use super::action;
use super::house::House;
use super::message::{Kind, Message};
use crate::call::Agent;
use crate::config::Secret;

/// What our actions are numbered with, so that answers to somebody else's are not taken for ours.
const ID_PREFIX: &str = "ringdesk-";

/// Questions that may wait for their answers at the same time. Fifty calls a second with an answer
/// time of a second need fifty.
const QUESTIONS: usize = 1000;

/// A channel's name has 80 characters in Asterisk; its lines of input have about 1024 bytes.
const CHANNEL_NAME_LIMIT: usize = 200;

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
    /// Events of these classes that the PBX is asked to keep to itself, by name.
    pub unwanted: &'static [&'static str],
}

/// The classes that are of use; the PBX sends those that the account may read. `dialplan` is what shows
/// FreePBX's ring groups and, without a new message, the voice mail; `user` is for pausing recordings.
pub const CLASSES: &str = "system,call,agent,dialplan,user";

/// Events of these classes that tell nothing about calls.
pub const UNWANTED: &[&str] = &[
    "VarSet",
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
    /// `Status`: one `Status` a channel, with what was dialled first (`DNID`).
    Status,
    /// `QueueStatus`: `QueueParams`, `QueueMember`, `QueueEntry`.
    Queues,
    /// `VoicemailUsersList`: one `VoicemailUserEntry` a mailbox. Kept by the session itself.
    Mailboxes,
}

impl List {
    fn action(self) -> &'static str {
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

/// One connection.
#[derive(Debug)]
pub struct Session {
    account: Account,
    timing: Timing,
    phase: Phase,
    version: String,
    requests: BTreeMap<u64, Request>,
    last_id: u64,
    questions: usize,
    resync: Option<Resync>,
    house: House,
    house_due: Option<Instant>,
    ping_due: Option<Instant>,
    heard_at: Instant,
    output: Vec<u8>,
    events: VecDeque<SessionEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting { until: Instant },
    LoggingIn,
    Booting { until: Instant },
    Live { booted: bool },
    Over,
}

/// An action that waits for its answer.
#[derive(Debug)]
struct Request {
    id: u64,
    what: What,
    sent: Instant,
    deadline: Instant,
}

#[derive(Debug)]
enum What {
    Challenge,
    Login,
    Filter,
    Ping,
    List(List),
    Presentation { uniqueid: String, late: bool },
}

/// How the lists of a resync ended; `None` while they are being read.
#[derive(Clone, Copy, Debug, Default)]
struct Resync {
    channels: Option<Outcome>,
    status: Option<Outcome>,
    queues: Option<Outcome>,
}

/// How a list ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Whole,
    /// The account may not ask for it, or the PBX does not know it.
    Refused,
    TimedOut,
}

impl Session {
    /// A session on a connection that was just made.
    pub fn new(account: Account, timing: Timing, now: Instant) -> Self {
        Self {
            account,
            timing,
            phase: Phase::Greeting { until: now + timing.hello },
            version: String::new(),
            requests: BTreeMap::new(),
            last_id: 0,
            questions: 0,
            resync: None,
            house: House::default(),
            house_due: None,
            ping_due: None,
            heard_at: now,
            output: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a message and says for whom it is.
    pub fn on_message(&mut self, message: &Message<'_>, now: Instant) -> Seen {
        self.heard_at = now;
        match (message.kind(), self.phase) {
            (_, Phase::Over) => Seen::Own,
            (Kind::Banner(banner), Phase::Greeting { .. }) => {
                self.on_banner(banner, now);
                Seen::Own
            }
            (_, Phase::Greeting { .. }) => {
                self.on_banner("", now);
                Seen::Own
            }
            (Kind::Response(status), _) => {
                if let Some(request) = self.take_request(message) {
                    self.on_response(request, status, message, now);
                }
                Seen::Own
            }
            (Kind::Event(_) | Kind::Banner(_) | Kind::Other, Phase::LoggingIn) => Seen::Own,
            (Kind::Event(name), Phase::Booting { .. } | Phase::Live { .. }) => {
                self.on_event(name, message, now)
            }
            (Kind::Banner(_) | Kind::Other, _) => Seen::Own,
        }
    }

    /// Does what is due. Call it at [`Session::wake_at`] or later, when all messages that have
    /// arrived were handed in.
    pub fn on_time(&mut self, now: Instant) {
        match self.phase {
            Phase::Greeting { until } if now >= until => {
                let seconds = self.timing.hello.as_secs();
                self.die(format!("it took the connection and said nothing for {seconds} s"));
            }
            Phase::Booting { until } if now >= until => self.go_live(false, now),
            _ => {}
        }
        while let Some(id) = self.overdue(now) {
            self.on_overdue(id);
        }
        if self.ping_due.is_some_and(|due| now >= due) {
            self.ping_due = Some(now + self.timing.ping_every);
            self.send(What::Ping, "Ping", &[], now);
        }
        if self.house_due.is_some_and(|due| now >= due) {
            self.house_due = Some(now + self.timing.house_every);
            self.read_house(now);
        }
    }

    /// When [`Session::on_time`] wants to be called.
    pub fn wake_at(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Greeting { until } | Phase::Booting { until } => Some(until),
            Phase::LoggingIn | Phase::Live { .. } => None,
            Phase::Over => return None,
        };
        let request = self.requests.values().map(|request| request.deadline).min();
        [phase, request, self.ping_due, self.house_due].into_iter().flatten().min()
    }

    /// Asks whether the number of a caller may be shown. A [`SessionEvent::Presentation`] comes within
    /// [`Timing::presentation`], whatever happens, unless the session ends.
    pub fn ask_presentation(&mut self, uniqueid: String, channel: &str, now: Instant) {
        let possible = matches!(self.phase, Phase::Booting { .. } | Phase::Live { .. })
            && self.questions < QUESTIONS
            && (1..=CHANNEL_NAME_LIMIT).contains(&channel.len());
        if !possible {
            self.tell(SessionEvent::Presentation { uniqueid, withheld: None });
            return;
        }
        self.questions += 1;
        let fields = [("Channel", channel), ("Variable", "CALLERID(num-pres)")];
        self.send(What::Presentation { uniqueid, late: false }, "Getvar", &fields, now);
    }

    /// Says goodbye; nothing is expected any more.
    pub fn log_off(&mut self) {
        if !matches!(self.phase, Phase::Greeting { .. } | Phase::Over) {
            action::write(&mut self.output, "Logoff", "ringdesk-end", &[]);
        }
        self.phase = Phase::Over;
    }

    /// The bytes to send; empty it after sending.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the session has something to tell.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the next thing the session has to tell.
    pub fn take_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    fn on_banner(&mut self, banner: &str, now: Instant) {
        // Some PBXs of the family put their own name before it.
        let Some((_, version)) = banner.split_once("Call Manager/") else {
            // An SSH or web server, or an AMI proxy without a greeting.
            let said: String = banner.chars().filter(|c| !c.is_control()).take(60).collect();
            self.over(SessionEvent::WrongPeer {
                reason: format!(
                    "it greets with `{said}`, not with `Asterisk Call Manager/…`: check the port"
                ),
            });
            return;
        };
        version.trim().clone_into(&mut self.version);
        self.phase = Phase::LoggingIn;
        self.send(What::Challenge, "Challenge", &[("AuthType", "MD5")], now);
    }

    fn on_event(&mut self, name: &str, message: &Message<'_>, now: Instant) -> Seen {
        match name {
            "FullyBooted" => {
                match self.phase {
                    Phase::Booting { .. } => self.go_live(true, now),
                    // It was still starting when we went on without waiting.
                    Phase::Live { booted: false } => self.go_live(true, now),
                    _ => {}
                }
                return Seen::Own;
            }
            "Shutdown" => self.tell(SessionEvent::ShuttingDown),
            // Users or queues may have changed; more reloads may follow at once.
            "Reload" if self.house_due.is_some() => {
                self.house_due = Some(now + Duration::from_secs(2));
            }
            _ => {}
        }
        // Without a list under way no event has an ActionID of ours; this is the usual case.
        if self.requests.is_empty() {
            return Seen::Event;
        }
        let Some(id) = id_of(message) else { return Seen::Event };
        let Some(Request { what: What::List(list), deadline, .. }) = self.requests.get_mut(&id) else {
            return Seen::Own;
        };
        let list = *list;
        *deadline = now + self.timing.answer;
        let end = match message.get("EventList") {
            Some(end) if end.eq_ignore_ascii_case(b"Complete") => Some(Outcome::Whole),
            Some(_) => Some(Outcome::Refused),
            None if name.ends_with("Complete") => Some(Outcome::Whole),
            None => None,
        };
        if let Some(outcome) = end {
            self.requests.remove(&id);
            self.list_ended(list, outcome);
            return Seen::Own;
        }
        self.house.on_item(list, message);
        let tells_what_is_up = list != List::Mailboxes && self.resync.is_some();
        if tells_what_is_up { Seen::Item(list) } else { Seen::Own }
    }

    fn on_response(&mut self, request: Request, status: &str, message: &Message<'_>, now: Instant) {
        let refused = status.eq_ignore_ascii_case("Error");
        let words = || message.text("Message").unwrap_or_default().into_owned();
        match request.what {
            What::Challenge => match message.text("Challenge") {
                Some(challenge) if !refused => self.answer_challenge(&challenge, now),
                _ => self.log_in_plainly(&words(), now),
            },
            What::Login if refused => {
                let reason = self.why_login_is_refused(&words());
                self.over(SessionEvent::LoginRefused { reason });
            }
            What::Login => {
                self.phase = Phase::Booting { until: now + self.timing.booted };
                self.ping_due = Some(now + self.timing.ping_every);
                self.tell(SessionEvent::LoggedIn { version: self.version.clone() });
                self.ask_for_filter(now);
            }
            What::Filter if refused => {
                self.tell(SessionEvent::NotAllowed { action: "Filter", message: words() });
            }
            What::Filter | What::Ping => {}
            What::List(list) if refused => {
                self.tell(SessionEvent::NotAllowed { action: list.action(), message: words() });
                self.list_ended(list, Outcome::Refused);
            }
            What::List(list) => {
                let follows = message.get("EventList").is_some() || words().ends_with("will follow");
                if follows {
                    let deadline = now + self.timing.answer;
                    self.requests.insert(request.id, Request { deadline, what: What::List(list), ..request });
                } else {
                    // "There are no voicemail users currently defined."
                    self.list_ended(list, Outcome::Whole);
                }
            }
            What::Presentation { uniqueid, late } => {
                self.questions -= 1;
                let message_text = words();
                if refused && message_text.contains("ermission") {
                    self.tell(SessionEvent::NotAllowed { action: "Getvar", message: message_text });
                }
                // `prohib_not_screened`, `prohib_passed_screen`, …; else `allowed…` or `unavailable`.
                let withheld = message
                    .get("Value")
                    .filter(|value| !refused && !value.is_empty())
                    .map(|value| value.starts_with(b"prohib"));
                if withheld.is_some() || !late {
                    self.tell(SessionEvent::Presentation { uniqueid, withheld });
                }
            }
        }
    }

    fn answer_challenge(&mut self, challenge: &str, now: Instant) {
        let digest = Md5::new().chain_update(challenge).chain_update(self.account.secret.expose()).finalize();
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.send_login(&[("AuthType", "MD5"), ("Key", &key)], now);
    }

    fn log_in_plainly(&mut self, words: &str, now: Instant) {
        if self.account.plain_allowed {
            let secret = self.account.secret.clone();
            self.send_login(&[("Secret", secret.expose())], now);
        } else {
            let reason = format!(
                "the PBX refuses the MD5 challenge (`{words}`), and the secret is not sent unencrypted over \
                 the network: use `tls = true`, or a connection on the same machine"
            );
            self.over(SessionEvent::LoginRefused { reason });
        }
    }

    fn send_login(&mut self, proof: &[(&str, &str)], now: Instant) {
        let username = self.account.username.clone();
        let fields: Vec<_> = [("Username", username.as_str()), ("Events", self.account.classes)]
            .into_iter()
            .chain(proof.iter().copied())
            .collect();
        self.send(What::Login, "Login", &fields, now);
    }

    fn why_login_is_refused(&self, words: &str) -> String {
        let advice = if words.to_ascii_lowercase().contains("in use") {
            "another connection uses the account, perhaps our own last one: give ringdesk an account of its \
             own, or set `allowmultiplelogin = yes` in manager.conf"
        } else {
            "check the account's `secret`, `permit` and `deny` in manager.conf"
        };
        format!("the PBX says `{words}` to the user `{}`: {advice}", self.account.username)
    }

    /// One regular expression for all names. It is matched against the whole text of an event, where
    /// a caller's name could say anything, hence the anchor; the newer `MatchCriteria` (18.26, 20.11,
    /// 21.6, 22.1) needs no anchor, but older versions take it for an empty expression, and the banner
    /// does not tell these versions apart. Needs the right `system`, which a careful account has not.
    fn ask_for_filter(&mut self, now: Instant) {
        if !self.account.unwanted.is_empty() {
            let filter = format!("!^Event: ({})[^A-Za-z]", self.account.unwanted.join("|"));
            self.send(What::Filter, "Filter", &[("Operation", "Add"), ("Filter", &filter)], now);
        }
    }

    fn go_live(&mut self, booted: bool, now: Instant) {
        self.phase = Phase::Live { booted };
        // The answers of a resync under way are of no use any more.
        self.requests.retain(|_, request| !matches!(request.what, What::List(_)));
        self.resync = Some(Resync::default());
        self.house_due = Some(now + self.timing.house_every);
        self.tell(SessionEvent::ResyncBegan);
        // `Status` first: the translator compares when `CoreShowChannels` is complete, and only `Status`
        // tells the number that was dialled first.
        self.ask_for_list(List::Status, now);
        self.ask_for_list(List::Channels, now);
        self.read_house(now);
    }

    fn read_house(&mut self, now: Instant) {
        self.requests
            .retain(|_, request| !matches!(request.what, What::List(List::Queues | List::Mailboxes)));
        self.house.begin();
        self.ask_for_list(List::Queues, now);
        self.ask_for_list(List::Mailboxes, now);
    }

    fn list_ended(&mut self, list: List, outcome: Outcome) {
        if let Some(resync) = &mut self.resync {
            match list {
                List::Channels => resync.channels = Some(outcome),
                List::Status => resync.status = Some(outcome),
                List::Queues => resync.queues = Some(outcome),
                List::Mailboxes => {}
            }
            if let Resync { channels: Some(channels), status: Some(status), queues: Some(_) } = *resync {
                self.resync = None;
                let whole = channels == Outcome::Whole || status == Outcome::Whole;
                self.tell(SessionEvent::ResyncDone { whole });
            }
        }
        if let Some((agents, queues)) = self.house.on_end(list, outcome) {
            self.tell(SessionEvent::House { agents, queues });
        }
    }

    fn overdue(&self, now: Instant) -> Option<u64> {
        self.requests.iter().find(|(_, request)| now >= request.deadline).map(|(id, _)| *id)
    }

    fn on_overdue(&mut self, id: u64) {
        let Some(request) = self.requests.remove(&id) else { return };
        let seconds = self.timing.answer.as_secs();
        match request.what {
            What::Challenge | What::Login => {
                let seconds = self.timing.hello.as_secs();
                self.die(format!("no answer to the log-in for {seconds} s"));
            }
            // Events are as good a sign of life as the pong.
            What::Ping if self.heard_at > request.sent => {}
            What::Ping => {
                let seconds = self.timing.ping_deadline.as_secs();
                self.die(format!("no answer to a ping for {seconds} s"));
            }
            What::List(list) if self.resync.is_some() && list != List::Mailboxes => {
                self.die(format!("no answer to {} for {seconds} s", list.action()));
            }
            What::List(list) => self.list_ended(list, Outcome::TimedOut),
            What::Filter => {}
            What::Presentation { late: true, .. } => self.questions -= 1,
            What::Presentation { uniqueid, late: false } => {
                self.tell(SessionEvent::Presentation { uniqueid: uniqueid.clone(), withheld: None });
                let deadline = request.sent + self.timing.answer;
                let what = What::Presentation { uniqueid, late: true };
                self.requests.insert(id, Request { deadline, what, ..request });
            }
        }
    }

    fn ask_for_list(&mut self, list: List, now: Instant) {
        self.send(What::List(list), list.action(), &[], now);
    }

    fn send(&mut self, what: What, name: &str, fields: &[(&str, &str)], now: Instant) {
        self.last_id += 1;
        let id = self.last_id;
        action::write(&mut self.output, name, &format!("{ID_PREFIX}{id}"), fields);
        let patience = match what {
            What::Presentation { .. } => self.timing.presentation,
            What::Ping => self.timing.ping_deadline,
            What::Challenge | What::Login => self.timing.hello,
            _ => self.timing.answer,
        };
        self.requests.insert(id, Request { id, what, sent: now, deadline: now + patience });
    }

    fn take_request(&mut self, message: &Message<'_>) -> Option<Request> {
        self.requests.remove(&id_of(message)?)
    }

    fn tell(&mut self, event: SessionEvent) {
        self.events.push_back(event);
    }

    fn die(&mut self, reason: String) {
        self.over(SessionEvent::Dead { reason });
    }

    fn over(&mut self, event: SessionEvent) {
        self.phase = Phase::Over;
        self.requests.clear();
        self.tell(event);
    }
}

fn id_of(message: &Message<'_>) -> Option<u64> {
    std::str::from_utf8(message.get("ActionID")?).ok()?.strip_prefix(ID_PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests;
