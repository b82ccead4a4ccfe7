//! Recorded calls, from the line to the ticket.

use std::path::PathBuf;
use std::time::Duration;

use ringdesk::run::Daemon;

use crate::house::*;

const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
const VOICEMAIL: &str = "own22/voicemail-queue";
const SHORT: Duration = Duration::from_millis(100);

/// SHA-256 of the file that the switchboard writes, by another program.
const SUM: &str = "7d691f0fb604f67be9f1b951a7346b1e9ac3f4bfd7d6d3ee9f0c167e04d622a0";

async fn house(recording: &'static str) -> House {
    let mut house = House::new().await;
    house.group = "record = true";
    house.recording = Some(recording);
    house
}

async fn plays(house: &House, capture: &str) {
    house.board.play(&Tape::of(capture, SHORT).0).await;
}

impl House {
    /// Comments with files: whether they are public, their text, and the files' names.
    fn attached(&self) -> Vec<(bool, String, Vec<String>)> {
        let state = self.sandbox.state();
        let comments = state["tickets"].as_array().unwrap().iter().flat_map(|ticket| {
            ticket["comments"].as_array().unwrap().iter().filter(|said| said["attachments"][0].is_object())
        });
        comments
            .map(|said| {
                let files = said["attachments"].as_array().unwrap().iter();
                let names = files.map(|file| file["file_name"].as_str().unwrap().to_owned()).collect();
                (said["public"] == true, said["body"].as_str().unwrap().to_owned(), names)
            })
            .collect()
    }

    fn sums(&self) -> Vec<String> {
        let state = self.sandbox.state();
        let sums = state["attachment_sums"].as_object().unwrap().values();
        sums.map(|sum| sum["sha256"].as_str().unwrap().to_owned()).collect()
    }

    /// Our own keeping.
    fn kept(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("recordings")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    async fn story(&self, daemon: &Daemon) -> String {
        let calls = daemon.journal().list(1).await.unwrap();
        let story = daemon.journal().story(&calls[0].call).await.unwrap().unwrap();
        story.lines.iter().map(|line| format!("{}: {}\n", line.what, line.why)).collect()
    }
}

#[tokio::test]
async fn a_recorded_call_is_an_attachment_of_its_ticket_byte_for_byte() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = house("").await;
    let daemon = house.daemon().await;
    plays(&house, QUEUE).await;
    let tickets = house.over(&daemon, 1).await;
    let attached = house.attached();
    assert_eq!(attached.len(), 1, "{attached:?}");
    let (public, text, files) = &attached[0];
    assert!(
        !public && text.starts_with("Recording of the call with ") && text.contains(", 00:00:0"),
        "{text}"
    );
    assert!(files[0].starts_with("recording_2026-") && files[0].ends_with(".wav"), "{files:?}");
    // What is in an address may end in a log on the way.
    let state = house.sandbox.state();
    let uploads = state["requests"].as_array().unwrap().iter().filter(|ask| ask["path"] == "/api/v2/uploads");
    let queries: Vec<String> = uploads.map(|ask| ask["query"].to_string()).collect();
    assert!(queries.len() == 1 && !queries[0].contains("23125111"), "{queries:?}");
    assert_eq!(house.sums(), [SUM]);
    assert_eq!(house.board.recordings(), 1);
    let kept = house.kept();
    assert_eq!(std::fs::read(&kept[0]).unwrap(), wav(&SOUND, 16_000));
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    daemon.stop().await;
    let journal = ringdesk::journal::Journal::open_read_only(&house.journal()).await.unwrap();
    let rows = journal.kept().await.unwrap();
    assert_eq!((rows.len(), &*rows[0].files[0].sha256, rows[0].files[0].seconds), (1, SUM, Some(1)));
    assert_eq!(rows[0].ticket.map(|ticket| ticket.0), Some(tickets[0].id));
    assert!(rows[0].attached.is_some() && rows[0].closed);
    house.clean();
}

#[tokio::test]
async fn uploads_that_cannot_be_made_hold_nothing_up() {
    let house = house("").await;
    let daemon = house.daemon().await;
    house.sandbox.set_fault("502@POST /uploads", "always").unwrap();
    plays(&house, QUEUE).await;
    house.settled(&daemon, 1).await;
    until("an upload that fails", || daemon.status().uploads.borrow().crm_away).await;
    // The next call has its ticket all the same.
    let next = Tape::of(QUEUE, SHORT).0.with("1795292763.", "1795299999.");
    house.board.play(&next).await;
    assert_eq!(house.settled(&daemon, 2).await.len(), 2);
    assert!(!daemon.status().load.borrow().crm_away);
    let recordings = daemon.status().snapshot().recordings;
    assert!(recordings.uploads_away && recordings.room && recordings.free.is_some(), "{recordings:?}");
    house.sandbox.set_fault("502@POST /uploads", "off").unwrap();
    house.over(&daemon, 2).await;
    assert_eq!(house.attached().len(), 2);
    daemon.stop().await;
}

#[tokio::test]
async fn recordings_that_stay_at_home_are_kept_and_nothing_more() {
    let house = house("attach = false\nname = \"{group}/{linked_id}\"").await;
    let daemon = house.daemon().await;
    plays(&house, QUEUE).await;
    house.over(&daemon, 1).await;
    assert_eq!((house.attached(), house.sums()), (vec![], vec![]));
    let file = house.folder.path().join("recordings/support/1795292763.0.wav");
    assert_eq!(std::fs::read(file).unwrap(), wav(&SOUND, 16_000));
    daemon.stop().await;
}

