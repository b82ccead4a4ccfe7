//! Any sequence of changes, held against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Commit(Vec<Change>),
    Prune(i64),
    Reopen,
    /// Reopens without closing first.
    Die,
}

#[derive(Clone, Debug, PartialEq)]
struct Piece {
    work: Work,
    attempts: u32,
    due: Timestamp,
    error: Option<String>,
    standing: WorkStanding,
}

#[derive(Default)]
struct Model {
    /// In the order of first writing.
    calls: Vec<Call>,
    story: BTreeMap<CallId, Vec<StoryLine>>,
    /// In the order of first writing.
    work: Vec<Piece>,
}

impl Model {
    fn commit(&mut self, batch: &[Change]) {
        for change in batch {
            if let Some(snapshot) = &change.snapshot {
                let call: Call = serde_json::from_str(&snapshot.state).unwrap();
                match self.calls.iter_mut().find(|known| known.id == call.id) {
                    Some(known) => *known = call,
                    None => self.calls.push(call),
                }
            }
            if !change.story.is_empty() {
                self.story.entry(change.call.clone()).or_default().extend(change.story.clone());
            }
            for work in &change.owe {
                match self.work.iter_mut().find(|piece| piece.work.key() == work.key()) {
                    Some(piece) if piece.standing == WorkStanding::Owed => piece.work = work.clone(),
                    Some(_) => {}
                    None => self.work.push(Piece {
                        work: work.clone(),
                        attempts: 0,
                        due: at(0),
                        error: None,
                        standing: WorkStanding::Owed,
                    }),
                }
            }
            for settled in &change.settle {
                if let Some(piece) = self.unfinished(&settled.key) {
                    let at = settled.at;
                    piece.standing = match settled.how.clone() {
                        HowSettled::Done { note } => WorkStanding::Done { note, at },
                        HowSettled::Refused { reason } => WorkStanding::Refused { reason, at },
                        HowSettled::Withdrawn { reason } => WorkStanding::Withdrawn { reason, at },
                    };
                }
            }
            for postponed in &change.postpone {
                if let Some(piece) = self.unfinished(&postponed.key) {
                    piece.standing = WorkStanding::Owed;
                    (piece.attempts, piece.due) = (postponed.attempts, postponed.due);
                    piece.error = Some(postponed.error.clone());
                }
            }
        }
    }

    fn unfinished(&mut self, key: &str) -> Option<&mut Piece> {
        let unfinished =
            |piece: &&mut Piece| matches!(piece.standing, WorkStanding::Owed | WorkStanding::Refused { .. });
        self.work.iter_mut().find(|piece| piece.work.key() == key).filter(unfinished)
    }

    fn prune(&mut self, older_than: Timestamp) -> u64 {
        let gone: Vec<CallId> = self
            .calls
            .iter()
            .filter(|call| matches!(call.phase, Phase::Closed { at, .. } if at < older_than))
            .filter(|call| {
                let of_it = self.work.iter().filter(|piece| piece.work.call == call.id);
                let mut unfinished = of_it.filter(|piece| {
                    matches!(piece.standing, WorkStanding::Owed | WorkStanding::Refused { .. })
                });
                unfinished.next().is_none()
            })
            .map(|call| call.id.clone())
            .collect();
        self.calls.retain(|call| !gone.contains(&call.id));
        self.story.retain(|call, _| !gone.contains(call));
        self.work.retain(|piece| !gone.contains(&piece.work.call));
        gone.len() as u64
    }

