//! A daemon that is killed between any two commits, and the next one that goes on.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ringdesk::clock::Clock;
use ringdesk::run::{Daemon, Hooks};
use serde_json::Value;

use crate::house::*;

const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
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

    /// Waits until no call is up or kept and nothing is owed.
    async fn settled(&mut self) {
        let port = std::fs::read_to_string(&self.told).unwrap();
        let url = format!("http://127.0.0.1:{port}/status.json");
        let settled = async {
            loop {
                let status: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
                let (calls, recordings) = (&status["calls"], &status["recordings"]);
                let owed = [&status["crm"]["owed"], &recordings["waited_for"], &recordings["to_attach"]];
                if calls["up"] == 0 && calls["ended"] == 0 && owed.into_iter().all(|owed| *owed == 0) {
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

/// What happens in a life.
#[derive(Clone, Copy, Default)]
struct Life {
    capture: &'static str,
    callers: &'static str,
    number: Option<&'static str>,
    /// An agent gives the ticket to this person as soon as it stands.
    given_to: Option<&'static str>,
    /// The call is recorded.
    recorded: bool,
}

impl Life {
    async fn house(&self) -> House {
        let mut house = House::new().await;
        house.callers = self.callers;
        if self.recorded {
            house.group = "record = true";
            house.recording = Some("");
        }
        if self.given_to.is_some() {
            // The agent is quicker than that.
            house.wrap_up = "2s";
        }
        house
    }

    fn tape(&self) -> Tape {
        let tape = Tape::of(self.capture, TALK).0;
        self.number.map_or(tape.clone(), |number| tape.with("+493023125111", number))
    }

    async fn agent(&self, house: &House) {
        let Some(person) = self.given_to else { return };
        until("a ticket to give away", || !house.tickets().is_empty()).await;
        let (ticket, person) = (house.tickets()[0].id, house.user(person)["id"].clone());
        let body = serde_json::json!({"ticket": {"requester_id": person}});
        house.agent("PUT", &format!("/tickets/{ticket}"), body);
    }
}

async fn commits_of(house: &House, life: &Life) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let hooks = Hooks { after_commit: Some(Arc::new(move |ordinal| counted.store(ordinal, Relaxed))) };
    let daemon = Daemon::start(house.config(), Clock::system(), hooks).await.unwrap();
    serves(&daemon).await;
    let tape = life.tape();
    tokio::join!(house.board.play(&tape), life.agent(house));
    house.over(&daemon, 1).await;
    daemon.stop().await;
    count.load(Relaxed)
}

/// One life: it dies at this commit, and the next daemon goes on with the call still up.
async fn dies(life: Life, at: u64) -> House {
    let house = life.house().await;
    let tape = life.tape();
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
    let ((), mut second, ()) = tokio::join!(play, revive, life.agent(&house));
    until("a ticket", || !house.tickets().is_empty()).await;
    second.settled().await;
    house
}

/// The writes to persons, but for making them.
fn writes(house: &House) -> Vec<String> {
    let all = house.requests(0).into_iter();
    all.filter(|line| line.starts_with("PUT /users/") || line.ends_with("/identities")).collect()
}

/// Files in comments.
fn files(house: &House) -> usize {
    let state = house.sandbox.state();
    let comments =
        state["tickets"].as_array().unwrap().iter().flat_map(|ticket| ticket["comments"].as_array().unwrap());
    comments.map(|comment| comment["attachments"].as_array().map_or(0, Vec::len)).sum()
}

async fn survives(life: Life) {
    let house = life.house().await;
    let commits = commits_of(&house, &life).await;
    let (told, written) = (house.tickets(), writes(&house));
    assert_eq!(told.len(), 1);
    assert!(commits >= 4, "only {commits} commits: the story is not told");
    let mut lives = tokio::task::JoinSet::new();
    // A few at a time: each is a process and a PBX.
    let room = Arc::new(tokio::sync::Semaphore::new(4));
    for at in 1..=commits {
        let room = Arc::clone(&room);
        lives.spawn(async move {
            let _place = room.acquire().await.unwrap();
            (at, dies(life, at).await)
        });
    }
    for (at, house) in lives.join_all().await {
        let tickets = house.tickets();
        // To find it written costs another look, but no other write.
        assert_eq!(writes(&house), written, "killed at commit {at}");
        assert_eq!(files(&house), if life.recorded { 1 } else { 0 }, "killed at commit {at}");
        assert!(
            house.board.recordings() <= 1,
            "killed at commit {at}: a second recording would write over the first"
        );
        if let Some(person) = life.given_to {
            assert_eq!(house.user(person)["phone"], *life.number.unwrap(), "killed at commit {at}");
        }
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
    survives(Life { capture: QUEUE, ..Life::default() }).await;
}

#[tokio::test]
async fn killed_at_any_commit_a_new_callers_ticket_and_user_stand_once() {
    let callers = "unknown = \"new_user\"";
    survives(Life { capture: QUEUE, callers, number: Some("+493055512397"), ..Life::default() }).await;
}

#[tokio::test]
async fn killed_at_any_commit_a_transferred_ticket_ends_at_the_right_agent() {
    survives(Life { capture: "ast22/f-blind-transfer", ..Life::default() }).await;
}

#[tokio::test]
async fn killed_at_any_commit_an_unknown_number_is_written_once_to_the_person_whom_the_agent_chose() {
    let (number, given_to) = (Some("+493055512397"), Some("Nadja Ohne"));
    survives(Life { capture: QUEUE, number, given_to, ..Life::default() }).await;
}

#[tokio::test]
async fn killed_at_any_commit_a_recording_is_begun_once_and_attached_once() {
    survives(Life { capture: "ast22/f-blind-transfer", recorded: true, ..Life::default() }).await;
}
