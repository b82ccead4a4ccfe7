//! Records of calls and their voice comments.

use ringdesk::call::{CallRecord, Direction, Outcome, RecordId};

use super::house::*;

const APP: u64 = 9_300_000_005_001;

fn with_app(sandbox: &Sandbox, app: u64) -> Zendesk {
    Zendesk::new(Options { calls_app_id: Some(app), ..options(sandbox) }, Clock::system()).unwrap()
}

fn record(ticket: TicketId) -> CallRecord {
    CallRecord {
        external_id: "ringdesk:main/1795292763.0".to_owned(),
        ticket,
        title: "Call".to_owned(),
        direction: Direction::Inbound,
        caller: Some("+493023125111".parse().unwrap()),
        dialled: "+4930555100".to_owned(),
        agent: Some(anna()),
        started: "2026-11-26T10:00:00.4Z".parse().unwrap(),
        answered: Some("2026-11-26T10:00:20Z".parse().unwrap()),
        ended: "2026-11-26T10:02:00Z".parse().unwrap(),
        outcome: Outcome::Answered,
        by: None,
        recording: Some("https://pbx.example.com/r/1.mp3".to_owned()),
    }
}

fn write(record: CallRecord) -> Work {
    work(Task::RecordCall(Box::new(record)))
}

fn show(ticket: TicketId, record: RecordId) -> Work {
    work(Task::ShowRecord { ticket, record, title: "Call from Petra".to_owned() })
}

fn written(done: &Delivered) -> RecordId {
    match done.event {
        Event::CallRecorded { record } => record,
        ref other => panic!("{other:?}"),
    }
}

fn calls(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.state()["calls"].as_array().unwrap().clone()
}

fn voice_comments(sandbox: &Sandbox, id: TicketId) -> Vec<Value> {
    let ticket = ticket(sandbox, id);
    let comments = ticket["comments"].as_array().unwrap().iter();
    comments.filter(|comment| comment["type"] == "TpeVoiceComment").cloned().collect()
}

#[tokio::test]
async fn the_record_is_complete_and_shows_in_its_ticket() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (with_app(&sandbox, APP), House::default());
    let ticket = petras_ticket(&zendesk).await;
    let done = zendesk.deliver(&write(record(ticket)), FIRST, &house).await.unwrap();
    let call = &calls(&sandbox)[0];
    for (key, value) in [
        ("id", json!(written(&done))),
        ("app_id", json!(APP)),
        ("ticket_id", json!(ticket)),
        ("agent_id", json!(ANNA)),
        ("direction", json!("inbound")),
        ("from_line", json!("+493023125111")),
        ("to_line", json!("+4930555100")),
        ("call_ended_at", json!("2026-11-26T10:02:00Z")),
        ("duration", json!(119)),
        ("talk_time", json!(100)),
        ("completion_status", json!("completed")),
        ("recording_url", json!("https://pbx.example.com/r/1.mp3")),
        ("external_id", json!("ringdesk:main/1795292763.0")),
        ("voicemail", Value::Null),
    ] {
        assert_eq!(call[key], value, "{key}");
    }
    assert!(voice_comments(&sandbox, ticket).is_empty(), "nothing shows before its id is in the journal");
    let done = zendesk.deliver(&show(ticket, written(&done)), FIRST, &house).await.unwrap();
    assert_eq!(done.event, Event::RecordShown);
    let shown = voice_comments(&sandbox, ticket);
    assert_eq!((shown.len(), &shown[0]["title"]), (1, &json!("Call from Petra")));
    assert_eq!(shown[0]["data"]["recording_url"], "https://pbx.example.com/r/1.mp3");
    assert_eq!(requests(&sandbox).len(), 3);
    clean(&sandbox);
}

