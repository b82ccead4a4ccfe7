//! The ways from the desk to the dispatchers: one for the CRM, one for recordings.
//!
//! A recording may be waited for minutes long, and its upload may take as long. It has a dispatcher of
//! its own, so that the same call's ticket, pop and number never stand behind it.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Order;
use crate::call::Exit;

/// The senders' end.
#[derive(Clone, Debug)]
pub struct Orders {
    crm: UnboundedSender<Order>,
    recordings: UnboundedSender<Order>,
}

impl Orders {
    /// The ways, and their ends for the dispatchers of the CRM and of recordings.
    pub fn new() -> (Self, UnboundedReceiver<Order>, UnboundedReceiver<Order>) {
        let ((crm, for_crm), (recordings, for_recordings)) = (unbounded_channel(), unbounded_channel());
        (Self { crm, recordings }, for_crm, for_recordings)
    }

    /// Gives an order to whoever it is for. A dispatcher that is gone is no error: the daemon stops.
    pub fn send(&self, order: Order) {
        match &order {
            Order::Owe(owed) => {
                let way = match owed.work.task.exit() {
                    Exit::Crm => &self.crm,
                    Exit::Keeping | Exit::Uploads => &self.recordings,
                };
                let _ = way.send(order);
            }
            // Only the key is known: whoever has it not, does nothing.
            Order::Withdraw { .. } | Order::Settled { .. } => {
                let _ = self.crm.send(order.clone());
                let _ = self.recordings.send(order);
            }
        }
    }
}
