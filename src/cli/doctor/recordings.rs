//! What `ringdesk doctor` looks at where calls are recorded: folders, rights, room, the encoder.

use std::path::Path;

use super::Findings;
use crate::assembly;
use crate::call::RecordingWay;
use crate::causes;
use crate::config::{Config, Format};
use crate::recording::room;

/// Looks; changes nothing.
pub(super) async fn examine(config: &Config, findings: &mut Findings) {
    let rules = &config.recording;
    let messages = rules.voicemail && config.groups.iter().any(|group| group.ticket.on_voicemail);
    if !config.records() && !messages {
        return;
    }
    if config.records() {
        folder_of_the_pbx(config, findings);
        enough_room(config, findings);
    }
    if messages {
        let mailboxes = "/var/spool/asterisk/voicemail";
        if let Some(here) = assembly::places(config).here(mailboxes) {
            match std::fs::read_dir(&here) {
                Ok(_) => findings.good(&format!("messages: {} can be read", here.display())),
                Err(error) => findings.warn(&format!(
                    "messages: {} cannot be read ({error}): let the group of this service read it, or map it by \
                     `path_map` if the PBX is another machine",
                    here.display()
                )),
            }
        }
    }
    if rules.attach {
        findings.warn(
            "recordings are attached to tickets: whoever has the link of an attachment can hear it without a log-in, \
             unless \"private attachments\" is on in Zendesk (Admin Center, Tickets, Settings)",
        );
    }
    let encoder = assembly::sound(config).encoder;
    match (rules.format, encoder.version().await) {
        (Format::AsItIs, Err(_)) => {}
        (_, Ok(version)) => findings.good(&format!("encoder: {version}")),
        (Format::Mp3 | Format::Opus, Err(error)) => findings.warn(&format!(
            "encoder: {}; until then recordings are attached as they are",
            causes::in_one_line(&error)
        )),
    }
}

fn folder_of_the_pbx(config: &Config, findings: &mut Findings) {
    let rules = &config.recording;
    // What stands before the first placeholder or star.
    let plain = rules.file.plain().next().unwrap_or("/");
    let plain = plain.split('*').next().unwrap_or(plain);
    let folder = plain.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let Some(here) = assembly::places(config).here(folder) else { return };
    let shown = here.display();
    match std::fs::read_dir(&here) {
        Ok(_) => {
            findings.good(&format!("recordings: {shown} can be read"));
            if rules.delete_source && !may_write(&here) {
                findings.warn(&format!(
                    "recordings: files in {shown} cannot be deleted by this user, so delete_source does nothing"
                ));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && rules.by == RecordingWay::Start => {
            findings.warn(&format!(
                "recordings: {shown} is not there yet. Asterisk makes it with the first recording, readable by its own \
                 group: see docs/recordings.md. If the PBX is another machine, mount its folder and map it by `path_map`"
            ));
        }
        Err(error) => findings.wrong(&format!(
            "recordings: {shown} cannot be read ({error}): let the group of this service read it (docs/recordings.md), \
             or mount it and map it by `path_map` if the PBX is another machine"
        )),
    }
}

fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn enough_room(config: &Config, findings: &mut Findings) {
    let least = u64::from(config.recording.min_free_mb);
    for folder in assembly::recording_folders(config) {
        let Some(free) = room::free(&folder).map(|free| free / 1_000_000) else { continue };
        let text = format!("room for recordings at {}: {free} MB free", folder.display());
        match free >= least {
            true => findings.good(&text),
            false => findings.wrong(&format!(
                "{text}, less than min_free_mb = {least}: nothing is recorded until there is more"
            )),
        }
    }
}
