//! A full disk: nothing is half written, and it goes on when there is room.

use super::*;

/// Changes of one call that need several pages.
fn large(number: u32) -> [Change; 2] {
    let story = (0..60).map(|second| line(second, &"x".repeat(500))).collect();
    [Change { story, ..writes(&call(number)) }, owes(create(number, 1))]
}

async fn limit(journal: &Journal, pages: i64) -> i64 {
    let writer = journal.writer().unwrap();
    writer.ask(format!("PRAGMA max_page_count = {pages}")).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_is_told_writes_nothing_and_passes_when_there_is_room() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    journal.commit(&large(0)).await.unwrap();
    let pages = journal.writer().unwrap().ask("PRAGMA page_count".to_owned()).await.unwrap();
    limit(&journal, pages + 2).await;

    for _ in 0..3 {
        let error = journal.commit(&large(1)).await.expect_err("there is no room");
        assert!(matches!(error, JournalError::Full { .. }), "{error:?}");
        assert!(error.may_pass());
        assert!(error.to_string().contains("make room on its disk"), "{error}");
        assert!(!journal.knows(&id(1)).await.unwrap(), "half of it was written");
        assert_eq!(owed_keys(&journal).await, ["main/1795292763.0#1"]);
    }
    // What needs no new page still goes.
    journal.commit(&[settles(0, 1, done())]).await.unwrap();

    limit(&journal, i64::from(u32::MAX) - 1).await;
    journal.commit(&large(1)).await.unwrap();
    drop((journal, lock));
    let (journal, _lock) = shelf.open().await;
    assert_eq!(journal.load().await.unwrap().calls, [call(0), call(1)]);
    assert_eq!(owed_keys(&journal).await, ["main/1795292763.1#1"]);
    assert_eq!(journal.story(&id(1)).await.unwrap().unwrap().lines.len(), 60);
}

#[tokio::test]
async fn a_batch_of_several_waves_is_written_whole_or_not_at_all() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&call(0))]).await.unwrap();
    let pages = journal.writer().unwrap().ask("PRAGMA page_count".to_owned()).await.unwrap();
    limit(&journal, pages + 1).await;
    // The first wave fits, the second does not.
    let mut batch = vec![owes(update(0, 1, "first")), owes(update(0, 1, "second"))];
    batch.extend(large(1));
    assert!(matches!(journal.commit(&batch).await, Err(JournalError::Full { .. })));
    assert_eq!(owed_keys(&journal).await, Vec::<String>::new());
    limit(&journal, i64::from(u32::MAX) - 1).await;
    journal.commit(&batch).await.unwrap();
    assert_eq!(owed_keys(&journal).await, ["main/1795292763.0#1", "main/1795292763.1#1"]);
}

const CHILD: &str = "RINGDESK_TEST_ROOM";

/// The system itself refuses the write, in the middle of it: a file may not grow beyond 300 KiB.
#[test]
fn a_write_that_the_system_cuts_short_leaves_the_journal_whole() {
    let shelf = Shelf::new();
    // A shell that ignores SIGXFSZ hands that on: the write fails with EFBIG instead.
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::room::child_that_may_not_write_much", "--ignored", "--nocapture"])
        .env(CHILD, shelf.place())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}");
    let written: u32 = told
        .lines()
        .find_map(|line| line.split_once("written="))
        .unwrap_or_else(|| panic!("{told}"))
        .1
        .trim()
        .parse()
        .unwrap();
    assert!(written > 0, "{told}");

    // With room again, all that was answered with `Ok` is there, and nothing else.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (journal, _lock) = shelf.open().await;
        let calls: Vec<_> = journal.load().await.unwrap().calls;
        assert_eq!(calls, (0..written).map(call).collect::<Vec<_>>());
        for number in 0..written {
            assert_eq!(journal.story(&id(number)).await.unwrap().unwrap().lines.len(), 60);
        }
        journal.commit(&large(written)).await.unwrap();
        assert_eq!(owed_keys(&journal).await.len(), written as usize + 1);
    });
}

#[tokio::test]
#[ignore = "run by `a_write_that_the_system_cuts_short_leaves_the_journal_whole` as a process of its own"]
async fn child_that_may_not_write_much() {
    let place = PathBuf::from(std::env::var_os(CHILD).expect("run by its parent only"));
    let (journal, _lock) = open(&place).await;
    for number in 0..1_000 {
        if let Err(error) = journal.commit(&large(number)).await {
            assert!(error.may_pass(), "{error:?}");
            assert!(matches!(error, JournalError::Disk { .. } | JournalError::Full { .. }), "{error:?}");
            assert!(!journal.knows(&id(number)).await.unwrap(), "half of it was written");
            println!("\nwritten={number}");
            return;
        }
    }
    panic!("the limit was not felt");
}
