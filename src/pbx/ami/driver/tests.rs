//! The driver over real sockets, against a PBX that only knows bytes.

use super::peer::{House, Pbx, Standstill, ami, call_comes, call_ends, call_is_up, soon};
use super::*;
use crate::call::{Event, RecordingOrder};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn it_logs_in_reads_what_is_up_and_tells_what_happens() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.rings().await;
    line.says("Asterisk Call Manager/11.0.0\r\n").await;
    line.agrees("Challenge", "Challenge: 123\r\n").await;
    let login = line.agrees("Login", "").await;
    assert!(login.text.contains("Username: ringdesk"), "{}", login.text);
    assert!(!login.text.contains("let me in"), "{}", login.text);
    line.agrees("Filter", "").await;
    line.agrees("Filter", "").await;
    line.says("Event: FullyBooted\r\n\r\n").await;
    line.tell_lists(&call_is_up("1.1")).await;
    let (heard, present) = house.resynced().await;
    assert!(matches!(&heard[0].event, Event::Arrived { number, .. } if number == "03023125111"));
    assert_eq!(present, ["1.1"]);
    assert!(matches!(house.input().await, Input::House { .. }));
    house.is_live().await;
    line.says(call_comes("1.2")).await;
    assert!(matches!(house.heard().await, (id, Event::Arrived { .. }) if id == "1.2"));
    // A message may come in any pieces.
    for piece in call_ends("1.2").as_bytes().chunks(7) {
        line.says(piece).await;
    }
    assert!(matches!(house.heard().await, (id, Event::HungUp { estimated: false, .. }) if id == "1.2"));
    assert_eq!(house.counted(|counters| &counters.logins), 1);
}

#[tokio::test(start_paused = true)]
async fn the_socket_is_read_while_the_desk_does_not_take_anything() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    house.is_live().await;
    // Far more than two sockets hold: a PBX that cannot write for 100 ms hangs up.
    let filler = format!("Event: VarSet\r\nVariable: x\r\nValue: {}\r\n\r\n", "v".repeat(60_000));
    for number in 0..400 {
        line.says(call_comes(&format!("7.{number}"))).await;
        line.says(&filler).await;
    }
    clock.pass(5 * SECOND).await;
    for number in 0..400 {
        let (id, event) = house.heard().await;
        assert_eq!(id, format!("7.{number}"));
        assert!(matches!(event, Event::Arrived { .. }));
    }
    assert!(matches!(*house.state.borrow(), LinkState::Live { .. }));
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_its_memory_it_gives_the_link_up_and_reads_anew_what_is_up() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    house.is_live().await;
    // Two inputs make the driver wait for the desk; then the mailbox fills.
    let block = format!("Event: VarSet\r\nVariable: x\r\nValue: {}\r\n\r\n", "v".repeat(60_000));
    let mut sent = 0;
    let mut number = 0;
    loop {
        number += 1;
        let more = call_comes(&format!("7.{number}")) + &block;
        // The reader has stopped when the socket takes nothing for a while.
        let real_time = tokio::task::spawn_blocking(|| std::thread::sleep(2 * SECOND));
        tokio::select! {
            written = line.stream.write_all(more.as_bytes()) => written.unwrap(),
            _ = real_time => break,
        }
        sent += more.len();
        assert!(sent < 2 * MAILBOX, "memory is not bounded");
    }
    assert!(sent >= MAILBOX, "{sent}");
    // The desk works again: what was read is not lost, and the rest is asked for.
    while !matches!(*house.state.borrow(), LinkState::Down { .. }) {
        house.heard().await;
    }
    assert_eq!(
        house.is_down().await,
        "more than 64 MiB of events wait to be worked on: the journal's disk is too slow"
    );
    assert_eq!(house.counted(|counters| &counters.overflows), 1);
    clock.pass(SECOND).await;
    pbx.logs_in(&call_is_up("7.1")).await;
    let (_, present) = house.resynced().await;
    assert_eq!(present, ["7.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_is_back_within_a_second_and_calls_that_ended_meanwhile_are_over() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    line.says(call_comes("1.1") + &call_comes("1.2")).await;
    for _ in 0..2 {
        assert!(matches!(house.heard().await, (_, Event::Arrived { .. })));
    }
    drop(line);
    assert_eq!(house.is_down().await, "it closed the connection");
    assert_eq!(house.counted(|counters| &counters.lost), 1);
    clock.pass(SECOND).await;
    let mut line = pbx.logs_in(&(call_is_up("1.2") + &call_is_up("1.3"))).await;
    let (heard, present) = house.resynced().await;
    let told: Vec<(&str, &Event)> = heard.iter().map(|heard| (heard.call.pbx(), &heard.event)).collect();
    assert!(
        matches!(told[..], [("1.1", Event::HungUp { estimated: true, .. }), ("1.3", Event::Arrived { .. })]),
        "{told:?}"
    );
    assert_eq!(present, ["1.2", "1.3"]);
    line.says(call_ends("1.2")).await;
    assert!(matches!(house.heard().await, (id, Event::HungUp { estimated: false, .. }) if id == "1.2"));
}

#[tokio::test(start_paused = true)]
async fn a_pbx_that_takes_the_connection_and_says_nothing_is_left_after_the_time_of_the_config() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.rings().await;
    clock.pass(Duration::ZERO).await;
    clock.pass(Duration::from_millis(4_900)).await;
    assert!(!house.state.has_changed().unwrap());
    clock.pass(Duration::from_millis(200)).await;
    assert_eq!(house.is_down().await, "it took the connection and said nothing for 5 s");
    line.is_left().await;
    assert_eq!(house.counted(|counters| &counters.unreachable), 1);
    clock.pass(SECOND).await;
    pbx.logs_in("").await;
    house.resynced().await;
}

