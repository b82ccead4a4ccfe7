//! How the program ends: the numbers of sysexits(3), so that scripts and systemd can tell.

use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// What was given to read is not what it must be, such as a capture that is none (`EX_DATAERR`).
    Data = 65,
    /// A file given on the command line cannot be read (`EX_NOINPUT`).
    NoInput = 66,
    /// Something outside that must be there is not: the PBX, the CRM, a port that is taken, another
    /// daemon that holds the journal (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The program itself failed: a task ended that must not end (`EX_SOFTWARE`).
    Software = 70,
    /// Reading or writing failed (`EX_IOERR`).
    Io = 74,
    /// The config is wrong (`EX_CONFIG`). The systemd unit does not start the service again then.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_stays_down_when_only_a_person_can_help() {
        let unit = include_str!("../../systemd/ringdesk.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
        assert_eq!(line, format!("{} {}", Exit::Usage as u8, Exit::Config as u8));
        assert!(unit.contains(&format!("--config {}\n", crate::config::USUAL_PATH)));
    }
}
