//! `ringdesk config`

use super::Exit;

/// Print the commented default config
///
/// Every key with its default, its unit and its reason. Fill in the lines marked "yours".
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Prints it.
pub fn execute(_: &Args) -> Exit {
    super::print(crate::config::COMMENTED)
}
