//! Files taken out of comments for good, in both ways.
//!
//! Source: "Redact Comment Attachment" and "Redact Ticket Comment In Agent Workspace" of the file and its pages. The
//! second works on closed tickets, the first does not. Which error the first then answers is not published; a
//! `RecordInvalid` is a guess. Without the Agent Workspace the second is answered 403, another guess.

use serde_json::{Value, json};

use super::exchange::{Answer, Outcome};
use super::routes::Visit;
use super::world::World;

/// What stands in the place of a redacted file: an empty text.
const NAME: &str = "redacted.txt";

/// `PUT /tickets/{ticket_id}/comments/{comment_id}/attachments/{attachment_id}/redact`: 200 with the file as it was.
pub(super) fn attachment(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let (ticket, comment, file) = (visit.number(0), visit.number(1), visit.number(2));
    let lang = world.switches.lang;
    let found = world.tickets.get(&ticket).filter(|found| !found.deleted).ok_or_else(|| lang.not_found())?;
    let closed = found.status == "closed";
    let before = attachments(world, ticket, comment)
        .and_then(|files| files.iter().find(|known| known["id"].as_u64() == Some(file)))
        .cloned()
        .ok_or_else(|| lang.not_found())?;
    if closed {
        return Err(lang.invalid(
            "status",
            Some("InvalidValue"),
            "Status: closed prevents ticket update",
            "Status: Geschlossen verhindert die Aktualisierung des Tickets",
        ));
    }
    redact(world, ticket, comment, |known| known["id"].as_u64() == Some(file));
    Ok(Answer::json(200, json!({"attachment": before})))
}

/// `PUT /comment_redactions/{ticket_comment_id}`: 200 with the comment as it is now.
pub(super) fn comment(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    if !world.switches.agent_workspace {
        return Err(lang.forbidden());
    }
    let comment = visit.number(0);
    let Some(ticket) = visit.body["ticket_id"].as_u64() else {
        return Err(visit.lacks(lang, "ticket_id"));
    };
    let urls: Vec<Value> = visit.body["external_attachment_urls"].as_array().cloned().unwrap_or_default();
    if attachments(world, ticket, comment).is_none() {
        return Err(lang.not_found());
    }
    redact(world, ticket, comment, |known| urls.contains(&known["content_url"]));
    let mut comments = world.tickets.get(&ticket).into_iter().flat_map(|ticket| &ticket.comments);
    let now = comments.find(|known| known["id"].as_u64() == Some(comment)).cloned();
    Ok(Answer::json(200, json!({"comment": now})))
}

fn attachments(world: &World, ticket: u64, comment: u64) -> Option<&Vec<Value>> {
    let comments = &world.tickets.get(&ticket).filter(|ticket| !ticket.deleted)?.comments;
    comments.iter().find(|known| known["id"].as_u64() == Some(comment))?["attachments"].as_array()
}

fn redact(world: &mut World, ticket: u64, comment: u64, which: impl Fn(&Value) -> bool) {
    let Some(ticket) = world.tickets.get_mut(&ticket) else { return };
    let comments = ticket.comments.iter_mut().filter(|known| known["id"].as_u64() == Some(comment));
    for file in comments.filter_map(|known| known["attachments"].as_array_mut()).flatten() {
        if !which(file) {
            continue;
        }
        if let Some(id) = file["id"].as_u64() {
            world.attachment_sums.remove(&id);
        }
        file["file_name"] = json!(NAME);
        file["content_type"] = json!("text/plain");
        file["size"] = json!(0);
        // The old address leads to nothing any more.
        for address in ["content_url", "mapped_content_url"] {
            let old = file[address].as_str().unwrap_or_default();
            let new = old.split('?').next().unwrap_or_default().to_owned();
            file[address] = json!(format!("{new}?name={NAME}"));
        }
    }
}
