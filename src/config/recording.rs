//! `[recording]`: how calls are recorded, and what becomes of it. Nothing is recorded until a `[[group]]` says so.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::call::{Field, RecordingWay, Template};

use super::document::Document;
use super::reader::shown;
use super::section::Section;

/// How calls are recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The admin has seen to it that callers are told.
    pub consent: bool,
    /// Who records.
    pub by: RecordingWay,
    /// The file as the PBX names it.
    pub file: Template,
    /// The zone of the dates in file names; `None`: the machine's.
    pub zone: Option<TimeZone>,
    /// Where the PBX's folders are seen from here.
    pub path_map: Vec<PathMap>,
    /// What is not there so long after the call never comes.
    pub give_up_after: Duration,
    /// What was fetched is deleted on the PBX.
    pub delete_source: bool,
    /// What the kept file is called, without its ending.
    pub name: Template,
    /// Files are kept so many days.
    pub keep_days: u32,
    /// With less room on a disk, in MB (10^6 bytes), nothing is recorded.
    pub min_free_mb: u32,
    /// They are attached to the ticket.
    pub attach: bool,
    /// What they are called there, without the ending.
    pub attached_name: Template,
    /// The requester may read the comment that carries them, and hear them.
    pub public: bool,
    /// That comment.
    pub comment: Template,
    /// What they are attached as.
    pub format: Format,
    /// The program that makes it so.
    pub ffmpeg: PathBuf,
    /// The caller's message in a mailbox goes into the ticket as well.
    pub voicemail: bool,
    /// The comment that carries it.
    pub voicemail_comment: Template,
}

/// What a recording is attached as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As it is.
    AsItIs,
    /// MP3.
    Mp3,
    /// Opus.
    Opus,
}

/// A folder of the PBX, and where it is seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMap {
    /// As the PBX names it.
    pub pbx: String,
    /// As this machine names it.
    pub here: PathBuf,
}

const BY_RINGDESK: &str = "/var/spool/asterisk/monitor/ringdesk/{call_id}.wav";
/// FreePBX's folders; the name ends with the Uniqueid and the ending of the format.
const BY_PBX: &str = "/var/spool/asterisk/monitor/{year}/{month}/{day}/*-{linked_id}.wav";
const NAME: &str = "{year}-{month}-{day}_{time}_{caller_number}_{agent_extension|dialled}_{linked_id}";
const ATTACHED_NAME: &str = "recording_{year}-{month}-{day}_{time}_{agent_extension|dialled}";
const COMMENT: &str = "Recording of the call with {agent_name|agent_extension}, {duration}";
const VOICEMAIL_COMMENT: &str = "The message that {caller_number} left";

/// Formats that MixMonitor writes and whose length can be told. One that Asterisk does not know is not told on AMI:
/// the file would just never come.
const ENDINGS: [&str; 4] = ["wav", "WAV", "wav49", "gsm"];

const MINUTE: Duration = Duration::from_secs(60);

impl Default for Recording {
    fn default() -> Self {
        let compiled = |text, allowed| Template::compile(text, allowed).expect("the built-in texts compile");
        Self {
            consent: false,
            by: RecordingWay::Start,
            file: compiled(BY_RINGDESK, Field::OF_FILES),
            zone: None,
            path_map: Vec::new(),
            give_up_after: 10 * MINUTE,
            delete_source: false,
            name: compiled(NAME, Field::OF_FILES),
            keep_days: 30,
            min_free_mb: 1_000,
            attach: true,
            attached_name: compiled(ATTACHED_NAME, Field::OF_FILES),
            public: false,
            comment: compiled(COMMENT, Field::OF_FIELDS),
            format: Format::AsItIs,
            ffmpeg: PathBuf::from("ffmpeg"),
            voicemail: false,
            voicemail_comment: compiled(VOICEMAIL_COMMENT, Field::OF_MISSED),
        }
    }
}

