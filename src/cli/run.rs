//! `ringdesk run`

use super::ConfigFile;

/// Do the work: listen to the PBX and make tickets, until stopped
///
/// SIGTERM and SIGINT finish what is in hand and end with 0; a second one ends at once. SIGHUP reads the config
/// again. Under systemd use the unit that comes along.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
}
