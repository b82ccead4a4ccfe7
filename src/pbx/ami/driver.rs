//! The thin part that owns the socket of one PBX.
//!
//! Two tasks a connection: one does nothing but read into the `Mailbox`, because Asterisk cuts a
//! reader that keeps it waiting for 100 ms; the other cuts, translates and hands over to the desk.
//! All decisions are made in [`Session`], [`Translate`] and [`Backoff`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::frame::Framer;
use super::link::{self, Link};
use super::mailbox::{Closed, Mailbox};
use super::session::{Account, CLASSES, MayRecord, RecordingWhat, Session, SessionEvent, Timing, UNWANTED};
use super::translate::Translate;
use crate::call::Heard;
use crate::causes;
use crate::clock::{self, Clock};
use crate::config::Ami;
use crate::lifecycle::Lifecycle;
use crate::pbx::reconnect::{Backoff, Why};
use crate::pbx::{Input, Order};

/// What may wait between the socket and the translator: a minute of a PBX that sends 1 MB a second.
const MAILBOX: usize = 64 * 1024 * 1024;

/// What is cut into messages at a time, so that what has waited is not in memory twice.
const PIECE: usize = 256 * 1024;

/// How long the PBX may take to accept what we send.
const WRITE: Duration = Duration::from_secs(10);

/// The state of the connection, for the status page and for readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// There is no connection.
    Down {
        /// Why, with the way out.
        reason: String,
    },
    /// Logged in; what is up is being read.
    Reading,
    /// Logged in, and all that is up is known.
    Live {
        /// The version of the protocol.
        version: String,
        /// Whether calls can be recorded; asked only when it is wanted.
        may_record: MayRecord,
    },
}

/// One PBX.
pub struct Driver {
    ami: Ami,
    translate: Translate,
    desk: mpsc::Sender<Input>,
    counters: Arc<Counters>,
    state: watch::Sender<LinkState>,
    clock: Clock,
    backoff: Backoff,
    version: String,
    orders: Option<mpsc::Receiver<Order>>,
    may_record: MayRecord,
    /// Logged in, and what is up is known: orders can be carried out.
    live: bool,
}

/// Why a connection ended.
struct Ended {
    why: Why,
    reason: String,
}

impl Driver {
    /// A driver for a PBX of the config.
    pub fn new(
        ami: Ami,
        translate: Translate,
        desk: mpsc::Sender<Input>,
        counters: Arc<Counters>,
        state: watch::Sender<LinkState>,
        clock: Clock,
    ) -> Self {
        Self {
            ami,
            translate,
            desk,
            counters,
            state,
            clock,
            backoff: Backoff::default(),
            version: String::new(),
            orders: None,
            may_record: MayRecord::Unknown,
            live: false,
        }
    }

    /// Calls are recorded as `orders` say, and what the PBX records is told. While the PBX is away they wait.
    #[must_use]
    pub fn with_orders(mut self, orders: mpsc::Receiver<Order>) -> Self {
        self.translate = self.translate.with_recording();
        self.orders = Some(orders);
        self
    }

    /// Connects, listens, and connects again, until `stop`.
    pub async fn run(mut self, lifecycle: Lifecycle, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                // First, so that it can say goodbye; what keeps it waiting is dropped.
                biased;
                ended = self.connection(&lifecycle, &stop) => ended,
                () = stop.cancelled() => return,
            };
            let Some(Ended { why, reason }) = ended else { return };
            self.gone(why, &reason);
            let wait = self.backoff.next(why);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Says once that the PBX is away.
    fn gone(&mut self, why: Why, reason: &str) {
        self.live = false;
        let was_live = self.counters.live.swap(false, Ordering::Relaxed);
        Counters::count(match why {
            Why::LoginRefused => &self.counters.logins_refused,
            _ if was_live => &self.counters.lost,
            _ => &self.counters.unreachable,
        });
        let down = LinkState::Down { reason: reason.to_owned() };
        let known = *self.state.borrow() == down;
        self.state.send_replace(down);
        let (name, host, port) = (&self.ami.name, &self.ami.host, self.ami.port);
        if was_live {
            tracing::warn!(pbx = %name, "the PBX at {host}:{port} is gone: {reason}; it is tried again");
        } else if !known {
            tracing::error!(pbx = %name, "the PBX at {host}:{port} cannot be used: {reason}; it is tried again");
        }
    }

    /// One connection from beginning to end. `None` when the daemon stops.
    async fn connection(&mut self, lifecycle: &Lifecycle, stop: &CancellationToken) -> Option<Ended> {
        let Link { stream, private } = match link::connect(&self.ami).await {
            Ok(link) => link,
            Err(error) => return Some(Ended { why: error.why(), reason: causes::in_one_line(&error) }),
        };
        let account = Account {
            username: self.ami.username.clone(),
            secret: self.ami.secret.clone(),
            plain_allowed: private,
            classes: CLASSES,
            variables: self.ami.variables.clone(),
            unwanted: if self.ami.event_filter { UNWANTED } else { &[] },
            records: self.orders.is_some(),
        };
        let timing = Timing {
            hello: self.ami.connect_timeout,
            presentation: self.ami.presentation_timeout,
            ping_every: self.ami.ping_every,
            ping_deadline: self.ami.ping_deadline,
            ..Timing::default()
        };
        let session = Session::new(account, timing, clock::instant());
        let (reader, writer) = tokio::io::split(stream);
        let mailbox = Arc::new(Mailbox::new(MAILBOX));
        let over = CancellationToken::new();
        let _guard = over.clone().drop_guard();
        lifecycle.spawn_short(read(reader, Arc::clone(&mailbox), over, Arc::clone(&self.counters)));
        self.listen(session, writer, &mailbox, stop).await
    }

