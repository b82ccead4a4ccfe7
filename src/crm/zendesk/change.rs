//! Changing the ticket that stands: all parts in one request.
//!
//! Two things are read first, and only when they matter: who the requester is now (an agent who gave
//! the ticket to somebody is right), and after an attempt whose end was not heard whether our comment
//! is there already. Everything else in the request may be repeated without harm.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Undone;
use super::create::OneTicket;
use super::errand::{Ask, Errand};
use super::failure::Complaint;
use super::newcomer;
use crate::call::{Event, PersonId, Requester, TicketChange, TicketId};
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

#[derive(Debug, Deserialize)]
struct CommentList {
    comments: Vec<CommentRecord>,
}

#[derive(Debug, Deserialize)]
struct CommentRecord {
    body: Option<String>,
    plain_body: Option<String>,
}

/// Owed work: changes the ticket.
pub(super) async fn change(
    errand: &Errand<'_>,
    ticket: TicketId,
    change: &TicketChange,
    attempt: Attempt,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    if attempt.look_first
        && let Some(comment) = &change.comment
        && is_said(errand, ticket, comment).await?
    {
        // Comment and all other parts went in one request.
        return Ok(changed(errand, ticket, ""));
    }
    let mut note = "";
    let mut parts = Map::new();
    if let Some(requester) = &change.requester {
        match new_requester(errand, ticket, requester, resolve).await? {
            Ok(Some(id)) => {
                parts.insert("requester_id".to_owned(), json!(id.0));
            }
            Ok(None) => {}
            Err(kept) => note = kept,
        }
    }
    if let Some(agent) = change.assignee.as_ref().and_then(|agent| resolve.agent(agent)) {
        parts.insert("assignee_id".to_owned(), json!(agent.0));
    }
    if let Some(group) = change.group.as_deref().and_then(|name| resolve.group(name)) {
        parts.insert("group_id".to_owned(), json!(group));
    }
    if let Some(comment) = &change.comment {
        parts.insert("comment".to_owned(), json!({"body": comment, "public": false}));
    }
    if parts.is_empty() {
        return Ok(changed(errand, ticket, note));
    }
    let mut answer = put(errand, ticket, &parts).await?;
    if answer.status == 422 {
        let complaint = answer.complaint();
        // Closed for ever: nothing of it will be accepted.
        if complaint.about("status") {
            return Err(Undone::Refused("the ticket is closed".to_owned()));
        }
        let left = leave_out(&mut parts, &complaint);
        if left.is_empty() || parts.is_empty() {
            return Err(Undone::Refused(answer.reason()));
        }
        errand.zendesk.counters.retry();
        note = left;
        answer = put(errand, ticket, &parts).await?;
    }
    if answer.ok() { Ok(changed(errand, ticket, note)) } else { Err(Undone::Refused(answer.reason())) }
}

async fn put(
    errand: &Errand<'_>,
    ticket: TicketId,
    parts: &Map<String, Value>,
) -> Result<super::failure::Answer, super::Failure> {
    errand.ask(&Ask::put("/tickets/{}", &[ticket.0]).body(&json!({"ticket": parts}))).await
}

/// Who the ticket shall be for; `Ok(None)` when it is already, `Err` when it must not be changed.
async fn new_requester(
    errand: &Errand<'_>,
    ticket: TicketId,
    wish: &Requester,
    resolve: &dyn Resolve,
) -> Result<Result<Option<PersonId>, &'static str>, Undone> {
    let answer = errand.ask(&Ask::get("/tickets/{}", &[ticket.0])).await?;
    if answer.status == 404 {
        return Err(Undone::Refused("the ticket is gone".to_owned()));
    } else if !answer.ok() {
        return Err(Undone::Refused(answer.reason()));
    }
    let stands = answer.read::<OneTicket>()?.ticket;
    if stands.status.as_deref() == Some("closed") {
        return Err(Undone::Refused("the ticket is closed".to_owned()));
    }
    let now = stands.requester_id.map(PersonId);
    let Some(default) = resolve.default_user() else {
        return Err(super::Failure::away(false, "the default user is not known yet").into());
    };
    let id = match wish {
        // The number turned out to be hidden: whoever stands there was found by that number.
        Requester::DefaultUser => default,
        Requester::Person(id) if now == Some(*id) => return Ok(Ok(None)),
        _ if now.is_some_and(|now| now != default) => {
            return Ok(Err("an agent gave it to somebody, who stays"));
        }
        Requester::Person(id) => *id,
        Requester::NewUser { number, name } => {
            match newcomer::person_of(errand.zendesk, *number, name, errand).await? {
                Some(person) => person.id,
                None => return Ok(Err("no user can be made for the number")),
            }
        }
    };
    Ok(Ok((now != Some(id)).then_some(id)))
}

/// Leaves out what is complained about and says it; nothing said: nothing left out.
fn leave_out(parts: &mut Map<String, Value>, complaint: &Complaint) -> &'static str {
    let pair = complaint.about("assignee") || complaint.about("group");
    if complaint.about("requester") && parts.remove("requester_id").is_some() {
        "the requester was refused and stays"
    } else if pair && parts.remove("assignee_id").is_some() {
        "the agent was refused and the assignee stays"
    } else if pair && parts.remove("group_id").is_some() {
        "the group was refused and stays"
    } else if !pair && (parts.remove("assignee_id").is_some() || parts.remove("requester_id").is_some()) {
        // The field's name was not understood.
        "a part was refused and stays"
    } else {
        ""
    }
}

/// Whether our comment is among the latest hundred.
async fn is_said(errand: &Errand<'_>, ticket: TicketId, comment: &str) -> Result<bool, Undone> {
    let ask =
        Ask::get("/tickets/{}/comments", &[ticket.0]).query("sort", "-created_at").query("page[size]", "100");
    let answer = errand.ask(&ask).await?;
    if answer.status == 404 {
        return Err(Undone::Refused("the ticket is gone".to_owned()));
    }
    // Blanks and line ends do not come back as they were sent.
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ours = squeezed(comment);
    let said = answer.read::<CommentList>()?.comments;
    let texts = said.iter().flat_map(|comment| [&comment.body, &comment.plain_body]).flatten();
    Ok(texts.into_iter().any(|text| squeezed(text) == ours))
}

fn changed(errand: &Errand<'_>, ticket: TicketId, note: &str) -> Delivered {
    let mut text = format!("ticket {ticket} changed by {}", errand.cost());
    if !note.is_empty() {
        text.push_str("; ");
        text.push_str(note);
    }
    Delivered { event: Event::TicketUpdated, note: text }
}
