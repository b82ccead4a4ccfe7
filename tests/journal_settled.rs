//! Work that came to an end stays ended in the journal.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use jiff::ToSpan as _;
use ringdesk::call::{Agent, Call, CallId, Task, TicketId, Work};
use ringdesk::clock::Clock;
use ringdesk::journal::{Change, HowSettled, Journal, Postponed, Settled, Snapshot, WorkStanding};

fn pop(call: &CallId, seq: u32) -> Work {
    let agent = Agent { extension: "201".parse().unwrap(), email: None, name: None };
    Work { call: call.clone(), seq, task: Task::PopScreen { ticket: TicketId(1), agent }, worth_until: None }
}

#[tokio::test]
async fn what_is_settled_is_not_owed_after_a_restart_and_what_is_postponed_keeps_its_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("journal.db");
    let clock = Clock::system();
    let now = clock.now();
    let (journal, lock) = Journal::open(&place, clock.clone(), None).await.unwrap();
    let id: CallId = "main/1795660292.0".parse().unwrap();
    let (first, second) = (pop(&id, 1), pop(&id, 2));

    let mut owed = Change::of(id.clone());
    owed.snapshot = Some(Snapshot::of(&Call::new(id.clone(), now)));
    owed.owe = vec![first.clone(), second.clone()];
    journal.commit(&[owed]).await.unwrap();

    let mut ended = Change::of(id.clone());
    let how = HowSettled::Done { note: "open at 201".to_owned() };
    ended.settle.push(Settled { key: first.key(), how, at: now });
    let due = now + 5.seconds();
    ended.postpone.push(Postponed { key: second.key(), due, attempts: 1, error: "no answer".to_owned() });
    journal.commit(&[ended]).await.unwrap();
    journal.close().await;
    drop(lock);

    let (journal, _lock) = Journal::open(&place, clock, None).await.unwrap();
    let owed = journal.load().await.unwrap().owed;
    assert_eq!(owed.iter().map(|owed| (owed.work.seq, owed.attempts)).collect::<Vec<_>>(), [(2, 1)]);
    let work = journal.story(&id).await.unwrap().unwrap().work;
    assert_eq!(work[0].standing, WorkStanding::Done { note: "open at 201".to_owned(), at: now });
    assert_eq!(work[1].last_error.as_deref(), Some("no answer"));
}
