//! Call records and the comments they make.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, DANA, PETRA, Visitor, read};
use crate::sandbox::Options;

const APP: u64 = 9_300_000_005_001;

fn call(more: Value) -> Value {
    let mut call = json!({"app_id": APP, "from_line": "+493023125111", "to_line": "+4930231250",
        "call_started_at": "2026-11-25T12:00:00+01", "direction": "inbound"});
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}

/// Tickets, calls and pops so far.
fn made(visitor: &Visitor) -> Value {
    let counters = visitor.sandbox.counters();
    json!([counters["tickets"], counters["calls"], counters["screen_pops"]])
}

#[tokio::test]
async fn a_call_is_written_read_and_completed_in_parts() {
    let visitor = Visitor::new(Options::default()).await;
    let wish =
        call(json!({"ticket_id": 1, "agent_id": ANNA, "end_user_id": PETRA, "external_id": "main/1.2",
        "call_recording_consent": "opt_in"}));
    let (status, body) = visitor.send(Method::POST, "/calls.json", json!({"call": wish})).await;
    assert_eq!(status, 201, "{body}");
    let call = &body["call"];
    assert_eq!(call["call_started_at"], "2026-11-25T11:00:00Z", "any offset in, UTC out");
    assert_eq!((&call["duration"], &call["callback"]), (&Value::Null, &Value::Null));
    assert!(call.get("call_recording_consent").is_none(), "not echoed");
    assert_eq!(call.as_object().unwrap().len(), 54, "every key is there, set or not");
    let path = format!("/calls/{}", call["id"]);
    let wish = json!({"call": {"call_ended_at": "2026-11-25T12:01:00+01:00", "duration": 60}});
    let (status, body) = visitor.send(Method::PATCH, &path, wish).await;
    assert_eq!((status, &body["call"]["duration"]), (200, &json!(60)));
    let (_, body) = visitor.get(&path).await;
    assert_eq!(
        (&body["call"]["call_ended_at"], &body["call"]["agent_id"]),
        (&json!("2026-11-25T11:01:00Z"), &json!(ANNA))
    );
    assert_eq!(visitor.get("/calls/5").await.1["error"], "RecordNotFound");
    assert_eq!(visitor.send(Method::PATCH, "/calls/5", json!({"call": {"duration": 1}})).await.0, 404);
    let (_, comments) = visitor.get("/tickets/1/comments").await;
    assert_eq!(comments["count"], 1, "a call alone shows nothing in its ticket");
    assert_eq!(visitor.sandbox.state()["warnings"], json!([]));
}

#[tokio::test]
async fn a_wrong_call_is_refused_and_nothing_is_made() {
    let visitor = Visitor::new(Options::default().with("locale", "de")).await;
    let before = made(&visitor);
    let without = |key: &str| {
        let mut call = call(json!({}));
        call.as_object_mut().unwrap().remove(key);
        json!({"call": call})
    };
    let with = |more: Value| json!({"call": call(more)});
    let said = |comment: Value| json!({"call": call(json!({})), "comment": comment});
    for (body, status, field) in [
        (without("app_id"), 422, "app_id"),
        (without("from_line"), 422, "from_line"),
        (without("to_line"), 422, "to_line"),
        (without("call_started_at"), 422, "call_started_at"),
        (without("direction"), 422, "direction"),
        (with(json!({"app_id": 77})), 422, "app_id"),
        (with(json!({"from_line": ""})), 422, "from_line"),
        (with(json!({"agent_id": PETRA})), 422, "agent_id"),
        (with(json!({"end_user_id": 77})), 422, "end_user_id"),
        (with(json!({"ticket_id": 77})), 422, "ticket_id"),
        (with(json!({"direction": "sideways"})), 422, "direction"),
        (with(json!({"completion_status": "happy"})), 422, "completion_status"),
        (with(json!({"call_started_at": "2026-11-25 12:00"})), 422, "call_started_at"),
        (said(json!({"call_fields": []})), 422, "title"),
        (said(json!({"title": "Call", "call_fields": ["colour"]})), 422, "call_fields"),
        (said(json!({"title": "Call", "author_id": PETRA})), 422, "author"),
    ] {
        let (got, answer) = visitor.send(Method::POST, "/calls", body.clone()).await;
        assert_eq!((got, answer["details"][field].is_array()), (status, true), "{body} {answer}");
        assert_eq!(answer["description"], "Validierungsfehler im Datensatz");
    }
    let null = json!({"call": call(json!({"ticket_id": null})), "comment": {"title": "Call"}});
    assert_eq!(visitor.send(Method::POST, "/calls", null).await.0, 400, "the key must be absent");
    // The agent is looked at first: with no app at all it is still this refusal.
    let blind = json!({"call": {}, "comment": {"title": "Call", "display_to_agent": PETRA}});
    assert_eq!(visitor.send(Method::POST, "/calls", blind).await, (422, json!("")));
    let (status, body) = visitor.send(Method::POST, "/calls", json!({"direction": "inbound"})).await;
    assert_eq!((status, &body["error"]), (400, &json!("RequiredParameterMissing")));
    assert_eq!(made(&visitor), before);
}

