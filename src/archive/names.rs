//! File names that every share takes. Pure.
//!
//! Windows' rules (learn.microsoft.com, "Naming Files, Paths, and Namespaces"), because a share may be one: no
//! `< > : " / \ | ? *` and no control characters, no dot and no blank at the end, no device names (`CON`,
//! `NUL.wav`), 255 UTF-16 units; and Samba's on Linux: 255 bytes. One spelling (NFC), so that "ü" is "ü".
//!
//! We do this ourselves because clients do it silently and each in its way: `smb2` writes `:` as U+F022, which
//! looks wrong on Windows, and libsmbclient decodes `%41`.

use std::fmt::Write as _;

use icu_normalizer::ComposingNormalizerBorrowed;
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

/// The longest name, in UTF-16 units and in bytes.
const LONGEST: usize = 255;

/// Endings of recordings.
const ENDINGS: [&str; 4] = ["wav", "mp3", "opus", "ogg"];

/// Names that begin so and end with [`PART`] are ours while a file is under way.
const OURS: &str = ".ringdesk-";
const PART: &str = ".part";

/// The name as every share takes it. Where characters were lost, a few digits made of the original name
/// follow, so that two different names stay different.
pub fn safe(name: &str) -> String {
    let name = ComposingNormalizerBorrowed::new_nfc().normalize(name);
    let mut made: String = name.chars().map(|c| if is_forbidden(c) { '_' } else { c }).collect();
    let kept = made.trim_end_matches(['.', ' ']).len();
    made.truncate(kept);
    // A leading dot hides the file on Linux, and could be taken for a file of ours that is under way.
    if made.starts_with('.') {
        made.replace_range(..1, "_");
    }
    if is_device(&made) || made.is_empty() {
        made.insert(0, '_');
    }
    if made == *name && fits(&made) {
        return made;
    }
    with_tail(&made, &format!("~{}", digits(name.as_bytes(), 6)))
}

/// The name for the `number`th file of this name: `call.wav`, `call (2).wav`.
pub fn numbered(name: &str, number: usize) -> String {
    if number < 2 { name.to_owned() } else { with_tail(name, &format!(" ({number})")) }
}

/// What two names have in common that a share cannot tell apart: it does not look at the case.
pub fn folded(path: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(path).to_lowercase()
}

/// The name that a file has while it is being copied to `path`.
pub fn temporary(path: &str, bytes: u64) -> String {
    format!("{OURS}{}{PART}", digits(format!("{path}\0{bytes}").as_bytes(), 16))
}

