//! The config: text in, checked values out.
//!
//! One TOML file, environment variables over it, one file of code a section. The kind of a thing is
//! the name of its table (`[[pbx.ami]]`, `[crm.zendesk]`), unknown keys are refused, and every mistake
//! tells its line and column and what is allowed. `config/ringdesk.toml` shows all keys with their
//! defaults; a test holds it equal to the defaults in here.
//!
//! Deliberately absent: a search for the file in several places, includes, variables inside values.

mod agent;
mod archive;
mod callers;
mod crm;
mod document;
mod duration;
mod environment;
mod error;
mod field;
mod group;
mod journal;
mod log;
mod nearest;
mod reader;
mod recording;
mod restart;
mod secret;
mod section;
mod slot;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod ticket;
mod tree;
mod values;
mod web;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml::de::DeTable;

pub use agent::{Agents, ListedAgent};
pub use archive::{Archive, Folder, Share, Smb};
pub use callers::{Callers, PhoneField, Several, UnknownCaller};
pub use crm::{Crm, Voice, Zendesk, ZendeskLogin};
pub use duration::written;
pub use environment::Environment;
pub use error::{ConfigError, Finding, Position};
pub use field::{FieldMapping, Shown, ShownOf};
pub use group::{Did, Group, ReachedBy, WRAP_UP};
pub use journal::{Journal, JournalUrl};
pub use log::{Log, LogFormat};
pub use recording::{Format, PathMap, Recording};
pub use secret::{Secret, Secrets};
pub use source::{Ami, Source, Tls};
pub use ticket::{Priority, Ticket};
pub use values::{Country, Email, Pattern};
pub use web::Web;

use document::{Document, Place};
use reader::{KnownKey, Reader};
use section::Section;

/// The commented default file: every key with its default, its unit and its reason.
pub const COMMENTED: &str = include_str!("../../config/ringdesk.toml");

/// Where the file is when nobody says otherwise.
pub const USUAL_PATH: &str = "/etc/ringdesk/ringdesk.toml";

/// Larger files are no configs. 1000 groups with their own texts need less.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Everything that the admin decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether anything is done.
    pub mode: Mode,
    /// `[log]`
    pub log: Log,
    /// `[[pbx.…]]`; at least one, no two of one name.
    pub sources: Vec<Source>,
    /// `[crm.…]`
    pub crm: Crm,
    /// `[callers]`
    pub callers: Callers,
    /// `[ticket]`; each group has its own copy with its own changes.
    pub ticket: Ticket,
    /// `[[group]]`; no two with the same queue, extension or number.
    pub groups: Vec<Group>,
    /// `[[field]]`; no two for one field.
    pub fields: Vec<FieldMapping>,
    /// `[[show]]`; at most five.
    pub shown: Vec<Shown>,
    /// `[[agent]]`; no two with the same extension.
    pub listed_agents: Vec<ListedAgent>,
    /// `[agents]`
    pub agents: Agents,
    /// `[journal]`
    pub journal: Journal,
    /// `[web]`
    pub web: Web,
    /// `[recording]`
    pub recording: Recording,
    /// `[archive]`; `None`: nothing is copied.
    pub archive: Option<Archive>,
    /// What works but is probably not meant.
    pub warnings: Vec<Finding>,
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Run,
    /// No: it is only written down what would be done.
    Observe,
}

