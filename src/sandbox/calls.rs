//! Call records of Talk Partner Edition, and the voice comments they make.
//!
//! Sources: <https://developer.zendesk.com/voice/oas.yaml>, the guides "Creating a call record in Zendesk" and
//! "Creating a voice comment in ticket", and recordings of 2024. Not published, and so decided here: every
//! refusal has the shape of other validation errors; the requester of a new ticket is the end user of the
//! call or else the API user; a comment on a call without a ticket makes one.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::comments::{self, Speaker};
use super::exchange::{Answer, Outcome, moment, stamp};
use super::routes::Visit;
use super::world::{Role, World};
use super::{rules, tickets, voice};

/// What must be there from the beginning, and what a comment shows unless told otherwise.
const MANDATORY: [&str; 5] = ["app_id", "from_line", "to_line", "call_started_at", "direction"];
/// Written with any offset, read in UTC.
const TIMES: [&str; 2] = ["call_started_at", "call_ended_at"];

/// Every key of an answer in the order of the recording, without id, account and stamps.
#[rustfmt::skip]
const KEYS: [&str; 48] = [
    "ticket_id", "end_user_id", "organization_id", "brand_id", "app_id", "agent_id", "from_line",
    "from_line_nickname", "to_line", "to_line_nickname", "call_started_at", "call_ended_at", "direction", "duration",
    "dnis", "phone_name", "call_type", "end_user_location", "callback", "callback_source", "callback_number",
    "wait_time", "time_to_answer", "queue_time", "exceeded_queue_time", "queue_name", "ivr_time_spent", "ivr_hops",
    "ivr_action", "ivr_routed_to", "ivr_destination_group_name", "talk_time", "hold_time", "consultation_time",
    "wrap_up_time", "completion_status", "call_abandoned_position", "customer_requested_voicemail", "voicemail",
    "outside_business_hours", "overflowed", "overflowed_to", "call_disposition", "recording_url", "recording_time",
    "not_recording_time", "call_recording_consent_action", "recording_control_interactions",
];

/// A call record.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub id: u64,
    /// What was written, times in UTC.
    values: Map<String, Value>,
    /// The comments it made: ticket, comment, and what the comment was to be.
    shown: Vec<(u64, u64, Value)>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Call {
    fn json(&self) -> Value {
        let value = |key: &str| self.values.get(key).cloned().unwrap_or(Value::Null);
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(self.id));
        shown.insert("account_id".to_owned(), json!(18_525_119));
        shown.extend(KEYS.iter().map(|key| ((*key).to_owned(), value(key))));
        shown.insert("created_at".to_owned(), json!(stamp(self.created_at)));
        shown.insert("updated_at".to_owned(), json!(stamp(self.updated_at)));
        shown.extend(["transcript", "external_id"].map(|key| (key.to_owned(), value(key))));
        Value::Object(shown)
    }

    /// As `/_sandbox/state` shows it: with the comments it made.
    pub fn state_json(&self) -> Value {
        let mut shown = self.json();
        let comments = self.shown.iter();
        shown["comments"] =
            comments.map(|(ticket, id, _)| json!({"ticket_id": ticket, "comment_id": id})).collect();
        shown
    }
}

/// `POST /calls`: the agent to show it to is checked before anything else, and nothing is made on a refusal.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let comment = &visit.body["comment"];
    check_screen(world, comment)?;
    let wish = visit.body["call"].as_object().cloned().unwrap_or_default();
    for key in MANDATORY {
        if wish.get(key).is_none_or(|value| value.is_null() || value == "") {
            let (english, german) =
                (format!("{key}: cannot be blank"), format!("{key}: darf nicht leer sein"));
            return Err(world.switches.lang.invalid(key, Some("BlankValue"), &english, &german));
        }
    }
    let values = checked(world, &wish)?;
    let now = visit.now;
    let id = world.fresh_id();
    let mut call = Call { id, values, shown: Vec::new(), created_at: now, updated_at: now };
    if !comment.is_null() {
        speak(world, visit, &mut call, comment)?;
    }
    let shown = call.json();
    world.calls.insert(id, call);
    Ok(Answer::json(201, json!({"call": shown})))
}

/// `GET /calls/{id}`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let call = world.calls.get(&visit.number(0)).ok_or_else(|| world.switches.lang.not_found())?;
    Ok(Answer::json(200, json!({"call": call.json()})))
}