#[tokio::test]
async fn a_comment_without_a_ticket_makes_one_for_the_caller_and_opens_it() {
    let visitor = Visitor::new(Options::default()).await;
    let wish = json!({"call": call(json!({"end_user_id": PETRA})),
        "comment": {"title": "Call", "subject": "Call of Petra", "display_to_agent": ANNA}});
    let (status, body) = visitor.send(Method::POST, "/calls", wish).await;
    assert_eq!(status, 201, "{body}");
    let ticket = body["call"]["ticket_id"].clone();
    let (_, shown) = visitor.get(&format!("/tickets/{ticket}")).await;
    let shown = &shown["ticket"];
    assert_eq!((&shown["subject"], &shown["requester_id"]), (&json!("Call of Petra"), &json!(PETRA)));
    assert_eq!((&shown["is_public"], &shown["via"]["source"]["rel"]), (&json!(false), &json!("inbound")));
    let (_, comments) = visitor.get(&format!("/tickets/{ticket}/comments")).await;
    let said = &comments["comments"][0];
    assert_eq!((&said["type"], &said["author_id"]), (&json!("TpeVoiceComment"), &json!(PETRA)));
    assert_eq!(
        said["body"],
        format!(
            "Call\n\nSummary\nApp id: {APP}\nFrom line: +493023125111\nTo line: +4930231250\n\
        Call started at: 2026-11-25T11:00:00Z\nDirection: inbound"
        )
    );
    let state = visitor.sandbox.state();
    assert_eq!(state["screen_pops"][0]["ticket_id"], ticket);
    assert_eq!(state["calls"][0]["comments"], json!([{"ticket_id": ticket, "comment_id": said["id"]}]));

    visitor.set("call_comments", "public");
    let wish = json!({"call": call(json!({"direction": "callback"})), "comment": {"title": "Back"}});
    let (_, body) = visitor.send(Method::POST, "/calls", wish).await;
    let (_, shown) = visitor.get(&format!("/tickets/{}", body["call"]["ticket_id"])).await;
    assert_eq!((&shown["ticket"]["subject"], &shown["ticket"]["is_public"]), (&json!("Back"), &json!(true)));
}

