//! Every capture of a real Asterisk replays to the truth that the telephones told.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ringdesk::call::{EndedBy, Event};
use ringdesk::config::{Config, Environment, Secrets, Source};
use ringdesk::pbx::ami::frame::Framer;
use ringdesk::pbx::ami::session::{RecordingAsk, RecordingWhat};
use ringdesk::pbx::ami::translate::Translate;
use ringdesk::replay::{Replayed, replay};
use ringdesk::rules;
use serde_json::Value;

/// What AMI cannot tell: see `fixtures/captures/README.md`.
const HIDDEN_FROM_AMI: &str = "prohib";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures")
}

fn truths() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for set in ["ast16", "ast22", "own16", "own22"] {
        let Ok(entries) = fs::read_dir(folder().join(set)) else { continue };
        found.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "json")),
        );
    }
    found.sort();
    found
}

fn config(capture: &Path) -> Config {
    let freepbx = capture.file_name().unwrap().to_string_lossy().starts_with("freepbx");
    let name = if freepbx { "ringdesk-freepbx.toml" } else { "ringdesk.toml" };
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap();
    Config::parse(&text, &path, &Environment::empty(), Secrets::IfReadable).unwrap()
}

/// The streams of a capture: those of one user follow each other, those of two users are the same
/// calls seen twice.
fn sessions(truth: &Value, path: &Path) -> Vec<Vec<PathBuf>> {
    let mut by_user: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for stream in truth["streams"].as_array().unwrap() {
        let file = path.with_file_name(stream["file"].as_str().unwrap());
        by_user.entry(stream["user"].as_str().unwrap().to_owned()).or_default().push(file);
    }
    by_user.into_values().collect()
}

/// FreePBX dials its ring groups from `s`: an account that does not read the class `dialplan` does not
/// see which one it is, unless `channelvars = NODEST` is set. Queues are seen all the same.
fn group_is_hidden(capture: &Path) -> bool {
    let name = capture.file_name().unwrap().to_string_lossy();
    ["freepbx-attended-transfer.least.ami", "freepbx-pickup-directed.least.ami"].contains(&&*name)
}

fn differences(call: &Value, got: Option<&Replayed>, capture: &Path) -> Vec<String> {
    let id = call["uniqueid"].as_str().unwrap_or("?");
    let Some(got) = got else { return vec![format!("{id}: not replayed")] };
    let got = serde_json::to_value(got).unwrap();
    let mut wrong = Vec::new();
    let mut check = |key: &str, expected: &Value| {
        if got[key] != *expected {
            wrong.push(format!("{id}: {key} is {} and must be {expected}", got[key]));
        }
    };
    let hidden = call["presentation_on_pbx"].as_str().is_some_and(|told| told.starts_with(HIDDEN_FROM_AMI));
    check("direction", &call["direction"]);
    check("dialled", &call["dialled"]);
    check("answered_by", &call["answered_by"]);
    check("outcome", &call["outcome"]);
    if !group_is_hidden(capture) {
        check("group", &call["group"]["name"]);
    }
    if !hidden {
        check("caller_withheld", &Value::Bool(call["anonymous"].as_bool().unwrap_or(false)));
        if call["direction"] == "inbound" {
            check("caller_e164", &call["number_e164"]);
            if call["display_sent"].is_string() {
                check("caller_name", &call["display_sent"]);
            }
        }
    }
    // With a feature code the PBX itself holds the caller while the agent dials: AMI tells a hold, the phones do not.
    let by_code = capture.file_name().is_some_and(|name| name.to_string_lossy().contains("-code."));
    check("held", &Value::Bool(call["holds"].is_array() || by_code));
    check("parked", &Value::Bool(call["parked"].is_object()));
    let last = if call["last_agent"].is_string() { &call["last_agent"] } else { &call["answered_by"] };
    check("last_agent", last);
    let mut rang: Vec<&str> =
        call["rang"].as_array().unwrap().iter().map(|ext| ext.as_str().unwrap()).collect();
    rang.sort_unstable();
    let mut got_rang: Vec<&str> =
        got["rang"].as_array().unwrap().iter().map(|ext| ext.as_str().unwrap()).collect();
    got_rang.sort_unstable();
    if rang != got_rang {
        wrong.push(format!("{id}: rang is {got_rang:?} and must be {rang:?}"));
    }
    let transfers = |call: &Value| -> Vec<String> {
        let list = call["transfers"].as_array().cloned().unwrap_or_default();
        list.iter().map(|one| format!("{} {} {}", one["kind"], one["from"], one["to"])).collect()
    };
    if transfers(call) != transfers(&got) {
        wrong.push(format!("{id}: transfers are {:?} and must be {:?}", transfers(&got), transfers(call)));
    }
    let answered_in_group = got["watched"] == true && call["outcome"] == "answered";
    let creates = got["effects"].as_array().unwrap().iter().filter(|name| **name == "create_ticket").count();
    if creates != usize::from(answered_in_group) {
        wrong.push(format!("{id}: {creates} tickets"));
    }
    wrong
        .iter()
        .map(|line| format!("{}: {line}", capture.strip_prefix(folder()).unwrap().display()))
        .collect()
}

