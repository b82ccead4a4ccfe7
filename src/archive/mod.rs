//! The archive: copies of kept recordings on a share, by the clock.
//!
//! Read in this order: [`schedule`] says when, [`kept`] what, [`names`] and [`plan`] decide what goes where under which
//! name, [`share`] is the door for places, [`pass`] is one run, [`run`] the task that waits and tries again, [`diary`]
//! what it writes down about itself, [`probe`] what `ringdesk doctor` tries, [`forget`] what `ringdesk recordings forget`
//! takes away.
//!
//! A run compares and remembers nothing, so it may be cut off at any byte: the next one continues. A copy
//! gets its name only after it was read back and its hash is right, and a name that is taken is never taken
//! away. Nothing in here is on the way of a call: the task has a thread and a run time of its own, with a low
//! priority.
//!
//! Deliberately absent: copying back, and deleting at home.

pub mod diary;
pub mod forget;
pub mod kept;
pub mod names;
pub mod pass;
pub mod plan;
pub mod probe;
pub mod run;
pub mod schedule;
pub mod share;

use std::path::PathBuf;

pub use diary::{Diary, DiaryFile, LastRun, Progress, Running};
pub use kept::{Kept, KeptFile, Spool};
pub use plan::Rules;
pub use run::{Archive, ArchiveState};
pub use schedule::Schedule;
pub use share::place::{Place, SmbClient};

/// All that the archive is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When.
    pub schedule: Schedule,
    /// Where to.
    pub place: Place,
    /// Under which names.
    pub rules: Rules,
    /// Where it writes about itself.
    pub diary: PathBuf,
}
