//! Comments found again: was this one said already?
//!
//! Zendesk takes no `Idempotency-Key` for a comment, so each of ours carries a mark in the update's
//! `metadata`, which Zendesk keeps with it as `metadata.custom` and shows to no reader
//! ("Setting metadata", Tickets API). The mark is the key of the work, so two comments with the same
//! words stay two.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Undone;
use super::errand::{Ask, Errand};

/// The name of the mark.
const MARK: &str = "ringdesk";

#[derive(Debug, Deserialize)]
struct CommentList {
    comments: Vec<CommentRecord>,
}

/// A comment of ours.
#[derive(Debug)]
pub(super) struct Marked {
    pub id: u64,
    pub attachments: Vec<AttachmentRecord>,
}

/// A file of a comment.
#[derive(Debug, Deserialize)]
pub(super) struct AttachmentRecord {
    pub id: u64,
    pub file_name: Option<String>,
    pub content_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommentRecord {
    id: u64,
    #[serde(default)]
    attachments: Vec<AttachmentRecord>,
    #[serde(rename = "type")]
    kind: Option<String>,
    body: Option<String>,
    plain_body: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    data: Value,
}

/// What an update carries so that it can be found again.
pub(super) fn mark(key: &str) -> Value {
    json!({ MARK: key })
}

/// Whether our comment is among the latest hundred.
pub(super) async fn is_said(
    errand: &Errand<'_>,
    ticket: u64,
    key: &str,
    comment: &str,
) -> Result<bool, Undone> {
    Ok(find(errand, ticket, key, comment).await?.is_some())
}

/// Our comment, if it is among the latest hundred.
pub(super) async fn find(
    errand: &Errand<'_>,
    ticket: u64,
    key: &str,
    comment: &str,
) -> Result<Option<Marked>, Undone> {
    let ours = squeezed(comment);
    let is_ours = |comment: &CommentRecord| match comment.metadata["custom"][MARK].as_str() {
        Some(mark) => mark == key,
        // Written before there were marks, or Zendesk does not show it.
        None => [&comment.body, &comment.plain_body].into_iter().flatten().any(|text| squeezed(text) == ours),
    };
    let found = latest(errand, ticket).await?.into_iter().find(is_ours);
    Ok(found.map(|comment| Marked { id: comment.id, attachments: comment.attachments }))
}

/// The comments with this mark among the latest hundred; none in a ticket that is gone.
pub(super) async fn marked(errand: &Errand<'_>, ticket: u64, key: &str) -> Result<Vec<Marked>, Undone> {
    let said = match latest(errand, ticket).await {
        Err(Undone::Refused(_)) => return Ok(Vec::new()),
        said => said?,
    };
    let ours = said.into_iter().filter(|comment| comment.metadata["custom"][MARK].as_str() == Some(key));
    Ok(ours.map(|comment| Marked { id: comment.id, attachments: comment.attachments }).collect())
}

/// Whether the record of a call shows among the latest hundred.
pub(super) async fn is_shown(errand: &Errand<'_>, ticket: u64, record: u64) -> Result<bool, Undone> {
    let said = latest(errand, ticket).await?;
    Ok(said.iter().any(|comment| {
        comment.kind.as_deref() == Some("TpeVoiceComment") && comment.data["call_id"].as_u64() == Some(record)
    }))
}

async fn latest(errand: &Errand<'_>, ticket: u64) -> Result<Vec<CommentRecord>, Undone> {
    let ask =
        Ask::get("/tickets/{}/comments", &[ticket]).query("sort", "-created_at").query("page[size]", "100");
    let answer = errand.ask(&ask).await?;
    if answer.status == 404 {
        return Err(Undone::Refused("the ticket is gone".to_owned()));
    }
    Ok(answer.read::<CommentList>()?.comments)
}

/// Blanks and line ends do not come back as they were sent.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
