//! Recordings from the line to the ticket and to the share: a real Asterisk, the daemon, and a real Samba.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::house::{House, Plan, becomes};
use crate::rig::{Play, Truth};
use crate::samba::{PASSWORD, Samba, files, user};
use crate::sound::Sound;
use crate::{cut, mend, the_ticket_stands, there};

const CONFIG: &str = r#"
[ticket]
on_voicemail = true
merge_missed_within = "1s"

[recording]
consent = "announced"
file = "SPOOL/monitor/ringdesk/{call_id}.wav"
voicemail = true
min_free_mb = 10

[[group]]
queue = "support"
wrap_up = "1s"
record = true

[[group]]
queue = "counter"
zendesk = "Support"
wrap_up = "1s"
"#;

/// Two minutes are more than the clock of a cron line and the archive's looks at it need.
const SCHEDULED: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn with_asterisk_22_recordings_reach_their_tickets_and_the_share() {
    if there("22") {
        tokio::join!(recordings("22"), what_the_exchange_records("22"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_asterisk_16_recordings_reach_their_tickets_and_the_share() {
    if there("16") {
        tokio::join!(recordings("16"), what_the_exchange_records("16"));
    }
}

async fn recordings(version: &'static str) {
    let samba = Samba::start();
    let archive = format!(
        "[archive]\ncron = \"* * * * *\"\nsubfolder = \"team/phone\"\n[archive.smb]\nhost = \"127.0.0.1\"\nport = {}\n\
         share = \"calls\"\nusername = \"{}\"\npassword = '{PASSWORD}'\n",
        samba.port,
        user()
    );
    let plan = Plan {
        version,
        rig: &["--channelvars", "VM_MESSAGEFILE"],
        username: "ringdesk-recording",
        unknown: "default_user",
        zendesk: "default_agent = \"ringdesk@example.com\"",
        config: &format!("{CONFIG}{archive}"),
    };
    let mut house = House::open(&plan).await;
    let mut sums = BTreeSet::new();
    a_call_is_in_its_ticket(&mut house, &mut sums).await;
    transfers_go_on_in_one_file(&mut house, &mut sums).await;
    what_is_left_out_is_silent(&mut house, &mut sums).await;
    a_cut_wire_changes_nothing(&mut house, &mut sums).await;
    new_daemons_change_nothing(&mut house, &mut sums).await;
    a_message_is_in_its_ticket(&mut house, &mut sums).await;
    house.daemon.rests().await;
    let share = samba.path("calls/team/phone/RecordedCalls");
    the_share_has_them_all(&share, &sums).await;
    one_is_forgotten(&house, &share, sums).await;
    house.close(&[]).await;
}

const BY_PBX: &str = r#"
[recording]
consent = "announced"
by = "pbx"
path_map = ["/exchange=SPOOL"]
file = "/exchange/monitor/by-pbx/*-{linked_id}.wav"
min_free_mb = 10
format = "mp3"
delete_source = true

[[group]]
queue = "support"
wrap_up = "1s"
record = true
"#;

/// Found where the exchange puts it: by the name that it tells (the first account may ask), or by the pattern.
async fn what_the_exchange_records(version: &'static str) {
    for username in ["ringdesk-recording", "ringdesk"] {
        let plan = Plan { version, rig: &[], username, unknown: "default_user", zendesk: "", config: BY_PBX };
        let mut house = House::open(&plan).await;
        let truth = house.play_one("recorded-by-pbx", &["--voices"]).await;
        let ticket = house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
        becomes("the ticket has its recording", async || match &house.account().files(ticket)[..] {
            [(comment, _)] if comment.starts_with(COMMENT) => Ok(()),
            other => Err(format!("{other:?} {}", house.daemon.status().await["recordings"])),
        })
        .await;
        house.files += 1;
        house.daemon.rests().await;
        let name = format!("q-support-{}.wav", truth.uniqueid());
        let source = house.spool().join("monitor/by-pbx").join(name);
        assert!(Sound::read(&source).unwrap().seconds() > 0.5);
        let state = house.sandbox.state();
        assert_eq!(
            state["uploads"][0]["attachments"][0]["content_type"], "audio/mpeg",
            "ffmpeg made it smaller"
        );
        // What was fetched is deleted there when the journal has it; a start looks at once.
        house.daemon.stop().await;
        house.start_again().await;
        becomes("the exchange's file is deleted", async || match source.exists() {
            true => Err(String::new()),
            false => Ok(()),
        })
        .await;
        assert!(
            house.daemon.says(&["recordings", "verify"]).1.starts_with("1 files are as they were recorded")
        );
        house.close(&[]).await;
    }
}

fn sum(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn recorded(house: &House, truth: &Truth) -> PathBuf {
    house.spool().join(format!("monitor/ringdesk/main_{}.wav", truth.uniqueid()))
}

/// Waits until the ticket has this file, and it alone.
async fn carries(house: &mut House, ticket: u64, file: &Path, words: &str, sums: &mut BTreeSet<String>) {
    becomes(
        &format!("ticket {ticket} has its recording"),
        async || match &house.account().files(ticket)[..] {
            [] => Err(house.daemon.status().await["recordings"].to_string()),
            [(comment, found)] if *found == sum(file) && comment.starts_with(words) => Ok(()),
            other => Err(format!("{other:?}, and the exchange has {}", sum(file))),
        },
    )
    .await;
    house.files += 1;
    assert!(sums.insert(sum(file)), "each call has another sound");
}

const COMMENT: &str = "Recording of the call with ";

async fn a_call_is_in_its_ticket(house: &mut House, sums: &mut BTreeSet<String>) {
    let truth = house.play_one("queue-answered", &["--voices"]).await;
    let ticket = house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
    carries(house, ticket, &recorded(house, &truth), COMMENT, sums).await;
    assert!(Sound::read(&recorded(house, &truth)).unwrap().seconds() > 0.5);
}

async fn transfers_go_on_in_one_file(house: &mut House, sums: &mut BTreeSet<String>) {
    for (scenario, requester, agents) in [
        ("blind-transfer", "Karin Wolf", &["201", "203"]),
        ("attended-transfer-queue", "Lena Fuchs", &["202", "204"]),
    ] {
        let truth = house.play_one(scenario, &["--voices"]).await;
        let ticket = house.expect(&truth, requester, "support", agents).await;
        carries(house, ticket, &recorded(house, &truth), COMMENT, sums).await;
    }
}

async fn what_is_left_out_is_silent(house: &mut House, sums: &mut BTreeSet<String>) {
    let truth = house.play_one("recorded-paused", &["--voices", "--number", "+493023125111"]).await;
    let ticket = house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
    let file = recorded(house, &truth);
    carries(house, ticket, &file, COMMENT, sums).await;
    let sound = Sound::read(&file).unwrap();
    assert!(sound.longest_silence() >= 0.8, "{:?}", sound.loudness());
}

/// A call whose ticket stands and of which something is recorded.
async fn begins(house: &House) -> Play {
    let mut play = house.begin("queue-answered", &["--steps", "--voices"]);
    play.reaches("rings").await;
    play.go_on().await;
    play.reaches("answered").await;
    becomes("the ticket stands", async || the_ticket_stands(house).await).await;
    let id = house.daemon.calls()[0]["call"].as_str().unwrap().replace('/', "_");
    let file = house.spool().join(format!("monitor/ringdesk/{id}.wav"));
    becomes("something is recorded", async || {
        let size = std::fs::metadata(&file).map_or(0, |file| file.len());
        if size > 8_000 { Ok(()) } else { Err(format!("{size} bytes")) }
    })
    .await;
    play
}

async fn a_cut_wire_changes_nothing(house: &mut House, sums: &mut BTreeSet<String>) {
    let play = begins(house).await;
    let since = cut(house).await;
    mend(house, since).await;
    ends(house, play, sums).await;
}

async fn new_daemons_change_nothing(house: &mut House, sums: &mut BTreeSet<String>) {
    let play = begins(house).await;
    house.daemon.stop().await;
    house.start_again().await;
    ends(house, play, sums).await;
    let play = begins(house).await;
    house.daemon.kill().await;
    house.start_again().await;
    ends(house, play, sums).await;
}

async fn ends(house: &mut House, mut play: Play, sums: &mut BTreeSet<String>) {
    play.go_on().await;
    let truth = play.truths().await.remove(0);
    let ticket = house.expect(&truth, "Petra Sommer", "support", &["202"]).await;
    let file = recorded(house, &truth);
    carries(house, ticket, &file, COMMENT, sums).await;
    let monitor = house.spool().join("monitor/ringdesk");
    let parts = std::fs::read_dir(monitor)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(truth.uniqueid()));
    assert_eq!(parts.count(), 1, "one file for the whole call");
}

async fn a_message_is_in_its_ticket(house: &mut House, sums: &mut BTreeSet<String>) {
    let truth = house.play_one("voicemail-queue", &[]).await;
    let ticket = house.expect_missed(&truth, crate::DEFAULT_USER, "counter", "Ringdesk").await;
    let inbox = house.spool().join("voicemail/groups/607/INBOX");
    let message = std::fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().path());
    let message =
        message.filter(|path| path.extension().is_some_and(|ending| ending == "wav")).max().unwrap();
    carries(house, ticket, &message, "The message that ", sums).await;
}

async fn the_share_has_them_all(share: &Path, sums: &BTreeSet<String>) {
    let deadline = Instant::now() + SCHEDULED;
    loop {
        let there = if share.is_dir() { files(share) } else { Default::default() };
        let whole = there.iter().filter(|(name, _)| !name.starts_with('.'));
        let found: BTreeSet<String> = whole
            .map(|(_, bytes)| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        if found == *sums {
            return;
        }
        assert!(Instant::now() < deadline, "not on the share: {:?}", there.keys());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Everywhere, and no other one.
async fn one_is_forgotten(house: &House, share: &Path, mut sums: BTreeSet<String>) {
    let all = format!(
        "{} files are as they were recorded, 0 forgotten or deleted in time, 0 wrong or missing\n",
        sums.len()
    );
    assert_eq!(house.daemon.says(&["recordings", "verify"]), (true, all));
    let (_, listed) = house.daemon.says(&["recordings", "list", "--format", "json"]);
    let first: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let (call, ticket) = (first["call"].as_str().unwrap(), first["ticket"].as_u64().unwrap());
    let (well, said) = house.daemon.says(&["recordings", "forget", call]);
    assert!(well, "{said}");
    for words in [
        &format!("1 file(s) are taken out of ticket {ticket}\n"),
        "1 file(s) are deleted from //127.0.0.1/calls\n",
        "is deleted here\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(sums.remove(first["sha256"].as_str().unwrap()));
    the_share_has_them_all(share, &sums).await;
    let state = house.sandbox.state();
    let left = state["attachment_sums"].as_object().unwrap().values();
    let left: BTreeSet<String> = left.map(|sum| sum["sha256"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, sums);
    let (well, said) = house.daemon.says(&["recordings", "verify"]);
    assert!(well && said.contains("1 forgotten or deleted in time, 0 wrong"), "{said}");
    let (well, said) = house.daemon.says(&["recordings", "forget", call]);
    assert!(
        well && said.contains("has no file of it any more") && said.contains("0 file(s) are deleted"),
        "{said}"
    );
    assert!(house.daemon.says(&["recordings", "list"]).1.contains("(attached), not here any more"));
}
