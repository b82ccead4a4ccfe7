//! Tickets: create, update, delete, tags.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/> and recordings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::comments::{self, Speaker};
use super::exchange::{Answer, Lang, Outcome};
use super::fields;
use super::routes::Visit;
use super::rules::{self, Requester};
use super::world::{Ticket, World};

/// Comments a ticket can hold.
const MOST_COMMENTS: usize = 5000;

/// A ticket that is there; a deleted one is not.
pub(super) fn present(world: &World, id: u64) -> Result<&Ticket, Answer> {
    world.tickets.get(&id).filter(|ticket| !ticket.deleted).ok_or_else(|| world.switches.lang.not_found())
}

/// `POST /tickets`.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let via = world.via();
    let (id, audit) = file(world, &visit.body["ticket"], visit.caller.user_id, via, visit.now)?;
    let shown = world.ticket_json(&world.tickets[&id]);
    let place = format!("{}/api/v2/tickets/{id}.json", world.url);
    Ok(Answer::json(201, json!({"ticket": shown, "audit": audit})).with("location", place))
}

/// Makes a ticket of a cleaned wish, or refuses it with nothing done. Returns its id and audit.
pub(super) fn file(
    world: &mut World,
    wish: &Value,
    caller: u64,
    via: Value,
    now: Timestamp,
) -> Result<(u64, Value), Answer> {
    let lang = world.switches.lang;
    let comment = match (&wish["comment"], wish["description"].as_str()) {
        (Value::Null, Some(text)) => json!({"body": text}),
        (comment, _) => comment.clone(),
    };
    let voice = &wish["voice_comment"];
    if comments::is_blank(&comment) && voice.is_null() {
        return Err(lang.invalid(
            "base",
            Some("BlankValue"),
            "Description: cannot be blank",
            "Beschreibung: darf nicht leer sein",
        ));
    }
    comments::check_uploads(world, &comment)?;
    rules::check_answered_by(world, voice)?;
    let source = match wish["via_followup_source_id"].as_u64() {
        None => None,
        Some(source) => {
            let closed = world.tickets.get(&source).is_some_and(|ticket| ticket.status == "closed");
            if !closed {
                return Err(lang.invalid(
                    "via_followup_source_id",
                    Some("InvalidValue"),
                    "Follow-up source must be a closed ticket",
                    "Das ursprüngliche Ticket muss geschlossen sein",
                ));
            }
            Some(source)
        }
    };
    let (group, assignee) = rules::settle(world, None, None, wish)?;
    let (tags, values) = fields::settle(world, &[], &BTreeMap::new(), wished_tags(Vec::new(), wish), wish)?;
    let status = rules::next_status(world, None, wish["status"].as_str(), assignee, &values)?;
    let (requester, newcomer) = match rules::requester(world, wish)? {
        Requester::Unsaid => (caller, None),
        Requester::Known(id) => (id, None),
        Requester::New { name, email } => (0, Some((name, email))),
    };
    let submitter =
        rules::named(world, &wish["submitter_id"], requester, rules::SUBMITTER)?.unwrap_or(caller);
    let author = rules::named(world, &comment["author_id"], requester, rules::AUTHOR)?.unwrap_or(submitter);

    // From here on nothing is refused.
    let requester = match newcomer {
        Some((name, email)) => rules::new_requester(world, name, email, now),
        None => requester,
    };
    world.last_ticket += 1;
    let id = world.last_ticket;
    let via = match source {
        Some(source) => {
            if let Some(old) = world.tickets.get_mut(&source) {
                old.followup_ids.push(id);
            }
            json!({"channel": via["channel"], "source": {"from": {"ticket_id": source}, "to": {}, "rel": "follow_up"}})
        }
        None => via,
    };
    let public = comment["public"].as_bool().unwrap_or(true) && voice["public"] != false;
    let mut ticket = Ticket {
        id,
        external_id: None,
        via: via.clone(),
        subject: None,
        description: String::new(),
        status,
        priority: None,
        kind: None,
        requester_id: requester,
        submitter_id: submitter,
        assignee_id: assignee,
        group_id: group,
        organization_id: None,
        due_at: None,
        tags,
        custom_fields: values,
        is_public: public,
        followup_ids: Vec::new(),
        comments: Vec::new(),
        audits: Vec::new(),
        deleted: false,
        created_at: now,
        updated_at: now,
    };
    take_plain(&mut ticket, wish);
    let nothing = Map::new();
    let fields = audited(&ticket);
    world.tickets.insert(id, ticket);
    let speaker = Speaker { author, via, public };
    let said = comments::say(world, id, &comment, voice, &speaker, now);
    if let Some(ticket) = world.tickets.get_mut(&id) {
        ticket.description =
            ticket.comments.first().and_then(|c| c["body"].as_str()).unwrap_or("").to_owned();
    }
    let audit = comments::audit(world, id, author, said, &nothing, &fields, now);
    let audit = comments::mark(world, id, audit, &wish["metadata"]);
    world.list_ticket(id, now);
    Ok((id, audit))
}