#[tokio::test]
async fn a_comment_holds_only_the_named_fields_and_is_refreshed_with_the_call() {
    let visitor = Visitor::new(Options::default()).await;
    let wish = call(json!({"ticket_id": 1, "external_id": "main/1.2"}));
    let (_, body) = visitor.send(Method::POST, "/calls", json!({"call": wish})).await;
    let id = body["call"]["id"].clone();
    let path = format!("/calls/{id}");
    let comment = format!("{path}/comments");
    let wish = json!({"title": "Call", "call_fields": ["direction", "duration"], "author_id": DANA, "display_to_agent": ANNA});
    let (status, said) = visitor.send(Method::POST, &comment, wish).await;
    assert_eq!(status, 201, "{said}");
    assert_eq!(
        said["data"],
        json!({"app_id": APP, "app_name": "Ringdesk calls", "author_id": DANA, "call_id": id, "direction": "inbound",
            "duration": null, "external_id": "main/1.2", "title": "Call", "via_id": 45, "recording_url": ""})
    );
    assert_eq!((&said["formatted_from"], &said["author_id"]), (&json!("Unknown"), &json!(DANA)));
    assert_eq!(
        (&said["public"], &said["body"]),
        (&json!(false), &json!("Call\n\nSummary\nDirection: inbound"))
    );
    let audits = visitor.get("/tickets/1/audits").await.1["audits"].as_array().unwrap().clone();
    let audit = audits.last().unwrap();
    assert_eq!((&audit["id"], &audit["author_id"]), (&said["audit_id"], &json!(DANA)));

    let wish = json!({"call": {"duration": 60, "recording_url": "https://pbx.example.com/1.wav"}});
    visitor.send(Method::PATCH, &path, wish).await;
    let (_, comments) = visitor.get("/tickets/1/comments?sort=-created_at").await;
    let fresh = &comments["comments"][0];
    assert_eq!((&fresh["id"], &fresh["audit_id"]), (&said["id"], &said["audit_id"]), "the same comment");
    assert_eq!(fresh["data"]["recording_url"], "https://pbx.example.com/1.wav");
    assert_eq!(
        (&fresh["data"]["duration"], fresh["body"].as_str().unwrap().ends_with("Duration: 60")),
        (&json!(60), true)
    );
    assert_eq!(fresh["data"].get("from_line"), None);
    assert_eq!(comments["count"], 2);
}

#[tokio::test]
async fn a_comment_in_a_wrapper_is_dropped_and_named() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) =
        visitor.send(Method::POST, "/calls", json!({"call": call(json!({"ticket_id": 1}))})).await;
    let path = format!("/calls/{}/comments", body["call"]["id"]);
    let wrapped = visitor.ask(Method::POST, &path).json(&json!({"comment": {"title": "Call"}}));
    let answer = wrapped.send().await.unwrap();
    let warning = answer.headers()["x-zendesk-api-warn"].to_str().unwrap().to_owned();
    assert!(warning.contains(":unpermitted_keys=>[\"comment\"]"), "{warning}");
    assert_eq!(read(answer).await.0, 400, "so there is no title");
    let mixed = visitor.ask(Method::POST, &path).json(&json!({"title": "Call", "subject": "x"}));
    let answer = mixed.send().await.unwrap();
    assert!(answer.headers().contains_key("x-zendesk-api-warn"));
    assert_eq!(read(answer).await.0, 201);
}

#[tokio::test]
async fn a_call_says_nothing_in_a_closed_ticket_and_without_talk_partner_edition() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) =
        visitor.send(Method::POST, "/calls", json!({"call": call(json!({"ticket_id": 1}))})).await;
    let path = format!("/calls/{}", body["call"]["id"]);
    visitor.sandbox.as_agent("PUT", "/tickets/1", json!({"ticket": {"status": "closed"}})).unwrap();
    let comment = format!("{path}/comments");
    let (status, body) = visitor.send(Method::POST, &comment, json!({"title": "Call"})).await;
    assert_eq!((status, body["details"]["status"].is_array()), (422, true));

    for (answer, status) in [("403", 403), ("404", 404)] {
        visitor.set("no_tpe", answer);
        let tries = [
            visitor.send(Method::POST, "/calls", json!({"call": call(json!({}))})).await,
            visitor.get(&path).await,
            visitor.send(Method::PATCH, &path, json!({"call": {"duration": 1}})).await,
            visitor.send(Method::POST, &comment, json!({"title": "Call"})).await,
        ];
        assert_eq!(tries.map(|(got, _)| got), [status; 4]);
    }
    visitor.set("no_tpe", "off");
    visitor.set("plan", "team");
    assert_eq!(visitor.get(&path).await.0, 403);
}
