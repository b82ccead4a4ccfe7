//! Recordings in tickets: uploaded, attached once, and taken away again.

use std::path::Path;

use ringdesk::call::RecordingAttachment;
use ringdesk::crm::Attachment;

use super::house::*;

/// Files of so many bytes, each with its own.
fn files(folder: &Path, sizes: &[usize]) -> Vec<Attachment> {
    let make = |(at, bytes): (usize, &usize)| {
        let (name, path) = (format!("call-{at}.wav"), folder.join(format!("{at}.wav")));
        std::fs::write(&path, vec![at as u8 + 1; *bytes]).unwrap();
        Attachment { name, path, bytes: *bytes as u64, kind: "audio/wav" }
    };
    sizes.iter().enumerate().map(make).collect()
}

/// The house, its ticket, and what is to be attached.
struct Scene {
    sandbox: Sandbox,
    zendesk: Zendesk,
    house: House,
    ticket: TicketId,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let zendesk = impatient(&sandbox, Duration::from_secs(2));
        let ticket = petras_ticket(&zendesk).await;
        let folder = tempfile::tempdir().unwrap();
        Self { sandbox, zendesk, house: House::default(), ticket, folder }
    }

    fn attachment(&self, public: bool) -> RecordingAttachment {
        let comment = "Recording of the call, 00:01:00".to_owned();
        RecordingAttachment { ticket: self.ticket, files: Vec::new(), name: String::new(), comment, public }
    }

    /// Tries until it is done, as the dispatcher does.
    async fn attaches(&self, files: &[Attachment], public: bool) -> Result<Delivered, DeliveryError> {
        let attachment = self.attachment(public);
        let work = self.work();
        let (mut number, mut look_first) = (1, false);
        loop {
            let attempt = Attempt { number, look_first };
            let done = match self.zendesk.attached(&work, &attachment, attempt).await {
                Ok(Some(delivered)) => return Ok(delivered),
                Err(error) => Err(error),
                Ok(None) => {
                    let comment = &attachment.comment;
                    self.zendesk.attach(&work, &attachment, files, comment, attempt, &self.house).await
                }
            };
            match done {
                Err(DeliveryError::Retry { unclear, .. }) if number < 5 => {
                    look_first |= unclear;
                    number += 1;
                }
                Err(DeliveryError::Wait(wait)) if number < 5 => {
                    tokio::time::sleep(wait).await;
                    number += 1;
                }
                done => return done,
            }
        }
    }

    fn work(&self) -> Work {
        Work { seq: 9, ..work(Task::AttachRecording(Box::new(self.attachment(false)))) }
    }

    /// Comments with files: whether they are public, and the names of the files.
    fn attached(&self) -> Vec<(bool, Vec<String>)> {
        let all = tickets(&self.sandbox);
        let comments = all.iter().flat_map(|ticket| ticket["comments"].as_array().unwrap());
        let with_files = comments.filter(|comment| comment["attachments"][0].is_object());
        with_files
            .map(|comment| {
                let files = comment["attachments"].as_array().unwrap().iter();
                let names = files.map(|file| file["file_name"].as_str().unwrap().to_owned());
                (comment["public"].as_bool().unwrap(), names.collect())
            })
            .collect()
    }

    fn warnings(&self) -> Value {
        self.sandbox.state()["warnings"].clone()
    }
}

#[tokio::test]
async fn the_files_are_in_one_comment_byte_for_byte() {
    for public in [false, true] {
        let scene = Scene::new().await;
        let files = files(scene.folder.path(), &[16_044, 300_000]);
        let done = scene.attaches(&files, public).await.unwrap();
        assert!(
            matches!(&done.event, Event::RecordingAttached { address: Some(address) } if address.contains("/attachments/token/"))
        );
        assert!(done.note.contains("by 3 requests"), "{}", done.note);
        assert_eq!(scene.attached(), [(public, vec!["call-0.wav".to_owned(), "call-1.wav".to_owned()])]);
        let state = scene.sandbox.state();
        let sums: Vec<_> = state["attachment_sums"].as_object().unwrap().values().collect();
        assert_eq!((sums[0]["bytes"].as_u64(), sums[1]["bytes"].as_u64()), (Some(16_044), Some(300_000)));
        assert_ne!(sums[0]["sha256"], sums[1]["sha256"]);
        // Of 16 044 bytes of 1, by another program.
        let expected = "1e36e16f";
        assert!(sums[0]["sha256"].as_str().unwrap().starts_with(expected), "{}", sums[0]);
        let uploads = &state["uploads"];
        assert_eq!(uploads[0]["attachments"][0]["content_type"], "audio/wav");
        assert_eq!(scene.warnings(), json!([]));
    }
}

#[tokio::test]
async fn whatever_dies_in_between_it_is_attached_once() {
    for fault in [
        "reset_after_commit@PUT",
        "hang_after_commit@PUT",
        "cut_answer@PUT",
        "reset_before@PUT",
        "502@PUT",
        "reset_after_commit@POST /uploads",
        "reset_before@POST /uploads",
        "503@POST /uploads",
        "cut_answer@POST /uploads",
    ] {
        let scene = Scene::new().await;
        scene.sandbox.set_fault("retry_after", "1").unwrap();
        scene.sandbox.set_fault(fault, 1).unwrap();
        let files = files(scene.folder.path(), &[1_000]);
        scene.attaches(&files, false).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(scene.attached(), [(false, vec!["call-0.wav".to_owned()])], "{fault}");
        let struck = scene.sandbox.state()["counters"]["faults"].clone();
        assert!(struck.as_object().is_some_and(|struck| !struck.is_empty()), "{fault} never struck");
    }
}