#[tokio::test]
async fn what_the_pbx_records_by_itself_is_found_seen_from_another_folder_and_deleted_there() {
    let house =
        house("by = \"pbx\"\nfile = \"/pbx/*/*-{linked_id}.wav\"\npath_map = [\"/pbx=MONITOR\"]\ndelete_source = true")
            .await;
    let daemon = house.daemon().await;
    plays(&house, QUEUE).await;
    house.settled(&daemon, 1).await;
    until("it is waited for", || daemon.status().snapshot().recordings.waited_for == 1).await;
    let folder = house.monitor().join("27");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("q-600-+493023125111-1795292763.0.wav");
    std::fs::write(&file, wav(&SOUND, 0)).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(house.attached(), vec![], "it is not complete");
    std::fs::write(&file, wav(&SOUND, 16_000)).unwrap();
    house.over(&daemon, 1).await;
    assert_eq!((house.attached().len(), house.sums()), (1, vec![SUM.to_owned()]));
    assert_eq!(house.board.recordings(), 0);
    assert!(file.exists(), "it is deleted some time after, see the rooms of the house");
    daemon.stop().await;
    // The next start looks at once.
    let daemon = house.daemon().await;
    until("the source is deleted", || !file.exists()).await;
    assert_eq!(house.kept().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_recording_that_never_comes_is_told_in_the_ticket() {
    let house = house("by = \"pbx\"\ngive_up_after = \"10s\"").await;
    let daemon = house.daemon().await;
    plays(&house, QUEUE).await;
    let ticket = house.over(&daemon, 1).await.remove(0);
    let said = ticket.comments.last().unwrap();
    assert_eq!(said, "The recording of this call is missing: the PBX has written no file.");
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_not_filled_and_the_call_has_its_ticket() {
    let house = house("min_free_mb = 10000000").await;
    let text = house.config_text().replace("min_free_mb = 1\n", "");
    let daemon =
        Daemon::start(parse(&text), ringdesk::clock::Clock::system(), ringdesk::run::Hooks::default())
            .await
            .unwrap();
    serves(&daemon).await;
    until("the disk is looked at", || !daemon.status().room.borrow().enough).await;
    plays(&house, QUEUE).await;
    house.over(&daemon, 1).await;
    assert_eq!((house.board.recordings(), house.attached()), (0, vec![]));
    let story = house.story(&daemon).await;
    assert!(story.contains("the call is not recorded: the disk is nearly full"), "{story}");
    let page =
        reqwest::get(format!("http://{}/", daemon.web().unwrap())).await.unwrap().text().await.unwrap();
    assert!(page.contains("nothing is recorded: the disk is nearly full"), "{page}");
    daemon.stop().await;
}

#[tokio::test]
async fn the_callers_message_goes_into_the_ticket() {
    let mut house = house("voicemail = true\npath_map = [\"/tmp/rg22/spool/voicemail=MONITOR\"]").await;
    house.group = "";
    house.ticket = "on_voicemail = true\nmerge_missed_within = \"1s\"";
    house.zendesk = "default_agent = \"ringdesk@example.com\"";
    house.tables = "[[group]]\nqueue = \"counter\"\nname = \"counter\"\nzendesk = \"Support\"\n";
    let daemon = house.daemon().await;
    let message = house.monitor().join("groups/607/INBOX");
    std::fs::create_dir_all(&message).unwrap();
    plays(&house, VOICEMAIL).await;
    house.settled(&daemon, 1).await;
    std::fs::write(message.join("msg0000.wav"), wav(&SOUND, 16_000)).unwrap();
    std::fs::write(message.join("msg0000.txt"), "[message]").unwrap();
    house.over(&daemon, 1).await;
    let attached = house.attached();
    assert!(attached[0].1.starts_with("The message that +49"), "{attached:?}");
    assert_eq!(house.sums(), [SUM]);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_only_observed_is_not_recorded() {
    let house = house("").await;
    let text = format!("mode = \"observe\"\n{}", house.config_text());
    let daemon =
        Daemon::start(parse(&text), ringdesk::clock::Clock::system(), ringdesk::run::Hooks::default())
            .await
            .unwrap();
    serves(&daemon).await;
    plays(&house, QUEUE).await;
    until("the call is over", || {
        daemon.status().desk.borrow().answered == 1 && daemon.status().desk.borrow().up == 0
    })
    .await;
    assert_eq!(house.board.recordings(), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_cut_wire_and_a_new_daemon_in_mid_call_leave_one_recording_and_one_attachment() {
    let house = house("").await;
    let daemon = house.daemon().await;
    let (talk, end) = Tape::of(QUEUE, SHORT).0.cut_before(&["Event: Hangup", "Channel: PJSIP/trunk"]);
    house.board.play(&talk).await;
    until("the recording", || house.board.recordings() == 1).await;
    until("it is told", || daemon.status().load.borrow().owed == 0).await;
    house.board.cut();
    until("the wire is missed", || !daemon.status().not_ready().is_empty()).await;
    house.board.mend();
    serves(&daemon).await;
    daemon.stop().await;
    let daemon = house.daemon().await;
    house.board.play(&end).await;
    house.over(&daemon, 1).await;
    assert_eq!((house.board.recordings(), house.sums()), (1, vec![SUM.to_owned()]));
    assert_eq!(house.attached().len(), 1);
    house.clean();
    daemon.stop().await;
}
