//! Who may be what in a ticket, how often it may change, and what people do meanwhile.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, DANA, PETRA, SUPPORT, Visitor, read};
use crate::sandbox::Options;

const OTTO: u64 = 9_300_000_002_134;
const NADJA: u64 = 9_300_000_002_136;
const BACKOFFICE: u64 = 9_300_000_000_103;
const HELPDESK: u64 = 9_300_000_000_104;

#[tokio::test]
async fn submitter_and_author_are_agents_or_the_requester() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.sandbox.as_agent("PUT", &format!("/users/{DANA}"), json!({"user": {"suspended": true}})).unwrap();
    for (who, status) in [(ANNA, 201), (PETRA, 201), (NADJA, 422), (OTTO, 422), (DANA, 422), (5, 422)] {
        let by_submitter = json!({"requester_id": PETRA, "submitter_id": who, "comment": {"body": "x"}});
        let by_author = json!({"requester_id": PETRA, "comment": {"body": "x", "author_id": who}});
        for (ticket, field) in [(by_submitter, "submitter"), (by_author, "author")] {
            let (got, body) = visitor.send(Method::POST, "/tickets", json!({"ticket": ticket})).await;
            assert_eq!(got, status, "{ticket} {body}");
            if status == 422 {
                assert!(body["details"][field][0]["description"].is_string(), "{body}");
            } else {
                assert_eq!(body["audit"]["author_id"], who, "the audit is theirs");
                assert_eq!(body["audit"]["events"][0]["author_id"], who);
            }
        }
        let wish = json!({"ticket": {"subject": "y", "comment": {"body": "x", "author_id": who}}});
        let (got, body) = visitor.send(Method::PUT, "/tickets/1", wish).await;
        assert_eq!(got == 200, status == 201, "{who} {body}");
        if got == 200 {
            assert_eq!(body["audit"]["author_id"], who);
        }
    }
}

#[tokio::test]
async fn an_assignee_is_in_the_tickets_group() {
    // Ticket 1 is Anna's in Support; Dana is in Backoffice and Hotline.
    for (switches, wish, status, group, assignee) in [
        (&[][..], json!({"group_id": SUPPORT, "assignee_id": DANA}), 422, SUPPORT, json!(ANNA)),
        (&[], json!({"assignee_id": DANA}), 200, BACKOFFICE, json!(DANA)),
        (&[("assignee_alone", "422")], json!({"assignee_id": DANA}), 422, SUPPORT, json!(ANNA)),
        (
            &[("assignee_alone", "422")],
            json!({"assignee_id": DANA, "group_id": BACKOFFICE}),
            200,
            BACKOFFICE,
            json!(DANA),
        ),
        (&[], json!({"group_id": BACKOFFICE}), 200, BACKOFFICE, Value::Null),
        (&[], json!({"group_id": HELPDESK}), 200, HELPDESK, json!(ANNA)),
        (&[("group_alone", "422")], json!({"group_id": BACKOFFICE}), 422, SUPPORT, json!(ANNA)),
        (&[], json!({"assignee_id": PETRA}), 422, SUPPORT, json!(ANNA)),
        (&[], json!({"group_id": 5}), 422, SUPPORT, json!(ANNA)),
    ] {
        let visitor = Visitor::new(Options::default()).await;
        for (name, value) in switches {
            visitor.set(name, *value);
        }
        let (got, body) = visitor.send(Method::PUT, "/tickets/1", json!({"ticket": wish})).await;
        assert_eq!(got, status, "{switches:?} {wish} {body}");
        let (_, body) = visitor.get("/tickets/1").await;
        let ticket = &body["ticket"];
        assert_eq!(
            (&ticket["group_id"], &ticket["assignee_id"]),
            (&json!(group), &assignee),
            "{switches:?} {wish}"
        );
    }
}