impl Config {
    /// Reads the file, its secrets and the variables over it.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] lists all mistakes that could be found at once, each with its place and
    /// the way out; it never holds a secret.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::load_with(path, environment, Secrets::Needed)
    }

    /// Like [`Config::load`], and says whether secrets must be there.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn load_with(path: &Path, environment: &Environment, secrets: Secrets) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let open_to_others = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .and_then(|found| secret::open_to_others(&found));
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LARGEST {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: LARGEST });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::NotText { path: path.to_owned(), line }
        })?;
        Self::read(Document { path: path.to_owned(), text }, environment, secrets, open_to_others)
    }

    /// Reads a config from text; `path` is what errors call it and where relative paths begin.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn parse(
        text: &str,
        path: &Path,
        environment: &Environment,
        secrets: Secrets,
    ) -> Result<Self, ConfigError> {
        let document = Document { path: path.to_owned(), text: text.to_owned() };
        Self::read(document, environment, secrets, None)
    }

    fn read(
        document: Document,
        environment: &Environment,
        secrets: Secrets,
        open_to_others: Option<u32>,
    ) -> Result<Self, ConfigError> {
        let (parsed, errors) = DeTable::parse_recoverable(&document.text);
        if !errors.is_empty() {
            return Err(ConfigError::Wrong(syntax::findings(&document, &errors, &known_keys())));
        }
        let mut tree = tree::table(parsed.get_ref());
        drop(parsed);
        let reader = Reader::new(&document, environment, secrets);
        for (name, reason) in environment::lay_over(&mut tree, environment) {
            reader.mistake(&Place::Variable(name), "", reason);
        }
        let config = read_top(reader.top(tree));
        if let Some(permissions) = open_to_others.filter(|_| reader.secret_in_file.get()) {
            let message =
                format!("the file has secrets in it and is open to others ({permissions:04o}): chmod 0640");
            reader.warning(&Place::Whole, "", message);
        }
        let (mistakes, warnings) = reader.into_findings();
        match config {
            Some(config) if mistakes.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(ConfigError::Wrong(mistakes)),
        }
    }
}

/// `None` only after a mistake was noted.
fn read_top(mut top: Section<'_>) -> Option<Config> {
    let mode = top.one_of("mode", &[("run", Mode::Run), ("observe", Mode::Observe)]).or(Mode::Run);
    let log = Log::read(top.section("log"));
    let (sources, variables) = source::read(needed(&mut top, "pbx", "[[pbx.ami]]"));
    let crm = crm::read(needed(&mut top, "crm", "[crm.zendesk]"));
    let callers = Callers::read(needed(&mut top, "callers", "[callers]"));
    let ticket = Ticket::read(top.section("ticket"), &variables);
    let recording = Recording::read(top.section("recording"), &variables);
    let group_tables = top.sections("group");
    if group_tables.is_empty() {
        top.reader.warning(&top.place, "", "no [[group]] is named: no call is watched");
    }
    let groups = group::read(group_tables, &ticket, &recording, &variables);
    let fields = field::read_fields(top.sections("field"), &variables);
    let shown = field::read_shown(top.sections("show"));
    let listed_agents = agent::read(top.sections("agent"));
    let agents = Agents::read(top.section("agents"));
    let journal = Journal::read(top.section("journal"));
    let web = Web::read(top.section("web"));
    let archive = Archive::read(top.section("archive"));
    let keeps = recording.voicemail || groups.iter().any(|group| group.record);
    if keeps && u64::from(recording.keep_days) * 24 * 3600 > journal.keep.as_secs() {
        let message = format!(
            "recordings are kept longer than calls ({} days against {}): `ringdesk recordings` does not know them after \
             that",
            recording.keep_days,
            journal.keep.as_secs() / (24 * 3600)
        );
        top.reader.warning(&top.place, "recording.keep_days", message);
    }
    Some(Config {
        mode,
        log,
        sources,
        crm: crm?,
        callers: callers?,
        ticket,
        groups,
        fields,
        shown,
        listed_agents,
        agents,
        journal,
        web,
        recording,
        archive,
        warnings: Vec::new(),
    })
}

/// The table `key`; when there is none, that is a mistake of the whole file.
fn needed<'r>(top: &mut Section<'r>, key: &'static str, header: &str) -> Option<Section<'r>> {
    let given = top.gives(key);
    let section = top.section(key);
    if !given {
        top.reader.mistake(&top.place, key, format!("this table is missing: write {header}"));
    }
    section
}

/// All keys of the config, by reading a file with nothing in it.
fn known_keys() -> Vec<KnownKey> {
    let document = Document { path: Path::new("").to_owned(), text: String::new() };
    let environment = Environment::empty();
    let reader = Reader::learning(&document, &environment);
    read_top(reader.top(tree::Table::new()));
    reader.into_known()
}