/// `PUT /tickets/{id}`.
pub(super) fn update(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let id = visit.number(0);
    let wish = &visit.body["ticket"];
    let before = present(world, id)?.clone();
    if before.status == "closed" {
        return Err(closed(lang));
    }
    if wish.get("safe_update").is_some() {
        // Its presence counts, whatever its value.
        let read = wish["updated_stamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        if read.is_none_or(|read| read.as_second() != before.updated_at.as_second()) {
            return Err(lang.shape_a(
                409,
                "UpdateConflict",
                "Safe Update prevented the update due to outdated ticket data.",
                "Die sichere Aktualisierung wurde wegen veralteter Ticketdaten verhindert.",
            ));
        }
    }
    let (comment, voice) = (&wish["comment"], &wish["voice_comment"]);
    if !comment.is_null() && comments::is_blank(comment) {
        return Err(lang.invalid(
            "base",
            Some("BlankValue"),
            "Comment: cannot be blank",
            "Kommentar: darf nicht leer sein",
        ));
    }
    comments::check_uploads(world, comment)?;
    rules::check_answered_by(world, voice)?;
    let speaks = !comment.is_null() || !voice.is_null();
    if speaks && before.comments.len() >= MOST_COMMENTS {
        return Err(lang.invalid(
            "base",
            None,
            "Ticket has too many comments",
            "Das Ticket hat zu viele Kommentare",
        ));
    }
    let (group, assignee) = rules::settle(world, before.group_id, before.assignee_id, wish)?;
    let (tags, values) = fields::settle(
        world,
        &before.tags,
        &before.custom_fields,
        wished_tags(before.tags.clone(), wish),
        wish,
    )?;
    let status = rules::next_status(world, Some(&before.status), wish["status"].as_str(), assignee, &values)?;
    let requester = rules::requester(world, wish)?;
    let known = match requester {
        Requester::Known(id) => id,
        Requester::Unsaid | Requester::New { .. } => before.requester_id,
    };
    let author =
        rules::named(world, &comment["author_id"], known, rules::AUTHOR)?.unwrap_or(visit.caller.user_id);
    let requester = match requester {
        Requester::New { name, email } => rules::new_requester(world, name, email, visit.now),
        _ => known,
    };

    let now = visit.now;
    let fields_before = audited(&before);
    let mut ticket = before;
    take_plain(&mut ticket, wish);
    (ticket.group_id, ticket.assignee_id) = (group, assignee);
    (ticket.tags, ticket.custom_fields) = (tags, values);
    ticket.status = status;
    ticket.requester_id = requester;
    let fields_after = audited(&ticket);
    let public = ticket.is_public;
    world.tickets.insert(id, ticket);
    let speaker = Speaker { author, via: world.via(), public };
    let said = if speaks { comments::say(world, id, comment, voice, &speaker, now) } else { Vec::new() };
    // Nothing changed: 200 without an audit, and the ticket's stamp stays.
    let audit = if said.is_empty() && fields_before == fields_after {
        Value::Null
    } else {
        if let Some(ticket) = world.tickets.get_mut(&id) {
            ticket.updated_at = now;
        }
        let audit = comments::audit(world, id, author, said, &fields_before, &fields_after, now);
        world.list_ticket(id, now);
        comments::mark(world, id, audit, &wish["metadata"])
    };
    let shown = world.ticket_json(&world.tickets[&id]);
    let mut body = json!({"ticket": shown});
    if !audit.is_null() {
        body["audit"] = audit;
    }
    Ok(Answer::json(200, body))
}

