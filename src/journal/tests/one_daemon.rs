//! One daemon writes; others may look; strangers may not.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_second_daemon_is_refused_by_name_while_others_may_look() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    journal.commit(&[writes(&call(0)), owes(create(0, 1))]).await.unwrap();

    let second = Journal::open(&shelf.place(), Clock::standing_at(at(0)), None).await;
    let error = second.err().expect("the second one is refused");
    let us = std::process::id();
    assert!(matches!(&error, JournalError::AlreadyRunning { pid: Some(pid), .. } if *pid == us), "{error:?}");
    assert!(!error.may_pass());
    let text = error.to_string();
    assert!(text.contains(&us.to_string()) && text.contains("journal.db"), "{text}");

    let looking = Journal::open_read_only(&shelf.place()).await.unwrap();
    assert_eq!(looking.list(10).await.unwrap().len(), 1);
    journal.commit(&[writes(&call(1))]).await.unwrap();
    assert_eq!(looking.list(10).await.unwrap().len(), 2, "also what is written meanwhile");
    assert_eq!(looking.owed().await.unwrap().len(), 1);

    drop(journal);
    let still = Journal::open(&shelf.place(), Clock::standing_at(at(0)), None).await;
    assert!(matches!(still.err(), Some(JournalError::AlreadyRunning { .. })), "the lock is what counts");
    drop(lock);
    let (journal, _lock) = shelf.open().await;
    assert_eq!(journal.load().await.unwrap().calls.len(), 2);
}

#[tokio::test]
async fn who_only_looks_changes_nothing() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&closed(0, 30))]).await.unwrap();
    let looking = Journal::open_read_only(&shelf.place()).await.unwrap();
    let refusals = [
        looking.commit(&[writes(&call(1))]).await.err(),
        looking.remember("voice", "no").await.err(),
        looking.prune(at(1_000_000)).await.err(),
    ];
    for error in refusals {
        assert!(matches!(error, Some(JournalError::OnlyLooking(_))), "{error:?}");
    }
    assert_eq!(journal.list(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_journal_that_is_not_there_is_not_made_by_looking() {
    let shelf = Shelf::new();
    let error = Journal::open_read_only(&shelf.place()).await.err().expect("there is none");
    assert!(matches!(error, JournalError::Absent(_)), "{error:?}");
    assert!(error.to_string().contains("has not run with this config yet"), "{error}");
    assert!(!shelf.place().exists());
}

#[tokio::test]
async fn others_can_read_neither_the_journal_nor_what_lies_beside_it() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&call(0))]).await.unwrap();
    let folder = shelf.place().parent().unwrap().to_owned();
    assert_eq!(mode(&folder), 0o700);
    let mut names = vec![];
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.lock"]);
}

#[tokio::test]
async fn a_place_that_cannot_be_is_named() {
    let shelf = Shelf::new();
    let file = shelf.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let place = file.join("journal.db");
    let error = Journal::open(&place, Clock::standing_at(at(0)), None).await.err().expect("no folder");
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    assert!(!error.may_pass(), "{error:?}");
}
