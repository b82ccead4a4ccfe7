//! Changing the ticket that stands: all parts in one request.
//!
//! The ticket is read first only when that matters: who the requester is now (an agent who gave the ticket
//! to somebody is right), which tags it has (Zendesk's update sets all of them), whether it is solved already.
//! After an attempt whose end was not heard, whether our comment is there already. Everything else in the
//! request may be repeated without harm.

use serde_json::json;

use super::Undone;
use super::create::{OneTicket, TicketRecord};
use super::errand::{Ask, Errand};
use super::follow_up::With;
use super::parts::{Parts, Put};
use super::{Failure, follow_up, form, newcomer, talk, values};
use crate::call::{Event, PersonId, Requester, TicketChange, TicketId, Work};
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

/// Owed work: changes the ticket.
pub(super) async fn change(
    errand: &Errand<'_>,
    work: &Work,
    ticket: TicketId,
    change: &TicketChange,
    attempt: Attempt,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let key = work.key();
    if attempt.look_first
        && let Some(comment) = &change.comment
        && talk::is_said(errand, ticket.0, &key, comment).await?
    {
        // Comment and all other parts went in one request.
        return Ok(changed(errand, ticket, &[]));
    }
    let mut parts = Parts::default();
    let written = values::of_ticket(errand, &change.fields, &mut parts.notes).await?;
    let tags = values::tags(&change.tags);
    let alone = written.is_empty()
        && change.requester.is_none()
        && change.assignee.is_none()
        && change.group.is_none()
        && change.comment.is_none()
        && !change.solve;
    if alone && !tags.is_empty() {
        return add_tags(errand, ticket, &tags, parts).await;
    }
    let mut stands = None;
    if change.requester.is_some() || change.solve || !tags.is_empty() {
        let found = read(errand, ticket).await?;
        if found.is_closed() {
            return follow_up::instead(errand, work, &found, change, &With::default(), attempt, resolve)
                .await;
        }
        stands = Some(found);
    }
    if let (Some(wish), Some(stands)) = (&change.requester, &stands) {
        match new_requester(errand, stands, wish, resolve).await? {
            Ok(Some(id)) => parts.requester(id),
            Ok(None) => {}
            Err(kept) => parts.notes.push(kept.to_owned()),
        }
    }
    if let Some(agent) = change.assignee.as_ref().and_then(|agent| resolve.agent(agent)) {
        parts.assignee(agent);
    }
    if let Some(group) = change.group.as_deref().and_then(|name| resolve.group(name)) {
        parts.group(group);
    }
    if let Some(comment) = &change.comment {
        parts.comment(comment, false, form::author(change.author.as_ref(), resolve), &key);
    }
    if !written.is_empty() {
        parts.custom_fields(values::custom_fields(&written));
    }
    if let Some(stands) = &stands {
        if change.solve && stands.status.as_deref() != Some("solved") {
            parts.status("solved");
            let solver = change.solver.as_ref().and_then(|agent| resolve.agent(agent));
            if let (None, Some(solver)) = (stands.assignee_id, solver) {
                parts.assignee(solver);
            }
        }
        if !tags.iter().all(|tag| stands.tags.contains(tag)) {
            let all = values::merged_tags(&stands.tags, &tags, &written);
            parts.tags(&all, stands.updated_at.as_deref());
        }
    }
    if parts.is_empty() {
        return Ok(changed(errand, ticket, &parts.notes));
    }
    match parts.put(errand, ticket.0).await? {
        Put::Made => Ok(changed(errand, ticket, &parts.notes)),
        Put::Closed => {
            let found = read(errand, ticket).await?;
            follow_up::instead(errand, work, &found, change, &With::default(), attempt, resolve).await
        }
        Put::Gone => Err(Undone::Refused("the ticket is gone".to_owned())),
        Put::Refused(reason) => Err(Undone::Refused(reason)),
    }
}

/// Tags alone are added by a request of their own, which takes none away.
async fn add_tags(
    errand: &Errand<'_>,
    ticket: TicketId,
    tags: &[String],
    mut parts: Parts,
) -> Result<Delivered, Undone> {
    let ask = Ask::put("/tickets/{}/tags", &[ticket.0]).body(&json!({"tags": tags}));
    let answer = errand.ask(&ask).await?;
    match answer.status {
        _ if answer.ok() => {}
        404 => return Err(Undone::Refused("the ticket is gone".to_owned())),
        422 if answer.complaint().about("status") => {
            parts.notes.push("the ticket is closed, nothing was changed".to_owned());
        }
        _ => return Err(Undone::Refused(answer.reason())),
    }
    Ok(changed(errand, ticket, &parts.notes))
}

/// The ticket as it is now.
async fn read(errand: &Errand<'_>, ticket: TicketId) -> Result<TicketRecord, Undone> {
    let answer = errand.ask(&Ask::get("/tickets/{}", &[ticket.0])).await?;
    match answer.status {
        404 => Err(Undone::Refused("the ticket is gone".to_owned())),
        _ if answer.ok() => Ok(answer.read::<OneTicket>()?.ticket),
        _ => Err(Undone::Refused(answer.reason())),
    }
}

/// Who the ticket shall be for; `Ok(None)` when it is already, `Err` when it must not be changed.
async fn new_requester(
    errand: &Errand<'_>,
    stands: &TicketRecord,
    wish: &Requester,
    resolve: &dyn Resolve,
) -> Result<Result<Option<PersonId>, &'static str>, Undone> {
    let now = stands.requester_id.map(PersonId);
    let Some(default) = resolve.default_user() else {
        return Err(Failure::away(false, "the default user is not known yet").into());
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

pub(super) fn changed(errand: &Errand<'_>, ticket: TicketId, notes: &[String]) -> Delivered {
    let mut note = format!("ticket {ticket} changed by {}", errand.cost());
    for part in notes {
        note.push_str("; ");
        note.push_str(part);
    }
    Delivered { event: Event::TicketUpdated, note }
}
