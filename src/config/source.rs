//! `[[pbx.…]]`: where calls come from. The kind is the table's name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::call::SourceName;

use super::duration;
use super::reader::shown;
use super::secret::{self, Secret};
use super::section::Section;
use super::slot::Spot;
use super::values::{self, Pattern};

/// A source of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Asterisk and its kin, by the Asterisk Manager Interface.
    Ami(Ami),
}

impl Source {
    /// The name, unique in the config.
    pub fn name(&self) -> &SourceName {
        match self {
            Self::Ami(ami) => &ami.name,
        }
    }
}

/// A connection to the Asterisk Manager Interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ami {
    /// The first part of our call ids.
    pub name: SourceName,
    /// Name or IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The user of manager.conf.
    pub username: String,
    /// Its secret.
    pub secret: Secret,
    /// TLS, where it is used.
    pub tls: Option<Tls>,
    /// How long connecting and logging in may take, each.
    pub connect_timeout: Duration,
    /// How long the PBX may be silent before it is asked whether it is there.
    pub ping_every: Duration,
    /// How long it may take to answer; then the link is given up.
    pub ping_deadline: Duration,
    /// Channels of outside lines, beyond those that are recognised.
    pub trunks: Vec<Pattern>,
    /// Channels that are phones although their name is no number.
    pub phones: Vec<Pattern>,
    /// Contexts of the dialplan in which calls from outside begin.
    pub inbound_contexts: Vec<Pattern>,
    /// Channel variables that are kept with the call, as they are written in the config.
    pub variables: Vec<String>,
    /// Ask the PBX to send only the events that are needed.
    pub event_filter: bool,
    /// Ask whether the caller's number may be shown.
    pub ask_presentation: bool,
    /// How long to wait for that answer.
    pub presentation_timeout: Duration,
}

/// How the PBX proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of authorities in PEM; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the PBX's certificate (DER): exactly this one is accepted, whoever signed it.
    pub pin_sha256: Option<[u8; 32]>,
    /// The name in the certificate; `None`: the host.
    pub server_name: Option<String>,
}

/// Where calls from outside begin in FreePBX and in the usual hand-written dialplans.
const INBOUND_CONTEXTS: [&str; 6] =
    ["from-trunk*", "from-pstn*", "from-did*", "ext-did*", "from-outside*", "incoming*"];

const SECOND: Duration = Duration::from_secs(1);

/// The sources, and the channel variables of all of them by their names in small letters.
pub(super) fn read(section: Option<Section<'_>>) -> (Vec<Source>, Vec<String>) {
    let mut variables = Vec::new();
    let mut sources = Vec::new();
    let mut names: BTreeMap<SourceName, usize> = BTreeMap::new();
    if let Some(mut pbx) = section {
        pbx.names_are("kind of PBX");
        let tables = pbx.sections("ami");
        if tables.is_empty() && !pbx.has_unknown() {
            pbx.mistake("no PBX is named: write a table [[pbx.ami]]");
        }
        for mut table in tables {
            let name = table
                .parsed("name", |text| {
                    SourceName::try_from(text.to_owned()).map_err(|error| error.to_string())
                })
                .spot_or(SourceName::try_from("main".to_owned()).expect("a name of four letters"));
            *names.entry(name.value.clone()).or_default() += 1;
            if names[&name.value] == 2 {
                let message =
                    format!("two PBXs are called {}: give each its own name", shown(name.value.as_str()));
                table.reader.mistake(&name.place, name.key.clone(), message);
            }
            sources.extend(ami(&mut table, name.value, &mut variables).map(Source::Ami));
        }
    }
    (sources, variables)
}

