//! A PBX for tests that knows only "send these bytes, expect these", and a clock that stands still.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::call::{CallId, Event, RecordingOrder};
use crate::pbx::ami::channel::ChannelRules;
use crate::pbx::{Orders, orders};

/// Waits for something that must come; the clock of the test may stand still meanwhile.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let (late, is_late) = oneshot::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(30)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = late.send(());
        }
    });
    let value = tokio::select! {
        biased;
        value = what => value,
        Ok(()) = is_late => panic!("it did not happen within 30 s"),
    };
    drop(done);
    value
}

/// Keeps the stopped clock of the run time from running ahead while nobody has anything to do: with
/// real sockets "nothing to do" only means that the bytes are still on their way.
pub(super) struct Standstill(#[expect(dead_code, reason = "held")] std::sync::mpsc::Sender<()>);

impl Standstill {
    pub(super) fn new() -> Self {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || ended.recv());
        Self(end)
    }

    /// Moves the clock, and lets everybody do what is due then.
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

/// Where the PBX listens.
pub(super) struct Pbx {
    listener: TcpListener,
    look: std::net::TcpListener,
}

impl Pbx {
    pub(super) async fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let look = listener.try_clone().unwrap();
        Self { listener: TcpListener::from_std(listener).unwrap(), look }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, nothing said yet.
    pub(super) async fn rings(&self) -> Line {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        Line { stream, received: Vec::new() }
    }

    /// The next connection, logged in and told that nothing but `up` is up.
    pub(super) async fn logs_in(&self, up: &str) -> Line {
        let mut line = self.rings().await;
        line.log_in().await;
        line.tell_lists(up).await;
        line
    }

    /// The connection that was made and not taken yet, if there is one.
    pub(super) fn visitor(&self) -> Option<Line> {
        let (stream, _) = self.look.accept().ok()?;
        stream.set_nonblocking(true).unwrap();
        Some(Line { stream: TcpStream::from_std(stream).unwrap(), received: Vec::new() })
    }
}

/// One connection, seen by the PBX.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    received: Vec<u8>,
}

/// An action as it came.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) text: String,
}

impl Line {
    pub(super) async fn says(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// The next action; `None` when the other side has hung up.
    pub(super) async fn hears(&mut self) -> Option<Action> {
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            if let Some((action, _)) = text.split_once("\r\n\r\n") {
                self.received.drain(..action.len() + 4);
                let value = |key: &str| {
                    action.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned()
                };
                return Some(Action {
                    name: value("Action: "),
                    id: value("ActionID: "),
                    text: action.to_owned(),
                });
            }
            let mut buffer = [0; 4096];
            match soon(self.stream.read(&mut buffer)).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Says yes to the next action, which must be this one.
    pub(super) async fn agrees(&mut self, name: &str, more: &str) -> Action {
        let action = self.hears().await.expect("an action");
        assert_eq!(action.name, name, "{}", action.text);
        self.says(format!("Response: Success\r\nActionID: {}\r\n{more}\r\n", action.id)).await;
        action
    }

    pub(super) async fn log_in(&mut self) {
        self.greet_and_let_in().await;
        self.agrees("Filter", "").await;
        self.agrees("Filter", "").await;
        self.says("Event: FullyBooted\r\n\r\n").await;
    }

    async fn greet_and_let_in(&mut self) {
        self.says("Asterisk Call Manager/11.0.0\r\n").await;
        self.agrees("Challenge", "Challenge: 123\r\n").await;
        self.agrees("Login", "").await;
    }

    /// The same for a house that records: the account has these commands.
    pub(super) async fn log_in_who_may(&mut self, commands: &str) {
        self.greet_and_let_in().await;
        self.agrees("Filter", "").await;
        self.agrees("ListCommands", commands).await;
        self.agrees("Filter", "").await;
        self.says("Event: FullyBooted\r\n\r\n").await;
    }

    /// Answers the four lists: `up` are the items of `CoreShowChannels`, without their ActionID.
    pub(super) async fn tell_lists(&mut self, up: &str) {
        for name in ["Status", "CoreShowChannels", "QueueStatus", "VoicemailUsersList"] {
            let action = self.agrees(name, "EventList: start\r\n").await;
            let id = action.id;
            if name == "CoreShowChannels" {
                self.says(up.replace("\r\n\r\n", &format!("\r\nActionID: {id}\r\n\r\n"))).await;
            }
            self.says(format!("Event: {name}Complete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"))
                .await;
        }
    }

    /// Waits until the other side hangs up, whatever it says before.
    pub(super) async fn is_left(&mut self) {
        while self.hears().await.is_some() {}
    }
}

/// A driver at work, and what comes out of it.
pub(super) struct House {
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) state: watch::Receiver<LinkState>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
    pub(super) driver: JoinHandle<()>,
    pub(super) orders: Orders,
    waiting: Vec<Heard>,
}

impl House {
    pub(super) fn listens_to(pbx: &Pbx) -> Self {
        Self::with(ami(pbx.address()))
    }

