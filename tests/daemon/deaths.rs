//! A daemon that is killed between any two commits, and the next one that goes on.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ringdesk::clock::Clock;
use ringdesk::run::{Daemon, Hooks};
use serde_json::Value;

use crate::house::*;

const CONFIG: &str = "RINGDESK_STORY_CONFIG";
const DIES_AT: &str = "RINGDESK_STORY_DIES_AT";

/// Not a story: the daemon of the stories below, which run it in a process of its own to kill it.
#[tokio::test]
async fn the_daemon_of_another_process() {
    let Some(file) = std::env::var_os(CONFIG) else { return };
    let dies_at: u64 = std::env::var(DIES_AT).unwrap().parse().unwrap();
    let config = parse(&std::fs::read_to_string(&file).unwrap());
    let hooks = Hooks {
        after_commit: Some(Arc::new(move |ordinal| {
            if ordinal == dies_at {
                // No destructor, no flush, no goodbye: like SIGKILL.
                std::process::abort();
            }
        })),
    };
    let daemon = Daemon::start(config, Clock::system(), hooks).await.unwrap();
    serves(&daemon).await;
    let port = daemon.web().unwrap().port();
    let told = std::path::Path::new(&file).with_extension("port");
    std::fs::write(told.with_extension("new"), port.to_string()).unwrap();
    std::fs::rename(told.with_extension("new"), told).unwrap();
    std::future::pending::<()>().await;
}

struct Process {
    child: Child,
    told: std::path::PathBuf,
}

impl Process {
    fn start(house: &House, dies_at: u64) -> Self {
        let file = house.folder.path().join("story.toml");
        std::fs::write(&file, house.config_text()).unwrap();
        let told = file.with_extension("port");
        let _ = std::fs::remove_file(&told);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deaths::the_daemon_of_another_process"])
            .env(CONFIG, &file)
            .env(DIES_AT, dies_at.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, told }
    }

    fn dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it serves; false when it died before.
    async fn serves(&mut self) -> bool {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.told.exists() {
            if self.dead() {
                return false;
            }
            assert!(tokio::time::Instant::now() < deadline, "the daemon does not get ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Waits until no call is up and nothing is owed.
    async fn settled(&mut self) {
        let port = std::fs::read_to_string(&self.told).unwrap();
        let url = format!("http://127.0.0.1:{port}/status.json");
        let settled = async {
            loop {
                let status: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
                if status["calls"]["up"] == 0 && status["crm"]["owed"] == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, settled).await.is_ok(), "work stays owed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pauses long enough for what is due to be done and committed.
const TALK: Duration = Duration::from_millis(500);

async fn commits_of(house: &House, tape: &Tape) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let hooks = Hooks { after_commit: Some(Arc::new(move |ordinal| counted.store(ordinal, Relaxed))) };
    let daemon = Daemon::start(house.config(), Clock::system(), hooks).await.unwrap();
    serves(&daemon).await;
    house.board.play(tape).await;
    house.settled(&daemon, 1).await;
    daemon.stop().await;
    count.load(Relaxed)
}

/// One life: it dies at this commit, and the next daemon goes on with the call still up.
async fn dies(
    capture: &'static str,
    callers: &'static str,
    number: Option<&'static str>,
    at: u64,
) -> Vec<Ticket> {
    let mut house = House::new().await;
    house.callers = callers;
    let tape = tape(capture, number);
    let mut first = Process::start(&house, at);
    let alive = first.serves().await;
    let board = house.board.clone();
    let (talk, end) = tape.cut_before(&["Event: Hangup", "Channel: PJSIP/trunk"]);
    let (died, over) = (AtomicBool::new(!alive), AtomicBool::new(false));
    let revived = tokio::sync::Semaphore::new(0);
    let play = async {
        board.play(&talk).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Whoever talks goes on until the next daemon listens: what the PBX has forgotten by then nobody can know.
        if died.load(Relaxed) {
            drop(revived.acquire().await.unwrap());
        }
        board.play(&end).await;
        // The rest of the story is told by the clock: how many commits it shares differs from life to life.
        tokio::time::sleep(Duration::from_secs(3)).await;
        over.store(true, Relaxed);
    };
    let revive = async {
        if alive {
            until("the death", || first.dead() || over.load(Relaxed)).await;
        }
        died.store(true, Relaxed);
        drop(first);
        let mut second = Process::start(&house, 0);
        assert!(second.serves().await);
        revived.add_permits(1);
        second
    };
    let ((), mut second) = tokio::join!(play, revive);
    until("a ticket", || !house.tickets().is_empty()).await;
    second.settled().await;
    house.tickets()
}

fn tape(capture: &str, number: Option<&str>) -> Tape {
    let tape = Tape::of(capture, TALK).0;
    number.map_or(tape.clone(), |number| tape.with("+493023125111", number))
}

async fn survives(capture: &'static str, callers: &'static str, number: Option<&'static str>) {
    let mut house = House::new().await;
    house.callers = callers;
    let commits = commits_of(&house, &tape(capture, number)).await;
    let told = house.tickets();
    assert_eq!(told.len(), 1);
    assert!(commits >= 4, "only {commits} commits: the story is not told");
    let mut lives = tokio::task::JoinSet::new();
    // A few at a time: each is a process and a PBX.
    let room = Arc::new(tokio::sync::Semaphore::new(4));
    for at in 1..=commits {
        let room = Arc::clone(&room);
        lives.spawn(async move {
            let _place = room.acquire().await.unwrap();
            (at, dies(capture, callers, number, at).await)
        });
    }
    for (at, tickets) in lives.join_all().await {
        assert_eq!(tickets.len(), 1, "killed at commit {at}: {tickets:#?}");
        let ticket = &tickets[0];
        let right = &told[0];
        assert_eq!(
            (&ticket.call, &ticket.requester, &ticket.agent, &ticket.group),
            (&right.call, &right.requester, &right.agent, &right.group),
            "killed at commit {at}"
        );
        let mut screens = ticket.opened_at.clone();
        let all = screens.len();
        screens.dedup();
        assert_eq!(screens.last(), right.opened_at.last(), "killed at commit {at}: {ticket:#?}");
        assert!(
            screens.len() <= right.opened_at.len() && all <= right.opened_at.len() + 1,
            "killed at commit {at}: {ticket:#?}"
        );
    }
}

#[tokio::test]
async fn killed_at_any_commit_a_known_callers_ticket_stands_once() {
    survives("ast22/a-queue-caller-hangs-up", "", None).await;
}

#[tokio::test]
async fn killed_at_any_commit_a_new_callers_ticket_and_user_stand_once() {
    survives("ast22/a-queue-caller-hangs-up", "unknown = \"new_user\"", Some("+493055512397")).await;
}

#[tokio::test]
async fn killed_at_any_commit_a_transferred_ticket_ends_at_the_right_agent() {
    survives("ast22/f-blind-transfer", "", None).await;
}