fn ami(table: &mut Section<'_>, name: SourceName, all_variables: &mut Vec<String>) -> Option<Ami> {
    let variables = table.list("variables", variable).or(Vec::new());
    all_variables.extend(variables.iter().map(|name| name.to_lowercase()));
    let host = table.parsed("host", values::host).or("127.0.0.1".to_owned());
    let tls = tls(table);
    let usual_port = if tls.is_some() { 5039 } else { 5038 };
    let port = table.whole("port", "a TCP port", 1..=65_535).or(usual_port);
    let username = table.parsed("username", |text| values::line(text, 80)).required("\"ringdesk\"");
    let secret = secret::read(table, ["secret", "secret_file", "secret_credential"])
        .required("\"…\", or secret_file or secret_credential");
    let connect_timeout = table.duration("connect_timeout", SECOND..=60 * SECOND).or(10 * SECOND);
    let ping_every = table.duration("ping_every", SECOND..=600 * SECOND).spot_or(20 * SECOND);
    let ping_deadline = table.duration("ping_deadline", SECOND..=600 * SECOND).spot_or(10 * SECOND);
    check_ping(table, &ping_every, &ping_deadline);
    let defaults = || INBOUND_CONTEXTS.map(Pattern::literal).to_vec();
    Some(Ami {
        trunks: table.list("trunks", Pattern::parse).or(Vec::new()),
        phones: table.list("phones", Pattern::parse).or(Vec::new()),
        inbound_contexts: table.list("inbound_contexts", Pattern::parse).or(defaults()),
        variables,
        event_filter: table.flag("event_filter").or(true),
        ask_presentation: table.flag("ask_presentation").or(true),
        presentation_timeout: table
            .duration("presentation_timeout", Duration::from_millis(10)..=2 * SECOND)
            .or(Duration::from_millis(250)),
        name,
        host,
        port,
        username: username?,
        secret: secret?,
        tls,
        connect_timeout,
        ping_every: ping_every.value,
        ping_deadline: ping_deadline.value,
    })
}

/// The name of a channel variable, without the underscores that let dialled channels inherit it.
fn variable(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('_').unwrap_or(text);
    let name = values::line(bare.strip_prefix('_').unwrap_or(bare), 80)?;
    if name.contains([',', '=', ' ', '$', '{', '}']) {
        return Err(format!(
            "{} is no name of a channel variable: write it as in the dialplan, without `${{…}}`, such as \
             \"CRM_ID\"",
            shown(text)
        ));
    }
    Ok(name)
}

/// The next ping must not be due while the last one is still waited for.
fn check_ping(table: &Section<'_>, every: &Spot<Duration>, deadline: &Spot<Duration>) {
    if deadline.value > every.value {
        let message = format!(
            "ping_deadline ({}) is longer than ping_every ({}): make it as long at most",
            duration::written(deadline.value),
            duration::written(every.value)
        );
        // Where the deadline is the built-in one, the other key is the one that was written.
        let written = if deadline.place == table.place { every } else { deadline };
        table.reader.mistake(&written.place, written.key.clone(), message);
    }
}

fn tls(table: &mut Section<'_>) -> Option<Tls> {
    let on = table.flag("tls").or(false);
    let document = table.reader.document;
    let ca_file = table.parsed("ca_file", |text| {
        values::line(text, 4_096)?;
        let path = document.resolve(text);
        match path.metadata() {
            Ok(found) if found.is_file() => Ok(path),
            Ok(_) => Err(format!("{} is no file: name a file with certificates in PEM", path.display())),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    });
    let ca_file = ca_file.optional_spot();
    let pin_sha256 = table.parsed("pin_sha256", pin).optional_spot();
    let server_name = table.parsed("tls_server_name", values::host).optional_spot();
    if !on && !table.learning() {
        let given = [
            ca_file.as_ref().map(|spot| (&spot.place, &spot.key)),
            pin_sha256.as_ref().map(|spot| (&spot.place, &spot.key)),
            server_name.as_ref().map(|spot| (&spot.place, &spot.key)),
        ];
        for (place, key) in given.into_iter().flatten() {
            let message = "without `tls = true` the link is not encrypted and this is not looked at: switch tls \
                           on, or leave the key out";
            table.reader.mistake(place, key.clone(), message);
        }
    }
    on.then(|| Tls {
        ca_file: ca_file.map(|spot| spot.value),
        pin_sha256: pin_sha256.map(|spot| spot.value),
        server_name: server_name.map(|spot| spot.value),
    })
}

fn pin(text: &str) -> Result<[u8; 32], String> {
    let refuse = || {
        format!(
            "{} is no SHA-256: write its 64 hexadecimal digits, with or without colons, as printed by \
             `openssl x509 -noout -fingerprint -sha256`",
            shown(text)
        )
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut pin = [0; 32];
    if digits.len() != 2 * pin.len() {
        return Err(refuse());
    }
    for (byte, pair) in pin.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(refuse);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(pin)
}