    /// A house that records.
    pub(super) fn records(pbx: &Pbx) -> Self {
        Self::make(ami(pbx.address()), true)
    }

    pub(super) fn with(ami: Ami) -> Self {
        Self::make(ami, false)
    }

    fn make(ami: Ami, records: bool) -> Self {
        let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
        let translate = Translate::new(ami.name.clone(), rules, false);
        let (desk, inputs) = mpsc::channel(1);
        let counters = Arc::new(Counters::default());
        let (state_tx, state) = watch::channel(LinkState::Down { reason: "not connected yet".to_owned() });
        let mut driver = Driver::new(ami, translate, desk, Arc::clone(&counters), state_tx, Clock::system());
        let (orders, taken) = orders();
        if records {
            driver = driver.with_orders(taken);
        }
        let stop = CancellationToken::new();
        let lifecycle = Lifecycle::new();
        #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
        let driver = tokio::spawn(driver.run(lifecycle, stop.clone()));
        Self { inputs, state, counters, stop, driver, orders, waiting: Vec::new() }
    }

    pub(super) fn order(&self, call: &str, order: RecordingOrder) {
        self.orders.give(Order { call: format!("main/{call}").parse().unwrap(), order }).unwrap();
    }

    pub(super) async fn is_live(&mut self) {
        soon(self.state.wait_for(|state| matches!(state, LinkState::Live { .. }))).await.unwrap();
    }

    /// Waits until the connection is given up and gives the reason.
    pub(super) async fn is_down(&mut self) -> String {
        let not_yet = "not connected yet";
        let down = |state: &LinkState| matches!(state, LinkState::Down { reason } if reason != not_yet);
        match soon(self.state.wait_for(down)).await.unwrap().clone() {
            LinkState::Down { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn input(&mut self) -> Input {
        soon(self.inputs.recv()).await.expect("the driver works")
    }

    /// The next thing heard of a call: its id in the PBX and the event.
    pub(super) async fn heard(&mut self) -> (String, Event) {
        while self.waiting.is_empty() {
            if let Input::Heard(heard) = self.input().await {
                self.waiting = heard;
                self.waiting.reverse();
            }
        }
        let heard = self.waiting.pop().expect("looked");
        (heard.call.pbx().to_owned(), heard.event)
    }

    /// The calls that are up, as the next resync tells it, and what was heard before.
    pub(super) async fn resynced(&mut self) -> (Vec<Heard>, Vec<String>) {
        let mut before = std::mem::take(&mut self.waiting);
        before.reverse();
        loop {
            match self.input().await {
                Input::Heard(heard) => before.extend(heard),
                Input::Resynced { present, .. } => {
                    return (before, present.iter().map(CallId::pbx).map(str::to_owned).collect());
                }
                Input::House { .. } => {}
            }
        }
    }

    pub(super) fn counted(&self, counter: impl Fn(&Counters) -> &std::sync::atomic::AtomicU64) -> u64 {
        counter(&self.counters).load(Ordering::Relaxed)
    }
}

pub(in super::super) fn ami(address: SocketAddr) -> Ami {
    Ami {
        name: "main".to_owned().try_into().unwrap(),
        host: address.ip().to_string(),
        port: address.port(),
        username: "ringdesk".to_owned(),
        secret: "let me in".into(),
        tls: None,
        connect_timeout: Duration::from_secs(5),
        ping_every: Duration::from_secs(20),
        ping_deadline: Duration::from_secs(10),
        trunks: vec![],
        phones: vec![],
        inbound_contexts: vec![],
        variables: vec![],
        event_filter: true,
        ask_presentation: false,
        presentation_timeout: Duration::from_millis(250),
    }
}

/// A call from outside begins.
pub(super) fn call_comes(id: &str) -> String {
    format!("Event: Newchannel\r\n{}", channel(id))
}

/// The same channel in the list of those that are up.
pub(super) fn call_is_up(id: &str) -> String {
    format!("Event: CoreShowChannel\r\n{}", channel(id))
}

fn channel(id: &str) -> String {
    format!(
        "Channel: PJSIP/carrier-0000{}\r\nUniqueid: {id}\r\nLinkedid: {id}\r\nCallerIDNum: 03023125111\r\n\
         Exten: s\r\n\r\n",
        id.replace('.', "")
    )
}

pub(super) fn call_ends(id: &str) -> String {
    format!("Event: Hangup\r\nUniqueid: {id}\r\nCause: 16\r\n\r\n")
}
