//! What every share does in the same way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ringdesk::archive::plan::Listed;
use ringdesk::archive::share::{PIECE, Share, ShareError, Source};
use ringdesk::archive::{Place, names};
use sha2::{Digest as _, Sha256};

use crate::samba::{Samba, clients};

#[tokio::test]
async fn a_mounted_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder {
        path: folder.path().to_owned(),
        must_be_mounted: false,
        limit: Duration::from_secs(10),
    };
    holds(&place, folder.path()).await;
}

#[tokio::test]
async fn every_smb_client_keeps_the_contract() {
    let samba = Samba::start();
    for client in clients() {
        let folder = samba.path("calls");
        holds(&samba.place("calls", client), &folder).await;
        fs::remove_dir_all(folder.join("Kopien")).unwrap();
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn file(&self, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.0.path().join("source");
        fs::write(&path, bytes).unwrap();
        path
    }
}

async fn put(
    share: &mut dyn Share,
    home: &Home,
    bytes: &[u8],
    path: &str,
    from: u64,
) -> Result<u64, ShareError> {
    let mut source = Source::open(&home.file(bytes)).await.unwrap();
    source.skip(from).await.unwrap();
    let mut last = 0;
    let put = share
        .put(&mut source, path, from, &mut |at| {
            assert!(at >= last, "progress goes one way");
            last = at;
        })
        .await;
    assert_eq!(
        source.sum(),
        (bytes.len() as u64, Sha256::digest(bytes).into()),
        "the source was read to its end"
    );
    put
}

async fn listed(share: &mut dyn Share, folder: &str, name: &str) -> Option<Listed> {
    share.list(folder).await.unwrap().expect("the folder is there").into_iter().find(|file| file.name == name)
}

async fn holds(place: &Place, disk: &Path) {
    let home = Home(tempfile::tempdir().unwrap());
    let mut share = place.connect().await.unwrap_or_else(|error| panic!("{place}: {error}"));
    let share = share.as_mut();
    let noise: Vec<u8> = (0..PIECE * 3 + 17).map(|at| (at * 7 + at / 251) as u8).collect();
    let long: &[u8] = &noise;

    assert_eq!(share.list("Kopien/RecordedCalls").await.unwrap(), None, "no folder, no error");
    share.make_folder("Kopien").await.unwrap();
    share.make_folder("Kopien/RecordedCalls").await.unwrap();
    share.make_folder("Kopien/RecordedCalls").await.expect("a folder that is there is fine");
    assert_eq!(share.list("Kopien/RecordedCalls").await.unwrap(), Some(Vec::new()));
    assert!(listed(share, "Kopien", "RecordedCalls").await.unwrap().is_folder);
    let at = |name: &str| format!("Kopien/RecordedCalls/{name}");

    // Written, counted, read back, listed.
    let part = names::temporary("a.wav", 5);
    assert_eq!(put(share, &home, long, &at(&part), 0).await.unwrap(), long.len() as u64);
    assert_eq!(share.read_back(&at(&part)).await.unwrap(), (long.len() as u64, Sha256::digest(long).into()));
    let file = listed(share, "Kopien/RecordedCalls", &part).await.unwrap();
    assert_eq!((file.bytes, file.is_folder), (long.len() as u64, false));
    let age =
        jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap() - file.modified.expect("a time");
    assert!(age.total(jiff::Unit::Second).unwrap().abs() < 60.0, "{age}");
    assert_eq!(fs::read(disk.join(at(&part))).unwrap(), long);

    // Written anew, shorter; then continued behind what is there.
    assert_eq!(put(share, &home, b"abc", &at(&part), 0).await.unwrap(), 3);
    assert_eq!(fs::read(disk.join(at(&part))).unwrap(), b"abc");
    assert_eq!(put(share, &home, b"abcdefg", &at(&part), 3).await.unwrap(), 7);
    assert_eq!(fs::read(disk.join(at(&part))).unwrap(), b"abcdefg");
    assert_eq!(put(share, &home, b"abcdefg", &at(&part), 7).await.unwrap(), 7, "nothing is left to send");

    // Named, but never over another file.
    share.rename(&at(&part), &at("a.wav")).await.unwrap();
    assert_eq!(put(share, &home, b"other", &at(&part), 0).await.unwrap(), 5);
    let taken = share.rename(&at(&part), &at("a.wav")).await;
    assert!(matches!(taken, Err(ShareError::Exists { .. })), "{taken:?}");
    assert_eq!(fs::read(disk.join(at("a.wav"))).unwrap(), b"abcdefg");
    assert_eq!(fs::read(disk.join(at(&part))).unwrap(), b"other");

    // Deleted, also what is not there.
    share.remove(&at(&part)).await.unwrap();
    share.remove(&at(&part)).await.unwrap();
    assert!(!disk.join(at(&part)).exists());

    // Nothing at all, and names that a client could take apart.
    let cut = names::safe(&format!("{}.wav", "ü".repeat(200)));
    for name in [
        "leer.wav",
        "a%41b.wav",
        "a#b.wav",
        "Grüße aus Köln +49'30 & [x] {y};~.wav",
        "ab%",
        "コール.wav",
        &cut,
    ] {
        assert_eq!(names::safe(name), name);
        let bytes = if name == "leer.wav" { b"".as_slice() } else { name.as_bytes() };
        assert_eq!(put(share, &home, bytes, &at(&part), 0).await.unwrap(), bytes.len() as u64, "{name}");
        share.rename(&at(&part), &at(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fs::read(disk.join(at(name))).unwrap(), bytes, "{name}");
        assert_eq!(listed(share, "Kopien/RecordedCalls", name).await.unwrap().bytes, bytes.len() as u64);
        assert_eq!(
            share.read_back(&at(name)).await.unwrap(),
            (bytes.len() as u64, Sha256::digest(bytes).into())
        );
    }
    assert!(share.free().await.unwrap().expect("it tells") > 1_000_000);
}
