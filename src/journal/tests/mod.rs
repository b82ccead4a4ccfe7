//! The journal through its door: what goes in comes back, whatever happens in between.

mod durable;
mod forms;
mod model;
mod one_daemon;
mod prune;
mod room;
mod round_trips;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::call::{
    Agent, Call, CallId, Phase, Requester, StoryLine, Task, Ticket, TicketChange, TicketDraft, TicketId, Work,
};

/// A folder that holds one journal.
struct Shelf {
    folder: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("state").join("journal.db")
    }

    async fn open(&self) -> (Journal, Lock) {
        open(&self.place()).await
    }
}

async fn open(place: &Path) -> (Journal, Lock) {
    Journal::open(place, Clock::standing_at(at(0)), None).await.unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_292_763 + second).unwrap()
}

fn id(number: u32) -> CallId {
    format!("main/1795292763.{number}").parse().unwrap()
}

/// A call that rings.
fn call(number: u32) -> Call {
    let mut call = Call::new(id(number), at(number.into()));
    call.group = Some("support".to_owned());
    call
}

/// The same call, closed at this second.
fn closed(number: u32, second: i64) -> Call {
    let outcome = crate::call::Outcome::Answered;
    let phase = Phase::Closed { at: at(second), outcome, by: None, estimated: false };
    Call { phase, ..call(number) }
}

fn anna() -> Agent {
    Agent {
        extension: "201".parse().unwrap(),
        email: Some("anna.weber@example.com".to_owned()),
        name: Some("Anna Weber".to_owned()),
    }
}

fn draft() -> TicketDraft {
    TicketDraft {
        external_id: "ringdesk:main/1795292763.0".to_owned(),
        requester: Requester::DefaultUser,
        assignee: Some(anna()),
        group: Some("Support".to_owned()),
        subject: "Call from +493023125111".to_owned(),
        comment: "A \"quoted\" line\nand Özdemir's 📞".to_owned(),
        public: false,
        tags: vec!["telephone".to_owned()],
        priority: Some("high".to_owned()),
        pop: Some(anna()),
        tells_candidates: true,
        author: None,
        for_default_agent: false,
        reuse_within: 0,
    }
}

fn pop(number: u32, seq: u32) -> Work {
    let task = Task::PopScreen { ticket: TicketId(35_436), agent: anna() };
    Work { call: id(number), seq, task }
}

fn create(number: u32, seq: u32) -> Work {
    Work { call: id(number), seq, task: Task::CreateTicket(Box::new(draft())) }
}

fn update(number: u32, seq: u32, comment: &str) -> Work {
    let change = TicketChange { comment: Some(comment.to_owned()), ..TicketChange::default() };
    Work {
        call: id(number),
        seq,
        task: Task::UpdateTicket { ticket: TicketId(35_436), change: Box::new(change) },
    }
}

fn line(second: i64, what: &str) -> StoryLine {
    StoryLine { at: at(second), what: what.to_owned(), why: String::new() }
}

fn writes(call: &Call) -> Change {
    Change { snapshot: Some(Snapshot::of(call)), ..Change::of(call.id.clone()) }
}

fn owes(work: Work) -> Change {
    Change { owe: vec![work.clone()], ..Change::of(work.call) }
}

fn settles(number: u32, seq: u32, how: HowSettled) -> Change {
    let settled = Settled { key: format!("{}#{seq}", id(number)), how, at: at(9) };
    Change { settle: vec![settled], ..Change::of(id(number)) }
}

fn postpones(number: u32, seq: u32, attempts: u32, error: &str) -> Change {
    let key = format!("{}#{seq}", id(number));
    let postponed = Postponed { key, due: at(60), attempts, error: error.to_owned() };
    Change { postpone: vec![postponed], ..Change::of(id(number)) }
}

fn done() -> HowSettled {
    HowSettled::Done { note: "ticket 35436 made by 1 request".to_owned() }
}

fn refused() -> HowSettled {
    HowSettled::Refused { reason: "the CRM says no".to_owned() }
}

fn withdrawn() -> HowSettled {
    HowSettled::Withdrawn { reason: "nobody waits for it".to_owned() }
}

/// The keys of what is owed after a restart.
async fn owed_keys(journal: &Journal) -> Vec<String> {
    journal.load().await.unwrap().owed.into_iter().map(|owed| owed.work.key()).collect()
}
