//! The official OpenAPI file at run time: what a request may carry.
//!
//! `fixtures/zendesk/openapi.json` is cut from the file by `extract.py` there. Where the file is
//! known to be silent (see `OPEN_BODIES` and `MORE_PARAMETERS`), the vendor's pages are the source.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The file as it lies in the project.
pub const TEXT: &str = include_str!("../../fixtures/zendesk/openapi.json");

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let mut file: Value = serde_json::from_str(TEXT).expect("the fixture is valid JSON, a test reads it");
    // Null clears a custom field and is what an empty one is read as; the file has neither.
    file["components"]["schemas"]["TicketFieldValueInput"]["properties"]["value"]["nullable"] = json!(true);
    file
});

/// Bodies that the file does not describe although the pages do.
static OPEN_BODIES: LazyLock<Vec<(&str, &str, Value)>> = LazyLock::new(|| {
    let tags = json!({"type": "object", "properties": {
        "tags": {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
        // Conditional writes of tags: "Protecting against ticket update collisions".
        "updated_stamp": {"type": "string", "format": "date-time"},
        "safe_update": {"type": "string"}}});
    let identity = json!({"type": "object", "properties": {
        "identity": {"allOf": [{"$ref": "#/components/schemas/UserIdentityInput"},
            // "Create Identity": to create one without a verification e-mail.
            {"type": "object", "properties": {"skip_verify_email": {"type": "boolean"}}}]}},
        "required": ["identity"]});
    let changed = json!({"type": "object", "properties": {"identity": {"type": "object", "properties": {
        "value": {"type": "string"}, "verified": {"type": "boolean"}, "primary": {"type": "boolean"}}}},
        "required": ["identity"]});
    // "Redact Ticket Comment In Agent Workspace".
    let redaction = json!({"type": "object", "properties": {
        "ticket_id": {"type": "integer"}, "html_body": {"type": "string"},
        "external_attachment_urls": {"type": "array", "items": {"type": "string"}}},
        "required": ["ticket_id"]});
    vec![
        ("PUT", "/api/v2/comment_redactions/{ticket_comment_id}", redaction),
        ("POST", "/api/v2/tickets/{ticket_id}/tags", tags.clone()),
        ("PUT", "/api/v2/tickets/{ticket_id}/tags", tags.clone()),
        ("DELETE", "/api/v2/tickets/{ticket_id}/tags", tags),
        ("POST", "/api/v2/users/{user_id}/identities", identity),
        ("PUT", "/api/v2/users/{user_id}/identities/{user_identity_id}", changed),
    ]
});

/// Query parameters that the file leaves out although the pages have them.
const MORE_PARAMETERS: &[(&str, &[&str])] = &[
    ("/api/v2/search", &["page", "per_page"]),
    ("/api/v2/incremental/users/cursor", &["include"]),
    ("/api/v2/groups/assignable", &["page", "per_page", "page[size]", "page[after]", "page[before]"]),
    (
        "/api/v2/groups/{group_id}/memberships",
        &["page", "per_page", "page[size]", "page[after]", "page[before]"],
    ),
    ("/api/v2/groups/{group_id}/users", &["page", "per_page", "page[size]", "page[after]", "page[before]"]),
    ("/api/v2/tickets/{ticket_id}/comments", &["page", "sort"]),
    ("/api/v2/users/{user_id}/identities", &["type[]", "page", "per_page"]),
    ("/api/v2/users/{user_id}/group_memberships", &["page[size]", "page[after]", "page[before]"]),
    ("/api/v2/user_fields", &["page", "per_page"]),
    ("/api/v2/ticket_fields", &["page", "per_page"]),
    // "Sorting" of cursor pages.
    ("/api/v2/users/{user_id}/tickets/requested", &["sort"]),
    ("/api/v2/uploads", &["token"]),
];

/// What is wrong with a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Keys that are not in the schema or are read-only, dotted from the root. They were dropped.
    pub unpermitted: Vec<String>,
    /// Values of a wrong type, with what is wanted.
    pub wrong_type: Vec<(String, String)>,
    /// Strings or numbers outside their enumeration.
    pub not_listed: Vec<String>,
    /// Top-level keys that must be there and are not.
    pub missing: Vec<String>,
}

