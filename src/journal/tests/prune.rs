//! What is older than `keep_days` goes; what is owed stays.

use super::*;

async fn ids(journal: &Journal) -> Vec<CallId> {
    let mut ids: Vec<_> = journal.list(10_000).await.unwrap().into_iter().map(|row| row.call).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn old_calls_go_and_what_is_open_owed_or_refused_stays() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    let told = |call: &Call| Change { story: vec![line(0, "rings at 201")], ..writes(call) };
    let batch = [
        told(&closed(0, 10)), // old, all done: goes
        owes(create(0, 1)),
        settles(0, 1, done()),
        told(&call(1)),       // still open
        told(&closed(2, 10)), // old, but owed
        owes(create(2, 1)),
        told(&closed(3, 10)), // old, but a person must look
        owes(create(3, 1)),
        settles(3, 1, refused()),
        told(&closed(4, 99)),  // young
        told(&closed(5, 100)), // ended at that very moment: not before it
        told(&closed(6, 10)),  // old, given up: goes
        owes(pop(6, 1)),
        settles(6, 1, withdrawn()),
    ];
    journal.commit(&batch).await.unwrap();
    assert_eq!(journal.prune(at(0)).await.unwrap(), 0);
    assert_eq!(journal.prune(at(99)).await.unwrap(), 2);

    assert_eq!(ids(&journal).await, [id(1), id(2), id(3), id(4), id(5)]);
    assert_eq!(owed_keys(&journal).await, ["main/1795292763.2#1"]);
    assert_eq!(journal.owed().await.unwrap().len(), 2);
    assert!(!journal.knows(&id(0)).await.unwrap(), "no story and no work of it is left either");
    assert!(!journal.knows(&id(6)).await.unwrap());
    assert_eq!(journal.story(&id(2)).await.unwrap().unwrap().lines.len(), 1);

    // Once they are settled they go as well.
    journal.commit(&[settles(2, 1, done()), settles(3, 1, withdrawn())]).await.unwrap();
    assert_eq!(journal.prune(at(99)).await.unwrap(), 2);
    drop((journal, lock));
    let (journal, _lock) = shelf.open().await;
    assert_eq!(ids(&journal).await, [id(1), id(4), id(5)]);
}

#[tokio::test]
async fn many_go_in_small_steps_between_which_the_desk_commits() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let old: Vec<_> = (0..450).map(|number| writes(&closed(number, 10))).collect();
    journal.commit(&old).await.unwrap();
    journal.commit(&[writes(&call(1_000))]).await.unwrap();

    let pruning = journal.prune(at(99));
    let committing = async {
        for number in 1_001..1_010 {
            journal.commit(&[writes(&call(number))]).await.unwrap();
        }
    };
    let (pruned, ()) = tokio::join!(pruning, committing);
    assert_eq!(pruned.unwrap(), 450);
    assert_eq!(journal.load().await.unwrap().calls.len(), 10);
    assert_eq!(ids(&journal).await.len(), 10);
}
