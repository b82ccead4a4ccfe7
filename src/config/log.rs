//! `[log]`: how much is written down, and in which form.

use tracing::Level;

use super::section::Section;

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What is less important than this is left out.
    pub level: Level,
    /// The form.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal of systemd when it listens, else text.
    Auto,
    /// Lines for people, with colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
    /// The journal of systemd, with fields.
    Journald,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::INFO, format: LogFormat::Auto }
    }
}

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

const FORMATS: &[(&str, LogFormat)] = &[
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

impl Log {
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        Self {
            level: section.one_of("level", LEVELS).or(default.level),
            format: section.one_of("format", FORMATS).or(default.format),
        }
    }
}
