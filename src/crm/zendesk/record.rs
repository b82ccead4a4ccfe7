//! The record of a call (Calls API of Talk Partner Edition), and its voice comment in the ticket.
//!
//! Sources: <https://developer.zendesk.com/voice/oas.yaml>, the guides "Creating a call record in Zendesk" and
//! "Creating a voice comment in ticket". A record has no list and no look-up: after an attempt whose end was not
//! heard it is written again, and the first one, if there is one, shows in no ticket. So the two steps are two
//! pieces of work, and the record's id is in the journal before anything shows. The comment can be looked up:
//! its `data.call_id` is the record's.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::errand::{Ask, Errand};
use super::failure::{Answer, Complaint};
use super::{Undone, talk};
use crate::call::{CallRecord, Direction, Event, Outcome, RecordId, TicketId};
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

/// What stands for a number that is hidden or unknown; the lines must not be empty.
const NO_LINE: &str = "unknown";
/// Requests that one record may cost.
const MOST_TRIES: usize = 4;
/// What a comment shows. The recording is shown without being named.
const SHOWN: [&str; 7] = [
    "direction",
    "from_line",
    "to_line",
    "call_started_at",
    "call_ended_at",
    "duration",
    "completion_status",
];

/// Owed work: writes the record.
pub(super) async fn record(
    errand: &Errand<'_>,
    key: &str,
    record: &CallRecord,
    attempt: Attempt,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let Some(app) = errand.zendesk.calls_app_id else {
        return Ok(never(key, "no calls_app_id is set: calls have no record"));
    };
    if !errand.zendesk.voice.open() {
        return Ok(never(key, NO_VOICE));
    }
    let mut call = fields(app, record, resolve);
    for _ in 0..MOST_TRIES {
        let answer = errand.ask(&Ask::post("/calls", &[]).body(&json!({"call": call}))).await?;
        match answer.status {
            _ if answer.ok() => {
                let id = read_id(&answer)?;
                let mut note = format!("record {id} of the call written by {}", errand.cost());
                if attempt.look_first {
                    note.push_str("; an earlier attempt may have left one that shows in no ticket");
                }
                return Ok(Delivered { event: Event::CallRecorded { record: id }, note });
            }
            403 | 404 => return Ok(never(key, NO_VOICE)),
            422 if leave_out(&mut call, &answer.complaint()) => errand.zendesk.counters.retry(),
            400 | 422 => {
                let reason = answer.reason();
                return Err(Undone::Refused(format!(
                    "{reason}: check that calls_app_id is the id of an app of this account"
                )));
            }
            _ => return Err(Undone::Refused(answer.reason())),
        }
    }
    Err(Undone::Refused("every form of the record was refused".to_owned()))
}

/// Owed work: shows the record in its ticket.
pub(super) async fn show(
    errand: &Errand<'_>,
    key: &str,
    ticket: TicketId,
    record: RecordId,
    title: &str,
    attempt: Attempt,
) -> Result<Delivered, Undone> {
    let shown = || Delivered {
        event: Event::RecordShown,
        note: format!("record {record} shown in ticket {ticket}, {}", errand.cost()),
    };
    if attempt.look_first && talk::is_shown(errand, ticket.0, record.0).await? {
        return Ok(shown());
    }
    // The body has no wrapper here.
    let body = json!({"title": title, "call_fields": SHOWN});
    let answer = errand.ask(&Ask::post("/calls/{}/comments", &[record.0]).body(&body)).await?;
    match answer.status {
        _ if answer.ok() => Ok(shown()),
        403 => Ok(never(key, NO_VOICE)),
        422 if answer.complaint().about("status") => Err(Undone::Refused("the ticket is closed".to_owned())),
        _ => Err(Undone::Refused(answer.reason())),
    }
}

