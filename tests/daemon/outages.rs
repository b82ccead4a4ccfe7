//! Zendesk or the PBX is away, slow or confused: nothing is lost and nothing is doubled.

use std::time::{Duration, Instant};

use ringdesk::journal::CallRow;
use ringdesk::sandbox::Options;

use crate::house::*;

const SHORT: Duration = Duration::from_millis(200);
const QUEUE: &str = "ast22/a-queue-caller-hangs-up";

/// Nothing of the call is lost or doubled: one ticket, open where it was answered.
async fn one_ticket(fault: &str, value: &str) {
    let mut house = House::new().await;
    house.zendesk = "request_timeout = \"1s\"";
    house.wrap_up = "20s";
    let daemon = house.daemon().await;
    house.sandbox.set_fault(fault, value).unwrap();
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!(tickets.len(), 1, "{fault}: {tickets:#?}");
    assert_eq!((&*tickets[0].requester, &*tickets[0].agent), ("Petra Sommer", BERND), "{fault}");
    assert!(
        matches!(&tickets[0].opened_at[..], [screen] | [screen, _] if screen == BERND),
        "{fault}: {tickets:#?}"
    );
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn an_unclear_end_makes_no_second_ticket() {
    for fault in ["reset_after_commit", "hang_after_commit", "cut_answer", "hang"] {
        one_ticket(&format!("{fault}@POST /channels/voice/tickets"), "1").await;
    }
}

#[tokio::test]
async fn errors_of_zendesk_and_of_what_stands_before_it_are_waited_out() {
    for fault in ["503", "500", "html_502", "429", "reset_before", "database_conflict"] {
        one_ticket(&format!("{fault}@POST /channels/voice/tickets"), "1").await;
    }
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_costs_nothing() {
    one_ticket("revoke_tokens", "1").await;
}

#[tokio::test]
async fn after_four_seconds_away_the_ticket_stands_within_twelve() {
    let mut house = House::new().await;
    house.wrap_up = "20s";
    let daemon = house.daemon().await;
    house.sandbox.set_fault("down", "4s").unwrap();
    let begun = Instant::now();
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    let tickets = house.settled(&daemon, 1).await;
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!((tickets.len(), &tickets[0].opened_at[..]), (1, &[BERND.to_owned()][..]));
    daemon.stop().await;
}

#[tokio::test]
async fn twenty_calls_in_an_outage_are_twenty_tickets() {
    let mut house = House::new().await;
    // What follows the calls needs more than our share of a minute, and the story shall not wait for the next one.
    house.zendesk = "requests_per_minute = 2000";
    house.sandbox.set_fault("limits", "off").unwrap();
    let daemon = house.daemon().await;
    house.sandbox.set_fault("down", "4s").unwrap();
    house.board.play(&Tape::of("own22/interleaved", Duration::from_millis(20)).0).await;
    let tickets = house.settled(&daemon, 20).await;
    assert_eq!(tickets.len(), 20);
    let mut calls: Vec<_> = tickets.iter().map(|ticket| &ticket.call).collect();
    calls.sort_unstable();
    calls.dedup();
    assert_eq!(calls.len(), 20);
    daemon.stop().await;
}

#[tokio::test]
async fn a_zendesk_that_was_away_from_the_start_gets_its_tickets_later() {
    let house = House::with(Options::default().with("down", "always")).await;
    let daemon = ringdesk::run::Daemon::start(
        house.config(),
        ringdesk::clock::Clock::system(),
        ringdesk::run::Hooks::default(),
    )
    .await
    .unwrap();
    until("a log-in at the PBX", || house.board.logins() == 1).await;
    assert!(!daemon.status().not_ready().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    assert_eq!(house.tickets(), []);
    house.sandbox.set_fault("down", "off").unwrap();
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!(tickets.len(), 1);
    daemon.stop().await;
}

async fn row(daemon: &ringdesk::run::Daemon) -> CallRow {
    daemon.journal().list(10).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_call_answered_while_the_pbx_was_out_of_reach_gets_its_ticket() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let tape = Tape::of(QUEUE, SHORT).0;
    let (ring, rest) = tape.cut_behind(&["Event: DialBegin", "202"]);
    let (answer, end) = rest.cut_behind(&["Event: BridgeEnter", "BridgeNumChannels: 2"]);
    house.board.play(&ring).await;
    house.board.cut();
    house.board.play(&answer).await;
    house.board.mend();
    until("a ticket", || house.tickets().len() == 1).await;
    assert_eq!(house.board.logins(), 2);
    house.board.play(&end).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!((tickets.len(), &*tickets[0].requester, &*tickets[0].agent), (1, "Petra Sommer", BERND));
    assert_eq!(tickets[0].opened_at, [BERND]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_that_ended_while_the_pbx_was_out_of_reach_is_closed_and_marked() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let (talk, end) = Tape::of(QUEUE, SHORT).0.cut_behind(&["Event: BridgeEnter", "BridgeNumChannels: 2"]);
    house.board.play(&talk).await;
    until("a ticket", || house.tickets().len() == 1).await;
    house.board.cut();
    house.board.play(&end).await;
    house.board.mend();
    until("the second log-in", || house.board.logins() == 2).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!((tickets.len(), &tickets[0].opened_at[..]), (1, &[BERND.to_owned()][..]));
    let call = row(&daemon).await.call;
    // Nobody waits for it, so it is written with the next that somebody does, or a moment later.
    let estimated = async {
        loop {
            let story = daemon.journal().story(&call).await.unwrap().unwrap();
            if story.lines.iter().any(|line| line.why.contains("the end is estimated")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, estimated).await.is_ok(), "the end is not told as estimated");
    daemon.stop().await;
}
