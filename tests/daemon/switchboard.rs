//! A PBX on a loopback port. It goes on with its calls whether anybody listens or not, and tells who
//! logs in what is up, from what it has said so far, as an Asterisk does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Recorded messages, each with the pause before it.
#[derive(Clone, Default)]
pub struct Tape(Vec<(Duration, Vec<u8>)>);

impl Tape {
    /// The events of a capture behind its log-in, at their pace, with pauses of `longest` at most.
    pub fn of(capture: &str, longest: Duration) -> (Self, Value) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
        let truth: Value =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{capture}.json"))).unwrap()).unwrap();
        let stream = &truth["streams"][0];
        let file = folder.join(capture).with_file_name(stream["file"].as_str().unwrap());
        let bytes = std::fs::read(file).unwrap();
        let arrivals: Vec<(usize, f64)> = stream["arrivals"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arrival| {
                (usize::try_from(arrival[0].as_u64().unwrap()).unwrap(), arrival[1].as_f64().unwrap())
            })
            .collect();
        let mut messages = Vec::new();
        let (mut from, mut told) = (0, 0.0);
        while let Some(length) = bytes[from..].windows(4).position(|window| window == b"\r\n\r\n") {
            let to = from + length + 4;
            let at = arrivals.iter().find(|(end, _)| *end >= to).map_or(told, |(_, at)| *at);
            let message = bytes[from..to].to_vec();
            from = to;
            let text = String::from_utf8_lossy(&message);
            // Greeting, answers to actions and what belongs to them are the switchboard's own.
            if text.contains("Response: ") || text.contains("ActionID: ") || text.contains("FullyBooted") {
                continue;
            }
            let pause = Duration::from_secs_f64((at - told).max(0.0)).min(longest);
            told = at;
            messages.push((pause, message));
        }
        (Self(messages), truth)
    }

    /// The part up to the first message that has all `words`, this one included, and the rest.
    pub fn cut_behind(self, words: &[&str]) -> (Self, Self) {
        let at = self.first_with(words) + 1;
        self.cut_at(at)
    }

    /// The same, but the message is the first of the rest.
    pub fn cut_before(self, words: &[&str]) -> (Self, Self) {
        let at = self.first_with(words);
        self.cut_at(at)
    }

    fn first_with(&self, words: &[&str]) -> usize {
        let has_all = |(_, message): &(Duration, Vec<u8>)| {
            let text = String::from_utf8_lossy(message);
            words.iter().all(|word| text.contains(word))
        };
        self.0.iter().position(has_all).unwrap_or_else(|| panic!("no message with {words:?}"))
    }

    fn cut_at(mut self, at: usize) -> (Self, Self) {
        let rest = self.0.split_off(at);
        (self, Self(rest))
    }

    /// The same with other words in it, of the same meaning everywhere.
    pub fn with(mut self, old: &str, new: &str) -> Self {
        for (_, message) in &mut self.0 {
            if let Ok(text) = std::str::from_utf8(message) {
                *message = text.replace(old, new).into_bytes();
            }
        }
        self
    }
}

#[derive(Default)]
struct State {
    /// What is known of each channel, by its Uniqueid: the latest value of each header.
    channels: BTreeMap<String, BTreeMap<String, String>>,
    /// Who gets the events.
    listeners: Vec<mpsc::UnboundedSender<Vec<u8>>>,
    /// Cancelled to close all connections.
    cut: CancellationToken,
    refuses: bool,
    presentation: String,
    /// The files of channels that are being recorded, by Uniqueid.
    recorded: BTreeMap<String, PathBuf>,
    /// How often a recording was begun.
    begun: usize,
}

/// The PBX.
#[derive(Clone)]
pub struct Switchboard {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    logins: Arc<AtomicUsize>,
}