/// The schema of a request body; `None` when the operation takes none.
pub fn request_schema(method: &str, template: &str) -> Option<&'static Value> {
    let open = OPEN_BODIES.iter().find(|(m, t, _)| *m == method && *t == template);
    if let Some((_, _, schema)) = open {
        return Some(schema);
    }
    let operation = FILE.get("paths")?.get(template)?.get(method.to_lowercase())?;
    operation.get("requestBody")?.get("content")?.get("application/json")?.get("schema")
}

/// Holds a body against the schema: drops what is not permitted and says what is wrong.
pub fn clean(schema: &Value, body: &mut Value) -> Findings {
    let mut findings = Findings::default();
    if let Some(required) = resolve(schema).get("required").and_then(Value::as_array) {
        let missing = required.iter().filter_map(Value::as_str).filter(|key| body.get(key).is_none());
        findings.missing.extend(missing.map(str::to_owned));
    }
    walk(schema, body, "", &mut findings);
    findings
}

/// Query parameters of a request that the operation does not have.
pub fn unknown_parameters(method: &str, template: &str, query: &[(String, String)]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    if let Some(path) = FILE["paths"].get(template) {
        let lists =
            [path.get("parameters"), path.get(method.to_lowercase()).and_then(|op| op.get("parameters"))];
        for parameter in lists.into_iter().flatten().filter_map(Value::as_array).flatten().map(resolve) {
            let name = parameter["name"].as_str().unwrap_or_default();
            if parameter["style"] == "deepObject" {
                known.extend(["after", "before", "size"].map(|key| format!("{name}[{key}]")));
            }
            known.push(name.to_owned());
        }
    }
    let more = MORE_PARAMETERS.iter().filter(|(path, _)| *path == template).flat_map(|(_, names)| *names);
    known.extend(more.map(|name| (*name).to_owned()));
    let unknown = query.iter().map(|(name, _)| name).filter(|name| !known.contains(name));
    unknown.cloned().collect()
}

fn resolve(schema: &Value) -> &Value {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
        return schema;
    };
    FILE.pointer(reference.trim_start_matches('#')).map_or(schema, resolve)
}

/// All object properties of a schema through `allOf` and `anyOf`.
fn properties(schema: &Value, into: &mut Map<String, Value>) {
    let schema = resolve(schema);
    if let Some(own) = schema.get("properties").and_then(Value::as_object) {
        into.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            properties(part, into);
        }
    }
}

fn walk(schema: &Value, value: &mut Value, path: &str, findings: &mut Findings) {
    let schema = resolve(schema);
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let choices = schema.get("oneOf").and_then(Value::as_array);
    if let Some(choices) = choices {
        match choices.iter().map(resolve).find(|choice| fits(choice, value)) {
            Some(choice) => walk(choice, value, path, findings),
            None => {
                let kinds: Vec<&str> = choices.iter().filter_map(|c| resolve(c)["type"].as_str()).collect();
                findings.wrong_type.push((path.to_owned(), kinds.join(" or ")));
            }
        }
        return;
    }
    if !fits(schema, value) {
        let kind = schema["format"].as_str().or(schema["type"].as_str()).unwrap_or("an object");
        findings.wrong_type.push((path.to_owned(), kind.to_owned()));
        return;
    }
    if let Some(listed) = schema.get("enum").and_then(Value::as_array)
        && !listed.contains(value)
    {
        findings.not_listed.push(path.to_owned());
        return;
    }
    match value {
        Value::Object(object) => {
            // What the record itself lacks is told by the record's own 422.
            let required = schema["required"].as_array().filter(|_| path.contains('.'));
            for key in required.into_iter().flatten().filter_map(Value::as_str) {
                if !object.contains_key(key) {
                    findings.wrong_type.push((format!("{path}.{key}"), "present".to_owned()));
                }
            }
            let mut known = Map::new();
            properties(schema, &mut known);
            // Only where the object's own properties stand beside it: the wrappers of users say it, too,
            // and yet the real one drops what it does not know.
            let open = schema["additionalProperties"] == true && schema.get("properties").is_some();
            if known.is_empty() {
                return;
            }
            let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            object.retain(|key, part| {
                let Some(rule) = known.get(key).filter(|rule| resolve(rule)["readOnly"] != true) else {
                    if open && !known.contains_key(key) {
                        return true;
                    }
                    findings.unpermitted.push(under(key));
                    return false;
                };
                walk(rule, part, &under(key), findings);
                true
            });
        }
        Value::Array(items) => {
            if let Some(rule) = schema.get("items") {
                for item in items {
                    walk(rule, item, path, findings);
                }
            }
        }
        _ => {}
    }
}