#[tokio::test]
async fn a_restart_looks_before_it_uploads_again() {
    let scene = Scene::new().await;
    let files = files(scene.folder.path(), &[1_000]);
    scene.attaches(&files, false).await.unwrap();
    let again = client(&scene.sandbox);
    let attempt = Attempt { number: 1, look_first: true };
    let found = again.attached(&scene.work(), &scene.attachment(false), attempt).await.unwrap();
    let Event::RecordingAttached { address: Some(address) } = found.unwrap().event else { panic!() };
    let state = scene.sandbox.state();
    assert_eq!(address, state["uploads"][0]["attachments"][0]["content_url"]);
    let first = Attempt { number: 1, look_first: false };
    let before = scene.sandbox.counters()["requests"].clone();
    assert_eq!(again.attached(&scene.work(), &scene.attachment(false), first).await.unwrap(), None);
    assert_eq!(scene.sandbox.counters()["requests"], before, "without a doubt nothing is asked");
}

#[tokio::test]
async fn a_large_file_goes_and_one_that_is_too_large_is_refused() {
    let scene = Scene::new().await;
    let large = files(scene.folder.path(), &[20_000_000]);
    scene.attaches(&large, false).await.unwrap();
    assert_eq!(scene.attached().len(), 1);
    let limit = usize::try_from(scene.zendesk.largest_attachment()).unwrap();
    let error = scene.attaches(&files(scene.folder.path(), &[limit + 1]), false).await.unwrap_err();
    assert!(error.to_string().contains("does not take a file of this size"), "{error}");
}

#[tokio::test]
async fn what_is_gone_is_refused_without_a_name() {
    let scene = Scene::new().await;
    let files = files(scene.folder.path(), &[1_000]);
    std::fs::remove_file(&files[0].path).unwrap();
    let error = scene.attaches(&files, false).await.unwrap_err();
    assert_eq!(error.to_string(), "refused: the file is not kept any more");

    let files = self::files(scene.folder.path(), &[1_000]);
    scene.sandbox.as_agent("DELETE", &format!("/tickets/{}", scene.ticket), Value::Null).unwrap();
    let error = scene.attaches(&files, false).await.unwrap_err();
    assert_eq!(error.to_string(), "refused: the ticket is gone");
}

impl Scene {
    /// An agent solves the ticket, and an automation closes it.
    fn closes(&self) {
        let close = json!({"ticket": {"status": "closed"}});
        self.sandbox.as_agent("PUT", &format!("/tickets/{}", self.ticket), close).unwrap();
    }

    async fn redacts(&self) -> Result<usize, CrmError> {
        self.zendesk.redact(self.ticket, &self.work()).await
    }

    fn sums(&self) -> usize {
        self.sandbox.state()["attachment_sums"].as_object().unwrap().len()
    }
}

#[tokio::test]
async fn a_closed_ticket_gets_a_follow_up_with_the_file_and_a_restart_finds_it_there() {
    let scene = Scene::new().await;
    scene.closes();
    let files = files(scene.folder.path(), &[1_000]);
    let done = scene.attaches(&files, false).await.unwrap();
    assert!(done.note.contains("follow-up"), "{}", done.note);
    assert_eq!(scene.attached(), [(false, vec!["call-0.wav".to_owned()])]);
    let attempt = Attempt { number: 1, look_first: true };
    let again = client(&scene.sandbox);
    let found = again.attached(&scene.work(), &scene.attachment(false), attempt).await.unwrap();
    assert!(found.is_some(), "it is in the follow-up");
    assert_eq!((scene.redacts().await.unwrap(), scene.sums()), (1, 0));
    assert_eq!(scene.warnings(), json!([]));
}

#[tokio::test]
async fn files_are_taken_out_of_the_ticket_for_good() {
    let scene = Scene::new().await;
    let files = files(scene.folder.path(), &[1_000, 2_000]);
    scene.attaches(&files, false).await.unwrap();
    assert_eq!(scene.sums(), 2);
    assert_eq!((scene.redacts().await.unwrap(), scene.sums()), (2, 0));
    assert_eq!(scene.redacts().await.unwrap(), 0, "a second time there is nothing");
    assert_eq!(scene.attached(), [(false, vec!["redacted.txt".to_owned(); 2])]);
    assert_eq!(scene.warnings(), json!([]));
}

#[tokio::test]
async fn files_of_closed_tickets_go_by_the_agent_workspace_or_are_left_with_a_word() {
    for workspace in ["on", "off"] {
        let scene = Scene::new().await;
        scene.sandbox.set_fault("agent_workspace", workspace).unwrap();
        let files = files(scene.folder.path(), &[1_000]);
        scene.attaches(&files, false).await.unwrap();
        scene.closes();
        let redacted = scene.redacts().await;
        if workspace == "on" {
            assert_eq!((redacted.unwrap(), scene.sums()), (1, 0));
        } else {
            let error = redacted.unwrap_err().to_string();
            assert!(error.contains("1 of its files stay") && error.contains("by hand"), "{error}");
            assert_eq!(scene.sums(), 1);
        }
    }
}

#[tokio::test]
async fn a_token_that_ended_is_made_anew() {
    let scene = Scene::new().await;
    let files = files(scene.folder.path(), &[1_000, 1_000]);
    // Gone between the two uploads.
    scene.sandbox.set_fault("slow@POST /uploads", "400ms").unwrap();
    let loses = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let state = scene.sandbox.state();
        let token = state["uploads"][0]["token"].as_str().unwrap();
        scene.sandbox.as_agent("DELETE", &format!("/uploads/{token}"), Value::Null).unwrap();
        scene.sandbox.set_fault("slow", "off").unwrap();
    };
    let (done, ()) = tokio::join!(scene.attaches(&files, false), loses);
    done.unwrap();
    assert_eq!(scene.attached().len(), 1);
}
