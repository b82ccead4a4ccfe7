//! `ringdesk archive`

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::Subcommand;
use serde_json::json;

use super::{ConfigFile, Exit, Format, complain, print};
use crate::archive::pass::Pass;
use crate::archive::run::Ran;
use crate::archive::{Archive, Diary, DiaryFile, Kept as _, LastRun, Settings};
use crate::clock::Clock;
use crate::config::{Config, Environment, Mode, Secrets};
use crate::{assembly, causes};

/// Copy kept recordings to the share now, or tell how the archive stands
///
/// The daemon does the same by the clock, see `[archive]` in the config. Both may be used side by side: one run at a time,
/// and what one did not finish the next one continues.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is to be done
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Copy now what is not there yet
    Now {
        #[command(flatten)]
        #[expect(missing_docs, reason = "text here would be shown as the command's own")]
        config: ConfigFile,
        /// Also read back all that is there already, and compare the content
        #[arg(long)]
        verify: bool,
        /// Only say what would be copied and deleted
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell when the last run was, how it ended, and when the next one is; does not connect
    Status {
        #[command(flatten)]
        #[expect(missing_docs, reason = "text here would be shown as the command's own")]
        config: ConfigFile,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Does it.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let (path, secrets) = match &args.action {
        Action::Now { config, .. } => (&config.path, Secrets::Needed),
        Action::Status { config, .. } => (&config.path, Secrets::IfReadable),
    };
    let config = match Config::load_with(path, environment, secrets) {
        Ok(config) => config,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let Some(settings) = assembly::archive(&config) else {
        complain("the archive is off: write a table [archive.smb] or [archive.folder] into the config");
        return Exit::Config;
    };
    match &args.action {
        Action::Status { format, .. } => status(&settings, *format),
        Action::Now { verify, dry_run, .. } => {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    complain(&format!("cannot start: {error}"));
                    return Exit::Software;
                }
            };
            let exit = if *dry_run || config.mode == Mode::Observe {
                runtime.block_on(look(&config, &settings, *verify))
            } else {
                runtime.block_on(run(&config, settings, *verify))
            };
            runtime.shutdown_background();
            exit
        }
    }
}

async fn look(config: &Config, settings: &Settings, verify: bool) -> Exit {
    let kept = match assembly::kept_recordings(config).list().await {
        Ok(kept) => kept,
        Err(error) => {
            complain(&format!("the recordings cannot be listed: {error}"));
            return Exit::Io;
        }
    };
    let now = Clock::system().now();
    let pass = Pass { kept: &kept, rules: &settings.rules, verify, more: None, now };
    let plan = async { pass.look(settings.place.connect().await?.as_mut()).await };
    match plan.await {
        Ok(plan) => {
            let mut text = String::new();
            for copy in &plan.copies {
                let _ = writeln!(text, "copy    {}/{}", copy.folder, copy.name);
            }
            for path in plan.expired.iter().chain(&plan.leftovers) {
                let _ = writeln!(text, "delete  {path}");
            }
            let (files, bytes) = (plan.copies.len(), plan.bytes.div_ceil(1_000_000));
            let _ = writeln!(text, "{files} to copy, {bytes} MB; {} are there", plan.there);
            print(&text)
        }
        Err(error) => {
            complain(&causes::in_lines(&error));
            Exit::Unavailable
        }
    }
}

async fn run(config: &Config, settings: Settings, verify: bool) -> Exit {
    let archive = Archive::new(settings, assembly::kept_recordings(config), Clock::system());
    let mut state = archive.state();
    let running = archive.once(verify);
    tokio::pin!(running);
    // On a terminal one line that changes; in a file or a pipe the end alone.
    let shows = std::io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
    let ran = loop {
        tokio::select! {
            ran = &mut running => break ran,
            _ = ticks.tick() => {
                let progress = state.borrow_and_update().running.as_ref().map(|running| running.progress);
                if let Some(progress) = progress.filter(|_| shows) {
                    eprint!("\r{progress} \r");
                }
            }
        }
    };
    match ran {
        Ran::Ended(last, stopped_by) => {
            for problem in &last.problems {
                complain(&format!("not copied: {problem}"));
            }
            let told = print(&format!("{}\n", outcome(&last)));
            match stopped_by {
                Some(error) => {
                    let again = if error.may_pass() { "; trying again may help" } else { "" };
                    complain(&format!("it ended early{again}: {}", causes::in_lines(&error)));
                    Exit::Unavailable
                }
                None if last.problems.is_empty() => told,
                None => Exit::Data,
            }
        }
        Ran::Busy => {
            complain("another run is under way: `ringdesk archive status` tells how far it is");
            Exit::Unavailable
        }
        Ran::Home(error) => {
            complain(&format!("the recordings or the archive's own notes: {error}"));
            Exit::Io
        }
    }
}

fn outcome(last: &LastRun) -> String {
    let mut text = format!("{}; {} were there already", last.copied, last.there);
    if last.deleted > 0 {
        let _ = write!(text, "; {} old copies deleted", last.deleted);
    }
    text
}

fn status(settings: &Settings, format: Format) -> Exit {
    let file = DiaryFile::new(settings.diary.clone());
    let read = file.read().and_then(|diary| {
        // A run that was killed is written down as running; nobody holds its lock.
        let busy = diary.as_ref().is_some_and(|diary| diary.running.is_some()) && file.lock()?.is_none();
        Ok((diary, busy))
    });
    let (mut diary, busy) = match read {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("cannot read {}: {error}", settings.diary.display()));
            return Exit::Io;
        }
    };
    if let Some(diary) = diary.as_mut().filter(|_| !busy) {
        diary.running = None;
    }
    let now = Clock::system().now();
    let next = settings.schedule.next_after(now);
    match format {
        Format::Json => {
            let value = json!({
                "place": settings.place.to_string(), "schedule": settings.schedule.to_string(), "next": next,
                "running": diary.as_ref().and_then(|diary| diary.running.as_ref()),
                "last": diary.as_ref().and_then(|diary| diary.last.as_ref()),
            });
            print(&format!("{value}\n"))
        }
        Format::Text => {
            let zoned = |moment: jiff::Timestamp| {
                moment.to_zoned(settings.rules.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
            };
            print(&text(settings, diary.as_ref(), next.map(zoned).as_deref(), zoned))
        }
    }
}

fn text(
    settings: &Settings,
    diary: Option<&Diary>,
    next: Option<&str>,
    zoned: impl Fn(jiff::Timestamp) -> String,
) -> String {
    let mut text =
        format!("copies go to {}/{}, {}\n", settings.place, settings.rules.root(), settings.schedule);
    if let Some(running) = diary.and_then(|diary| diary.running.as_ref()) {
        let _ = writeln!(text, "under way since {}: {}", zoned(running.began), running.progress);
    }
    match diary.and_then(|diary| diary.last.as_ref()) {
        None => text.push_str("no run has ended yet\n"),
        Some(last) => {
            let _ =
                writeln!(text, "last run {} to {}: {}", zoned(last.began), zoned(last.ended), outcome(last));
            for problem in &last.problems {
                let _ = writeln!(text, "  not copied: {problem}");
            }
            if let Some(error) = &last.stopped_by {
                let _ = writeln!(text, "  it ended early: {error}");
            }
        }
    }
    let _ = writeln!(text, "next run {}", next.unwrap_or("never"));
    text
}
