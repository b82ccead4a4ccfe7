//! The parts of the daemon, made of the config: what `run`, `doctor` and the demo share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use crate::archive::share::smb2::Smb;
use crate::archive::{self, Place};
use crate::call::Agent;
use crate::clock::Clock;
use crate::config::{self, Config, JournalUrl, Mode, ReachedBy, ZendeskLogin};
use crate::crm::zendesk::{Credentials, Options, PhoneField, ShowField, ShowOf, Voice, Zendesk};
use crate::crm::{Crm, LineError, ReadNumbers};
use crate::directory::{HouseRules, WantedGroup};
use crate::kept::KeptRecordings;
use crate::phonebook::{BookRules, Normaliser, Several};
use crate::recording::{Encoder, Format, Places, Sound};

/// The file of the journal. What is only observed is written beside it, so that nothing that is owed
/// counts as done, and a rehearsal may run beside the service.
pub fn journal_path(config: &Config) -> PathBuf {
    match &config.journal.url {
        JournalUrl::Sqlite(path) => for_mode(path, config.mode),
    }
}

fn for_mode(path: &Path, mode: Mode) -> PathBuf {
    match mode {
        Mode::Run => path.to_owned(),
        Mode::Observe => path.with_extension("observe.db"),
    }
}

/// The file of the kept phone book, beside the journal.
pub fn phonebook_path(config: &Config) -> PathBuf {
    for_mode(&journal_path(config).with_file_name("phonebook.db"), config.mode)
}

/// The CRM's client. `numbers` reads what people wrote into it; `voice_known` is what an earlier run found out about screen pops.
///
/// # Errors
/// When the client cannot be made of these options.
pub fn crm(
    config: &Config,
    numbers: &Arc<Normaliser>,
    voice_known: Option<bool>,
    clock: Clock,
) -> Result<Crm, LineError> {
    let config::Crm::Zendesk(zendesk) = &config.crm;
    let credentials = match &zendesk.login {
        ZendeskLogin::OAuth { client_id, client_secret, scope } => Credentials::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: SecretString::from(client_secret.expose().to_owned()),
            scope: scope.clone(),
        },
        ZendeskLogin::Token { email, api_token } => Credentials::ApiToken {
            email: email.as_str().to_owned(),
            token: SecretString::from(api_token.expose().to_owned()),
        },
    };
    let options = Options {
        url: zendesk.url.clone(),
        credentials,
        voice: match zendesk.voice {
            config::Voice::Auto => Voice::Auto,
            config::Voice::Off => Voice::Off,
        },
        voice_known,
        request_timeout: zendesk.request_timeout,
        connect_timeout: zendesk.connect_timeout,
        requests_per_minute: zendesk.requests_per_minute,
        max_in_flight: zendesk.max_in_flight,
        phone_fields: phone_fields(config),
        show: config.shown.iter().map(show_field).collect(),
        calls_app_id: zendesk.calls_app_id,
        numbers: Arc::clone(numbers) as Arc<dyn ReadNumbers>,
    };
    Ok(Crm::Zendesk(Arc::new(Zendesk::new(options, clock)?)))
}

fn show_field(shown: &config::Shown) -> ShowField {
    let of = match &shown.of {
        config::ShownOf::User(key) => ShowOf::Person(key.clone()),
        config::ShownOf::Ticket(title) => ShowOf::LastTicket(title.clone()),
    };
    ShowField { label: shown.label.clone(), of }
}

fn phone_fields(config: &Config) -> Vec<PhoneField> {
    let field = |field: &config::PhoneField| match field {
        config::PhoneField::Phone => PhoneField::Phone,
        config::PhoneField::Identity => PhoneField::Identity,
        config::PhoneField::UserField(key) => PhoneField::UserField(key.clone()),
    };
    config.callers.phone_fields.iter().map(field).collect()
}

/// The rules of the phone book.
pub fn book_rules(config: &Config) -> BookRules {
    let config::Crm::Zendesk(zendesk) = &config.crm;
    BookRules {
        several: match config.callers.several {
            config::Several::Unknown => Several::Unknown,
            config::Several::First => Several::First,
        },
        refresh: config.callers.refresh,
        keep_found: config.callers.keep_found,
        keep_not_found: config.callers.keep_not_found,
        search_timeout: config.callers.search_timeout,
        origin: format!("{} {:?}", zendesk.url, config.callers.phone_fields),
    }
}

