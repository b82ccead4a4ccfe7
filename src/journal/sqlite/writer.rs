//! The connection that writes. Only the desk waits for it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::Mutex;

use super::super::{Change, JournalError};
use super::reader::KNOWS;
use super::{nanos, refusal, wave};
use crate::call::CallId;

/// So many calls go in one step of pruning: a few milliseconds.
const PRUNED_AT_ONCE: u32 = 100;

pub(in crate::journal) struct Writer {
    path: PathBuf,
    hand: Mutex<Hand>,
}

struct Hand {
    /// `None` once closed.
    connection: Option<SqliteConnection>,
    /// A transaction was begun whose end was not seen: it failed, or who waited for it went away.
    unended: bool,
}

impl Writer {
    pub(super) fn new(path: &Path, connection: SqliteConnection) -> Self {
        let hand = Hand { connection: Some(connection), unended: false };
        Self { path: path.to_owned(), hand: Mutex::new(hand) }
    }

    pub(in crate::journal) async fn commit(
        &self,
        batch: &[Change],
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let waves = wave::waves(batch, now);
        self.transaction(async |connection| {
            let text = sqlx::AssertSqlSafe(wave::text(waves.len()));
            let (usual, mut insert) = (waves.len() == 1, sqlx::query(text));
            for wave in waves {
                for rows in wave.row() {
                    insert = insert.bind(rows);
                }
            }
            // More than one wave is rare, and its text would push others out of the cache.
            insert.persistent(usual).execute(connection).await.map(drop)
        })
        .await
    }

    pub(in crate::journal) async fn remember(&self, key: &str, value: &str) -> Result<(), JournalError> {
        self.transaction(async |connection| {
            let text = "INSERT INTO fact (key, value) VALUES (?1, ?2)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            sqlx::query(text).bind(key).bind(value).execute(connection).await.map(drop)
        })
        .await
    }

    pub(in crate::journal) async fn knows(&self, id: &CallId) -> Result<bool, JournalError> {
        let id = id.to_string();
        self.transaction(async |connection| sqlx::query_scalar(KNOWS).bind(id).fetch_one(connection).await)
            .await
    }

    pub(in crate::journal) async fn prune(&self, older_than: Timestamp) -> Result<u64, JournalError> {
        let (mut pruned, mut seen) = (0, 0_i64);
        loop {
            // Each step takes the connection anew, so that commits go between.
            let step = self.transaction(async |connection| {
                let text = "SELECT nr, id, open = 0 AND coalesce(ended, started) < ?2 AND NOT EXISTS
                        (SELECT 1 FROM work WHERE call = call.id AND standing < 2)
                    FROM call WHERE nr > ?1 ORDER BY nr LIMIT ?3";
                let rows: Vec<(i64, String, bool)> = sqlx::query_as(text)
                    .bind(seen)
                    .bind(nanos(older_than))
                    .bind(PRUNED_AT_ONCE)
                    .fetch_all(&mut *connection)
                    .await?;
                let last = rows.last().map(|(nr, ..)| *nr);
                let ids: Vec<String> = rows.into_iter().filter(|row| row.2).map(|row| row.1).collect();
                if !ids.is_empty() {
                    let text = "BEGIN IMMEDIATE;
                        DELETE FROM story WHERE call IN (SELECT value FROM json_each(?1));
                        DELETE FROM work WHERE call IN (SELECT value FROM json_each(?1));
                        DELETE FROM call WHERE id IN (SELECT value FROM json_each(?1));
                        COMMIT";
                    sqlx::query(text).bind(serde_json::json!(ids).to_string()).execute(connection).await?;
                }
                Ok((last, ids.len()))
            });
            let (last, gone) = step.await?;
            pruned += gone as u64;
            match last {
                Some(nr) => seen = nr,
                None => return Ok(pruned),
            }
        }
    }

    /// Runs statements that leave no transaction open when they succeed, and ends the one of an earlier
    /// run that did not.
    async fn transaction<T>(
        &self,
        run: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, JournalError> {
        let refused = |source| refusal(&self.path, source);
        let mut hand = self.hand.lock().await;
        let Hand { connection, unended } = &mut *hand;
        let connection = connection.as_mut().ok_or_else(|| refused(sqlx::Error::WorkerCrashed))?;
        if *unended {
            roll_back(connection).await.map_err(refused)?;
        }
        *unended = true;
        let result = run(connection).await;
        if result.is_err() {
            // Where this fails too, the next run tries it again.
            *unended = roll_back(connection).await.is_err();
        } else {
            *unended = false;
        }
        result.map_err(refused)
    }

    /// Asks this connection for one number: limits and settings are each connection's own.
    #[cfg(test)]
    pub(in crate::journal) async fn ask(&self, pragma: String) -> Result<i64, JournalError> {
        self.transaction(async |connection| {
            sqlx::query_scalar(sqlx::AssertSqlSafe(pragma)).fetch_one(connection).await
        })
        .await
    }

    pub(in crate::journal) async fn close(&self) {
        if let Some(connection) = self.hand.lock().await.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the journal was not closed in order");
        }
    }
}

/// Ends a transaction, if one is open; SQLite may have ended it itself, as on a full disk.
async fn roll_back(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql("ROLLBACK").execute(connection).await {
        Ok(_) => Ok(()),
        // SQLITE_ERROR: "cannot rollback - no transaction is active".
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("1") => Ok(()),
        Err(error) => Err(error),
    }
}
