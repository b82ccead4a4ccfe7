//! The connection that looks, and carries the log over.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::Mutex;

use super::super::{
    CallRow, JournalError, KeptRow, OwedRow, OwedWork, Recovered, Story, Unreadable, WorkStanding,
};
use super::{refusal, time, wave};
use crate::call::{Call, CallId, SNAPSHOT_VERSION, StoryLine, Task, TicketId, Work};

pub(super) const KNOWS: &str = "SELECT EXISTS (SELECT 1 FROM call WHERE id = ?1)
    OR EXISTS (SELECT 1 FROM work WHERE call = ?1) OR EXISTS (SELECT 1 FROM story WHERE call = ?1)";
const CALLS: &str =
    "SELECT id, open, started, ended, direction, watched_group, caller, answered_by, outcome, ticket
    FROM call ";
const WORKS: &str = "SELECT call, seq, task, standing, attempts, due, last_error, ended, note
    FROM work ";

pub(in crate::journal) struct Reader {
    path: PathBuf,
    /// `None` once closed.
    connection: Mutex<Option<SqliteConnection>>,
}

impl Reader {
    pub(super) fn new(path: &Path, connection: SqliteConnection) -> Self {
        Self { path: path.to_owned(), connection: Mutex::new(Some(connection)) }
    }

    pub(in crate::journal) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::journal) async fn load(&self) -> Result<Recovered, JournalError> {
        self.look(async |connection| {
            let mut recovered = Recovered::default();
            // One transaction, so that calls and work are of the same moment.
            let mut moment = connection.begin().await?;
            let calls = "SELECT id, version, state FROM call INDEXED BY call_open WHERE open = 1 ORDER BY nr";
            let calls: Vec<(String, u32, String)> = sqlx::query_as(calls).fetch_all(&mut *moment).await?;
            for (key, version, state) in calls {
                match read_call(version, &state) {
                    Ok(call) => recovered.calls.push(call),
                    Err(reason) => recovered.unreadable.push(Unreadable { key, reason }),
                }
            }
            let works = "SELECT call, seq, version, body, attempts, due, last_error
                FROM work INDEXED BY work_unfinished WHERE standing < 2 AND standing = 0 ORDER BY nr";
            for row in sqlx::query(works).fetch_all(&mut *moment).await? {
                match read_work(&row)? {
                    Ok(owed) => recovered.owed.push(owed),
                    Err(unreadable) => recovered.unreadable.push(unreadable),
                }
            }
            moment.rollback().await?;
            Ok(recovered)
        })
        .await
    }

    pub(in crate::journal) async fn knows(&self, id: &CallId) -> Result<bool, JournalError> {
        let id = id.to_string();
        self.look(async |connection| sqlx::query_scalar(KNOWS).bind(id).fetch_one(connection).await).await
    }

    pub(in crate::journal) async fn list(&self, last: u32) -> Result<Vec<CallRow>, JournalError> {
        self.look(async |connection| {
            let text = sqlx::AssertSqlSafe(format!("{CALLS} ORDER BY nr DESC LIMIT ?1"));
            let rows = sqlx::query(text).bind(last).fetch_all(connection).await?;
            rows.iter().map(call_row).collect()
        })
        .await
    }

    pub(in crate::journal) async fn story(&self, id: &CallId) -> Result<Option<Story>, JournalError> {
        let id = id.to_string();
        self.look(async |connection| {
            let mut moment = connection.begin().await?;
            let call = sqlx::AssertSqlSafe(format!("{CALLS} WHERE id = ?1"));
            let Some(call) = sqlx::query(call).bind(&id).fetch_optional(&mut *moment).await? else {
                return Ok(None);
            };
            let lines = "SELECT at, what, why FROM story WHERE call = ?1 ORDER BY nr";
            let lines: Vec<(i64, String, String)> =
                sqlx::query_as(lines).bind(&id).fetch_all(&mut *moment).await?;
            let work = sqlx::AssertSqlSafe(format!("{WORKS} WHERE call = ?1 ORDER BY seq"));
            let work = sqlx::query(work).bind(&id).fetch_all(&mut *moment).await?;
            moment.rollback().await?;
            Ok(Some(Story {
                row: call_row(&call)?,
                lines: lines
                    .into_iter()
                    .map(|(at, what, why)| StoryLine { at: time(at), what, why })
                    .collect(),
                work: work.iter().map(owed_row).collect::<Result<_, _>>()?,
            }))
        })
        .await
    }

    pub(in crate::journal) async fn owed(&self) -> Result<Vec<OwedRow>, JournalError> {
        self.look(async |connection| {
            let text = sqlx::AssertSqlSafe(format!("{WORKS} WHERE standing < 2 ORDER BY nr"));
            sqlx::query(text).fetch_all(connection).await?.iter().map(owed_row).collect()
        })
        .await
    }

    pub(in crate::journal) async fn kept(&self) -> Result<Vec<KeptRow>, JournalError> {
        self.look(async |connection| {
            let text = "SELECT id, version, state FROM call INDEXED BY call_kept
                WHERE kept = 1 ORDER BY nr";
            let calls: Vec<(String, u32, String)> = sqlx::query_as(text).fetch_all(connection).await?;
            // What cannot be read was told at the start.
            let calls = calls.into_iter().filter_map(|(_, version, state)| read_call(version, &state).ok());
            Ok(calls.map(|call| KeptRow::of(&call)).collect())
        })
        .await
    }

    pub(in crate::journal) async fn recall(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.look(async |connection| {
            let text = "SELECT value FROM fact WHERE key = ?1";
            sqlx::query_scalar(text).bind(key).fetch_optional(connection).await
        })
        .await
    }

    /// Copies the log into the file as far as no reader and no writer must be waited for; the next commit
    /// then begins the log anew.
    pub(in crate::journal) async fn checkpoint(&self) -> Result<(), JournalError> {
        self.look(async |connection| {
            sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await.map(drop)
        })
        .await
    }

    async fn look<T>(
        &self,
        look: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, JournalError> {
        let refused = |source| refusal(&self.path, source);
        let mut connection = self.connection.lock().await;
        let connection = connection.as_mut().ok_or_else(|| refused(sqlx::Error::WorkerCrashed))?;
        look(connection).await.map_err(refused)
    }

    pub(in crate::journal) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the journal was not closed in order");
        }
    }
}