/// `DELETE /tickets/{id}`: 204, then 404.
pub(super) fn delete(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = present(world, visit.number(0))?.id;
    if let Some(ticket) = world.tickets.get_mut(&id) {
        ticket.deleted = true;
    }
    world.list_ticket(id, visit.now);
    Ok(Answer::empty(204))
}

/// `GET /tickets/{id}/tags`.
pub(super) fn show_tags(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ticket = present(world, visit.number(0))?;
    Ok(Answer::json(200, json!({"tags": ticket.tags})))
}

/// `POST` sets, `PUT` adds, `DELETE` removes.
pub(super) fn change_tags(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = visit.number(0);
    let before = present(world, id)?.clone();
    if before.status == "closed" {
        return Err(closed(world.switches.lang));
    }
    let asked = match visit.ask.param("tags") {
        Some(text) if visit.ask.method == "DELETE" => tags(&json!(text)),
        _ => tags(&visit.body["tags"]),
    };
    let mut ticket = before.clone();
    match visit.ask.method.as_str() {
        "POST" => ticket.tags = asked,
        "PUT" => ticket.tags.extend(asked),
        _ => ticket.tags.retain(|tag| !asked.contains(tag)),
    }
    let (tags, values) =
        fields::settle(world, &before.tags, &before.custom_fields, ticket.tags, &Value::Null)?;
    (ticket.tags, ticket.custom_fields) = (tags, values);
    let (old, new) = (audited(&before), audited(&ticket));
    if old != new {
        ticket.updated_at = visit.now;
    }
    let shown = json!({"tags": ticket.tags});
    world.tickets.insert(id, ticket);
    if old != new {
        comments::audit(world, id, visit.caller.user_id, Vec::new(), &old, &new, visit.now);
        world.list_ticket(id, visit.now);
    }
    Ok(Answer::json(if visit.ask.method == "POST" { 201 } else { 200 }, shown))
}

pub(super) fn closed(lang: Lang) -> Answer {
    lang.invalid(
        "status",
        None,
        "Status: closed prevents ticket update",
        "Status: geschlossen verhindert die Aktualisierung des Tickets",
    )
}

/// Tags from a list or a string: lower case, cut at blanks and commas, each once.
pub(super) fn tags(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    };
    let words = texts.iter().flat_map(|text| text.split(|c: char| c.is_whitespace() || c == ','));
    let mut tags: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    tags.sort();
    tags.dedup();
    tags
}

fn take_plain(ticket: &mut Ticket, wish: &Value) {
    let text = |key: &str, old: &Option<String>| match wish.get(key) {
        None => old.clone(),
        Some(value) => value.as_str().map(str::to_owned),
    };
    ticket.external_id = text("external_id", &ticket.external_id);
    ticket.subject = text("subject", &ticket.subject);
    ticket.priority = text("priority", &ticket.priority);
    ticket.kind = text("type", &ticket.kind);
    ticket.due_at = text("due_at", &ticket.due_at);
    if let Some(organization) = wish.get("organization_id") {
        ticket.organization_id = organization.as_u64();
    }
}

/// The tags after the wish, before custom fields have their say.
fn wished_tags(old: Vec<String>, wish: &Value) -> Vec<String> {
    let mut all = if wish.get("tags").is_some() { tags(&wish["tags"]) } else { old };
    all.extend(tags(&wish["additional_tags"]));
    let removed = tags(&wish["remove_tags"]);
    all.retain(|tag| !removed.contains(tag));
    all
}

/// The fields that an audit speaks of, as it writes them: ids are strings.
fn audited(ticket: &Ticket) -> Map<String, Value> {
    let id = |id: Option<u64>| id.map_or(Value::Null, |id| json!(id.to_string()));
    let fields = [
        ("subject", json!(ticket.subject)),
        ("requester_id", id(Some(ticket.requester_id))),
        ("assignee_id", id(ticket.assignee_id)),
        ("group_id", id(ticket.group_id)),
        ("organization_id", id(ticket.organization_id)),
        ("priority", json!(ticket.priority)),
        ("type", json!(ticket.kind)),
        ("status", json!(ticket.status)),
        ("external_id", json!(ticket.external_id)),
        ("due_at", json!(ticket.due_at)),
        ("tags", json!(ticket.tags)),
    ];
    let custom = ticket.custom_fields.iter().map(|(id, value)| (id.to_string(), fields::audited(value)));
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(custom).collect()
}
