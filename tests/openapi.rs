//! The sandbox held against the official OpenAPI file, in both directions.
//!
//! Every answer must be what the file promises; where recordings of real accounts contradict the
//! file, the recording wins and stands in [`RECORDED_NULLS`] or [`RECORDED_KEYS`]. Every request
//! that the file does not allow must be refused, or its key dropped with a warning.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::collections::BTreeSet;

use reqwest::Method;
use ringdesk::sandbox::{Options, Sandbox, openapi, operations};
use serde_json::{Map, Value, json};

const ANNA: u64 = 9_300_000_001_201;
const SUPPORT: u64 = 9_300_000_000_101;
const PETRA: u64 = 9_007_199_254_743_101;
const OUTCOME: u64 = 9_300_000_004_008;
const APP: u64 = 9_300_000_005_001;

/// Null in recorded answers although the file says otherwise: schema and property.
const RECORDED_NULLS: &[(&str, &str)] = &[
    ("UserForAdmin", "alias"),
    ("UserForAdmin", "default_group_id"),
    ("UserForAdmin", "details"),
    ("UserForAdmin", "email"),
    ("UserForAdmin", "last_login_at"),
    ("UserForAdmin", "notes"),
    ("UserForAdmin", "signature"),
    ("TicketObject", "forum_topic_id"),
    // As null as `subject`, which may be null by the file itself.
    ("TicketObject", "raw_subject"),
    ("TicketObject", "recipient"),
    ("TicketObject", "satisfaction_rating"),
    ("AttachmentBaseObject", "height"),
    ("AttachmentBaseObject", "width"),
    // What is not set: the page on ticket fields.
    ("TicketFieldValueInput", "value"),
    ("TicketFieldObject", "agent_description"),
    // An audit says null for what is unset, and a list for tags.
    ("AuditObject", "events/items/properties/value"),
];

/// In answers although the file does not know them: schema and key, by group the source.
const RECORDED_KEYS: &[(&str, &str)] = &[
    // Recordings of uploads, tickets and audits.
    ("AttachmentUploadResponse.upload", "expires_at"),
    ("AuditObject.events", "attachments"),
    ("AuditObject.events", "audit_id"),
    ("AuditObject.events", "author_id"),
    ("AuditObject.events", "html_body"),
    ("AuditObject.events", "plain_body"),
    ("AuditObject.events", "previous_value"),
    ("AuditObject.events", "public"),
    ("TicketResponse", "audit"),
    // Recordings of voice comments.
    ("AuditObject.events", "data"),
    ("AuditObject.events", "formatted_from"),
    ("AuditObject.events", "formatted_to"),
    ("AuditObject.events", "transcription_visible"),
    ("AuditObject.events", "trusted"),
    ("TicketCommentObject", "data"),
    ("TicketCommentObject", "formatted_from"),
    ("TicketCommentObject", "formatted_to"),
    ("TicketCommentObject", "transcription_visible"),
    ("TicketCommentObject", "trusted"),
    // Recordings of comments made by calls.
    ("TicketCommentObject", "title"),
    // Recordings of ticket fields.
    ("TicketFieldObject", "key"),
    ("CustomFieldOptionObject", "default"),
    // "Via object reference": the ends of a call. No recording has one.
    ("ViaObject.source.from", "formatted_phone"),
    ("ViaObject.source.from", "phone"),
    ("ViaObject.source.to", "formatted_phone"),
    ("ViaObject.source.to", "phone"),
];

/// Beside any list: both ways of paging, and side-loads. The pages on paging and side-loading have
/// them, the file seldom.
const BESIDE_LISTS: [&str; 8] =
    ["count", "next_page", "previous_page", "meta", "links", "users", "groups", "identities"];

/// The file as JSON Schema: `nullable` becomes a type, and what was recorded is let in.
fn as_json_schema() -> Value {
    let mut file: Value = serde_json::from_str(openapi::TEXT).unwrap();
    for (schema, property) in RECORDED_NULLS {
        let place = format!("/components/schemas/{schema}/properties/{property}");
        let rule = file.pointer_mut(&place).unwrap_or_else(|| panic!("{place} is not in the file"));
        let old = rule.take();
        let mut ways = vec![old, json!({"type": "null"})];
        if *schema == "AuditObject" {
            ways.push(json!({"type": "array", "items": {"type": "string"}}));
        }
        *rule = json!({"anyOf": ways});
    }
    convert(&mut file);
    file
}

