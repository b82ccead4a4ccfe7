//! A PBX that plays what a real Asterisk said, at the pace at which it said it.
//!
//! It takes any log-in, has nobody on the line when it is asked, says that every number may be shown,
//! and then sends the recorded events byte for byte. It is used by the demo and by tests.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Lifecycle;

/// Recorded bytes, cut where they arrived.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Pauses before the bytes, and the bytes.
    pub parts: Vec<(Duration, Vec<u8>)>,
}

impl Recording {
    /// Reads a capture: the bytes of a connection and, from the truth beside them, when they arrived.
    /// The greeting and the answer to the log-in of the time are left out.
    pub fn of_capture(bytes: &[u8], truth: &serde_json::Value) -> Self {
        let begin = after_login(bytes);
        let arrivals = truth["streams"][0]["arrivals"].as_array().cloned().unwrap_or_default();
        let mut parts = Vec::new();
        let (mut from, mut before) = (begin, None);
        for arrival in &arrivals {
            let to = usize::try_from(arrival[0].as_u64().unwrap_or(0)).unwrap_or(0).min(bytes.len());
            let at = arrival[1].as_f64().unwrap_or(0.0);
            if to <= from {
                continue;
            }
            let pause = Duration::from_secs_f64((at - before.unwrap_or(at)).max(0.0));
            before = Some(at);
            parts.push((pause, bytes[from..to].to_vec()));
            from = to;
        }
        if from < bytes.len() {
            parts.push((Duration::ZERO, bytes[from..].to_vec()));
        }
        Self { parts }
    }

    /// Adds another recording that begins after a pause.
    #[must_use]
    pub fn then(mut self, pause: Duration, next: Self) -> Self {
        let mut pause = Some(pause);
        self.parts.extend(next.parts.into_iter().map(|(own, bytes)| (pause.take().unwrap_or(own), bytes)));
        self
    }

    /// The same without pauses longer than `longest`.
    #[must_use]
    pub fn at_most(mut self, longest: Duration) -> Self {
        for (pause, _) in &mut self.parts {
            *pause = (*pause).min(longest);
        }
        self
    }
}

/// Behind the empty line that ends the answer to the log-in.
fn after_login(bytes: &[u8]) -> usize {
    let accepted = b"Message: Authentication accepted\r\n\r\n";
    bytes.windows(accepted.len()).position(|window| window == accepted).map_or(0, |at| at + accepted.len())
}

/// A PBX that plays a recording to everybody who logs in.
pub struct PlayingPbx {
    address: SocketAddr,
    lifecycle: Lifecycle,
    played: mpsc::UnboundedReceiver<()>,
}

impl PlayingPbx {
    /// Opens a port of its own on the loopback address.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(recording: Recording) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let lifecycle = Lifecycle::new();
        let (tell, played) = mpsc::unbounded_channel();
        let (tasks, stop) = (lifecycle.clone(), lifecycle.stopping());
        lifecycle.spawn(async move {
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let Ok((stream, _)) = stream else { return };
                tasks.spawn_short(serve(stream, recording.clone(), tell.clone(), stop.clone()));
            }
        });
        Ok(Self { address, lifecycle, played })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a recording was played to its end.
    pub async fn played(&mut self) {
        let _ = self.played.recv().await;
    }

    /// Closes all connections.
    pub async fn stop(self) {
        self.lifecycle.stop();
        self.lifecycle.ended().await;
    }
}

async fn serve(
    stream: TcpStream,
    recording: Recording,
    played: mpsc::UnboundedSender<()>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (out, lines) = mpsc::unbounded_channel();
    let (listed, begin) = tokio::sync::oneshot::channel();
    let play = async {
        // The real Asterisk begins to talk when the lists are told.
        if begin.await.is_ok() {
            for (pause, bytes) in recording.parts {
                tokio::time::sleep(pause).await;
                if out.send(bytes).is_err() {
                    return;
                }
            }
            let _ = played.send(());
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answer(reader, out.clone(), listed) => {}
        () = write(writer, lines) => {}
        () = play => {}
        () = stop.cancelled() => {}
    }
}

async fn write(mut writer: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = lines.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Answers actions until the other side is gone.
async fn answer(
    reader: OwnedReadHalf,
    out: mpsc::UnboundedSender<Vec<u8>>,
    listed: tokio::sync::oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    let send = |text: String| out.send(text.into_bytes()).is_ok();
    if !send("Asterisk Call Manager/11.0.0\r\n".to_owned()) {
        return;
    }
    let mut lines = BufReader::new(reader).lines();
    let (mut action, mut id) = (String::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once(": ") {
            Some(("Action", name)) => name.clone_into(&mut action),
            Some(("ActionID", name)) => name.clone_into(&mut id),
            _ if line.is_empty() => {
                if !send(reply(&action, &id)) {
                    return;
                }
                if action == "QueueStatus"
                    && let Some(listed) = listed.take()
                {
                    let _ = listed.send(());
                }
            }
            _ => {}
        }
    }
}

fn reply(action: &str, id: &str) -> String {
    let ok = |rest: &str| format!("Response: Success\r\nActionID: {id}\r\n{rest}\r\n");
    let list = |complete: &str| {
        let end =
            format!("Event: {complete}\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: 0\r\n\r\n");
        ok("EventList: start\r\nMessage: Follows\r\n") + &end
    };
    match action {
        "Challenge" => ok("Challenge: 271828182\r\n"),
        "Login" => {
            ok("Message: Authentication accepted\r\n")
                + "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"
        }
        "Ping" => ok("Ping: Pong\r\n"),
        "Status" => list("StatusComplete"),
        "CoreShowChannels" => list("CoreShowChannelsComplete"),
        "QueueStatus" => list("QueueStatusComplete"),
        "VoicemailUsersList" => list("VoicemailUserEntryComplete"),
        "Getvar" => ok("Variable: CALLERID(num-pres)\r\nValue: allowed_not_screened\r\n"),
        "Filter" | "Logoff" => ok(""),
        _ => format!("Response: Error\r\nActionID: {id}\r\nMessage: Invalid/unknown command\r\n\r\n"),
    }
}
