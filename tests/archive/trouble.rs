//! Runs against a real Samba, and what goes wrong with shares.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use ringdesk::archive::share::{ShareError, Source};
use ringdesk::archive::{Place, SmbClient};

use crate::house::{House, noise};
use crate::samba::{Samba, clients, files};

const CALL: &str = "2026-11-26_101502_+493023125111_201.wav";

#[tokio::test]
async fn recordings_lie_on_the_share_byte_for_byte_and_the_second_run_has_nothing_to_do() {
    let samba = Samba::start();
    for client in clients() {
        let house = House::new();
        house.keep(CALL, &noise(3_000_001));
        house.keep("empty.wav", b"");
        house.keep("a:b?\"c\".wav", b"colon");
        house.keep("a_b_.wav", b"plain");
        house.keep("NUL.wav", b"device");
        let shelf = samba.path("calls/team/phone/RecordedCalls");
        fs::create_dir_all(&shelf).unwrap();
        fs::write(shelf.join("a_b_.wav"), "somebody else's").unwrap();
        let last = house.whole(samba.place("calls", client)).await;
        assert_eq!((last.copied.files, last.copied.bytes, last.there), (5, 3_000_017, 0));
        let found = files(&shelf);
        assert_eq!(found[CALL], noise(3_000_001));
        assert_eq!(found["empty.wav"], b"");
        assert_eq!(found["a_b_.wav"], b"somebody else's");
        assert_eq!(found["a_b_ (2).wav"], b"plain");
        let named =
            |start: &str| found.iter().find(|(name, _)| name.starts_with(start)).unwrap().1.as_slice();
        assert_eq!((named("a_b__c_~"), named("_NUL~")), (b"colon".as_slice(), b"device".as_slice()));
        assert_eq!(found.len(), 6, "{:?}", found.keys());
        let again = house.whole(samba.place("calls", client)).await;
        assert_eq!((again.copied.of_files, again.there), (0, 5));
        fs::remove_dir_all(samba.path("calls/team")).unwrap();
    }
}

#[tokio::test]
async fn smbd_killed_in_mid_copy_is_told_and_the_next_run_continues() {
    for client in clients() {
        let mut samba = Samba::start();
        let house = House::new();
        let whole = noise(96_000_000);
        house.keep(CALL, &whole);
        let archive = house.archive(samba.place("calls", client));
        let mut state = archive.state();
        let shelf = samba.path("calls/team/phone/RecordedCalls");
        let killing = async {
            let begun = state
                .wait_for(|state| state.running.as_ref().is_some_and(|run| run.progress.bytes > 8_000_000));
            tokio::time::timeout(Duration::from_secs(30), begun).await.expect("it copies").unwrap();
            samba.kill();
        };
        let (ran, ()) = tokio::join!(archive.once(false), killing);
        let ringdesk::archive::run::Ran::Ended(last, Some(error)) = ran else { panic!("{ran:?}") };
        assert!(error.may_pass(), "{client:?}: {error:?}");
        assert_eq!(last.copied.files, 0, "{client:?}");
        assert!(!shelf.join(CALL).exists(), "nothing half has the name");
        let begun: u64 = files(&shelf).values().map(|bytes| bytes.len() as u64).sum();
        assert!(begun > 0, "{client:?}: what was begun is kept");
        // Away.
        let (_, away) = house.run(samba.place("calls", client)).await;
        assert!(matches!(away, Some(ShareError::Gone { .. })), "{client:?}: {away:?}");
        samba.rise();
        let last = house.whole(samba.place("calls", client)).await;
        assert!(last.copied.bytes < whole.len() as u64, "{client:?}: it was continued: {last:?}");
        let found = files(&shelf);
        assert!(found.len() == 1 && found[CALL] == whole, "{client:?}: {:?}", found.keys());
    }
}

