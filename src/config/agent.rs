//! `[[agent]]` and `[agents]`: who sits at which extension, beside what the PBX itself tells.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::call::{Extension, IdError};

use super::reader::shown;
use super::section::Section;
use super::values::{self, Email};

/// An agent listed in the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAgent {
    /// The extension of the phone.
    pub extension: Extension,
    /// The e-mail address in the CRM.
    pub email: Email,
    /// The name; `None`: the CRM's.
    pub name: Option<String>,
}

/// Where agents are found beside the `[[agent]]` tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agents {
    /// A CSV file with the columns `extension`, `email` and, where wanted, `name`.
    pub csv_file: Option<PathBuf>,
    /// Ask the PBX for its voice mailboxes, which have e-mail addresses.
    pub voicemail: bool,
    /// How often PBX and CRM are asked again.
    pub refresh: Duration,
}

impl Default for Agents {
    fn default() -> Self {
        Self { csv_file: None, voicemail: true, refresh: 4 * HOUR }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

impl Agents {
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        let document = section.reader.document;
        let csv_file = section
            .parsed("csv_file", |text| values::line(text, 4_096).map(|text| document.resolve(&text)))
            .optional_spot();
        if let Some(spot) = &csv_file
            && let Err(error) = std::fs::File::open(&spot.value)
        {
            // Not a mistake: the file may come later, and the daemon serves those it knows.
            let message = format!("cannot read {}: {error}: its agents are not known", spot.value.display());
            section.reader.warning(&spot.place, spot.key.clone(), message);
        }
        Self {
            csv_file: csv_file.map(|spot| spot.value),
            voicemail: section.flag("voicemail").or(default.voicemail),
            refresh: section.duration("refresh", HOUR / 60..=24 * HOUR).or(default.refresh),
        }
    }
}

pub(super) fn read(sections: Vec<Section<'_>>) -> Vec<ListedAgent> {
    let mut agents: BTreeSet<Extension> = BTreeSet::new();
    let mut listed = Vec::new();
    for mut section in sections {
        let extension = section
            .parsed("extension", |text| text.parse::<Extension>().map_err(|error: IdError| error.to_string()))
            .required_spot("\"201\"");
        let email = section.parsed("email", Email::parse).required("\"anna.weber@example.com\"");
        let name = section.parsed("name", |text| values::line(text, 100)).optional();
        let (Some(extension), Some(email)) = (extension, email) else {
            continue;
        };
        if !agents.insert(extension.value.clone()) {
            let message = format!(
                "two agents have the extension {}: keep one of the tables",
                shown(extension.value.as_str())
            );
            section.reader.mistake(&extension.place, extension.key, message);
            continue;
        }
        listed.push(ListedAgent { extension: extension.value, email, name });
    }
    listed
}
