//! `config/ringdesk.toml` shows what is true.

use super::*;
use crate::config::reader::Presence;

#[test]
fn the_commented_file_is_equal_to_the_defaults() {
    let shown = parse(COMMENTED).unwrap();
    let agent = "[[agent]]\nextension = '201'\nemail = 'anna.weber@example.com'\n";
    let built_in = parse(&format!("{LEAST}{agent}")).unwrap();
    assert_eq!(shown, built_in);
}

/// Tables that are commented out as a whole, with one bracket: examples of what is off until it is written.
const EXAMPLES: [&str; 2] = ["archive.smb", "archive.folder"];

/// The name of a table, from its header; of one that is commented out as well.
fn header(line: &str) -> Option<&str> {
    let bare = line.strip_prefix('#').unwrap_or(line);
    let name = bare.trim_start_matches('[').strip_suffix(']')?.trim_end_matches(']');
    bare.starts_with('[').then_some(name)
}

/// Lines of the commented file as (table, key, whether it is commented out).
fn shown_keys() -> Vec<(String, String, bool)> {
    let (mut keys, mut table, mut in_text) = (Vec::new(), String::new(), false);
    for line in COMMENTED.lines() {
        if in_text {
            in_text = !line.contains("\"\"\"");
        } else if let Some(name) = header(line) {
            table = name.to_owned();
        } else {
            let bare = line.strip_prefix('#').unwrap_or(line);
            if let Some((key, value)) = bare.split_once(" = ")
                && bare.starts_with(|c: char| c.is_ascii_lowercase())
            {
                keys.push((table.clone(), key.to_owned(), line.starts_with('#')));
                in_text = value.trim() == "\"\"\"";
            }
        }
    }
    keys
}

#[test]
fn the_commented_file_shows_every_key_and_each_default_uncommented() {
    let (shown, known) = (shown_keys(), known_keys());
    assert!(known.len() > 60, "{}", known.len());
    for key in &known {
        let line = shown.iter().find(|(table, name, _)| *table == key.table && name == key.key);
        let (_, _, commented) = line.unwrap_or_else(|| panic!("{}.{} is not shown", key.table, key.key));
        let in_commented_table = COMMENTED.lines().any(|line| line == format!("#[[{}]]", key.table))
            || EXAMPLES.contains(&key.table.as_str());
        let may_be_commented = key.presence == Presence::Optional || key.secret || in_commented_table;
        assert!(!commented || may_be_commented, "{}.{}", key.table, key.key);
    }
    for (table, name, _) in &shown {
        assert!(
            known.iter().any(|key| key.table == *table && key.key == name),
            "{table}.{name} is shown, but nobody reads it"
        );
    }
}

fn found_key(line: &str) -> bool {
    line.strip_prefix('#')
        .is_some_and(|bare| bare.starts_with(|c: char| c.is_ascii_lowercase()) && bare.contains(" = "))
}

#[test]
fn every_commented_table_works_when_it_is_uncommented() {
    let mut lines: Vec<String> = COMMENTED.lines().map(str::to_owned).collect();
    let mut tables = 0;
    for at in 0..lines.len() {
        if lines[at].starts_with("#[[") {
            tables += 1;
            let end = (at..lines.len()).find(|line| !lines[*line].starts_with('#')).unwrap();
            lines[at..end].iter_mut().for_each(|line| *line = line[1..].to_owned());
        }
    }
    let config = parse(&lines.join("\n")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((config.fields.len() + config.shown.len(), config.fields.len()), (tables, 3));
}

#[test]
fn every_commented_key_works_when_it_is_uncommented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ringdesk.toml");
    // Of keys that shut each other out, the others are taken away.
    let rivals = [
        ("secret_file", "secret"),
        ("secret_credential", "secret"),
        ("client_secret_file", "client_secret"),
        ("client_secret_credential", "client_secret"),
        ("extension", "queue"),
        ("did", "queue"),
        ("priority", ""),
        ("cron", "at"),
    ];
    let in_commented_tables = |table: &str| COMMENTED.contains(&format!("\n#[[{table}]]\n"));
    let mut tried = 0;
    for (table, key, _) in
        shown_keys().into_iter().filter(|(table, _, commented)| *commented && !in_commented_tables(table))
    {
        let mut text = String::new();
        let mut here = "";
        let mut found = false;
        for line in COMMENTED.lines() {
            let is_header = header(line).is_some();
            here = header(line).unwrap_or(here);
            let name = line.split(" = ").next().unwrap_or("");
            let rival = rivals.iter().any(|(one, other)| *one == key && *other == name);
            if here != table {
                text.push_str(line);
            } else if EXAMPLES.contains(&here) && (is_header || found_key(line)) {
                // The whole example, with one of its secrets.
                let other = ["password", "password_file", "password_credential"]
                    .into_iter()
                    .find(|name| *name == key);
                let secret = name.starts_with("#password");
                if !secret || name == format!("#{}", other.unwrap_or("password")) {
                    text.push_str(&line[1..]);
                }
            } else if name.strip_prefix('#') == Some(key.as_str()) && !found {
                found = true;
                text.push_str(&line[1..]);
            } else if key.starts_with("api_token") || key == "email" {
                // The old way in: both its keys, and none of the new way.
                if name == "#email" || (key == "email" && name == "#api_token") {
                    text.push_str(&line[1..]);
                } else if !name.starts_with("client_") {
                    text.push_str(line);
                }
            } else if table == "pbx.ami" && name == "tls" {
                text.push_str("tls = true");
            } else if table == "pbx.ami" && name == "port" {
            } else if key == "deputy_agent" && name == "#default_agent" {
                text.push_str(&line[1..]);
            } else if !rival {
                text.push_str(line);
            }
            text.push('\n');
        }
        let text = text.replace("/etc/ringdesk/", "");
        for name in [
            "ami.secret",
            "zendesk.secret",
            "zendesk.token",
            "ami",
            "zendesk",
            "zendesk-token",
            "share.secret",
            "share",
            "agents.csv",
            "pbx-ca.pem",
        ] {
            std::fs::write(folder.path().join(name), "hush\n").unwrap();
        }
        let environment = [("CREDENTIALS_DIRECTORY", folder.path())].into_iter().collect();
        if let Err(error) = Config::parse(&text, &file, &environment, Secrets::Needed) {
            panic!("{table}.{key}: {error}");
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}
