//! A batch in the form in which it goes to SQLite: one statement, however many calls.
//!
//! The thread of the connection hands the end of each statement back, which costs more than the
//! statement, and each new text must be compiled. So the batch is one row of JSON arrays that goes
//! into a view, whose trigger spreads it over the tables. A statement outside of a transaction is a
//! transaction of its own: it takes the lock for writing at its beginning, as `BEGIN IMMEDIATE` does,
//! is durable when it has ended, and has changed nothing when it fails (sqlite.org/lang_transaction.html).

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Change, HowSettled, Postponed, Settled, Snapshot};
use super::{nanos, parts};
use crate::call::Work;

/// The version of the stored form of [`Work::task`].
pub(super) const WORK_VERSION: u32 = 1;

/// What the connection that writes needs, once. View and trigger are the connection's own, so that they
/// are no part of the file's form.
pub(super) const PREPARE: &str = "
CREATE TEMP VIEW wave (calls, story, owe, settle, postpone) AS SELECT NULL, NULL, NULL, NULL, NULL;
CREATE TEMP TRIGGER write_wave INSTEAD OF INSERT ON wave BEGIN
INSERT INTO call (id, open, started, ended, direction, watched_group, caller, answered_by, outcome, ticket, version, state,
        kept)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8,
           value->>9, value->>10, value->>11, value->>12
    FROM json_each(NEW.calls) WHERE true
    ON CONFLICT (id) DO UPDATE SET open = excluded.open, started = excluded.started, ended = excluded.ended,
        direction = excluded.direction, watched_group = excluded.watched_group, caller = excluded.caller,
        answered_by = excluded.answered_by, outcome = excluded.outcome, ticket = excluded.ticket,
        version = excluded.version, state = excluded.state, kept = excluded.kept;
INSERT INTO story (call, nr, at, what, why)
    SELECT value->>0, coalesce((SELECT max(nr) FROM story WHERE call = value->>0), 0) + 1 + key,
           value->>1, value->>2, value->>3
    FROM json_each(NEW.story);
INSERT INTO work (call, seq, task, version, body, standing, attempts, due)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, 0, 0, value->>5
    FROM json_each(NEW.owe) WHERE true
    ON CONFLICT (call, seq) DO UPDATE SET task = excluded.task, version = excluded.version,
        body = excluded.body
    WHERE standing = 0;
UPDATE work SET standing = value->>2, ended = value->>3, note = value->>4
    FROM json_each(NEW.settle) WHERE call = value->>0 AND seq = value->>1 AND standing < 2;
UPDATE work SET standing = 0, ended = NULL, note = NULL, due = value->>2, attempts = value->>3,
        last_error = value->>4
    FROM json_each(NEW.postpone) WHERE call = value->>0 AND seq = value->>1 AND standing < 2;
END";

/// One transaction: as many rows as there are waves, in their order.
pub(super) fn text(waves: usize) -> String {
    let row = "(?, ?, ?, ?, ?)";
    format!("INSERT INTO wave VALUES {}", vec![row; waves].join(", "))
}

/// Changes whose order does not matter beyond that of the five statements: no key of work is touched
/// by an earlier statement after a later one.
#[derive(Debug, Default)]
pub(super) struct Wave {
    calls: Vec<Value>,
    story: Vec<Value>,
    owe: Vec<Value>,
    settle: Vec<Value>,
    postpone: Vec<Value>,
}

impl Wave {
    /// The row of [`text`]. An empty array is NULL, which costs SQLite nothing.
    pub(super) fn row(self) -> [Option<String>; 5] {
        let Self { calls, story, owe, settle, postpone } = self;
        [calls, story, owe, settle, postpone]
            .map(|rows| (!rows.is_empty()).then(|| Value::Array(rows).to_string()))
    }
}

