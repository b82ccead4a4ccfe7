//! What goes in comes back.

use super::*;
use crate::call::{
    Author, Caller, Direction, EndedBy, FieldValue, Identified, Lookup, Outcome, Person, PersonId,
    Presentation, Transfer, TransferKind,
};

fn person(id: u64) -> Person {
    Person { id: PersonId(id), name: "Zoë \"Z\" O'Hara \\ \u{202e}\0".to_owned() }
}

/// Calls that have, together, every field and every state that a call can have.
fn calls_of_every_kind() -> Vec<Call> {
    let standing = serde_json::json!({
        "ticket": u64::MAX,
        "requester": {"person": u64::MAX},
        "assignee": "201",
        "popped": "202",
        "pop_owed": 3,
        "pops_possible": true,
        "change_owed": u32::MAX,
        "candidates_told": true,
        "refused_requester": {"new_user": {"number": "+493023125111", "name": "+493023125111"}},
    });
    let stands: Ticket = serde_json::from_value(serde_json::json!({ "stands": standing })).unwrap();
    let full = Call {
        number: "03023125111".to_owned(),
        caller: Caller::Number("+493023125111".parse().unwrap()),
        caller_name: Some("Zoë \"Z\" \\ \0 O'Hara".to_owned()),
        dialled: "+493023125600".to_owned(),
        presentation: Presentation::Asked { until: at(2) },
        queue: Some("support".to_owned()),
        phase: Phase::Talking,
        rang: vec!["201".parse().unwrap(), "anna.desk".parse().unwrap()],
        answered_by: Some("201".parse().unwrap()),
        answered: Some(Timestamp::from_nanosecond(1_795_292_763_123_456_789).unwrap()),
        last_agent: Some("202".parse().unwrap()),
        transfers: vec![Transfer {
            kind: TransferKind::Attended,
            from: "201".parse().unwrap(),
            to: Some("202".to_owned()),
        }],
        held: true,
        parked: true,
        voicemail: true,
        recording: Some("q-600-1795292763.wav".to_owned()),
        absorbed_into: Some(id(99)),
        lookup: Lookup::Known(Identified::Several(vec![person(1), person(u64::MAX)])),
        lookups_failed: 7,
        ticket: stands,
        seq: u32::MAX,
        ..call(0)
    };
    let ended = Phase::Ended {
        at: at(30),
        outcome: Outcome::Answered,
        by: Some(EndedBy::Caller),
        estimated: true,
        wrap_up_until: at(60),
        wrapped_up: true,
    };
    vec![
        full,
        Call {
            lookup: Lookup::Failed { again: at(4) },
            ticket: Ticket::Owed { seq: 1, draft: Box::new(draft()) },
            caller: Caller::Internal("204".parse().unwrap()),
            presentation: Presentation::Allowed,
            direction: Direction::Internal,
            ..call(1)
        },
        Call {
            phase: ended,
            lookup: Lookup::Known(Identified::One(person(5))),
            ticket: Ticket::Refused { reason: "no group".to_owned() },
            caller: Caller::Unreadable("+49-abc\0".to_owned()),
            presentation: Presentation::Withheld,
            direction: Direction::Outbound,
            ..call(2)
        },
        Call { lookup: Lookup::Searching, ..call(3) },
        Call { lookup: Lookup::Known(Identified::Nobody), ..call(4) },
        Call { lookup: Lookup::Asked, ..call(5) },
        Call { lookup: Lookup::NotAsked, ..call(6) },
    ]
}

#[tokio::test]
async fn every_kind_of_call_comes_back_as_it_was() {
    let shelf = Shelf::new();
    let calls = calls_of_every_kind();
    let (journal, lock) = shelf.open().await;
    journal.commit(&calls.iter().map(writes).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(journal.load().await.unwrap().calls, calls);
    journal.close().await;
    drop((journal, lock));

    let (journal, _lock) = shelf.open().await;
    let recovered = journal.load().await.unwrap();
    assert_eq!(recovered.calls, calls);
    assert_eq!(recovered.unreadable, []);
}

#[tokio::test]
async fn a_closed_call_is_listed_and_known_but_not_taken_up_again() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&call(0)), writes(&call(1))]).await.unwrap();
    journal.commit(&[writes(&closed(0, 30))]).await.unwrap();

    let open: Vec<_> = journal.load().await.unwrap().calls.into_iter().map(|call| call.id).collect();
    assert_eq!(open, [id(1)]);
    assert!(journal.knows(&id(0)).await.unwrap() && journal.knows(&id(1)).await.unwrap());
    assert!(!journal.knows(&id(2)).await.unwrap());
    let rows = journal.list(10).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (&row.call, row.open)).collect::<Vec<_>>(),
        [(&id(1), true), (&id(0), false)]
    );
    assert_eq!(journal.list(1).await.unwrap(), rows[..1], "the newest come first");
}