/// The state of a call, of this form or an older one.
fn read_call(version: u32, state: &str) -> Result<Call, String> {
    if version > SNAPSHOT_VERSION {
        return Err(newer(version, SNAPSHOT_VERSION));
    }
    serde_json::from_str(state).map_err(|error| broken(&error))
}

fn read_work(row: &SqliteRow) -> Result<Result<OwedWork, Unreadable>, sqlx::Error> {
    let (call, seq): (String, u32) = (row.try_get("call")?, row.try_get("seq")?);
    let key = format!("{call}#{seq}");
    let version: u32 = row.try_get("version")?;
    if version > wave::WORK_VERSION {
        return Ok(Err(Unreadable { key, reason: newer(version, wave::WORK_VERSION) }));
    }
    let task: Task = match serde_json::from_str(row.try_get("body")?) {
        Ok(task) => task,
        Err(error) => return Ok(Err(Unreadable { key, reason: broken(&error) })),
    };
    let call: CallId = match call.parse() {
        Ok(call) => call,
        Err(_) => return Ok(Err(Unreadable { key, reason: "its call has no id".to_owned() })),
    };
    Ok(Ok(OwedWork {
        work: Work { call, seq, task },
        attempts: row.try_get("attempts")?,
        due: time(row.try_get("due")?),
        last_error: row.try_get("last_error")?,
    }))
}

fn newer(found: u32, known: u32) -> String {
    format!(
        "it has the form {found}, this version knows forms up to {known}: install the newer ringdesk again"
    )
}

/// Where the text breaks off, without the text: it holds a caller's data.
fn broken(error: &serde_json::Error) -> String {
    format!("its stored form is broken in column {}", error.column())
}

fn call_row(row: &SqliteRow) -> Result<CallRow, sqlx::Error> {
    Ok(CallRow {
        call: call_id(row, "id")?,
        started: time(row.try_get("started")?),
        ended: row.try_get::<Option<i64>, _>("ended")?.map(time),
        open: row.try_get("open")?,
        direction: row.try_get("direction")?,
        group: row.try_get("watched_group")?,
        caller: row.try_get("caller")?,
        answered_by: row.try_get("answered_by")?,
        outcome: row.try_get("outcome")?,
        ticket: row.try_get::<Option<i64>, _>("ticket")?.map(|id| TicketId(id.cast_unsigned())),
    })
}

fn owed_row(row: &SqliteRow) -> Result<OwedRow, sqlx::Error> {
    let call = call_id(row, "call")?;
    let seq: u32 = row.try_get("seq")?;
    let at = time(row.try_get::<Option<i64>, _>("ended")?.unwrap_or_default());
    let text = row.try_get::<Option<String>, _>("note")?.unwrap_or_default();
    let standing = match row.try_get("standing")? {
        0 => WorkStanding::Owed,
        1 => WorkStanding::Refused { reason: text, at },
        2 => WorkStanding::Done { note: text, at },
        _ => WorkStanding::Withdrawn { reason: text, at },
    };
    Ok(OwedRow {
        key: format!("{call}#{seq}"),
        call,
        task: row.try_get("task")?,
        standing,
        attempts: row.try_get("attempts")?,
        due: time(row.try_get("due")?),
        last_error: row.try_get("last_error")?,
    })
}

fn call_id(row: &SqliteRow, column: &str) -> Result<CallId, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
