//! The command line.

use std::process::ExitCode;

use ringdesk::cli::{self, Command, Exit};
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
        Command::Run(_)
        | Command::Doctor(_)
        | Command::Replay(_)
        | Command::Demo(_)
        | Command::Sandbox(_)
        | Command::Calls(_) => {
            cli::complain("this command is not part of this build");
            Exit::Software
        }
    };
    exit.into()
}
