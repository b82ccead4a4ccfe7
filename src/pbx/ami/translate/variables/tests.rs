use jiff::Timestamp;

use super::super::super::channel::ChannelRules;
use super::super::super::frame::Framer;
use super::*;

const CALLER: &str = "Channel: PJSIP/trunk-1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n";
const AGENT: &str = "Channel: PJSIP/201-2\r\nUniqueid: 1.2\r\nLinkedid: 1.1\r\n";

/// An event of a channel with further lines.
fn event(name: &str, channel: &str, lines: &str) -> String {
    format!("Event: {name}\r\n{channel}{lines}\r\n")
}

fn arrives(lines: &str) -> String {
    let born = "Context: from-trunk\r\nExten: 606\r\nCallerIDNum: +493023125111\r\n";
    event("Newchannel", CALLER, &format!("{born}{lines}"))
}

fn heard(stream: &[String]) -> Vec<Event> {
    let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
    let wanted = ["CRM_ID".to_owned(), "language".to_owned()];
    let source = "main".to_owned().try_into().unwrap();
    let mut translate = Translate::new(source, rules, false).with_variables(&wanted);
    let mut framer = Framer::new();
    framer.push(b"Asterisk Call Manager/11.0.0\r\n");
    framer.push(stream.concat().as_bytes());
    let mut heard = Vec::new();
    while let Some(message) = framer.take() {
        translate.on_message(&message, Timestamp::UNIX_EPOCH, &mut heard);
    }
    heard.into_iter().map(|heard| heard.event).collect()
}

/// What was told of variables and messages.
fn told(stream: &[String]) -> Vec<String> {
    let tell = |event| match event {
        Event::Variable { name, value } => Some(format!("{name}={value}")),
        Event::VoicemailLeft { file, seconds: None } => Some(format!("message {file}")),
        Event::ReachedVoicemail => Some("voicemail".to_owned()),
        _ => None,
    };
    heard(stream).into_iter().filter_map(tell).collect()
}

#[test]
fn variables_of_the_config_are_told_when_they_change_and_no_others() {
    let stream = [
        arrives("ChanVariable: CRM_ID=\r\nChanVariable: LANGUAGE=de\r\nChanVariable: OTHER=x\r\n"),
        event("Newstate", CALLER, "ChanVariable: CRM_ID=\r\nChanVariable: LANGUAGE=de\r\n"),
        event("Newstate", CALLER, "ChanVariable: CRM_ID=K-1=a: b\r\nChanVariable: LANGUAGE=de\r\n"),
        event("Hangup", CALLER, "ChanVariable: CRM_ID=K-2\r\nChanVariable: LANGUAGE=\r\n"),
    ];
    assert_eq!(told(&stream), ["language=de", "crm_id=K-1=a: b", "crm_id=K-2"]);
    let events = heard(&stream);
    assert!(matches!(events.first(), Some(Event::Arrived { .. })), "the call comes first: {events:?}");
    assert!(matches!(events.last(), Some(Event::HungUp { .. })), "the end comes last: {events:?}");
}

#[test]
fn the_class_dialplan_tells_variables_as_they_are_set() {
    let stream = [
        arrives(""),
        event("VarSet", CALLER, "Variable: __crm_id\r\nValue: K-1\t \r\n"),
        event("VarSet", CALLER, "Variable: CRM_ID\r\nValue: K-1\r\n"),
        event("VarSet", CALLER, "Variable: SIPCALLID\r\nValue: 7\r\n"),
    ];
    assert_eq!(told(&stream), ["crm_id=K-1"]);
}

#[test]
fn values_lose_the_escapes_of_ami() {
    // What 16.28 and 22.10 make of `a "b" \c 'd' ü? x`.
    let escaped = r#"a \"b\" \\c \'d\' ü\? x"#;
    let plain = r#"crm_id=a "b" \c 'd' ü? x"#;
    let by_channelvars = [arrives(&format!("ChanVariable: CRM_ID={escaped}\r\n"))];
    assert_eq!(told(&by_channelvars), [plain]);
    let set = format!("Variable: CRM_ID\r\nValue: {escaped}\r\n");
    assert_eq!(told(&[arrives(""), event("VarSet", CALLER, &set)]), [plain]);
}

