//! ENTRANCE: where call events come from. This file is the door for a new PBX.
//!
//! A source is a folder here, a table `[[pbx.…]]` of the config and captures in `fixtures/`. It puts
//! [`Input`]s into one bounded channel to the desk and knows nothing of what happens to them. What the
//! desk wants of the PBX comes the other way, as [`Order`]s: the only thing that a source ever changes.

pub mod ami;
mod orders;
pub mod reconnect;

use jiff::SignedDuration;

use crate::call::{Agent, CallId, Heard, SourceName};

pub use orders::{NotTaken, Order, Orders, orders};

/// What a source tells the desk.
#[derive(Clone, Debug)]
pub enum Input {
    /// Things that happened to calls, in order.
    Heard(Vec<Heard>),
    /// The source is logged in and has told all calls that are up: every other open call of this
    /// source is over.
    Resynced {
        /// The source.
        source: SourceName,
        /// The calls that are still up.
        present: Vec<CallId>,
    },
    /// What the PBX itself tells about its users and queues.
    House {
        /// The source.
        source: SourceName,
        /// Users with their extensions and e-mail addresses.
        agents: Vec<Agent>,
        /// Queues: name and wrap-up time, where the PBX tells it.
        queues: Vec<(String, Option<SignedDuration>)>,
    },
}
