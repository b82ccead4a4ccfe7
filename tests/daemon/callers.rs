//! Whose ticket it is: known, unknown both ways, withheld, ambiguous, slow to be found.

use std::time::{Duration, Instant};

use crate::house::*;
use ringdesk::sandbox::{Options, Seed, SeedUser};

/// A caller reaches the queue, all telephones ring, 202 answers. The number is the known Petra's.
const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
const PETRAS: &str = "+493023125111";
const SHORT: Duration = Duration::from_millis(300);

fn story(number: &str) -> Tape {
    Tape::of(QUEUE, SHORT).0.with(PETRAS, number)
}

async fn one_call(house: &House, number: &str) -> Ticket {
    let daemon = house.daemon().await;
    house.board.play(&story(number)).await;
    let tickets = house.settled(&daemon, 1).await;
    daemon.stop().await;
    assert_eq!(tickets.len(), 1, "{tickets:#?}");
    tickets.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_known_caller_costs_one_request_from_ring_to_pop() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    house.board.play(&story(PETRAS)).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"]);
    assert_eq!(tickets.len(), 1);
    let ticket = &tickets[0];
    assert_eq!((&*ticket.requester, &*ticket.agent, &*ticket.group), ("Petra Sommer", BERND, "Support"));
    assert_eq!(ticket.opened_at, [BERND]);
    assert!(ticket.comments[0].contains("Petra Sommer"), "{:?}", ticket.comments);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn an_unknown_caller_is_the_default_users_and_the_ticket_tells_the_number() {
    let house = House::new().await;
    let ticket = one_call(&house, "+493055512399").await;
    assert_eq!((&*ticket.requester, &*ticket.agent), ("Unknown caller", BERND));
    assert_eq!(ticket.opened_at, [BERND]);
    assert!(ticket.comments[0].contains("+493055512399"), "{:?}", ticket.comments);
    house.clean();
}

#[tokio::test]
async fn an_unknown_caller_can_become_a_new_user_and_is_known_the_next_time() {
    let mut house = House::new().await;
    house.callers = "unknown = \"new_user\"\nkeep_not_found = \"60s\"";
    let daemon = house.daemon().await;
    house.board.play(&story("+493055512399")).await;
    let first = house.over(&daemon, 1).await;
    assert_eq!(first[0].requester, "Caller +493055512399");
    let before = house.requests_so_far();
    house.board.play(&story("+493055512399").with("1795292763.", "1795299999.")).await;
    let both = house.settled(&daemon, 2).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].requester, "Caller +493055512399");
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"], "what we made is known at once");
    let state = house.sandbox.state();
    let made = state["users"].as_array().unwrap().iter();
    assert_eq!(made.filter(|user| user["name"] == "Caller +493055512399").count(), 1);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn two_calls_at_once_from_one_new_number_make_one_user() {
    let mut house = House::new().await;
    house.callers = "unknown = \"new_user\"";
    let daemon = house.daemon().await;
    let (one, two) = (story("+493055512398"), story("+493055512398").with("1795292763.", "1795299999."));
    let two = two.with("-0000000", "-0001000");
    tokio::join!(house.board.play(&one), house.board.play(&two));
    let tickets = house.settled(&daemon, 2).await;
    assert_eq!(tickets.len(), 2);
    let state = house.sandbox.state();
    let made = state["users"].as_array().unwrap().iter();
    assert_eq!(made.filter(|user| user["name"] == "Caller +493055512398").count(), 1);
    assert!(tickets.iter().all(|ticket| ticket.requester == "Caller +493055512398"), "{tickets:#?}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_withheld_number_is_nobodys_also_with_new_user() {
    for way in ["default_user", "new_user"] {
        let mut house = House::new().await;
        house.callers = if way == "new_user" { "unknown = \"new_user\"" } else { "" };
        let daemon = house.daemon().await;
        let before = house.requests_so_far();
        house.board.play(&story("anonymous")).await;
        let tickets = house.settled(&daemon, 1).await;
        assert_eq!((tickets.len(), &*tickets[0].requester), (1, "Unknown caller"), "{way}");
        assert_eq!(house.requests(before), ["POST /channels/voice/tickets"], "nothing is searched");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_number_hidden_by_presentation_alone_is_neither_searched_nor_shown() {
    let house = House::new().await;
    house.board.presents("prohib_passed_screen");
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    house.board.play(&story(PETRAS)).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!((tickets.len(), &*tickets[0].requester), (1, "Unknown caller"));
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"]);
    let all = format!("{tickets:?}");
    assert!(!all.contains("23125111"), "{all}");
    assert_eq!(tickets[0].opened_at, [BERND]);
    daemon.stop().await;
}

#[tokio::test]
async fn with_several_people_nobody_is_guessed_and_all_are_named() {
    let house = House::new().await;
    let ticket = one_call(&house, "+493023125168").await;
    assert_eq!(ticket.requester, "Unknown caller");
    let told = ticket.comments.join("\n");
    assert!(told.contains("Lena Hartmann") && told.contains("Frieda Hartmann"), "{told}");
}

#[tokio::test]
async fn an_agent_quicker_than_the_search_gets_the_ticket_at_once_and_it_is_corrected() {
    // Found by the search alone: the person was made after the mirror was read.
    let house = House::with(Options::default().with("index_delay", "0s")).await;
    let daemon = house.daemon().await;
    add_person(&house, "Late Comer", "+493055512345").await;
    house.sandbox.set_fault("slow_search", "3s").unwrap();
    let begun = Instant::now();
    let tape = story("+493055512345");
    let play = house.board.play(&tape);
    let stands = until("a ticket", || !house.tickets().is_empty());
    tokio::join!(play, async {
        stands.await;
        assert!(begun.elapsed() < Duration::from_secs(3), "the ticket did not wait for the search");
        assert_eq!(house.tickets()[0].requester, "Unknown caller");
        assert_eq!(house.tickets()[0].opened_at, [BERND]);
    });
    until("the right requester", || house.tickets()[0].requester == "Late Comer").await;
    assert_eq!(house.settled(&daemon, 1).await.len(), 1);
    house.clean();
    daemon.stop().await;
}

#[tokio::test]
async fn without_talk_partner_edition_tickets_are_made_and_do_not_open() {
    let house = House::with(Options::default().with("no_tpe", "403")).await;
    let daemon = house.daemon().await;
    house.board.play(&story(PETRAS)).await;
    house.settled(&daemon, 1).await;
    let before = house.requests_so_far();
    house.board.play(&story(PETRAS).with("1795292763.", "1795299999.")).await;
    let tickets = house.settled(&daemon, 2).await;
    assert_eq!(tickets.len(), 2);
    assert_eq!(tickets[1].requester, "Petra Sommer");
    assert!(tickets.iter().all(|ticket| ticket.opened_at.is_empty()));
    assert_eq!(house.requests(before), ["POST /tickets"], "found out once");
    daemon.stop().await;
}

#[tokio::test]
async fn a_requester_who_is_gone_costs_the_requester_and_not_the_ticket() {
    let house = House::new().await;
    let daemon = house.daemon().await;
    delete_person(&house, "Helga Frank").await;
    house.board.play(&story("+493023125151")).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!((tickets.len(), &*tickets[0].requester), (1, "Unknown caller"));
    assert_eq!(tickets[0].opened_at, [BERND]);
    daemon.stop().await;
}

#[tokio::test]
async fn thousands_of_people_are_read_and_each_is_found() {
    let mut seed = Seed::house();
    seed.users.extend((0..4_000).map(|n| {
        let person = serde_json::json!({"name": format!("Person {n}"), "phone": format!("+49304{n:06}")});
        serde_json::from_value::<SeedUser>(person).unwrap()
    }));
    let house = House::with(Options { seed, ..Options::default() }).await;
    let daemon = house.daemon().await;
    let before = house.requests_so_far();
    house.board.play(&story("+49304003777")).await;
    let tickets = house.settled(&daemon, 1).await;
    assert_eq!(tickets[0].requester, "Person 3777");
    assert_eq!(house.requests(before), ["POST /channels/voice/tickets"]);
    daemon.stop().await;
}

/// A person is made by somebody else, by the API as they would.
async fn add_person(house: &House, name: &str, phone: &str) {
    let body = serde_json::json!({"user": {"name": name, "phone": phone}});
    let answer = somebody(house, reqwest::Method::POST, "/users", Some(body)).await;
    assert_eq!(answer, 201);
}

async fn delete_person(house: &House, name: &str) {
    let state = house.sandbox.state();
    let person = state["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
    assert_eq!(
        somebody(house, reqwest::Method::DELETE, &format!("/users/{}", person["id"]), None).await,
        200
    );
}

async fn somebody(
    house: &House,
    method: reqwest::Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> u16 {
    let url = format!("{}/api/v2{path}", house.sandbox.url());
    let http = reqwest::Client::new();
    let mut request =
        http.request(method, url).basic_auth("ringdesk@example.com/token", Some("sandbox-api-token"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap().status().as_u16()
}
