//! After the call: the number finds its owner, fields are written, records are made.

use std::time::Duration;

use ringdesk::run::Daemon;
use serde_json::{Value, json};

use crate::house::*;

/// A caller reaches the queue, 202 answers.
const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
const PETRAS: &str = "+493023125111";
const UNKNOWN: &str = "+493055512399";
const SHORT: Duration = Duration::from_millis(100);

fn story(number: &str) -> Tape {
    Tape::of(QUEUE, SHORT).0.with(PETRAS, number)
}

/// The same caller once more.
fn again(number: &str) -> Tape {
    story(number).with("1795292763.", "1795299999.")
}

/// Writes that went to persons.
fn writes(house: &House, from: usize) -> Vec<String> {
    let all = house.requests(from).into_iter();
    all.filter(|line| !line.starts_with("GET") && line.contains("/users/")).collect()
}

/// An unknown caller's ticket is given to a person while the agent works on.
async fn given_to(house: &House, daemon: &Daemon, person: &str) -> Ticket {
    house.board.play(&story(UNKNOWN)).await;
    let ticket = house.settled(daemon, 1).await.remove(0);
    let requester = house.user(person)["id"].clone();
    house.agent("PUT", &format!("/tickets/{}", ticket.id), json!({"ticket": {"requester_id": requester}}));
    house.over(daemon, 1).await.remove(0)
}

