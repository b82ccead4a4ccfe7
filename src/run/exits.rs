//! The way out: who does what is owed, and who tells the PBX.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{CallId, RecordingOrder, SourceName, Task, Work};
use crate::crm::Crm;
use crate::delivery::{Attempt, Delivered, DeliveryError};
use crate::desk::TellPbx;
use crate::directory::Directory;
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

pub(super) fn recording_deliverer(
    crm: Crm,
    directory: Directory,
    observing: bool,
) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    move |work, attempt| {
        let (crm, directory) = (crm.clone(), directory.clone());
        Box::pin(async move {
            match &work.task {
                _ if observing => Ok(observe::pretend(&work)),
                Task::KeepRecording(_) => {
                    Err(DeliveryError::Refused { reason: "recordings are not kept yet".to_owned() })
                }
                _ => crm.deliver(&work, attempt, &directory).await,
            }
        })
    }
}

/// The ways to the PBXs, by the names of their sources.
pub(super) struct PbxOrders(pub(super) BTreeMap<SourceName, pbx::Orders>);

impl TellPbx for PbxOrders {
    fn tell(&self, call: &CallId, order: RecordingOrder) -> Result<(), String> {
        let orders = self.0.get(call.source()).ok_or("this source does not record")?;
        orders.give(pbx::Order { call: call.clone(), order }).map_err(|error| error.to_string())
    }
}
