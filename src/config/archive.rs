//! `[archive]`: copies of kept recordings on a share. The kind of share is the name of the table in it; without
//! one, nothing is copied.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::document::Document;
use super::reader::shown;
use super::secret::{self, Secret};
use super::section::Section;
use super::values;
use crate::archive::{Schedule, SmbClient};

/// Copies on a share.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// When they are made.
    pub schedule: Schedule,
    /// The folder on the share, with forward slashes; empty: the share itself.
    pub subfolder: String,
    /// Folders made of the recording's time, as strftime(3); empty: none.
    pub date_folders: String,
    /// Copies are kept so many days; `None`: for ever.
    pub keep_days: Option<u32>,
    /// Where they go.
    pub share: Share,
}

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// A mounted folder.
    Folder(Folder),
    /// An SMB share.
    Smb(Smb),
}

/// A mounted folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// Something must be mounted at it.
    pub must_be_mounted: bool,
    /// How long one step may take.
    pub timeout: Duration,
}

/// An SMB share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smb {
    /// The server.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The share.
    pub share: String,
    /// The user, without domain.
    pub username: String,
    /// The user's domain; empty: none.
    pub domain: String,
    /// The password.
    pub password: Secret,
    /// Who speaks to the server.
    pub client: SmbClient,
    /// Nothing goes in clear.
    pub require_encryption: bool,
    /// How long one step may take.
    pub timeout: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl Archive {
    /// `None` where nothing is to be copied, or after a mistake was noted.
    pub(super) fn read(section: Option<Section<'_>>) -> Option<Self> {
        let mut section = section?;
        let schedule = schedule(&mut section);
        let subfolder = section.parsed("subfolder", subfolder).or(String::new());
        let date_folders = section.parsed("date_folders", date_folders).or(String::new());
        let keep_days = section.whole("keep_days", "days", 1..=36_500).optional();
        let document = section.reader.document;
        let folder =
            section.section("folder").map(|mut table| (folder(document, &mut table), table.place.clone()));
        let smb = section.section("smb").map(|mut table| (smb(&mut table), table.place.clone()));
        let share = match (folder, smb) {
            (Some(_), Some((_, place))) => {
                section.reader.mistake(
                    &place,
                    "archive.smb",
                    "[archive.folder] is there as well: keep one of the two",
                );
                return None;
            }
            (Some((folder, _)), None) => Share::Folder(folder?),
            (None, Some((smb, _))) => Share::Smb(smb?),
            (None, None) => return None,
        };
        Some(Self { schedule: schedule?, subfolder, date_folders, keep_days, share })
    }
}

fn schedule(section: &mut Section<'_>) -> Option<Schedule> {
    let zone = section
        .parsed("time_zone", |text| {
            TimeZone::get(text).map_err(|_| {
                format!("{} is no time zone: write one as \"Europe/Berlin\" or \"UTC\"", shown(text))
            })
        })
        .optional()
        .unwrap_or_else(TimeZone::system);
    let times = section.list("at", time_of_day);
    let at_is_given = times.is_given();
    let times_place = times.place();
    let times = times.or(vec![Time::constant(3, 30, 0, 0)]);
    let cron = section
        .parsed("cron", |text| {
            Schedule::cron(text, zone.clone()).map_err(|error| {
                format!(
                    "{} is no cron line ({error}): write minute, hour, day, month and day of the week, such as \
                     \"30 3 * * 1-5\"",
                    shown(text)
                )
            })
        })
        .optional_spot();
    match cron {
        Some(cron) if at_is_given => {
            section.reader.mistake(&cron.place, cron.key, "`at` is set as well: keep one of the two");
            None
        }
        Some(cron) => Some(cron.value),
        None => {
            if times.is_empty() {
                let place = times_place.unwrap_or_else(|| section.place.clone());
                let message = "no time is named: write at least one, such as [\"03:30\"]";
                section.reader.mistake(&place, section.path_of("at"), message);
                return None;
            }
            Some(Schedule::at(times, zone))
        }
    }
}

fn folder(document: &Document, table: &mut Section<'_>) -> Option<Folder> {
    let path = table.parsed("path", |text| match text {
        "" => Err("it is empty: write the path of the folder".to_owned()),
        text => Ok(document.resolve(text)),
    });
    let path = path.required("\"/mnt/nas\"");
    Some(Folder {
        must_be_mounted: table.flag("must_be_mounted").or(true),
        timeout: table.duration("timeout", SECOND..=600 * SECOND).or(30 * SECOND),
        path: path?,
    })
}

