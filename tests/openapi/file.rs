//! The official file as JSON Schema, and what recordings know better.

use std::collections::BTreeSet;

use ringdesk::sandbox::openapi;
use serde_json::{Map, Value, json};

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
pub const RECORDED_KEYS: &[(&str, &str)] = &[
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
pub fn as_json_schema() -> Value {
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

pub fn convert(node: &mut Value) {
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
pub fn validator(file: &Value, schema: &Value) -> jsonschema::Validator {
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

pub fn complaints(validator: &jsonschema::Validator, body: &Value) -> Vec<String> {
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

pub fn resolve<'a>(file: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(file, file.pointer(&reference[1..]).unwrap()),
        None => schema,
    }
}

/// All properties of an object schema, through its parts.
pub fn properties(file: &Value, schema: &Value) -> Map<String, Value> {
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
pub fn unknown_keys(file: &Value, schema: &Value, body: &Value, name: &str, found: &mut BTreeSet<String>) {
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
