//! Recordings begun over AMI: the driver alone against a real Asterisk, with a desk of a few lines that has every
//! answered call recorded.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringdesk::call::{Event, Heard, RecordingOrder};
use ringdesk::clock::Clock;
use ringdesk::config::{Config, Environment, Secrets, Source};
use ringdesk::lifecycle::Lifecycle;
use ringdesk::pbx::ami::counters::Counters;
use ringdesk::pbx::ami::driver::{Driver, LinkState};
use ringdesk::pbx::ami::session::MayRecord;
use ringdesk::pbx::ami::translate::Translate;
use ringdesk::pbx::{self, Input, Order, Orders};
use ringdesk::rules;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::house::{becomes, within};
use crate::link::Link;
use crate::rig::{Play, Rig, Truth};
use crate::sound::Sound;
use crate::there;

/// What may lack between the order and the first sample, in seconds.
const LATE: f64 = 0.3;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_22_records_what_is_ordered_through_transfers_pauses_and_restarts() {
    if there("22") {
        everything("22").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_16_records_what_is_ordered_through_transfers_pauses_and_restarts() {
    if there("16") {
        everything("16").await;
    }
}

async fn everything(version: &str) {
    let mut stage = Stage::open(version).await;
    an_account_without_the_right_is_told(&mut stage).await;
    a_call_is_in_one_file_whatever_becomes_of_it(&mut stage).await;
    what_an_agent_leaves_out_is_silent(&mut stage).await;
    a_cut_wire_leaves_the_recording_alone(&mut stage).await;
    a_daemon_that_starts_again_finds_the_recording_and_stops_it(&mut stage).await;
}

/// An exchange, the wire to it, and whoever listens.
struct Stage {
    listener: Listener,
    link: Link,
    rig: Rig,
    _folder: TempDir,
}

impl Stage {
    async fn open(version: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("ringdesk-rig-").tempdir().unwrap();
        let rig = Rig::start(&folder.path().join("pbx"), version, &[]);
        let link = Link::to(rig.ami_port()).await;
        let listener = Listener::start(&link, &rig, "ringdesk-recording").await;
        Self { listener, link, rig, _folder: folder }
    }

    /// Plays a scenario of one call to its end.
    async fn play(&mut self, scenario: &str) -> Truth {
        let play = self.rig.play(scenario, &["--voices"]);
        self.ends(play).await
    }

    async fn ends(&mut self, play: Play) -> Truth {
        let over = |heard: &[Heard]| heard.iter().any(|heard| matches!(heard.event, Event::HungUp { .. }));
        let (truths, ()) = tokio::join!(play.truths(), self.listener.until("the call is over", over));
        let [truth] = &truths[..] else { panic!("{truths:?}") };
        truth.clone()
    }

    /// Plays `queue-answered` until a second of the conversation is recorded.
    async fn begins(&mut self) -> (Play, String, Instant) {
        self.listener.forget();
        let mut play = self.rig.play("queue-answered", &["--steps", "--voices"]);
        play.reaches("rings").await;
        play.go_on().await;
        play.reaches("answered").await;
        self.listener.until("the recording runs", |heard| !files(heard).is_empty()).await;
        let (id, since) = (self.listener.heard[0].call.pbx().to_owned(), Instant::now());
        becomes("a second is recorded", async || {
            let size = fs::metadata(self.file(&id)).map_or(0, |file| file.len());
            if size > 16_000 { Ok(()) } else { Err(format!("{size} bytes")) }
        })
        .await;
        (play, id, since)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rig.folder().join(format!("spool/monitor/ringdesk/{name}.wav"))
    }

    /// Waits until the file is complete.
    async fn sound(&self, name: &str) -> Sound {
        let mut found = None;
        becomes("the file is complete", async || {
            found = Some(Sound::read(&self.file(name))?);
            Ok(())
        })
        .await;
        found.unwrap()
    }

    /// How often the exchange began a recording of this call.
    fn begun(&self, id: &str) -> usize {
        let said = String::from_utf8_lossy(&self.link.heard()).into_owned();
        let starts = said.split("\r\n\r\n").filter(|event| event.starts_with("Event: MixMonitorStart\r\n"));
        starts.filter(|event| event.contains(&format!("Uniqueid: {id}\r\n"))).count()
    }
}

/// The driver, and what it tells.
struct Listener {
    inputs: mpsc::Receiver<Input>,
    state: watch::Receiver<LinkState>,
    orders: Orders,
    lifecycle: Lifecycle,
    heard: Vec<Heard>,
    folder: String,
    /// Where what an answered call is recorded into is written down.
    ordered: Vec<String>,
}

impl Listener {
    async fn start(link: &Link, rig: &Rig, username: &str) -> Self {
        let text = format!(
            "[[pbx.ami]]\nport = {}\nusername = \"{username}\"\nsecret = \"ringdesk-secret\"\n\
             [crm.zendesk]\nurl = \"http://127.0.0.1:9\"\nclient_id = \"ringdesk\"\nclient_secret = \"none\"\n\
             [callers]\ncountry = \"DE\"\ndefault_user = \"telephone@example.com\"\n\
             [[group]]\nqueue = \"support\"\n",
            link.port()
        );
        let path = std::path::Path::new("ringdesk.toml");
        let config = Config::parse(&text, path, &Environment::empty(), Secrets::Needed).unwrap();
        let Source::Ami(ami) = &config.sources[0];
        let translate = Translate::new(ami.name.clone(), rules::channel_rules(&config, ami), false);
        let (desk, inputs) = mpsc::channel(64);
        let (state_tx, state) = watch::channel(LinkState::Reading);
        let (orders, taken) = pbx::orders();
        let counters = Arc::new(Counters::default());
        let driver =
            Driver::new(ami.clone(), translate, desk, counters, state_tx, Clock::system()).with_orders(taken);
        let lifecycle = Lifecycle::new();
        lifecycle.spawn(driver.run(lifecycle.clone(), lifecycle.stopping()));
        let folder = rig.folder().join("spool/monitor/ringdesk").to_str().unwrap().to_owned();
        let mut listener =
            Self { inputs, state, orders, lifecycle, heard: Vec::new(), folder, ordered: Vec::new() };
        listener.is_live().await;
        listener
    }

    async fn is_live(&mut self) {
        let live = |state: &LinkState| matches!(state, LinkState::Live { .. });
        // What comes meanwhile waits in the channel.
        within(PATIENCE, "the driver is live", self.state.wait_for(live)).await.unwrap();
    }

    async fn end(self) {
        self.lifecycle.stop();
        self.lifecycle.ended().await;
    }

    fn forget(&mut self) {
        self.heard.clear();
    }

    fn order(&self, call: &str, order: RecordingOrder) {
        self.orders.give(Order { call: format!("main/{call}").parse().unwrap(), order }).unwrap();
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}.wav", self.folder)
    }

    /// Listens until what was heard satisfies. The first answer of each call has it recorded.
    async fn until(&mut self, what: &str, done: impl Fn(&[Heard]) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !done(&self.heard) {
            let input = tokio::time::timeout_at(limit, self.inputs.recv()).await;
            let Ok(input) = input else { panic!("not in time: {what}; heard {:#?}", self.heard) };
            let Some(Input::Heard(heard)) = input else { continue };
            for heard in heard {
                let id = heard.call.pbx().to_owned();
                if matches!(heard.event, Event::Answered { .. }) && !self.ordered.contains(&id) {
                    self.order(&id, RecordingOrder::Start { file: self.file(&id) });
                    self.ordered.push(id);
                }
                self.heard.push(heard);
            }
        }
    }
}

fn of<'a>(heard: &'a [Heard], id: &str) -> impl Iterator<Item = &'a Event> {
    heard.iter().filter(move |heard| heard.call.pbx() == id).map(|heard| &heard.event)
}

