//! The lists that the PBX is asked for: what is up, after each log-in, and who is in the house, from
//! time to time.

use std::time::Instant;

use super::super::message::Message;
use super::{List, Phase, RECORDING_FILE, RECORDING_ID, Request, Seen, Session, SessionEvent, What};

/// How the lists of a resync ended; `None` while they are being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resync {
    channels: Option<Outcome>,
    status: Option<Outcome>,
    queues: Option<Outcome>,
}

/// How a list ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    Whole,
    /// The account may not ask for it, or the PBX does not know it.
    Refused,
    TimedOut,
}

impl Session {
    pub(super) fn go_live(&mut self, booted: bool, now: Instant) {
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

    pub(super) fn read_house(&mut self, now: Instant) {
        self.requests.retain(|_, request| {
            !matches!(request.what, What::List(List::Queues | List::Mailboxes) | What::WrapUp { .. })
        });
        self.house.begin();
        self.ask_for_list(List::Queues, now);
        self.ask_for_list(List::Mailboxes, now);
    }

    pub(super) fn list_ended(&mut self, list: List, outcome: Outcome, now: Instant) {
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
            for queue in self.house.queues_to_ask() {
                let variable = format!("AST_CONFIG(queues.conf,{queue},wrapuptime,-1)");
                self.send(What::WrapUp { queue }, "Getvar", &[("Variable", &variable)], now);
            }
        }
    }

    /// An answer to the question for a queue's wrap-up time, or none.
    pub(super) fn on_wrap_up(&mut self, queue: &str, seconds: Option<u32>) {
        if let Some((agents, queues)) = self.house.on_wrap_up(queue, seconds) {
            self.tell(SessionEvent::House { agents, queues });
        }
    }

    /// The answer to the question for a list.
    pub(super) fn on_list_response(
        &mut self,
        id: u64,
        list: List,
        refused: bool,
        message: &Message<'_>,
        now: Instant,
    ) {
        let words = message.text("Message").unwrap_or_default();
        if refused {
            self.tell(SessionEvent::NotAllowed { action: list.action(), message: words.into_owned() });
            self.list_ended(list, Outcome::Refused, now);
            return;
        }
        let follows = message.get("EventList").is_some() || words.ends_with("will follow");
        if follows {
            let deadline = now + self.timing.answer;
            self.requests.insert(id, Request { id, what: What::List(list), sent: now, deadline });
        } else {
            // "There are no voicemail users currently defined."
            self.list_ended(list, Outcome::Whole, now);
        }
    }

    /// An event with the ActionID of a list: an item, or the end.
    pub(super) fn on_list_event(
        &mut self,
        id: u64,
        list: List,
        name: &str,
        message: &Message<'_>,
        now: Instant,
    ) -> Seen {
        if let Some(request) = self.requests.get_mut(&id) {
            request.deadline = now + self.timing.answer;
        }
        let end = match message.get("EventList") {
            Some(end) if end.eq_ignore_ascii_case(b"Complete") => Some(Outcome::Whole),
            Some(_) => Some(Outcome::Refused),
            None if name.ends_with("Complete") => Some(Outcome::Whole),
            None => None,
        };
        if let Some(outcome) = end {
            self.requests.remove(&id);
            self.list_ended(list, outcome, now);
            return Seen::Own;
        }
        self.house.on_item(list, message);
        let tells_what_is_up = list != List::Mailboxes && self.resync.is_some();
        if tells_what_is_up { Seen::Item(list) } else { Seen::Own }
    }

    fn ask_for_list(&mut self, list: List, now: Instant) {
        // FreePBX leaves a ring group's number there and nowhere else: its caller is at `s`.
        let mut variables = "NODEST".to_owned();
        let of_recording: &[_] = if self.account.records { &[RECORDING_FILE, RECORDING_ID] } else { &[] };
        let wanted = of_recording.iter().copied().chain(self.account.variables.iter().map(String::as_str));
        for name in wanted {
            // Asterisk takes lines of about 1024 bytes.
            if variables.len() + name.len() < 900 {
                variables.push(',');
                variables.push_str(name);
            }
        }
        let fields: &[_] = if list == List::Status { &[("Variables", variables.as_str())] } else { &[] };
        self.send(What::List(list), list.action(), fields, now);
    }
}
