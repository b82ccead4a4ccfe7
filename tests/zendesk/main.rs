//! Stories of the Zendesk client against the sandbox, over real sockets.
//!
//! The client is the one of the daemon and the sandbox is built without a look at it. Each story
//! ends with what stands in the account, and most of them with no parameter dropped by it.

#![expect(clippy::unwrap_used, reason = "this is all tests")]

mod account;
mod attachments;
mod authors;
mod changes;
mod closed;
mod doubts;
mod fields;
mod house;
mod newcomers;
mod older;
mod people;
mod persons;
mod records;
mod shown;
mod tickets;