    async fn holds(&self, journal: &Journal) {
        let recovered = journal.load().await.unwrap();
        let open: Vec<_> = self.calls.iter().filter(|call| call.open()).cloned().collect();
        assert_eq!(recovered.calls, open);
        let owed = self.work.iter().filter(|piece| piece.standing == WorkStanding::Owed);
        let owed: Vec<_> = owed
            .map(|piece| OwedWork {
                work: piece.work.clone(),
                attempts: piece.attempts,
                due: piece.due,
                last_error: piece.error.clone(),
            })
            .collect();
        assert_eq!(recovered.owed, owed);
        let listed: Vec<_> = journal.list(100).await.unwrap().into_iter().map(|row| row.call).collect();
        assert_eq!(listed, self.calls.iter().rev().map(|call| call.id.clone()).collect::<Vec<_>>());
        for call in &self.calls {
            let story = journal.story(&call.id).await.unwrap().expect("it was written");
            assert_eq!(story.lines, self.story.get(&call.id).cloned().unwrap_or_default());
            let mut work: Vec<_> = self.work.iter().filter(|piece| piece.work.call == call.id).collect();
            work.sort_by_key(|piece| piece.work.seq);
            let seen: Vec<_> = story.work.iter().map(|row| (&row.key, &row.standing)).collect();
            let keys: Vec<_> = work.iter().map(|piece| piece.work.key()).collect();
            assert_eq!(seen, keys.iter().zip(work.iter().map(|piece| &piece.standing)).collect::<Vec<_>>());
        }
    }
}

fn state() -> impl Strategy<Value = Call> {
    (0..3_u32, prop::option::of(1..50_i64), 0..9_u32, "[\\PC\0]{0,8}").prop_map(|(number, end, seq, name)| {
        let state = end.map_or_else(|| call(number), |second| closed(number, second));
        Call { seq, caller_name: Some(name), ..state }
    })
}

fn work() -> impl Strategy<Value = Work> {
    (0..3_u32, 1..4_u32, "[a-z]{0,4}", 0..3).prop_map(|(number, seq, text, kind)| match kind {
        0 => create(number, seq),
        1 => pop(number, seq),
        _ => update(number, seq, &text),
    })
}

fn change() -> impl Strategy<Value = Change> {
    let end = prop_oneof![Just(done()), Just(refused()), Just(withdrawn())];
    let lines = prop::collection::vec((0..9_i64, "[\\PC]{0,6}"), 0..3);
    let settle = prop::collection::vec((0..3_u32, 1..5_u32, end), 0..3);
    let postpone = prop::collection::vec((0..3_u32, 1..5_u32, 0..9_u32), 0..3);
    (prop::option::of(state()), lines, prop::collection::vec(work(), 0..3), settle, postpone).prop_map(
        |(state, lines, owe, settle, postpone)| {
            let of = state.as_ref().map_or_else(|| id(0), |call| call.id.clone());
            Change {
                snapshot: state.as_ref().map(Snapshot::of),
                story: lines.into_iter().map(|(second, what)| line(second, &what)).collect(),
                owe,
                settle: settle
                    .into_iter()
                    .flat_map(|(number, seq, how)| settles(number, seq, how).settle)
                    .collect(),
                postpone: postpone
                    .into_iter()
                    .flat_map(|(number, seq, attempts)| postpones(number, seq, attempts, "503").postpone)
                    .collect(),
                ..Change::of(of)
            }
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => prop::collection::vec(change(), 1..5).prop_map(Act::Commit),
        1 => (0..60_i64).prop_map(Act::Prune),
        1 => Just(Act::Reopen),
        1 => Just(Act::Die),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_the_journal_and_the_model_agree(acts in prop::collection::vec(act(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let shelf = Shelf::new();
            let mut model = Model::default();
            let mut opened = shelf.open().await;
            for act in acts {
                match act {
                    Act::Commit(batch) => {
                        opened.0.commit(&batch).await.unwrap();
                        model.commit(&batch);
                    }
                    Act::Prune(second) => {
                        assert_eq!(opened.0.prune(at(second)).await.unwrap(), model.prune(at(second)));
                    }
                    Act::Reopen | Act::Die => {
                        if matches!(act, Act::Reopen) {
                            opened.0.close().await;
                        }
                        drop(opened);
                        opened = shelf.open().await;
                    }
                }
                model.holds(&opened.0).await;
            }
        });
    }
}