#[tokio::test]
async fn many_files_by_several_connections_survive_the_death_of_smbd() {
    for client in clients() {
        let mut samba = Samba::start();
        let house = House::new();
        let kept: Vec<(String, Vec<u8>)> = (0..40_usize)
            .map(|number| (format!("call {number:02}.wav"), noise(900_000 + 1_000 * number)))
            .collect();
        for (name, bytes) in &kept {
            house.keep(name, bytes);
        }
        let archive = house.archive(samba.place("calls", client));
        let mut state = archive.state();
        let killing = async {
            let begun =
                state.wait_for(|state| state.running.as_ref().is_some_and(|run| run.progress.files >= 5));
            tokio::time::timeout(Duration::from_secs(30), begun).await.expect("it copies").unwrap();
            samba.kill();
        };
        let (ran, ()) = tokio::join!(archive.once(false), killing);
        let ringdesk::archive::run::Ran::Ended(last, Some(error)) = ran else { panic!("{ran:?}") };
        assert!(error.may_pass() && last.copied.files >= 5 && last.copied.files < 40, "{client:?}: {last:?}");
        assert_eq!(last.problems, [""; 0], "{client:?}");
        samba.rise();
        let shelf = samba.path("calls/team/phone/RecordedCalls");
        let there = files(&shelf).into_iter().filter(|(name, _)| !name.starts_with('.')).count() as u64;
        let rest = house.whole(samba.place("calls", client)).await;
        assert_eq!((rest.there, rest.copied.files), (there, 40 - there), "{client:?}: none is copied twice");
        assert_eq!(files(&shelf).into_iter().collect::<Vec<_>>(), kept, "{client:?}");
        fs::remove_dir_all(samba.path("calls/team")).unwrap();
    }
}

#[tokio::test]
async fn what_lies_under_the_temporary_name_but_is_not_ours_is_written_anew() {
    let samba = Samba::start();
    for client in clients() {
        let house = House::new();
        house.keep(CALL, &noise(100_000));
        let shelf = samba.path("calls/team/phone/RecordedCalls");
        fs::create_dir_all(&shelf).unwrap();
        let part = ringdesk::archive::names::temporary(&format!("team/phone/RecordedCalls/{CALL}"), 100_000);
        for bytes in [vec![7; 40_000], vec![7; 100_000], vec![7; 200_000]] {
            fs::write(shelf.join(&part), bytes).unwrap();
            house.whole(samba.place("calls", client)).await;
            let found = files(&shelf);
            assert!(found.len() == 1 && found[CALL] == noise(100_000), "{:?}", found.keys());
            fs::remove_file(shelf.join(CALL)).unwrap();
        }
        fs::remove_dir_all(samba.path("calls/team")).unwrap();
    }
}

#[tokio::test]
async fn every_refusal_is_told_apart_with_its_way_out() {
    let samba = Samba::start();
    let house = House::new();
    house.keep(CALL, &noise(2_500_000));
    for client in clients() {
        let run = async |place: Place| {
            let (last, stopped_by) = house.run(place).await;
            assert_eq!(last.copied.files, 0, "{client:?}");
            let error = stopped_by.unwrap();
            assert!(!error.may_pass(), "{client:?}: trying again does not help: {error:?}");
            assert!(!last.stopped_by.unwrap().contains("23125111"), "no caller's number");
            error
        };
        let mut wrong = samba.smb("calls");
        wrong.password = "not the right one".to_owned().into();
        let error = run(Place::Smb(wrong, client)).await;
        let is_login = matches!(error, ShareError::Login { .. });
        assert!(is_login && error.to_string().contains("check username, password"), "{client:?}: {error:?}");

        let error = run(samba.place("nowhere", client)).await;
        assert!(matches!(error, ShareError::NoShare { .. }), "{client:?}: {error:?}");

        let error = run(samba.place("readonly", client)).await;
        let is_denied = matches!(error, ShareError::Denied { .. });
        assert!(is_denied && error.to_string().contains("read-only"), "{client:?}: {error:?}");

        let error = run(samba.place("small", client)).await;
        assert!(matches!(error, ShareError::Full { .. }), "{client:?}: {error:?}");
        assert!(files(&samba.path("small")).is_empty(), "{client:?}");
    }
    // Only this client sees that it is nobody there.
    let mut stranger = samba.smb("calls");
    stranger.username = "stranger".to_owned();
    let (_, stopped_by) = house.run(Place::Smb(stranger, SmbClient::Smb2)).await;
    assert!(matches!(stopped_by, Some(ShareError::Guest { .. })), "{stopped_by:?}");
}

