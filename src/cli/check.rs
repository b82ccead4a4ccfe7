//! `ringdesk check`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::call::RecordingWay;
use crate::config::{
    Archive, Config, Crm, Environment, Finding, Mode, ReachedBy, Secrets, Share, Source, USUAL_PATH,
    UnknownCaller, WRAP_UP, ZendeskLogin, written,
};

use super::Exit;

/// Read a config and say what is wrong with it; asks nobody
///
/// Looks at the file, at the environment variables over it and at the files with secrets. Every mistake is told
/// with line, column and what is allowed. Whether PBX and Zendesk answer is told by `ringdesk doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The config
    #[arg(value_name = "FILE", default_value = USUAL_PATH)]
    pub file: PathBuf,
}

/// Prints what was found: a summary and warnings, or all mistakes.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    // Secrets that only the service gets are no mistake of whoever checks.
    match Config::load_with(&args.file, environment, Secrets::IfReadable) {
        Ok(config) => super::print(&summary(&args.file, &config)),
        Err(error) => {
            super::complain(&crate::causes::in_lines(&error));
            Exit::Config
        }
    }
}

fn summary(path: &Path, config: &Config) -> String {
    let mut text = format!("{} is fine\n\n", path.display());
    let mut line = |name: &str, value: String| {
        writeln!(text, "  {name:<9} {value}").expect("a string takes everything");
    };
    line(
        "mode",
        match config.mode {
            Mode::Run => "run".to_owned(),
            Mode::Observe => "observe: nothing will be touched".to_owned(),
        },
    );
    for source in &config.sources {
        line("pbx", source_line(source));
    }
    line("crm", crm_line(&config.crm));
    let callers = &config.callers;
    let area = callers.area_code.as_ref().map_or(String::new(), |code| format!(", area code {code}"));
    let unknown = match callers.unknown {
        UnknownCaller::DefaultUser => format!("unknown ones are {}", callers.default_user),
        UnknownCaller::NewUser => {
            format!("unknown ones become new users, hidden ones {}", callers.default_user)
        }
    };
    line("callers", format!("{}{area}; {unknown}", callers.country));
    for group in &config.groups {
        let recorded = if group.record { ", recorded" } else { "" };
        line(
            "group",
            format!(
                "{}: {}, Zendesk group \"{}\", wrap-up {}{recorded}",
                group.name,
                group.reached_by,
                group.crm_group,
                match (group.wrap_up, &group.reached_by) {
                    (Some(time), _) => written(time),
                    (None, ReachedBy::Queue(_)) => format!("as the queue says, else {}", written(WRAP_UP)),
                    (None, _) => written(WRAP_UP),
                }
            ),
        );
    }
    let mut more = Vec::new();
    if let Some(file) = &config.agents.csv_file {
        more.push(format!("more in {}", file.display()));
    }
    if config.agents.voicemail {
        more.push("more from the PBX's voice mailboxes".to_owned());
    }
    let listed = format!("{} in this file", config.listed_agents.len());
    line("agents", std::iter::once(listed).chain(more).collect::<Vec<_>>().join(", "));
    line("journal", format!("{}, {} days", config.journal.url, config.journal.keep.as_secs() / 86_400));
    let recording = &config.recording;
    if config.records() || recording.voicemail {
        let by = match recording.by {
            RecordingWay::Start => "begun by ringdesk",
            RecordingWay::Find => "found where the PBX puts them",
        };
        let attached = if recording.attach { "attached to tickets" } else { "not attached" };
        line("recorded", format!("{by}, {attached}, kept {} days", recording.keep_days));
    }
    if let Some(archive) = &config.archive {
        line("archive", archive_line(archive));
    }
    line("web", config.web.listen.map_or("off".to_owned(), |address| format!("http://{address}/")));

    match config.warnings.len() {
        0 => {}
        1 => text.push_str("\n1 warning\n"),
        count => text.push_str(&format!("\n{count} warnings\n")),
    }
    for warning in config.warnings.iter().map(Finding::to_string) {
        text.push_str(&format!("\n{warning}\n"));
    }
    text.push_str(&format!(
        "\nNext: `ringdesk doctor --config {}` asks the PBX and Zendesk.\n",
        path.display()
    ));
    text
}