    async fn listen(
        &mut self,
        mut session: Session,
        mut writer: impl AsyncWrite + Unpin,
        mailbox: &Mailbox,
        stop: &CancellationToken,
    ) -> Option<Ended> {
        let mut framer = Framer::new();
        let mut bytes = Vec::new();
        let mut logged_in = false;
        loop {
            let wake = session.wake_at().map(tokio::time::Instant::from_std);
            let mut heard = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    session.log_off();
                    let _ = timeout(Duration::from_secs(1), writer.write_all(session.output())).await;
                    return None;
                }
                () = mailbox.arrived() => {}
                Some(order) = next(&mut self.orders), if self.live => {
                    self.translate.order(&order.call, order.order, self.clock.now(), &mut heard);
                }
                () = sleep_until(wake) => {}
            }
            let closed = mailbox.take(&mut bytes);
            let mut result = Ok(());
            for piece in bytes.chunks(PIECE) {
                framer.push(piece);
                result = self.read_messages(&mut framer, &mut session, &mut heard, &mut logged_in).await;
                if result.is_err() {
                    break;
                }
            }
            if result.is_ok() {
                session.on_time(clock::instant());
                result = self.on_session(&mut session, &mut heard, &mut logged_in).await;
            }
            if let Err(ended) = result {
                self.hand_over(&mut heard).await;
                return Some(ended);
            }
            for question in self.translate.questions() {
                session.ask_presentation(question.unique_id, &question.channel, clock::instant());
            }
            for ask in self.translate.asks() {
                session.order(ask, clock::instant());
            }
            self.hand_over(&mut heard).await;
            let lost = |reason: String| Some(Ended { why: Why::Lost, reason });
            if !session.output().is_empty() {
                let sent = timeout(WRITE, async {
                    writer.write_all(session.output()).await?;
                    writer.flush().await
                });
                match sent.await {
                    Ok(Ok(())) => session.output().clear(),
                    Ok(Err(error)) => return lost(format!("it does not take what is sent: {error}")),
                    Err(_) => {
                        return lost(format!("it does not take what is sent for {} s", WRITE.as_secs()));
                    }
                }
            }
            match closed {
                None => {}
                Some(Closed::ByPeer) => return lost("it closed the connection".to_owned()),
                Some(Closed::Broken(error)) => return lost(format!("the connection broke: {error}")),
                Some(Closed::Full) => {
                    Counters::count(&self.counters.overflows);
                    return lost(format!(
                        "more than {} MiB of events wait to be worked on: the journal's disk is too slow",
                        MAILBOX / 1024 / 1024
                    ));
                }
            }
        }
    }

    /// Takes all whole messages out of the framer.
    async fn read_messages(
        &mut self,
        framer: &mut Framer,
        session: &mut Session,
        heard: &mut Vec<Heard>,
        logged_in: &mut bool,
    ) -> Result<(), Ended> {
        let (broken, too_long) = (framer.broken_lines(), framer.too_long());
        let mut messages = 0;
        // What came together came now; asking the clocks for each message took a twentieth of all the time.
        let (instant, now) = (clock::instant(), self.now());
        let mut result = Ok(());
        while let Some(message) = framer.take() {
            messages += 1;
            session.on_message(&message, instant);
            if *logged_in {
                self.translate.on_message(&message, now, heard);
            }
            if session.has_events() {
                result = self.on_session(session, heard, logged_in).await;
                if result.is_err() {
                    break;
                }
            }
        }
        Counters::add(&self.counters.messages, messages);
        if broken + too_long == 0 && framer.broken_lines() + framer.too_long() > 0 {
            // Once a connection, and without the bytes: they may be anybody's.
            tracing::warn!(pbx = %self.ami.name, "the PBX sends what is no AMI message: it is skipped and counted");
        }
        Counters::add(&self.counters.broken_lines, framer.broken_lines() - broken);
        Counters::add(&self.counters.oversize, framer.too_long() - too_long);
        result
    }

    /// Does what the session tells; `Err` when the connection is of no use any more.
    async fn on_session(
        &mut self,
        session: &mut Session,
        heard: &mut Vec<Heard>,
        logged_in: &mut bool,
    ) -> Result<(), Ended> {
        while let Some(event) = session.take_event() {
            match event {
                SessionEvent::LoggedIn { version } => {
                    *logged_in = true;
                    self.version = version;
                    Counters::count(&self.counters.logins);
                    self.state.send_replace(LinkState::Reading);
                }
                SessionEvent::ResyncBegan => self.translate.resync_begins(),
                SessionEvent::ResyncDone { whole } => self.resynced(whole, heard).await,
                SessionEvent::Presentation { uniqueid, withheld } => {
                    // Without an answer the call itself stops waiting.
                    if let Some(withheld) = withheld {
                        self.translate.presentation(&uniqueid, withheld, self.now(), heard);
                    }
                }
                SessionEvent::House { agents, queues } => {
                    let seconds = |seconds: u32| SignedDuration::from_secs(i64::from(seconds));
                    let queues = queues.into_iter().map(|(name, wrap_up)| (name, wrap_up.map(seconds)));
                    let (source, queues) = (self.ami.name.clone(), queues.collect());
                    self.send(Input::House { source, agents, queues }).await;
                }
                SessionEvent::MayRecord(may) => self.may_record(may),
                SessionEvent::Recording { ask, answer } => {
                    if let (RecordingWhat::Mute { muted }, Err(reason)) = (&ask.what, &answer) {
                        let what = if *muted { "paused" } else { "resumed" };
                        tracing::warn!(pbx = %self.ami.name, channel = ask.leg, "the recording is not {what}: {reason}");
                    }
                    self.translate.answered(&ask, &answer, self.now(), heard);
                }
                SessionEvent::NotAllowed { action, message } => self.not_allowed(action, &message),
                SessionEvent::ShuttingDown => {
                    tracing::info!(pbx = %self.ami.name, "the PBX is shutting down")
                }
                SessionEvent::LoginRefused { reason } => {
                    return Err(Ended { why: Why::LoginRefused, reason });
                }
                SessionEvent::WrongPeer { reason } => return Err(Ended { why: Why::WrongPeer, reason }),
                SessionEvent::Dead { reason } => return Err(Ended { why: Why::Lost, reason }),
            }
        }
        Ok(())
    }

    async fn resynced(&mut self, whole: bool, heard: &mut Vec<Heard>) {
        self.translate.resync_ends(whole, self.now(), heard);
        self.hand_over(heard).await;
        if whole {
            let present = self.translate.present();
            self.send(Input::Resynced { source: self.ami.name.clone(), present }).await;
        }
        // Only now: a PBX that hangs up after each log-in must not be called four times a second.
        self.backoff.succeeded();
        let was_live = self.counters.live.swap(true, Ordering::Relaxed);
        self.live = true;
        let (version, may_record) = (self.version.clone(), self.may_record);
        self.state.send_replace(LinkState::Live { version, may_record });
        if !was_live {
            let (name, host, port) = (&self.ami.name, &self.ami.host, self.ami.port);
            tracing::info!(pbx = %name, version = self.version, channels = self.translate.channels(), "listening to the PBX at {host}:{port}");
        }
    }

    fn may_record(&mut self, may: MayRecord) {
        let way_out = match may {
            MayRecord::Unknown | MayRecord::Yes => "",
            MayRecord::NoRight => "give the account `write = system` in manager.conf",
            MayRecord::NoModule => "load app_mixmonitor.so in modules.conf",
        };
        if !way_out.is_empty() && may != self.may_record {
            tracing::warn!(pbx = %self.ami.name, "the PBX will not record calls: {way_out}");
        }
        self.may_record = may;
    }

    fn not_allowed(&self, action: &str, message: &str) {
        let (level, way_out) = match action {
            "Filter" => {
                (false, "the account has no right `system`; all events are read, which works as well")
            }
            "Getvar" => (true, "hidden numbers are not seen: give the account `write = call,reporting`"),
            _ => (
                true,
                "calls that are up are not seen after a restart: give the account `write = call,reporting`",
            ),
        };
        if level {
            tracing::warn!(pbx = %self.ami.name, action, message, "the PBX does not allow it: {way_out}");
        } else {
            tracing::debug!(pbx = %self.ami.name, action, message, "the PBX does not allow it: {way_out}");
        }
    }

    async fn hand_over(&self, heard: &mut Vec<Heard>) {
        if !heard.is_empty() {
            Counters::add(&self.counters.events, heard.len() as u64);
            self.send(Input::Heard(std::mem::take(heard))).await;
        }
    }

    async fn send(&self, input: Input) {
        // The desk is gone only when the daemon stops.
        let _ = self.desk.send(input).await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Reads the socket and nothing else.
async fn read(
    mut reader: impl AsyncRead + Unpin,
    mailbox: Arc<Mailbox>,
    over: CancellationToken,
    counters: Arc<Counters>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            count = reader.read(&mut buffer) => count,
            () = over.cancelled() => return,
        };
        match count {
            Ok(0) => return mailbox.close(Closed::ByPeer),
            Ok(count) => {
                Counters::add(&counters.bytes, count as u64);
                if !mailbox.put(&buffer[..count]) {
                    return;
                }
            }
            Err(error) => return mailbox.close(Closed::Broken(error.to_string())),
        }
    }
}

/// The next order; never, where there are none.
async fn next(orders: &mut Option<mpsc::Receiver<Order>>) -> Option<Order> {
    match orders {
        Some(orders) => orders.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
pub(super) mod peer;
#[cfg(test)]
mod tests;
