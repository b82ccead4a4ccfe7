//! A phone book of a million people: a look-up, the memory, and how long a restart takes to read it.
//!
//! The people are put into the kept file, which is what a restart finds; a process of its own opens it,
//! so that its memory holds nothing else.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ringdesk::call::E164;
use ringdesk::clock::{self, Clock};
use ringdesk::config::Config;
use ringdesk::phonebook::PhoneBook;
use ringdesk::{assembly, rules};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use crate::support::report::Report;
use crate::support::{folder, house, process};

const PEOPLE: u64 = 1_000_000;

/// As long as German names are on average.
const NAME: &str = "Katharina Müller";

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Nanoseconds for a number that somebody has.
    pub hit: f64,
    /// Nanoseconds for a number that nobody has.
    pub miss: f64,
    /// Bytes of resident memory a number.
    pub bytes: f64,
    /// Seconds to open the kept book.
    pub opened: f64,
}

/// Measures and reports.
pub fn run(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = folder("phonebook");
    runtime.block_on(fill(&folder));
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself).arg("phonebook-child").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [hit, miss, bytes, opened] = figures[..] else { panic!("the child says {text}") };
    report.phonebook(Measured { hit, miss, bytes, opened });
    std::fs::remove_dir_all(folder).unwrap();
}

async fn fill(folder: &Path) {
    // Makes the tables and notes the rules by which numbers were read.
    drop(open(folder).await);
    let options = SqliteConnectOptions::new()
        .filename(folder.join("phonebook.db"))
        .journal_mode(SqliteJournalMode::Wal);
    let mut file = options.connect().await.unwrap();
    let text = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
        INSERT INTO person (id, name, numbers) SELECT 6000000000000 + i, ?2, CAST(493000000000 + i * 7 AS TEXT) FROM n";
    let count = i64::try_from(PEOPLE).unwrap();
    sqlx::query(text).bind(count).bind(NAME).execute(&mut file).await.unwrap();
    sqlx::query("UPDATE reading SET whole = 1, cursor = 'x'").execute(&mut file).await.unwrap();
    file.close().await.unwrap();
}

async fn open(folder: &Path) -> PhoneBook {
    let config: Config = house::config(&house::config_text(1, "http://127.0.0.1:1", folder));
    let numbers = Arc::new(rules::normaliser(&config).unwrap());
    let crm = assembly::crm(&config, &numbers, None, Clock::system()).unwrap();
    let file = assembly::phonebook_path(&config);
    PhoneBook::open(&file, numbers, assembly::book_rules(&config), crm, Clock::system()).await.unwrap()
}

/// The process that opens the book.
pub fn child(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let me = std::process::id();
    // What any book costs (the client, the rules of numbers) is there before.
    let other = folder.join("empty");
    std::fs::create_dir_all(&other).unwrap();
    let _empty = runtime.block_on(open(&other));
    let before = process::megabytes(me, "VmRSS");
    let begin = clock::instant();
    let book = runtime.block_on(open(folder));
    let opened = begin.elapsed().as_secs_f64();
    let after = process::megabytes(me, "VmRSS");
    let nth = |n: u64| E164::from_digits(493_000_000_000 + n * 7).unwrap();
    // A stride that is prime to the million meets every number once, in no order of the memory.
    let numbers = |first: u64| (0..PEOPLE).map(move |n| nth(n * 618_033 % PEOPLE + first));
    let begin = clock::instant();
    let found = numbers(0).filter(|number| book.find(*number).is_some()).count();
    let hit = begin.elapsed();
    let begin = clock::instant();
    let missed = numbers(2 * PEOPLE).filter(|number| book.find(*number).is_none()).count();
    let miss = begin.elapsed();
    assert_eq!((found as u64, missed as u64), (PEOPLE, PEOPLE));
    let each = PEOPLE as f64;
    println!(
        "{} {} {} {opened}",
        hit.as_nanos() as f64 / each,
        miss.as_nanos() as f64 / each,
        (after - before) * 1e6 / each
    );
}
