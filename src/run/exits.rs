//! The way out: who does what is owed, and who tells the PBX.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{CallId, RecordingAttachment, RecordingOrder, SourceName, Task, Work};
use crate::crm::{Attachment, Crm};
use crate::delivery::{Attempt, Delivered, DeliveryError};
use crate::desk::TellPbx;
use crate::directory::Directory;
use crate::recording::{Keeper, Shelf, Sound};
use crate::{observe, pbx};

/// How long work waits after the start for agents and groups to be matched: what an earlier life owes
/// would go out without them. A CRM that does not tell them in this time gets its tickets all the same.
const FIRST_MATCH: Duration = Duration::from_secs(10);

type Delivery = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

pub(super) fn deliverer(
    crm: Crm,
    directory: Directory,
    observing: bool,
) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    let latest = tokio::time::Instant::now() + FIRST_MATCH;
    move |work, attempt| {
        let (crm, directory) = (crm.clone(), directory.clone());
        Box::pin(async move {
            if observing {
                return Ok(observe::pretend(&work));
            }
            let _ = tokio::time::timeout_at(latest, directory.first_read()).await;
            crm.deliver(&work, attempt, &directory).await
        })
    }
}

/// Keeps recordings.
pub(super) fn keeping_deliverer(keeper: Keeper, observing: bool) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    move |work, attempt| {
        let keeper = keeper.clone();
        Box::pin(async move {
            match &work.task {
                _ if observing => Ok(observe::pretend(&work)),
                Task::KeepRecording(sought) => keeper.keep(sought, attempt).await,
                _ => Err(DeliveryError::Refused { reason: "this is no recording".to_owned() }),
            }
        })
    }
}

/// Attaches kept recordings to tickets.
pub(super) fn upload_deliverer(
    crm: Crm,
    directory: Directory,
    shelf: Shelf,
    sound: Sound,
    observing: bool,
) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    let latest = tokio::time::Instant::now() + FIRST_MATCH;
    move |work, attempt| {
        let (crm, directory, shelf, sound) = (crm.clone(), directory.clone(), shelf.clone(), sound.clone());
        Box::pin(async move {
            match &work.task {
                _ if observing => Ok(observe::pretend(&work)),
                Task::AttachRecording(attachment) => {
                    // The comment is the default agent's.
                    let _ = tokio::time::timeout_at(latest, directory.first_read()).await;
                    attach(&crm, &directory, &shelf, &sound, &work, attachment, attempt).await
                }
                _ => Err(DeliveryError::Refused { reason: "this is no recording".to_owned() }),
            }
        })
    }
}

async fn attach(
    crm: &Crm,
    directory: &Directory,
    shelf: &Shelf,
    sound: &Sound,
    work: &Work,
    attachment: &RecordingAttachment,
    attempt: Attempt,
) -> Result<Delivered, DeliveryError> {
    // Before an encoder is started for what is there already.
    if let Some(delivered) = crm.attached(work, attachment, attempt).await? {
        return Ok(delivered);
    }
    let prepared = match sound
        .prepare(shelf, &attachment.files, &attachment.name, crm.largest_attachment())
        .await
    {
        Ok(prepared) => prepared,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(DeliveryError::Refused { reason: "the recording is not kept any more".to_owned() });
        }
        Err(error) => {
            let what = "making the recording ready";
            return Err(DeliveryError::Retry { what, unclear: false, source: Box::new(error) });
        }
    };
    let mut comment = attachment.comment.clone();
    for note in &prepared.notes {
        comment.push('\n');
        comment.push_str(note);
    }
    let files: Vec<_> = prepared
        .files
        .iter()
        .map(|file| Attachment {
            name: file.name.clone(),
            path: file.path.clone(),
            bytes: file.bytes,
            kind: file.kind,
        })
        .collect();
    crm.attach(work, attachment, &files, &comment, attempt, directory).await
}

/// The ways to the PBXs, by the names of their sources.
pub(super) struct PbxOrders(pub(super) BTreeMap<SourceName, pbx::Orders>);

impl TellPbx for PbxOrders {
    fn tell(&self, call: &CallId, order: RecordingOrder) -> Result<(), String> {
        let orders = self.0.get(call.source()).ok_or("this source does not record")?;
        orders.give(pbx::Order { call: call.clone(), order }).map_err(|error| error.to_string())
    }
}