/// Whether the name is one of [`temporary`].
pub fn is_temporary(name: &str) -> bool {
    name.strip_prefix(OURS)
        .and_then(|rest| rest.strip_suffix(PART))
        .is_some_and(|middle| middle.len() == 16 && middle.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The day of a recording named as we name them, `2026-11-26_101502_….wav`; `None` for any other name.
pub fn day_of(name: &str) -> Option<Date> {
    let (stem, ending) = name.rsplit_once('.')?;
    let mut parts = stem.splitn(3, '_');
    let (day, time, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = ENDINGS.contains(&ending)
        && day.len() == 10
        && time.len() == 6
        && time.bytes().all(|byte| byte.is_ascii_digit())
        && !rest.is_empty();
    if ours { day.parse().ok() } else { None }
}

/// The path without what may be a caller's number, for the log: day and time of a recording, or a few digits made
/// of its name.
pub fn discreet(path: &str) -> String {
    let (folder, name) =
        path.rsplit_once('/').map_or(("", path), |(folder, name)| (&path[..=folder.len()], name));
    // Our own folders and files under way have no numbers in them.
    if is_temporary(name) || !name.contains('.') {
        return path.to_owned();
    }
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match day_of(name) {
        Some(_) => format!("{folder}{}_….{ending}", &name[..17]),
        None => format!("{folder}…~{}.{ending}", digits(name.as_bytes(), 6)),
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || "<>:\"/\\|?*".contains(c) || ('\u{f000}'..='\u{f0ff}').contains(&c)
}

/// Whether Windows takes the name for a device, whatever its ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or("").trim_end().to_uppercase();
    let numbered = |stem: &str, device: &str| {
        stem.strip_prefix(device).is_some_and(|rest| {
            rest.chars().count() == 1 && rest.contains(|c: char| c.is_ascii_digit() || "¹²³".contains(c))
        })
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str())
        || numbered(&stem, "COM")
        || numbered(&stem, "LPT")
}

fn fits(name: &str) -> bool {
    name.len() <= LONGEST && name.encode_utf16().count() <= LONGEST
}

/// The name with `tail` before its ending, shortened where it would be too long.
fn with_tail(name: &str, tail: &str) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if dot > 0 && is_ending(&name[dot + 1..]) => name.split_at(dot),
        _ => (name, ""),
    };
    let mut stem = stem.to_owned();
    loop {
        let made = format!("{stem}{tail}{ending}");
        if fits(&made) || stem.pop().is_none() {
            return made;
        }
    }
}

fn is_ending(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.chars().all(char::is_alphanumeric)
}

fn digits(bytes: &[u8], count: usize) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes).iter().take(count.div_ceil(2)) {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(count);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_every_share_takes_stays_as_it_is() {
        for name in [
            "2026-11-26_101502_+493023125111_201.wav",
            "Grüße aus Köln.mp3",
            "a.b.c",
            "ohne Endung",
            "コール.wav",
        ] {
            assert_eq!(safe(name), name);
        }
        // The same letters, spelled in two ways.
        assert_eq!(safe("Gru\u{308}n.wav"), "Grün.wav");
    }

    #[test]
    fn what_a_share_does_not_take_is_replaced_and_told_apart() {
        let table = [
            ("a:b.wav", "a_b~", ".wav"),
            ("a?b.wav", "a_b~", ".wav"),
            ("../../etc/passwd", "_._.._etc_passwd~", ""),
            ("end. . ", "end~", ""),
            ("CON", "_CON~", ""),
            ("nul.wav", "_nul~", ".wav"),
            ("Com1 .txt", "_Com1 ~", ".txt"),
            ("LPT².wav", "_LPT²~", ".wav"),
            ("", "_~", ""),
            ("...", "_~", ""),
            (".hidden.wav", "_hidden~", ".wav"),
            ("tab\there.wav", "tab_here~", ".wav"),
            ("private\u{f022}use.wav", "private_use~", ".wav"),
        ];
        for (name, start, end) in table {
            let made = safe(name);
            assert!(made.starts_with(start) && made.ends_with(end), "{name:?} → {made:?}");
        }
        assert_ne!(safe("a:b.wav"), safe("a?b.wav"));
        for name in ["CONTROL.wav", "COMMON.wav", "COM10.wav", "LPTX.wav", "aCON.wav"] {
            assert_eq!(safe(name), name);
        }
    }

    #[test]
    fn long_names_are_cut_and_keep_their_ending() {
        let long = format!("{}.wav", "ü".repeat(300));
        let made = safe(&long);
        assert!(made.len() <= 255 && made.len() > 250 && made.ends_with(".wav"), "{}", made.len());
        assert_ne!(made, safe(&format!("{}.wav", "ü".repeat(301))));
        let again = numbered(&"x".repeat(255), 12);
        assert!(again.len() == 255 && again.ends_with("x (12)"), "{again}");
        assert_eq!(numbered("call.wav", 1), "call.wav");
        assert_eq!(numbered("call.wav", 2), "call (2).wav");
    }

    #[test]
    fn only_our_own_names_have_a_day() {
        for name in [
            "2026-11-26_101502_+4930_201.wav",
            "2026-11-26_101502_x (2).mp3",
            "2026-11-26_000000_~ab12cd.opus",
        ] {
            assert_eq!(day_of(name), Some(jiff::civil::date(2026, 11, 26)), "{name}");
        }
        for name in [
            "2026-11-26.wav",
            "2026-11-26_101502_201.xlsx",
            "2026-13-26_101502_201.wav",
            "2026-11-26_10:15_201.wav",
            "2026-11-26_101502_.wav",
            "budget 2026-11-26_101502_201.wav",
            "q-600-201-20261126-101502-1795292763.0.wav",
        ] {
            assert_eq!(day_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_log_gets_no_numbers() {
        let table = [
            (
                "RecordedCalls/2026/2026-11-26_101502_+4930111_201.wav",
                "RecordedCalls/2026/2026-11-26_101502_….wav",
            ),
            ("RecordedCalls", "RecordedCalls"),
            ("2026-11-26_101502_+4930111.mp3", "2026-11-26_101502_….mp3"),
        ];
        for (path, shown) in table {
            assert_eq!(discreet(path), shown);
        }
        let other = discreet("a/in-600-+4930111-20261126.wav");
        assert!(
            other.starts_with("a/…~") && other.ends_with(".wav") && !other.contains("4930111"),
            "{other}"
        );
        assert_eq!(discreet(&temporary("x", 1)), temporary("x", 1));
    }

    #[test]
    fn files_under_way_are_known_by_their_name() {
        let name = temporary("RecordedCalls/call.wav", 5);
        assert!(is_temporary(&name), "{name}");
        assert_eq!(name, temporary("RecordedCalls/call.wav", 5));
        assert_ne!(name, temporary("RecordedCalls/call.wav", 6));
        for other in
            [".ringdesk-.part", ".ringdesk-0123456789abcdeg.part", "0123456789abcdef.part", "call.wav"]
        {
            assert!(!is_temporary(other), "{other}");
        }
        assert!(!is_temporary(&safe(&name)), "a recording cannot be named so");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_name_becomes_one_that_every_share_takes(name in "\\PC{0,300}|[ -~]{0,300}|(CON|nul|com1|LPT9)[. ]{0,3}[a-z]{0,4}") {
            let made = safe(&name);
            prop_assert!(fits(&made) && !made.is_empty());
            prop_assert!(!made.contains(is_forbidden) && !made.ends_with(['.', ' ']) && !made.starts_with('.'));
            prop_assert!(!is_device(&made));
            // Made safe once, it stays.
            prop_assert_eq!(safe(&made), made.clone());
            let second = numbered(&made, 2);
            prop_assert!(fits(&second) && second != made);
        }

        #[test]
        fn names_that_differ_in_what_is_lost_stay_different(one in "[a-c:?*]{1,6}", other in "[a-c:?*]{1,6}") {
            prop_assume!(one != other);
            prop_assert_ne!(safe(&format!("{one}.wav")), safe(&format!("{other}.wav")));
        }
    }
}
