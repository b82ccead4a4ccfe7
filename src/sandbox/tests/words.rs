//! Every refusal says the same in both languages, and nothing but the text tells them apart.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, DANA, PETRA, SUPPORT, Visitor};
use crate::sandbox::{Options, Seed};

const APP: u64 = 9_300_000_005_001;

/// Requests that are refused, each for a reason of its own.
fn refused() -> Vec<(Method, String, Value)> {
    let ticket = |ticket: Value| (Method::PUT, "/tickets/1".to_owned(), json!({"ticket": ticket}));
    let new = |ticket: Value| (Method::POST, "/tickets".to_owned(), json!({"ticket": ticket}));
    let field = |id: u64, value: Value| ticket(json!({"custom_fields": [{"id": id, "value": value}]}));
    let call = |more: Value| {
        let mut call = json!({"app_id": APP, "from_line": "1", "to_line": "2", "direction": "inbound",
            "call_started_at": "2026-11-25T12:00:00Z", "ticket_id": 1});
        call.as_object_mut().unwrap().extend(more["call"].as_object().cloned().unwrap_or_default());
        (Method::POST, "/calls".to_owned(), json!({"call": call, "comment": more["comment"]}))
    };
    let petra = format!("/users/{PETRA}");
    vec![
        field(9_300_000_004_004, json!("today")),
        field(9_300_000_004_008, json!("Answered")),
        ticket(json!({"status": "solved"})),
        ticket(json!({"assignee_id": DANA, "group_id": SUPPORT})),
        ticket(json!({"assignee_id": DANA})),
        ticket(json!({"requester_id": 5})),
        ticket(json!({"requester_id": 9_300_000_002_134_u64})),
        ticket(json!({"comment": {"body": "x", "author_id": 5}})),
        ticket(json!({"safe_update": true, "updated_stamp": "2020-01-01T00:00:00Z"})),
        ticket(json!({"voice_comment": {"from": "1", "to": "2", "answered_by_id": 5}})),
        new(json!({"comment": {"body": "x"}, "submitter_id": 5})),
        new(json!({"comment": {"body": "x"}, "via_followup_source_id": 1})),
        call(json!({"call": {"app_id": 5}, "comment": {"title": "x"}})),
        call(json!({"call": {"from_line": ""}, "comment": {"title": "x"}})),
        call(json!({"comment": {}})),
        call(json!({"comment": {"title": "x", "call_fields": ["colour"]}})),
        (Method::PUT, petra.clone(), json!({"user": {"user_fields": {"segment": "x"}}})),
        (Method::DELETE, petra, Value::Null),
        (Method::PUT, format!("/users/{ANNA}/merge"), json!({"user": {"id": PETRA}})),
        (
            Method::PUT,
            "/users/9300000002136/merge".to_owned(),
            json!({"user": {"id": 9_007_199_254_743_105_u64}}),
        ),
        (Method::GET, "/ticket_fields/5".to_owned(), Value::Null),
        (Method::GET, "/calls/5".to_owned(), Value::Null),
        (Method::GET, format!("/users/{PETRA}/tickets/requested?page[size]=1&sort=subject"), Value::Null),
        (Method::GET, format!("/users/{PETRA}/tickets/requested?sort_by=colour"), Value::Null),
    ]
}

/// Everything but the words meant for a person.
fn bones(answer: &Value) -> Value {
    match answer {
        Value::Object(object) => {
            let kept = object.iter().map(|(key, value)| match key.as_str() {
                "description" | "title" | "message" | "detail" => (key.clone(), json!("…")),
                _ => (key.clone(), bones(value)),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(bones).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_refusal_differs_in_its_words_alone() {
    let mut seed = Seed::house();
    seed.ticket_fields[0].required = true;
    let options =
        Options { seed, ..Options::default() }.with("limits", "off").with("merge_phone_only", "422");
    let visitor = Visitor::new(options.with("assignee_alone", "422")).await;
    for (method, path, body) in refused() {
        let mut answers = Vec::new();
        for language in ["en", "de"] {
            visitor.set("locale", language);
            answers.push(visitor.send(method.clone(), &path, body.clone()).await);
        }
        let [(english, en), (german, de)] = &answers[..] else { unreachable!() };
        assert!((400..500).contains(english), "{method} {path} {body}: {en}");
        assert_eq!((english, bones(en)), (german, bones(de)), "{method} {path} {body}");
        assert_ne!(en, de, "{method} {path} {body} is not translated");
    }
    assert_eq!(visitor.sandbox.counters()["tickets"], 1);
    assert_eq!(visitor.sandbox.counters()["calls"], 0);
}
