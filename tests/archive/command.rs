//! `ringdesk archive` as its admin meets it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::house::{House, noise};
use crate::samba::{PASSWORD, Samba, clients, files, user};

fn config(house: &House, samba: &Samba, more: &str) -> std::path::PathBuf {
    let state = house.folder.path().display().to_string();
    fs::write(house.folder.path().join("share.secret"), format!("{PASSWORD}\n")).unwrap();
    let text = format!(
        "[[pbx.ami]]\nusername = 'u'\nsecret = 's'\n[crm.zendesk]\nurl = 'http://127.0.0.1:1'\nclient_id = 'c'\n\
         client_secret = 's'\n[callers]\ncountry = 'DE'\ndefault_user = 'telephone@example.com'\n[[group]]\n\
         queue = 'support'\n[journal]\nurl = 'sqlite:{state}/journal.db'\n[archive]\ntime_zone = 'Europe/Berlin'\n\
         subfolder = 'team'\ndate_folders = '%Y'\n[archive.smb]\nhost = '127.0.0.1'\nport = {}\nshare = 'calls'\n\
         username = '{}'\npassword_file = 'share.secret'\ntimeout = '5s'\n{more}\n",
        samba.port,
        user()
    );
    let file = house.folder.path().join("ringdesk.toml");
    fs::write(&file, text).unwrap();
    for file in ["ringdesk.toml", "share.secret"] {
        fs::set_permissions(house.folder.path().join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    file
}

fn ringdesk(words: &[&str], config: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringdesk")).args(words).arg("--config").arg(config).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn now_copies_and_status_tells() {
    let mut samba = Samba::start();
    for client in clients() {
        let name = format!("{client:?}").to_lowercase();
        let house = House::new();
        house.keep("2026-11-26_101502_+493023125111_201.wav", &noise(1_500_000));
        let config = config(&house, &samba, &format!("client = '{name}'"));
        let status = ringdesk(&["archive", "status"], &config);
        assert!(
            status.status.success() && said(&status).contains("no run has ended yet"),
            "{}",
            said(&status)
        );
        let dry = ringdesk(&["archive", "now", "--dry-run"], &config);
        assert!(
            said(&dry).contains("1 to copy, 2 MB") && files(&samba.path("calls")).is_empty(),
            "{}",
            said(&dry)
        );
        let now = ringdesk(&["archive", "now"], &config);
        assert_eq!(
            (now.status.code(), said(&now).as_str()),
            (Some(0), "copied 1 of 1, 2 MB of 2 MB; 0 were there already\n")
        );
        let found = files(&samba.path("calls"));
        assert!(
            found.len() == 1 && found.values().next().unwrap() == &noise(1_500_000),
            "{:?}",
            found.keys()
        );
        assert!(found.keys().next().unwrap().starts_with("team/RecordedCalls/20"), "{:?}", found.keys());
        let verified = ringdesk(&["archive", "now", "--verify"], &config);
        assert!(
            said(&verified).contains("copied 0 of 0, 0 MB of 0 MB; 1 were there already"),
            "{}",
            said(&verified)
        );
        // Same size, other content: not the recording.
        let copy = samba.path("calls").join(found.keys().next().unwrap());
        let mut bytes = noise(1_500_000);
        bytes[700_000] ^= 1;
        fs::write(&copy, bytes).unwrap();
        let verified = ringdesk(&["archive", "now", "--verify"], &config);
        assert!(said(&verified).contains("copied 1 of 1"), "{}", said(&verified));
        assert_eq!(files(&samba.path("calls")).len(), 2, "the other file was not touched");
        let status = ringdesk(&["archive", "status"], &config);
        assert!(
            said(&status).contains("last run") && said(&status).contains("next run 20"),
            "{}",
            said(&status)
        );
        samba.kill();
        let away = ringdesk(&["archive", "now"], &config);
        assert_eq!(away.status.code(), Some(69), "{}", said(&away));
        assert!(said(&away).contains("trying again may help"), "{}", said(&away));
        let status = ringdesk(&["archive", "status", "--format", "json"], &config);
        let json: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert!(json["last"]["stopped_by"].as_str().unwrap().contains("//127.0.0.1/calls"), "{json}");
        for output in [&dry, &now, &verified, &away, &status] {
            assert!(!said(output).contains(PASSWORD), "{}", said(output));
        }
        samba.rise();
        fs::remove_dir_all(samba.path("calls/team")).unwrap();
    }
}

#[test]
fn doctor_tries_the_share_and_leaves_nothing() {
    let samba = Samba::start();
    let house = House::new();
    let file = config(&house, &samba, "");
    let told = said(&ringdesk(&["doctor"], &file));
    assert!(
        told.contains("ok       archive //127.0.0.1/calls: a file could be written, read back"),
        "{told}"
    );
    assert!(told.contains("team/RecordedCalls is not there yet"), "{told}");
    assert!(files(&samba.path("calls")).is_empty());
    fs::write(house.folder.path().join("share.secret"), "wrong").unwrap();
    let told = said(&ringdesk(&["doctor"], &file));
    assert!(
        told.contains("problem  archive //127.0.0.1/calls: //127.0.0.1/calls refuses the user"),
        "{told}"
    );
}