/// `PATCH /calls/{id}`: what is not named stays; comments that show the call are made anew.
pub(super) fn update(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let mut call = present(world, visit)?;
    let wish = visit.body["call"].as_object().cloned().unwrap_or_default();
    call.values.extend(checked(world, &wish)?);
    call.updated_at = visit.now;
    for (ticket, comment, wish) in &call.shown {
        let fresh = record(world, &call, wish, *comment, visit);
        let comments = world.tickets.get_mut(ticket).into_iter().flat_map(|ticket| &mut ticket.comments);
        for old in comments.filter(|old| old["id"] == *comment) {
            for key in ["data", "body", "html_body", "plain_body", "formatted_from", "formatted_to"] {
                old[key] = fresh[key].clone();
            }
        }
    }
    let shown = call.json();
    world.calls.insert(call.id, call);
    Ok(Answer::json(200, json!({"call": shown})))
}

/// `POST /calls/{id}/comments`: the body has no wrapper, and neither has the answer.
pub(super) fn comment(world: &mut World, visit: &Visit<'_>) -> Outcome {
    check_screen(world, &visit.body)?;
    let mut call = present(world, visit)?;
    let mut said = speak(world, visit, &mut call, &visit.body)?;
    world.calls.insert(call.id, call);
    if let Some(said) = said.as_object_mut() {
        said.retain(|key, _| !matches!(key.as_str(), "via" | "metadata" | "plain_body"));
    }
    Ok(Answer::json(201, said))
}

fn present(world: &World, visit: &Visit<'_>) -> Result<Call, Answer> {
    world.calls.get(&visit.number(0)).cloned().ok_or_else(|| world.switches.lang.not_found())
}

/// `display_to_agent` is an agent, if it is there at all.
fn check_screen(world: &World, comment: &Value) -> Result<(), Answer> {
    match comment.get("display_to_agent") {
        Some(agent) if !agent.as_u64().is_some_and(|id| voice::is_agent(world, id)) => {
            Err(Answer::empty(422))
        }
        _ => Ok(()),
    }
}

/// The values as they are stored, or the refusal of the first wrong one.
fn checked(world: &World, wish: &Map<String, Value>) -> Result<Map<String, Value>, Answer> {
    let refused = |key: &str| {
        let (english, german) = (format!("{key}: is invalid"), format!("{key}: ist ungültig"));
        world.switches.lang.invalid(key, Some("InvalidValue"), &english, &german)
    };
    let mut values = wish.clone();
    for (key, value) in &mut values {
        let id = value.as_u64().unwrap_or_default();
        let user = world.users.get(&id).filter(|user| user.active);
        let fits = match key.as_str() {
            "app_id" => world.apps.contains_key(&id),
            "agent_id" => user.is_some_and(|user| user.role != Role::EndUser),
            "end_user_id" => user.is_some(),
            "ticket_id" => tickets::present(world, id).is_ok(),
            "from_line" | "to_line" => value != "",
            key if TIMES.contains(&key) => {
                let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                if let Some(time) = time {
                    *value = json!(stamp(time));
                }
                time.is_some()
            }
            _ => true,
        };
        if !fits {
            return Err(refused(key));
        }
    }
    Ok(values)
}

