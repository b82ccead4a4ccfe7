//! `ringdesk calls`

use crate::call::CallId;

use super::{ConfigFile, Format};

/// Tell the latest calls, or the story of one: what happened and why
///
/// Without ID the latest calls, one a line. With ID the story of one call with the reason of each decision. Reads
/// the journal; the daemon may run meanwhile.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
    /// The call as in the log and in the ticket, such as main/1795292763.0
    #[arg(value_name = "ID")]
    pub id: Option<CallId>,
    /// How many calls are listed
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "id")]
    pub last: u32,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}
