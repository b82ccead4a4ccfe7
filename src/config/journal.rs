//! `[journal]`: where calls and owed work are remembered.

use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::reader::shown;
use super::section::Section;

const DEFAULT_PATH: &str = "/var/lib/ringdesk/journal.db";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Where it is kept.
    pub url: JournalUrl,
    /// How long ended calls are kept, in whole days.
    pub keep: Duration,
}

/// Where the journal is kept. A second kind (PostgreSQL) becomes a second variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalUrl {
    /// A file of SQLite, as an absolute path or one from the folder we run in.
    Sqlite(PathBuf),
}

impl std::fmt::Display for JournalUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { url: JournalUrl::Sqlite(DEFAULT_PATH.into()), keep: 90 * DAY }
    }
}

impl Journal {
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        let document = section.reader.document;
        Self {
            url: section.parsed("url", |text| url(document, text)).or(default.url),
            keep: DAY * section.whole("keep_days", "days", 1..=3_650).or(90_u32),
        }
    }
}

fn url(document: &Document, text: &str) -> Result<JournalUrl, String> {
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        // The address may hold a password: it is not shown.
        return Err(
            "this version keeps its journal in SQLite only: write \"sqlite:/path/journal.db\"".to_owned()
        );
    }
    let path = text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    // `mode=rwc` (make the file when it is missing) is written out of habit and is what we do anyway.
    let path = path.map(|path| path.strip_suffix("?mode=rwc").unwrap_or(path));
    match path {
        Some(path) if !path.is_empty() && !path.contains(['?', '\0']) && !path.starts_with(":memory:") => {
            Ok(JournalUrl::Sqlite(document.resolve(path)))
        }
        _ => Err(format!(
            "{} is no place for the journal: write \"sqlite:\" and the path of a file, such as \
             \"sqlite:{DEFAULT_PATH}\"",
            shown(text)
        )),
    }
}
