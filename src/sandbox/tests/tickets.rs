//! Tickets, voice tickets and pops.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, DANA, PETRA, SUPPORT, Visitor, read};
use crate::sandbox::Options;

#[tokio::test]
async fn a_call_becomes_a_voice_ticket_that_opens_at_the_agent() {
    let visitor = Visitor::new(Options::default()).await;
    let (status, body) = visitor
        .send(
            Method::POST,
            "/channels/voice/tickets.json",
            json!({"display_to_agent": ANNA, "ticket": {"via_id": 45, "subject": "Call", "requester_id": PETRA,
                "assignee_id": ANNA, "group_id": SUPPORT, "external_id": "main:1.2", "tags": ["PBX", "a b"],
                "comment": {"body": "She called.", "public": false}}}),
        )
        .await;
    assert_eq!(status, 201, "{body}");
    let ticket = &body["ticket"];
    assert_eq!(ticket["status"], "open", "an assigned ticket is not new");
    assert_eq!(ticket["tags"], json!(["a", "b", "pbx"]));
    assert_eq!(ticket["is_public"], false);

    let state = visitor.sandbox.state();
    assert_eq!(state["screen_pops"][0]["agent_id"], json!(ANNA));
    assert_eq!(state["screen_pops"][0]["ticket_id"], ticket["id"]);
    assert_eq!(state["warnings"], json!([]));
    let (_, found) = visitor.get("/tickets?external_id=main:1.2").await;
    assert_eq!(found["tickets"][0]["id"], ticket["id"]);
    let (_, comments) = visitor.get(&format!("/tickets/{}/comments", ticket["id"])).await;
    assert_eq!(comments["comments"][0]["body"], "She called.");
}

#[tokio::test]
async fn a_wrong_agent_refuses_the_voice_ticket_before_anything_is_made() {
    let visitor = Visitor::new(Options::default()).await;
    let before = visitor.sandbox.state()["counters"]["tickets"].clone();
    let ticket = json!({"via_id": 45, "comment": {"body": "x"}});
    let (status, body) = visitor
        .send(Method::POST, "/channels/voice/tickets", json!({"display_to_agent": PETRA, "ticket": ticket}))
        .await;
    assert_eq!((status, body), (422, json!("")));
    let (status, _) = visitor
        .send(Method::POST, "/channels/voice/tickets", json!({"ticket": {"comment": {"body": "x"}}}))
        .await;
    assert_eq!(status, 422, "via_id is missing");
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], before);

    visitor.set("no_tpe", "404");
    let (status, body) =
        visitor.send(Method::POST, "/channels/voice/tickets", json!({"ticket": ticket})).await;
    assert_eq!((status, &body["error"]), (404, &json!("InvalidEndpoint")));
    visitor.set("no_tpe", "403");
    let (status, body) =
        visitor.send(Method::POST, "/channels/voice/tickets", json!({"ticket": ticket})).await;
    assert_eq!((status, body["error"].is_object()), (403, true));
}

#[tokio::test]
async fn a_pop_needs_an_agent_and_a_ticket() {
    let visitor = Visitor::new(Options::default()).await;
    let pop = async |path: &str| {
        visitor.send(Method::POST, &format!("/channels/voice/agents/{path}/display"), json!({})).await
    };
    assert_eq!(pop(&format!("{ANNA}/tickets/1")).await, (200, json!("")));
    assert_eq!(pop(&format!("{ANNA}/users/{PETRA}")).await, (200, json!("")));
    assert_eq!(pop(&format!("{ANNA}/tickets/99")).await, (404, json!("")));
    assert_eq!(pop(&format!("{PETRA}/tickets/1")).await, (404, json!("")));
    assert_eq!(pop(&format!("x/users/{PETRA}")).await, (404, json!("")));
    assert_eq!(visitor.sandbox.state()["counters"]["screen_pops"], 2);
}

