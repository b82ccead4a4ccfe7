//! Files of other forms: read, brought up to date, or refused with the way out.

use sqlx::{Connection, SqliteConnection};

use super::*;

/// Changes a journal's file behind its back.
async fn tamper(place: &Path, text: &'static str) {
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn refused(place: &Path) -> [JournalError; 2] {
    let write = Journal::open(place, Clock::standing_at(at(0)), None).await;
    let look = Journal::open_read_only(place).await;
    [write.err().expect("not opened to write"), look.err().expect("not opened to look")]
}

/// A journal as version 0.1 wrote it: call 0 open with its ticket owed, call 1 closed, one fact.
const FORM_1: &str = include_str!("../../../fixtures/journal/form-1.sql");

#[tokio::test]
async fn a_journal_of_the_first_form_is_read_by_every_later_version() {
    let shelf = Shelf::new();
    tamper(&shelf.place(), FORM_1).await;
    let (journal, _lock) = shelf.open().await;
    let recovered = journal.load().await.unwrap();
    assert_eq!(recovered.unreadable, []);
    assert_eq!(recovered.calls.len(), 1);
    let call = &recovered.calls[0];
    assert_eq!((&call.id, call.group.as_deref(), call.seq), (&id(0), Some("support"), 1));
    assert_eq!(call.caller.e164(), Some("+493023125111".parse().unwrap()));
    assert!(matches!(&call.ticket, Ticket::Owed { seq: 1, draft: owed } if **owed == draft()), "{call:?}");
    assert_eq!(recovered.owed.len(), 1);
    let owed = &recovered.owed[0];
    assert_eq!((&owed.work, owed.attempts, owed.due), (&create(0, 1), 2, at(60)));
    assert_eq!(journal.list(10).await.unwrap().len(), 2);
    let lines = journal.story(&id(0)).await.unwrap().unwrap().lines;
    assert_eq!(lines, [line(0, "rings at 201"), line(1, "201 speaks with the caller")]);
    assert_eq!(journal.recall("voice").await.unwrap().as_deref(), Some("no"));
    journal.commit(&[settles(0, 1, done()), writes(&closed(0, 30))]).await.unwrap();
    assert_eq!(journal.load().await.unwrap(), Recovered::default());
}

#[tokio::test]
async fn an_older_journal_is_brought_up_to_date_by_the_daemon_alone() {
    let shelf = Shelf::new();
    // Form 0: marked as ours by a start that did not come further.
    tamper(&shelf.place(), "PRAGMA application_id = 1919512167; PRAGMA user_version = 0").await;
    let error = Journal::open_read_only(&shelf.place()).await.err().expect("looking changes nothing");
    assert!(matches!(error, JournalError::Older { found: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("start the daemon once"), "{error}");
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&call(0))]).await.unwrap();
    assert_eq!(Journal::open_read_only(&shelf.place()).await.unwrap().list(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_journal_is_refused_and_stays_as_it_is() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    journal.close().await;
    drop((journal, lock));
    tamper(&shelf.place(), "PRAGMA user_version = 99").await;
    let before = std::fs::read(shelf.place()).unwrap();
    for error in refused(&shelf.place()).await {
        assert!(matches!(error, JournalError::Newer { found: 99, .. }), "{error:?}");
        assert!(error.to_string().contains("install the newer ringdesk again"), "{error}");
        assert!(!error.may_pass());
    }
    assert!(std::fs::read(shelf.place()).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_stays_as_it_is() {
    let shelf = Shelf::new();
    tamper(&shelf.place(), "CREATE TABLE cdr (src TEXT)").await;
    let before = std::fs::read(shelf.place()).unwrap();
    for error in refused(&shelf.place()).await {
        assert!(matches!(error, JournalError::Foreign(_)), "{error:?}");
        assert!(error.to_string().contains("no journal of ringdesk"), "{error}");
    }
    assert!(std::fs::read(shelf.place()).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_damaged_and_stays_as_it_is() {
    let shelf = Shelf::new();
    std::fs::create_dir_all(shelf.place().parent().unwrap()).unwrap();
    let text = "no database\n".repeat(500);
    std::fs::write(shelf.place(), &text).unwrap();
    for error in refused(&shelf.place()).await {
        assert!(matches!(error, JournalError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("move the file"), "{error}");
        assert!(!error.may_pass());
    }
    assert_eq!(std::fs::read_to_string(shelf.place()).unwrap(), text);
}

#[tokio::test]
async fn a_call_or_work_that_cannot_be_read_is_told_and_does_not_stop_the_others() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    let calls: Vec<_> = (0..3).map(|number| writes(&call(number))).collect();
    journal.commit(&calls).await.unwrap();
    journal.commit(&[owes(create(0, 1)), owes(create(1, 1)), owes(create(2, 1))]).await.unwrap();
    drop((journal, lock));
    tamper(
        &shelf.place(),
        "UPDATE call SET version = 99 WHERE id = 'main/1795292763.0';
         UPDATE call SET state = substr(state, 1, 40) WHERE id = 'main/1795292763.1';
         UPDATE work SET version = 99 WHERE call = 'main/1795292763.0';
         UPDATE work SET body = '{\"create_ticket\":{\"subject\":\"+4930' WHERE call = 'main/1795292763.1'",
    )
    .await;

    let (journal, _lock) = shelf.open().await;
    let recovered = journal.load().await.unwrap();
    assert_eq!(recovered.calls, [call(2)]);
    assert_eq!(recovered.owed.iter().map(|owed| &owed.work).collect::<Vec<_>>(), [&create(2, 1)]);
    let told: Vec<_> = recovered.unreadable.iter().map(|thing| (&*thing.key, &*thing.reason)).collect();
    let keys = ["main/1795292763.0", "main/1795292763.1", "main/1795292763.0#1", "main/1795292763.1#1"];
    assert_eq!(told.iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
    for (key, reason) in told {
        let expected = if key.contains("763.0") { "install the newer ringdesk" } else { "broken in column" };
        assert!(reason.contains(expected), "{key}: {reason}");
        assert!(!reason.contains("+4930"), "{reason}");
    }
    assert!(journal.knows(&id(0)).await.unwrap(), "it stays in the journal");
    assert_eq!(journal.list(10).await.unwrap().len(), 3);
}
