//! The file of the phone book: `phonebook.db` beside the journal.
//!
//! A copy of what the CRM knows, so that a restart does not ask for everybody again. It may be
//! deleted at any time; a broken one, or one of a later version, is thrown away and made anew.
//! WAL with `synchronous = NORMAL`: after a power cut the last pages may be missing, together with
//! the cursor behind them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqliteConnection};

use super::own::Learned;
use super::people::Owner;
use crate::call::{E164, Person, PersonId};

/// The version of the tables. Another one in the file means: begin anew.
const VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE person (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, numbers TEXT NOT NULL, placeholder INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE learned (
        number INTEGER NOT NULL, person INTEGER NOT NULL, name TEXT NOT NULL, at_second INTEGER NOT NULL,
        placeholder INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (number, person)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE reading (
        one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint TEXT NOT NULL, cursor TEXT, whole INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = 2;
";

/// Version 1 did not know who is a placeholder: everybody is read anew, what was learned stays.
const FROM_1: &str = "
    ALTER TABLE person ADD COLUMN placeholder INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE learned ADD COLUMN placeholder INTEGER NOT NULL DEFAULT 0;
    DELETE FROM person;
    UPDATE reading SET cursor = NULL, whole = 0;
    PRAGMA user_version = 2;
";

/// The file did not do what it must.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened or made.
    #[error("cannot open the phone book {}: is the directory there, and may this user write to it?", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// It cannot be made readable for this user alone.
    #[error("cannot make the phone book {}: is the directory there, and may this user write to it?", .path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It cannot be read or written: mostly a full disk.
    #[error("cannot read or write the phone book's file: is the disk full?")]
    Use(#[from] sqlx::Error),
}

/// The open file.
#[derive(Clone, Debug)]
pub(super) struct Store {
    // One connection: writers never meet, and reading happens once at the start.
    pool: SqlitePool,
}

/// How far the export was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Where to go on.
    pub(super) cursor: Option<String>,
    /// Whether the end was reached once.
    pub(super) whole: bool,
}

/// A person of a page, numbers read; none means that the person is no caller.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    pub(super) numbers: Vec<E164>,
}

impl Store {
    /// Opens or makes the file. What was read by other rules than `fingerprint` is thrown away.
    pub(super) async fn open(path: &Path, fingerprint: &str) -> Result<Self, StoreError> {
        let store = match Self::try_open(path).await {
            Err(StoreError::Open { source, .. }) if is_broken(&source) => {
                tracing::warn!(file = %path.display(), "the phone book's file is broken or of another version: it is made anew");
                remove(path)?;
                Self::try_open(path).await?
            }
            other => other?,
        };
        store.begin_anew_unless(fingerprint).await?;
        Ok(store)
    }

    async fn try_open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(open)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(open)?;
        match version {
            VERSION => {
                // A file that is cut short opens well and fails later.
                sqlx::query("SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM learned)")
                    .fetch_one(&pool)
                    .await
                    .map_err(open)?;
            }
            0 | 1 => {
                let mut begun = pool.begin().await.map_err(open)?;
                let steps = if version == 0 { TABLES } else { FROM_1 };
                sqlx::raw_sql(steps).execute(&mut *begun).await.map_err(open)?;
                begun.commit().await.map_err(open)?;
            }
            _ => {
                pool.close().await;
                return Err(open(sqlx::Error::ColumnNotFound(format!("user_version {version}"))));
            }
        }
        Ok(Self { pool })
    }

    /// What the house learned itself stays: it is the truth under any rules.
    async fn begin_anew_unless(&self, fingerprint: &str) -> Result<(), StoreError> {
        let kept: Option<String> =
            sqlx::query_scalar("SELECT fingerprint FROM reading").fetch_optional(&self.pool).await?;
        if kept.as_deref() == Some(fingerprint) {
            return Ok(());
        }
        let mut begun = self.pool.begin().await?;
        sqlx::query("DELETE FROM person").execute(&mut *begun).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO reading (one, fingerprint, cursor, whole) VALUES (1, ?, NULL, 0)",
        )
        .bind(fingerprint)
        .execute(&mut *begun)
        .await?;
        begun.commit().await?;
        if kept.is_some() {
            tracing::info!("the rules for numbers or the CRM have changed: everybody is read anew");
        }
        Ok(())
    }

    /// How far the export was read.
    pub(super) async fn reading(&self) -> Result<Reading, StoreError> {
        let row = sqlx::query("SELECT cursor, whole FROM reading").fetch_one(&self.pool).await?;
        Ok(Reading { cursor: row.try_get(0)?, whole: row.try_get(1)? })
    }

    /// The next persons behind `after`, in order of the ids; empty at the end. In parts, so that a
    /// million people do not lie in memory twice.
    pub(super) async fn people(
        &self,
        after: Option<PersonId>,
    ) -> Result<Vec<(Owner, Vec<E164>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, numbers, placeholder FROM person WHERE id > ? ORDER BY id LIMIT 10000",
        )
        .bind(after.map_or(-1, |id| id.0.cast_signed()))
        .fetch_all(&self.pool)
        .await?;
        let read = |row: SqliteRow| -> Result<_, sqlx::Error> {
            let numbers: &str = row.try_get(2)?;
            let numbers = numbers.split(' ').filter_map(|digits| E164::from_digits(digits.parse().ok()?));
            let person = Person { id: id(row.try_get(0)?), name: row.try_get(1)? };
            Ok((Owner { person, placeholder: row.try_get(3)? }, numbers.collect()))
        };
        Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
    }

    /// What the house learned itself.
    pub(super) async fn learned(&self) -> Result<Vec<(E164, Learned)>, StoreError> {
        let rows = sqlx::query("SELECT number, person, name, at_second, placeholder FROM learned")
            .fetch_all(&self.pool)
            .await?;
        let mut learned = Vec::with_capacity(rows.len());
        for row in rows {
            let number = u64::try_from(row.try_get::<i64, _>(0)?).ok().and_then(E164::from_digits);
            let at = Timestamp::from_second(row.try_get(3)?);
            if let (Some(number), Ok(at)) = (number, at) {
                let person = Person { id: id(row.try_get(1)?), name: row.try_get(2)? };
                learned.push((number, Learned { owner: Owner { person, placeholder: row.try_get(4)? }, at }));
            }
        }
        Ok(learned)
    }

    /// Writes a page and the place behind it, both or none.
    pub(super) async fn write_page(
        &self,
        entries: &[Entry],
        reading: &Reading,
    ) -> Result<Change, StoreError> {
        let mut begun = self.pool.begin().await?;
        let mut change = Change::default();
        for Entry { owner: Owner { person, placeholder }, numbers } in entries {
            change.less(take_person(&mut begun, person.id).await?);
            if numbers.is_empty() {
                continue;
            }
            change.more(numbers.len());
            let numbers: Vec<String> = numbers.iter().map(|number| number.digits().to_string()).collect();
            sqlx::query("INSERT INTO person (id, name, numbers, placeholder) VALUES (?, ?, ?, ?)")
                .bind(person.id.0.cast_signed())
                .bind(&person.name)
                .bind(numbers.join(" "))
                .bind(*placeholder)
                .execute(&mut *begun)
                .await?;
        }
        sqlx::query("UPDATE reading SET cursor = ?, whole = ?")
            .bind(&reading.cursor)
            .bind(reading.whole)
            .execute(&mut *begun)
            .await?;
        begun.commit().await?;
        Ok(change)
    }

    /// Remembers that a person has a number.
    pub(super) async fn learn(&self, number: E164, learned: &Learned) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO learned (number, person, name, at_second, placeholder) VALUES (?, ?, ?, ?, ?)")
            .bind(number.digits().cast_signed())
            .bind(learned.owner.person.id.0.cast_signed())
            .bind(&learned.owner.person.name)
            .bind(learned.at.as_second())
            .bind(learned.owner.placeholder)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Drops what need not be remembered any more.
    pub(super) async fn unlearn(&self, gone: &[(E164, PersonId)]) -> Result<(), StoreError> {
        let mut begun = self.pool.begin().await?;
        for (number, person) in gone {
            sqlx::query("DELETE FROM learned WHERE number = ? AND person = ?")
                .bind(number.digits().cast_signed())
                .bind(person.0.cast_signed())
                .execute(&mut *begun)
                .await?;
        }
        Ok(begun.commit().await?)
    }

    /// Takes a person out, with all that was learned of it.
    pub(super) async fn forget(&self, person: PersonId) -> Result<Change, StoreError> {
        let mut begun = self.pool.begin().await?;
        let mut change = Change::default();
        change.less(take_person(&mut begun, person).await?);
        sqlx::query("DELETE FROM learned WHERE person = ?")
            .bind(person.0.cast_signed())
            .execute(&mut *begun)
            .await?;
        begun.commit().await?;
        Ok(change)
    }
}

