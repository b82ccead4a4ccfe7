//! Asterisk Manager Interface.
//!
//! Bytes become [`message::Message`]s in [`frame`]; [`session`] logs in, asks for the lists and keeps
//! the connection alive; [`driver`] owns the socket. The first two and the session do no I/O.
//!
//! Source: <https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Manager-Interface-AMI/>, and
//! the captures in `fixtures/captures`.

mod action;
pub mod channel;
pub mod counters;
pub mod driver;
pub mod frame;
mod house;
mod legs;
pub mod link;
mod mailbox;
pub mod message;
mod quirks;
mod resync;
pub mod session;
mod tls;
pub mod translate;

#[cfg(test)]
mod tests;
