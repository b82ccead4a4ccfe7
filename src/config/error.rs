//! What is wrong with a config, told to the person who edits it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}: give the right path and let the user of the service read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is far too large for a config.
    #[error("{} has more than {limit} bytes: this is no config", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many bytes are allowed.
        limit: u64,
    },
    /// The file is not UTF-8.
    #[error("{}:{line}: not UTF-8 text: save the file as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line of the first wrong byte, from 1.
        line: usize,
    },
    /// There are mistakes in the file or in the environment; all that could be found at once.
    #[error("{}", listed(.0))]
    Wrong(Vec<Finding>),
}

/// A mistake or a warning: where, what, what is allowed. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub position: Position,
    /// The key as one path, such as `pbx.ami.port`; empty where the file is no TOML at all.
    pub key: String,
    /// What is wrong and the way out.
    pub message: String,
}

/// Where a finding stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// In the file as a whole.
    File(PathBuf),
    /// On a line of the file.
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// The line with carets below the mistake, secrets left out; empty where it cannot be shown.
        quote: String,
    },
    /// In an environment variable.
    Variable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = match &self.position {
            Position::File(file) => {
                write!(f, "{}", file.display())?;
                ""
            }
            Position::Line { file, line, column, quote } => {
                write!(f, "{}:{line}:{column}", file.display())?;
                quote
            }
            Position::Variable(name) => {
                write!(f, "environment variable {name}")?;
                ""
            }
        };
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        if !quote.is_empty() {
            write!(f, "\n{quote}")?;
        }
        Ok(())
    }
}

fn listed(mistakes: &[Finding]) -> String {
    let mut text = mistakes.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n\n");
    if mistakes.len() > 1 {
        text.push_str(&format!("\n\n{} mistakes", mistakes.len()));
    }
    text
}
