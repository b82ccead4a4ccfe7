//! Files into a comment: each is uploaded, then one update carries them all.
//!
//! Source: "Upload files", "Tickets API" (`comment.uploads`). An upload that nothing refers to vanishes by itself, so
//! a repetition uploads anew and nothing stays; the comment is found by its mark, see [`talk`].

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Undone;
use super::create::{self, OneTicket};
use super::errand::{Ask, Errand, UploadFile};
use super::failure::Failure;
use super::follow_up;
use super::form;
use super::parts::{Parts, Put};
use super::talk::{self, AttachmentRecord};
use crate::call::{Author, Event, RecordingAttachment, TicketChange, Work};
use crate::crm::{Attachment, Resolve};
use crate::delivery::{Attempt, Delivered};

/// Largest file, in bytes: the figure of Zendesk's help pages; the API's own pages name none.
pub(super) const LARGEST: u64 = 50 * 1024 * 1024;

/// An upload may take so long, and a second more for each so many bytes: 1 Mbit/s.
const UPLOAD: Duration = Duration::from_secs(30);
const BYTES_A_SECOND: u64 = 128 * 1024;

/// So often an update that carries uploads is tried with new ones: their token may have ended.
const TRIES: u32 = 3;

#[derive(Debug, Deserialize)]
struct Uploaded {
    upload: Upload,
}

#[derive(Debug, Deserialize)]
struct Upload {
    token: String,
    /// The latest file of the token.
    attachment: Option<AttachmentRecord>,
}

/// Owed work: whether the comment with the files is there already.
pub(super) async fn attached(
    errand: &Errand<'_>,
    work: &Work,
    attachment: &RecordingAttachment,
) -> Result<Option<Delivered>, Undone> {
    let key = work.key();
    let mut found = talk::find(errand, attachment.ticket.0, &key, &attachment.comment).await?;
    if found.is_none()
        && let Some(follow_up) = create::find(errand, &follow_up::external_id(work)).await?
    {
        found = talk::find(errand, follow_up.id, &key, &attachment.comment).await?;
    }
    Ok(found.map(|comment| {
        let address = comment.attachments.into_iter().find_map(|file| file.content_url);
        done(errand, attachment, address, Vec::new())
    }))
}

/// Owed work: attaches the files.
pub(super) async fn attach(
    errand: &Errand<'_>,
    work: &Work,
    attachment: &RecordingAttachment,
    files: &[Attachment],
    comment: &str,
    attempt: Attempt,
    resolve: &dyn Resolve,
) -> Result<Delivered, Undone> {
    let (mut token, mut address) = (None, None);
    for file in files {
        let uploaded = upload(errand, file, token.as_deref()).await?;
        address = address.or(uploaded.attachment.and_then(|file| file.content_url));
        token = Some(uploaded.token);
    }
    let uploads: Vec<String> = token.into_iter().collect();
    // A comment of files alone is refused.
    let comment = if comment.trim().is_empty() { "Recording" } else { comment };
    let author = Some(Author::DefaultAgent);
    let mut parts = Parts::default();
    parts.comment(comment, attachment.public, form::author(author.as_ref(), resolve), &work.key());
    parts.uploads(&uploads);
    match parts.put(errand, attachment.ticket.0).await? {
        Put::Made => Ok(done(errand, attachment, address, parts.notes)),
        Put::Closed => {
            let answer = errand.ask(&Ask::get("/tickets/{}", &[attachment.ticket.0])).await?;
            if !answer.ok() {
                return Err(Undone::Refused(answer.reason()));
            }
            let closed = answer.read::<OneTicket>()?.ticket;
            let change =
                TicketChange { comment: Some(comment.to_owned()), author, ..TicketChange::default() };
            let with = follow_up::With { public: attachment.public, uploads: &uploads };
            let made = follow_up::instead(errand, work, &closed, &change, &with, attempt, resolve).await?;
            Ok(Delivered { event: Event::RecordingAttached { address }, note: made.note })
        }
        Put::Gone => Err(Undone::Refused("the ticket is gone".to_owned())),
        Put::Refused(reason) if !uploads.is_empty() && attempt.number < TRIES => {
            Err(Failure::away(false, format!("the files were not taken: {reason}")).into())
        }
        Put::Refused(reason) => Err(Undone::Refused(reason)),
    }
}

async fn upload(errand: &Errand<'_>, file: &Attachment, token: Option<&str>) -> Result<Upload, Undone> {
    let body = UploadFile {
        path: PathBuf::clone(&file.path),
        bytes: file.bytes,
        kind: file.kind,
        limit: UPLOAD + Duration::from_secs(file.bytes / BYTES_A_SECOND),
    };
    let mut ask = Ask::post("/uploads", &[]).query("filename", file.name.as_str()).file(body);
    if let Some(token) = token {
        ask = ask.query("token", token);
    }
    let answer = errand.ask(&ask).await?;
    match answer.status {
        _ if answer.ok() => Ok(answer.read::<Uploaded>()?.upload),
        413 => Err(Undone::Refused("Zendesk does not take a file of this size".to_owned())),
        // The token of the files before ended: all are uploaded anew.
        404 if token.is_some() => Err(Failure::away(false, "an upload has ended").into()),
        _ => Err(Undone::Refused(answer.reason())),
    }
}

fn done(
    errand: &Errand<'_>,
    attachment: &RecordingAttachment,
    address: Option<String>,
    notes: Vec<String>,
) -> Delivered {
    let mut note = format!("attached to ticket {} by {}", attachment.ticket, errand.cost());
    for part in notes {
        note.push_str("; ");
        note.push_str(&part);
    }
    Delivered { event: Event::RecordingAttached { address }, note }
}
