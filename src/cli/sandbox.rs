//! `ringdesk sandbox`: a Zendesk look-alike on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sandbox::{self, FAULTS, Options, Seed};

/// Serves a Zendesk look-alike, to rehearse without an account
///
/// The first line printed is its URL: write it into `[crm.zendesk] url`. The account it holds by
/// default is the house of the demo; client `ringdesk`, secret `sandbox-secret`. What was asked and
/// made can be read at URL/_sandbox/state.
#[derive(clap::Args, Debug)]
#[command(after_long_help = manual())]
pub struct SandboxArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8981")]
    pub listen: SocketAddr,
    /// JSON file with the account's users, groups and tickets
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Fault or switch, several times if wanted; the list is below
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    pub faults: Vec<String>,
}

impl SandboxArgs {
    /// The options of the sandbox.
    ///
    /// # Errors
    /// When the seed or a fault is not valid.
    pub fn options(&self) -> Result<Options, Box<dyn std::error::Error + Send + Sync>> {
        let mut options = Options { listen: self.listen, ..Options::default() };
        if let Some(path) = &self.seed {
            options.seed = Seed::read(path)?;
        }
        for fault in &self.faults {
            options.fault(fault)?;
        }
        Ok(options)
    }

    /// Serves until the process is ended.
    ///
    /// # Errors
    /// When the options are not valid or the address is taken.
    pub async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(sandbox::serve(self.options()?).await?)
    }
}

/// The list of faults and switches, as `--help` prints it.
pub fn manual() -> String {
    let mut text = String::from(
        "Faults and switches (also by POST /_sandbox/faults with a JSON object):\n\
         AMOUNT is a number of requests, a duration such as 4s or 300ms, `always` or `off`.\n\
         Without @ a fault strikes everywhere, the token endpoint too; with @ only there:\n\
         503@/users=2, reset_after_commit@POST /tickets=1, 429@POST=3\n\n",
    );
    for (name, value, meaning) in FAULTS {
        text.push_str(&format!("  {name}={value}\n      {meaning}\n"));
    }
    text
}
