use jiff::Timestamp;

use super::super::super::channel::ChannelRules;
use super::super::super::frame::Framer;
use super::*;

const CALLER: &str = "Channel: PJSIP/trunk-1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n";
const ANNA: &str = "Channel: PJSIP/201-2\r\nUniqueid: 1.2\r\nLinkedid: 1.1\r\n";
const FILE: &str = "/var/spool/asterisk/monitor/ringdesk/1.wav";

/// A caller speaks with Anna, on a PBX whose answers the test gives.
struct Talk {
    translate: Translate,
    heard: Vec<Heard>,
}

impl Talk {
    fn new() -> Self {
        let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
        let translate = Translate::new("main".to_owned().try_into().unwrap(), rules, false).with_recording();
        let mut talk = Self { translate, heard: Vec::new() };
        talk.says(
            "Newchannel",
            CALLER,
            "Context: from-trunk\r\nExten: 600\r\nCallerIDNum: +493023125111\r\n",
        );
        talk.says("Newchannel", ANNA, "");
        talk.says("BridgeEnter", CALLER, "BridgeUniqueid: a\r\n");
        talk.says("BridgeEnter", ANNA, "BridgeUniqueid: a\r\n");
        talk.told();
        talk
    }

    fn says(&mut self, event: &str, channel: &str, more: &str) {
        let mut framer = Framer::new();
        framer.push(format!("Event: {event}\r\n{channel}{more}\r\n").as_bytes());
        while let Some(message) = framer.take() {
            self.translate.on_message(&message, Timestamp::UNIX_EPOCH, &mut self.heard);
        }
    }

    fn order(&mut self, order: RecordingOrder) {
        let call = "main/1.1".parse().unwrap();
        self.translate.order(&call, order, Timestamp::UNIX_EPOCH, &mut self.heard);
    }

    fn starts(&mut self, file: &str) {
        self.order(RecordingOrder::Start { file: file.to_owned() });
    }

    fn answers(&mut self, ask: &RecordingAsk, answer: Result<Option<&str>, &str>) {
        let answer = answer.map(|value| value.map(str::to_owned)).map_err(str::to_owned);
        self.translate.answered(ask, &answer, Timestamp::UNIX_EPOCH, &mut self.heard);
    }

    /// The one thing that the PBX is asked.
    fn ask(&mut self) -> RecordingAsk {
        let mut asks = self.translate.asks();
        assert_eq!(asks.len(), 1, "{asks:?}");
        asks.remove(0)
    }

    fn told(&mut self) -> Vec<Event> {
        self.heard.drain(..).map(|heard| heard.event).collect()
    }

    /// A recording of ours runs.
    fn recorded() -> Self {
        let mut talk = Self::new();
        talk.starts(FILE);
        let ask = talk.ask();
        talk.answers(&ask, Ok(Some("0x7f01")));
        talk.told();
        talk
    }

    /// The link was lost; `Status` tells of the caller's channel these variables.
    fn link_returns(&mut self, variables: &str) {
        self.translate.resync_begins();
        self.says("Status", CALLER, &format!("ChannelState: 6\r\nBridgeID: a\r\n{variables}"));
        self.says(
            "Status",
            ANNA,
            "ChannelState: 6\r\nBridgeID: a\r\nVariable: MIXMONITOR_FILENAME=(null)\r\n",
        );
        self.translate.resync_ends(true, Timestamp::UNIX_EPOCH, &mut self.heard);
    }
}

fn started(file: &str) -> Event {
    Event::RecordingStarted { file: file.to_owned() }
}

fn on_caller(what: RecordingWhat) -> RecordingAsk {
    RecordingAsk { leg: "1.1".to_owned(), what }
}

