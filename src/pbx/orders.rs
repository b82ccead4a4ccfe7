//! The way from the desk to one PBX.

use tokio::sync::mpsc;

use crate::call::{CallId, RecordingOrder};

/// So many orders wait for a PBX that is away or being read: more than calls change in a minute of the
/// largest house that was thought of (50 calls a second do not all have their recording paused).
const WAITING: usize = 1024;

/// What the PBX is to do with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The call.
    pub call: CallId,
    /// What.
    pub order: RecordingOrder,
}

/// The desk's end: it never waits.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// The order was not taken: tell the call [`RecordingFailed`](crate::call::Event::RecordingFailed) with this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The PBX is away, and more waits for it than can be kept.
    #[error("the PBX is away and too many orders wait for it")]
    Full,
    /// The source is stopping.
    #[error("the daemon is stopping")]
    Closed,
}

/// A way for orders to one PBX.
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Orders(sender), receiver)
}

impl Orders {
    /// Hands an order over. It is carried out as soon as the PBX is there and all that is up is known.
    ///
    /// # Errors
    /// When it is not taken, and so will never be carried out.
    pub fn give(&self, order: Order) -> Result<(), NotTaken> {
        self.0.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Full,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Closed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desk_never_waits_for_a_pbx() {
        let (orders, taken) = orders();
        let stop = || Order { call: "main/1.1".parse().unwrap(), order: RecordingOrder::Stop };
        for _ in 0..WAITING {
            orders.give(stop()).unwrap();
        }
        assert_eq!(orders.give(stop()), Err(NotTaken::Full));
        drop(taken);
        assert_eq!(orders.give(stop()), Err(NotTaken::Closed));
    }
}
