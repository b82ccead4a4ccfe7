//! Faults as a client meets them, and the controls.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Visitor, read};
use crate::sandbox::{Options, Sandbox};

#[tokio::test]
async fn a_second_request_with_the_key_of_one_in_flight_gets_409() {
    let visitor = Visitor::new(Options::default().with("slow@/tickets", "300ms")).await;
    let body = json!({"ticket": {"comment": {"body": "x"}}});
    let post = || visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "k").json(&body).send();
    let (one, two) = tokio::join!(post(), post());
    let mut statuses = [one.unwrap().status().as_u16(), two.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_reset_after_commit_leaves_a_ticket_and_no_answer() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.set("reset_after_commit", 1);
    let body = json!({"ticket": {"comment": {"body": "x"}, "external_id": "main:9"}});
    assert_eq!(visitor.get("/groups").await.0, 200, "reads do not use it up");
    let error = visitor.ask(Method::POST, "/tickets").json(&body).send().await.unwrap_err();
    let chain = format!("{error:?}");
    assert!(chain.contains("ConnectionReset"), "a reset, not an orderly end: {chain}");
    let (_, found) = visitor.get("/tickets?external_id=main:9").await;
    assert_eq!(found["count"], 1);

    visitor.set("reset_before", 1);
    assert!(visitor.ask(Method::POST, "/tickets").json(&body).send().await.is_err());
    assert_eq!(visitor.get("/tickets?external_id=main:9").await.1["count"], 1);
    let state = visitor.sandbox.state();
    let fates: Vec<&Value> = state["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| !request["fault"].is_null())
        .map(|request| &request["fault"])
        .collect();
    assert_eq!(fates, ["reset_after_commit", "reset_before"]);
}

#[tokio::test]
async fn a_cut_answer_ends_in_the_middle_and_the_work_is_done() {
    let visitor = Visitor::new(Options::default().with("cut_answer@POST /tickets", 1)).await;
    let body = json!({"ticket": {"comment": {"body": "x"}}});
    let answer = visitor.ask(Method::POST, "/tickets").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.text().await.is_err());
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 2);
}

#[tokio::test]
async fn outages_have_their_statuses_headers_and_pages() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.set("503", "4s");
    visitor.set("retry_after", 5);
    let answer = visitor.ask(Method::GET, "/groups").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    visitor.pass(4);
    assert_eq!(visitor.get("/groups").await.0, 200);

    visitor.set("html_502", 1);
    let (status, page) = visitor.get("/groups").await;
    assert_eq!((status, page.as_str().unwrap().starts_with("<html>")), (502, true));
    visitor.set("database_conflict", 1);
    assert_eq!(visitor.get("/groups").await.0, 200);
    let (status, body) = visitor.send(Method::POST, "/users", json!({"user": {"name": "x"}})).await;
    assert_eq!((status, &body["error"]), (409, &json!("DatabaseConflict")));
    visitor.set("429", 1);
    visitor.set("retry_after", "none");
    let answer = visitor.ask(Method::GET, "/groups").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (429, None));
    visitor.set("down", "4s");
    for _ in 0..3 {
        // The line in use first, then new ones.
        assert!(visitor.ask(Method::GET, "/groups").send().await.is_err());
    }
    visitor.pass(4);
    assert_eq!(visitor.get("/groups").await.0, 200);
}

#[tokio::test]
async fn an_outage_is_counted_by_what_it_struck_and_ends_when_used_up() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.set("down", 2);
    // The first strikes the line in use, the second a new one.
    for left in [1, 0] {
        assert!(visitor.ask(Method::GET, "/groups").send().await.is_err(), "{left} left");
    }
    assert_eq!(visitor.get("/groups").await.0, 200);
    let state = visitor.sandbox.state();
    assert_eq!(state["counters"]["faults"]["down"], 2);
    let fates: Vec<&Value> =
        state["requests"].as_array().unwrap().iter().map(|request| &request["fault"]).collect();
    assert_eq!(fates, [&Value::Null, &json!("down"), &Value::Null], "a line refused carries no request");
}

#[tokio::test]
async fn a_hanging_endpoint_never_answers_and_does_not_hold_up_the_others() {
    let visitor = Visitor::new(Options::default().with("hang", "users/search")).await;
    let hanging = visitor.ask(Method::GET, "/users/search?query=x").send();
    tokio::select! {
        answer = hanging => panic!("it answered: {answer:?}"),
        (status, _) = visitor.get("/groups") => assert_eq!(status, 200),
    }
    let Visitor { sandbox, http, .. } = visitor;
    drop(http);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_work_is_done_even_when_the_client_has_left() {
    let visitor = Visitor::new(Options::default().with("slow@POST /tickets", "100ms")).await;
    let body = json!({"ticket": {"comment": {"body": "x"}, "external_id": "gone"}});
    let request =
        visitor.ask(Method::POST, "/tickets").json(&body).timeout(std::time::Duration::from_millis(20));
    assert!(request.send().await.unwrap_err().is_timeout());
    let mut tries = 0;
    while visitor.get("/tickets?external_id=gone").await.1["count"] == 0 {
        tries += 1;
        assert!(tries < 90, "never done");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_controls_show_set_and_reset() {
    let visitor = Visitor::new(Options::default()).await;
    let control = async |method: Method, path: &str, body: Value| {
        read(visitor.bare(method, path).json(&body).send().await.unwrap()).await
    };
    let (status, _) = control(Method::POST, "/_sandbox/faults", json!({"503": 1, "locale": "de"})).await;
    assert_eq!(status, 204);
    assert_eq!(visitor.get("/groups").await.0, 503);
    let (status, body) = control(Method::POST, "/_sandbox/faults", json!({"burn": 1})).await;
    assert_eq!((status, body["error"].as_str().unwrap().contains("`burn`")), (422, true));
    let (_, state) = control(Method::GET, "/_sandbox/state", Value::Null).await;
    assert_eq!(state["counters"]["faults"]["503"], 1);
    assert_eq!(state["requests"].as_array().unwrap().len(), 2, "the log-in and the list of groups");
    control(Method::POST, "/_sandbox/reset", Value::Null).await;
    assert_eq!(visitor.sandbox.state()["requests"], json!([]));
}

#[tokio::test]
async fn a_wrong_seed_or_fault_is_told_at_the_start() {
    let error = Sandbox::start(Options::default().with("plan", "gold")).await.err().unwrap();
    assert!(error.to_string().contains("`plan=gold`"), "{error}");
}
