//! Streams of AMI made of what a real Asterisk said, with fresh ids for each repetition.
//!
//! All that must differ from call to call (Uniqueids, channel numbers, bridges, the caller) has a
//! fixed length, so a repetition is a copy with some bytes written over.

use std::fs;
use std::path::{Path, PathBuf};

use ringdesk::pbx::ami::session::UNWANTED;

/// What Asterisk 22 says when a queue call is answered: three phones ring, 202 answers, the caller hangs up.
pub const QUEUE_CALL: &str = "ast22/a-queue-caller-hangs-up.ami";

/// The caller of [`QUEUE_CALL`].
const CALLER: &[u8] = b"+493023125111";

/// Recorded bytes with the places that must be fresh.
pub struct Template {
    bytes: Vec<u8>,
    holes: Vec<(usize, Hole)>,
    events: usize,
}

enum Hole {
    /// Ten digits of a Uniqueid: so many seconds after the first one of the recording.
    Seconds(u64),
    /// Eight hexadecimal digits of a channel's name.
    Channel(u64),
    /// The first eight hexadecimal digits of a bridge's id.
    Bridge,
    /// The caller's number.
    Caller,
}

impl Template {
    /// A capture as it is, without the greeting and the log-in.
    pub fn whole(name: &str) -> Self {
        let bytes = fs::read(captures().join(name)).expect("the captures are part of the project");
        Self::of(bytes[after_login(&bytes)..].to_vec())
    }

    /// A capture as an Asterisk would have sent it that knows our event filter.
    pub fn filtered(name: &str) -> Self {
        let bytes = fs::read(captures().join(name)).expect("the captures are part of the project");
        let mut kept = Vec::new();
        for block in blocks(&bytes[after_login(&bytes)..]) {
            let name = event_name(block);
            if name != "FullyBooted" && !UNWANTED.contains(&name) {
                kept.extend_from_slice(block);
            }
        }
        Self::of(kept)
    }

    fn of(bytes: Vec<u8>) -> Self {
        let mut holes = Vec::new();
        let mut seconds = Vec::new();
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        for at in 1..bytes.len() {
            if bytes[at..].starts_with(CALLER) {
                holes.push((at, Hole::Caller));
            } else if !digit(at - 1)
                && (at..at + 10).all(digit)
                && bytes.get(at + 10) == Some(&b'.')
                && digit(at + 11)
            {
                seconds.push((at, number(&bytes[at..at + 10], 10)));
            } else if bytes[at - 1] == b'-' && (at..at + 8).all(hex) && !hex(at + 8) && bytes[at + 8] != b'-'
            {
                holes.push((at, Hole::Channel(number(&bytes[at..at + 8], 16))));
            } else if !hex(at - 1)
                && (at..at + 8).all(hex)
                && [8, 13, 18, 23].iter().all(|dash| bytes.get(at + dash) == Some(&b'-'))
            {
                holes.push((at, Hole::Bridge));
            }
        }
        let first = seconds.iter().map(|(_, second)| *second).min().unwrap_or(0);
        holes.extend(seconds.iter().map(|(at, second)| (*at, Hole::Seconds((second - first) % 1000))));
        let events = blocks(&bytes).filter(|block| !event_name(block).is_empty()).count();
        Self { bytes, holes, events }
    }

    /// The AMI events in it.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Adds the recording to `out` for the `n`th time, with `caller` instead of the recorded one.
    pub fn write(&self, n: u64, caller: Option<&str>, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        for (at, hole) in &self.holes {
            let text = match hole {
                Hole::Seconds(second) => format!("{:010}", 1_000_000_000 + n * 1000 + second),
                Hole::Channel(number) => format!("{:08x}", (n * 4096 + number) & 0xffff_ffff),
                Hole::Bridge => format!("{:08x}", n & 0xffff_ffff),
                Hole::Caller => match caller {
                    Some(caller) => caller.to_owned(),
                    None => continue,
                },
            };
            out[begin + at..begin + at + text.len()].copy_from_slice(text.as_bytes());
        }
    }

    /// The ends of the message blocks.
    pub fn block_ends(&self) -> Vec<usize> {
        let mut end = 0;
        blocks(&self.bytes)
            .map(|block| {
                end += block.len();
                end
            })
            .collect()
    }
}

/// All captures of whole connections of listeners that read everything.
pub fn whole_captures() -> Vec<String> {
    let mut found = Vec::new();
    for set in ["ast16", "ast22", "own16", "own22"] {
        for entry in fs::read_dir(captures().join(set)).expect("the captures are part of the project") {
            let name = entry.expect("a readable folder").file_name().to_string_lossy().into_owned();
            // `NAME.1.ami` and `NAME.2.ami` are two connections; what is up between them is not told twice.
            if name.ends_with(".ami") && name.matches('.').count() == 1 {
                found.push(format!("{set}/{name}"));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "only {} captures", found.len());
    found
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures")
}

fn after_login(bytes: &[u8]) -> usize {
    let accepted = b"Message: Authentication accepted\r\n\r\n";
    let at = bytes.windows(accepted.len()).position(|window| window == accepted);
    at.expect("a capture begins with the log-in") + accepted.len()
}

/// The messages with the empty lines that end them.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let (block, left) = rest.split_at(end);
        rest = left;
        Some(block)
    })
}

/// Empty where the message is no event.
fn event_name(block: &[u8]) -> &str {
    let text = std::str::from_utf8(block).unwrap_or_default();
    let name = text.trim_start().strip_prefix("Event: ").and_then(|rest| rest.split("\r\n").next());
    name.unwrap_or_default()
}

fn number(text: &[u8], radix: u32) -> u64 {
    let text = std::str::from_utf8(text).expect("digits");
    u64::from_str_radix(text, radix).expect("digits")
}