#[test]
fn the_callers_channel_knows_better_than_an_agents_leg() {
    let rings = event("Newchannel", AGENT, "ChanVariable: CRM_ID=of the agent\r\n");
    let dials = "DestUniqueid: 1.2\r\nDestChannel: PJSIP/201-2\r\n";
    let stream = [
        arrives(""),
        rings.clone(),
        event(
            "DialBegin",
            CALLER,
            &format!("{dials}ChanVariable: CRM_ID=K-1\r\nDestChanVariable: CRM_ID=2\r\n"),
        ),
        event("Newstate", AGENT, "ChanVariable: CRM_ID=3\r\n"),
    ];
    assert_eq!(told(&stream), ["crm_id=of the agent", "crm_id=K-1"]);
    let dialled = event("DialBegin", CALLER, &format!("{dials}DestChanVariable: CRM_ID=4\r\n"));
    assert_eq!(told(&[arrives(""), rings, dialled]), ["crm_id=of the agent", "crm_id=4"]);
}

#[test]
fn a_call_that_is_not_announced_yet_keeps_its_variables_until_it_is() {
    let phone = "Channel: PJSIP/201-2\r\nUniqueid: 1.2\r\nLinkedid: 1.2\r\n";
    let born = event("Newchannel", phone, "Context: internal\r\nExten: 202\r\n");
    let set = event("VarSet", phone, "Variable: CRM_ID\r\nValue: K-1\r\n");
    assert_eq!(told(&[born.clone(), set.clone()]), [""; 0]);
    let dials = event("DialBegin", phone, "DestChannel: PJSIP/202-3\r\nDestUniqueid: 1.3\r\n");
    assert_eq!(told(&[born, set, dials]), ["crm_id=K-1"]);
}

#[test]
fn a_message_in_a_mailbox_is_told_with_its_file() {
    let file = "VM_MESSAGEFILE=/var/spool/asterisk/voicemail/groups/607/INBOX/msg0000";
    let message = "message /var/spool/asterisk/voicemail/groups/607/INBOX/msg0000";
    let waiting = |lines: &str| {
        event("MessageWaiting", CALLER, &format!("Mailbox: 607@groups\r\nNew: 1\r\nOld: 0\r\n{lines}"))
    };
    // 22.10 and 16.28 with `channelvars = VM_MESSAGEFILE`.
    let with_channelvars = [
        arrives("ChanVariable: VM_MESSAGEFILE=\r\n"),
        waiting(&format!("ChanVariable: {file}\r\n")),
        event("Hangup", CALLER, &format!("ChanVariable: {file}\r\n")),
    ];
    assert_eq!(told(&with_channelvars), [message, "voicemail"]);
    // With the class `dialplan`.
    let (name, value) = file.split_once('=').unwrap();
    let with_dialplan = [
        arrives(""),
        event("VarSet", CALLER, &format!("Variable: {name}\r\nValue: {value}\r\n")),
        waiting(""),
    ];
    assert_eq!(told(&with_dialplan), [message, "voicemail"]);
    // With neither: there is a message, and nobody knows where.
    assert_eq!(told(&[arrives(""), waiting("")]), ["voicemail"]);
}

#[test]
fn what_is_no_new_message_is_no_voicemail() {
    let listens = event("MessageWaiting", CALLER, "Mailbox: 607@groups\r\nNew: 0\r\nOld: 1\r\n");
    let deleted = event("VarSet", CALLER, "Variable: VM_MESSAGEFILE\r\nValue: DELETED\r\n");
    let another = "Channel: PJSIP/trunk-9\r\nUniqueid: 9.9\r\nLinkedid: 9.9\r\n";
    let of_another = event("MessageWaiting", another, "Mailbox: 607@groups\r\nNew: 1\r\n");
    assert_eq!(told(&[arrives(""), listens, deleted, of_another]), [""; 0]);
}

#[test]
fn older_forms_of_the_header_are_read() {
    let stream = [
        arrives("ChanVariable(PJSIP/trunk-1): CRM_ID=K-1\r\n"),
        event("Newstate", CALLER, "ChanVariable(LANGUAGE): de\r\nChanVariable[CRM_ID]: no\r\n"),
        event("Newstate", CALLER, "ChanVariableX: CRM_ID=no\r\nChanVariable: CRM_ID\r\n"),
    ];
    assert_eq!(told(&stream), ["crm_id=K-1", "language=de"]);
}