/// Owed work: lets the record lead to the recording. Zendesk then refreshes the comment that shows it; whether done twice
/// or once is the same.
pub(super) async fn complete(
    errand: &Errand<'_>,
    key: &str,
    record: RecordId,
    address: &str,
) -> Result<Delivered, Undone> {
    let body = json!({"call": {"recording_url": address}});
    let answer = errand.ask(&Ask::patch("/calls/{}", &[record.0]).body(&body)).await?;
    match answer.status {
        _ if answer.ok() => Ok(Delivered {
            event: Event::RecordCompleted,
            note: format!("record {record} leads to the recording, {}", errand.cost()),
        }),
        403 => Ok(never(key, NO_VOICE)),
        _ => Err(Undone::Refused(answer.reason())),
    }
}

const NO_VOICE: &str = "the account has no Talk Partner Edition: calls have no record";

/// It is no fault of this call, and no person need look at each.
fn never(key: &str, reason: &str) -> Delivered {
    Delivered {
        event: Event::WorkRefused { key: key.to_owned(), reason: reason.to_owned() },
        note: format!("not written: {reason}"),
    }
}

fn fields(app: u64, record: &CallRecord, resolve: &dyn Resolve) -> Map<String, Value> {
    let line = |text: String| if text.trim().is_empty() { NO_LINE.to_owned() } else { text };
    let time = |time: Timestamp| json!(format!("{time:.0}"));
    let seconds = |from: Timestamp, to: Timestamp| json!(to.duration_since(from).as_secs().max(0));
    let agents = record.agent.as_ref().filter(|_| record.direction != Direction::Inbound);
    let from = record.caller.map(|number| number.to_string());
    let from = from.or_else(|| agents.map(|agent| agent.extension.to_string())).unwrap_or_default();
    let mut call = Map::new();
    let mut set = |key: &str, value: Value| call.insert(key.to_owned(), value);
    set("app_id", json!(app));
    set("external_id", json!(record.external_id));
    set("ticket_id", json!(record.ticket.0));
    set("direction", json!(direction(record.direction)));
    set("from_line", json!(line(from)));
    set("to_line", json!(line(record.dialled.clone())));
    set("call_started_at", time(record.started));
    set("call_ended_at", time(record.ended));
    set("duration", seconds(record.started, record.ended));
    set("wait_time", seconds(record.started, record.answered.unwrap_or(record.ended)));
    if let Some(answered) = record.answered {
        set("time_to_answer", seconds(record.started, answered));
        set("talk_time", seconds(answered, record.ended));
    }
    set("completion_status", json!(completion(record.outcome, record.recording.is_some())));
    if record.outcome == Outcome::Voicemail {
        set("voicemail", json!(true));
    }
    if let Some(agent) = record.agent.as_ref().and_then(|agent| resolve.agent(agent)) {
        set("agent_id", json!(agent.0));
    }
    if let Some(recording) = &record.recording {
        set("recording_url", json!(recording));
    }
    call
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    }
}

/// The words of the API's list; who hung up an answered call does not make it a dropped one.
fn completion(outcome: Outcome, has_recording: bool) -> &'static str {
    match outcome {
        Outcome::Answered => "completed",
        Outcome::Abandoned => "abandoned_in_queue",
        Outcome::Unanswered | Outcome::NoAnswer => "missed",
        Outcome::Busy => "declined",
        Outcome::Voicemail if has_recording => "pending_voicemail",
        Outcome::Voicemail => "abandoned_in_voicemail",
    }
}

/// Leaves out what the record can do without; false when that was not it.
fn leave_out(call: &mut Map<String, Value>, complaint: &Complaint) -> bool {
    for (part, field) in [("agent", "agent_id"), ("recording_url", "recording_url")] {
        if complaint.about(part) {
            return call.remove(field).is_some();
        }
    }
    // What an unknown app or ticket is called is published nowhere: only what names nothing is tried again.
    let unnamed = complaint.fields.is_empty() || complaint.about("base");
    unnamed && (call.remove("agent_id").is_some() || call.remove("recording_url").is_some())
}

fn read_id(answer: &Answer) -> Result<RecordId, Undone> {
    #[derive(serde::Deserialize)]
    struct One {
        call: Id,
    }
    #[derive(serde::Deserialize)]
    struct Id {
        id: u64,
    }
    Ok(RecordId(answer.read::<One>()?.call.id))
}
