//! Who ended a call, where no capture shows it.

use jiff::Timestamp;

use super::super::channel::ChannelRules;
use super::super::frame::Framer;
use super::Translate;
use crate::call::{EndedBy, Event};

const CALLER: &str = "Channel: PJSIP/trunk-1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n";
const ANNA: &str = "Channel: PJSIP/201-2\r\nUniqueid: 1.2\r\nLinkedid: 1.1\r\n";
const BEN: &str = "Channel: PJSIP/202-3\r\nUniqueid: 1.3\r\nLinkedid: 1.1\r\n";

type Line<'a> = (&'a str, &'a str, &'a str);

fn meets<'a>(channel: &'a str, bridge: &'a str) -> Line<'a> {
    ("BridgeEnter", channel, bridge)
}

/// The caller arrives and speaks with Anna; then `rest`; then the caller's channel is gone. Who ended it?
fn ended_by(rest: &[Line<'_>]) -> Option<EndedBy> {
    let begin: [Line<'_>; 4] = [
        ("Newchannel", CALLER, "Context: from-trunk\r\nExten: 600\r\nCallerIDNum: +493023125111\r\n"),
        ("Newchannel", ANNA, ""),
        meets(CALLER, "BridgeUniqueid: a\r\n"),
        meets(ANNA, "BridgeUniqueid: a\r\n"),
    ];
    let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
    let mut translate = Translate::new("main".to_owned().try_into().unwrap(), rules, false);
    let mut framer = Framer::new();
    framer.push(b"Asterisk Call Manager/11.0.0\r\n");
    for (event, channel, more) in begin.iter().chain(rest).chain(&[("Hangup", CALLER, "Cause: 16\r\n")]) {
        framer.push(format!("Event: {event}\r\n{channel}{more}\r\n").as_bytes());
    }
    let mut heard = Vec::new();
    while let Some(message) = framer.take() {
        translate.on_message(&message, Timestamp::UNIX_EPOCH, &mut heard);
    }
    match heard.pop().expect("the call ends").event {
        Event::HungUp { by, .. } => by,
        other => panic!("the end is last: {other:?}"),
    }
}

#[test]
fn the_first_who_lets_go_ended_the_call() {
    let both = [("HangupRequest", ANNA, ""), ("HangupRequest", CALLER, "")];
    assert_eq!(ended_by(&both), Some(EndedBy::Called));
    let both = [("HangupRequest", CALLER, "Cause: 16\r\n"), ("HangupRequest", ANNA, "")];
    assert_eq!(ended_by(&both), Some(EndedBy::Caller));
}

#[test]
fn what_the_pbx_ends_by_itself_nobody_ended() {
    assert_eq!(ended_by(&[]), Some(EndedBy::Pbx));
    let restart =
        [("SoftHangupRequest", CALLER, "Cause: 4\r\n"), ("SoftHangupRequest", ANNA, "Cause: 4\r\n")];
    assert_eq!(ended_by(&restart), Some(EndedBy::Pbx));
}

#[test]
fn an_agent_who_hangs_up_does_not_end_a_call_that_goes_on() {
    let leaves = [
        ("HangupRequest", ANNA, ""),
        ("BridgeLeave", ANNA, "BridgeUniqueid: a\r\n"),
        ("BridgeLeave", CALLER, "BridgeUniqueid: a\r\n"),
        ("Hangup", ANNA, "Cause: 16\r\n"),
    ];
    // Music, a menu, a question how it was: then the caller hangs up.
    let to_music = [&leaves[..], &[("HangupRequest", CALLER, "")]].concat();
    assert_eq!(ended_by(&to_music), Some(EndedBy::Caller));
    // Another agent takes over, and then the PBX gives up.
    let to_ben = [
        ("Newchannel", BEN, ""),
        meets(CALLER, "BridgeUniqueid: b\r\n"),
        meets(BEN, "BridgeUniqueid: b\r\n"),
    ];
    let ended_by_pbx = [&leaves[..], &to_ben].concat();
    assert_eq!(ended_by(&ended_by_pbx), Some(EndedBy::Pbx));
    let ended_by_ben = [&ended_by_pbx[..], &[("HangupRequest", BEN, "")]].concat();
    assert_eq!(ended_by(&ended_by_ben), Some(EndedBy::Called));
}

#[test]
fn a_phone_that_only_rang_does_not_end_the_call() {
    let rings = [("Newchannel", BEN, ""), ("HangupRequest", BEN, "Cause: 17\r\n")];
    assert_eq!(ended_by(&rings), Some(EndedBy::Pbx));
}
