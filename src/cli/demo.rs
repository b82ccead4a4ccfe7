//! `ringdesk demo`

/// Show the whole story on this machine, without PBX and Zendesk
///
/// Starts a stand-in for Zendesk, plays recorded calls of a real Asterisk to the daemon, and shows the calls and
/// the tickets as they appear.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// End by itself, print the tickets as a table, and exit with 0 only if they are what they must be
    #[arg(long)]
    pub headless: bool,
}
