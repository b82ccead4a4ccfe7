//! The commands: what can be typed, and which file does it.

pub mod archive;
#[cfg(feature = "libsmbclient")]
pub mod archive_worker;
pub mod calls;
pub mod check;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod recordings;
pub mod replay;
pub mod run;
pub mod sandbox;

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::USUAL_PATH;

pub use exit::Exit;

/// Turns every answered call of a PBX into the right Zendesk ticket, open on the right agent's screen.
#[derive(Debug, Parser)]
#[command(
    name = "ringdesk",
    version,
    max_term_width = 100,
    after_help = "\
First steps:
  ringdesk demo                       the whole story on this machine, without PBX and Zendesk
  ringdesk config > ringdesk.toml     a config to fill in; every key is explained
  ringdesk check ringdesk.toml        is it right?
  ringdesk doctor --config ringdesk.toml
                                      do PBX and Zendesk answer as they must?
  ringdesk run --config ringdesk.toml

Exit codes: 0 done, 64 wrong command line, 65 wrong data, 66 a file cannot be read,
69 PBX, Zendesk or a port is not available, 70 failure inside, 74 reading or writing failed,
78 wrong config.

Environment: RINGDESK__TABLE__KEY=value goes over the config, RINGDESK_LOG=debug over its log level."
)]
pub struct Cli {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands. What `--help` says of each is the text of its `Args`.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "text here would hide the text of the command's own file")]
pub enum Command {
    Run(run::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Replay(replay::Args),
    Demo(demo::Args),
    Sandbox(sandbox::Args),
    Calls(calls::Args),
    Recordings(recordings::Args),
    Archive(archive::Args),
    #[cfg(feature = "libsmbclient")]
    #[command(hide = true)]
    ArchiveWorker(archive_worker::Args),
    Config(config::Args),
}

/// The option of all commands that work with the config.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFile {
    /// The config
    #[arg(long = "config", short = 'c', value_name = "FILE", default_value = USUAL_PATH)]
    pub path: PathBuf,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Reads the command line. `Err` is how the program ends when there is nothing to do: help and version
/// were printed, or the mistake in the command line.
///
/// # Errors
/// [`Exit::Done`] after `--help` and `--version`, [`Exit::Usage`] after a mistake.
pub fn read_command_line() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
        match error.print() {
            Ok(()) => exit,
            Err(source) => ended_by(&source),
        }
    })
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no mistake.
pub fn print(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(source) => ended_by(&source),
    }
}

/// Prints to standard error; when that is gone there is nobody left to tell.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

fn ended_by(source: &io::Error) -> Exit {
    if source.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Io }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_each_one_is_explained() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
            assert!(command.get_long_about().is_some(), "{name}: one line is not enough");
        }
    }

    #[test]
    fn the_command_lines_of_the_plan_are_understood() {
        let table = [
            "run",
            "run --config x.toml",
            "check",
            "check x.toml",
            "doctor --config x.toml",
            "recordings list --config x.toml",
            "recordings verify",
            "recordings forget main/1795292763.0 --config x.toml",
            "replay --config x.toml a.ami",
            "replay --config x.toml --format json a.1.ami a.2.ami",
            "sandbox --listen 127.0.0.1:0",
            "sandbox --listen [::1]:8999 --seed s.json --fault slow=2s --fault 503@/users=1",
            "demo",
            "demo --headless",
            "calls",
            "archive now --config x.toml --verify",
            "archive now --dry-run",
            "archive status --format json",
            "calls main/1795292763.0 --config x.toml",
            "config",
        ];
        for line in table {
            let words = std::iter::once("ringdesk").chain(line.split(' '));
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        for line in [
            "",
            "runn",
            "replay --config x.toml",
            "sandbox --fault slow",
            "sandbox --fault burn=1",
            "sandbox --fault plan=gold",
            "sandbox --listen 8080",
            "calls x",
            "archive",
            "archive now --dry",
        ] {
            let words = std::iter::once("ringdesk").chain(line.split(' ').filter(|word| !word.is_empty()));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn causes_follow_the_error() {
        let error = crate::config::ConfigError::Unreadable {
            path: "/x".into(),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        };
        let text = crate::causes::in_lines(&error);
        assert!(
            text.starts_with("cannot read /x") && text.ends_with("\n  because: permission denied"),
            "{text}"
        );
    }
}