#[tokio::test]
async fn a_ticket_is_refused_with_shape_d_for_each_reason() {
    let visitor = Visitor::new(Options::default().with("locale", "de")).await;
    let otto = 9_300_000_002_134_u64;
    let maria = 9_300_000_002_135_u64;
    for (ticket, field) in [
        (json!({"subject": "x"}), "base"),
        (json!({"comment": {"body": " "}}), "base"),
        (json!({"comment": {"body": "x"}, "requester_id": 5}), "requester"),
        (json!({"comment": {"body": "x"}, "requester_id": otto}), "requester"),
        (json!({"comment": {"body": "x"}, "requester_id": maria}), "requester"),
        (json!({"comment": {"body": "x"}, "requester": {"email": "new@example.org"}}), "requester"),
        (json!({"comment": {"body": "x"}, "assignee_id": PETRA}), "assignee"),
        (json!({"comment": {"body": "x"}, "assignee_id": DANA, "group_id": SUPPORT}), "assignee"),
        (json!({"comment": {"body": "x"}, "group_id": 5}), "group"),
        (json!({"comment": {"body": "x"}, "status": "solved"}), "base"),
        (json!({"comment": {"body": "x"}, "status": "lost"}), "status"),
    ] {
        let (status, body) = visitor.send(Method::POST, "/tickets", json!({"ticket": ticket})).await;
        assert_eq!((status, &body["error"]), (422, &json!("RecordInvalid")), "{ticket} {body}");
        assert!(body["details"][field][0]["description"].is_string(), "{ticket} {body}");
        assert_eq!(body["description"], "Validierungsfehler im Datensatz");
    }
    let (status, body) =
        visitor.send(Method::POST, "/tickets", json!({"ticket": {"requester_id": "5"}})).await;
    assert_eq!((status, body["error"].is_object()), (400, true));
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 1);
}

#[tokio::test]
async fn a_ticket_lives_from_new_to_closed_and_keeps_an_audit() {
    let visitor = Visitor::new(Options::default()).await;
    let (status, body) =
        visitor.send(Method::POST, "/tickets", json!({"ticket": {"comment": {"body": "hello"}}})).await;
    assert_eq!((status, &body["ticket"]["status"]), (201, &json!("new")));
    assert_eq!(body["audit"]["events"][0]["type"], "Comment");
    let path = format!("/tickets/{}.json", body["ticket"]["id"]);
    let put = async |ticket: Value| visitor.send(Method::PUT, &path, json!({"ticket": ticket})).await;

    let (_, body) = put(json!({"assignee_id": DANA})).await;
    assert_eq!(body["ticket"]["status"], "open");
    assert_eq!(body["ticket"]["group_id"], 9_300_000_000_103_u64, "the agent's default group");
    let changes: Vec<&str> = body["audit"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["field_name"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["assignee_id", "group_id", "status"]);
    let (_, body) = put(json!({"group_id": SUPPORT})).await;
    assert_eq!(body["ticket"]["assignee_id"], Value::Null, "Dana is not in Support");
    let (_, body) = put(json!({"group_id": SUPPORT})).await;
    assert!(body.get("audit").is_none(), "nothing changed");
    let (_, body) =
        put(json!({"assignee_id": ANNA, "status": "closed", "comment": {"body": "bye", "public": false}}))
            .await;
    assert_eq!(body["ticket"]["status"], "closed");
    let (status, body) = put(json!({"comment": {"body": "more"}})).await;
    assert_eq!((status, body["details"]["status"].is_array()), (422, true));
    let tags = path.replace(".json", "/tags");
    assert_eq!(visitor.send(Method::PUT, &tags, json!({"tags": ["x"]})).await.0, 422);

    let id: u64 = path.trim_start_matches("/tickets/").trim_end_matches(".json").parse().unwrap();
    let follow = json!({"ticket": {"via_followup_source_id": id, "comment": {"body": "again"}}});
    let (status, body) = visitor.send(Method::POST, "/tickets", follow).await;
    assert_eq!((status, &body["ticket"]["via"]["source"]["rel"]), (201, &json!("follow_up")));
    let (_, body) = visitor.get(&path).await;
    assert_eq!(body["ticket"]["followup_ids"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tags_are_set_added_and_removed() {
    let visitor = Visitor::new(Options::default()).await;
    let tags = async |method: Method, body: Value| visitor.send(method, "/tickets/1/tags", body).await;
    assert_eq!(tags(Method::PUT, json!({"tags": ["VIP"]})).await, (200, json!({"tags": ["printer", "vip"]})));
    assert_eq!(tags(Method::DELETE, json!({"tags": ["printer"]})).await, (200, json!({"tags": ["vip"]})));
    assert_eq!(tags(Method::POST, json!({"tags": "a b"})).await, (201, json!({"tags": ["a", "b"]})));
}

#[tokio::test]
async fn a_safe_update_notices_that_somebody_was_quicker() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) = visitor.get("/tickets/1").await;
    let stamp = body["ticket"]["updated_at"].clone();
    let wish = json!({"ticket": {"safe_update": true, "updated_stamp": stamp, "priority": "high"}});
    assert_eq!(visitor.send(Method::PUT, "/tickets/1", wish.clone()).await.0, 200);
    let (status, body) = visitor.send(Method::PUT, "/tickets/1", wish).await;
    assert_eq!((status, &body["error"]), (409, &json!("UpdateConflict")));
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_ticket_for_two_hours() {
    let visitor = Visitor::new(Options::default()).await;
    let post = async |subject: &str| {
        let body = json!({"ticket": {"subject": subject, "comment": {"body": "x"}}});
        let request = visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "call-1").json(&body);
        let answer = request.send().await.unwrap();
        let lookup = answer.headers().get("x-idempotency-lookup").map(|v| v.to_str().unwrap().to_owned());
        let (status, body) = read(answer).await;
        (status, lookup, body)
    };
    let (status, lookup, first) = post("a").await;
    assert_eq!((status, lookup.as_deref()), (201, Some("miss")));
    let (status, lookup, again) = post("a").await;
    assert_eq!((status, lookup.as_deref(), &again), (201, Some("hit"), &first));
    let (status, _, body) = post("b").await;
    assert_eq!((status, &body["error"]), (400, &json!("IdempotentRequestError")));
    visitor.pass(2 * 60 * 60);
    visitor.set("limits", "off");
    visitor.set("token_lifetime", "24h");
    let mut visitor = visitor;
    visitor.log_in().await;
    let body = json!({"ticket": {"subject": "b", "comment": {"body": "x"}}});
    let request = visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "call-1").json(&body);
    assert_eq!(request.send().await.unwrap().headers()["x-idempotency-lookup"], "miss");
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 3);
}

