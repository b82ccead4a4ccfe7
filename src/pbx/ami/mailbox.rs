//! What the PBX has said and nobody has looked at yet.
//!
//! Asterisk drops a connection that it cannot write to for 100 ms (`writetimeout`), so the task that
//! reads the socket must never wait for the tasks behind it: it puts everything here. When they are
//! so slow that the limit is reached, the connection is given up; the lists that are read after the
//! next log-in tell what was missed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Buffers larger than this are not kept for the next round.
const KEPT: usize = 1024 * 1024;

/// Bytes on their way from the reader to the translator.
#[derive(Debug)]
pub(super) struct Mailbox {
    limit: usize,
    inside: Mutex<Inside>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    bytes: Vec<u8>,
    closed: Option<Closed>,
}

/// Why nothing more will come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The PBX closed the connection.
    ByPeer,
    /// The connection broke.
    Broken(String),
    /// There is no room for what came.
    Full,
}

impl Mailbox {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inside: Mutex::default(), arrived: Notify::new() }
    }

    /// Puts bytes in; false when there is no room, and then nothing more may be put in.
    pub(super) fn put(&self, bytes: &[u8]) -> bool {
        let room = {
            let mut inside = self.lock();
            let room = inside.bytes.len() + bytes.len() <= self.limit;
            if room {
                inside.bytes.extend_from_slice(bytes);
            } else {
                inside.closed = Some(Closed::Full);
            }
            room
        };
        self.arrived.notify_one();
        room
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self, why: Closed) {
        self.lock().closed.get_or_insert(why);
        self.arrived.notify_one();
    }

    /// Takes everything out, into `bytes`, whose old content is dropped.
    pub(super) fn take(&self, bytes: &mut Vec<u8>) -> Option<Closed> {
        bytes.clear();
        if bytes.capacity() > KEPT {
            *bytes = Vec::new();
        }
        let mut inside = self.lock();
        std::mem::swap(bytes, &mut inside.bytes);
        inside.closed.clone()
    }

    /// Waits until something was put in or the mailbox was closed since the last time.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Nothing inside can be half done when a holder panics.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_in_before_the_end_comes_out_before_it() {
        let mailbox = Mailbox::new(10);
        assert!(mailbox.put(b"12345"));
        assert!(mailbox.put(b"67890"));
        mailbox.arrived().await;
        let mut bytes = b"old".to_vec();
        assert_eq!(mailbox.take(&mut bytes), None);
        assert_eq!(bytes, b"1234567890");
        assert!(mailbox.put(b"1"));
        assert!(!mailbox.put(&[0; 10]));
        mailbox.close(Closed::ByPeer);
        mailbox.arrived().await;
        assert_eq!(mailbox.take(&mut bytes), Some(Closed::Full));
        assert_eq!(bytes, b"1");
    }
}