/// Puts a comment into the call's ticket, or into a new one; refuses it with nothing done.
fn speak(world: &mut World, visit: &Visit<'_>, call: &mut Call, wish: &Value) -> Result<Value, Answer> {
    let lang = world.switches.lang;
    if wish["title"].as_str().is_none_or(|title| title.trim().is_empty()) {
        let (english, german) = ("Title: cannot be blank", "Titel: darf nicht leer sein");
        return Err(lang.invalid("title", Some("BlankValue"), english, german));
    }
    let named = wish["call_fields"].as_array().into_iter().flatten();
    if let Some(strange) = named.filter_map(Value::as_str).find(|field| !is_key(field)) {
        let english = format!("Call fields: {strange} is not included in the list");
        let german = format!("Anruffelder: {strange} ist kein zulässiger Wert");
        return Err(lang.invalid("call_fields", Some("InvalidValue"), &english, &german));
    }
    let end_user = call.values.get("end_user_id").and_then(Value::as_u64);
    rules::named(world, &wish["author_id"], end_user.unwrap_or_default(), rules::AUTHOR)?;
    let ticket = call.values.get("ticket_id").and_then(Value::as_u64);
    if let Some(ticket) = ticket {
        let ticket = tickets::present(world, ticket)?;
        if ticket.status == "closed" {
            return Err(tickets::closed(lang));
        }
    }
    let id = world.fresh_id();
    let said = record(world, call, wish, id, visit);
    let author = said["author_id"].as_u64().unwrap_or(visit.caller.user_id);
    let public = world.switches.call_comments_public;
    let ticket = match ticket {
        Some(ticket) => {
            let speaker = Speaker { author, via: said["via"].clone(), public };
            let said = comments::say(world, ticket, &Value::Null, &said, &speaker, visit.now);
            let unchanged = Map::new();
            comments::audit(world, ticket, author, said, &unchanged, &unchanged, visit.now);
            if let Some(ticket) = world.tickets.get_mut(&ticket) {
                ticket.updated_at = visit.now;
            }
            world.list_ticket(ticket, visit.now);
            ticket
        }
        None => {
            let subject = if wish["subject"].is_string() { &wish["subject"] } else { &wish["title"] };
            let mut ticket = json!({"subject": subject, "voice_comment": said});
            if let Some(end_user) = end_user {
                ticket["requester_id"] = json!(end_user);
            }
            if let Some(organization) = call.values.get("organization_id") {
                ticket["organization_id"] = organization.clone();
            }
            let via = said["via"].clone();
            let (ticket, _) = tickets::file(world, &ticket, visit.caller.user_id, via, visit.now)?;
            call.values.insert("ticket_id".to_owned(), json!(ticket));
            ticket
        }
    };
    call.shown.push((ticket, id, wish.clone()));
    if let Some(agent) = wish["display_to_agent"].as_u64() {
        world.pops.push(json!({"agent_id": agent, "ticket_id": ticket, "at": moment(visit.now)}));
    }
    let comments = world.tickets[&ticket].comments.iter();
    Ok(comments.rev().find(|comment| comment["id"] == id).cloned().unwrap_or_default())
}

fn is_key(field: &str) -> bool {
    KEYS.contains(&field) || matches!(field, "transcript" | "external_id")
}

/// The comment as it stands in the ticket, with the call's values of this moment.
fn record(world: &World, call: &Call, wish: &Value, id: u64, visit: &Visit<'_>) -> Value {
    let value = |key: &str| call.values.get(key).cloned().unwrap_or(Value::Null);
    let text = |key: &str| value(key).as_str().unwrap_or_default().to_owned();
    let listed = wish["call_fields"].as_array();
    let listed: Vec<&str> = match listed {
        Some(fields) => fields.iter().filter_map(Value::as_str).collect(),
        None => MANDATORY.to_vec(),
    };
    let app = value("app_id").as_u64().unwrap_or_default();
    let via_id = match (value("voicemail") == true, text("direction").as_str()) {
        (true, _) => 44,
        (_, "inbound" | "internal") => 45,
        _ => 46,
    };
    let mut data = json!({
        "app_id": app, "app_name": world.apps.get(&app), "author_id": wish["author_id"], "call_id": call.id,
        "external_id": value("external_id"), "title": wish["title"], "via_id": via_id,
        "recording_url": text("recording_url"),
    });
    let title = wish["title"].as_str().unwrap_or_default();
    let mut body = format!("{title}\n\nSummary");
    for key in &listed {
        data[*key] = value(key);
        let words = key.replace('_', " ");
        let (first, rest) = words.split_at(1);
        let shown = match value(key) {
            Value::String(text) => text,
            Value::Null => continue,
            other => other.to_string(),
        };
        body.push_str(&format!("\n{}{rest}: {shown}", first.to_uppercase()));
    }
    let end = |key: &str| if listed.contains(&key) { text(key) } else { "Unknown".to_owned() };
    let (from, to) = (text("from_line"), text("to_line"));
    let rel = match via_id {
        44 => "voicemail",
        45 => "inbound",
        _ => "outbound",
    };
    let author = wish["author_id"].as_u64().or(value("end_user_id").as_u64());
    json!({
        "id": id,
        "type": "TpeVoiceComment",
        "public": world.switches.call_comments_public,
        "data": data,
        "formatted_from": end("from_line"),
        "formatted_to": end("to_line"),
        "transcription_visible": false,
        "author_id": author.unwrap_or(visit.caller.user_id),
        "body": body,
        "html_body": comments::html(&body),
        "plain_body": body,
        "trusted": true,
        "attachments": [],
        "created_at": stamp(visit.now),
        "audit_id": null,
        "title": title,
        "via": {"channel": "voice", "source": {"from": {"phone": from, "formatted_phone": from},
            "to": {"phone": to, "formatted_phone": to}, "rel": rel}},
        "metadata": {"system": {}, "custom": {}},
    })
}
