//! Whether the account has Talk Partner Edition: found out once, remembered, said once.
//!
//! What an account without it answers is not published; 403 and 404 are both taken for "none".

use std::sync::atomic::{AtomicU8, Ordering};

use super::options::Voice;

const UNKNOWN: u8 = 0;
const THERE: u8 = 1;
const NONE: u8 = 2;
const OFF: u8 = 3;

/// What is known about the voice endpoints.
pub(super) struct VoiceDoor(AtomicU8);

impl VoiceDoor {
    pub fn new(voice: Voice, known: Option<bool>) -> Self {
        Self(AtomicU8::new(match (voice, known) {
            (Voice::Off, _) => OFF,
            (Voice::Auto, None) => UNKNOWN,
            (Voice::Auto, Some(true)) => THERE,
            (Voice::Auto, Some(false)) => NONE,
        }))
    }

    /// Whether it is worth asking.
    pub fn open(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), UNKNOWN | THERE)
    }

    pub fn known(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            state => Some(state == THERE),
        }
    }

    pub fn is_there(&self) {
        let _ = self.0.compare_exchange(UNKNOWN, THERE, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Said once, however many calls find it out at the same time.
    pub fn is_missing(&self, status: u16) {
        let before = self.0.swap(NONE, Ordering::Relaxed);
        if matches!(before, UNKNOWN | THERE) {
            tracing::warn!(
                status,
                "this Zendesk account has no Talk Partner Edition (or our log-in may not use it): tickets are made \
                 all the same, but do not open on the agents' screens by themselves"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_stays() {
        let door = VoiceDoor::new(Voice::Auto, None);
        assert!(door.open() && door.known().is_none());
        door.is_there();
        assert!(door.open() && door.known() == Some(true));
        door.is_missing(403);
        door.is_there();
        assert!(!door.open() && door.known() == Some(false));
        let off = VoiceDoor::new(Voice::Off, Some(true));
        assert!(!off.open() && off.known() == Some(false));
        assert!(!VoiceDoor::new(Voice::Auto, Some(false)).open());
    }
}
