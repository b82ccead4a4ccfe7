//! A WAVE file cut into parts that can be heard by themselves.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::wav::{NoWav, Wav};

/// A header is small; one that is larger is no telephone's.
const LARGEST_HEADER: u64 = 4_096;

/// Cuts `source` into files in `folder`, each of at most `largest` bytes, in order.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is no WAVE file that can be cut.
pub fn split(source: &Path, folder: &Path, largest: u64) -> io::Result<Vec<PathBuf>> {
    let mut file = File::open(source)?;
    let wav = match Wav::read(&mut file) {
        Ok(wav) => wav,
        Err(NoWav::Header) => return Err(io::ErrorKind::InvalidData.into()),
        Err(NoWav::Io(error)) => return Err(error),
    };
    let sound = file.metadata()?.len().saturating_sub(wav.data_at).min(wav.data_bytes);
    let room = largest.saturating_sub(wav.data_at);
    let part = room - room % u64::from(wav.block);
    if part == 0 || wav.data_at > LARGEST_HEADER {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut header = vec![0; usize::try_from(wav.data_at).unwrap_or_default()];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let mut made = Vec::new();
    let mut left = sound;
    while left > 0 {
        let bytes = left.min(part);
        let path = folder.join(format!("part-{}.wav", made.len() + 1));
        let mut target = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        let told = |bytes: u64| u32::try_from(bytes).map(u32::to_le_bytes).map_err(io::Error::other);
        let mut own = header.clone();
        let at = own.len() - 4;
        own[at..].copy_from_slice(&told(bytes)?);
        own[4..8].copy_from_slice(&told(wav.data_at + bytes - 8)?);
        target.write_all(&own)?;
        io::copy(&mut (&mut file).take(bytes), &mut target)?;
        made.push(path);
        left -= bytes;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::wav::{Whole, tests::header};

    #[test]
    fn the_parts_are_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        for (format, block, bytes, largest, expected) in [
            (1, 2, 1_000_u32, 344, 4),
            (49, 65, 650, 44 + 130, 5),
            (1, 2, 1_000, 5_000, 1),
            (49, 65, 650, 44 + 129, 10),
        ] {
            let source = folder.path().join("a.wav");
            let mut whole = header(format, 16_000, block, bytes);
            whole.extend((0..bytes).map(|byte| byte as u8));
            std::fs::write(&source, &whole).unwrap();
            let parts = tempfile::tempdir().unwrap();
            let made = split(&source, parts.path(), largest).unwrap();
            assert_eq!(made.len(), expected, "{format} {largest}");
            let mut sound = Vec::new();
            for part in made {
                let mut file = File::open(&part).unwrap();
                let length = file.metadata().unwrap().len();
                let wav = Wav::read(&mut file).unwrap();
                assert!(length <= largest && wav.whole(length) == Whole::Yes && wav.format == format);
                assert_eq!(wav.data_bytes % u64::from(block), 0);
                sound.extend_from_slice(&std::fs::read(&part).unwrap()[44..]);
            }
            assert_eq!(sound, whole[44..]);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.mp3");
        std::fs::write(&source, "ID3 and so on").unwrap();
        for largest in [0, 10, 1_000] {
            assert_eq!(
                split(&source, folder.path(), largest).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        std::fs::write(&source, header(1, 16_000, 2, 9)).unwrap();
        assert!(split(&source, folder.path(), 44).is_err());
    }
}