#[test]
fn the_callers_channel_is_recorded_and_told_once_whatever_the_pbx_says_of_it() {
    let mut talk = Talk::new();
    talk.starts(FILE);
    let ask = talk.ask();
    assert_eq!(ask, on_caller(RecordingWhat::Start { file: FILE.to_owned() }));
    // As 16.28 and 22.10 do it: both events may come before the answer or after it.
    talk.says("VarSet", CALLER, &format!("Variable: MIXMONITOR_FILENAME\r\nValue: {FILE}\r\n"));
    talk.says("MixMonitorStart", CALLER, "");
    assert_eq!(talk.told(), []);
    talk.starts(FILE);
    assert_eq!(talk.translate.asks(), []);
    talk.answers(&ask, Ok(Some("0x7f01")));
    assert_eq!(talk.told(), [started(FILE)]);
    talk.says("VarSet", CALLER, &format!("Variable: MIXMONITOR_FILENAME\r\nValue: {FILE}\r\n"));
    talk.says("MixMonitorStart", CALLER, "");
    assert_eq!((talk.told(), talk.translate.asks()), (vec![], vec![]));
    // Asked once more, it is told once more and not begun.
    talk.starts(FILE);
    assert_eq!((talk.told(), talk.translate.asks()), (vec![started(FILE)], vec![]));
}

#[test]
fn a_relative_name_is_the_one_in_the_pbxs_own_folder() {
    let mut talk = Talk::new();
    talk.starts("ringdesk/1.wav");
    let ask = talk.ask();
    talk.answers(&ask, Ok(Some("0x7f01")));
    talk.says("VarSet", CALLER, &format!("Variable: MIXMONITOR_FILENAME\r\nValue: {FILE}\r\n"));
    assert_eq!(talk.told(), [started("ringdesk/1.wav")]);
    // Another one, although its name ends alike.
    talk.says("VarSet", CALLER, "Variable: MIXMONITOR_FILENAME\r\nValue: /x/not-ringdesk/1.wav\r\n");
    assert_eq!(talk.told(), [started("/x/not-ringdesk/1.wav")]);
}

#[test]
fn what_was_begun_is_stopped_by_its_id_even_before_it_is_known() {
    let stop = || on_caller(RecordingWhat::Stop { id: "0x7f01".to_owned() });
    let mut talk = Talk::recorded();
    talk.order(RecordingOrder::Stop);
    assert_eq!(talk.ask(), stop());
    talk.answers(&stop(), Ok(None));
    talk.order(RecordingOrder::Stop);
    assert_eq!(talk.translate.asks(), []);
    // A second part under its own name.
    talk.starts("/x/1-2.wav");
    let ask = talk.ask();
    talk.order(RecordingOrder::Stop);
    assert_eq!(talk.translate.asks(), []);
    talk.answers(&ask, Ok(Some("0x7f01")));
    assert_eq!(talk.told(), [started("/x/1-2.wav")]);
    assert_eq!(talk.ask(), stop());
}

#[test]
fn a_refusal_is_told_and_another_try_is_made_when_it_is_ordered() {
    let mut talk = Talk::new();
    for _ in 0..2 {
        talk.starts(FILE);
        let ask = talk.ask();
        talk.answers(&ask, Err("No such channel"));
        assert_eq!(talk.told(), [Event::RecordingFailed { reason: "No such channel".to_owned() }]);
    }
}

#[test]
fn a_name_that_asterisk_would_read_otherwise_is_not_sent() {
    let long = format!("{}.wav", "a".repeat(LONGEST_FILE));
    let mut talk = Talk::new();
    for file in ["a,b.wav", "a\"b.wav", "a(b.wav", "a\\b.wav", "${X}.wav", "a\r\nCommand: x", "", &long] {
        talk.starts(file);
        assert_eq!(talk.translate.asks(), [], "{file}");
        assert!(matches!(talk.told()[..], [Event::RecordingFailed { .. }]), "{file}");
    }
    talk.starts("/srv/Büro/1 a-b_c.wav");
    talk.ask();
}

