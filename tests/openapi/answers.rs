//! Every operation once and more, and each answer held against the file.

use std::collections::BTreeSet;

use ringdesk::sandbox::operations;
use serde_json::{Value, json};

use crate::file::RECORDED_KEYS;
use crate::inspector::Inspector;
use crate::{ANNA, APP, OUTCOME, PETRA, SUPPORT};

#[tokio::test]
async fn every_answer_is_what_the_openapi_file_promises() {
    let mut it = Inspector::new().await;

    // People, as a stranger would look around.
    it.get("/api/v2/users/me", "/api/v2/users/me.json").await;
    it.get("/api/v2/users", "/api/v2/users?role[]=agent&include=identities,groups").await;
    it.get("/api/v2/users", "/api/v2/users?page[size]=3").await;
    it.get("/api/v2/users/count", "/api/v2/users/count").await;
    it.get("/api/v2/users/search", "/api/v2/users/search?query=role:end-user").await;
    it.get("/api/v2/users/show_many", &format!("/api/v2/users/show_many?ids={PETRA},{ANNA}")).await;
    it.get("/api/v2/user_fields", "/api/v2/user_fields").await;
    it.get("/api/v2/ticket_fields", "/api/v2/ticket_fields").await;
    it.get("/api/v2/ticket_fields", "/api/v2/ticket_fields?page[size]=3").await;
    let field = "/api/v2/ticket_fields/{ticket_field_id}";
    it.get(field, &format!("/api/v2/ticket_fields/{OUTCOME}")).await;
    it.get("/api/v2/incremental/users/cursor", "/api/v2/incremental/users/cursor?start_time=0").await;
    it.get("/api/v2/oauth/tokens/current", "/api/v2/oauth/tokens/current").await;

    let one = "/api/v2/users/{user_id}";
    let wish = json!({"user": {"name": "Vera Klein", "email": "vera.klein@example.org", "phone": "+493023125120",
        "skip_verify_email": true, "notes": "n", "tags": ["a"], "user_fields": {"phone_2": "+49"}}});
    let vera = it.call("POST", "/api/v2/users", "/api/v2/users", Some(wish), 201).await["user"]["id"].clone();
    let path = format!("/api/v2/users/{vera}");
    it.get(one, &path).await;
    it.call("PUT", one, &path, Some(json!({"user": {"phone": "+493023125121"}})), 200).await;
    let lines = format!("{one}/identities");
    let line = format!("{lines}/{{user_identity_id}}");
    it.get(&lines, &format!("{path}/identities")).await;
    let wish =
        json!({"identity": {"type": "phone_number", "value": "+493023125122", "skip_verify_email": true}});
    let own = it.call("POST", &lines, &format!("{path}/identities"), Some(wish), 201).await;
    let own = format!("{path}/identities/{}", own["identity"]["id"]);
    it.get(&line, &own).await;
    it.call("PUT", &line, &own, Some(json!({"identity": {"verified": true}})), 200).await;
    it.call("PUT", &format!("{line}/make_primary"), &format!("{own}/make_primary"), None, 200).await;
    it.call("DELETE", &line, &own, None, 204).await;

    // Groups.
    let group = "/api/v2/groups/{group_id}";
    for name in ["", "/assignable", "/count"] {
        let path = format!("/api/v2/groups{name}");
        it.get(&path, &path).await;
    }
    it.get("/api/v2/groups", "/api/v2/groups?page[size]=2").await;
    let wish = json!({"group": {"name": "Night"}});
    let night =
        it.call("POST", "/api/v2/groups", "/api/v2/groups", Some(wish), 201).await["group"]["id"].clone();
    let path = format!("/api/v2/groups/{night}");
    it.get(group, &path).await;
    it.call("PUT", group, &path, Some(json!({"group": {"name": "Nights"}})), 200).await;
    let wish = json!({"group_membership": {"user_id": ANNA, "group_id": night}});
    let all = "/api/v2/group_memberships";
    let member = it.call("POST", all, all, Some(wish), 201).await["group_membership"]["id"].clone();
    it.get(all, &format!("{all}?include=users,groups")).await;
    it.get(&format!("{all}/assignable"), &format!("{all}/assignable")).await;
    it.get(&format!("{all}/{{group_membership_id}}"), &format!("{all}/{member}")).await;
    it.get(&format!("{group}/memberships"), &format!("{path}/memberships")).await;
    it.get(&format!("{group}/users"), &format!("{path}/users")).await;
    it.get(&format!("{one}/groups"), &format!("/api/v2/users/{ANNA}/groups")).await;
    it.get(&format!("{one}/group_memberships"), &format!("/api/v2/users/{ANNA}/group_memberships")).await;
    let template = format!("{all}/{{group_membership_id}}");
    it.call("DELETE", &template, &format!("{all}/{member}"), None, 204).await;
    it.call("DELETE", group, &path, None, 204).await;

    // Tickets.
    let ticket = "/api/v2/tickets/{ticket_id}";
    let full = json!({"ticket": {"subject": "Call", "external_id": "main:1", "requester_id": vera,
        "assignee_id": ANNA, "group_id": SUPPORT, "priority": "high", "type": "task",
        "due_at": "2026-11-30T12:00:00Z", "tags": ["pbx"], "custom_fields": every_field(), "comment": {"html_body": "<p>x</p>", "public": false}}});
    it.call(
        "POST",
        "/api/v2/tickets",
        "/api/v2/tickets",
        Some(json!({"ticket": {"comment": {"body": "x"}}})),
        201,
    )
    .await;
    let made = it.call("POST", "/api/v2/tickets", "/api/v2/tickets.json", Some(full), 201).await;
    let path = format!("/api/v2/tickets/{}", made["ticket"]["id"]);
    it.get("/api/v2/tickets", "/api/v2/tickets?external_id=main:1&include=users,groups").await;
    it.get("/api/v2/tickets", "/api/v2/tickets?page[size]=1").await;
    it.get("/api/v2/tickets/count", "/api/v2/tickets/count").await;
    it.get("/api/v2/tickets/show_many", "/api/v2/tickets/show_many?ids=1,2").await;
    it.get(ticket, &path).await;
    let upload = it.call("POST", "/api/v2/uploads", "/api/v2/uploads?filename=a.txt", None, 201).await;
    let token = upload["upload"]["token"].as_str().unwrap().to_owned();
    let change = json!({"ticket": {"group_id": null, "status": "pending", "tags": ["x"], "voice_comment": {"from": "+49",
        "to": "+493", "started_at": "2026-11-25T12:00:00Z", "call_duration": 4, "answered_by_id": ANNA},
        "comment": {"body": "y", "uploads": [token]}}});
    it.call("PUT", ticket, &path, Some(change), 200).await;
    it.get(&format!("{ticket}/comments"), &format!("{path}/comments")).await;
    it.get(&format!("{ticket}/audits"), &format!("{path}/audits")).await;
    let upload = it.call("POST", "/api/v2/uploads", "/api/v2/uploads?filename=c.txt", None, 201).await;
    let change = json!({"ticket": {"comment": {"body": "z", "uploads": [upload["upload"]["token"]]}}});
    it.call("PUT", ticket, &path, Some(change), 200).await;
    let state = it.sandbox.state();
    let said = state["tickets"].as_array().unwrap().iter().find(|known| known["id"] == made["ticket"]["id"]);
    let with_files: Vec<_> = said.unwrap()["comments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|comment| comment["attachments"][0].is_object())
        .collect();
    let (first, second) = (with_files[0], with_files[1]);
    let redact = format!("{ticket}/comments/{{comment_id}}/attachments/{{attachment_id}}/redact");
    let file = &first["attachments"][0]["id"];
    it.call("PUT", &redact, &format!("{path}/comments/{}/attachments/{file}/redact", first["id"]), None, 200)
        .await;
    let wish = json!({"ticket_id": made["ticket"]["id"],
        "external_attachment_urls": [second["attachments"][0]["content_url"]]});
    let redact = "/api/v2/comment_redactions/{ticket_comment_id}";
    it.call("PUT", redact, &format!("/api/v2/comment_redactions/{}", second["id"]), Some(wish), 200).await;
    assert_eq!(it.sandbox.state()["attachment_sums"], json!({}), "nothing is left of either");
    let tags = format!("{ticket}/tags");
    it.get(&tags, &format!("{path}/tags")).await;
    for (method, status) in [("POST", 201), ("PUT", 200), ("DELETE", 200)] {
        it.call(method, &tags, &format!("{path}/tags"), Some(json!({"tags": ["z"]})), status).await;
    }
    let upload = it.call("POST", "/api/v2/uploads", "/api/v2/uploads?filename=b.txt", None, 201).await;
    let token = upload["upload"]["token"].as_str().unwrap().to_owned();
    it.call("DELETE", "/api/v2/uploads/{token}", &format!("/api/v2/uploads/{token}"), None, 204).await;

    let requested = "/api/v2/users/{user_id}/tickets/requested";
    let theirs = format!("/api/v2/users/{vera}/tickets/requested");
    for query in ["sort_by=updated_at&sort_order=desc&include=users", "page[size]=5&sort=-updated_at"] {
        let shown = it.get(requested, &format!("{theirs}?{query}")).await;
        assert_eq!(shown["tickets"].as_array().map(Vec::len), Some(1), "{query}");
    }
    it.get("/api/v2/users/{user_id}/related", &format!("/api/v2/users/{vera}/related")).await;

    // Calls: a record, then what became of it, then the comment.
    let calls = "/api/v2/calls";
    let wish = json!({"call": {"app_id": APP, "from_line": "+493023125111", "to_line": "+4930231250",
        "call_started_at": "2026-11-25T12:00:00+01", "direction": "inbound", "ticket_id": made["ticket"]["id"],
        "agent_id": ANNA, "end_user_id": vera, "external_id": "main/1.2"}});
    let call = it.call("POST", calls, calls, Some(wish), 201).await["call"]["id"].clone();
    let one_call = "/api/v2/calls/{call_id}";
    it.get(one_call, &format!("{calls}/{call}")).await;
    let wish = json!({"call": {"call_ended_at": "2026-11-25T12:01:00+01:00", "completion_status": "completed",
        "duration": 60, "recording_url": "https://pbx.example.com/1.wav"}});
    it.call("PATCH", one_call, &format!("{calls}/{call}"), Some(wish), 200).await;
    let said = json!({"title": "Call", "call_fields": ["from_line", "to_line", "duration"], "display_to_agent": ANNA});
    let comment = format!("{one_call}/comments");
    it.call("POST", &comment, &format!("{calls}/{call}/comments"), Some(said), 201).await;
    it.get(&format!("{ticket}/comments"), &format!("{path}/comments")).await;
    it.get(&format!("{ticket}/audits"), &format!("{path}/audits")).await;

    // Search, voice, the end.
    it.get("/api/v2/search", "/api/v2/search?query=type:group%20Support").await;
    it.get("/api/v2/search", "/api/v2/search?query=type:ticket%20Call").await;
    it.get("/api/v2/search", "/api/v2/search?query=Petra").await;
    it.get("/api/v2/search/count", "/api/v2/search/count?query=Petra").await;
    let voice = "/api/v2/channels/voice";
    let wish = json!({"display_to_agent": ANNA, "ticket": {"via_id": 45, "requester_id": vera,
        "comment": {"body": "x"}, "additional_tags": ["call"], "voice_comment": {"from": "+49", "to": "+493",
        "recording_url": "https://pbx.example.com/1.wav", "recording_type": "call", "call_duration": 3}}});
    it.call("POST", &format!("{voice}/tickets"), &format!("{voice}/tickets"), Some(wish), 201).await;
    for (what, id) in [("tickets/{ticket_id}", 1), ("users/{user_id}", PETRA)] {
        let template = format!("{voice}/agents/{{agent_id}}/{what}/display");
        let (kind, _) = what.split_once('/').unwrap();
        let path = format!("{voice}/agents/{ANNA}/{kind}/{id}/display");
        let (status, _, answer) = it.raw("POST", &path, None).await;
        assert_eq!((status, answer), (200, json!("")), "the file's empty string is an empty body");
        let bad = path.replace(&id.to_string(), "99");
        assert_eq!(it.raw("POST", &bad, None).await.0, 404);
        it.seen.insert(("POST".to_owned(), template));
    }
    it.call("DELETE", ticket, &path, None, 204).await;
    let wish = json!({"user": {"name": "Caller"}});
    let caller =
        it.call("POST", "/api/v2/users", "/api/v2/users", Some(wish), 201).await["user"]["id"].clone();
    let merge = format!("{one}/merge");
    let wish = json!({"user": {"id": PETRA, "name": "Petra Sommer"}});
    it.call("PUT", &merge, &format!("/api/v2/users/{caller}/merge"), Some(wish), 200).await;
    let wish = json!({"user": {"name": "Short"}});
    let short =
        it.call("POST", "/api/v2/users", "/api/v2/users", Some(wish), 201).await["user"]["id"].clone();
    it.call("DELETE", one, &format!("/api/v2/users/{short}"), None, 200).await;
    it.call("DELETE", "/api/v2/oauth/tokens/current", "/api/v2/oauth/tokens/current", None, 204).await;

    let served: BTreeSet<(String, String)> =
        operations().into_iter().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(served.difference(&it.seen).collect::<Vec<_>>(), [] as [&(String, String); 0]);
    assert!(it.complaints.is_empty(), "{}", it.complaints.join("\n"));
    let known: BTreeSet<String> =
        RECORDED_KEYS.iter().map(|(schema, key)| format!("{schema} {key}")).collect();
    let new: Vec<&String> = it.unknown.difference(&known).collect();
    assert_eq!(new, [] as [&String; 0], "keys that neither the file nor a recording has: {new:#?}");
    let idle: Vec<&String> = known.difference(&it.unknown).collect();
    assert_eq!(idle, [] as [&String; 0], "listed, but not answered any more");
    assert_eq!(it.sandbox.state()["warnings"], json!([]), "every request of this test is allowed");
}

/// A value for a custom field of every type, and one nobody knows.
fn every_field() -> Value {
    let values = [
        json!("a"),
        json!("a\nb"),
        json!(true),
        json!("2026-11-26"),
        json!(60),
        json!(1.5),
        json!("AB-1234"),
        json!("outcome_answered"),
        json!(["topic_invoice"]),
        json!("inactive"),
        json!("unknown"),
    ];
    (9_300_000_004_001_u64..).zip(values).map(|(id, value)| json!({"id": id, "value": value})).collect()
}
