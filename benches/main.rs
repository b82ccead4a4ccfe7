//! The numbers that ringdesk promises, measured. `make bench` runs all of them and rewrites `BENCHMARKS.md`;
//! `cargo bench --bench figures -- ami journal` runs some and only prints them.
//!
//! A plain program, not criterion: most figures are made by several processes on one machine (a PBX,
//! the daemon, a CRM), and each needs its own way of counting.

#![allow(clippy::unwrap_used, reason = "a bench says so by failing")]

mod ami;
mod answer;
mod archive;
mod journal;
mod phonebook;
#[path = "../tests/archive/samba.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "the tests use more of it, and have their own clock")]
mod samba;
mod support;

use std::path::Path;

use support::report::Report;

const PARTS: [&str; 5] = ["ami", "journal", "phonebook", "archive", "answer"];

fn main() {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["floor", pbx, crm, file] => return support::floor::run(pbx, crm, Path::new(file)),
        ["phonebook-child", folder] => return phonebook::child(Path::new(folder)),
        _ => {}
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.contains(&part);
    assert!(arguments.iter().all(|part| PARTS.contains(part)), "the parts are: {}", PARTS.join(", "));
    let mut report = Report::default();
    for part in PARTS.into_iter().filter(|part| wanted(part)) {
        eprintln!("{part} …");
        match part {
            "ami" => ami::run(&mut report),
            "journal" => journal::run(&mut report),
            "phonebook" => phonebook::run(&mut report),
            "archive" => archive::run(&mut report),
            _ => answer::run(&mut report),
        }
    }
    let text = report.text();
    println!("{text}");
    if arguments.is_empty() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("BENCHMARKS.md");
        std::fs::write(file, text).expect("BENCHMARKS.md can be written");
    }
}