#[tokio::test]
async fn a_closed_ticket_refuses_every_change_and_has_a_follow_up_instead() {
    let visitor = Visitor::new(Options::default()).await;
    let follow = json!({"ticket": {"via_followup_source_id": 1, "comment": {"body": "again"}}});
    for status in ["open", "solved"] {
        visitor.sandbox.as_agent("PUT", "/tickets/1", json!({"ticket": {"status": status}})).unwrap();
        let (got, body) = visitor.send(Method::POST, "/tickets", follow.clone()).await;
        assert_eq!((got, body["details"]["via_followup_source_id"].is_array()), (422, true), "{status}");
    }
    visitor.sandbox.as_agent("PUT", "/tickets/1", json!({"ticket": {"status": "closed"}})).unwrap();
    for wish in [
        json!({"subject": "x"}),
        json!({"status": "open"}),
        json!({"status": "closed"}),
        json!({"comment": {"body": "x"}}),
        json!({"tags": ["x"]}),
        json!({"requester_id": NADJA}),
        json!({"voice_comment": {"from": "+49", "to": "+493", "started_at": "2026-11-25T12:00:00Z"}}),
        json!({"custom_fields": [{"id": 9_300_000_004_001_u64, "value": "x"}]}),
    ] {
        let (status, body) = visitor.send(Method::PUT, "/tickets/1", json!({"ticket": wish})).await;
        let complaint = &body["details"]["status"][0]["description"];
        assert_eq!((status, complaint), (422, &json!("Status: closed prevents ticket update")), "{wish}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let (status, body) = visitor.send(method, "/tickets/1/tags", json!({"tags": ["x"]})).await;
        assert_eq!((status, body["details"]["status"].is_array()), (422, true));
    }
    let (status, body) = visitor.send(Method::POST, "/tickets", follow).await;
    let source = &body["ticket"]["via"]["source"];
    assert_eq!((status, &source["rel"], &source["from"]["ticket_id"]), (201, &json!("follow_up"), &json!(1)));
    let (_, old) = visitor.get("/tickets/1").await;
    assert_eq!(old["ticket"]["followup_ids"], json!([body["ticket"]["id"]]));
}

#[tokio::test]
async fn a_ticket_takes_thirty_updates_and_a_user_five() {
    let visitor = Visitor::new(Options::default()).await;
    let put = async |path: &str, body: Value| {
        let answer = visitor.ask(Method::PUT, path).json(&body).send().await.unwrap();
        let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (read(answer).await.0, wait)
    };
    for number in 0..30 {
        let wish = json!({"ticket": {"subject": number.to_string()}});
        assert_eq!(put("/tickets/1", wish).await.0, 200, "{number}");
    }
    visitor.pass(100);
    let wish = json!({"ticket": {"subject": "one too many"}});
    assert_eq!(put("/tickets/1", wish.clone()).await, (429, Some("500".to_owned())));
    visitor.sandbox.as_agent("PUT", "/tickets/1", json!({"ticket": {"subject": "by hand"}})).unwrap();
    assert_eq!(visitor.get("/tickets/1").await.1["ticket"]["subject"], "by hand");
    visitor.pass(500);
    assert_eq!(put("/tickets/1", wish).await.0, 200);

    let path = format!("/users/{PETRA}");
    for number in 0..5 {
        visitor.pass(1);
        assert_eq!(put(&path, json!({"user": {"notes": number.to_string()}})).await.0, 200, "{number}");
    }
    visitor.pass(1);
    assert_eq!(put(&path, json!({"user": {"notes": "x"}})).await, (429, Some("55".to_owned())));
    let other = format!("/users/{NADJA}");
    assert_eq!(put(&other, json!({"user": {"notes": "x"}})).await.0, 200);
    assert_eq!(
        put(&other, json!({"user": {"notes": "y"}})).await.0,
        429,
        "one a second for the whole account"
    );
}

#[tokio::test]
async fn a_voice_comment_can_be_added_to_a_ticket() {
    let visitor = Visitor::new(Options::default().with("no_tpe", "404")).await;
    let wish = json!({"ticket": {"voice_comment": {"from": "+493023125111", "to": "+4930231250",
        "recording_url": "https://pbx.example.com/1.wav", "started_at": "2026-11-25T12:00:00Z", "call_duration": 60,
        "answered_by_id": ANNA}}});
    let (status, body) = visitor.send(Method::PUT, "/tickets/1", wish).await;
    assert_eq!((status, &body["audit"]["events"][0]["type"]), (200, &json!("VoiceComment")), "needs no TPE");
    let (_, body) = visitor.get("/tickets/1/comments?sort=-created_at").await;
    let said = &body["comments"][0];
    assert_eq!((&said["type"], &said["data"]["call_duration"]), (&json!("VoiceComment"), &json!(60)));
}

#[tokio::test]
async fn the_tickets_of_a_requester_are_listed_sorted_and_late_when_wanted() {
    let visitor = Visitor::new(Options::default()).await;
    let mut ids = vec![1];
    for (subject, status) in [("b", "open"), ("a", "pending"), ("c", "open")] {
        visitor.pass(1);
        let ticket = json!({"subject": subject, "status": status, "requester_id": PETRA, "assignee_id": ANNA, "comment": {"body": "x"}});
        let (_, body) = visitor.send(Method::POST, "/tickets", json!({"ticket": ticket})).await;
        ids.push(body["ticket"]["id"].as_u64().unwrap());
    }
    visitor.pass(1);
    visitor.send(Method::PUT, &format!("/tickets/{}", ids[1]), json!({"ticket": {"status": "solved"}})).await;
    let listed = async |query: &str| {
        let (status, body) = visitor.get(&format!("/users/{PETRA}/tickets/requested{query}")).await;
        assert_eq!(status, 200, "{body}");
        let list = body["tickets"].as_array().unwrap().clone();
        list.iter().map(|ticket| ticket["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let [first, b, a, c] = [ids[0], ids[1], ids[2], ids[3]];
    assert_eq!(listed("").await, [first, b, a, c]);
    assert_eq!(listed("?sort_by=updated_at&sort_order=desc").await, [b, c, a, first]);
    assert_eq!(listed("?sort_by=subject&per_page=2").await, [first, a]);
    assert_eq!(listed("?sort_by=status").await, [first, c, a, b]);
    assert_eq!(listed("?page[size]=2&sort=-updated_at").await, [b, c]);
    assert_eq!(listed("?page[size]=9&sort_by=subject").await, [first, b, a, c], "a cursor drops sort_by");
    assert_eq!(
        visitor.get(&format!("/users/{PETRA}/tickets/requested?page[size]=2&sort=subject")).await.0,
        400
    );
    assert_eq!(visitor.get("/users/5/tickets/requested").await.0, 404);
    let (_, body) = visitor.get(&format!("/users/{PETRA}/related")).await;
    assert_eq!(body["user_related"]["requested_tickets"], 4);
    let (_, body) = visitor.get(&format!("/users/{ANNA}/related")).await;
    assert_eq!(body["user_related"]["assigned_tickets"], 4);

    visitor.set("list_delay", "30s");
    visitor
        .sandbox
        .as_agent("PUT", &format!("/tickets/{c}"), json!({"ticket": {"requester_id": NADJA}}))
        .unwrap();
    assert_eq!(listed("").await, [first, b, a, c], "the list is late");
    assert_eq!(
        visitor.get(&format!("/tickets/{c}")).await.1["ticket"]["requester_id"],
        NADJA,
        "the ticket is not"
    );
    visitor.pass(30);
    assert_eq!(listed("").await, [first, b, a]);
}

#[tokio::test]
async fn an_agents_work_is_no_request_of_ours_and_obeys_the_same_rules() {
    let visitor = Visitor::new(Options::default()).await;
    let before = visitor.sandbox.state()["requests"].as_array().unwrap().len();
    visitor.set("503", "always");
    let by_hand = |method: &str, path: &str, body: Value| visitor.sandbox.as_agent(method, path, body);
    let answer = by_hand("PUT", "/tickets/1", json!({"ticket": {"requester_id": NADJA}})).unwrap();
    assert_eq!(answer["ticket"]["requester_id"], NADJA);
    assert_eq!(answer["audit"]["via"]["channel"], "web");
    by_hand("PUT", &format!("/users/{NADJA}"), json!({"user": {"name": "Nadja Neu"}})).unwrap();
    by_hand("PUT", &format!("/users/{NADJA}/merge"), json!({"user": {"id": PETRA}})).unwrap();
    by_hand("PUT", "/tickets/1", json!({"ticket": {"status": "solved"}})).unwrap();
    by_hand("PUT", &format!("/users/{PETRA}"), json!({"user": {"suspended": true}})).unwrap();
    let refused = by_hand("PUT", "/tickets/1", json!({"ticket": {"assignee_id": PETRA}})).unwrap_err();
    assert_eq!((refused.status, refused.body["details"]["assignee"].is_array()), (422, true));
    let strange = by_hand("PUT", "/tickets/1", json!({"ticket": {"colour": "red"}})).unwrap_err();
    assert_eq!(strange.body["warnings"][0]["keys"], json!(["ticket.colour"]));

    let order = json!({"method": "PUT", "path": "/api/v2/tickets/1", "body": {"ticket": {"comment": {"body": "mine"}}},
        "as": "anna.weber@example.com"});
    let sent = visitor.bare(Method::POST, "/_sandbox/as_agent").json(&order).send().await.unwrap();
    let (status, body) = read(sent).await;
    assert_eq!((status, &body["audit"]["author_id"]), (200, &json!(ANNA)));
    for order in
        [json!({"path": "/tickets/1"}), json!({"method": "GET", "path": "/tickets/1", "as": "nobody"})]
    {
        let sent = visitor.bare(Method::POST, "/_sandbox/as_agent").json(&order).send().await.unwrap();
        assert!(read(sent).await.1["error"].is_string(), "{order}");
    }
    let state = visitor.sandbox.state();
    assert_eq!((state["requests"].as_array().unwrap().len(), &state["warnings"]), (before, &json!([])));
    let ticket = &state["tickets"][0];
    assert_eq!((&ticket["requester_id"], &ticket["status"]), (&json!(PETRA), &json!("solved")));
}
