//! `ringdesk doctor`

use super::ConfigFile;

/// Ask PBX and Zendesk whether all is set up, and say what to do
///
/// Logs in to both, matches agents and groups, and says what is missing. Changes nothing.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
}
