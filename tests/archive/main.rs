//! The archive against real shares: a plain folder and a Samba of its own, started and killed by the tests.
//!
//! Needs `smbd` and `pdbedit` (Debian's package `samba`; `tests/archive/install.sh`); runs as root and as any other user. The
//! second client of SMB shares is tested when it is built in (`--features libsmbclient`).

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]
#![allow(clippy::disallowed_methods, reason = "the stage is no part of the daemon: it has its own clock")]

mod command;
mod contract;
mod house;
mod samba;
mod trouble;