#[test]
fn a_call_that_is_over_is_not_recorded() {
    let mut talk = Talk::recorded();
    talk.says("Hangup", CALLER, "Cause: 16\r\n");
    talk.told();
    for order in [RecordingOrder::Stop, RecordingOrder::Pause, RecordingOrder::Resume] {
        talk.order(order);
    }
    talk.starts(FILE);
    assert_eq!(talk.translate.asks(), []);
    assert_eq!(talk.told(), [Event::RecordingFailed { reason: "the call is over".to_owned() }]);
}

#[test]
fn it_is_paused_by_the_desk_by_the_dialplan_and_by_a_program() {
    let mut talk = Talk::recorded();
    let mute = |muted| on_caller(RecordingWhat::Mute { muted });
    talk.order(RecordingOrder::Pause);
    assert_eq!(talk.ask(), mute(true));
    // Told by the event, by the answer, or both.
    talk.says("MixMonitorMute", CALLER, "Direction: both\r\nState: 1\r\n");
    talk.answers(&mute(true), Ok(None));
    assert_eq!(talk.told(), [Event::RecordingPaused { paused: true }]);
    talk.order(RecordingOrder::Resume);
    assert_eq!(talk.ask(), mute(false));
    talk.answers(&mute(false), Ok(None));
    assert_eq!(talk.told(), [Event::RecordingPaused { paused: false }]);
    // The dialplan of any channel of the call.
    talk.says("UserEvent", ANNA, "UserEvent: RingdeskRecording\r\nOrder: pause\r\n");
    assert_eq!(talk.ask(), mute(true));
    // `Action: UserEvent` has what its sender wrote.
    talk.says("UserEvent", "Channel: PJSIP/201-2\r\n", "UserEvent: ringdeskrecording\r\nOrder: Resume\r\n");
    assert_eq!(talk.ask(), mute(false));
    for other in ["UserEvent: RingdeskRecording\r\n", "UserEvent: Other\r\nOrder: pause\r\n"] {
        talk.says("UserEvent", ANNA, other);
    }
    talk.says("UserEvent", "Channel: PJSIP/9-9\r\n", "UserEvent: RingdeskRecording\r\nOrder: pause\r\n");
    talk.says("MixMonitorMute", CALLER, "Direction: read\r\nState: 1\r\n");
    assert_eq!((talk.translate.asks(), talk.told()), (vec![], vec![]));
}

#[test]
fn a_pause_whose_answer_was_lost_with_the_link_is_asked_again() {
    let mut talk = Talk::recorded();
    let running = format!("Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f01\r\n");
    talk.order(RecordingOrder::Pause);
    let pause = talk.ask();
    talk.link_returns(&running);
    assert_eq!(talk.ask(), pause);
    talk.answers(&pause, Ok(None));
    talk.link_returns(&running);
    assert_eq!(talk.translate.asks(), []);
}

#[test]
fn a_second_part_is_not_paused_whatever_the_first_one_was() {
    let mut talk = Talk::recorded();
    talk.says("MixMonitorMute", CALLER, "Direction: both\r\nState: 1\r\n");
    talk.says("VarSet", CALLER, "Variable: MIXMONITOR_FILENAME\r\nValue: /m/2.wav\r\n");
    let paused = |paused| Event::RecordingPaused { paused };
    assert_eq!(talk.told(), [paused(true), paused(false), started("/m/2.wav")]);
}

#[test]
fn what_the_pbx_records_of_a_phone_that_has_not_dialled_yet_is_told_when_it_has() {
    let mut talk = Talk::new();
    let ben = "Channel: PJSIP/202-3\r\nUniqueid: 1.3\r\nLinkedid: 1.3\r\n";
    talk.says("Newchannel", ben, "Exten: 203\r\n");
    talk.says("VarSet", ben, "Variable: MIXMONITOR_FILENAME\r\nValue: /m/out.wav\r\n");
    assert_eq!(talk.told(), []);
    talk.says(
        "DialBegin",
        ben,
        "DestChannel: PJSIP/203-4\r\nDestUniqueid: 1.4\r\nDestLinkedid: 1.3\r\nDestExten: 203\r\n",
    );
    let told = talk.told();
    assert!(matches!(told[0], Event::Arrived { .. }), "{told:?}");
    assert_eq!(told[1], started("/m/out.wav"));
}

