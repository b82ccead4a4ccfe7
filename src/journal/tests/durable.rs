//! What was answered with `Ok` is there, also when the process ends in the next moment.

use std::pin::pin;
use std::sync::Mutex;

use super::*;

/// The commits of a short story, one after the other.
fn story() -> Vec<Vec<Change>> {
    vec![
        vec![writes(&call(0)), owes(create(0, 1))],
        vec![postpones(0, 1, 1, "503")],
        vec![settles(0, 1, done()), owes(pop(0, 2)), writes(&call(1))],
        vec![settles(0, 2, done()), writes(&closed(0, 30))],
    ]
}

/// Open calls and owed work (key and attempts) after so many commits of the story.
fn expected(commits: u64) -> (Vec<Call>, Vec<(String, u32)>) {
    let key = |seq| format!("main/1795292763.0#{seq}");
    match commits {
        0 => (vec![], vec![]),
        1 => (vec![call(0)], vec![(key(1), 0)]),
        2 => (vec![call(0)], vec![(key(1), 1)]),
        3 => (vec![call(0), call(1)], vec![(key(2), 0)]),
        _ => (vec![call(1)], vec![]),
    }
}

async fn seen(journal: &Journal) -> (Vec<Call>, Vec<(String, u32)>) {
    let recovered = journal.load().await.unwrap();
    assert_eq!(recovered.unreadable, []);
    let owed = recovered.owed.into_iter().map(|owed| (owed.work.key(), owed.attempts)).collect();
    (recovered.calls, owed)
}

const PLACE: &str = "RINGDESK_TEST_KILLED_AT";
const ORDINAL: &str = "RINGDESK_TEST_KILLED_AFTER";

#[test]
fn a_process_that_is_killed_after_any_commit_has_lost_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for ordinal in 1..=story().len() as u64 {
        let shelf = Shelf::new();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::durable::child_that_is_killed", "--ignored", "--nocapture"])
            .env(PLACE, shelf.place())
            .env(ORDINAL, ordinal.to_string())
            .output()
            .unwrap();
        assert!(!child.status.success(), "commit {ordinal} was not reached");
        runtime.block_on(async {
            let (journal, _lock) = shelf.open().await;
            assert_eq!(seen(&journal).await, expected(ordinal), "killed after commit {ordinal}");
            // It goes on where it was.
            for batch in &story()[usize::try_from(ordinal).unwrap()..] {
                journal.commit(batch).await.unwrap();
            }
            assert_eq!(seen(&journal).await, expected(u64::MAX), "killed after commit {ordinal}");
        });
    }
}

#[tokio::test]
#[ignore = "run by `a_process_that_is_killed_after_any_commit_has_lost_nothing` as a process of its own"]
async fn child_that_is_killed() {
    let place = PathBuf::from(std::env::var_os(PLACE).expect("run by its parent only"));
    let last: u64 = std::env::var(ORDINAL).unwrap().parse().unwrap();
    let killed: AfterCommit = Arc::new(move |ordinal| {
        if ordinal == last {
            std::process::abort();
        }
    });
    let (journal, _lock) = Journal::open(&place, Clock::standing_at(at(0)), Some(killed)).await.unwrap();
    for batch in story() {
        journal.commit(&batch).await.unwrap();
    }
}

/// What a power cut leaves: the file and its log without the index, which lives in memory.
fn copy_as_a_power_cut_leaves_it(place: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    for end in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        std::fs::copy(name(place), name(to)).unwrap();
    }
}

#[tokio::test]
async fn each_commit_is_in_the_files_when_its_answer_comes() {
    let shelf = Shelf::new();
    let (place, copies) = (shelf.place(), shelf.folder.path().join("copies"));
    let copy = move |ordinal: u64| copies.join(ordinal.to_string()).join("journal.db");
    let (from, to) = (place.clone(), copy.clone());
    let after: AfterCommit = Arc::new(move |ordinal| copy_as_a_power_cut_leaves_it(&from, &to(ordinal)));
    let (journal, _lock) = Journal::open(&place, Clock::standing_at(at(0)), Some(after)).await.unwrap();
    for batch in story() {
        journal.commit(&batch).await.unwrap();
    }
    for ordinal in 1..=story().len() as u64 {
        let (journal, _lock) = open(&copy(ordinal)).await;
        assert_eq!(seen(&journal).await, expected(ordinal), "power cut after commit {ordinal}");
    }
    let writer = journal.writer().unwrap();
    assert_eq!(writer.ask("PRAGMA synchronous".to_owned()).await.unwrap(), 2, "FULL: each commit is synced");
}

