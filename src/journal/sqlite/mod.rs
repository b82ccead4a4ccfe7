//! The journal in one SQLite file with a write-ahead log.
//!
//! Two connections, each with its own thread in sqlx: the writer's, which only the desk waits for, and
//! the reader's, which also carries the log over (SQLite: "Write-Ahead Logging", sqlite.org/wal.html).

mod lock;
mod reader;
mod schema;
mod wave;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::JournalError;
use schema::Found;

pub use lock::Lock;
pub(super) use reader::Reader;
pub(super) use writer::Writer;

/// Other programs (a `sqlite3` shell, a backup) may hold the file for so long before it is an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the journal to write, and takes the lock before the file is touched.
pub(super) async fn open(path: &Path) -> Result<(Writer, Reader, Lock), JournalError> {
    make_folder(path)?;
    let lock = Lock::take(path)?;
    make_file(path)?;
    let refused = |source| refusal(path, source);
    let mut writer = options(path).connect().await.map_err(refused)?;
    let form = match schema::find(&mut writer).await.map_err(refused)? {
        Found::Foreign => return Err(JournalError::Foreign(path.to_owned())),
        Found::Form(found) if found > schema::FORM => {
            return Err(JournalError::Newer { path: path.to_owned(), found, known: schema::FORM });
        }
        Found::Form(form) => form,
        Found::Empty => 0,
    };
    // Only now, because it is written into the file: a foreign one must stay as it is.
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut writer).await.map_err(refused)?;
    if mode != "wal" {
        return Err(JournalError::NoWriteAheadLog(path.to_owned()));
    }
    // FULL: with a write-ahead log the default NORMAL loses commits in a power cut.
    // Checkpoints are `tend`'s; 4000 pages (16 MB) of log are the limit where nobody tends.
    sqlx::raw_sql("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY")
        .execute(&mut writer)
        .await
        .map_err(refused)?;
    if form < schema::FORM {
        schema::advance(&mut writer, form).await.map_err(refused)?;
    }
    sqlx::raw_sql(wave::PREPARE).execute(&mut writer).await.map_err(refused)?;
    // Not read-only, because it carries the log over; `query_only` refuses everything else.
    let mut reader = options(path).connect().await.map_err(refused)?;
    sqlx::raw_sql("PRAGMA query_only = 1; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY")
        .execute(&mut reader)
        .await
        .map_err(refused)?;
    Ok((Writer::new(path, writer), Reader::new(path, reader), lock))
}

/// Opens the journal to look at it.
pub(super) async fn open_read_only(path: &Path) -> Result<Reader, JournalError> {
    match File::open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(JournalError::Absent(path.to_owned()));
        }
        Err(source) => return Err(JournalError::Access { path: path.to_owned(), source }),
    }
    let refused = |source| refusal(path, source);
    let mut reader = options(path).read_only(true).connect().await.map_err(refused)?;
    match schema::find(&mut reader).await.map_err(refused)? {
        Found::Empty => Err(JournalError::Absent(path.to_owned())),
        Found::Foreign => Err(JournalError::Foreign(path.to_owned())),
        Found::Form(found) if found > schema::FORM => {
            Err(JournalError::Newer { path: path.to_owned(), found, known: schema::FORM })
        }
        Found::Form(found) if found < schema::FORM => {
            Err(JournalError::Older { path: path.to_owned(), found })
        }
        Found::Form(_) => Ok(Reader::new(path, reader)),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    // Statements are not logged: each commit would build log lines that nobody reads.
    SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE).disable_statement_logging()
}

fn make_folder(path: &Path) -> Result<(), JournalError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| JournalError::Access { path: folder.to_owned(), source })
}

/// Makes the file before SQLite does, because SQLite would let others read it. Its log gets the same mode.
fn make_file(path: &Path) -> Result<(), JournalError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let kept = match made {
        Ok(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    kept.map_err(|source| JournalError::Access { path: path.to_owned(), source })
}

/// Says what a refusal of SQLite means, by its result code (sqlite.org/rescode.html).
fn refusal(path: &Path, source: sqlx::Error) -> JournalError {
    let path = path.to_owned();
    let code = match &source {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1),
        _ => 1,
    };
    match (code & 0xff, code) {
        // SQLITE_FULL; SQLITE_IOERR_SHMSIZE: the index of the log could not grow.
        (13, _) | (_, 4874) => JournalError::Full { path, source },
        // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN
        (3 | 8 | 14, _) => JournalError::ReadOnly { path, source },
        // SQLITE_BUSY, SQLITE_LOCKED
        (5 | 6, _) => JournalError::Busy { path, source },
        // SQLITE_IOERR
        (10, _) => JournalError::Disk { path, source },
        // SQLITE_CORRUPT, SQLITE_NOTADB
        (11 | 26, _) => JournalError::Damaged { path, source },
        _ => JournalError::Statement { path, source },
    }
}

/// Nanoseconds since 1970: they fit until 2262, and what does not fit becomes the end of that time.
fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(if time < Timestamp::UNIX_EPOCH {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).expect("jiff knows the years -9999 to 9999")
}

/// The call and the place of a key such as `main/1795292763.0#1`.
fn parts(key: &str) -> Option<(&str, u32)> {
    let (call, seq) = key.rsplit_once('#')?;
    Some((call, seq.parse().ok()?))
}