/// The files that were told.
fn files(heard: &[Heard]) -> Vec<&str> {
    let mut files = Vec::new();
    for heard in heard {
        if let Event::RecordingStarted { file } = &heard.event {
            files.push(file.as_str());
        }
    }
    files
}

async fn an_account_without_the_right_is_told(stage: &mut Stage) {
    let mut poor = Listener::start(&stage.link, &stage.rig, "ringdesk").await;
    assert!(matches!(*poor.state.borrow(), LinkState::Live { may_record: MayRecord::NoRight, .. }));
    assert!(matches!(*stage.listener.state.borrow(), LinkState::Live { may_record: MayRecord::Yes, .. }));
    let play = stage.rig.play("queue-answered", &["--talk", "0.3"]);
    // The other one may, and does.
    let over = stage.ends(play);
    let refused = |event: &Event| matches!(event, Event::RecordingFailed { reason } if reason.contains("`write = system`"));
    let refusal = poor.until("the refusal", |heard| heard.iter().any(|heard| refused(&heard.event)));
    tokio::join!(over, refusal);
    poor.end().await;
}

async fn a_call_is_in_one_file_whatever_becomes_of_it(stage: &mut Stage) {
    for (scenario, at_least, at_most) in [
        ("queue-answered", 0.7, 1.8),
        // While the next phone rings nothing is recorded.
        ("blind-transfer", 1.7, 3.0),
        ("attended-transfer-queue", 3.0, 5.5),
        ("pickup-queue", 0.7, 1.8),
        ("park-and-retrieve", 1.7, 6.0),
        ("queue-local-short", 0.7, 1.8),
    ] {
        stage.listener.forget();
        let truth = stage.play(scenario).await;
        let id = truth.uniqueid();
        assert_eq!(files(&stage.listener.heard), [stage.listener.file(id)], "{scenario}");
        let sound = stage.sound(id).await;
        let seconds = sound.seconds();
        assert!((at_least..=at_most).contains(&seconds), "{scenario}: {seconds} s");
        let loud = sound.loudness().iter().filter(|loud| **loud > 300).count() as f64 / 10.0;
        assert!(
            loud >= at_least - 0.3,
            "{scenario}: {loud} s of {seconds} s are heard: {:?}",
            sound.loudness()
        );
        assert_eq!(stage.begun(id), 1, "{scenario}");
    }
}