/// Whether the value has the schema's type and format.
fn fits(schema: &Value, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("string") => value.as_str().is_some_and(|text| match schema["format"].as_str() {
            Some("date-time") => text.parse::<Timestamp>().is_ok(),
            Some("email") => {
                text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
            }
            _ => true,
        }),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(method: &str, template: &str, body: Value) -> (Findings, Value) {
        let mut body = body;
        let found = clean(request_schema(method, template).unwrap(), &mut body);
        (found, body)
    }

    #[test]
    fn unknown_and_read_only_keys_are_dropped_and_named() {
        let body = json!({"ticket": {"id": 5, "subject": "x", "colour": "red",
            "comment": {"body": "b", "attachments": [], "voice": 1}, "metadata": {"anything": 1}}});
        let (found, left) = findings("POST", "/api/v2/tickets", body);
        assert_eq!(
            found.unpermitted,
            ["ticket.colour", "ticket.comment.attachments", "ticket.comment.voice", "ticket.id"]
        );
        assert_eq!(
            left,
            json!({"ticket": {"subject": "x", "comment": {"body": "b"}, "metadata": {"anything": 1}}})
        );
    }

    #[test]
    fn a_wrong_type_and_a_value_outside_its_list_are_told_apart() {
        let body = json!({"ticket": {"requester_id": "12", "status": "lost", "tags": [1], "group_id": null,
            "due_at": "tomorrow"}});
        let (found, _) = findings("PUT", "/api/v2/tickets/{ticket_id}", body);
        let names: Vec<&str> = found.wrong_type.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ticket.due_at", "ticket.requester_id", "ticket.tags"]);
        assert_eq!(found.not_listed, ["ticket.status"]);
    }

    #[test]
    fn voice_tickets_take_ordinary_ticket_keys_and_their_own() {
        let body = json!({"display_to_agent": 1, "ticket": {"via_id": 45, "additional_tags": ["a"],
            "requester_id": 2, "voice_comment": {"from": "+49", "colour": 1}}});
        let (found, _) = findings("POST", "/api/v2/channels/voice/tickets", body);
        assert_eq!(found.unpermitted, ["ticket.voice_comment.colour"]);
        assert!(found.wrong_type.is_empty() && found.not_listed.is_empty());
    }

    #[test]
    fn a_user_must_be_wrapped_and_its_keys_are_known_although_the_file_lets_more_pass() {
        let (found, _) = findings("POST", "/api/v2/users", json!({"name": "x"}));
        assert_eq!(found.missing, ["user"]);
        let (found, _) = findings(
            "POST",
            "/api/v2/users",
            json!({"user": {"name": "x", "nick": "y", "user_fields": {"phone_2": "1"}}}),
        );
        assert_eq!(found.unpermitted, ["user.nick"]);
    }

    #[test]
    fn unknown_query_parameters_are_found() {
        let query =
            |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), String::new())).collect::<Vec<_>>();
        let unknown = |template, names: &[&str]| unknown_parameters("GET", template, &query(names));
        assert_eq!(unknown("/api/v2/groups", &["page[size]", "exclude_deleted", "colour"]), ["colour"]);
        assert_eq!(unknown("/api/v2/users", &["role[]", "per_page"]), [""; 0]);
        assert_eq!(unknown("/api/v2/users/search", &["query", "page[size]"]), ["page[size]"]);
    }
}
