//! The ways from the desk to the dispatchers: one for the CRM, one for keeping recordings, one for uploads.
//!
//! A recording may be waited for minutes long, and its upload may take as long. Each has a dispatcher of
//! its own, so that the same call's ticket, pop and number never stand behind it.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Order;
use crate::call::Exit;

/// The senders' end.
#[derive(Clone, Debug)]
pub struct Orders {
    crm: UnboundedSender<Order>,
    keeping: UnboundedSender<Order>,
    uploads: UnboundedSender<Order>,
}

/// The dispatchers' ends.
#[derive(Debug)]
pub struct Ends {
    /// For the CRM.
    pub crm: UnboundedReceiver<Order>,
    /// For whoever keeps recordings.
    pub keeping: UnboundedReceiver<Order>,
    /// For the uploads.
    pub uploads: UnboundedReceiver<Order>,
}

impl Orders {
    /// The ways, and their ends for the dispatchers.
    pub fn new() -> (Self, Ends) {
        let ((crm, for_crm), (keeping, for_keeping), (uploads, for_uploads)) =
            (unbounded_channel(), unbounded_channel(), unbounded_channel());
        (Self { crm, keeping, uploads }, Ends { crm: for_crm, keeping: for_keeping, uploads: for_uploads })
    }

    /// Gives an order to whoever it is for. A dispatcher that is gone is no error: the daemon stops.
    pub fn send(&self, order: Order) {
        match &order {
            Order::Owe(owed) => {
                let way = match owed.work.task.exit() {
                    Exit::Crm => &self.crm,
                    Exit::Keeping => &self.keeping,
                    Exit::Uploads => &self.uploads,
                };
                let _ = way.send(order);
            }
            Order::Hurry => {
                let _ = self.keeping.send(order);
            }
            // Only the key is known: whoever has it not, does nothing.
            Order::Withdraw { .. } | Order::Settled { .. } => {
                for way in [&self.crm, &self.keeping, &self.uploads] {
                    let _ = way.send(order.clone());
                }
            }
        }
    }
}