#[tokio::test]
async fn a_share_that_demands_encryption_names_the_way_out_or_works() {
    let samba = Samba::start();
    let house = House::new();
    house.keep(CALL, &noise(2_000_000));
    for share in ["encrypted", "nobody"] {
        let (_, stopped_by) = house.run(samba.place(share, SmbClient::Smb2)).await;
        let error = stopped_by.unwrap();
        assert!(matches!(error, ShareError::Refused { .. }) && !error.may_pass(), "{share}: {error:?}");
        assert!(error.to_string().contains("client = \"libsmbclient\""), "{error}");
    }
    if clients().contains(&SmbClient::Libsmbclient) {
        house.whole(samba.place("encrypted", SmbClient::Libsmbclient)).await;
        let found = files(&samba.path("encrypted/team/phone/RecordedCalls"));
        assert_eq!(found[CALL], noise(2_000_000));
        // Demanded by us.
        let mut smb = samba.smb("calls");
        smb.require_encryption = true;
        house.whole(Place::Smb(smb, SmbClient::Libsmbclient)).await;
    }
}

#[tokio::test]
async fn a_share_that_gets_full_is_told_as_full() {
    let samba = Samba::start();
    if !samba.has_full {
        eprintln!("left out: this machine does not allow to mount a small file system");
        return;
    }
    let house = House::new();
    house.keep(CALL, &noise(5_000_000));
    let mut places: Vec<Place> = clients().into_iter().map(|client| samba.place("full", client)).collect();
    let limit = Duration::from_secs(10);
    places.push(Place::Folder { path: samba.path("full"), must_be_mounted: true, limit });
    for place in places {
        // In the middle of the file.
        let mut share = place.connect().await.unwrap();
        let mut source = Source::open(&house.spool().join(CALL)).await.unwrap();
        let put = share.put(&mut source, "x.part", 0, &mut |_| {}).await;
        assert!(matches!(put, Err(ShareError::Full { .. })), "{place}: {put:?}");
        fs::remove_file(samba.path("full/x.part")).unwrap();
        // A run sees it before.
        let (_, stopped_by) = house.run(place).await;
        assert!(matches!(stopped_by, Some(ShareError::Full { .. })), "{stopped_by:?}");
        assert!(files(&samba.path("full")).is_empty());
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let samba = Samba::start();
    let house = House::new();
    house.keep(CALL, b"x");
    for client in clients() {
        let mut smb = samba.smb("calls");
        smb.port = silent.local_addr().unwrap().port();
        smb.limit = Duration::from_secs(1);
        let begun = Instant::now();
        let (_, stopped_by) = house.run(Place::Smb(smb, client)).await;
        let error = stopped_by.unwrap();
        assert!(matches!(error, ShareError::Silent { .. }) && error.may_pass(), "{client:?}: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{client:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn copies_are_deleted_after_their_days_and_nothing_else_is() {
    let samba = Samba::start();
    let mut house = House::new();
    house.rules.keep_days = Some(30);
    house.rules.date_folders = "%Y/%m".to_owned();
    let shelf = samba.path("calls/team/phone/RecordedCalls");
    fs::create_dir_all(shelf.join("2020/01")).unwrap();
    let old = "2020-01-31_101502_+4930_201.wav";
    for name in [format!("2020/01/{old}"), "2020/01/notes.txt".to_owned(), old.to_owned()] {
        fs::write(shelf.join(name), "old").unwrap();
    }
    fs::write(samba.path("calls").join(old), "outside").unwrap();
    house.keep(old, b"old");
    for client in clients() {
        let last = house.whole(samba.place("calls", client)).await;
        assert_eq!(last.copied.of_files, 0, "{last:?}");
    }
    let found: Vec<String> = files(&samba.path("calls")).into_keys().collect();
    assert_eq!(found, [old, "team/phone/RecordedCalls/2020/01/notes.txt"]);
}

#[tokio::test]
async fn a_folder_where_nothing_is_mounted_is_refused() {
    let house = House::new();
    house.keep(CALL, b"x");
    let limit = Duration::from_secs(5);
    let plain = tempfile::tempdir().unwrap();
    let place = Place::Folder { path: plain.path().to_owned(), must_be_mounted: true, limit };
    let (_, stopped_by) = house.run(place).await;
    let error = stopped_by.unwrap();
    assert!(matches!(error, ShareError::NotMounted { .. }) && error.may_pass(), "{error:?}");
    assert!(files(plain.path()).is_empty());
    // What is mounted on every Linux.
    Place::Folder { path: Path::new("/proc").to_owned(), must_be_mounted: true, limit }
        .connect()
        .await
        .unwrap();
}