/// Transactions in a write-ahead log that was not begun anew: frames that say how large the file is
/// after them (sqlite.org/fileformat2.html#walformat).
fn transactions(place: &Path) -> usize {
    let log = std::fs::read(format!("{}-wal", place.display())).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = 24 + number(8) as usize;
    (32..log.len()).step_by(frame).filter(|frame| number(frame + 4) != 0).count()
}

#[tokio::test]
async fn calls_that_come_at_once_share_one_write_to_the_disk() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let before = transactions(&shelf.place());
    let batch: Vec<_> =
        (0..256).flat_map(|number| [writes(&call(number)), owes(create(number, 1))]).collect();
    journal.commit(&batch).await.unwrap();
    assert_eq!(transactions(&shelf.place()) - before, 1);
    assert_eq!(owed_keys(&journal).await.len(), 256);

    journal.commit(&[]).await.unwrap();
    journal.commit(&[Change::of(id(0)), Change::of(id(1))]).await.unwrap();
    assert_eq!(transactions(&shelf.place()) - before, 1, "nothing to write costs nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_at_once_are_each_there_when_answered_and_counted_once() {
    let shelf = Shelf::new();
    let ordinals = Arc::new(Mutex::new(vec![]));
    let counted = Arc::clone(&ordinals);
    let after: AfterCommit = Arc::new(move |ordinal| counted.lock().unwrap().push(ordinal));
    let (journal, _lock) =
        Journal::open(&shelf.place(), Clock::standing_at(at(0)), Some(after)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let journal = journal.clone();
        tasks.spawn(async move {
            journal.commit(&[writes(&call(number)), owes(create(number, 1))]).await.unwrap();
            let story = journal.story(&id(number)).await.unwrap().expect("it was answered");
            assert_eq!(story.work.len(), 1);
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let mut ordinals = ordinals.lock().unwrap().clone();
    ordinals.sort_unstable();
    assert_eq!(ordinals, (1..=40).collect::<Vec<_>>());
    assert_eq!(owed_keys(&journal).await.len(), 40);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_whole_or_not_there() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    for number in 0..12 {
        // Two waves: BEGIN, two writes and COMMIT are statements of their own.
        let batch =
            [owes(update(number, 1, "first")), owes(update(number, 1, "second")), writes(&call(number))];
        {
            let mut commit = pin!(journal.commit(&batch));
            for _ in 0..number {
                let cut = tokio::select! {
                    biased;
                    result = &mut commit => { result.unwrap(); false }
                    () = tokio::task::yield_now() => true,
                };
                if !cut {
                    break;
                }
            }
        }
        journal.commit(&[writes(&call(100 + number))]).await.unwrap();
        let (calls, owed) = seen(&journal).await;
        let call_is_there = calls.contains(&call(number));
        let work_is_there = owed.iter().any(|(key, _)| *key == format!("{}#1", id(number)));
        assert_eq!(call_is_there, work_is_there, "dropped after {number} steps");
        assert!(calls.contains(&call(100 + number)), "the next commit is not harmed");
    }
}

#[tokio::test]
async fn the_log_is_carried_over_beside_the_commits() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let size = || std::fs::metadata(shelf.place()).unwrap().len();
    let before = size();
    let stop = CancellationToken::new();
    let tending = journal.tend(stop.clone());
    let working = async {
        let mut commits = 0;
        while size() == before && commits < 4 * COMMITS_BETWEEN_CHECKPOINTS {
            journal.commit(&[writes(&call(u32::try_from(commits).unwrap()))]).await.unwrap();
            commits += 1;
        }
        stop.cancel();
        commits
    };
    let ((), commits) = tokio::join!(tending, working);
    assert!(size() > before, "nothing was carried over in {commits} commits");
    assert!(commits >= COMMITS_BETWEEN_CHECKPOINTS, "not before it is worth it");
    assert_eq!(seen(&journal).await.0.len() as u64, commits);
    journal.close().await;
    assert!(matches!(journal.commit(&[writes(&call(0))]).await, Err(JournalError::Statement { .. })));
}