fn smb(table: &mut Section<'_>) -> Option<Smb> {
    let host = table.parsed("host", values::host).required("\"nas.example.com\"");
    let port = table.whole("port", "a TCP port", 1..=65_535_u16).or(445);
    let share = table.parsed("share", share).required("\"recordings\"");
    let username = table.parsed("username", username).required_spot("\"ringdesk\"");
    let domain = table.parsed("domain", domain).optional_spot();
    let password = secret::read(table, ["password", "password_file", "password_credential"]);
    let password = password.required("\"…\", or password_file or password_credential");
    let clients = [("smb2", SmbClient::Smb2), ("libsmbclient", SmbClient::Libsmbclient)];
    let client = table.one_of("client", &clients).spot_or(SmbClient::Smb2);
    if client.value == SmbClient::Libsmbclient && !cfg!(feature = "libsmbclient") {
        let message = "this ringdesk was built without libsmbclient: build it with `--features libsmbclient`, or \
                       mount the share and use [archive.folder]";
        table.reader.mistake(&client.place, client.key.clone(), message);
    }
    let require_encryption = table.flag("require_encryption").spot_or(false);
    if require_encryption.value && client.value == SmbClient::Smb2 {
        let message = "the client \"smb2\" cannot demand encryption: set client = \"libsmbclient\", or mount the \
                       share (option `seal`) and use [archive.folder]";
        table.reader.mistake(&require_encryption.place, require_encryption.key.clone(), message);
    }
    let timeout = table.duration("timeout", SECOND..=600 * SECOND).or(30 * SECOND);
    // Windows' way of writing both in one; the protocol has two fields.
    let username = username?;
    let (in_name, user) = match username.value.split_once('\\') {
        Some((domain, user)) => (Some(domain.to_owned()), user.to_owned()),
        None => (None, username.value),
    };
    let domain = match (in_name, domain) {
        (Some(_), Some(domain)) => {
            let message = "the username has a domain in it as well: keep one of the two";
            table.reader.mistake(&domain.place, domain.key, message);
            return None;
        }
        (in_name, domain) => in_name.or(domain.map(|spot| spot.value)).unwrap_or_default(),
    };
    Some(Smb {
        host: host?,
        port,
        share: share?,
        username: user,
        domain,
        password: password?,
        client: client.value,
        require_encryption: require_encryption.value,
        timeout,
    })
}

fn time_of_day(text: &str) -> Result<Time, String> {
    let parse = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let digits = |part: &str| part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hour) || !digits(minute) || minute.len() != 2 {
            return None;
        }
        Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
    };
    parse(text)
        .ok_or_else(|| format!("{} is no time of the day: write it as \"03:30\" or \"18:00\"", shown(text)))
}

/// Backslashes are understood, out of habit.
fn subfolder(text: &str) -> Result<String, String> {
    let text = text.replace('\\', "/");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    match parts.iter().find(|part| crate::archive::names::safe(part) != **part) {
        Some(part) => Err(format!(
            "{} cannot be a folder on every share: write names without < > : \" | ? * and without a dot or blank at \
             the end, such as \"team/phone\"",
            shown(part)
        )),
        None => Ok(parts.join("/")),
    }
}

fn date_folders(text: &str) -> Result<String, String> {
    let sample = jiff::civil::date(2026, 11, 26)
        .at(10, 15, 2, 0)
        .to_zoned(TimeZone::UTC)
        .map_err(|e| e.to_string())?;
    let made = jiff::fmt::strtime::format(text, &sample);
    match made {
        Ok(made) if !text.starts_with('/') && subfolder(&made).is_ok() && !made.contains("..") => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "{} makes no folders: write it as \"%Y/%m\" or \"%Y-%m-%d\", or \"\" for none",
            shown(text)
        )),
    }
}

fn share(text: &str) -> Result<String, String> {
    let bare = text.trim_matches(['/', '\\']);
    if bare.is_empty() || bare.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']) || bare.len() > 80 {
        return Err(format!(
            "{} is no share's name: write the name alone, such as \"recordings\"; host and subfolder have their own keys",
            shown(text)
        ));
    }
    Ok(bare.to_owned())
}

fn username(text: &str) -> Result<String, String> {
    let text = values::line(text, 256)?;
    match text.split_once('\\') {
        Some((domain, user)) if domain.is_empty() || user.is_empty() || user.contains('\\') => {
            Err(format!("{} is no user: write \"user\" or 'DOMAIN\\user'", shown(&text)))
        }
        _ => Ok(text),
    }
}

fn domain(text: &str) -> Result<String, String> {
    values::line(text, 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_a_colon() {
        for (text, hour, minute) in [("03:30", 3, 30), ("3:30", 3, 30), ("23:59", 23, 59), ("00:00", 0, 0)] {
            assert_eq!(time_of_day(text), Ok(Time::constant(hour, minute, 0, 0)));
        }
        for text in ["", "3", "3.30", "24:00", "12:60", "12:5", "-1:30", "12:30:00", "noon"] {
            assert!(time_of_day(text).unwrap_err().contains("\"03:30\""), "{text}");
        }
    }

    #[test]
    fn folders_have_forward_slashes_and_names_that_every_share_takes() {
        for (text, made) in
            [("", ""), ("team/phone", "team/phone"), ("\\team\\phone\\", "team/phone"), ("/a//b/", "a/b")]
        {
            assert_eq!(subfolder(text).as_deref(), Ok(made));
        }
        for text in ["a:b", "../x", "a/./b", "CON", "end."] {
            assert!(subfolder(text).is_err(), "{text}");
        }
        for text in ["", "%Y/%m", "%Y-%m-%d", "%Y/%V"] {
            assert_eq!(date_folders(text).as_deref(), Ok(text));
        }
        for text in ["%", "/%Y", "%H:%M", "%Y/../%m", "%Q%"] {
            assert!(date_folders(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_is_a_name_alone() {
        assert_eq!(share("\\recordings").as_deref(), Ok("recordings"));
        for text in ["", "//nas/recordings", "smb://nas", "a|b"] {
            assert!(share(text).is_err(), "{text}");
        }
        for (text, good) in
            [("anna", true), ("OFFICE\\anna", true), ("\\anna", false), ("a\\b\\c", false), ("", false)]
        {
            assert_eq!(username(text).is_ok(), good, "{text}");
        }
    }
}
