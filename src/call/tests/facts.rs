//! What a call keeps for later that decides nothing by itself: channel variables, the message in a mailbox.

use super::*;

fn variable(name: &str, value: &str) -> Event {
    Event::Variable { name: name.to_owned(), value: value.to_owned() }
}

/// A call that waits in a watched queue.
fn waiting() -> Call {
    let mut call = Call::new("main/1795292763.1".parse().unwrap(), at(0));
    for act in [arrives(MAX), joins("support")] {
        if let Act::Hears(event) = act {
            call.on(&event, at(0), &house());
        }
    }
    call
}

#[test]
fn variables_are_kept_with_their_last_value_and_wait_for_the_next_commit() {
    let mut call = waiting();
    for value in ["K-1", "K-2"] {
        let step = call.on(&variable("crm_id", value), at(1), &house());
        assert!(!step.durable && step.story.is_empty() && step.effects.is_empty(), "{step:?}");
    }
    assert_eq!(read_back(&call).variables, [("crm_id".to_owned(), "K-2".to_owned())].into());
}

#[test]
fn variables_cannot_make_a_call_large() {
    let mut call = waiting();
    for number in 0..100 {
        call.on(&variable(&format!("v{number}"), &"ü".repeat(1000)), at(1), &house());
    }
    call.on(&variable("v0", "new"), at(1), &house());
    assert_eq!(call.variables.len(), 32);
    assert_eq!((call.variables["v0"].as_str(), call.variables["v1"].chars().count()), ("new", 255));
    let mut call = waiting();
    call.on(&variable(&"n".repeat(81), "1"), at(1), &house());
    assert!(call.variables.is_empty());
    call.on(&variable(&"n".repeat(80), "1"), at(1), &house());
    assert_eq!(call.variables.len(), 1);
}

#[test]
fn what_comes_after_the_end_is_not_kept() {
    let mut call = waiting();
    let end = Event::HungUp { by: Some(EndedBy::Caller), last_dial: None, estimated: false };
    call.on(&end, at(2), &house());
    call.on(&variable("crm_id", "K-1"), at(3), &house());
    call.on(&Event::VoicemailLeft { file: "/a/msg0000".to_owned(), seconds: None }, at(3), &house());
    assert!(call.variables.is_empty() && call.voicemail_file.is_none() && !call.voicemail);
}

#[test]
fn a_message_left_in_a_mailbox_is_kept_and_told_once() {
    let mut call = waiting();
    let left = Event::VoicemailLeft { file: "/spool/607/INBOX/msg0000".to_owned(), seconds: None };
    let told: Vec<String> = [Event::ReachedVoicemail, left.clone(), left]
        .iter()
        .flat_map(|event| call.on(event, at(5), &house()).story)
        .map(|line| line.what)
        .collect();
    assert_eq!(told, ["goes to a voice mailbox", "the caller left a message"]);
    assert_eq!(read_back(&call).voicemail_file.as_deref(), Some("/spool/607/INBOX/msg0000"));
    let end = Event::HungUp { by: Some(EndedBy::Caller), last_dial: None, estimated: false };
    call.on(&end, at(6), &house());
    let outcome = match call.phase {
        Phase::Ended { outcome, .. } | Phase::Closed { outcome, .. } => outcome,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(outcome, Outcome::Voicemail);
}

#[test]
fn a_call_that_was_written_down_before_there_were_variables_is_read() {
    let mut stored = serde_json::to_value(waiting()).unwrap();
    for key in ["variables", "voicemail_file"] {
        assert!(stored.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_value::<Call>(stored).unwrap(), waiting());
}