#[tokio::test]
async fn each_outcome_has_its_word() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (with_app(&sandbox, APP), House::default());
    let ticket = petras_ticket(&zendesk).await;
    for (outcome, audio, word) in [
        (Outcome::Answered, false, "completed"),
        (Outcome::Abandoned, false, "abandoned_in_queue"),
        (Outcome::Unanswered, false, "missed"),
        (Outcome::NoAnswer, false, "missed"),
        (Outcome::Busy, false, "declined"),
        (Outcome::Voicemail, true, "pending_voicemail"),
        (Outcome::Voicemail, false, "abandoned_in_voicemail"),
    ] {
        let recording = audio.then(|| "https://pbx.example.com/r/1.mp3".to_owned());
        let answered = (outcome == Outcome::Answered).then(|| "2026-11-26T10:00:20Z".parse().unwrap());
        let (caller, agent) = (None, None);
        let record = CallRecord { outcome, recording, answered, caller, agent, ..record(ticket) };
        zendesk.deliver(&write(record), FIRST, &house).await.unwrap();
        let all = calls(&sandbox);
        let call = all.iter().max_by_key(|call| call["id"].as_u64()).unwrap();
        assert_eq!((&call["completion_status"], &call["from_line"]), (&json!(word), &json!("unknown")));
        assert_eq!(call["recording_url"].is_string(), audio);
        assert_eq!(call["voicemail"] == true, outcome == Outcome::Voicemail);
    }
    clean(&sandbox);
}

#[tokio::test]
async fn whatever_is_not_heard_the_ticket_shows_the_call_once() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (with_app(&sandbox, APP), House::default());
    let ticket = petras_ticket(&zendesk).await;
    let work = write(record(ticket));
    sandbox.set_fault("reset_after_commit@POST /calls", "1").unwrap();
    let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    let done = zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    // The API has no look-up: the first record stays, and shows nowhere.
    assert!(done.note.contains("shows in no ticket"), "{}", done.note);
    assert_eq!(calls(&sandbox).len(), 2);
    let work = show(ticket, written(&done));
    sandbox.set_fault("reset_after_commit@POST /calls", "1").unwrap();
    zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    let shown = voice_comments(&sandbox, ticket);
    assert_eq!((shown.len(), &shown[0]["data"]["call_id"]), (1, &json!(written(&done))));
}

#[tokio::test]
async fn what_cannot_be_written_says_what_to_do() {
    let sandbox = sandbox().await;
    let house = House::default();
    let ticket = petras_ticket(&client(&sandbox)).await;
    let work = write(record(ticket));
    let count = requests(&sandbox).len();
    let done = client(&sandbox).deliver(&work, FIRST, &house).await.unwrap();
    assert!(matches!(&done.event, Event::WorkRefused { reason, .. } if reason.contains("calls_app_id")));
    assert_eq!(requests(&sandbox).len(), count, "without an app nothing is asked");
    let error = with_app(&sandbox, 5).deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Refused { reason } if reason.contains("calls_app_id")),
        "{error:?}"
    );
    let stranger = CallRecord { agent: Some(agent("nobody@example.com")), ..record(ticket) };
    let zendesk = with_app(&sandbox, APP);
    zendesk.deliver(&write(stranger), FIRST, &house).await.unwrap();
    assert_eq!(calls(&sandbox)[0]["agent_id"], Value::Null);
    let error = zendesk.deliver(&show(ticket, RecordId(7)), FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Refused { .. }), "{error:?}");
    sandbox.set_fault("no_tpe", "403").unwrap();
    let done = zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert!(matches!(&done.event, Event::WorkRefused { key, .. } if *key == work.key()));
    assert_eq!(zendesk.voice_available(), None, "that calls are refused says nothing about tickets");
}

#[tokio::test]
async fn the_record_leads_to_the_recording_and_so_does_its_comment() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (with_app(&sandbox, APP), House::default());
    let ticket = petras_ticket(&zendesk).await;
    let without = CallRecord { recording: None, ..record(ticket) };
    let id = written(&zendesk.deliver(&write(without), FIRST, &house).await.unwrap());
    zendesk.deliver(&show(ticket, id), FIRST, &house).await.unwrap();
    let address = "https://example.zendesk.com/attachments/token/x/?name=call.wav".to_owned();
    let complete = work(Task::CompleteRecord { record: id, address: address.clone() });
    for _ in 0..2 {
        let done = zendesk.deliver(&complete, FIRST, &house).await.unwrap();
        assert_eq!(done.event, Event::RecordCompleted);
        assert!(!done.note.contains("attachments"), "{}", done.note);
    }
    assert_eq!(calls(&sandbox)[0]["recording_url"], *address);
    let comments = voice_comments(&sandbox, ticket);
    assert_eq!((comments.len(), &comments[0]["data"]["recording_url"]), (1, &json!(address)));
    clean(&sandbox);
    let gone = work(Task::CompleteRecord { record: RecordId(1), address });
    let error = zendesk.deliver(&gone, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Refused { .. }), "{error:?}");
}