#[tokio::test]
async fn an_upload_is_used_up_by_the_comment_it_hangs_on() {
    let visitor = Visitor::new(Options::default()).await;
    let upload = visitor.ask(Method::POST, "/uploads.json?filename=call.wav");
    let upload = upload.header("content-type", "audio/wav").body("RIFF").send().await.unwrap();
    let (status, body) = read(upload).await;
    assert_eq!((status, &body["upload"]["attachment"]["size"]), (201, &json!(4)));
    let token = body["upload"]["token"].clone();
    let comment = json!({"ticket": {"comment": {"body": "recording", "uploads": [token]}}});
    let (status, _) = visitor.send(Method::PUT, "/tickets/1", comment.clone()).await;
    assert_eq!(status, 200);
    let (_, body) = visitor.get("/tickets/1/comments?sort=-created_at").await;
    assert_eq!(body["comments"][0]["attachments"][0]["file_name"], "call.wav");
    assert_eq!(visitor.send(Method::PUT, "/tickets/1", comment).await.0, 422);
}

#[tokio::test]
async fn the_metadata_of_an_update_stays_with_its_audit_and_comment() {
    let visitor = Visitor::new(Options::default()).await;
    let wish = json!({"ticket": {"comment": {"body": "One."}, "metadata": {"mark": "1"}}});
    let (_, body) = visitor.send(Method::POST, "/tickets", wish).await;
    assert_eq!(body["audit"]["metadata"]["custom"], json!({"mark": "1"}));
    let path = format!("/tickets/{}", body["ticket"]["id"]);
    let wish = json!({"ticket": {"comment": {"body": "Two."}, "metadata": {"mark": "2"}}});
    visitor.send(Method::PUT, &path, wish).await;
    visitor.send(Method::PUT, &path, json!({"ticket": {"comment": {"body": "Three."}}})).await;
    for list in ["comments", "audits"] {
        let (_, body) = visitor.get(&format!("{path}/{list}")).await;
        let records = body[list].as_array().unwrap().iter();
        let marks: Vec<&Value> = records.map(|record| &record["metadata"]["custom"]).collect();
        assert_eq!(marks, [&json!({"mark": "1"}), &json!({"mark": "2"}), &json!({})], "{list}");
    }
}
