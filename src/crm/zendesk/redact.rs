//! Taking attachments away again: "Redact Comment Attachment", and for closed tickets, which that one does not touch,
//! "Redact Ticket Comment In Agent Workspace".
//!
//! The second needs the Agent Workspace. What an account without it answers there, and whether one with it still
//! takes the first, is published nowhere: the first that is accepted counts.

use serde_json::json;

use super::Undone;
use super::create;
use super::errand::{Ask, Errand};
use super::follow_up;
use super::talk::{self, Marked};
use crate::call::{TicketId, Work};

/// What stands in the place of a redacted file.
const REDACTED: &str = "redacted.txt";

/// Redacts all files of the comment that this work made, in the ticket or in its follow-up; says how many there were.
pub(super) async fn redact(errand: &Errand<'_>, ticket: TicketId, work: &Work) -> Result<usize, Undone> {
    let key = work.key();
    let mut places = vec![ticket.0];
    places.extend(create::find(errand, &follow_up::external_id(work)).await?.map(|found| found.id));
    let mut redacted = 0;
    for ticket in places {
        for comment in talk::marked(errand, ticket, &key).await? {
            redacted += redact_comment(errand, ticket, &comment).await?;
        }
    }
    Ok(redacted)
}

async fn redact_comment(errand: &Errand<'_>, ticket: u64, comment: &Marked) -> Result<usize, Undone> {
    let mut left = Vec::new();
    let mut redacted = 0;
    for file in comment.attachments.iter().filter(|file| file.file_name.as_deref() != Some(REDACTED)) {
        let ask = Ask::put("/tickets/{}/comments/{}/attachments/{}/redact", &[ticket, comment.id, file.id]);
        let answer = errand.ask(&ask.body(&json!({}))).await?;
        match answer.status {
            _ if answer.ok() => redacted += 1,
            _ => left.push(file),
        }
    }
    if left.is_empty() {
        return Ok(redacted);
    }
    let urls: Vec<_> = left.iter().filter_map(|file| file.content_url.as_deref()).collect();
    let ask = Ask::put("/comment_redactions/{}", &[comment.id])
        .body(&json!({"ticket_id": ticket, "external_attachment_urls": urls}));
    let answer = errand.ask(&ask).await?;
    match answer.ok() {
        true => Ok(redacted + left.len()),
        false => Err(Undone::Refused(format!(
            "{} of its files stay in ticket {ticket}: {}; delete them by hand, or let our agent delete tickets",
            left.len(),
            answer.reason()
        ))),
    }
}
