//! Tickets: create, show, update, delete, lists, tags.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/> and recordings.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::comments::{self, Speaker};
use super::exchange::{Answer, Lang, Outcome};
use super::lines;
use super::paging::{self, Ways};
use super::routes::Visit;
use super::world::{Role, Ticket, User, World};

/// Comments a ticket can hold.
const MOST_COMMENTS: usize = 5000;

/// A ticket that is there; a deleted one is not.
pub(super) fn present(world: &World, id: u64) -> Result<&Ticket, Answer> {
    world.tickets.get(&id).filter(|ticket| !ticket.deleted).ok_or_else(|| world.switches.lang.not_found())
}

/// `POST /tickets`.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let via = json!({"channel": "api", "source": {"from": {}, "to": {}, "rel": null}});
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
    let (group, assignee) = settle(world, None, None, wish)?;
    let status = next_status(world, None, wish["status"].as_str(), assignee)?;
    let (requester, newcomer) = match requester(world, wish)? {
        Requester::Unsaid => (caller, None),
        Requester::Known(id) => (id, None),
        Requester::New { name, email } => (0, Some((name, email))),
    };
    let submitter = match wish["submitter_id"].as_u64() {
        None => caller,
        Some(id) => {
            let agent = world.users.get(&id).is_some_and(|user| user.active && user.role != Role::EndUser);
            if !agent && id != requester {
                return Err(lang.invalid(
                    "submitter",
                    Some("InvalidValue"),
                    "Submitter is invalid",
                    "Einsender ist ungültig",
                ));
            }
            id
        }
    };

    // From here on nothing is refused.
    let requester = match newcomer {
        Some((name, email)) => new_requester(world, name, email, now),
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
        tags: Vec::new(),
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
    let speaker = Speaker { author: submitter, via, public };
    let said = comments::say(world, id, &comment, voice, &speaker, now);
    if let Some(ticket) = world.tickets.get_mut(&id) {
        ticket.description =
            ticket.comments.first().and_then(|c| c["body"].as_str()).unwrap_or("").to_owned();
    }
    let audit = comments::audit(world, id, caller, said, &nothing, &fields, now);
    Ok((id, audit))
}

