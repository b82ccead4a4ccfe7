//! A closed ticket takes no change for ever: what is said goes into a follow-up, one for a call.
//!
//! Source: "Creating a follow-up ticket", Tickets API. The follow-up has an `external_id` of its own, made
//! from the call's, so that further comments and a repetition find it.

use super::Undone;
use super::change::changed;
use super::create::{self, Made, TicketRecord};
use super::errand::Errand;
use super::failure::Failure;
use super::form::{self, Form, Pair};
use super::parts::{Parts, Put};
use super::talk;
use crate::call::{PersonId, Requester, Standing, TicketChange, TicketDraft, TicketId, Work};
use crate::crm::Resolve;
use crate::delivery::{Attempt, Delivered};

/// What goes with the comment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct With<'a> {
    /// The requester may read it.
    pub public: bool,
    /// Files.
    pub uploads: &'a [String],
}

/// By what the follow-up of the call's ticket is found.
pub(super) fn external_id(work: &Work) -> String {
    format!("ringdesk:{}~follow-up", work.call)
}

/// What is done instead of changing this closed ticket.
pub(super) async fn instead(
    errand: &Errand<'_>,
    work: &Work,
    closed: &TicketRecord,
    change: &TicketChange,
    with: &With<'_>,
    attempt: Attempt,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let ticket = TicketId(closed.id);
    let Some(comment) = &change.comment else {
        return Ok(changed(errand, ticket, &["the ticket is closed, nothing was changed".to_owned()]));
    };
    let key = work.key();
    let mut external_id = external_id(work);
    let mut follows = closed.id;
    let author = form::author(change.author.as_ref(), resolve);
    let before = create::find(errand, &external_id).await?;
    if let Some(before) = before.as_ref().filter(|before| before.is_closed()) {
        // That one is closed as well: this comment gets its own.
        (external_id, follows) = (format!("ringdesk:{key}~follow-up"), before.id);
    } else if let Some(before) = before {
        if !(attempt.look_first && talk::is_said(errand, before.id, &key, comment).await?) {
            let mut parts = Parts::default();
            parts.comment(comment, with.public, author, &key);
            parts.uploads(with.uploads);
            match parts.put(errand, before.id).await? {
                Put::Made => {}
                Put::Closed | Put::Gone => {
                    return Err(Failure::away(false, "the follow-up was closed a moment ago").into());
                }
                Put::Refused(reason) => return Err(Undone::Refused(reason)),
            }
        }
        return Ok(changed(errand, ticket, &[told(before.id, change)]));
    }
    let default_user = resolve.default_user();
    let Some(requester) = closed.requester_id.map(PersonId).or(default_user) else {
        return Err(Failure::away(false, "the default user is not known yet").into());
    };
    let draft = TicketDraft {
        external_id,
        requester: Requester::Person(requester),
        assignee: None,
        group: None,
        subject: closed.subject.clone().unwrap_or_else(|| format!("Follow-up of {ticket}")),
        comment: comment.clone(),
        public: with.public,
        tags: Vec::new(),
        priority: None,
        pop: None,
        tells_candidates: false,
        author: change.author.clone(),
        for_default_agent: false,
        reuse_within: 0,
    };
    let mut form = Form {
        requester,
        standing: Standing::AsDrafted,
        default_user,
        agent: closed.assignee_id.map(PersonId),
        group: closed.group_id,
        pair: Pair::Both,
        pop: None,
        author,
        follows: Some(follows),
        uploads: with.uploads.to_vec(),
        shown: String::new(),
        mark: key,
        left_out: 0,
    };
    let made = match create::make(errand, &draft, &mut form, false, attempt).await? {
        Made::New { ticket, .. } => ticket,
        Made::Before(found) => found.id,
    };
    Ok(changed(errand, ticket, &[told(made, change)]))
}

fn told(follow_up: u64, change: &TicketChange) -> String {
    let only = TicketChange {
        comment: change.comment.clone(),
        author: change.author.clone(),
        ..TicketChange::default()
    };
    let rest = if *change == only { "" } else { ", nothing else was changed" };
    format!("the ticket is closed: the comment went into the follow-up {follow_up}{rest}")
}