/// How many people and numbers a change brought or took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) people: isize,
    pub(super) numbers: isize,
}

impl Change {
    fn more(&mut self, numbers: usize) {
        self.people += 1;
        self.numbers += numbers.cast_signed();
    }

    fn less(&mut self, person: Option<usize>) {
        if let Some(numbers) = person {
            self.people -= 1;
            self.numbers -= numbers.cast_signed();
        }
    }
}

/// Deletes a person; returns how many numbers it had.
async fn take_person(
    connection: &mut SqliteConnection,
    person: PersonId,
) -> Result<Option<usize>, sqlx::Error> {
    let numbers: Option<String> = sqlx::query_scalar("DELETE FROM person WHERE id = ? RETURNING numbers")
        .bind(person.0.cast_signed())
        .fetch_optional(connection)
        .await?;
    Ok(numbers.map(|numbers| numbers.split(' ').count()))
}

fn id(stored: i64) -> PersonId {
    PersonId(stored.cast_unsigned())
}

/// Makes an empty file that only this user may read: it holds names and numbers. SQLite gives its
/// side files the same rights.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let make = |source| StoreError::Make { path: path.to_owned(), source };
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(make)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(make)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        match std::fs::remove_file(PathBuf::from(&file)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Make { path: file.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// SQLITE_CORRUPT, SQLITE_NOTADB, missing tables, or our own mark for another version.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let primary = error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xFF);
            matches!(primary, Some(1 | 11 | 26))
        }
        sqlx::Error::ColumnNotFound(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, name: &str, numbers: &[u64]) -> Entry {
        let numbers = numbers.iter().map(|digits| E164::from_digits(*digits).unwrap()).collect();
        let person = Person { id: PersonId(id), name: name.to_owned() };
        Entry { owner: Owner { person, placeholder: id % 2 == 1 }, numbers }
    }

    fn reading(cursor: &str, whole: bool) -> Reading {
        Reading { cursor: Some(cursor.to_owned()), whole }
    }

    #[tokio::test]
    async fn a_page_and_its_cursor_are_there_after_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("phonebook.db");
        let store = Store::open(&path, "rules").await.unwrap();
        assert_eq!(store.reading().await.unwrap(), Reading::default());
        let page = [entry(7, "Weber", &[4930111, 4930222]), entry(3, "Ümit", &[4930333])];
        let change = store.write_page(&page, &reading("c1", false)).await.unwrap();
        assert_eq!(change, Change { people: 2, numbers: 3 });
        let change = store.write_page(&[entry(3, "", &[])], &reading("c2", true)).await.unwrap();
        assert_eq!(change, Change { people: -1, numbers: -1 });
        assert_eq!(store.forget(PersonId(99)).await.unwrap(), Change::default());
        drop(store);

        let store = Store::open(&path, "rules").await.unwrap();
        assert_eq!(store.reading().await.unwrap(), reading("c2", true));
        let people = store.people(None).await.unwrap();
        assert_eq!(people.len(), 1);
        assert_eq!(people[0].0, page[0].owner);
        assert!(people[0].0.placeholder);
        assert_eq!(people[0].1, page[0].numbers);
    }

    #[tokio::test]
    async fn only_this_user_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("phonebook.db");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let store = Store::open(&path, "rules").await.unwrap();
        store.write_page(&[entry(7, "Weber", &[4930111])], &reading("c", true)).await.unwrap();
        let mut files = 0;
        for file in std::fs::read_dir(place.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                file.file_name()
            );
            files += 1;
        }
        assert!(files >= 2, "the side files are there too");
    }

    #[tokio::test]
    async fn other_rules_begin_anew_but_keep_what_the_house_learned() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("phonebook.db");
        let store = Store::open(&path, "rules").await.unwrap();
        store.write_page(&[entry(7, "Weber", &[4930111])], &reading("c1", true)).await.unwrap();
        let number = E164::from_digits(4930222).unwrap();
        let learned = Learned {
            owner: Owner { placeholder: true, ..entry(8, "New", &[]).owner },
            at: Timestamp::from_second(1_795_000_000).unwrap(),
        };
        store.learn(number, &learned).await.unwrap();
        drop(store);

        let store = Store::open(&path, "other rules").await.unwrap();
        assert_eq!(store.reading().await.unwrap(), Reading::default());
        assert!(store.people(None).await.unwrap().is_empty());
        assert_eq!(store.learned().await.unwrap(), [(number, learned)]);
        store.unlearn(&[(number, PersonId(8))]).await.unwrap();
        assert_eq!(store.learned().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_file_of_the_first_version_is_read_anew_but_keeps_what_the_house_learned() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("phonebook.db");
        let old = TABLES
            .replace(", placeholder INTEGER NOT NULL DEFAULT 0\n", "\n")
            .replace("        placeholder INTEGER NOT NULL DEFAULT 0,\n", "")
            .replace("user_version = 2", "user_version = 1");
        assert!(!old.contains("placeholder"), "{old}");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(old)).execute(&pool).await.unwrap();
        let rows = "INSERT INTO person VALUES (7, 'Weber', '4930111');
            INSERT INTO learned VALUES (4930222, 8, 'New', 1795000000);
            INSERT INTO reading VALUES (1, 'rules', 'c1', 1);";
        sqlx::raw_sql(rows).execute(&pool).await.unwrap();
        pool.close().await;
        let store = Store::open(&path, "rules").await.unwrap();
        assert_eq!(store.reading().await.unwrap(), Reading::default());
        assert!(store.people(None).await.unwrap().is_empty());
        let learned = store.learned().await.unwrap();
        assert_eq!((learned.len(), learned[0].1.owner.person.id), (1, PersonId(8)));
        assert!(!learned[0].1.owner.placeholder);
    }

    #[tokio::test]
    async fn a_broken_or_later_file_is_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let broken = place.path().join("broken.db");
        std::fs::write(
            &broken,
            "this is no database, but a text that is long enough to be taken for one".repeat(99),
        )
        .unwrap();
        let later = place.path().join("later.db");
        let store = Store::open(&later, "rules").await.unwrap();
        store.write_page(&[entry(7, "Weber", &[4930111])], &reading("c1", true)).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.pool).await.unwrap();
        store.pool.close().await;
        for path in [broken, later] {
            let store = Store::open(&path, "rules").await.unwrap();
            assert_eq!(store.reading().await.unwrap(), Reading::default(), "{}", path.display());
            assert!(store.people(None).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_place_that_is_not_there_is_told_with_the_way_out() {
        let place = tempfile::tempdir().unwrap();
        let error =
            Store::open(&place.path().join("none/phonebook.db"), "rules").await.unwrap_err().to_string();
        assert!(error.contains("none/phonebook.db") && error.contains("directory"), "{error}");
    }
}
