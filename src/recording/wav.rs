//! The headers of sound files: how long they play, whether they are whole.
//!
//! Source: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, WAVE); Asterisk's
//! `formats/format_wav.c` and `format_wav_gsm.c` for what it writes: 16-bit PCM of 8 or 16 kHz, mono, and GSM 6.10
//! (format tag 49) in blocks of 65 bytes for 320 samples. Asterisk writes the lengths when it closes the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::Path;

/// Chunks before the sound; Asterisk writes two, a sound studio some more.
const CHUNKS: usize = 64;

/// What the header of a WAVE file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Where the sound begins, in bytes.
    pub data_at: u64,
    /// How long it is, in bytes, as the header says.
    pub data_bytes: u64,
    /// Bytes for each second.
    pub byte_rate: u32,
    /// Sound can be cut after so many bytes.
    pub block: u16,
    /// 1 for PCM, 49 for GSM 6.10.
    pub format: u16,
}

/// Whether the file is as long as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// It is.
    Yes,
    /// It holds more: it is being written, or whoever wrote it died.
    HeaderShort,
    /// It holds less: it is being copied, or was cut off.
    Cut,
}

/// It is no WAVE file that can be read.
#[derive(Debug, thiserror::Error)]
pub enum NoWav {
    /// The bytes are others.
    #[error("no WAVE header")]
    Header,
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Wav {
    /// Reads the header, from the beginning of the file. Reads a few hundred bytes, whatever is in it.
    ///
    /// # Errors
    /// See [`NoWav`].
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self, NoWav> {
        file.seek(SeekFrom::Start(0))?;
        let riff: [u8; 12] = take(file)?;
        if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
            return Err(NoWav::Header);
        }
        let mut at = 12_u64;
        let mut form: Option<(u16, u32, u16)> = None;
        for _ in 0..CHUNKS {
            let head: [u8; 8] = take(file)?;
            let bytes = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
            at += 8;
            match (&head[..4], form) {
                (b"fmt ", _) if bytes >= 16 => {
                    let f: [u8; 16] = take(file)?;
                    let byte_rate = u32::from_le_bytes([f[8], f[9], f[10], f[11]]);
                    form = Some((
                        u16::from_le_bytes([f[0], f[1]]),
                        byte_rate,
                        u16::from_le_bytes([f[12], f[13]]),
                    ));
                }
                (b"data", Some((format, byte_rate, block))) if byte_rate > 0 => {
                    return Ok(Self {
                        data_at: at,
                        data_bytes: bytes,
                        byte_rate,
                        block: block.max(1),
                        format,
                    });
                }
                (b"data" | b"fmt ", _) => return Err(NoWav::Header),
                _ => {}
            }
            // Chunks begin at even places.
            at += bytes + bytes % 2;
            file.seek(SeekFrom::Start(at))?;
        }
        Err(NoWav::Header)
    }

    /// Whether a file of this length is whole.
    pub fn whole(&self, file_bytes: u64) -> Whole {
        let there = file_bytes.saturating_sub(self.data_at);
        // A chunk of odd length has one more byte; other chunks may follow.
        match self.data_bytes {
            // Nothing was said, or its writer has not come to it yet: nobody can know.
            0 => Whole::HeaderShort,
            said if there < said => Whole::Cut,
            said if there > said + said % 2 && self.format != 1 && self.format != 49 => Whole::Yes,
            said if there > said + said % 2 + TRAILER => Whole::HeaderShort,
            _ => Whole::Yes,
        }
    }

    /// How long the sound plays, in seconds, rounded to the nearest.
    pub fn seconds(&self) -> u32 {
        let rate = u64::from(self.byte_rate);
        u32::try_from((self.data_bytes + rate / 2) / rate).unwrap_or(u32::MAX)
    }
}

/// Chunks behind the sound (`LIST` with a title) are small.
const TRAILER: u64 = 4096;

fn take<const N: usize>(file: &mut impl Read) -> Result<[u8; N], NoWav> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(NoWav::Header),
        Err(error) => Err(error.into()),
    }
}

