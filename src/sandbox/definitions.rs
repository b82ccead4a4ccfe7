//! Definitions of fields as the API lists them: `ticket_fields` with the system's own, `user_fields`.

use serde_json::{Value, json};

use super::exchange::{Answer, Lang, Outcome};
use super::fields::Field;
use super::paging::{self, Ways};
use super::routes::Visit;
use super::rules;
use super::world::World;

/// When every field was made, as far as this account remembers.
const MADE: &str = "2024-01-01T00:00:00Z";

/// System fields in the order of their positions: type, title in English and German.
const SYSTEM: [(&str, &str, &str); 7] = [
    ("subject", "Subject", "Betreff"),
    ("description", "Description", "Beschreibung"),
    ("status", "Status", "Status"),
    ("tickettype", "Type", "Typ"),
    ("priority", "Priority", "Priorität"),
    ("group", "Group", "Gruppe"),
    ("assignee", "Assignee", "Mitarbeiter"),
];

/// `GET /ticket_fields`: all of them, deactivated ones too, unless a page is asked for.
pub(super) fn of_tickets(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let all = ticket_fields(world);
    let ids = all.iter().filter_map(|field| field["id"].as_u64()).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown = all.into_iter().filter(|field| page.ids.iter().any(|&id| field["id"] == id));
    frame.insert("ticket_fields".to_owned(), shown.collect());
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /ticket_fields/{id}`.
pub(super) fn of_ticket(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let mut all = ticket_fields(world).into_iter();
    let found = all.find(|field| field["id"] == visit.number(0));
    let found = found.ok_or_else(|| world.switches.lang.not_found())?;
    Ok(Answer::json(200, json!({"ticket_field": found})))
}

fn ticket_fields(world: &World) -> Vec<Value> {
    let lang = world.switches.lang;
    // Ids of system fields lie beside the assignee's, which refusals name.
    let first = rules::ASSIGNEE_FIELD + 1 - SYSTEM.len() as u64;
    let system = (first..).zip(SYSTEM).map(|(id, (kind, english, german))| {
        let mut field = ticket_field(world, id, kind, lang.say(english, german));
        field["position"] = json!(id - first + 1);
        field["removable"] = json!(false);
        let options = options(lang, kind);
        if !options.is_empty() {
            field["system_field_options"] = Value::Array(options);
        }
        field
    });
    let custom = (SYSTEM.len() + 1..).zip(&world.ticket_fields).map(|(position, field)| {
        let mut shown = ticket_field(world, field.id, &field.kind, &field.title);
        shown["position"] = json!(position);
        shown["active"] = json!(field.active);
        shown["required"] = json!(field.required);
        shown["regexp_for_validation"] = json!(field.regexp.as_ref().map(regex::Regex::as_str));
        shown["tag"] = json!(field.tag);
        if matches!(field.kind.as_str(), "tagger" | "multiselect") {
            shown["custom_field_options"] = choices(field);
        }
        shown
    });
    system.chain(custom).collect()
}

fn ticket_field(world: &World, id: u64, kind: &str, title: &str) -> Value {
    json!({
        "url": format!("{}/api/v2/ticket_fields/{id}.json", world.url), "id": id, "type": kind,
        "title": title, "raw_title": title, "description": "", "raw_description": "", "position": 0,
        "active": true, "required": false, "collapsed_for_agents": false, "regexp_for_validation": null,
        "title_in_portal": title, "raw_title_in_portal": title, "visible_in_portal": false,
        "editable_in_portal": false, "required_in_portal": false, "tag": null, "created_at": MADE,
        "updated_at": MADE, "removable": true, "key": null, "agent_description": null,
    })
}

fn options(lang: Lang, kind: &str) -> Vec<Value> {
    let words: &[(&str, &str, &str)] = match kind {
        "status" => &[
            ("open", "Open", "Offen"),
            ("pending", "Pending", "Wartend"),
            ("hold", "On-hold", "Angehalten"),
            ("solved", "Solved", "Gelöst"),
        ],
        "tickettype" => &[
            ("question", "Question", "Frage"),
            ("incident", "Incident", "Vorfall"),
            ("problem", "Problem", "Problem"),
            ("task", "Task", "Aufgabe"),
        ],
        "priority" => &[
            ("low", "Low", "Niedrig"),
            ("normal", "Normal", "Normal"),
            ("high", "High", "Hoch"),
            ("urgent", "Urgent", "Dringend"),
        ],
        _ => &[],
    };
    words.iter().map(|(value, en, de)| json!({"name": lang.say(en, de), "value": value})).collect()
}

fn choices(field: &Field) -> Value {
    let shown = field.choices.iter().map(|choice| {
        json!({"id": choice.id, "name": choice.name, "raw_name": choice.name, "value": choice.value,
            "default": false})
    });
    shown.collect()
}

/// `GET /user_fields`.
pub(super) fn of_users(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ids = world.user_fields.iter().map(|field| field.id).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let fields = (1..).zip(&world.user_fields).filter(|(_, field)| page.ids.contains(&field.id));
    let shown = fields.map(|(position, field)| user_field(world, position, field)).collect();
    frame.insert("user_fields".to_owned(), Value::Array(shown));
    Ok(Answer::json(200, Value::Object(frame)))
}

fn user_field(world: &World, position: usize, field: &Field) -> Value {
    let mut shown = json!({
        "url": format!("{}/api/v2/user_fields/{}.json", world.url, field.id), "id": field.id,
        "type": field.kind, "key": field.key, "title": field.title, "raw_title": field.title,
        "description": "", "raw_description": "", "position": position, "active": field.active,
        "system": false, "regexp_for_validation": field.regexp.as_ref().map(regex::Regex::as_str),
        "created_at": MADE, "updated_at": MADE,
    });
    if matches!(field.kind.as_str(), "dropdown" | "multiselect") {
        shown["custom_field_options"] = choices(field);
    }
    if field.kind == "checkbox" {
        shown["tag"] = json!(field.tag.as_deref().unwrap_or_default());
    }
    shown
}