#[test]
fn what_is_not_recorded_is_not_paused() {
    let mut talk = Talk::new();
    talk.order(RecordingOrder::Pause);
    talk.says("UserEvent", ANNA, "UserEvent: RingdeskRecording\r\nOrder: pause\r\n");
    assert_eq!((talk.translate.asks(), talk.told()), (vec![], vec![]));
}

#[test]
fn the_pbxs_own_recording_is_found_with_and_without_the_class_dialplan_and_paused_on_its_channel() {
    let mut talk = Talk::new();
    talk.says("MixMonitorStart", ANNA, "");
    let ask = talk.ask();
    assert_eq!(ask, RecordingAsk { leg: "1.2".to_owned(), what: RecordingWhat::Look { id: None } });
    talk.answers(&ask, Ok(Some("/m/q-600.wav")));
    assert_eq!(talk.told(), [started("/m/q-600.wav")]);
    talk.order(RecordingOrder::Pause);
    assert_eq!(talk.ask(), RecordingAsk { leg: "1.2".to_owned(), what: RecordingWhat::Mute { muted: true } });

    let mut talk = Talk::new();
    // C escapes, as events write values.
    talk.says("VarSet", CALLER, "Variable: MIXMONITOR_FILENAME\r\nValue: /m/in\\\"610.wav\r\n");
    talk.says("MixMonitorStart", CALLER, "");
    assert_eq!((talk.told(), talk.translate.asks()), (vec![started("/m/in\"610.wav")], vec![]));
    talk.order(RecordingOrder::Stop);
    assert_eq!(talk.translate.asks(), [], "what the PBX began is not ours to stop");
}

#[test]
fn a_transfer_leaves_the_recording_with_the_caller() {
    let mut talk = Talk::recorded();
    let ben = "Channel: PJSIP/202-3\r\nUniqueid: 1.3\r\nLinkedid: 1.3\r\n";
    talk.says("Newchannel", ben, "");
    talk.says("BridgeLeave", ANNA, "BridgeUniqueid: a\r\n");
    talk.says("Hangup", ANNA, "Cause: 16\r\n");
    talk.says("Rename", CALLER, "Newname: PJSIP/trunk-1<MASQ>\r\n");
    talk.says("BridgeEnter", ben, "BridgeUniqueid: a\r\n");
    talk.told();
    talk.order(RecordingOrder::Pause);
    talk.order(RecordingOrder::Stop);
    let stop = on_caller(RecordingWhat::Stop { id: "0x7f01".to_owned() });
    assert_eq!(talk.translate.asks(), [on_caller(RecordingWhat::Mute { muted: true }), stop]);
}

#[test]
fn after_a_restart_of_the_daemon_a_running_recording_is_found_and_stopped_by_its_id() {
    let mut talk = Talk::new();
    talk.link_returns(&format!(
        "Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f01\r\n"
    ));
    let ask = talk.ask();
    assert_eq!(ask, on_caller(RecordingWhat::Look { id: Some("0x7f01".to_owned()) }));
    talk.answers(&ask, Ok(Some(FILE)));
    assert!(talk.told().contains(&started(FILE)));
    talk.starts(FILE);
    assert_eq!((talk.told(), talk.translate.asks()), (vec![started(FILE)], vec![]));
    talk.order(RecordingOrder::Stop);
    assert_eq!(talk.ask(), on_caller(RecordingWhat::Stop { id: "0x7f01".to_owned() }));
}

#[test]
fn after_a_gap_one_that_was_stopped_is_not_taken_for_a_running_one() {
    let mut talk = Talk::new();
    talk.link_returns(&format!(
        "Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f01\r\n"
    ));
    let ask = talk.ask();
    talk.answers(&ask, Ok(None));
    assert!(!talk.told().contains(&started(FILE)));
    talk.starts("/x/2.wav");
    assert_eq!(talk.ask(), on_caller(RecordingWhat::Start { file: "/x/2.wav".to_owned() }));
}

