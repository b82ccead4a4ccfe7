//! `ringdesk archive-worker`, which only ringdesk itself starts.

use super::Exit;
use crate::archive::share::worker;

/// Speak libsmbclient for the archive; started by ringdesk itself
///
/// One request a line on standard input, one answer a line on standard output.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Serves.
pub fn execute(_: &Args) -> Exit {
    match worker::serve() {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Io,
    }
}
