//! Runs by a clock that the test moves, into a plain folder.

use std::fs;

use jiff::civil::time;
use jiff::tz::TimeZone;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::archive::{Place, Rules, Schedule, Spool};

struct House {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl House {
    fn new(now: &str) -> Self {
        let house =
            Self { folder: tempfile::tempdir().unwrap(), clock: Clock::standing_at(now.parse().unwrap()) };
        fs::create_dir(house.spool()).unwrap();
        fs::create_dir(house.share()).unwrap();
        house
    }

    fn spool(&self) -> std::path::PathBuf {
        self.folder.path().join("spool")
    }

    fn share(&self) -> std::path::PathBuf {
        self.folder.path().join("share")
    }

    fn archive(&self) -> Archive<Spool> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let rules = Rules {
            subfolder: "team/phone".to_owned(),
            date_folders: String::new(),
            zone: zone.clone(),
            keep_days: None,
        };
        let settings = Settings {
            schedule: Schedule::at(vec![time(3, 30, 0, 0)], zone),
            place: Place::Folder {
                path: self.share(),
                must_be_mounted: false,
                limit: Duration::from_secs(5),
            },
            rules,
            diary: self.folder.path().join("archive.json"),
        };
        Archive::new(settings, Spool::new(self.spool()), self.clock.clone())
    }

    fn keep(&self, name: &str, text: &str) {
        fs::write(self.spool().join(name), text).unwrap();
    }

    fn copy(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.share().join("team/phone/RecordedCalls").join(name)).ok()
    }

    fn set(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
    }
}

type Running = (watch::Receiver<ArchiveState>, AbortOnDropHandle<()>);

#[expect(clippy::disallowed_methods, reason = "a test has no lifecycle")]
fn start(archive: Archive<Spool>) -> Running {
    let state = archive.state();
    (state, AbortOnDropHandle::new(tokio::spawn(archive.serve(CancellationToken::new()))))
}

async fn until(
    state: &mut watch::Receiver<ArchiveState>,
    is: impl Fn(&ArchiveState) -> bool,
) -> ArchiveState {
    let waited = tokio::time::timeout(Duration::from_secs(24 * 3600), state.wait_for(|state| is(state)));
    waited.await.expect("in time").expect("it runs").clone()
}

fn ended(state: &ArchiveState, at: &str) -> bool {
    state.last.as_ref().is_some_and(|last| last.began == at.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn it_runs_at_the_hour_and_makes_up_a_missed_run_once() {
    let house = House::new("2026-11-26T01:00:00Z");
    house.keep("a.wav", "one");
    let (mut state, task) = start(house.archive());
    let before = until(&mut state, |state| state.next.is_some()).await;
    assert_eq!(before.next.unwrap().to_string(), "2026-11-26T02:30:00Z");
    assert_eq!(before.last, None, "the first start makes nothing up");
    house.set("2026-11-26T02:30:10Z");
    let after = until(&mut state, |state| ended(state, "2026-11-26T02:30:10Z")).await;
    assert_eq!((after.last.unwrap().copied.files, house.copy("a.wav").as_deref()), (1, Some("one")));
    let next = until(&mut state, |state| state.next.is_some_and(|next| next > house.clock.now())).await;
    assert_eq!(next.next.unwrap().to_string(), "2026-11-27T02:30:00Z");
    drop(task);

    // It was off for two nights.
    house.keep("b.wav", "two");
    house.set("2026-11-28T09:00:00Z");
    let (mut state, _task) = start(house.archive());
    let late = until(&mut state, |state| ended(state, "2026-11-28T09:00:00Z")).await.last.unwrap();
    assert_eq!((late.copied.files, late.there), (1, 1));
    let next = until(&mut state, |state| state.next.is_some_and(|next| next > house.clock.now())).await;
    assert_eq!(next.next.unwrap().to_string(), "2026-11-29T02:30:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_away_is_tried_again_and_nothing_is_lost() {
    let house = House::new("2026-11-26T01:00:00Z");
    house.keep("a.wav", "one");
    let away = house.folder.path().join("away");
    fs::rename(house.share(), &away).unwrap();
    let (mut state, _task) = start(house.archive());
    until(&mut state, |state| state.next.is_some()).await;
    house.set("2026-11-26T02:30:00Z");
    let failed = until(&mut state, |state| ended(state, "2026-11-26T02:30:00Z")).await.last.unwrap();
    assert!(failed.stopped_by.is_some() && failed.copied.files == 0, "{failed:?}");
    let again = until(&mut state, |state| state.next.is_some_and(|next| next > house.clock.now())).await;
    assert_eq!(again.next.unwrap().to_string(), "2026-11-26T02:31:00Z");
    fs::rename(&away, house.share()).unwrap();
    house.set("2026-11-26T02:31:00Z");
    let whole = until(&mut state, |state| ended(state, "2026-11-26T02:31:00Z")).await.last.unwrap();
    assert_eq!((whole.stopped_by, house.copy("a.wav").as_deref()), (None, Some("one")));
}

#[tokio::test]
async fn runs_by_hand_and_by_the_clock_do_not_meet() {
    let house = House::new("2026-11-26T01:00:00Z");
    let archive = house.archive();
    let held = archive.diary().lock().unwrap();
    assert!(matches!(archive.once(false).await, Ran::Busy));
    drop(held);
    assert!(matches!(archive.once(false).await, Ran::Ended(_, None)));
}

#[tokio::test]
async fn its_own_thread_ends_with_the_daemon() {
    let house = House::new("2026-11-26T01:00:00Z");
    let stop = CancellationToken::new();
    let archive = house.archive();
    let mut state = archive.state();
    let running = archive.run(stop.clone());
    let stopping = async {
        until(&mut state, |state| state.next.is_some()).await;
        stop.cancel();
    };
    tokio::join!(running, stopping);
}

#[test]
fn waits_double_and_what_needs_a_person_waits_for_the_schedule() {
    let ran = |error| {
        Ran::Ended(
            LastRun {
                began: Timestamp::UNIX_EPOCH,
                ended: Timestamp::UNIX_EPOCH,
                copied: Progress::default(),
                there: 0,
                deleted: 0,
                problems: Vec::new(),
                stopped_by: None,
            },
            Some(error),
        )
    };
    let away = || ShareError::Gone { share: "//nas/calls".to_owned(), source: "reset".into() };
    let minutes: Vec<_> =
        [0, 1, 4, 5, 40].map(|tries| next_try(&ran(away()), tries).unwrap().as_mins()).into();
    assert_eq!(minutes, [1, 2, 16, 30, 30]);
    let login = ShareError::Login { share: "//nas/calls".to_owned(), user: "archive".to_owned() };
    assert_eq!(next_try(&ran(login), 0), None);
    assert_eq!(next_try(&ran(ShareError::Full { share: "//nas/calls".to_owned() }), 0), None);
}
