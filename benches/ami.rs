//! AMI events a second on one core: bytes ▸ frame ▸ message ▸ session ▸ translate, as the driver does it.

use std::time::Duration;

use jiff::Timestamp;
use ringdesk::call::Heard;
use ringdesk::clock;
use ringdesk::pbx::ami::frame::Framer;
use ringdesk::pbx::ami::message::Kind;
use ringdesk::pbx::ami::session::{Account, CLASSES, Session, SessionEvent, Timing, UNWANTED};
use ringdesk::pbx::ami::translate::Translate;
use ringdesk::rules;

use crate::support::report::Report;
use crate::support::stream::{QUEUE_CALL, Template, whole_captures};
use crate::support::{house, pbx};

/// The driver reads the socket in pieces of this size at most.
const PIECE: usize = 64 * 1024;

/// Bytes of a stream: some hundred thousand events, far more than the caches hold.
const STREAM: usize = 96 * 1024 * 1024;

const ROUNDS: usize = 7;

/// How far a message goes.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Frame,
    Session,
    Translate,
}

/// Measures and reports.
pub fn run(report: &mut Report) {
    let all: Vec<Template> = whole_captures().iter().map(|name| Template::whole(name)).collect();
    let queue = [Template::filtered(QUEUE_CALL)];
    let everything = Stream::of(&all);
    let filtered = Stream::of(&queue);
    let ways = [
        (&everything, Stage::Frame),
        (&everything, Stage::Session),
        (&everything, Stage::Translate),
        (&filtered, Stage::Translate),
    ];
    let mut rounds = ways.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        // In turn, so that all meet the machine in the same moods.
        for ((stream, stage), rounds) in ways.iter().zip(&mut rounds) {
            rounds.push(stream.events as f64 / stream.round(*stage).as_secs_f64());
        }
    }
    for rounds in &mut rounds {
        rounds.sort_unstable_by(f64::total_cmp);
    }
    report.ami(&rounds, everything.bytes_an_event());
}

/// A stream of many calls.
struct Stream {
    bytes: Vec<u8>,
    events: usize,
}

impl Stream {
    /// The recordings in turn, each time with fresh ids, until there is enough.
    fn of(templates: &[Template]) -> Self {
        let mut bytes = Vec::with_capacity(STREAM + 4 * 1024 * 1024);
        let (mut events, mut n) = (0, 0);
        while bytes.len() < STREAM {
            for template in templates {
                template.write(n, None, &mut bytes);
                events += template.events();
                n += 1;
            }
        }
        Self { bytes, events }
    }

    fn bytes_an_event(&self) -> usize {
        self.bytes.len() / self.events
    }

    fn round(&self, stage: Stage) -> Duration {
        let folder = std::env::temp_dir();
        let config = house::config(&house::config_text(1, "http://127.0.0.1:1", &folder));
        let ami = house::ami(&config);
        let (mut framer, mut session) = live_session(ami);
        let mut translate =
            Translate::new(ami.name.clone(), rules::channel_rules(&config, ami), ami.ask_presentation);
        let (mut events, mut told) = (0, 0);
        let mut heard: Vec<Heard> = Vec::new();
        let begin = clock::instant();
        for piece in self.bytes.chunks(PIECE) {
            framer.push(piece);
            // Like the driver, which asks both clocks for each piece.
            let (instant, now) = (clock::instant(), timestamp());
            while let Some(message) = framer.take() {
                if stage == Stage::Frame {
                    events += usize::from(matches!(message.kind(), Kind::Event(_)));
                    continue;
                }
                events += 1;
                session.on_message(&message, instant);
                if stage == Stage::Translate {
                    translate.on_message(&message, now, &mut heard);
                }
                while let Some(event) = session.take_event() {
                    std::hint::black_box(event);
                }
            }
            std::hint::black_box(translate.questions());
            told += heard.len();
            std::hint::black_box(std::mem::take(&mut heard));
        }
        let passed = begin.elapsed();
        assert!(events >= self.events, "{events} of {} events were read", self.events);
        assert!(stage != Stage::Translate || told * 12 > self.events, "only {told} words about calls");
        passed
    }
}

fn timestamp() -> Timestamp {
    clock::Clock::system().now()
}

/// A session that is logged in and has asked for all lists.
fn live_session(ami: &ringdesk::config::Ami) -> (Framer, Session) {
    let account = Account {
        username: ami.username.clone(),
        secret: ami.secret.clone(),
        plain_allowed: true,
        classes: CLASSES,
        variables: ami.variables.clone(),
        unwanted: UNWANTED,
        records: false,
    };
    let now = clock::instant();
    let mut session = Session::new(account, Timing::default(), now);
    let (mut framer, mut actions) = (Framer::new(), pbx::Actions::default());
    framer.push(b"Asterisk Call Manager/11.0.0\r\n");
    let mut live = false;
    while !live {
        while let Some(message) = framer.take() {
            session.on_message(&message, now);
        }
        while let Some(event) = session.take_event() {
            live |= matches!(event, SessionEvent::ResyncDone { .. });
        }
        let output = String::from_utf8(std::mem::take(session.output())).expect("actions are text");
        assert!(live || !output.is_empty(), "the log-in does not go on");
        let replies = output.split("\r\n").filter_map(|line| actions.line(line));
        // The last line of the output is empty as well; what it repeats is refused as unknown.
        let replies: Vec<String> = replies.map(|(action, id)| pbx::reply(&action, &id)).collect();
        framer.push(replies.concat().as_bytes());
    }
    (framer, session)
}
