//! Asterisk Manager Interface.
//!
//! Bytes become [`message::Message`]s in [`frame`]; [`session`] logs in, asks for the lists and keeps
//! the connection alive; [`driver`] owns the socket. The first two and the session do no I/O.
//!
//! Source: <https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Manager-Interface-AMI/>, and
//! the captures in `fixtures/captures`.

mod action;
pub mod frame;
mod house;
pub mod message;
pub mod session;