impl Recording {
    pub(super) fn read(section: Option<Section<'_>>, variables: &[String]) -> Self {
        let default = Self::default();
        let Some(mut section) = section else { return default };
        let document = section.reader.document;
        let words = [("ringdesk", RecordingWay::Start), ("pbx", RecordingWay::Find)];
        let by = section.one_of("by", &words).or(default.by);
        let usual = match by {
            RecordingWay::Start => default.file,
            RecordingWay::Find => {
                Template::compile(BY_PBX, Field::OF_FILES).expect("the built-in texts compile")
            }
        };
        let with = |allowed: &'static [Field]| {
            move |text: &str| {
                Template::compile_with(text, allowed, variables).map_err(|error| error.to_string())
            }
        };
        let formats = [("wav", Format::AsItIs), ("mp3", Format::Mp3), ("opus", Format::Opus)];
        Self {
            consent: section.one_of("consent", &[("announced", true)]).optional().unwrap_or(false),
            by,
            file: section.parsed("file", |text| file(text, by)).optional().unwrap_or(usual),
            zone: section
                .parsed("time_zone", |text| {
                    TimeZone::get(text).map_err(|_| {
                        format!("{} is no time zone: write one as \"Europe/Berlin\" or \"UTC\"", shown(text))
                    })
                })
                .optional(),
            path_map: section.list("path_map", |text| path_map(document, text)).or(default.path_map),
            give_up_after: section
                .duration("give_up_after", Duration::from_secs(10)..=24 * 60 * MINUTE)
                .or(default.give_up_after),
            delete_source: section.flag("delete_source").or(default.delete_source),
            name: section.parsed("name", name).or(default.name),
            keep_days: section.whole("keep_days", "days", 1..=36_500).or(default.keep_days),
            min_free_mb: section.whole("min_free_mb", "megabytes", 1..=10_000_000).or(default.min_free_mb),
            attach: section.flag("attach").or(default.attach),
            attached_name: section.parsed("attached_name", attached_name).or(default.attached_name),
            public: section.flag("public").or(default.public),
            comment: section.verbatim("comment", with(Field::OF_FIELDS)).or(default.comment),
            format: section.one_of("format", &formats).or(default.format),
            ffmpeg: section
                .parsed("ffmpeg", |text| match text {
                    "" => Err("it is empty: write the program's name or path".to_owned()),
                    text if text.contains('/') => Ok(document.resolve(text)),
                    text => Ok(PathBuf::from(text)),
                })
                .or(default.ffmpeg),
            voicemail: section.flag("voicemail").or(default.voicemail),
            voicemail_comment: section
                .verbatim("voicemail_comment", with(Field::OF_MISSED))
                .or(default.voicemail_comment),
        }
    }
}

fn compiled(text: &str) -> Result<Template, String> {
    let made = Template::compile(text, Field::OF_FILES).map_err(|error| error.to_string())?;
    let of_one_call = made.fields().any(|field| matches!(field, Field::CallId | Field::LinkedId));
    if !of_one_call {
        return Err(format!(
            "{} has neither {{call_id}} nor {{linked_id}}, so two calls could have one file: write one of them",
            shown(text)
        ));
    }
    Ok(made)
}

fn file(text: &str, by: RecordingWay) -> Result<Template, String> {
    let made = compiled(text)?;
    let refuse = |why: &str| Err(format!("{} {why}", shown(text)));
    if !text.starts_with('/') {
        return refuse("does not begin with a slash: write the whole path, as the PBX names it");
    }
    if text.split('/').any(|part| part == "..") {
        return refuse("leads to other folders: write the path without `..`");
    }
    if by == RecordingWay::Start {
        let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
        if text.contains('*') {
            return refuse("has a `*`: where ringdesk has the PBX record, the name must be whole");
        }
        if !ENDINGS.contains(&ending) {
            return refuse("does not end with a format: write .wav, .WAV (smaller: GSM), .wav49 or .gsm");
        }
        if made.plain().any(|text| text.contains(|c: char| c.is_control() || ",\"'\\()[]{}|$^&".contains(c)))
        {
            return refuse(
                "has a character that Asterisk reads otherwise: write letters, digits and -_./+ only",
            );
        }
    }
    Ok(made)
}

fn name(text: &str) -> Result<Template, String> {
    let made = compiled(text)?;
    let odd = text.starts_with('/') || text.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if odd || text.contains('*') {
        return Err(format!(
            "{} is no name of a file: write one without slash at the beginning, leading dots and `*`",
            shown(text)
        ));
    }
    Ok(made)
}

fn attached_name(text: &str) -> Result<Template, String> {
    let made = Template::compile(text, Field::OF_FILES).map_err(|error| error.to_string())?;
    if text.contains(['/', '*']) || text.starts_with('.') {
        return Err(format!(
            "{} is no name of a file: write one without slash, `*` and leading dot",
            shown(text)
        ));
    }
    Ok(made)
}

fn path_map(document: &Document, text: &str) -> Result<PathMap, String> {
    match text.split_once('=') {
        Some((pbx, here)) if pbx.trim().starts_with('/') && !here.trim().is_empty() => Ok(PathMap {
            pbx: pbx.trim().trim_end_matches('/').to_owned(),
            here: document.resolve(here.trim()),
        }),
        _ => Err(format!(
            "{} is no pair of folders: write the PBX's and this machine's, such as \
             \"/var/spool/asterisk=/mnt/pbx\"",
            shown(text)
        )),
    }
}
