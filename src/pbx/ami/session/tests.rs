use std::time::{Duration, Instant};

use super::super::frame::Framer;
use super::*;
use crate::call::Agent;
use crate::clock;

const BANNER: &str = "Asterisk Call Manager/11.0.0\r\n";

/// A PBX that only knows bytes, and a clock that the test moves.
struct Stage {
    session: Session,
    framer: Framer,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Account)) -> Self {
        let mut account = Account {
            username: "ringdesk".to_owned(),
            secret: "let me in".into(),
            plain_allowed: false,
            classes: CLASSES,
            variables: Vec::new(),
            unwanted: UNWANTED,
            records: false,
        };
        change(&mut account);
        let now = clock::instant();
        Self { session: Session::new(account, Timing::default(), now), framer: Framer::new(), now }
    }

    fn says(&mut self, text: &str) -> Vec<Seen> {
        self.framer.push(text.as_bytes());
        let mut seen = Vec::new();
        while let Some(message) = self.framer.take() {
            seen.push(self.session.on_message(&message, self.now));
        }
        seen
    }

    /// The actions sent since the last time, one a line: `Ping ringdesk-9 Key=Value …`.
    fn sent(&mut self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(self.session.output())).unwrap();
        text.split_terminator("\r\n\r\n")
            .map(|action| {
                let mut fields = action.split("\r\n").map(|line| line.split_once(": ").unwrap());
                let (name, id) = (fields.next().unwrap().1, fields.next().unwrap().1);
                let rest: Vec<_> = fields.map(|(key, value)| format!(" {key}={value}")).collect();
                format!("{name} {id}{}", rest.concat())
            })
            .collect()
    }

    fn told(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.session.take_event()).collect()
    }

    /// Moves the clock to the next thing due.
    fn wait(&mut self) -> Duration {
        let due = self.session.wake_at().expect("nothing is due");
        let waited = due - self.now;
        self.now = due;
        self.session.on_time(due);
        waited
    }

    fn logged_in() -> Self {
        let mut stage = Self::new();
        stage.says(BANNER);
        stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 123456789\r\n\r\n");
        stage.says("Response: Success\r\nActionID: ringdesk-2\r\nMessage: Authentication accepted\r\n\r\n");
        stage
    }

    /// Past all lists, with nothing in them. The account may not set filters.
    fn live() -> Self {
        let mut stage = Self::logged_in();
        stage.says("Response: Error\r\nActionID: ringdesk-3\r\n\r\nEvent: FullyBooted\r\n\r\n");
        for id in 4..=7 {
            stage.list(id, "");
        }
        stage.sent();
        stage.told();
        stage
    }

    fn list(&mut self, id: u32, items: &str) -> Vec<Seen> {
        let begin = format!("Response: Success\r\nActionID: ringdesk-{id}\r\nEventList: start\r\n\r\n");
        let end =
            format!("Event: SomeListComplete\r\nActionID: ringdesk-{id}\r\nEventList: Complete\r\n\r\n");
        self.says(&format!("{begin}{items}{end}"))
    }
}

fn reason(events: &[SessionEvent]) -> &str {
    match events.last() {
        Some(
            SessionEvent::Dead { reason }
            | SessionEvent::LoginRefused { reason }
            | SessionEvent::WrongPeer { reason },
        ) => reason,
        other => panic!("the session should be over: {other:?}"),
    }
}

