//! `ringdesk sandbox`

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sandbox::{self, FAULTS, Options, Sandbox, Seed, SeedError};

use super::Exit;

/// How long answers in hand may take at the end: clients that stopped reading are left behind.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Serve a stand-in for Zendesk, to try things out
///
/// Its address is the first line printed: write it into `[crm.zendesk] url`. The account it holds by default is the
/// house of the demo: client `ringdesk`, secret `sandbox-secret`. `GET /_sandbox/state` shows what it was told,
/// `POST /_sandbox/faults` switches faults, `POST /_sandbox/reset` begins anew. It ends on SIGINT and SIGTERM and
/// keeps nothing.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = manual())]
pub struct Args {
    /// Address and port to listen at; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Users, groups and tickets to begin with, as JSON
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// A fault or switch to begin with, such as slow=2s or 503=1; may be given several times
    #[arg(long = "fault", value_name = "NAME=VALUE", value_parser = sandbox::fault)]
    pub faults: Vec<(String, Value)>,
}

/// Serves until SIGINT or SIGTERM.
pub fn execute(args: &Args) -> Exit {
    let mut options = Options { listen: args.listen, faults: args.faults.clone(), ..Options::default() };
    if let Some(path) = &args.seed {
        options.seed = match Seed::read(path) {
            Ok(seed) => seed,
            Err(error) => {
                super::complain(&crate::causes::in_lines(&error));
                return seed_exit(&error);
            }
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            super::complain(&format!("cannot start: {error}"));
            return Exit::Software;
        }
    };
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Exit {
    let listen = options.listen;
    // Before the URL is printed: whoever has read it may already send a signal.
    let (mut interrupted, mut terminated) = match signals() {
        Ok(signals) => signals,
        Err(error) => {
            super::complain(&format!("cannot listen for signals: {error}"));
            return Exit::Software;
        }
    };
    let sandbox = match Sandbox::start(options).await {
        Ok(sandbox) => sandbox,
        Err(error) => return refused(&error, listen),
    };
    let printed = super::print(&format!("{}\n", sandbox.url()));
    if printed != Exit::Done {
        return printed;
    }
    let exit = tokio::select! {
        () = sandbox.ended() => {
            super::complain("the sandbox lost its listener");
            Exit::Software
        }
        _ = terminated.recv() => Exit::Done,
        _ = interrupted.recv() => Exit::Done,
    };
    let _ = tokio::time::timeout(LAST_ANSWERS, sandbox.stop()).await;
    exit
}

fn signals() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

fn refused(error: &io::Error, listen: SocketAddr) -> Exit {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<SeedError>()) {
        Some(seed) => {
            super::complain(&crate::causes::in_lines(seed));
            seed_exit(seed)
        }
        None => {
            super::complain(&format!("cannot listen at {listen}: {error}; choose another with --listen"));
            Exit::Unavailable
        }
    }
}

fn seed_exit(error: &SeedError) -> Exit {
    if matches!(error, SeedError::Read { .. }) { Exit::NoInput } else { Exit::Data }
}

/// The list of faults and switches, as `--help` prints it.
fn manual() -> String {
    let mut text = String::from(
        "Faults and switches (also by POST /_sandbox/faults with a JSON object):\n\
         AMOUNT is a number of requests, a duration such as 4s or 300ms, `always` or `off`.\n\
         Without @ a fault strikes everywhere, the token endpoint too; with @ only there:\n\
         503@/users=2, \"reset_after_commit@POST /tickets=1\", 429@POST=3\n\n",
    );
    for (names, value, meaning) in FAULTS {
        text.push_str(&format!("  {names} = {value}\n      {meaning}\n"));
    }
    text
}