impl Switchboard {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let state = State { presentation: "allowed_not_screened".to_owned(), ..State::default() };
        let board = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            logins: Arc::default(),
        };
        tokio::spawn(board.clone().accept(listener));
        board
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let (cut, refuses) = {
                let state = self.state.lock().unwrap();
                (state.cut.clone(), state.refuses)
            };
            if refuses {
                continue;
            }
            let board = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = board.serve(stream) => {}
                    () = cut.cancelled() => {}
                }
            });
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often somebody logged in.
    pub fn logins(&self) -> usize {
        self.logins.load(Relaxed)
    }

    /// How often a recording was begun.
    pub fn recordings(&self) -> usize {
        self.state.lock().unwrap().begun
    }

    /// What `Getvar CALLERID(num-pres)` says.
    pub fn presents(&self, presentation: &str) {
        presentation.clone_into(&mut self.state.lock().unwrap().presentation);
    }

    /// Closes all connections, and new ones until [`Switchboard::mend`].
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.refuses = true;
        state.listeners.clear();
        std::mem::take(&mut state.cut).cancel();
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().refuses = false;
    }

    /// Lets happen what the tape tells.
    pub async fn play(&self, tape: &Tape) {
        for (pause, message) in &tape.0 {
            if !pause.is_zero() {
                tokio::time::sleep(*pause).await;
            }
            let mut state = self.state.lock().unwrap();
            state.remember(&String::from_utf8_lossy(message));
            state.listeners.retain(|listener| listener.send(message.clone()).is_ok());
        }
    }

    async fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (reader, mut writer) = stream.into_split();
        let (out, mut lines) = mpsc::unbounded_channel::<Vec<u8>>();
        let write = async {
            while let Some(bytes) = lines.recv().await {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        let answer = async {
            let _ = out.send(b"Asterisk Call Manager/11.0.0\r\n".to_vec());
            let mut reader = BufReader::new(reader).lines();
            let mut action = BTreeMap::new();
            while let Ok(Some(line)) = reader.next_line().await {
                if let Some((key, value)) = line.split_once(": ") {
                    action.insert(key.to_owned(), value.to_owned());
                } else if line.is_empty() {
                    self.reply(&std::mem::take(&mut action), &out);
                }
            }
        };
        tokio::select! {
            () = write => {}
            () = answer => {}
        }
    }

    fn reply(&self, action: &BTreeMap<String, String>, out: &mpsc::UnboundedSender<Vec<u8>>) {
        let id = action.get("ActionID").cloned().unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        let name = action["Action"].as_str();
        let text = match name {
            "Challenge" => answer(&id, "Challenge: 271828182\r\n"),
            "Login" => {
                self.logins.fetch_add(1, Relaxed);
                state.listeners.push(out.clone());
                answer(&id, "Message: Authentication accepted\r\n")
                    + "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"
            }
            "ListCommands" => answer(&id, "MixMonitor: x\r\nStopMixMonitor: x\r\nHangup: x\r\n"),
            "MixMonitor" if state.channels.contains_key(&action["Channel"]) => {
                let file = PathBuf::from(&action["File"]);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                // As Asterisk: the lengths are written at the end.
                std::fs::write(&file, wav(&SOUND, 0)).unwrap();
                state.begun += 1;
                let channel = action["Channel"].clone();
                let known = state.channels.get_mut(&channel).unwrap();
                known.insert("MIXMONITOR_FILENAME".to_owned(), action["File"].clone());
                known.insert("RINGDESK_RECORDING".to_owned(), "0x1".to_owned());
                state.recorded.insert(channel, file);
                answer(&id, "Message: Success\r\nMixMonitorID: 0x1\r\n")
            }
            "StopMixMonitor" => {
                state.finish(&action["Channel"]);
                answer(&id, "")
            }
            "Getvar" if action["Variable"].starts_with("MIXMONITOR(") => {
                let file = state.recorded.get(&action["Channel"]).map(|file| file.display().to_string());
                let value = file.unwrap_or_default();
                answer(&id, &format!("Variable: {}\r\nValue: {value}\r\n", action["Variable"]))
            }
            "Getvar" if !action["Variable"].starts_with("CALLERID") => {
                answer(&id, &format!("Variable: {}\r\nValue: \r\n", action["Variable"]))
            }
            "Getvar" => {
                let value = &state.presentation;
                answer(&id, &format!("Variable: CALLERID(num-pres)\r\nValue: {value}\r\n"))
            }
            "Status" => list(&id, "Status", "StatusComplete", state.channels.values().map(status)),
            "CoreShowChannels" => {
                let items = state.channels.values().map(shown);
                list(&id, "CoreShowChannel", "CoreShowChannelsComplete", items)
            }
            "QueueStatus" => list(&id, "", "QueueStatusComplete", std::iter::empty()),
            "VoicemailUsersList" => list(&id, "", "VoicemailUserEntryComplete", std::iter::empty()),
            "Ping" | "Filter" | "Logoff" => answer(&id, ""),
            _ => format!(
                "Response: Error\r\nActionID: {id}\r\nMessage: Invalid/unknown command: {name}\r\n\r\n"
            ),
        };
        let _ = out.send(text.into_bytes());
    }
}