/// The waves of a batch; nearly always one.
pub(super) fn waves(batch: &[Change], now: Timestamp) -> Vec<Wave> {
    let mut waves = Waves { done: vec![], last: Wave::default(), touched: HashMap::new() };
    for change in batch {
        let call = change.call.to_string();
        if let Some(snapshot) = &change.snapshot {
            waves.last.calls.push(call_row(&call, snapshot));
        }
        for line in &change.story {
            waves.last.story.push(json!([call, nanos(line.at), line.what, line.why]));
        }
        for work in &change.owe {
            waves.touch(&work.call.to_string(), work.seq, Statement::Owe).owe.push(owed_row(work, now));
        }
        for settled in &change.settle {
            if let Some((call, seq)) = parts(&settled.key) {
                waves.touch(call, seq, Statement::Settle).settle.push(settled_row(call, seq, settled));
            }
        }
        for postponed in &change.postpone {
            if let Some((call, seq)) = parts(&postponed.key) {
                let row = postponed_row(call, seq, postponed);
                waves.touch(call, seq, Statement::Postpone).postpone.push(row);
            }
        }
    }
    waves.done.push(waves.last);
    waves.done
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Statement {
    Owe,
    Settle,
    Postpone,
}

struct Waves {
    done: Vec<Wave>,
    last: Wave,
    touched: HashMap<(String, u32), Statement>,
}

impl Waves {
    /// The wave into which this statement for this key may go.
    ///
    /// The same statement twice needs two waves as well: `UPDATE … FROM` takes any one of several rows.
    fn touch(&mut self, call: &str, seq: u32, statement: Statement) -> &mut Wave {
        let before = self.touched.insert((call.to_owned(), seq), statement);
        if before.is_some_and(|before| before >= statement) {
            self.done.push(std::mem::take(&mut self.last));
            self.touched.clear();
            self.touched.insert((call.to_owned(), seq), statement);
        }
        &mut self.last
    }
}

fn call_row(call: &str, snapshot: &Snapshot) -> Value {
    json!([
        call,
        i64::from(snapshot.open),
        nanos(snapshot.started),
        snapshot.ended.map(nanos),
        snapshot.direction,
        snapshot.group,
        snapshot.caller,
        snapshot.answered_by,
        snapshot.outcome,
        // SQLite's integers have a sign; ids come back as they went in.
        snapshot.ticket.map(|ticket| ticket.0.cast_signed()),
        snapshot.version,
        snapshot.state,
        i64::from(snapshot.kept),
    ])
}

fn owed_row(work: &Work, now: Timestamp) -> Value {
    let body = serde_json::to_string(&work.task).expect("a task has only text keys and no fallible parts");
    json!([work.call, work.seq, work.task.name(), WORK_VERSION, body, nanos(now)])
}

fn settled_row(call: &str, seq: u32, settled: &Settled) -> Value {
    let (standing, note) = match &settled.how {
        HowSettled::Refused { reason } => (1, reason),
        HowSettled::Done { note } => (2, note),
        HowSettled::Withdrawn { reason } => (3, reason),
    };
    json!([call, seq, standing, nanos(settled.at), note])
}

fn postponed_row(call: &str, seq: u32, postponed: &Postponed) -> Value {
    json!([call, seq, nanos(postponed.due), postponed.attempts, postponed.error])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::super::{Change, HowSettled, Journal, Postponed, Settled, WorkStanding};
    use crate::call::{CallId, Task, TicketId, Work};
    use crate::clock::Clock;

    #[tokio::test]
    async fn work_that_is_postponed_and_then_settled_is_owed_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(Timestamp::from_second(1_795_292_763).unwrap());
        let (journal, _lock) =
            Journal::open(&folder.path().join("journal.db"), clock.clone(), None).await.unwrap();
        let id: CallId = "main/1795292763.0".parse().unwrap();
        let task = Task::UpdateTicket { ticket: TicketId(2), change: Box::default() };
        let work = Work { call: id.clone(), seq: 1, task };
        let key = work.key();

        let mut change = Change::of(id.clone());
        change.owe.push(work);
        journal.commit(&[change]).await.unwrap();
        let owed = journal.owed().await.unwrap();
        assert_eq!((owed.len(), owed[0].attempts), (1, 0));

        let mut change = Change::of(id.clone());
        let error = "nobody answered".to_owned();
        change.postpone.push(Postponed { key: key.clone(), due: clock.now(), attempts: 3, error });
        journal.commit(&[change]).await.unwrap();
        let owed = journal.owed().await.unwrap();
        assert_eq!((owed.len(), owed[0].attempts), (1, 3));
        assert_eq!(owed[0].last_error.as_deref(), Some("nobody answered"));
        assert!(matches!(owed[0].standing, WorkStanding::Owed));

        let mut change = Change::of(id.clone());
        let how = HowSettled::Done { note: "done".to_owned() };
        change.settle.push(Settled { key, how, at: clock.now() });
        journal.commit(&[change]).await.unwrap();
        assert_eq!(journal.owed().await.unwrap().len(), 0);
        assert_eq!(journal.load().await.unwrap().owed.len(), 0);
    }
}