#[tokio::test(start_paused = true)]
async fn a_pbx_that_greets_and_falls_silent_is_left() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.rings().await;
    line.says("Asterisk Call Manager/11.0.0\r\n").await;
    assert_eq!(line.hears().await.unwrap().name, "Challenge");
    clock.pass(6 * SECOND).await;
    assert_eq!(house.is_down().await, "no answer to the log-in for 5 s");
    line.is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_tried_once_and_again_after_a_minute() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    for refused in 1..=2 {
        let mut line = pbx.rings().await;
        line.says("Asterisk Call Manager/11.0.0\r\n").await;
        line.agrees("Challenge", "Challenge: 123\r\n").await;
        let login = line.hears().await.unwrap();
        let refusal =
            format!("Response: Error\r\nActionID: {}\r\nMessage: Authentication failed\r\n\r\n", login.id);
        line.says(refusal).await;
        line.is_left().await;
        let reason = house.is_down().await;
        assert!(reason.contains("Authentication failed") && reason.contains("manager.conf"), "{reason}");
        assert_eq!(house.counted(|counters| &counters.logins_refused), refused);
        if refused == 1 {
            clock.pass(59 * SECOND).await;
            assert!(pbx.visitor().is_none(), "fail2ban counts the refusals");
            clock.pass(16 * SECOND).await;
        }
    }
    clock.pass(75 * SECOND).await;
    assert!(pbx.visitor().is_none(), "then it is tried more slowly");
    clock.pass(130 * SECOND).await;
    pbx.logs_in("").await;
    house.is_live().await;
}

#[tokio::test(start_paused = true)]
async fn another_server_is_told_by_its_greeting_and_tried_slowly() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.rings().await;
    line.says("SSH-2.0-OpenSSH_9.2\r\n").await;
    let reason = house.is_down().await;
    assert!(reason.contains("SSH-2.0-OpenSSH_9.2") && reason.contains("check the port"), "{reason}");
    clock.pass(4 * SECOND).await;
    assert!(pbx.visitor().is_none());
    clock.pass(3 * SECOND).await;
    pbx.logs_in("").await;
}

