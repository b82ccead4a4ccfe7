//! The arrows that must not exist between the rooms of the house; `ARCHITECTURE.md` tells why.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files(room: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 2, "{room}: {found:?}");
    found
}

/// The rooms and crates that the lines of code in a room name before `::`, comments left out.
fn names(room: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in files(room) {
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let line = line.replace("crate::", "crate.");
            for (end, _) in line.match_indices("::") {
                let head = &line[..end];
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
                named.insert(head.rsplit(|c| !word(c)).next().unwrap().to_owned());
            }
        }
        // `use crate::{desk, …}` would hide what is named.
        assert!(!text.contains("crate::{"), "write one line for each room");
    }
    assert!(named.contains("std") || named.contains("super"), "{room}: {named:?}");
    named
}

fn names_none_of(room: &str, forbidden: &[&str]) {
    let named = names(room);
    let wrong: Vec<_> = forbidden.iter().filter(|name| named.contains(**name)).collect();
    assert!(wrong.is_empty(), "{room} names {wrong:?}");
}

fn rooms_named_by(room: &str) -> BTreeSet<String> {
    let rooms = names(room).into_iter().filter_map(|name| name.strip_prefix("crate.").map(str::to_owned));
    rooms.filter(|name| name != room).collect()
}

#[test]
fn a_call_names_nothing_of_the_house_and_no_run_time() {
    assert_eq!(rooms_named_by("call"), BTreeSet::new());
    names_none_of(
        "call",
        &["tokio", "reqwest", "sqlx", "fs", "net", "thread", "Instant", "SystemTime", "tracing"],
    );
}

#[test]
fn exits_name_no_entrance_and_not_the_desk() {
    for room in ["crm", "directory", "phonebook"] {
        names_none_of(room, &["crate.pbx", "crate.desk", "crate.dispatch", "crate.journal", "crate.run"]);
    }
}

#[test]
fn recordings_are_kept_without_a_word_of_crm_or_journal() {
    let allowed = ["archive", "call", "causes", "clock", "delivery", "recording"].map(str::to_owned);
    let named = rooms_named_by("recording");
    assert!(named.is_subset(&BTreeSet::from(allowed)), "{named:?}");
}

#[test]
fn entrances_name_no_exit_and_not_the_desk() {
    names_none_of("pbx", &["crate.crm", "crate.desk", "crate.journal", "crate.phonebook", "crate.directory"]);
}

#[test]
fn the_page_reads_status_and_journal_and_nothing_else() {
    let allowed = ["journal", "status"].map(str::to_owned);
    assert_eq!(rooms_named_by("web"), BTreeSet::from(allowed));
}

#[test]
fn the_sandbox_shares_no_type_with_the_client_that_it_tests() {
    let allowed = ["clock", "lifecycle"].map(str::to_owned);
    assert_eq!(rooms_named_by("sandbox"), BTreeSet::from(allowed));
}