async fn what_an_agent_leaves_out_is_silent(stage: &mut Stage) {
    stage.listener.forget();
    // *5 and a second later *6, at the agent's telephone.
    let truth = stage.play("recorded-paused").await;
    let pauses: Vec<bool> = of(&stage.listener.heard, truth.uniqueid())
        .filter_map(|event| match event {
            Event::RecordingPaused { paused } => Some(*paused),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [true, false]);
    let sound = stage.sound(truth.uniqueid()).await;
    // The time goes on: it is left out and not cut out.
    assert!(sound.longest_silence() >= 0.8, "{:?}", sound.loudness());
    assert!(sound.seconds() >= 3.0, "{}", sound.seconds());
}

async fn a_cut_wire_leaves_the_recording_alone(stage: &mut Stage) {
    let (mut play, id, since) = stage.begins().await;
    stage.link.cut();
    let down = |state: &LinkState| matches!(state, LinkState::Down { .. });
    within(PATIENCE, "the wire is missed", stage.listener.state.wait_for(down)).await.unwrap();
    // Ordered while nobody can be told.
    stage.listener.order(&id, RecordingOrder::Pause);
    stage.link.mend();
    stage.listener.is_live().await;
    let paused = |event: &Event| matches!(event, Event::RecordingPaused { paused: true });
    stage.listener.until("the pause", |heard| of(heard, &id).any(paused)).await;
    stage.listener.order(&id, RecordingOrder::Resume);
    let recorded = since.elapsed().as_secs_f64();
    play.go_on().await;
    stage.ends(play).await;
    assert_eq!(files(&stage.listener.heard), [stage.listener.file(&id)]);
    // The one that began before the cut may have been told into it.
    assert!(stage.begun(&id) <= 1);
    assert!(stage.sound(&id).await.seconds() >= recorded - LATE);
}

async fn a_daemon_that_starts_again_finds_the_recording_and_stops_it(stage: &mut Stage) {
    let (mut play, id, since) = stage.begins().await;
    let next = Listener::start(&stage.link, &stage.rig, "ringdesk-recording").await;
    std::mem::replace(&mut stage.listener, next).end().await;
    // It knows nothing, hears that the call is answered, and orders a recording: that one runs.
    stage.listener.until("the recording is found", |heard| !files(heard).is_empty()).await;
    assert!(stage.listener.ordered.contains(&id));
    let recorded = since.elapsed().as_secs_f64();
    stage.listener.order(&id, RecordingOrder::Stop);
    let sound = stage.sound(&id).await;
    assert!(sound.seconds() >= recorded - LATE, "{} s of {recorded} s: it was written over", sound.seconds());
    assert_eq!(stage.begun(&id), 1);
    // A second part, under its own name.
    let part = format!("{id}-2");
    let file = stage.listener.file(&part);
    stage.listener.order(&id, RecordingOrder::Start { file: file.clone() });
    stage.listener.until("the second part runs", |heard| files(heard).contains(&&*file)).await;
    play.go_on().await;
    stage.ends(play).await;
    assert!(stage.sound(&part).await.seconds() >= 0.5);
}