fn source_line(source: &Source) -> String {
    match source {
        Source::Ami(ami) => {
            let host = if ami.host.contains(':') { format!("[{}]", ami.host) } else { ami.host.clone() };
            let link = match &ami.tls {
                None => "",
                Some(tls) if tls.pin_sha256.is_some() => ", TLS with a pinned certificate",
                Some(_) => ", TLS",
            };
            format!("{}: Asterisk at {host}:{} as {}{link}", ami.name, ami.port, ami.username)
        }
    }
}

fn archive_line(archive: &Archive) -> String {
    let place = match &archive.share {
        Share::Folder(folder) => folder.path.display().to_string(),
        Share::Smb(smb) => format!("//{}/{} as {}", smb.host, smb.share, smb.username),
    };
    let keep = archive.keep_days.map_or("kept for ever".to_owned(), |days| format!("kept {days} days"));
    format!("{place}, {}, {keep}", archive.schedule)
}

fn crm_line(crm: &Crm) -> String {
    match crm {
        Crm::Zendesk(zendesk) => {
            let login = match &zendesk.login {
                ZendeskLogin::OAuth { client_id, .. } => format!("OAuth client {client_id}"),
                ZendeskLogin::Token { email, .. } => format!("API token of {email}, until 2027-04-30"),
            };
            format!("Zendesk at {}, {login}", zendesk.url)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, String> {
        let path = Path::new("/etc/ringdesk/ringdesk.toml");
        Config::parse(text, path, &Environment::empty(), Secrets::IfReadable)
            .map(|config| summary(path, &config))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_right_config_is_summed_up() {
        let text = check(crate::config::COMMENTED).unwrap();
        assert_eq!(
            text,
            "/etc/ringdesk/ringdesk.toml is fine

  mode      run
  pbx       main: Asterisk at 127.0.0.1:5038 as ringdesk
  crm       Zendesk at https://example.zendesk.com/, OAuth client ringdesk
  callers   DE; unknown ones are telephone@example.com
  group     support: queue support, Zendesk group \"support\", wrap-up as the queue says, else 30s
  agents    1 in this file, more from the PBX's voice mailboxes
  journal   sqlite:/var/lib/ringdesk/journal.db, 90 days
  web       http://127.0.0.1:8980/

Next: `ringdesk doctor --config /etc/ringdesk/ringdesk.toml` asks the PBX and Zendesk.
"
        );
    }

    #[test]
    fn what_becomes_of_recordings_is_told() {
        let text = crate::config::COMMENTED.replace("record = false", "record = true");
        assert!(check(&text).is_err(), "without consent");
        let text = check(&text.replace("#consent", "consent")).unwrap();
        assert!(text.contains("recorded  begun by ringdesk, attached to tickets, kept 30 days\n"), "{text}");
    }

    #[test]
    fn warnings_are_counted_and_quoted() {
        let open = crate::config::COMMENTED.replace("\"127.0.0.1:8980\"", "\"0.0.0.0:8980\"");
        let text = check(&open.replace("#csv_file = \"/etc/", "csv_file = \"/nowhere/")).unwrap();
        assert!(text.contains("\n2 warnings\n") && text.contains("| listen = \"0.0.0.0:8980\"\n"), "{text}");
    }

    #[test]
    fn the_exit_code_tells_right_from_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ringdesk.toml");
        let run = || execute(&Args { file: file.clone() }, &Environment::empty());
        assert_eq!(run(), Exit::Config);
        std::fs::write(&file, crate::config::COMMENTED).unwrap();
        assert_eq!(run(), Exit::Done);
        std::fs::write(&file, "mode = 'walk'\n").unwrap();
        assert_eq!(run(), Exit::Config);
    }
}
