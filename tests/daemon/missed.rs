//! Calls that nobody answered, and what their callers do next.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::*;

/// A caller waits in the queue and gives up.
const ABANDONED: &str = "ast22/d-queue-abandoned";
/// A caller waits in the queue and is sent to its mailbox.
const VOICEMAIL: &str = "own22/voicemail-queue";
/// A caller reaches the queue, 202 answers.
const ANSWERED: &str = "ast22/a-queue-caller-hangs-up";
/// An admin who is in every group that misses calls here.
const ADMIN: &str = "ringdesk@example.com";
const SHORT: Duration = Duration::from_millis(100);

const MISSED: &str = "on_abandoned = true\non_voicemail = true\nsolve_missed = true";

async fn house(ticket: &'static str) -> House {
    let mut house = House::new().await;
    house.ticket = ticket;
    house.zendesk = "default_agent = \"ringdesk@example.com\"";
    house
}

/// The tape with other ids and the caller of the answered one.
fn attempt(capture: &str, number: u32) -> Tape {
    let (tape, truth) = Tape::of(capture, SHORT);
    let call = &truth["calls"][0];
    let stem = call["linkedid"].as_str().unwrap().split_once('.').unwrap().0.to_owned();
    let tape = tape.with(&format!("{stem}."), &format!("17953{number:05}."));
    tape.with(call["number_e164"].as_str().unwrap(), "+493023125111")
}

fn waits_solved(raw: &Value) -> bool {
    raw["status"] == "solved"
}

#[tokio::test]
async fn an_abandoned_call_is_a_ticket_for_the_group_and_the_default_agent_and_opens_nowhere() {
    let house = house(MISSED).await;
    let daemon = house.daemon().await;
    house.board.play(&attempt(ABANDONED, 1)).await;
    let ticket = house.settled(&daemon, 1).await.remove(0);
    assert_eq!((&*ticket.requester, &*ticket.agent, &*ticket.group), ("Petra Sommer", ADMIN, "Support"));
    assert_eq!(ticket.opened_at, [""; 0]);
    assert!(ticket.comments[0].contains("+493023125111"), "the number to call back: {:?}", ticket.comments);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn without_the_admins_word_nobody_answered_means_no_ticket() {
    let house = house("").await;
    let daemon = house.daemon().await;
    for (capture, number) in [(ABANDONED, 1), (VOICEMAIL, 2)] {
        house.board.play(&attempt(capture, number)).await;
    }
    until("two calls", || daemon.status().desk.borrow().heard >= 2).await;
    assert_eq!(house.over(&daemon, 0).await, []);
    daemon.stop().await;
}

#[tokio::test]
async fn a_message_in_the_mailbox_is_a_ticket() {
    let mut house = house(MISSED).await;
    house.tables = "[[group]]\nqueue = \"counter\"\nname = \"counter\"\nzendesk = \"Support\"\n";
    let daemon = house.daemon().await;
    house.board.play(&attempt(VOICEMAIL, 1)).await;
    let ticket = house.settled(&daemon, 1).await.remove(0);
    assert_eq!((&*ticket.agent, &*ticket.group), (ADMIN, "Support"));
    assert_eq!(ticket.opened_at, [""; 0]);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn repeated_attempts_go_into_one_ticket_and_the_answered_one_solves_it_also_across_a_restart() {
    let mut house = house(MISSED).await;
    // Nobody owns it, and Zendesk lets nobody solve such a one.
    house.zendesk = "";
    let daemon = house.daemon().await;
    house.board.play(&attempt(ABANDONED, 1)).await;
    let first = house.settled(&daemon, 1).await.remove(0);
    house.board.play(&attempt(ABANDONED, 2)).await;
    until("the second attempt", || house.tickets()[0].comments.len() == 2).await;
    daemon.stop().await;

    let daemon = house.daemon().await;
    house.board.play(&attempt(ABANDONED, 3)).await;
    until("the third attempt", || house.tickets()[0].comments.len() == 3).await;
    assert_eq!(house.tickets().len(), 1);
    house.board.play(&attempt(ANSWERED, 4)).await;
    until("the solved ticket", || waits_solved(&house.raw_ticket(first.id))).await;
    let tickets = house.settled(&daemon, 2).await;
    assert_eq!(tickets.len(), 2, "{tickets:#?}");
    assert_eq!(tickets[0].agent, BERND, "who reached the caller owns what is solved by it");
    assert!(tickets[0].comments[3].contains(&format!("#{}", tickets[1].id)), "{tickets:#?}");
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn without_a_default_agent_the_ticket_waits_in_its_group() {
    let mut house = house(MISSED).await;
    house.zendesk = "";
    let daemon = house.daemon().await;
    house.board.play(&attempt(ABANDONED, 1)).await;
    let ticket = house.settled(&daemon, 1).await.remove(0);
    assert_eq!((&*ticket.agent, &*ticket.group), ("-", "Support"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_deputy_stands_in_for_a_default_agent_who_is_suspended() {
    let mut house = house(MISSED).await;
    house.zendesk =
        "default_agent = \"dana.oezdemir@example.com\"\ndeputy_agent = \"anna.weber@example.com\"";
    let dana = house.user("Dana Özdemir")["id"].clone();
    house.agent("PUT", &format!("/users/{dana}"), json!({"user": {"suspended": true}}));
    let daemon = house.daemon().await;
    house.board.play(&attempt(ABANDONED, 1)).await;
    assert_eq!(house.settled(&daemon, 1).await[0].agent, ANNA);
    daemon.stop().await;
}
