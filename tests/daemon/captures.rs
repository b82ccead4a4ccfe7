//! Recorded calls, transferred and in numbers: one ticket each, open where they were answered.

use std::time::Duration;

use serde_json::Value;

use crate::house::*;

/// What must stand in the account after a capture: call, agent in the end, screens in order.
fn expected(truth: &Value) -> Vec<(String, String, Vec<String>)> {
    let calls = truth["calls"].as_array().unwrap().iter();
    let answered = calls.filter(|call| call["outcome"] == "answered" && call["group"].is_object());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rows = answered.map(|call| {
        let first = owner(&text(&call["answered_by"]).unwrap());
        let last = text(&call["last_agent"]).map_or(first, |extension| owner(&extension));
        let mut screens = vec![first.to_owned()];
        if last != first {
            screens.push(last.to_owned());
        }
        (text(&call["uniqueid"]).unwrap(), last.to_owned(), screens)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

fn stands(tickets: Vec<Ticket>) -> Vec<(String, String, Vec<String>)> {
    let mut rows: Vec<_> =
        tickets.into_iter().map(|ticket| (ticket.call, ticket.agent, ticket.opened_at)).collect();
    rows.sort();
    rows
}

async fn plays(capture: &str, longest: Duration) {
    let house = House::new().await;
    house.sandbox.set_fault("limits", "off").unwrap();
    let daemon = house.daemon().await;
    let (tape, truth) = Tape::of(capture, longest);
    let expected = expected(&truth);
    house.board.play(&tape).await;
    let tickets = house.settled(&daemon, expected.len()).await;
    assert_eq!(stands(tickets), expected, "{capture}");
    house.clean();
    daemon.stop().await;
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_transferred_call_has_one_ticket_that_goes_along() {
    for capture in [
        "ast22/f-blind-transfer",
        "own22/attended-transfer",
        "own22/attended-transfer-queue",
        "own22/attended-transfer-local",
        "own22/blind-transfer-code",
        "own22/park-and-retrieve",
    ] {
        plays(capture, SHORT).await;
    }
}

#[tokio::test]
async fn a_consultation_that_comes_back_changes_nothing() {
    plays("own22/consultation-returns", SHORT).await;
    plays("own22/blind-transfer-unanswered", SHORT).await;
}

#[tokio::test]
async fn a_call_that_is_picked_up_opens_where_it_was_picked_up() {
    plays("own22/pickup-directed", SHORT).await;
    plays("own22/pickup-queue", SHORT).await;
}

#[tokio::test]
async fn what_nobody_answered_makes_no_ticket() {
    for capture in ["ast22/d-queue-abandoned", "ast22/d2-ringgroup-abandoned", "own22/ringgroup-all-busy"] {
        plays(capture, SHORT).await;
    }
}

#[tokio::test]
async fn a_queue_that_overflows_has_its_ticket_from_who_answered() {
    plays("own22/overflow", SHORT).await;
}

#[tokio::test]
async fn twenty_interleaved_calls_make_twenty_tickets() {
    let (_, truth) = Tape::of("own22/interleaved", SHORT);
    assert_eq!(expected(&truth).len(), 20);
    plays("own22/interleaved", SHORT).await;
}

#[tokio::test]
async fn the_same_stream_twice_makes_no_second_ticket() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let (tape, truth) = Tape::of("ast22/l-two-interleaved", SHORT);
    let expected = expected(&truth);
    house.board.play(&tape).await;
    house.settled(&daemon, expected.len()).await;
    let makes_tickets = |house: &House| {
        house
            .requests(0)
            .into_iter()
            .filter(|line| line.contains("tickets") && !line.starts_with("GET"))
            .count()
    };
    let before = makes_tickets(&house);
    // Once more to the same daemon, and once more to the next one on the same journal.
    house.board.play(&tape).await;
    house.settled(&daemon, expected.len()).await;
    daemon.stop().await;
    let daemon = house.daemon().await;
    house.board.play(&tape).await;
    let tickets = house.settled(&daemon, expected.len()).await;
    assert_eq!(stands(tickets), expected);
    assert_eq!(makes_tickets(&house), before);
    daemon.stop().await;
}
