//! One AMI connection as a state, without I/O and without a clock.
//!
//! Messages and the time go in; bytes to send and [`SessionEvent`]s come out. In order: banner,
//! challenge, log-in, the wait for `FullyBooted`, the event filter, the lists of what is up, and then
//! nothing but pings and questions until the connection ends.
//!
//! Source: the AMI pages of Asterisk's documentation, and captures of Asterisk 16 and 22.
//! Deliberately absent: what events mean ([`super::translate`]), and trying again
//! ([`super::driver`]).

mod lists;
mod login;
mod recording;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::action;
use super::house::House;
use super::message::{Kind, Message};

pub(super) use lists::Outcome;
pub use words::{
    Account, CLASSES, List, MayRecord, RECORDING_FILE, RECORDING_ID, RecordingAsk, RecordingWhat, Seen,
    SessionEvent, Timing, UNWANTED,
};

/// What our actions are numbered with, so that answers to somebody else's are not taken for ours.
const ID_PREFIX: &str = "ringdesk-";

/// Questions that may wait for their answers at the same time. Fifty calls a second with an answer
/// time of a second need fifty.
const QUESTIONS: usize = 1000;

/// A channel's name has 80 characters in Asterisk; its lines of input have about 1024 bytes.
const CHANNEL_NAME_LIMIT: usize = 200;

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
    resync: Option<lists::Resync>,
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
    VarSets,
    Ping,
    List(List),
    Presentation { uniqueid: String, late: bool },
    WrapUp { queue: String },
    Commands,
    Recording(RecordingAsk),
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
            self.on_overdue(id, now);
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
        let Some(Request { what: What::List(list), .. }) = self.requests.get(&id) else {
            return Seen::Own;
        };
        self.on_list_event(id, *list, name, message, now)
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
                self.ask_may_record(now);
            }
            What::Filter if refused => {
                self.tell(SessionEvent::NotAllowed { action: "Filter", message: words() });
            }
            What::Filter => self.ask_for_var_sets(now),
            What::VarSets | What::Ping => {}
            What::Commands => self.on_commands(refused, message),
            What::Recording(ask) => self.on_recording(ask, refused, message),
            What::WrapUp { queue } => {
                let seconds = message.number("Value").filter(|_| !refused);
                self.on_wrap_up(&queue, seconds);
            }
            What::List(list) => self.on_list_response(request.id, list, refused, message, now),
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

    fn overdue(&self, now: Instant) -> Option<u64> {
        self.requests.iter().find(|(_, request)| now >= request.deadline).map(|(id, _)| *id)
    }

    fn on_overdue(&mut self, id: u64, now: Instant) {
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
            What::List(list) => self.list_ended(list, Outcome::TimedOut, now),
            What::WrapUp { queue } => self.on_wrap_up(&queue, None),
            What::Filter | What::VarSets => {}
            What::Commands => self.tell(SessionEvent::MayRecord(MayRecord::Unknown)),
            What::Recording(ask) => {
                let answer = Err(format!("the PBX did not answer for {seconds} s"));
                self.tell(SessionEvent::Recording { ask, answer });
            }
            What::Presentation { late: true, .. } => self.questions -= 1,
            What::Presentation { uniqueid, late: false } => {
                self.tell(SessionEvent::Presentation { uniqueid: uniqueid.clone(), withheld: None });
                let deadline = request.sent + self.timing.answer;
                let what = What::Presentation { uniqueid, late: true };
                self.requests.insert(id, Request { deadline, what, ..request });
            }
        }
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