fn convert(node: &mut Value) {
    match node {
        Value::Object(object) => {
            object.values_mut().for_each(convert);
            if object.get("nullable") == Some(&json!(true)) {
                object.remove("nullable");
                let plain = Value::Object(std::mem::take(object));
                object.insert("anyOf".to_owned(), json!([plain, {"type": "null"}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(convert),
        _ => {}
    }
}

/// A validator for one schema of the file.
fn validator(file: &Value, schema: &Value) -> jsonschema::Validator {
    let mut needed = Map::new();
    gather(file, schema, &mut needed);
    let root = json!({"components": {"schemas": needed}, "allOf": [schema]});
    jsonschema::options().should_validate_formats(true).build(&root).unwrap()
}

/// The schemas that one leads to: compiling the whole file each time takes far longer than the test.
fn gather(file: &Value, node: &Value, into: &mut Map<String, Value>) {
    match node {
        Value::Object(object) => {
            let name = node["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
            if let Some(name) = name.filter(|name| !into.contains_key(*name)) {
                let schema = file["components"]["schemas"][name].clone();
                into.insert(name.to_owned(), schema.clone());
                gather(file, &schema, into);
            }
            object.values().for_each(|part| gather(file, part, into));
        }
        Value::Array(items) => items.iter().for_each(|part| gather(file, part, into)),
        _ => {}
    }
}

fn complaints(validator: &jsonschema::Validator, body: &Value) -> Vec<String> {
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn resolve<'a>(file: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(file, file.pointer(&reference[1..]).unwrap()),
        None => schema,
    }
}

/// All properties of an object schema, through its parts.
fn properties(file: &Value, schema: &Value) -> Map<String, Value> {
    let schema = resolve(file, schema);
    let mut found = schema["properties"].as_object().cloned().unwrap_or_default();
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            found.extend(properties(file, part));
        }
    }
    found
}

/// Keys of an answer that the schema does not know, as `Schema key`.
fn unknown_keys(file: &Value, schema: &Value, body: &Value, name: &str, found: &mut BTreeSet<String>) {
    let own = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let name = own.unwrap_or(name);
    match body {
        // A hit of the unified search is the record itself and one key more.
        Value::Object(object) if name == "SearchResultObject" => {
            let kind = match object["result_type"].as_str() {
                Some("user") => "UserObject",
                Some("ticket") => "TicketObject",
                _ => "GroupObject",
            };
            let mut record = object.clone();
            record.remove("result_type");
            let schema = json!({"$ref": format!("#/components/schemas/{kind}")});
            unknown_keys(file, &schema, &Value::Object(record), kind, found);
        }
        Value::Object(object) => {
            let known = properties(file, schema);
            if known.is_empty() {
                return;
            }
            for (key, value) in object {
                match known.get(key) {
                    Some(rule) => unknown_keys(file, rule, value, &format!("{name}.{key}"), found),
                    None if name.ends_with("sResponse") && BESIDE_LISTS.contains(&key.as_str()) => {}
                    None => {
                        found.insert(format!("{name} {key}"));
                    }
                }
            }
        }
        Value::Array(items) => {
            let rule = properties_of_items(file, schema);
            for item in items {
                unknown_keys(file, &rule, item, name, found);
            }
        }
        _ => {}
    }
}

fn properties_of_items(file: &Value, schema: &Value) -> Value {
    let schema = resolve(file, schema);
    if let Some(items) = schema.get("items") {
        return items.clone();
    }
    let parts = schema["anyOf"].as_array().into_iter().flatten();
    parts.map(|part| properties_of_items(file, part)).find(|items| !items.is_null()).unwrap_or_default()
}

/// A client that holds each answer against the file.
struct Inspector {
    sandbox: Sandbox,
    http: reqwest::Client,
    token: String,
    file: Value,
    seen: BTreeSet<(String, String)>,
    complaints: Vec<String>,
    unknown: BTreeSet<String>,
}

impl Inspector {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options::default().with("index_delay", "0s").with("limits", "off");
        let sandbox = Sandbox::start(options.with("withhold_last_minute", "off")).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut inspector = Self {
            sandbox,
            http,
            token: String::new(),
            file: as_json_schema(),
            seen: BTreeSet::new(),
            complaints: Vec::new(),
            unknown: BTreeSet::new(),
        };
        let grant = json!({"grant_type": "client_credentials", "client_id": "ringdesk",
            "client_secret": "sandbox-secret", "scope": "read write"});
        let body = inspector.call("POST", "/oauth/tokens", "/oauth/tokens", Some(grant), 201).await;
        inspector.token = body["access_token"].as_str().unwrap().to_owned();
        inspector
    }

    async fn raw(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, reqwest::header::HeaderMap, Value) {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.sandbox.url()));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Calls an operation that must answer `status`, and holds the answer against the file.
    async fn call(
        &mut self,
        method: &str,
        template: &str,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let (got, _, answer) = self.raw(method, path, body.as_ref()).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        let operation = &self.file["paths"][template][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {template} is not in the file");
        let response = operation["responses"].get(status.to_string());
        let response = response.unwrap_or_else(|| panic!("{method} {template} has no {status}"));
        match response.get("content") {
            None => assert_eq!(answer, json!(""), "{method} {template} must be empty"),
            Some(content) => {
                let schema = &content["application/json"]["schema"];
                let found = complaints(&validator(&self.file, schema), &answer);
                self.complaints.extend(found.into_iter().map(|text| format!("{method} {template} {text}")));
                unknown_keys(&self.file, schema, &answer, "", &mut self.unknown);
            }
        }
        self.seen.insert((method.to_owned(), template.to_owned()));
        answer
    }

    async fn get(&mut self, template: &str, path: &str) -> Value {
        self.call("GET", template, path, None, 200).await
    }
}

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
    ]
}

#[tokio::test]
async fn an_unknown_key_is_dropped_with_a_warning_in_every_body() {
    for (method, template, path, wrapper, good) in bodies() {
        let it = Inspector::new().await;
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
