//! Sound through the real ffmpeg, which `tests/archive/install.sh` gets.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::path::{Path, PathBuf};
use std::process::Command;

use ringdesk::call::KeptRecording;
use ringdesk::recording::wav::Wav;
use ringdesk::recording::{Encoder, Format, Shelf, Sound};
use tempfile::TempDir;

/// A kept recording of so many seconds: a tone, 8 kHz, 16 bits.
fn kept(folder: &TempDir, seconds: u32) -> (Shelf, KeptRecording) {
    let sample = |at: u32| (f64::from(at) * 0.3).sin() * 9_000.0;
    let sound: Vec<u8> = (0..seconds * 8_000).flat_map(|at| (sample(at) as i16).to_le_bytes()).collect();
    let length = u32::try_from(sound.len()).unwrap();
    let mut file = b"RIFF".to_vec();
    file.extend((length + 36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8_000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(length.to_le_bytes());
    file.extend(sound);
    let source = folder.path().join("source.wav");
    std::fs::write(&source, file).unwrap();
    let shelf = Shelf::new(folder.path().join("recordings"));
    // A name that begins as an option does, with what else names of recordings hold.
    let kept = shelf.put(&source, "-y +493023125111_201 ü").unwrap();
    (shelf, kept)
}

/// How long it plays, decoded again.
fn seconds(file: &Path, folder: &TempDir) -> u32 {
    let back: PathBuf = folder.path().join("back.wav");
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
        .arg(file)
        .arg(&back)
        .status()
        .expect("ffmpeg is there (tests/archive/install.sh)");
    assert!(done.success());
    Wav::read(&mut std::fs::File::open(back).unwrap()).unwrap().seconds()
}

fn sound(format: Format) -> Sound {
    Sound { format, encoder: Encoder::new("ffmpeg".into()) }
}

#[tokio::test]
async fn mp3_and_opus_are_smaller_and_play_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, kept) = kept(&folder, 60);
    for (format, name, kind) in [
        (Format::Mp3, "-y +493023125111_201 ü.mp3", "audio/mpeg"),
        (Format::Opus, "-y +493023125111_201 ü.opus", "audio/ogg"),
    ] {
        let ready = sound(format).prepare(&shelf, std::slice::from_ref(&kept), "", 50_000_000).await.unwrap();
        let [file] = &ready.files[..] else { panic!("{ready:?}") };
        assert_eq!((&*file.name, file.kind, ready.notes.len()), (name, kind, 0));
        assert!(file.bytes < kept.bytes / 3, "{} of {}", file.bytes, kept.bytes);
        assert_eq!(seconds(&file.path, &folder), 60);
    }
    let version = sound(Format::Mp3).encoder.version().await.unwrap();
    assert!(version.starts_with("ffmpeg version"), "{version}");
}

#[tokio::test]
async fn what_is_too_large_is_made_as_small_as_it_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, kept) = kept(&folder, 600);
    for largest in [2_600_000, 1_400_000] {
        let ready =
            sound(Format::AsItIs).prepare(&shelf, std::slice::from_ref(&kept), "", largest).await.unwrap();
        let [file] = &ready.files[..] else { panic!("{ready:?}") };
        assert!(file.bytes <= largest && file.name.ends_with(".mp3"), "{file:?}");
        assert!(ready.notes[0].contains("made smaller"), "{:?}", ready.notes);
        assert_eq!(seconds(&file.path, &folder), 600);
    }
    // What is no sound to ffmpeg is attached as it is.
    let source = folder.path().join("noise.wav");
    std::fs::write(&source, "no sound").unwrap();
    let noise = shelf.put(&source, "noise").unwrap();
    let ready = sound(Format::Mp3).prepare(&shelf, &[noise], "", 1_000).await.unwrap();
    assert_eq!((ready.files[0].name.as_str(), ready.files[0].bytes), ("noise.wav", 8));
}