#[test]
fn what_is_ordered_while_a_found_recording_is_looked_at_waits_for_the_answer() {
    let variables =
        format!("Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f01\r\n");
    let mut talk = Talk::new();
    talk.link_returns(&variables);
    let look = talk.ask();
    talk.starts(FILE);
    assert_eq!(talk.translate.asks(), [], "it would write over the file");
    talk.answers(&look, Ok(Some(FILE)));
    assert!(talk.told().contains(&started(FILE)));
    assert_eq!(talk.translate.asks(), []);

    let mut talk = Talk::new();
    talk.link_returns(&variables);
    let look = talk.ask();
    talk.starts("/x/2.wav");
    talk.answers(&look, Ok(None));
    assert_eq!(talk.ask(), on_caller(RecordingWhat::Start { file: "/x/2.wav".to_owned() }));

    let mut talk = Talk::new();
    talk.link_returns(&variables);
    let look = talk.ask();
    talk.order(RecordingOrder::Stop);
    talk.answers(&look, Ok(Some(FILE)));
    assert_eq!(talk.ask(), on_caller(RecordingWhat::Stop { id: "0x7f01".to_owned() }));
}

#[test]
fn a_second_part_whose_start_was_lost_is_begun_when_only_the_first_one_is_found() {
    let mut talk = Talk::new();
    talk.starts("/x/2.wav");
    talk.ask();
    talk.link_returns(&format!(
        "Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f01\r\n"
    ));
    let look = talk.ask();
    talk.answers(&look, Ok(None));
    assert_eq!(talk.ask(), on_caller(RecordingWhat::Start { file: "/x/2.wav".to_owned() }));
}

#[test]
fn after_a_gap_the_pbxs_own_recording_is_told() {
    let mut talk = Talk::new();
    talk.link_returns(
        "Variable: MIXMONITOR_FILENAME=/m/q-600.wav\r\nVariable: RINGDESK_RECORDING=(null)\r\n",
    );
    assert!(talk.told().contains(&started("/m/q-600.wav")));
    talk.link_returns(
        "Variable: MIXMONITOR_FILENAME=/m/q-600.wav\r\nVariable: RINGDESK_RECORDING=(null)\r\n",
    );
    assert!(!talk.told().contains(&started("/m/q-600.wav")), "each file is told once");
    assert_eq!(talk.translate.asks(), []);
}

#[test]
fn a_start_whose_answer_was_lost_with_the_link_is_asked_again_only_if_the_pbx_did_not_hear_it() {
    let mut talk = Talk::new();
    talk.starts(FILE);
    let lost = talk.ask();
    talk.link_returns("Variable: MIXMONITOR_FILENAME=(null)\r\nVariable: RINGDESK_RECORDING=(null)\r\n");
    assert_eq!(talk.ask(), lost);

    talk.link_returns(&format!(
        "Variable: MIXMONITOR_FILENAME={FILE}\r\nVariable: RINGDESK_RECORDING=0x7f02\r\n"
    ));
    let ask = talk.ask();
    assert_eq!(ask, on_caller(RecordingWhat::Look { id: Some("0x7f02".to_owned()) }));
    talk.answers(&ask, Ok(Some(FILE)));
    assert!(talk.told().contains(&started(FILE)));

    // Stopped while its start was on the way.
    let mut talk = Talk::new();
    talk.starts(FILE);
    talk.ask();
    talk.order(RecordingOrder::Stop);
    talk.link_returns("Variable: RINGDESK_RECORDING=(null)\r\n");
    assert_eq!(talk.translate.asks(), []);

    // An account that may not list what is up cannot know.
    let mut talk = Talk::new();
    talk.starts(FILE);
    talk.ask();
    talk.translate.resync_begins();
    talk.translate.resync_ends(false, Timestamp::UNIX_EPOCH, &mut talk.heard);
    assert!(matches!(talk.told()[..], [Event::RecordingFailed { .. }]));
    assert_eq!(talk.translate.asks(), []);
}