#[tokio::test(start_paused = true)]
async fn rubbish_is_counted_and_the_link_goes_on() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    line.says(b"\x00\xff\xfe\x01 rubbish\r\nmore of it\r\n\r\n").await;
    line.says(b"Event: Newchannel\r\nChannel: PJSIP/\x00\xff\r\nUniqueid: \x00\r\n\r\n").await;
    line.says(format!("Event: VarSet\r\nValue: {}\r\n\r\n", "v".repeat(64 * 1024))).await;
    line.says("Variable: x\r\n".repeat(100_000) + "\r\n").await;
    line.says(call_comes("1.1")).await;
    while house.heard().await.0 != "1.1" {}
    assert_eq!(house.counted(|counters| &counters.broken_lines), 2);
    assert_eq!(
        house.counted(|counters| &counters.oversize),
        2,
        "a line of more than 64 KiB, a message of more than 1 MiB"
    );
    assert!(matches!(*house.state.borrow(), LinkState::Live { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_pbx_that_does_not_answer_a_ping_is_left_in_time() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    house.is_live().await;
    clock.pass(20 * SECOND).await;
    line.agrees("Ping", "Ping: Pong\r\n").await;
    clock.pass(20 * SECOND).await;
    assert_eq!(line.hears().await.unwrap().name, "Ping");
    clock.pass(9 * SECOND).await;
    assert!(matches!(*house.state.borrow(), LinkState::Live { .. }));
    clock.pass(SECOND).await;
    assert_eq!(house.is_down().await, "no answer to a ping for 10 s");
    line.is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_pbx_that_logs_in_and_hangs_up_is_not_hammered() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let house = House::listens_to(&pbx);
    let mut tries = 0;
    pbx.rings().await.log_in().await;
    for _ in 0..120 {
        clock.pass(Duration::from_millis(250)).await;
        let Some(mut line) = pbx.visitor() else { continue };
        line.log_in().await;
        drop(line);
        tries += 1;
        while house.counted(|counters| &counters.unreachable) < tries {
            clock.pass(Duration::ZERO).await;
        }
    }
    assert!((5..=15).contains(&tries), "{tries} connections in 30 s");
}

#[tokio::test(start_paused = true)]
async fn stopping_says_goodbye_and_does_not_wait_for_the_pbx() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    house.is_live().await;
    house.stop.cancel();
    soon(&mut house.driver).await.unwrap();
    assert_eq!(line.hears().await.unwrap().name, "Logoff");
    assert!(line.hears().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn stopping_is_prompt_wherever_the_driver_is() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;

    let house = House::listens_to(&pbx);
    let _nothing_said = pbx.rings().await;
    house.stop.cancel();
    soon(house.driver).await.unwrap();

    // While it waits before the next try.
    let mut house = House::listens_to(&pbx);
    drop(pbx.rings().await);
    house.is_down().await;
    house.stop.cancel();
    soon(house.driver).await.unwrap();

    // While the desk takes nothing.
    let mut house = House::listens_to(&pbx);
    let mut line = pbx.logs_in("").await;
    house.resynced().await;
    for number in 0..50 {
        line.says(call_comes(&format!("7.{number}"))).await;
    }
    house.stop.cancel();
    soon(house.driver).await.unwrap();

    // While nobody listens at the other end.
    let address = pbx.address();
    drop(pbx);
    let mut house = House::with(ami(address));
    let reason = house.is_down().await;
    assert!(reason.starts_with("cannot connect: check that the PBX runs"), "{reason}");
    house.stop.cancel();
    soon(house.driver).await.unwrap();
}

const MAY: &str = "Hangup: x\r\nMixMonitor: x\r\nMixMonitorMute: x\r\nStopMixMonitor: x\r\n";

fn start(file: &str) -> RecordingOrder {
    RecordingOrder::Start { file: file.to_owned() }
}

fn started(file: &str) -> Event {
    Event::RecordingStarted { file: file.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_recorded_paused_and_stopped_as_the_desk_orders_it() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::records(&pbx);
    let mut line = pbx.rings().await;
    line.log_in_who_may(MAY).await;
    line.tell_lists(&call_is_up("1.1")).await;
    house.resynced().await;
    house.is_live().await;
    assert!(matches!(*house.state.borrow(), LinkState::Live { may_record: MayRecord::Yes, .. }));

    house.order("1.1", start("/m/1.wav"));
    let action = line.agrees("MixMonitor", "MixMonitorID: 0x7f01\r\n").await;
    assert!(action.text.contains("Channel: 1.1\r\nFile: /m/1.wav\r\nOptions: b"), "{}", action.text);
    assert_eq!(house.heard().await, ("1.1".to_owned(), started("/m/1.wav")));
    house.order("1.1", RecordingOrder::Pause);
    line.agrees("MixMonitorMute", "").await;
    assert_eq!(house.heard().await.1, Event::RecordingPaused { paused: true });
    house.order("1.1", RecordingOrder::Stop);
    let action = line.agrees("StopMixMonitor", "").await;
    assert!(action.text.ends_with("MixMonitorID: 0x7f01"), "{}", action.text);

    house.order("9.9", start("/m/9.wav"));
    let over = Event::RecordingFailed { reason: "the call is over".to_owned() };
    assert_eq!(house.heard().await, ("9.9".to_owned(), over));
}

#[tokio::test(start_paused = true)]
async fn an_order_waits_for_a_pbx_that_is_away_and_one_without_an_answer_is_asked_again() {
    let clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::records(&pbx);
    let mut line = pbx.rings().await;
    // Given before anything is known of the call.
    house.order("1.1", start("/m/1.wav"));
    line.log_in_who_may(MAY).await;
    line.tell_lists(&(call_is_up("1.1") + &call_is_up("1.2"))).await;
    house.resynced().await;
    line.agrees("MixMonitor", "MixMonitorID: 0x7f01\r\n").await;
    assert_eq!(house.heard().await, ("1.1".to_owned(), started("/m/1.wav")));

    house.order("1.2", start("/m/2.wav"));
    assert_eq!(line.hears().await.unwrap().name, "MixMonitor");
    drop(line);
    house.is_down().await;
    house.order("1.1", RecordingOrder::Pause);
    clock.pass(SECOND).await;
    let mut line = pbx.rings().await;
    line.log_in_who_may(MAY).await;
    line.tell_lists(&(call_is_up("1.1") + &call_is_up("1.2"))).await;
    house.resynced().await;
    let action = line.agrees("MixMonitor", "MixMonitorID: 0x7f02\r\n").await;
    assert!(action.text.contains("Channel: 1.2\r\nFile: /m/2.wav"), "{}", action.text);
    assert_eq!(house.heard().await, ("1.2".to_owned(), started("/m/2.wav")));
    line.agrees("MixMonitorMute", "").await;
    assert_eq!(house.heard().await, ("1.1".to_owned(), Event::RecordingPaused { paused: true }));
}

#[tokio::test(start_paused = true)]
async fn an_account_without_the_right_is_known_after_the_log_in() {
    let _clock = Standstill::new();
    let pbx = Pbx::new().await;
    let mut house = House::records(&pbx);
    let mut line = pbx.rings().await;
    line.log_in_who_may("Hangup: x\r\nStopMixMonitor: x\r\n").await;
    line.tell_lists(&call_is_up("1.1")).await;
    house.resynced().await;
    house.is_live().await;
    assert!(matches!(*house.state.borrow(), LinkState::Live { may_record: MayRecord::NoRight, .. }));
    house.order("1.1", start("/m/1.wav"));
    let action = line.hears().await.unwrap();
    line.says(format!("Response: Error\r\nActionID: {}\r\nMessage: Permission denied\r\n\r\n", action.id))
        .await;
    let (_, event) = house.heard().await;
    assert!(
        matches!(&event, Event::RecordingFailed { reason } if reason.contains("`write = system`")),
        "{event:?}"
    );
}