/// Writes the true lengths into a header that does not tell them. Files of other kinds stay as they are.
///
/// # Errors
/// When the file cannot be read or written.
pub fn repair(file: &mut File) -> io::Result<bool> {
    let wav = match Wav::read(file) {
        Ok(wav) => wav,
        Err(NoWav::Header) => return Ok(false),
        Err(NoWav::Io(error)) => return Err(error),
    };
    let length = file.metadata()?.len();
    if wav.whole(length) == Whole::Yes {
        return Ok(false);
    }
    let there = length.saturating_sub(wav.data_at);
    let (Ok(data), Ok(riff)) = (u32::try_from(there), u32::try_from(length - 8)) else { return Ok(false) };
    file.seek(SeekFrom::Start(wav.data_at - 4))?;
    file.write_all(&data.to_le_bytes())?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&riff.to_le_bytes())?;
    Ok(true)
}

/// How long a file plays, in seconds, where its header or its rate tells.
pub fn seconds_of(path: &Path, ending: &str) -> Option<u32> {
    // Bytes for each second, of formats without a header.
    let rate = match ending {
        "gsm" => 1_650,
        "ulaw" | "alaw" => 8_000,
        "sln" => 16_000,
        _ => return Wav::read(&mut File::open(path).ok()?).ok().map(|wav| wav.seconds()),
    };
    let bytes = path.metadata().ok()?.len();
    u32::try_from((bytes + rate / 2) / rate).ok()
}

/// The media type of a file with this ending (IANA; those without a registered name as browsers know them).
pub fn media_type(ending: &str) -> &'static str {
    match ending.to_ascii_lowercase().as_str() {
        "wav" | "wav16" | "wav49" => "audio/wav",
        "mp3" => "audio/mpeg",
        "opus" | "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "gsm" => "audio/x-gsm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// The header as Asterisk writes it, with these lengths.
    pub fn header(format: u16, byte_rate: u32, block: u16, told: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        file.extend(16_u32.to_le_bytes());
        file.extend(format.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(8_000_u32.to_le_bytes());
        file.extend(byte_rate.to_le_bytes());
        file.extend(block.to_le_bytes());
        file.extend(16_u16.to_le_bytes());
        file.extend(b"data");
        file.extend(told.to_le_bytes());
        file
    }

    #[test]
    fn the_header_tells_whether_the_file_is_whole() {
        for (told, bytes, expected) in [
            (16_000, 16_000, Whole::Yes),
            (0, 16_000, Whole::HeaderShort),
            (8_000, 16_000, Whole::HeaderShort),
            (16_000, 8_000, Whole::Cut),
            (0, 0, Whole::HeaderShort),
            (16_000, 16_040, Whole::Yes),
        ] {
            let wav = Wav::read(&mut Cursor::new(header(1, 16_000, 2, told))).unwrap();
            assert_eq!((wav.data_at, wav.block, wav.format), (44, 2, 1));
            assert_eq!(wav.whole(44 + bytes), expected, "{told} of {bytes}");
        }
        let gsm = Wav::read(&mut Cursor::new(header(49, 1_625, 65, 3_250))).unwrap();
        assert_eq!((gsm.seconds(), gsm.block), (2, 65));
    }

    #[test]
    fn other_chunks_are_passed_over() {
        let mut file = header(1, 16_000, 2, 4);
        file.splice(12..12, *b"LIST\x03\0\0\0abc\0");
        let wav = Wav::read(&mut Cursor::new(&file)).unwrap();
        assert_eq!((wav.data_at, wav.data_bytes), (56, 4));
    }

    #[test]
    fn a_header_that_was_never_finished_is_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut bytes = header(1, 16_000, 2, 0);
        bytes.resize(44 + 32_000, 7);
        std::fs::write(&path, &bytes).unwrap();
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        assert!(repair(&mut file).unwrap() && !repair(&mut file).unwrap());
        assert_eq!(seconds_of(&path, "wav"), Some(2));
        let repaired = std::fs::read(&path).unwrap();
        assert_eq!((&repaired[4..8], &repaired[44..]), (&32_036_u32.to_le_bytes()[..], &bytes[44..]));
    }

    #[test]
    fn formats_without_a_header_play_by_their_rate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![0; 16_500]).unwrap();
        for (ending, seconds) in [("gsm", Some(10)), ("ulaw", Some(2)), ("sln", Some(1)), ("mp3", None)] {
            assert_eq!(seconds_of(&path, ending), seconds, "{ending}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(cut in 0..60_usize, bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..44_usize) {
            let mut file = header(1, 16_000, 2, 9);
            file.truncate(file.len().saturating_sub(cut));
            let at = at.min(file.len());
            file.splice(at..at, bytes);
            if let Ok(wav) = Wav::read(&mut Cursor::new(&file)) {
                wav.whole(file.len() as u64);
                wav.seconds();
            }
        }
    }
}