#[tokio::test]
async fn the_number_of_an_unknown_caller_is_written_once_to_the_person_whom_the_agent_chose() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    let ticket = given_to(&house, &daemon, "Nadja Ohne").await;
    assert_eq!(ticket.requester, "Nadja Ohne");
    assert_eq!(house.user("Nadja Ohne")["phone"], UNKNOWN);
    assert_eq!(writes(&house, before).len(), 1, "{:?}", house.requests(before));
    // Mirror and cache know it at once: the next call costs one request.
    let before = house.requests_so_far();
    house.board.play(&again(UNKNOWN)).await;
    let tickets = house.over(&daemon, 2).await;
    assert_eq!(tickets[1].requester, "Nadja Ohne");
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"]);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn the_number_goes_into_the_first_free_place_in_the_order_of_the_admin() {
    // Petra has a number in `phone` and one in `phone_2`; `mobile` is the next.
    let house = House::new().await;
    let daemon = house.daemon().await;
    given_to(&house, &daemon, "Petra Sommer").await;
    let petra = house.user("Petra Sommer");
    assert_eq!((&petra["phone"], &petra["user_fields"]["mobile"]), (&json!(PETRAS), &json!(UNKNOWN)));
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn a_person_without_a_free_place_is_not_changed_and_the_story_says_so() {
    let mut house = House::new().await;
    house.phone_fields = r#"["phone", "user_fields.phone_2"]"#;
    let daemon = house.daemon().await;
    let before = (house.requests_so_far(), house.user("Petra Sommer"));
    given_to(&house, &daemon, "Petra Sommer").await;
    assert_eq!(writes(&house, before.0), [""; 0]);
    assert_eq!(house.user("Petra Sommer"), before.1);
    assert!(told(&daemon).await.contains("every field for telephone numbers holds another number"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_ticket_that_nobody_gave_away_leaves_the_number_without_owner() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    house.board.play(&story(UNKNOWN)).await;
    let tickets = house.over(&daemon, 1).await;
    assert_eq!((&*tickets[0].requester, writes(&house, before).len()), ("Unknown caller", 0));
    assert!(told(&daemon).await.contains("the ticket was given to nobody"));
    daemon.stop().await;
}

#[tokio::test]
async fn agents_and_suspended_users_never_get_a_number() {
    for (person, suspended) in [("Dana Özdemir", false), ("Nadja Ohne", true)] {
        let house = House::new().await;
        let daemon = house.daemon().await;
        let before = (house.requests_so_far(), house.user(person));
        house.board.play(&story(UNKNOWN)).await;
        let ticket = house.settled(&daemon, 1).await.remove(0);
        let id = before.1["id"].clone();
        house.agent("PUT", &format!("/tickets/{}", ticket.id), json!({"ticket": {"requester_id": id}}));
        if suspended {
            // Zendesk lets nobody give a ticket to a user who is suspended already.
            house.agent("PUT", &format!("/users/{id}"), json!({"user": {"suspended": true}}));
        }
        house.over(&daemon, 1).await;
        assert_eq!(writes(&house, before.0), [""; 0], "{person}");
        assert_eq!(house.user(person)["phone"], before.1["phone"], "{person}");
        assert!(told(&daemon).await.contains("the number is not written"), "{person}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_new_user_who_is_merged_away_leaves_the_number_at_the_real_person() {
    let mut house = House::new().await;
    house.callers = "unknown = \"new_user\"";
    let daemon = house.daemon().await;
    house.board.play(&story(UNKNOWN)).await;
    house.settled(&daemon, 1).await;
    let (made, real) = (house.user("Caller +493055512399"), house.user("Nadja Ohne"));
    house.agent("PUT", &format!("/users/{}/merge", made["id"]), json!({"user": {"id": real["id"]}}));
    let tickets = house.over(&daemon, 1).await;
    assert_eq!(tickets[0].requester, "Nadja Ohne");
    assert_eq!(numbers(&house, "Nadja Ohne"), [UNKNOWN]);
    let before = house.requests_so_far();
    house.board.play(&again(UNKNOWN)).await;
    assert_eq!(house.over(&daemon, 2).await[1].requester, "Nadja Ohne");
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_real_person_who_is_merged_into_the_new_user_keeps_the_number() {
    let mut house = House::new().await;
    house.callers = "unknown = \"new_user\"\nremove_placeholders = true";
    let daemon = house.daemon().await;
    house.board.play(&story(UNKNOWN)).await;
    let ticket = house.settled(&daemon, 1).await.remove(0);
    let (made, real) = (house.user("Caller +493055512399"), house.user("Nadja Ohne"));
    house.agent("PUT", &format!("/users/{}/merge", real["id"]), json!({"user": {"id": made["id"]}}));
    house.over(&daemon, 1).await;
    assert_eq!(house.raw_ticket(ticket.id)["requester_id"], made["id"]);
    let state = house.sandbox.state();
    let kept = state["users"].as_array().unwrap().iter().find(|user| user["id"] == made["id"]).unwrap();
    assert_eq!((&kept["active"], &kept["phone"]), (&json!(true), &json!(UNKNOWN)));
    daemon.stop().await;
}

#[tokio::test]
async fn a_ticket_that_is_moved_from_the_new_user_takes_the_number_along_and_the_empty_user_can_go() {
    for remove in [false, true] {
        let mut house = House::new().await;
        house.callers = if remove {
            "unknown = \"new_user\"\nremove_placeholders = true"
        } else {
            "unknown = \"new_user\""
        };
        let daemon = house.daemon().await;
        given_to(&house, &daemon, "Nadja Ohne").await;
        assert_eq!(numbers(&house, "Nadja Ohne"), [UNKNOWN], "remove: {remove}");
        let made = house.user("Caller +493055512399");
        assert_eq!(made["active"], !remove);
        house.board.play(&again(UNKNOWN)).await;
        let tickets = house.over(&daemon, 2).await;
        assert_eq!(tickets[1].requester, "Nadja Ohne", "a real person goes before one that we made");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn fields_of_ticket_and_person_and_tags_are_written_once_after_the_wrap_up() {
    let mut house = House::new().await;
    house.tables = r#"
[[field]]
ticket = "called number"
value = "{dialled}"
[[field]]
ticket = "9300000004005"
value = "{duration_seconds}"
[[field]]
ticket = "Outcome"
value = "{outcome}"
[[field]]
ticket = "Day of the call"
value = "no day"
[[field]]
user = "segment"
value = "segment_business"
[[field]]
tag = "ended_by_{hung_up_by}"
"#;
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    house.board.play(&story(PETRAS)).await;
    let ticket = house.over(&daemon, 1).await.remove(0);
    let raw = house.raw_ticket(ticket.id);
    let field = |id: u64| {
        let fields = raw["custom_fields"].as_array().unwrap();
        fields.iter().find(|field| field["id"] == id).map_or(Value::Null, |field| field["value"].clone())
    };
    assert_eq!(field(9_300_000_004_001), "+493023125600", "{raw:#}");
    assert!(field(9_300_000_004_005).as_u64().is_some_and(|seconds| seconds < 60), "{raw:#}");
    assert_eq!(field(9_300_000_004_008), "outcome_answered");
    assert_eq!(field(9_300_000_004_004), Value::Null, "what does not fit is left out");
    let tags: Vec<&str> = raw["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(tags.contains(&"ended_by_caller") && tags.contains(&"ringdesk"), "{tags:?}");
    assert_eq!(house.user("Petra Sommer")["user_fields"]["segment"], "segment_business");
    let changes = house.requests(before).into_iter().filter(|line| line.starts_with("PUT /tickets/")).count();
    assert!((1..=2).contains(&changes), "{:?}", house.requests(before));
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn fields_of_the_person_are_shown_in_the_first_comment() {
    let mut house = House::new().await;
    house.tables = "[[show]]\nlabel = \"Second number\"\nuser = \"phone_2\"\n";
    let daemon = house.daemon().await;
    house.board.play(&story(PETRAS)).await;
    let ticket = house.over(&daemon, 1).await.remove(0);
    assert!(ticket.comments[0].contains("Second number: +493023125156"), "{:?}", ticket.comments);
    daemon.stop().await;
}

#[tokio::test]
async fn an_open_ticket_of_the_caller_takes_the_next_call_and_opens_again() {
    let mut house = House::new().await;
    house.ticket = "reuse_open_ticket = \"2h\"";
    let daemon = house.daemon().await;
    house.board.play(&story(PETRAS)).await;
    let first = house.over(&daemon, 1).await.remove(0);
    house.board.play(&again(PETRAS)).await;
    until("a second call", || daemon.status().desk.borrow().answered == 2).await;
    let tickets = house.over(&daemon, 1).await;
    assert_eq!((tickets.len(), tickets[0].id), (1, first.id));
    assert_eq!((tickets[0].comments.len(), tickets[0].opened_at.len()), (2, 2), "{:?}", tickets[0]);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn a_record_of_the_call_is_made_and_shown_in_the_ticket() {
    let mut house = House::new().await;
    house.zendesk = "calls_app_id = 9300000005001";
    let daemon = house.daemon().await;
    house.board.play(&story(PETRAS)).await;
    let ticket = house.over(&daemon, 1).await.remove(0);
    let state = house.sandbox.state();
    let calls = state["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(ticket.comments.len(), 2, "{:?}", ticket.comments);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn tickets_are_written_in_the_agents_name_or_always_in_that_of_the_default_agent() {
    for (always, author) in [(false, BERND), (true, DANA)] {
        let mut house = House::new().await;
        house.zendesk = if always {
            "default_agent = \"dana.oezdemir@example.com\"\nalways_default_agent = true"
        } else {
            "default_agent = \"dana.oezdemir@example.com\""
        };
        let daemon = house.daemon().await;
        house.board.play(&story(PETRAS)).await;
        let ticket = house.over(&daemon, 1).await.remove(0);
        let by = house.raw_ticket(ticket.id)["comments"][0]["author_id"].clone();
        let state = house.sandbox.state();
        let user = state["users"].as_array().unwrap().iter().find(|user| user["id"] == by).unwrap().clone();
        assert_eq!(user["email"], author, "always: {always}");
        assert_eq!(ticket.agent, BERND);
        daemon.stop().await;
    }
}

/// All numbers of a person, however they are kept.
fn numbers(house: &House, name: &str) -> Vec<String> {
    let user = house.user(name);
    let mut numbers: Vec<String> = user["phone"].as_str().map(str::to_owned).into_iter().collect();
    let identities = user["identities"].as_array().cloned().unwrap_or_default();
    let direct = identities.iter().filter(|identity| identity["type"] == "phone_number");
    numbers.extend(direct.filter_map(|identity| identity["value"].as_str().map(str::to_owned)));
    numbers.sort();
    numbers.dedup();
    numbers
}

/// The story of the only call, reasons included.
async fn told(daemon: &Daemon) -> String {
    let call = daemon.journal().list(1).await.unwrap().remove(0).call;
    let closed = async {
        loop {
            let story = daemon.journal().story(&call).await.unwrap().unwrap();
            if !story.row.open {
                return story.lines.iter().map(|line| format!("{}: {}\n", line.what, line.why)).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the call is closed")
}