/// What the directory is told by the config.
pub fn house_rules(config: &Config) -> HouseRules {
    let config::Crm::Zendesk(zendesk) = &config.crm;
    let groups = config.groups.iter().map(|group| WantedGroup {
        name: group.name.clone(),
        crm_name: group.crm_group.clone(),
        queue: match &group.reached_by {
            ReachedBy::Queue(queue) => Some(queue.clone()),
            ReachedBy::Extension(_) | ReachedBy::Did(_) => None,
        },
    });
    let agents = config.listed_agents.iter().map(|agent| Agent {
        extension: agent.extension.clone(),
        email: Some(agent.email.as_str().to_owned()),
        name: agent.name.clone(),
    });
    HouseRules {
        agents: agents.collect(),
        groups: groups.collect(),
        csv_file: config.agents.csv_file.clone(),
        refresh: config.agents.refresh,
        default_user: config.callers.default_user.as_str().to_owned(),
        default_user_name: config.callers.default_user_name.clone(),
        default_agent: zendesk.default_agent.as_ref().map(|email| email.as_str().to_owned()),
        deputy_agent: zendesk.deputy_agent.as_ref().map(|email| email.as_str().to_owned()),
        only_look: config.mode == config::Mode::Observe,
    }
}

/// How many requests may be under way at once.
pub fn max_in_flight(config: &Config) -> usize {
    let config::Crm::Zendesk(zendesk) = &config.crm;
    zendesk.max_in_flight as usize
}

/// What the archive is told; `None`: nothing is copied.
pub fn archive(config: &Config) -> Option<archive::Settings> {
    let wanted = config.archive.as_ref()?;
    let place = match &wanted.share {
        config::Share::Folder(folder) => Place::Folder {
            path: folder.path.clone(),
            must_be_mounted: folder.must_be_mounted,
            limit: folder.timeout,
        },
        config::Share::Smb(smb) => Place::Smb(
            Smb {
                host: smb.host.clone(),
                port: smb.port,
                share: smb.share.clone(),
                username: smb.username.clone(),
                domain: smb.domain.clone(),
                password: SecretString::from(smb.password.expose().to_owned()),
                require_encryption: smb.require_encryption,
                limit: smb.timeout,
            },
            smb.client,
        ),
    };
    let rules = archive::Rules {
        subfolder: wanted.subfolder.clone(),
        date_folders: wanted.date_folders.clone(),
        zone: wanted.schedule.zone().clone(),
        keep_days: wanted.keep_days,
    };
    let diary = journal_path(config).with_file_name("archive.json");
    Some(archive::Settings { schedule: wanted.schedule.clone(), place, rules, diary })
}

/// The folder of kept recordings, beside the journal.
pub fn recordings_path(config: &Config) -> PathBuf {
    journal_path(config).with_file_name("recordings")
}

/// The recordings that are kept at home, for a command beside the daemon.
pub fn kept_recordings(config: &Config) -> KeptRecordings {
    KeptRecordings::beside(recordings_path(config), journal_path(config))
}

/// The PBX's folders as this machine sees them.
pub fn places(config: &Config) -> Places {
    let maps = config.recording.path_map.iter();
    Places::new(maps.map(|map| (map.pbx.clone(), map.here.clone())).collect())
}

/// The folders whose disks must have room: ours, and that of the PBX's recordings where it is seen from here.
pub fn recording_folders(config: &Config) -> Vec<PathBuf> {
    // What stands before the first placeholder.
    let plain = config.recording.file.plain().next().unwrap_or("/");
    let plain = plain.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let of_pbx = places(config).here(plain).filter(|folder| folder.is_dir());
    [Some(recordings_path(config)), of_pbx].into_iter().flatten().collect()
}

/// What recordings are attached as.
pub fn sound(config: &Config) -> Sound {
    Sound {
        format: match config.recording.format {
            config::Format::AsItIs => Format::AsItIs,
            config::Format::Mp3 => Format::Mp3,
            config::Format::Opus => Format::Opus,
        },
        encoder: Encoder::new(config.recording.ffmpeg.clone()),
    }
}

/// The key under which the journal keeps what was found out about the account's screen pops.
pub fn pops_key(config: &Config) -> String {
    let config::Crm::Zendesk(zendesk) = &config.crm;
    format!("voice {}", zendesk.url)
}