#[test]
fn every_capture_replays_to_its_truth() {
    let truths = truths();
    assert!(truths.len() >= 17, "only {} captures found", truths.len());
    let mut wrong = Vec::new();
    for path in truths {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for session in sessions(&truth, &path) {
            let bytes: Vec<Vec<u8>> = session.iter().map(|file| fs::read(file).unwrap()).collect();
            let replayed = replay(&config(&path), &bytes).unwrap();
            let mut expected = 0;
            for call in truth["calls"].as_array().unwrap() {
                if call["seen_by_listener"] == false {
                    continue;
                }
                expected += 1;
                let got = replayed.calls.iter().find(|got| got.summary.pbx_call_id == call["uniqueid"]);
                wrong.extend(differences(call, got, &session[0]));
            }
            if replayed.calls.len() != expected {
                let ids: Vec<_> = replayed.calls.iter().map(|call| &call.summary.pbx_call_id).collect();
                wrong.push(format!("{}: {ids:?} replayed, {expected} calls expected", session[0].display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the PBX said of its calls: by the Uniqueid of the first channel, and what.
fn heard(config: &Config, connections: &[Vec<u8>], variables: &[String]) -> Vec<(String, Event)> {
    let Source::Ami(ami) = &config.sources[0];
    let mut translate =
        Translate::new(ami.name.clone(), rules::channel_rules(config, ami), false).with_variables(variables);
    let mut heard = Vec::new();
    for (index, bytes) in connections.iter().enumerate() {
        if index > 0 {
            translate.resync_begins();
        }
        let mut framer = Framer::new();
        framer.push(bytes);
        while let Some(message) = framer.take() {
            translate.on_message(&message, Timestamp::UNIX_EPOCH, &mut heard);
        }
    }
    heard.into_iter().map(|heard| (heard.call.pbx().to_owned(), heard.event)).collect()
}

#[test]
fn a_message_left_in_a_mailbox_is_heard_with_its_file_and_a_variable_with_its_value() {
    let mut seen = BTreeMap::new();
    for path in truths() {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for session in sessions(&truth, &path) {
            let bytes: Vec<Vec<u8>> = session.iter().map(|file| fs::read(file).unwrap()).collect();
            // Set in the dialplan of the numbers 606 and 607; the case of the name does not matter.
            let heard = heard(&config(&path), &bytes, &["crm_ID".to_owned()]);
            for call in truth["calls"].as_array().unwrap() {
                let of_call = |pick: fn(&Event) -> Option<&str>| -> Vec<&str> {
                    let mine = heard.iter().filter(|(id, _)| call["uniqueid"] == **id);
                    mine.filter_map(|(_, event)| pick(event)).collect()
                };
                let files = of_call(|event| match event {
                    Event::VoicemailLeft { file, .. } => Some(file),
                    _ => None,
                });
                if let Some(file) = call["voicemail"]["file"].as_str() {
                    assert_eq!(files, [file], "{}", session[0].display());
                    *seen.entry("file").or_insert(0) += 1;
                } else if call["voicemail"].is_null() {
                    assert_eq!(files, [""; 0], "{}", session[0].display());
                }
                let values = of_call(|event| match event {
                    Event::Variable { name, value } => (name == "crm_id").then_some(value.as_str()),
                    _ => None,
                });
                if call["dialled"].as_str().is_some_and(|dialled| dialled.ends_with("606")) {
                    let last_four = &call["number_sent"].as_str().unwrap()[9..];
                    assert_eq!(values, [format!("K-{last_four}")], "{}", session[0].display());
                    *seen.entry("value").or_insert(0) += 1;
                } else {
                    assert_eq!(values, [""; 0], "{}", session[0].display());
                }
            }
        }
    }
    // Each with and without the class `dialplan`: `channelvars` tells it as well.
    assert_eq!(seen, [("file", 4), ("value", 4)].into());
}

#[test]
fn every_capture_says_who_ended_each_call() {
    let mut wrong = Vec::new();
    let mut told = BTreeMap::new();
    for path in truths() {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for session in sessions(&truth, &path) {
            let bytes: Vec<Vec<u8>> = session.iter().map(|file| fs::read(file).unwrap()).collect();
            let ends: BTreeMap<String, Option<EndedBy>> = heard(&config(&path), &bytes, &[])
                .into_iter()
                .filter_map(|(id, event)| match event {
                    Event::HungUp { by, .. } => Some((id, by)),
                    _ => None,
                })
                .collect();
            for call in truth["calls"].as_array().unwrap() {
                if call["seen_by_listener"] == false {
                    continue;
                }
                let by = match (call["ended_by"].as_str().unwrap(), call["outcome"].as_str().unwrap()) {
                    ("caller", _) => EndedBy::Caller,
                    // The PBX ends the caller's leg, because the phone refused.
                    ("agent" | "called" | "callee", _) | ("pbx", "busy") => EndedBy::Called,
                    ("pbx" | "pbx restart", _) => EndedBy::Pbx,
                    (other, _) => panic!("who is {other}?"),
                };
                *told.entry(format!("{by:?}")).or_insert(0) += 1;
                let uniqueid = call["uniqueid"].as_str().unwrap();
                let got = ends.get(uniqueid);
                if got != Some(&Some(by)) {
                    let outcome = &call["outcome"];
                    wrong.push(format!(
                        "{}: {uniqueid} ({outcome}) was ended by {got:?} and must be by {by:?}",
                        session[0].display()
                    ));
                }
            }
        }
    }
    assert!(told.len() == 3 && told.values().sum::<u32>() > 300, "{told:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_recording_is_heard_with_its_file_and_with_its_pauses() {
    let mut seen = BTreeMap::new();
    for path in truths() {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let [call] = &truth["calls"].as_array().unwrap()[..] else { continue };
        let recording = &call["recording"];
        if !recording["id"].is_string() {
            continue;
        }
        for session in sessions(&truth, &path) {
            let place = session[0].display().to_string();
            let config = config(&path);
            let Source::Ami(ami) = &config.sources[0];
            let rules = rules::channel_rules(&config, ami);
            let mut translate = Translate::new(ami.name.clone(), rules, false).with_recording();
            let (mut heard, mut asked) = (Vec::new(), Vec::new());
            let mut framer = Framer::new();
            framer.push(&fs::read(&session[0]).unwrap());
            while let Some(message) = framer.take() {
                translate.on_message(&message, Timestamp::UNIX_EPOCH, &mut heard);
                for ask in translate.asks() {
                    if ask.what == (RecordingWhat::Look { id: None }) {
                        // What `Getvar` says then.
                        let answer = Ok(recording["file"].as_str().map(str::to_owned));
                        translate.answered(&ask, &answer, Timestamp::UNIX_EPOCH, &mut heard);
                    }
                    asked.push(ask);
                }
            }
            let mut expected =
                vec![Event::RecordingStarted { file: recording["file"].as_str().unwrap().to_owned() }];
            let pauses: Vec<bool> = recording["paused"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["paused"].as_bool().unwrap())
                .collect();
            expected.extend(pauses.iter().map(|paused| Event::RecordingPaused { paused: *paused }));
            let of_recording = |event: &Event| {
                matches!(event, Event::RecordingStarted { .. } | Event::RecordingPaused { .. })
            };
            let told: Vec<Event> = heard.into_iter().map(|heard| heard.event).filter(of_recording).collect();
            assert_eq!(told, expected, "{place}");
            // Without the class `dialplan` the name must be asked for; without `user` no code is heard.
            let least = place.ends_with(".least.ami");
            let leg = call["uniqueid"].as_str().unwrap().to_owned();
            let ask = |what| RecordingAsk { leg: leg.clone(), what };
            let expected: Vec<RecordingAsk> = if least {
                vec![ask(RecordingWhat::Look { id: None })]
            } else {
                pauses.iter().map(|muted| ask(RecordingWhat::Mute { muted: *muted })).collect()
            };
            assert_eq!(asked, expected, "{place}");
            *seen.entry(least).or_insert(0) += 1;
        }
    }
    // In a queue, paused, through both kinds of transfer; on 16 and 22.
    assert_eq!(seen, [(false, 8), (true, 8)].into());
}