#[test]
fn it_logs_in_without_showing_the_secret_and_reads_what_is_up() {
    let mut stage = Stage::new();
    stage.says(BANNER);
    assert_eq!(stage.sent(), ["Challenge ringdesk-1 AuthType=MD5"]);
    stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 123456789\r\n\r\n");
    // printf '123456789let me in' | md5sum
    let key = "1c5aa3092bd010e1fa31abf7e0e26698";
    assert_eq!(
        stage.sent(),
        [format!(
            "Login ringdesk-2 Username=ringdesk Events=system,call,agent,dialplan,user AuthType=MD5 Key={key}"
        )]
    );
    assert_eq!(stage.told(), []);
    stage.says("Response: Success\r\nActionID: ringdesk-2\r\nMessage: Authentication accepted\r\n\r\n");
    assert_eq!(stage.told(), [SessionEvent::LoggedIn { version: "11.0.0".to_owned() }]);
    let filter = stage.sent();
    assert!(
        filter[0].starts_with("Filter ringdesk-3 Operation=Add Filter=!^Event: (TestEvent|"),
        "{filter:?}"
    );

    stage.says("Event: FullyBooted\r\n\r\nResponse: Success\r\nActionID: ringdesk-3\r\n\r\n");
    assert_eq!(stage.told(), [SessionEvent::ResyncBegan]);
    assert_eq!(
        stage.sent(),
        [
            "Status ringdesk-4 Variables=NODEST",
            "CoreShowChannels ringdesk-5",
            "QueueStatus ringdesk-6",
            "VoicemailUsersList ringdesk-7",
            "Filter ringdesk-8 Operation=Add Filter=^Event: ([^V]|V[^a]|VarSet[^A-Za-z].*[^A-Za-z]Variable: _?_?\
             ([nN][oO][dD][eE][sS][tT]|[fF][rR][oO][mM][qQ][uU][eE][uU][eE][eE][xX][tT][eE][nN]|\
             [mM][iI][xX][mM][oO][nN][iI][tT][oO][rR]_[fF][iI][lL][eE][nN][aA][mM][eE]|\
             [vV][mM]_[mM][eE][sS][sS][aA][gG][eE][fF][iI][lL][eE])[^A-Za-z0-9_])"
        ]
    );
    let channel = "Event: Status\r\nActionID: ringdesk-4\r\nUniqueid: 1.1\r\n\r\n";
    let event_between = "Event: Newchannel\r\nUniqueid: 1.2\r\n\r\n";
    assert_eq!(
        stage.list(4, &format!("{channel}{event_between}")),
        [Seen::Own, Seen::Item(List::Status), Seen::Event, Seen::Own]
    );
    stage.list(5, "");
    assert_eq!(stage.told(), []);
    let queue = "Event: QueueMember\r\nQueue: support\r\nWrapuptime: 0\r\nActionID: ringdesk-6\r\n\r\n\
                 Event: QueueMember\r\nQueue: support\r\nWrapuptime: 20\r\nActionID: ringdesk-6\r\n\r\n\
                 Event: QueueParams\r\nQueue: empty\r\nActionID: ringdesk-6\r\n\r\n";
    stage.list(6, queue);
    assert_eq!(stage.told(), [SessionEvent::ResyncDone { whole: true }]);
    let owners = "Event: VoicemailUserEntry\r\nActionID: ringdesk-7\r\nVoiceMailbox: 201\r\n\
                  Fullname: Anna Weber\r\nEmail: Anna.Weber@Example.com|office@example.com\r\n\r\n\
                  Event: VoicemailUserEntry\r\nActionID: ringdesk-7\r\nVoiceMailbox: 202\r\n\
                  Fullname: \r\nEmail: \r\n\r\n";
    assert_eq!(stage.list(7, owners), [Seen::Own; 4]);
    let agent = |extension: &str, email: Option<&str>, name: Option<&str>| Agent {
        extension: extension.parse().unwrap(),
        email: email.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    assert_eq!(
        stage.told(),
        [SessionEvent::House {
            agents: vec![
                agent("201", Some("anna.weber@example.com"), Some("Anna Weber")),
                agent("202", None, None)
            ],
            queues: vec![("support".to_owned(), Some(20)), ("empty".to_owned(), None)],
        }]
    );
    let getvar = |id: u8, queue: &str| {
        format!("Getvar ringdesk-{id} Variable=AST_CONFIG(queues.conf,{queue},wrapuptime,-1)")
    };
    assert_eq!(stage.sent(), [getvar(9, "support"), getvar(10, "empty")]);
}

/// The list of queues and that of mailboxes end; `queues` are the queues' names.
fn queues_are_told(stage: &mut Stage, first: u8, queues: &[&str]) -> Vec<SessionEvent> {
    let items: String = queues
        .iter()
        .map(|name| format!("Event: QueueParams\r\nQueue: {name}\r\nActionID: ringdesk-{first}\r\n\r\n"))
        .collect();
    stage.list(first.into(), &items);
    stage.list((first + 1).into(), "");
    stage.sent();
    stage.told()
}

fn house(queues: &[(&str, Option<u32>)]) -> SessionEvent {
    let queues = queues.iter().map(|(name, wrap_up)| ((*name).to_owned(), *wrap_up)).collect();
    SessionEvent::House { agents: vec![], queues }
}

#[test]
fn the_queues_own_wrap_up_time_is_looked_up_and_told_when_it_changes() {
    let mut stage = Stage::live();
    let answer = |id: u8, value: &str| {
        format!("Response: Success\r\nActionID: ringdesk-{id}\r\nVariable: X\r\nValue: {value}\r\n\r\n")
    };
    stage.says("Event: Reload\r\n\r\n");
    stage.wait();
    let told = queues_are_told(&mut stage, 8, &["counter", "support", "od(d)"]);
    assert_eq!(told, [house(&[("counter", None), ("support", None), ("od(d)", None)])]);
    stage.says(&answer(10, "5"));
    assert_eq!(stage.told(), [], "the other queue is not known yet");
    stage.says("Response: Error\r\nActionID: ringdesk-11\r\nMessage: Permission denied\r\n\r\n");
    assert_eq!(stage.told(), [house(&[("counter", Some(5)), ("support", None), ("od(d)", None)])]);

    // Read again: what is known stays until something else is said.
    stage.says("Event: Reload\r\n\r\n");
    stage.wait();
    let told = queues_are_told(&mut stage, 12, &["counter", "support"]);
    assert_eq!(told, [house(&[("counter", Some(5)), ("support", None)])]);
    stage.says(&answer(14, "5"));
    stage.says(&answer(15, "0"));
    assert_eq!(stage.told(), []);

    stage.says("Event: Reload\r\n\r\n");
    stage.wait();
    queues_are_told(&mut stage, 16, &["counter"]);
    stage.says(&answer(18, ""));
    assert_eq!(stage.told(), [house(&[("counter", None)])]);
}

#[test]
fn wanted_variables_are_asked_for_and_let_through_by_the_filter() {
    let mut stage = Stage::with(|account| account.variables = vec!["Crm_1".to_owned(), "é(x)".to_owned()]);
    stage.says(BANNER);
    stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 1\r\n\r\n");
    stage.says("Response: Success\r\nActionID: ringdesk-2\r\n\r\n");
    stage.says("Response: Success\r\nActionID: ringdesk-3\r\n\r\nEvent: FullyBooted\r\n\r\n");
    let sent = stage.sent();
    assert!(sent.iter().any(|line| line.contains("|[cC][rR][mM]_1|.+.+[xX].+)[^A-Za-z0-9_])")), "{sent:?}");
    assert!(sent.contains(&"Status ringdesk-5 Variables=NODEST,Crm_1,é(x)".to_owned()), "{sent:?}");
}

#[test]
fn a_filter_that_is_longer_than_asterisks_lines_is_not_asked_for() {
    let mut stage =
        Stage::with(|account| account.variables = (0..20).map(|n| format!("LONG_NAME_{n}")).collect());
    stage.says(BANNER);
    stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 1\r\n\r\n");
    stage.says("Response: Success\r\nActionID: ringdesk-2\r\n\r\n");
    stage.sent();
    stage.says("Response: Success\r\nActionID: ringdesk-3\r\n\r\n");
    assert_eq!(stage.sent(), [""; 0]);
}

#[test]
fn a_pbx_that_says_nothing_is_given_up_after_ten_seconds() {
    let mut stage = Stage::new();
    assert_eq!(stage.wait(), Duration::from_secs(10));
    assert_eq!(reason(&stage.told()), "it took the connection and said nothing for 10 s");
    assert_eq!(stage.session.wake_at(), None);
}

#[test]
fn a_pbx_that_never_answers_the_login_is_given_up() {
    let mut stage = Stage::new();
    stage.says(BANNER);
    stage.wait();
    assert_eq!(reason(&stage.told()), "no answer to the log-in for 10 s");
}

#[test]
fn what_is_no_ami_is_told_by_its_greeting() {
    let mut stage = Stage::new();
    stage.says("SSH-2.0-OpenSSH_9.2\r\n");
    assert!(matches!(stage.told()[..], [SessionEvent::WrongPeer { .. }]));
    let mut stage = Stage::new();
    stage.says("Event: Hello\r\n\r\n");
    assert!(matches!(stage.told()[..], [SessionEvent::WrongPeer { .. }]));
}

#[test]
fn a_refused_login_says_what_to_check() {
    let mut stage = Stage::new();
    stage.says(BANNER);
    stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 1\r\n\r\n");
    stage.says("Response: Error\r\nActionID: ringdesk-2\r\nMessage: Authentication failed\r\n\r\n");
    let told = stage.told();
    let reason = reason(&told);
    assert!(matches!(told[..], [SessionEvent::LoginRefused { .. }]));
    assert!(reason.contains("Authentication failed") && reason.contains("manager.conf"), "{reason}");
    assert!(!reason.contains("let me in"), "{reason}");
}

#[test]
fn the_secret_is_sent_as_it_is_only_where_nobody_listens() {
    let refusal = "Response: Error\r\nActionID: ringdesk-1\r\nMessage: Must specify AuthType\r\n\r\n";
    let mut stage = Stage::new();
    stage.says(BANNER);
    stage.sent();
    stage.says(refusal);
    assert!(reason(&stage.told()).contains("tls = true"));
    assert_eq!(stage.sent(), [""; 0]);

    let mut stage = Stage::with(|account| account.plain_allowed = true);
    stage.says(BANNER);
    stage.sent();
    stage.says(refusal);
    assert_eq!(
        stage.sent(),
        ["Login ringdesk-2 Username=ringdesk Events=system,call,agent,dialplan,user Secret=let me in"]
    );
}

#[test]
fn without_the_right_to_hear_fully_booted_it_goes_on_after_a_second() {
    let mut stage = Stage::logged_in();
    stage.told();
    assert_eq!(stage.wait(), Duration::from_secs(1));
    assert_eq!(stage.told(), [SessionEvent::ResyncBegan]);
}

#[test]
fn a_pbx_that_was_still_starting_is_asked_again() {
    let mut stage = Stage::logged_in();
    stage.wait();
    stage.sent();
    stage.told();
    stage.list(4, "");
    stage.says("Event: FullyBooted\r\n\r\n");
    assert_eq!(stage.told(), [SessionEvent::ResyncBegan]);
    assert_eq!(stage.sent()[0], "Status ringdesk-8 Variables=NODEST");
    // The old lists no longer count.
    stage.list(5, "");
    stage.list(6, "");
    assert_eq!(stage.told(), []);
    for id in [8, 9, 10] {
        stage.list(id, "");
    }
    assert_eq!(stage.told(), [SessionEvent::ResyncDone { whole: true }]);
    stage.says("Event: FullyBooted\r\n\r\n");
    assert_eq!(stage.told(), []);
}

#[test]
fn an_account_without_rights_goes_on_and_says_what_it_lacks() {
    let mut stage = Stage::logged_in();
    stage.wait();
    stage.told();
    for id in [3, 4, 5, 7] {
        let answer =
            format!("Response: Error\r\nActionID: ringdesk-{id}\r\nMessage: Permission denied\r\n\r\n");
        stage.says(&answer);
    }
    stage.list(6, "Event: QueueParams\r\nQueue: support\r\nActionID: ringdesk-6\r\n\r\n");
    let refused: Vec<_> = stage
        .told()
        .into_iter()
        .map(|event| match event {
            SessionEvent::NotAllowed { action, .. } => action.to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        refused,
        [
            "Filter",
            "Status",
            "CoreShowChannels",
            "VoicemailUsersList",
            "ResyncDone { whole: false }",
            "House { agents: [], queues: [(\"support\", None)] }"
        ]
    );
}

#[test]
fn a_list_without_items_may_have_no_end() {
    let mut stage = Stage::logged_in();
    stage.wait();
    for id in [4, 5, 6] {
        stage.list(id, "");
    }
    stage.told();
    stage.says(
        "Response: Success\r\nActionID: ringdesk-7\r\n\
         Message: There are no voicemail users currently defined.\r\n\r\n",
    );
    assert_eq!(stage.told(), [SessionEvent::House { agents: vec![], queues: vec![] }]);
}

#[test]
fn a_list_that_does_not_end_ends_the_connection_only_during_the_resync() {
    let mut stage = Stage::logged_in();
    stage.says("Response: Error\r\nActionID: ringdesk-3\r\n\r\n");
    stage.wait();
    stage.told();
    stage.wait();
    assert_eq!(reason(&stage.told()), "no answer to Status for 10 s");

    let mut stage = Stage::live();
    stage.says("Event: Reload\r\n\r\n");
    assert_eq!(stage.wait(), Duration::from_secs(2));
    assert_eq!(stage.sent(), ["QueueStatus ringdesk-8", "VoicemailUsersList ringdesk-9"]);
    assert_eq!(stage.list(8, "Event: QueueEntry\r\nActionID: ringdesk-8\r\n\r\n"), [Seen::Own; 3]);
    stage.wait();
    assert_eq!(stage.told(), [], "what was known of the house stays");
    stage.says("Event: Hangup\r\n\r\n");
    assert_eq!(stage.told(), []);
}

#[test]
fn silence_after_a_ping_is_death_and_events_are_life() {
    let mut stage = Stage::live();
    stage.wait();
    assert_eq!(stage.sent(), ["Ping ringdesk-8"]);
    stage.says("Response: Success\r\nActionID: ringdesk-8\r\nPing: Pong\r\n\r\n");
    assert_eq!(stage.wait(), Duration::from_secs(20));
    stage.now += Duration::from_secs(1);
    stage.says("Event: Hangup\r\n\r\n");
    stage.wait();
    assert_eq!(stage.told(), [], "an event was heard since the ping");
    assert_eq!(stage.wait(), Duration::from_secs(10));
    assert_eq!(stage.wait(), Duration::from_secs(10));
    assert_eq!(reason(&stage.told()), "no answer to a ping for 10 s");
}

#[test]
fn whether_a_number_may_be_shown_is_asked_of_the_channel() {
    let mut stage = Stage::live();
    for (number, uniqueid) in ["1.1", "1.2", "1.3", "1.4"].into_iter().enumerate() {
        let channel = format!("PJSIP/trunk-0000000{number}");
        stage.session.ask_presentation(uniqueid.to_owned(), &channel, stage.now);
    }
    assert_eq!(stage.sent()[0], "Getvar ringdesk-8 Channel=PJSIP/trunk-00000000 Variable=CALLERID(num-pres)");
    stage.says(
        "Response: Success\r\nActionID: ringdesk-9\r\nVariable: x\r\nValue: prohib_not_screened\r\n\r\n",
    );
    stage.says(
        "Response: Success\r\nActionID: ringdesk-8\r\nVariable: x\r\nValue: allowed_passed_screen\r\n\r\n",
    );
    stage.says("Response: Error\r\nActionID: ringdesk-10\r\nMessage: No such channel\r\n\r\n");
    assert_eq!(stage.wait(), Duration::from_millis(250));
    let told =
        |uniqueid: &str, withheld| SessionEvent::Presentation { uniqueid: uniqueid.to_owned(), withheld };
    assert_eq!(
        stage.told(),
        [told("1.2", Some(true)), told("1.1", Some(false)), told("1.3", None), told("1.4", None)]
    );
    // Late is better than never: the number must not be shown any longer.
    stage.says("Response: Success\r\nActionID: ringdesk-11\r\nValue: prohib_passed_screen\r\n\r\n");
    assert_eq!(stage.told(), [told("1.4", Some(true))]);

    stage.session.ask_presentation("1.5".to_owned(), "PJSIP/x", stage.now);
    stage.wait();
    assert_eq!(stage.wait(), Duration::from_millis(9750));
    assert_eq!(stage.told(), [told("1.5", None)]);
    assert_eq!(stage.session.questions, 0);
}

#[test]
fn questions_that_cannot_be_asked_are_answered_at_once() {
    let mut stage = Stage::live();
    stage.session.ask_presentation("1.1".to_owned(), &"x".repeat(2000), stage.now);
    assert_eq!(stage.told(), [SessionEvent::Presentation { uniqueid: "1.1".to_owned(), withheld: None }]);
    for _ in 0..QUESTIONS + 1 {
        stage.session.ask_presentation("1.2".to_owned(), "PJSIP/x", stage.now);
    }
    assert_eq!(stage.told().len(), 1);
    assert_eq!(stage.sent().len(), QUESTIONS);
}

#[test]
fn answers_to_somebody_else_change_nothing() {
    let mut stage = Stage::live();
    for id in ["", "7", "ringdesk-", "ringdesk-x", "ringdesk-99999999999999999999", "other-1"] {
        let block = format!("Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n");
        assert_eq!(stage.says(&block), [Seen::Own]);
    }
    assert_eq!(stage.told(), []);
}

#[test]
fn going_down_is_told_and_logging_off_is_polite() {
    let mut stage = Stage::live();
    assert_eq!(stage.says("Event: Shutdown\r\nShutdown: Cleanly\r\nRestart: True\r\n\r\n"), [Seen::Event]);
    assert_eq!(stage.told(), [SessionEvent::ShuttingDown]);
    stage.session.log_off();
    assert_eq!(stage.sent(), ["Logoff ringdesk-end"]);
    assert_eq!(stage.session.wake_at(), None);
}

#[test]
fn the_filter_hides_no_event_by_what_a_caller_is_called() {
    let mut stage = Stage::logged_in();
    let filter = stage.sent().into_iter().find(|action| action.starts_with("Filter")).unwrap();
    assert!(filter.contains("Filter=!^Event: (") && filter.ends_with(")[^A-Za-z]"), "{filter}");
    assert!(filter.len() < 1000, "Asterisk cuts lines of input at 1024 bytes");
}

#[test]
fn a_recording_is_begun_muted_and_stopped_as_16_and_22_want_it() {
    let mut stage = Stage::live();
    let ask = |what| RecordingAsk { leg: "1.1".to_owned(), what };
    let start = ask(RecordingWhat::Start { file: "/m/a b.wav".to_owned() });
    let look = ask(RecordingWhat::Look { id: Some("0x7f".to_owned()) });
    let mute = ask(RecordingWhat::Mute { muted: true });
    let asks = [
        start.clone(),
        look.clone(),
        ask(RecordingWhat::Look { id: None }),
        mute.clone(),
        ask(RecordingWhat::Mute { muted: false }),
        ask(RecordingWhat::Stop { id: "0x7f".to_owned() }),
    ];
    for ask in asks {
        stage.session.order(ask, stage.now);
    }
    assert_eq!(
        stage.sent(),
        [
            "MixMonitor ringdesk-8 Channel=1.1 File=/m/a b.wav Options=bi(RINGDESK_RECORDING)",
            "Getvar ringdesk-9 Channel=1.1 Variable=MIXMONITOR(0x7f,filename)",
            "Getvar ringdesk-10 Channel=1.1 Variable=MIXMONITOR_FILENAME",
            "MixMonitorMute ringdesk-11 Channel=1.1 Direction=both State=1",
            "MixMonitorMute ringdesk-12 Channel=1.1 Direction=both State=0",
            "StopMixMonitor ringdesk-13 Channel=1.1 MixMonitorID=0x7f",
        ]
    );
    // As 22.10 answers, and 16.28 just so.
    stage.says("Response: Success\r\nActionID: ringdesk-8\r\nMixMonitorID: 0x7f5e800055c0\r\n\r\n");
    stage.says(
        "Response: Success\r\nActionID: ringdesk-9\r\nVariable: MIXMONITOR(0x7f,filename)\r\nValue: \r\n\r\n",
    );
    stage.says("Response: Error\r\nActionID: ringdesk-11\r\nMessage: Cannot set mute flag\r\n\r\n");
    let answered = |ask, answer| SessionEvent::Recording { ask, answer };
    assert_eq!(
        stage.told(),
        [
            answered(start, Ok(Some("0x7f5e800055c0".to_owned()))),
            answered(look, Ok(None)),
            answered(mute, Err("Cannot set mute flag".to_owned())),
        ]
    );
}

#[test]
fn a_refused_recording_names_the_right_and_one_without_an_answer_is_told() {
    let mut stage = Stage::live();
    let start =
        RecordingAsk { leg: "1.1".to_owned(), what: RecordingWhat::Start { file: "/m/a.wav".to_owned() } };
    stage.session.order(start.clone(), stage.now);
    stage.says("Response: Error\r\nActionID: ringdesk-8\r\nMessage: Permission denied\r\n\r\n");
    let reason = "Permission denied: give the account `write = system` in manager.conf";
    assert_eq!(
        stage.told(),
        [SessionEvent::Recording { ask: start.clone(), answer: Err(reason.to_owned()) }]
    );
    stage.session.order(start.clone(), stage.now);
    assert_eq!(stage.wait(), Duration::from_secs(10));
    let reason = "the PBX did not answer for 10 s";
    assert_eq!(
        stage.told(),
        [SessionEvent::Recording { ask: start.clone(), answer: Err(reason.to_owned()) }]
    );
    stage.session.log_off();
    stage.session.order(start.clone(), stage.now);
    assert!(matches!(&stage.told()[..], [SessionEvent::Recording { answer: Err(_), .. }]));
}

#[test]
fn whether_the_account_may_record_is_read_from_its_commands() {
    for (commands, expected) in [
        ("Hangup: x\r\nMixMonitor: x\r\nMixMonitorMute: x\r\nStopMixMonitor: x\r\n", MayRecord::Yes),
        ("Hangup: x\r\nMixMonitorMute: x\r\nStopMixMonitor: x\r\n", MayRecord::NoRight),
        ("Hangup: x\r\n", MayRecord::NoModule),
        ("Ping: x\r\n", MayRecord::NoRight),
    ] {
        let mut stage = Stage::with(|account| account.records = true);
        stage.says(BANNER);
        stage.says("Response: Success\r\nActionID: ringdesk-1\r\nChallenge: 123456789\r\n\r\n");
        stage.sent();
        stage.says("Response: Success\r\nActionID: ringdesk-2\r\n\r\n");
        assert_eq!(stage.sent()[1], "ListCommands ringdesk-4");
        stage.says(&format!(
            "Response: Success\r\nActionID: ringdesk-4\r\n{commands}\r\nEvent: FullyBooted\r\n\r\n"
        ));
        assert_eq!(
            stage.told()[1..],
            [SessionEvent::MayRecord(expected), SessionEvent::ResyncBegan],
            "{commands}"
        );
        // What is recorded already is asked with the rest.
        assert_eq!(
            stage.sent()[0],
            "Status ringdesk-5 Variables=NODEST,MIXMONITOR_FILENAME,RINGDESK_RECORDING"
        );
    }
}
