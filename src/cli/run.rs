//! `ringdesk run`

use std::path::Path;
use std::pin::Pin;
use std::process;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigFile, Exit, complain};
use crate::causes;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::journal::JournalError;
use crate::log::{self, LogHandle};
use crate::run::{Daemon, Hooks, Proven, ReloadError, RunError};

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

/// How long the stop may take before everything is dropped; below the 15 s that are promised.
const STOP: Duration = Duration::from_secs(14);

/// How often systemd is told how things stand.
const TELL_SYSTEMD: Duration = Duration::from_secs(5);

/// Runs the daemon.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let config = match Config::load(&args.config.path, environment) {
        Ok(config) => config,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let log = match log::start(&config.log, environment) {
        Ok(log) => log,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return Exit::Software;
        }
    };
    let exit = runtime.block_on(serve(config, &args.config.path, environment, &log));
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

async fn serve(config: Config, path: &Path, environment: &Environment, log: &LogHandle) -> Exit {
    let (mut signals, mut hang_up) =
        match Signals::listen().and_then(|end| Ok((end, signal(SignalKind::hangup())?))) {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "cannot listen to signals");
                return Exit::Software;
            }
        };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "ringdesk starts");
    let daemon = match Daemon::start(config, Clock::system(), Hooks::default()).await {
        Ok(daemon) => daemon,
        Err(error) => {
            tracing::error!("{}", causes::in_lines(&error));
            return exit_of(&error);
        }
    };
    notify(&[sd_notify::NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    let beat = watchdog.unwrap_or(TELL_SYSTEMD).min(TELL_SYSTEMD);
    let mut ticks = tokio::time::interval(beat);
    let mut proof: Option<Proof> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => tell_systemd(&daemon),
            _ = hang_up.recv() => {
                notify(&[sd_notify::NotifyState::Reloading]);
                proof = match read_again(&daemon, path, environment) {
                    Ok(proof) => Some(proof),
                    Err(error) => {
                        reloaded(&daemon, Err(error), log);
                        None
                    }
                };
            }
            proven = async { proof.as_mut().expect("asked before").await }, if proof.is_some() => {
                proof = None;
                reloaded(&daemon, proven, log);
            }
            () = signals.end() => {
                notify(&[sd_notify::NotifyState::Stopping]);
                let stopped = tokio::time::timeout(STOP, daemon.stop());
                tokio::select! {
                    result = stopped => if result.is_err() {
                        tracing::warn!("it did not stop in time; what was not finished is in the journal");
                    },
                    () = signals.end() => tracing::warn!("stopped at once; what was not finished is in the journal"),
                }
                return Exit::Done;
            }
            () = daemon.failed() => {
                tracing::error!("a part of the daemon ended that must not end; it is stopped, so that it can be started anew");
                let _ = tokio::time::timeout(STOP, daemon.stop()).await;
                return Exit::Software;
            }
        }
    }
}

fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Journal(JournalError::AlreadyRunning { .. }) | RunError::Web { .. } => Exit::Unavailable,
        RunError::Journal(_) | RunError::PhoneBook(_) => Exit::Io,
        RunError::Numbers(_) | RunError::Crm(_) => Exit::Config,
    }
}

fn tell_systemd(daemon: &Daemon) {
    let missing = daemon.status().not_ready();
    let status = match missing.first() {
        None => {
            let calls = daemon.status().desk.borrow().clone();
            format!("serving: {} calls up, {} tickets made", calls.up, calls.tickets)
        }
        Some(first) => format!("not ready: {first}"),
    };
    notify(&[sd_notify::NotifyState::Status(&status), sd_notify::NotifyState::Watchdog]);
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

/// The proof of a new config takes as long as the CRM takes to answer; the daemon goes on meanwhile.
type Proof = Pin<Box<dyn Future<Output = Result<Proven, ReloadError>> + Send>>;

fn read_again(daemon: &Daemon, path: &Path, environment: &Environment) -> Result<Proof, ReloadError> {
    let config = Config::load(path, environment)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(Box::pin(daemon.prove(config)))
}

fn reloaded(daemon: &Daemon, proven: Result<Proven, ReloadError>, log: &LogHandle) {
    match proven {
        Ok(proven) => {
            log.set_level(proven.log_level());
            let restart = daemon.reload(proven);
            if restart.is_empty() {
                tracing::info!("the config was read again and is in force");
            } else {
                tracing::warn!(
                    parts = restart.join(", "),
                    "the config was read again; these parts need a restart: systemctl restart ringdesk"
                );
            }
        }
        Err(error) => {
            daemon.reload_refused(&error);
            tracing::error!("{}", causes::in_lines(&error));
        }
    }
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::debug!(pid = process::id(), "reload done");
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
