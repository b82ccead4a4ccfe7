//! `ringdesk replay`

use std::path::PathBuf;

use super::{ConfigFile, Format};

/// Show the calls of recorded PBX connections and what would be done
///
/// Reads the bytes of AMI connections as if the PBX sent them now, and tells every call: who called, who
/// answered, what the daemon would do. No network is used and nothing is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
    /// "json" writes one object a line for each call, in the order of their start
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// What a PBX sent; several files are connections one after the other to the same PBX
    #[arg(value_name = "CAPTURE", required = true)]
    pub captures: Vec<PathBuf>,
}