fn answer(id: &str, rest: &str) -> String {
    format!("Response: Success\r\nActionID: {id}\r\n{rest}\r\n")
}

fn list(id: &str, event: &str, end: &str, items: impl Iterator<Item = String>) -> String {
    let mut text = answer(id, "EventList: start\r\nMessage: will follow\r\n");
    let mut count = 0;
    for item in items {
        count += 1;
        text.push_str(&format!("Event: {event}\r\nActionID: {id}\r\n{item}\r\n"));
    }
    text + &format!("Event: {end}\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: {count}\r\n\r\n")
}

const BOTH: [&str; 10] = [
    "Channel",
    "ChannelState",
    "ChannelStateDesc",
    "CallerIDNum",
    "CallerIDName",
    "ConnectedLineNum",
    "Context",
    "Exten",
    "Uniqueid",
    "Linkedid",
];

fn headers(channel: &BTreeMap<String, String>, names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{name}: {}\r\n", channel.get(*name).map_or("", String::as_str)))
        .collect()
}

fn status(channel: &BTreeMap<String, String>) -> String {
    let bridge = channel.get("BridgeUniqueid").map_or("", String::as_str);
    let variables = ["MIXMONITOR_FILENAME", "RINGDESK_RECORDING"]
        .iter()
        .filter_map(|name| Some(format!("Variable: {name}={}\r\n", channel.get(*name)?)));
    headers(channel, &BOTH)
        + &headers(channel, &["DNID"])
        + &format!("BridgeID: {bridge}\r\n")
        + &variables.collect::<String>()
}

fn shown(channel: &BTreeMap<String, String>) -> String {
    let bridge = channel.get("BridgeUniqueid").map_or("", String::as_str);
    headers(channel, &BOTH)
        + &headers(channel, &["Application", "ApplicationData"])
        + &format!("BridgeId: {bridge}\r\n")
}

/// A second of a tone.
pub static SOUND: [u8; 16_000] = {
    let mut sound = [0; 16_000];
    let mut at = 0;
    while at < sound.len() {
        sound[at] = (at % 251) as u8;
        at += 1;
    }
    sound
};

/// A file as Asterisk writes it: 8 kHz, 16 bits; the header tells so many bytes.
pub fn wav(sound: &[u8], told: u32) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend((told + 36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8_000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(told.to_le_bytes());
    file.extend(sound);
    file
}

impl State {
    /// The recording of a channel ends: its header is written.
    fn finish(&mut self, channel: &str) {
        if let Some(file) = self.recorded.remove(channel) {
            std::fs::write(file, wav(&SOUND, 16_000)).unwrap();
        }
    }

    fn remember(&mut self, message: &str) {
        let headers: BTreeMap<&str, &str> =
            message.split("\r\n").filter_map(|line| line.split_once(": ")).collect();
        let Some(event) = headers.get("Event").copied() else { return };
        let Some(id) = headers.get("Uniqueid").copied() else { return };
        if event == "Hangup" {
            self.finish(id);
            self.channels.remove(id);
            return;
        }
        if event == "Newchannel" {
            let dialled = headers.get("Exten").copied().unwrap_or_default().to_owned();
            self.channels.insert(id.to_owned(), BTreeMap::from([("DNID".to_owned(), dialled)]));
        }
        let Some(channel) = self.channels.get_mut(id) else { return };
        match event {
            "BridgeLeave" => {
                channel.remove("BridgeUniqueid");
                return;
            }
            "Newexten" => {
                for (own, theirs) in [("Application", "Application"), ("ApplicationData", "AppData")] {
                    let value = headers.get(theirs).copied().unwrap_or_default();
                    channel.insert(own.to_owned(), value.to_owned());
                }
            }
            _ => {}
        }
        let kept = BOTH.iter().chain(&["BridgeUniqueid"]);
        for name in kept {
            if let Some(value) = headers.get(name) {
                channel.insert((*name).to_owned(), (*value).to_owned());
            }
        }
    }
}
