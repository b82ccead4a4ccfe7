//! Bytes through the whole room: framer, session, translator. No split matters, and no bytes panic.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::channel::ChannelRules;
use super::frame::Framer;
use super::session::{Account, CLASSES, RecordingAsk, Session, SessionEvent, Timing, UNWANTED};
use super::translate::Translate;
use crate::call::Heard;
use crate::clock;

/// What the PBX says until the session is logged in and reads the lists.
const LOGIN: &str = "Asterisk Call Manager/11.0.0\r\n\
    Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 123\r\n\r\n\
    Response: Success\r\nActionID: ringdesk-2\r\n\r\n\
    Response: Success\r\nActionID: ringdesk-3\r\n\r\n\
    Event: FullyBooted\r\n\r\n";

/// All that comes out, written out so that it can be compared.
#[derive(Debug, PartialEq)]
struct Told {
    heard: Vec<Heard>,
    session: Vec<SessionEvent>,
    questions: usize,
    asks: Vec<RecordingAsk>,
    present: usize,
    skipped: (u64, u64),
}

/// Does with the bytes what the driver does.
fn tell(pieces: &[&[u8]]) -> Told {
    let account = Account {
        username: "ringdesk".to_owned(),
        secret: "secret".into(),
        plain_allowed: false,
        classes: CLASSES,
        variables: Vec::new(),
        unwanted: UNWANTED,
        records: true,
    };
    let begin = clock::instant();
    let mut session = Session::new(account, Timing::default(), begin);
    let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
    let mut translate = Translate::new("main".to_owned().try_into().unwrap(), rules, true).with_recording();
    let mut framer = Framer::new();
    let mut told =
        Told { heard: vec![], session: vec![], questions: 0, asks: vec![], present: 0, skipped: (0, 0) };
    let mut messages = 0;
    for piece in pieces {
        framer.push(piece);
        while let Some(message) = framer.take() {
            messages += 1;
            let instant = begin + Duration::from_millis(messages as u64);
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(messages);
            session.on_message(&message, instant);
            translate.on_message(&message, now, &mut told.heard);
            while let Some(event) = session.take_event() {
                match &event {
                    SessionEvent::ResyncBegan => translate.resync_begins(),
                    SessionEvent::ResyncDone { whole } => {
                        translate.resync_ends(*whole, now, &mut told.heard);
                    }
                    SessionEvent::Presentation { uniqueid, withheld: Some(withheld) } => {
                        translate.presentation(uniqueid, *withheld, now, &mut told.heard);
                    }
                    SessionEvent::Recording { ask, answer } => {
                        translate.answered(ask, answer, now, &mut told.heard);
                    }
                    _ => {}
                }
                told.session.push(event);
            }
            for question in translate.questions() {
                told.questions += 1;
                session.ask_presentation(question.unique_id, &question.channel, instant);
            }
            for ask in translate.asks() {
                told.asks.push(ask.clone());
                session.order(ask, instant);
            }
            session.on_time(instant);
            session.output().clear();
        }
    }
    told.present = translate.present().len();
    told.skipped = (framer.broken_lines(), framer.too_long());
    told
}

/// The smaller captures of real PBXs, each behind a log-in.
fn captures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let mut files: Vec<PathBuf> = ["ast16", "ast22", "own16", "own22"]
        .into_iter()
        .flat_map(|set| std::fs::read_dir(folder.join(set)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ami"))
        .collect();
    files.sort();
    let captures: Vec<Vec<u8>> = files
        .iter()
        .map(|file| [LOGIN.as_bytes(), &std::fs::read(file).unwrap()].concat())
        .filter(|bytes| bytes.len() < 150_000)
        .collect();
    assert!(captures.len() >= 20, "only {} captures found", captures.len());
    captures
}

fn split<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// A change of a stream as a broken link, a broken PBX or a stranger might make it.
#[derive(Clone, Debug)]
enum Harm {
    Flip(Index, u8),
    Lose(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

impl Harm {
    fn any() -> impl Strategy<Value = Self> {
        let ours = (1u32..12, prop_oneof![Just("Success"), Just("Error"), Just("Goodbye")]).prop_map(
            |(id, status)| {
                format!("\r\n\r\nResponse: {status}\r\nActionID: ringdesk-{id}\r\nValue: prohib\r\n\r\n")
                    .into_bytes()
            },
        );
        let item = (4u32..12, "[A-Za-z]{0,12}(Complete)?", "(start|Complete|cancelled)?").prop_map(
            |(id, name, list)| {
                format!("\r\n\r\nEvent: {name}\r\nActionID: ringdesk-{id}\r\nEventList: {list}\r\n\r\n")
                    .into_bytes()
            },
        );
        let bytes = proptest::collection::vec(any::<u8>(), 1..40);
        prop_oneof![
            (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Self::Flip(at, byte)),
            (any::<Index>(), 1usize..3000).prop_map(|(at, count)| Self::Lose(at, count)),
            (any::<Index>(), 1usize..3000).prop_map(|(at, count)| Self::Repeat(at, count)),
            (any::<Index>(), prop_oneof![bytes, ours, item]).prop_map(|(at, more)| Self::Insert(at, more)),
        ]
    }

    fn does(&self, stream: &mut Vec<u8>) {
        let range = |at: &Index, count: usize, length: usize| {
            let from = at.index(length);
            from..(from + count).min(length)
        };
        if stream.is_empty() {
            return;
        }
        let length = stream.len();
        match self {
            Self::Flip(at, byte) => stream[at.index(length)] = *byte,
            Self::Lose(at, count) => drop(stream.drain(range(at, *count, length))),
            Self::Repeat(at, count) => {
                let part = stream[range(at, *count, length)].to_vec();
                let from = at.index(length);
                stream.splice(from..from, part);
            }
            Self::Insert(at, more) => {
                let from = at.index(length);
                stream.splice(from..from, more.iter().copied());
            }
        }
    }
}

#[test]
fn every_capture_cut_into_single_bytes_says_the_same() {
    for capture in captures() {
        let bytes: Vec<&[u8]> = capture.chunks(1).collect();
        let whole = tell(&[&capture]);
        assert!(whole.session.contains(&SessionEvent::ResyncBegan), "the session must take part");
        assert_eq!(tell(&bytes), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_split_of_a_capture_matters(which in any::<Index>(), cuts in proptest::collection::vec(any::<Index>(), 0..40)) {
        let captures = captures();
        let capture = which.get(&captures);
        prop_assert_eq!(tell(&split(capture, &cuts)), tell(&[capture]));
    }

    #[test]
    fn no_harm_done_to_a_capture_panics_or_makes_splits_matter(
        which in any::<Index>(),
        harms in proptest::collection::vec(Harm::any(), 1..60),
        cuts in proptest::collection::vec(any::<Index>(), 0..10),
    ) {
        let captures = captures();
        let mut stream = which.get(&captures).clone();
        for harm in &harms {
            harm.does(&mut stream);
        }
        prop_assert_eq!(tell(&split(&stream, &cuts)), tell(&[&stream]));
    }

    #[test]
    fn no_bytes_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8)) {
        let mut stream: Vec<&[u8]> = vec![LOGIN.as_bytes()];
        stream.extend(pieces.iter().map(Vec::as_slice));
        tell(&stream);
        tell(&stream[1..]);
    }
}
