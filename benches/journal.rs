//! One commit of the journal for 1, 10 and 50 calls that are answered at the same moment, against a
//! plain write of as many bytes and `fdatasync` on the same disk.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ringdesk::call::{Book, Effect, Event, Heard, Identified, Person, PersonId, Rules, Step};
use ringdesk::clock::{self, Clock};
use ringdesk::journal::{Change, Journal, Snapshot};
use ringdesk::pbx::ami::frame::Framer;
use ringdesk::pbx::ami::translate::Translate;
use ringdesk::rules;
use tokio_util::sync::CancellationToken;

use crate::support::report::Report;
use crate::support::sample::Sample;
use crate::support::stream::{QUEUE_CALL, Template};
use crate::support::{folder, house};

const ROUNDS: u64 = 150;
const AT_ONCE: [u64; 3] = [1, 10, 50];

/// What was measured for so many calls at once.
pub struct Committed {
    /// The calls.
    pub calls: u64,
    /// [`Journal::commit`].
    pub commit: Sample,
    /// Write at the end of a file that grows, and `fdatasync`.
    pub append: Sample,
    /// Write into blocks that the file has already, and `fdatasync`.
    pub overwrite: Sample,
}

/// Measures and reports.
pub fn run(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    report.journal(&runtime.block_on(measure()));
}

async fn measure() -> Vec<Committed> {
    let folder = folder("journal");
    let mut calls = Calls::new(&folder);
    let (journal, _lock) = Journal::open(&folder.join("journal.db"), Clock::system(), None).await.unwrap();
    let stop = CancellationToken::new();
    let mut append = OpenOptions::new().create(true).append(true).open(folder.join("append")).unwrap();
    let mut fixed =
        OpenOptions::new().create(true).write(true).truncate(true).open(folder.join("fixed")).unwrap();
    fixed.write_all(&vec![1; 4 * 1024 * 1024]).unwrap();
    fixed.sync_all().unwrap();
    let work = async {
        let mut all = Vec::new();
        for at_once in AT_ONCE {
            let (mut commit, mut grown, mut overwrite) =
                (Sample::default(), Sample::default(), Sample::default());
            for _ in 0..ROUNDS {
                let (rung, answered, bytes): (Vec<_>, Vec<_>, Vec<_>) = calls.take(at_once);
                journal.commit(&rung).await.unwrap();
                let begin = clock::instant();
                journal.commit(&answered).await.unwrap();
                commit.push(begin.elapsed());
                // In the same round, so that all three meet the disk in the same mood.
                let record = vec![b'.'; bytes.iter().sum()];
                let begin = clock::instant();
                append.write_all(&record).unwrap();
                append.sync_data().unwrap();
                grown.push(begin.elapsed());
                fixed.seek(SeekFrom::Start(0)).unwrap();
                let begin = clock::instant();
                fixed.write_all(&record).unwrap();
                fixed.sync_data().unwrap();
                overwrite.push(begin.elapsed());
            }
            all.push(Committed { calls: at_once, commit, append: grown, overwrite });
        }
        all
    };
    // As in the daemon, the log is carried over beside the commits.
    let measured = tokio::select! {
        measured = work => measured,
        () = journal.tend(stop) => unreachable!("nobody stops it"),
    };
    journal.close().await;
    std::fs::remove_dir_all(folder).unwrap();
    measured
}

/// Answered calls, made by the real translator and the real state machine.
struct Calls {
    template: Template,
    translate: Translate,
    rules: Rules,
    next: u64,
}

impl Calls {
    fn new(folder: &std::path::Path) -> Self {
        let config = house::config(&house::config_text(1, "http://127.0.0.1:1", folder));
        let numbers = Arc::new(rules::normaliser(&config).unwrap());
        let ami = house::ami(&config);
        let translate = Translate::new(ami.name.clone(), rules::channel_rules(&config, ami), false);
        let rules = rules::rules(&config, &numbers, None, true);
        Self { template: Template::filtered(QUEUE_CALL), translate, rules, next: 0 }
    }

    /// What is written of so many calls when they ring, and when they are answered, with the bytes of that.
    fn take(&mut self, count: u64) -> (Vec<Change>, Vec<Change>, Vec<usize>) {
        let (mut rung, mut answered, mut bytes) = (vec![], vec![], vec![]);
        for _ in 0..count {
            let call = self.call();
            rung.push(call.0);
            answered.push(call.1);
            bytes.push(call.2);
        }
        (rung, answered, bytes)
    }

    fn call(&mut self) -> (Change, Change, usize) {
        self.next += 1;
        let mut stream = Vec::new();
        self.template.write(self.next, None, &mut stream);
        let mut framer = Framer::new();
        framer.push(&stream);
        let mut heard = Vec::new();
        let mut now = Timestamp::UNIX_EPOCH;
        while let Some(message) = framer.take() {
            now = now.checked_add(SignedDuration::from_millis(1)).unwrap();
            self.translate.on_message(&message, now, &mut heard);
        }
        let mut book = Book::default();
        let mut change = Change::of(heard[0].call.clone());
        let mut rung = None;
        for heard in heard {
            let is_answer = matches!(heard.event, Event::Answered { .. });
            if is_answer {
                change.snapshot = Some(Snapshot::of(book.get(&heard.call).unwrap()));
                rung = Some(std::mem::replace(&mut change, Change::of(heard.call.clone())));
            }
            let step = book.on(&heard, &self.rules);
            self.note(&mut book, &heard, step, &mut change);
            if is_answer {
                let call = book.get(&heard.call).unwrap();
                assert_eq!(change.owe.len(), 1, "an answered call owes its ticket");
                change.snapshot = Some(Snapshot::of(call));
                let bytes = serde_json::to_vec(call).unwrap().len()
                    + serde_json::to_vec(&change.owe[0].task).unwrap().len()
                    + change.story.iter().map(|line| line.what.len()).sum::<usize>();
                return (rung.unwrap(), change, bytes);
            }
        }
        unreachable!("the call of the capture is answered");
    }

    fn note(&self, book: &mut Book, heard: &Heard, step: Step, change: &mut Change) {
        change.story.extend(step.story);
        for effect in step.effects {
            match effect {
                Effect::LookUpCaller { .. } => {
                    let person = Person { id: PersonId(9_300_000_000_001), name: "Petra Sommer".to_owned() };
                    let event = Event::CallerIdentified(Identified::One(person));
                    let found = Heard { call: heard.call.clone(), at: heard.at, event };
                    let step = book.on(&found, &self.rules);
                    self.note(book, &found, step, change);
                }
                Effect::Owe(work) => change.owe.push(work),
                Effect::Record(_) | Effect::Withdraw { .. } => {}
            }
        }
    }
}
