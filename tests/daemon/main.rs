//! Stories through the whole daemon: a PBX that plays what real Asterisks said, the daemon with its
//! journal, and the strict stand-in for Zendesk, over real sockets. Each ends with what stands in the
//! account and on whose screens it was opened.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "the stage is no part of the daemon: it has its own clock and tasks"
)]

mod after;
mod callers;
mod captures;
mod deaths;
mod house;
mod missed;
mod outages;
mod process;
mod recorded;
mod requests;
mod switchboard;
