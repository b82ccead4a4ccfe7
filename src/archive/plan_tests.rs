//! Runs on paper: what is copied, what is left alone.

use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-11-26T03:30:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn kept(name: &str, bytes: u64) -> KeptFile {
    let recorded_at = "2026-11-26T00:30:00Z".parse().unwrap();
    KeptFile {
        path: format!("/spool/{name}").into(),
        name: name.to_owned(),
        bytes,
        sha256: None,
        recorded_at,
    }
}

fn listed(name: &str, bytes: u64) -> Listed {
    Listed { name: name.to_owned(), bytes, is_folder: false, modified: None, sha256: None }
}

fn rules() -> Rules {
    Rules {
        subfolder: String::new(),
        date_folders: String::new(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        keep_days: None,
    }
}

fn listing(files: &[(&str, u64)]) -> Listing {
    Listing::from([(FOLDER.to_owned(), files.iter().map(|(name, bytes)| listed(name, *bytes)).collect())])
}

fn names_of(plan: &Plan) -> Vec<&str> {
    plan.copies.iter().map(|copy| copy.name.as_str()).collect()
}

#[test]
fn what_is_missing_is_copied_and_what_is_there_is_not() {
    let files = [kept("a.wav", 10), kept("b.wav", 20), kept("c.wav", 30)];
    let plan = plan(&files, &listing(&[("b.wav", 20), ("other.txt", 1)]), &rules(), now());
    assert_eq!(names_of(&plan), ["a.wav", "c.wav"]);
    assert_eq!((plan.there, plan.bytes, plan.copies[1].kept), (1, 40, 2));
    assert_eq!(plan.copies[0].folder, "RecordedCalls");
    assert!(plan.expired.is_empty() && plan.leftovers.is_empty());
}

#[test]
fn another_file_of_the_same_name_is_left_alone() {
    let files = [kept("a.wav", 10)];
    let other = listing(&[("A.WAV", 11)]);
    assert_eq!(names_of(&plan(&files, &other, &rules(), now())), ["a (2).wav"]);
    // The day after: the numbered one is ours.
    let both = listing(&[("A.WAV", 11), ("a (2).wav", 10)]);
    assert_eq!(plan(&files, &both, &rules(), now()).there, 1);
    // A folder of that name is another file too.
    let mut folder = listing(&[]);
    let stood = folder.get_mut(FOLDER).unwrap();
    stood.push(Listed { is_folder: true, ..listed("a.wav", 10) });
    assert_eq!(names_of(&plan(&files, &folder, &rules(), now())), ["a (2).wav"]);
}

#[test]
fn a_hash_that_differs_makes_another_file_of_it() {
    let mut files = [kept("a.wav", 10)];
    files[0].sha256 = Some([1; 32]);
    for (there, copies) in [(None, 0), (Some([1; 32]), 0), (Some([2; 32]), 1)] {
        let mut shelf = listing(&[]);
        shelf.get_mut(FOLDER).unwrap().push(Listed { sha256: there, ..listed("a.wav", 10) });
        assert_eq!(plan(&files, &shelf, &rules(), now()).copies.len(), copies, "{there:?}");
    }
}

#[test]
fn two_recordings_of_one_name_get_two_files() {
    let mut files = [kept("call.wav", 10), kept("CALL.wav", 10), kept("call.wav", 10)];
    files[2].path = "/spool/again/call.wav".into();
    let plan = plan(&files, &listing(&[]), &rules(), now());
    assert_eq!(names_of(&plan), ["CALL.wav", "call (2).wav", "call (3).wav"]);
}

#[test]
fn what_was_begun_is_continued_and_what_nobody_continues_is_removed_after_a_day() {
    let part = names::temporary("RecordedCalls/a.wav", 10);
    let stale = names::temporary("RecordedCalls/gone.wav", 10);
    let fresh = names::temporary("RecordedCalls/of another host.wav", 10);
    let mut shelf = listing(&[(&part, 4), ("a note.part", 5)]);
    let stood = shelf.get_mut(FOLDER).unwrap();
    stood[0].modified = Some("2026-11-01T00:00:00Z".parse().unwrap());
    stood.push(Listed { modified: Some("2026-11-25T03:00:00Z".parse().unwrap()), ..listed(&stale, 9) });
    stood.push(Listed { modified: Some("2026-11-25T04:00:00Z".parse().unwrap()), ..listed(&fresh, 9) });
    let plan = plan(&[kept("a.wav", 10)], &shelf, &rules(), now());
    assert_eq!((plan.copies[0].resume_from, plan.bytes), (4, 6));
    assert_eq!(plan.copies[0].temporary, part);
    assert_eq!(plan.leftovers, [format!("RecordedCalls/{stale}")]);
}

#[test]
fn folders_are_made_of_the_date_in_the_zone_and_of_the_name() {
    let mut rules = rules();
    rules.subfolder = "team/phone".to_owned();
    rules.date_folders = "%Y/%m: %d".to_owned();
    let (folder, name) = rules.place_of(&kept("sales/a:b.wav", 1));
    assert!(folder.starts_with("team/phone/RecordedCalls/2026/11_ 26~"), "{folder}");
    assert!(folder.ends_with("/sales") && name.starts_with("a_b~"), "{folder} {name}");
    // 23:30 in London is the next day in Berlin.
    rules.date_folders = "%Y-%m-%d".to_owned();
    let mut late = kept("a.wav", 1);
    late.recorded_at = "2026-11-25T23:30:00Z".parse().unwrap();
    assert_eq!(rules.place_of(&late).0, "team/phone/RecordedCalls/2026-11-26");
    // Nobody leaves the folder by a name.
    let (folder, name) = rules.place_of(&kept("../../etc/passwd", 1));
    assert!(!folder.contains("..") && name == "passwd", "{folder}");
}

#[test]
fn old_copies_of_ours_are_deleted_and_not_copied_again() {
    let mut rules = rules();
    rules.keep_days = Some(30);
    let (old, edge, new) =
        ("2026-10-26_120000_x_201.wav", "2026-10-27_000000_x_201.wav", "2026-11-25_120000_x_201.wav");
    let shelf = listing(&[(old, 1), (edge, 1), (new, 1), ("1999 budget.xlsx", 1), ("2001-01-01.wav", 1)]);
    let plan =
        plan(&[kept(old, 1), kept("2026-10-01_120000_y_201.wav", 1), kept(new, 1)], &shelf, &rules, now());
    assert_eq!(plan.expired, [format!("RecordedCalls/{old}")]);
    assert_eq!((plan.copies.len(), plan.there, plan.too_old), (0, 1, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever lies on both sides: after a run everything is there, nothing that was there has changed, and
    /// the next run has nothing to do.
    #[test]
    fn one_run_is_enough_and_harms_nobody(
        files in prop::collection::vec(("[aAbB:?]{1,2}", 0_u64..3), 0..12),
        shelf in prop::collection::vec(("[aAbB]{1,2}( \\([23]\\))?", 0_u64..3), 0..12),
    ) {
        let files: Vec<KeptFile> = files
            .iter()
            .enumerate()
            .map(|(number, (name, bytes))| KeptFile {
                path: format!("/spool/{number}").into(),
                ..kept(&format!("{name}.wav"), *bytes)
            })
            .collect();
        // A share does not hold two names that differ by case only.
        let mut seen = HashSet::new();
        let mut stood: Vec<Listed> = shelf
            .iter()
            .map(|(name, bytes)| listed(&format!("{name}.wav"), *bytes))
            .filter(|file| seen.insert(names::folded(&file.name)))
            .collect();
        let before = stood.len();
        let first = plan(&files, &Listing::from([(FOLDER.to_owned(), stood.clone())]), &rules(), now());
        prop_assert_eq!(first.copies.len() + first.there, files.len());
        for copy in &first.copies {
            prop_assert!(seen.insert(names::folded(&copy.name)), "{} would overwrite", copy.name);
            stood.push(listed(&copy.name, files[copy.kept].bytes));
        }
        prop_assert_eq!(stood.len(), before + first.copies.len());
        let second = plan(&files, &Listing::from([(FOLDER.to_owned(), stood)]), &rules(), now());
        prop_assert_eq!(second.copies.len(), 0, "{:?}", second);
        prop_assert_eq!(second.there, files.len());
    }
}