#[tokio::test]
async fn a_list_shows_what_the_state_says() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let mut call = calls_of_every_kind().remove(0);
    call.phase = Phase::Closed { at: at(30), outcome: Outcome::NoAnswer, by: None, estimated: false };
    journal.commit(&[writes(&call)]).await.unwrap();
    let row = CallRow {
        call: id(0),
        started: at(0),
        ended: Some(at(30)),
        open: false,
        direction: "inbound".to_owned(),
        group: Some("support".to_owned()),
        caller: Some("+493023125111".to_owned()),
        answered_by: Some("201".to_owned()),
        outcome: Some("noanswer".to_owned()),
        ticket: Some(TicketId(u64::MAX)),
    };
    assert_eq!(journal.list(10).await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(journal.story(&id(0)).await.unwrap().unwrap().row, row);
    assert_eq!(journal.story(&id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn every_task_comes_back_as_it_was() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    let number = "+493023125111".parse().unwrap();
    let everything = TicketChange {
        requester: Some(Requester::NewUser { number, name: "+49 30 23125111".to_owned() }),
        assignee: Some(Agent { email: None, name: None, ..anna() }),
        group: Some("Sales".to_owned()),
        comment: Some("several\npersons".to_owned()),
        fields: vec![FieldValue { field: "Outcome".to_owned(), value: "answered".to_owned() }],
        tags: vec!["telephone".to_owned()],
        solve: true,
        solver: Some(anna()),
        author: Some(Author::DefaultAgent),
    };
    let works = [
        create(0, 1),
        Work {
            task: Task::UpdateTicket { ticket: TicketId(u64::MAX), change: Box::new(everything) },
            ..create(0, 2)
        },
        update(0, 3, ""),
        pop(0, u32::MAX),
    ];
    journal.commit(&works.clone().map(owes)).await.unwrap();
    drop((journal, lock));

    let (journal, _lock) = shelf.open().await;
    let expected = works.map(|work| OwedWork { work, attempts: 0, due: at(0), last_error: None });
    assert_eq!(journal.load().await.unwrap().owed, expected);
}

#[tokio::test]
async fn a_story_keeps_its_order_over_many_commits() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let odd = StoryLine { at: at(-5), what: "Özdemir \0 \"x\" \u{1f4de}".to_owned(), why: "\\".to_owned() };
    let first = [line(0, "rings at 201"), odd.clone()];
    let change = Change { story: first.to_vec(), ..writes(&call(0)) };
    let other = Change { story: vec![line(1, "of another call")], ..writes(&call(1)) };
    let later = Change { story: vec![line(2, "answered"), line(2, "answered")], ..Change::of(id(0)) };
    journal.commit(&[change, other, later]).await.unwrap();
    let last = Change { story: vec![line(3, "ended")], ..Change::of(id(0)) };
    journal.commit(&[last]).await.unwrap();

    let lines = journal.story(&id(0)).await.unwrap().unwrap().lines;
    let told = [line(0, "rings at 201"), odd, line(2, "answered"), line(2, "answered"), line(3, "ended")];
    assert_eq!(lines, told);
}

#[tokio::test]
async fn each_end_of_work_is_kept_with_its_reason() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[writes(&call(0)), owes(create(0, 1)), owes(pop(0, 2)), owes(pop(0, 3))]).await.unwrap();
    let ends = [settles(0, 1, done()), settles(0, 2, refused()), settles(0, 3, withdrawn())];
    journal.commit(&ends).await.unwrap();

    let work = journal.story(&id(0)).await.unwrap().unwrap().work;
    let standing: Vec<_> = work.into_iter().map(|work| (work.task, work.standing)).collect();
    let text = |text: &str| text.to_owned();
    let (note, reason) = (text("ticket 35436 made by 1 request"), text("the CRM says no"));
    assert_eq!(
        standing,
        [
            (text("create_ticket"), WorkStanding::Done { note, at: at(9) }),
            (text("pop_screen"), WorkStanding::Refused { reason, at: at(9) }),
            (text("pop_screen"), WorkStanding::Withdrawn { reason: text("nobody waits for it"), at: at(9) }),
        ]
    );
    assert_eq!(owed_keys(&journal).await, Vec::<String>::new(), "none is taken up after a restart");
    let shown: Vec<_> = journal.owed().await.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(shown, ["main/1795292763.0#2"], "what is refused waits for a person");
}