/// `GET /tickets/{id}`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ticket = present(world, visit.number(0))?;
    let mut frame = Map::new();
    frame.insert("ticket".to_owned(), world.ticket_json(ticket));
    beside(world, visit, &[ticket.id], &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /tickets`, also by `external_id`: straight from the database, without index delay.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let wanted = visit.ask.param("external_id");
    let kept = world.tickets.values().filter(|ticket| {
        !ticket.deleted && wanted.is_none_or(|wanted| ticket.external_id.as_deref() == Some(wanted))
    });
    let ids = kept.map(|ticket| ticket.id).collect();
    page(world, visit, ids)
}

/// `GET /tickets/show_many?ids=`.
pub(super) fn show_many(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let Some(text) = visit.ask.param("ids") else { return Err(visit.lacks(lang, "ids")) };
    let ids: Vec<u64> = text.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    if ids.len() > 100 {
        return Err(lang.shape_a(
            400,
            "TooManyValues",
            "Parameter ids cannot specify more than 100 values",
            "Der Parameter ids darf höchstens 100 Werte haben",
        ));
    }
    let ids = ids.into_iter().filter(|&id| present(world, id).is_ok()).collect();
    page(world, visit, ids)
}

fn page(world: &World, visit: &Visit<'_>, ids: Vec<u64>) -> Outcome {
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown = page.ids.iter().filter_map(|id| world.tickets.get(id));
    frame.insert("tickets".to_owned(), shown.map(|ticket| world.ticket_json(ticket)).collect());
    beside(world, visit, &page.ids, &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// Side-loads: `include=users,groups`.
fn beside(world: &World, visit: &Visit<'_>, ids: &[u64], frame: &mut Map<String, Value>) {
    let tickets: Vec<&Ticket> = ids.iter().filter_map(|id| world.tickets.get(id)).collect();
    for word in visit.ask.param("include").unwrap_or_default().split(',') {
        let records: Vec<Value> = match word.trim() {
            "users" => {
                let named = |id: u64| {
                    tickets
                        .iter()
                        .any(|t| t.requester_id == id || t.submitter_id == id || t.assignee_id == Some(id))
                };
                world.users.values().filter(|user| named(user.id)).map(|user| world.user_json(user)).collect()
            }
            "groups" => {
                let named = |id: u64| tickets.iter().any(|ticket| ticket.group_id == Some(id));
                world.groups.values().filter(|group| named(group.id)).map(|g| world.group_json(g)).collect()
            }
            _ => continue,
        };
        frame.insert(word.trim().to_owned(), Value::Array(records));
    }
}

/// `GET /tickets/count`.
pub(super) fn count(world: &mut World, visit: &Visit<'_>) -> Outcome {
    Ok(visit.count(world.tickets.values().filter(|ticket| !ticket.deleted).count()))
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
    let speaks = !comment.is_null() || !voice.is_null();
    if speaks && before.comments.len() >= MOST_COMMENTS {
        return Err(lang.invalid(
            "base",
            None,
            "Ticket has too many comments",
            "Das Ticket hat zu viele Kommentare",
        ));
    }
    let (group, assignee) = settle(world, before.group_id, before.assignee_id, wish)?;
    let status = next_status(world, Some(&before.status), wish["status"].as_str(), assignee)?;
    let requester = match requester(world, wish)? {
        Requester::Unsaid => before.requester_id,
        Requester::Known(id) => id,
        Requester::New { name, email } => new_requester(world, name, email, visit.now),
    };

    let now = visit.now;
    let fields_before = audited(&before);
    let mut ticket = before;
    take_plain(&mut ticket, wish);
    (ticket.group_id, ticket.assignee_id) = (group, assignee);
    ticket.status = status;
    ticket.requester_id = requester;
    let fields_after = audited(&ticket);
    let public = ticket.is_public;
    world.tickets.insert(id, ticket);
    let via = json!({"channel": "api", "source": {"from": {}, "to": {}, "rel": null}});
    let speaker = Speaker { author: visit.caller.user_id, via, public };
    let said = if speaks { comments::say(world, id, comment, voice, &speaker, now) } else { Vec::new() };
    // Nothing changed: 200 without an audit, and the ticket's stamp stays.
    let audit = if said.is_empty() && fields_before == fields_after {
        Value::Null
    } else {
        if let Some(ticket) = world.tickets.get_mut(&id) {
            ticket.updated_at = now;
        }
        comments::audit(world, id, visit.caller.user_id, said, &fields_before, &fields_after, now)
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
    ticket.tags.sort();
    ticket.tags.dedup();
    let (old, new) = (audited(&before), audited(&ticket));
    if old != new {
        ticket.updated_at = visit.now;
    }
    let shown = json!({"tags": ticket.tags});
    world.tickets.insert(id, ticket);
    if old != new {
        comments::audit(world, id, visit.caller.user_id, Vec::new(), &old, &new, visit.now);
    }
    Ok(Answer::json(if visit.ask.method == "POST" { 201 } else { 200 }, shown))
}

fn closed(lang: Lang) -> Answer {
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

/// Group and assignee after the wish: the assignee must be in the group.
fn settle(
    world: &World,
    old_group: Option<u64>,
    old_assignee: Option<u64>,
    wish: &Value,
) -> Result<(Option<u64>, Option<u64>), Answer> {
    let lang = world.switches.lang;
    let bad_assignee =
        || lang.invalid("assignee", Some("InvalidValue"), "Assignee is invalid", "Mitarbeiter ist ungültig");
    let group = match wish.get("group_id") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let id = value.as_u64().filter(|id| world.groups.get(id).is_some_and(|group| !group.deleted));
            let refused =
                || lang.invalid("group", Some("InvalidValue"), "Group is invalid", "Gruppe ist ungültig");
            Some(id.ok_or_else(refused)?)
        }
    };
    let agent = |user: &&User| {
        user.active
            && !user.suspended
            && user.role != Role::EndUser
            && world.memberships.values().any(|membership| membership.user_id == user.id)
    };
    let assignee = match (wish.get("assignee_id"), wish["assignee_email"].as_str()) {
        (Some(Value::Null), _) => Some(None),
        (Some(value), _) => {
            let user = value.as_u64().and_then(|id| world.users.get(&id)).filter(agent);
            Some(Some(user.ok_or_else(bad_assignee)?.id))
        }
        (None, Some(email)) => {
            let mut users = world.users.values().filter(agent);
            let user =
                users.find(|user| user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email)));
            Some(Some(user.ok_or_else(bad_assignee)?.id))
        }
        (None, None) => None,
    };
    Ok(match (group, assignee) {
        (Some(group), Some(Some(agent))) => {
            if !world.is_member(agent, group) {
                return Err(lang.invalid(
                    "assignee",
                    Some("InvalidValue"),
                    "Assignee is not a member of the group",
                    "Der Mitarbeiter gehört nicht zur Gruppe",
                ));
            }
            (Some(group), Some(agent))
        }
        (None, Some(Some(agent))) => {
            let kept = old_group.filter(|&group| world.is_member(agent, group));
            let mut own = world.memberships.values().filter(|m| m.user_id == agent);
            let default = own.clone().find(|m| m.default).or_else(|| own.next()).map(|m| m.group_id);
            (kept.or(default), Some(agent))
        }
        (Some(group), Some(None)) => (Some(group), None),
        (Some(group), None) => (Some(group), old_assignee.filter(|&agent| world.is_member(agent, group))),
        (None, Some(None)) => (old_group, None),
        (None, None) if wish.get("group_id").is_some() => (None, None),
        (None, None) => (old_group, old_assignee),
    })
}

/// The status after the wish.
fn next_status(
    world: &World,
    old: Option<&str>,
    wish: Option<&str>,
    assignee: Option<u64>,
) -> Result<String, Answer> {
    let lang = world.switches.lang;
    let next = wish.or(old).unwrap_or("new");
    if wish == Some("new") && old.is_some_and(|old| old != "new") {
        return Err(lang.invalid(
            "status",
            Some("InvalidValue"),
            "Status: new is not allowed for a ticket that was open",
            "Status: neu ist für ein bereits geöffnetes Ticket nicht erlaubt",
        ));
    }
    let solves = matches!(next, "solved" | "closed") && old != Some(next);
    if solves && assignee.is_none() && world.switches.require_assignee {
        let text = lang.say(
            "Assignee: is required when solving a ticket",
            "Mitarbeiter: ist zum Lösen eines Tickets erforderlich",
        );
        let complaint = json!({"description": text, "error": null, "ticket_field_id": 360_000_000_007_u64,
            "ticket_field_type": "FieldAssignee"});
        return Err(lang.invalid_record(json!({"base": [complaint]})));
    }
    // An assigned ticket is not new any more.
    Ok(if next == "new" && assignee.is_some() { "open" } else { next }.to_owned())
}

enum Requester {
    Unsaid,
    Known(u64),
    New { name: String, email: Option<String> },
}

/// Who the ticket is for: an id, or a person found or made by e-mail.
fn requester(world: &World, wish: &Value) -> Result<Requester, Answer> {
    let lang = world.switches.lang;
    let refused =
        |english: &str, german: &str| lang.invalid("requester", Some("InvalidValue"), english, german);
    let known = |id: u64| match world.users.get(&id) {
        Some(user) if user.active && user.suspended => {
            Err(refused("Requester is suspended", "Anfragender ist gesperrt"))
        }
        Some(user) if user.active => Ok(Requester::Known(id)),
        _ => Err(refused("Requester is invalid", "Anfragender ist ungültig")),
    };
    if let Some(id) = wish["requester_id"].as_u64() {
        return known(id);
    }
    let person = &wish["requester"];
    let by_email = |email: &str| {
        let mut addresses = world.identities.values().filter(|identity| identity.kind == "email");
        addresses.find(|identity| identity.value.eq_ignore_ascii_case(email)).map(|identity| identity.user_id)
    };
    match person {
        Value::Number(id) => known(id.as_u64().unwrap_or_default()),
        Value::String(email) => match by_email(email) {
            Some(id) => known(id),
            None => Err(refused("Requester is invalid", "Anfragender ist ungültig")),
        },
        Value::Object(_) => {
            let email = person["email"].as_str();
            if let Some(id) = email.and_then(by_email) {
                return known(id);
            }
            let name = person["name"].as_str().unwrap_or_default().trim().to_owned();
            if name.is_empty() {
                return Err(lang.invalid(
                    "requester",
                    None,
                    "Requester Name: is too short (minimum is 1 characters)",
                    "Anfragender Name: ist zu kurz (mindestens 1 Zeichen)",
                ));
            }
            if let Some(email) = email {
                lines::check_email(world, email, None)?;
            }
            Ok(Requester::New { name, email: email.map(str::to_owned) })
        }
        _ => Ok(Requester::Unsaid),
    }
}

fn new_requester(world: &mut World, name: String, email: Option<String>, now: Timestamp) -> u64 {
    let id = world.fresh_id();
    let user = User {
        id,
        name,
        email: None,
        role: Role::EndUser,
        phone: None,
        shared_phone: None,
        external_id: None,
        active: true,
        suspended: false,
        verified: false,
        default_group_id: None,
        user_fields: Default::default(),
        plain: Map::new(),
        created_at: now,
        updated_at: now,
    };
    world.users.insert(id, user);
    if let Some(email) = email {
        lines::add_email(world, id, &email, false, now);
    }
    world.index_user(id, now);
    id
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
    if wish.get("tags").is_some() {
        ticket.tags = tags(&wish["tags"]);
    }
    ticket.tags.extend(tags(&wish["additional_tags"]));
    let removed = tags(&wish["remove_tags"]);
    ticket.tags.retain(|tag| !removed.contains(tag));
    ticket.tags.sort();
    ticket.tags.dedup();
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
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
