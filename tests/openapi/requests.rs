//! Requests that the file does not allow.

use ringdesk::sandbox::{openapi, operations};
use serde_json::{Value, json};

use crate::file::{convert, properties, resolve, validator};
use crate::inspector::Inspector;
use crate::{APP, PETRA, SUPPORT};

/// Operations with a body: method, path of the file, path here, the wrapper's key and a body that is taken.
fn bodies() -> Vec<(&'static str, &'static str, String, &'static str, Value)> {
    let ticket = json!({"comment": {"body": "x"}});
    let identity = json!({"type": "phone_number", "value": "+493023125130"});
    let all = "/api/v2/users";
    let one = "/api/v2/users/{user_id}";
    vec![
        ("POST", "/api/v2/tickets", "/api/v2/tickets".to_owned(), "ticket", ticket.clone()),
        (
            "PUT",
            "/api/v2/tickets/{ticket_id}",
            "/api/v2/tickets/1".to_owned(),
            "ticket",
            json!({"subject": "y"}),
        ),
        (
            "POST",
            "/api/v2/channels/voice/tickets",
            "/api/v2/channels/voice/tickets".to_owned(),
            "ticket",
            json!({"via_id": 46, "comment": {"body": "x"}}),
        ),
        ("POST", all, all.to_owned(), "user", json!({"name": "x"})),
        ("PUT", one, format!("{all}/{PETRA}"), "user", json!({"notes": "x"})),
        ("POST", "/api/v2/groups", "/api/v2/groups".to_owned(), "group", json!({"name": "x"})),
        (
            "PUT",
            "/api/v2/groups/{group_id}",
            format!("/api/v2/groups/{SUPPORT}"),
            "group",
            json!({"description": "x"}),
        ),
        (
            "POST",
            "/api/v2/users/{user_id}/identities",
            format!("{all}/{PETRA}/identities"),
            "identity",
            identity,
        ),
        (
            "POST",
            "/api/v2/calls",
            "/api/v2/calls".to_owned(),
            "call",
            json!({"app_id": APP, "from_line": "+493023125111", "to_line": "+4930231250",
                "call_started_at": "2026-11-25T12:00:00Z", "direction": "inbound"}),
        ),
        (
            "PATCH",
            "/api/v2/calls/{call_id}",
            "/api/v2/calls/{call_id}".to_owned(),
            "call",
            json!({"duration": 5}),
        ),
    ]
}

/// The path with the id of a call that is there.
async fn placed(it: &Inspector, path: &str) -> String {
    if !path.contains("{call_id}") {
        return path.to_owned();
    }
    let call = json!({"call": {"app_id": APP, "from_line": "+493023125111", "to_line": "+4930231250",
        "call_started_at": "2026-11-25T12:00:00Z", "direction": "inbound", "ticket_id": 1}});
    let (_, _, answer) = it.raw("POST", "/api/v2/calls", Some(&call)).await;
    path.replace("{call_id}", &answer["call"]["id"].to_string())
}

#[tokio::test]
async fn an_unknown_key_is_dropped_with_a_warning_in_every_body() {
    for (method, template, path, wrapper, good) in bodies() {
        let it = Inspector::new().await;
        let path = placed(&it, &path).await;
        let mut body = good.clone();
        body["colour"] = json!("red");
        let (status, headers, answer) =
            it.raw(method, &path, Some(&json!({wrapper: body, "extra": 1}))).await;
        assert!(status < 300, "{method} {template}: {answer}");
        let warning = headers.get("x-zendesk-api-warn").map(|value| value.to_str().unwrap().to_owned());
        let warning = warning.unwrap_or_default();
        assert!(warning.contains(&format!("{wrapper}.colour")), "{method} {template}: {warning:?}");
        let keys = it.sandbox.state()["warnings"][0]["keys"].clone();
        let mut expected = vec!["extra".to_owned(), format!("{wrapper}.colour")];
        expected.sort();
        assert_eq!(keys, json!(expected), "{method} {template}");
    }
}

#[tokio::test]
async fn whatever_the_file_refuses_in_a_body_is_refused_and_nothing_is_made() {
    let samples =
        [json!(true), json!("x"), json!(5), json!(2.5), json!({}), json!([]), json!([true]), Value::Null];
    let it = Inspector::new().await;
    let mut file: Value = serde_json::from_str(openapi::TEXT).unwrap();
    convert(&mut file);
    let mut refused = 0;
    for (method, template, path, wrapper, good) in bodies() {
        let path = placed(&it, &path).await;
        let mut schema = openapi::request_schema(method, template).unwrap().clone();
        convert(&mut schema);
        let inner = properties(&file, &schema)[wrapper].clone();
        let known = properties(&file, &inner);
        assert!(known.len() > 1, "{method} {template}");
        for (key, rule) in known.iter().filter(|(_, rule)| resolve(&file, rule)["readOnly"] != true) {
            let validator = validator(&file, rule);
            let before = it.sandbox.counters();
            for sample in samples.iter().filter(|sample| !validator.is_valid(sample)) {
                let mut body = good.clone();
                body[key] = sample.clone();
                let (status, _, answer) = it.raw(method, &path, Some(&json!({wrapper: body}))).await;
                assert!(matches!(status, 400 | 422), "{method} {template} {key}={sample}: {status} {answer}");
                refused += 1;
            }
            let after = it.sandbox.counters();
            assert_eq!((&before["tickets"], &before["users"]), (&after["tickets"], &after["users"]), "{key}");
        }
    }
    assert!(refused > 300, "{refused}");
}

#[tokio::test]
async fn the_comment_of_a_call_has_no_wrapper_and_the_same_rules() {
    let it = Inspector::new().await;
    let path = placed(&it, "/api/v2/calls/{call_id}/comments").await;
    let good = json!({"title": "Call", "call_fields": ["duration"]});
    for (key, wrong) in [
        ("title", json!(5)),
        ("call_fields", json!("duration")),
        ("call_fields", json!([5])),
        ("author_id", json!("x")),
        ("display_to_agent", json!(true)),
    ] {
        let mut body = good.clone();
        body[key] = wrong.clone();
        let (status, _, answer) = it.raw("POST", &path, Some(&body)).await;
        assert_eq!(status, 400, "{key}={wrong}: {answer}");
    }
    let mut body = good;
    body["colour"] = json!("red");
    let (status, headers, answer) = it.raw("POST", &path, Some(&body)).await;
    assert_eq!((status, headers.contains_key("x-zendesk-api-warn")), (201, true), "{answer}");
    assert_eq!(it.sandbox.state()["warnings"][0]["keys"], json!(["colour"]));
    let comments = it.sandbox.state()["tickets"][0]["comments"].clone();
    assert_eq!(comments.as_array().map(Vec::len), Some(2), "the first one and this");
}

#[tokio::test]
async fn a_query_parameter_that_the_file_does_not_know_is_noted() {
    let it = Inspector::new().await;
    let mut noted = 0;
    for (method, template) in operations() {
        if method != "GET"
            || template.contains('{')
            || template.ends_with("/me")
            || template.ends_with("/current")
        {
            continue;
        }
        it.raw(method, &format!("{template}?colour=red"), None).await;
        noted += 1;
        let warnings = it.sandbox.state()["warnings"].clone();
        assert_eq!(warnings.as_array().map(Vec::len), Some(noted), "{template}");
        assert_eq!(warnings[noted - 1]["keys"], json!(["colour"]), "{template}");
    }
    assert!(noted > 10);
}