#[tokio::test]
async fn a_person_lets_refused_work_be_tried_again_but_nothing_that_is_done() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[owes(create(0, 1)), owes(pop(0, 2))]).await.unwrap();
    journal.commit(&[settles(0, 1, refused()), settles(0, 2, done())]).await.unwrap();
    journal.commit(&[postpones(0, 1, 0, "by hand"), postpones(0, 2, 0, "by hand")]).await.unwrap();

    let owed = journal.load().await.unwrap().owed;
    let again =
        OwedWork { work: create(0, 1), attempts: 0, due: at(60), last_error: Some("by hand".to_owned()) };
    assert_eq!(owed, [again]);
}

#[tokio::test]
async fn work_owed_anew_keeps_its_attempts_and_work_that_ended_stays_ended() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[owes(update(0, 1, "old")), owes(update(0, 2, "old"))]).await.unwrap();
    journal.commit(&[postpones(0, 1, 4, "503"), settles(0, 2, done())]).await.unwrap();
    journal.commit(&[owes(update(0, 1, "new")), owes(update(0, 2, "new"))]).await.unwrap();

    let owed = journal.load().await.unwrap().owed;
    let kept =
        OwedWork { work: update(0, 1, "new"), attempts: 4, due: at(60), last_error: Some("503".to_owned()) };
    assert_eq!(owed, [kept]);
}

#[tokio::test]
async fn within_one_batch_the_later_word_counts() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    let batch = [
        owes(create(0, 1)),
        settles(0, 1, done()),
        owes(update(0, 2, "first")),
        owes(update(0, 2, "second")),
        postpones(0, 2, 1, "first"),
        postpones(0, 2, 2, "second"),
        settles(0, 3, done()),
        owes(pop(0, 3)),
        settles(0, 3, refused()),
        postpones(0, 3, 0, "by hand"),
        owes(create(0, 1)),
    ];
    journal.commit(&batch).await.unwrap();
    let owed = journal.load().await.unwrap().owed;
    let seen: Vec<_> =
        owed.into_iter().map(|owed| (owed.work, owed.attempts, owed.last_error.unwrap())).collect();
    let (second, by_hand) = ("second".to_owned(), "by hand".to_owned());
    assert_eq!(seen, [(update(0, 2, "second"), 2, second), (pop(0, 3), 0, by_hand)]);
}

#[tokio::test]
async fn keys_that_are_no_keys_change_nothing() {
    let shelf = Shelf::new();
    let (journal, _lock) = shelf.open().await;
    journal.commit(&[owes(create(0, 1))]).await.unwrap();
    for key in ["", "#", "main/1795292763.0", "main/1795292763.0#", "main/1795292763.0#x", "main/9#1"] {
        let settled = Settled { key: key.to_owned(), how: done(), at: at(0) };
        journal.commit(&[Change { settle: vec![settled], ..Change::of(id(0)) }]).await.unwrap();
    }
    assert_eq!(owed_keys(&journal).await, ["main/1795292763.0#1"]);
}

#[tokio::test]
async fn small_facts_outlive_a_restart() {
    let shelf = Shelf::new();
    let (journal, lock) = shelf.open().await;
    assert_eq!(journal.recall("voice").await.unwrap(), None);
    journal.remember("voice", "no").await.unwrap();
    journal.remember("voice", "yes\0'\"").await.unwrap();
    journal.remember("other", "").await.unwrap();
    drop((journal, lock));
    let (journal, _lock) = shelf.open().await;
    assert_eq!(journal.recall("voice").await.unwrap().as_deref(), Some("yes\0'\""));
    assert_eq!(journal.recall("other").await.unwrap().as_deref(), Some(""));
}
