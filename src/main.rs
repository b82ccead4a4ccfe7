//! The command line.

use std::process::ExitCode;

use ringdesk::cli::{self, Command};
use ringdesk::config::Environment;

fn main() -> ExitCode {
    let cli = match cli::read_command_line() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let environment = Environment::of_process();
    let exit = match cli.command {
        Command::Config(args) => cli::config::execute(&args),
        Command::Check(args) => cli::check::execute(&args, &environment),
        Command::Sandbox(args) => cli::sandbox::execute(&args),
        Command::Run(args) => cli::run::execute(&args, &environment),
        Command::Replay(args) => cli::replay::execute(&args, &environment),
        Command::Calls(args) => cli::calls::execute(&args, &environment),
        Command::Recordings(args) => cli::recordings::execute(&args, &environment),
        Command::Archive(args) => cli::archive::execute(&args, &environment),
        #[cfg(feature = "libsmbclient")]
        Command::ArchiveWorker(args) => cli::archive_worker::execute(&args),
        Command::Demo(args) => cli::demo::execute(&args),
        Command::Doctor(args) => cli::doctor::execute(&args, &environment),
    };
    exit.into()
}
