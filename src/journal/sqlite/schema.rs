//! The form of the journal's file, and how an older form becomes the present one.

use sqlx::{Connection, SqliteConnection};

/// Marks the file as ours in SQLite's header (`PRAGMA application_id`): "ring".
pub(super) const APPLICATION: i64 = 0x7269_6e67;

/// Each step leads to the next form; a step that was released is never changed. The form is the number
/// of steps done, kept in `PRAGMA user_version`.
///
/// Times are nanoseconds since 1970 (UTC). `standing` of work: 0 owed, 1 refused, 2 done, 3 withdrawn.
/// The partial indexes hold only what is open or unfinished, so that a start reads nothing else.
const STEPS: &[&str] = &[
    "
    CREATE TABLE call (
        nr INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        open INTEGER NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        direction TEXT NOT NULL,
        watched_group TEXT,
        caller TEXT,
        answered_by TEXT,
        outcome TEXT,
        ticket INTEGER,
        version INTEGER NOT NULL,
        state TEXT NOT NULL
    ) STRICT;
    CREATE INDEX call_open ON call (nr) WHERE open = 1;
    CREATE TABLE story (
        call TEXT NOT NULL,
        nr INTEGER NOT NULL,
        at INTEGER NOT NULL,
        what TEXT NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (call, nr)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE work (
        nr INTEGER PRIMARY KEY,
        call TEXT NOT NULL,
        seq INTEGER NOT NULL,
        task TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        standing INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        due INTEGER NOT NULL,
        last_error TEXT,
        ended INTEGER,
        note TEXT,
        UNIQUE (call, seq)
    ) STRICT;
    CREATE INDEX work_unfinished ON work (nr) WHERE standing < 2;
    CREATE TABLE fact (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE call ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX call_kept ON call (nr) WHERE kept = 1;
",
];

/// The form that this version writes.
pub(super) const FORM: i64 = STEPS.len() as i64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// A journal of this form.
    Form(i64),
    /// A database of another program.
    Foreign,
}

pub(super) async fn find(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if application == APPLICATION {
        let form = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
        return Ok(Found::Form(form));
    }
    let things: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    Ok(if application == 0 && things == 0 { Found::Empty } else { Found::Foreign })
}

/// Brings a file from a form to the present one, in one transaction: a start that is cut short has
/// changed nothing.
pub(super) async fn advance(connection: &mut SqliteConnection, from: i64) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    let mark = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORM}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
    transaction.commit().await
}
