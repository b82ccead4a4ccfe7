//! What goes into the ticket: the kept files, in the format wished for, none larger than the CRM takes.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::encode::{Encoder, Format};
use super::shelf::{PREFIX, Shelf};
use super::{split, wav};
use crate::call::KeptRecording;
use crate::causes;

/// Below this speech cannot be understood, in kbit/s.
const LOWEST_RATE: u32 = 16;

/// Headers and frames that a rate does not count.
const ROOM: u64 = 64 * 1024;

/// How sound is made ready.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What is wished for.
    pub format: Format,
    /// Makes it so.
    pub encoder: Encoder,
}

/// A file that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it is called in the ticket.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// Its media type.
    pub kind: &'static str,
}

/// What is ready, and what a reader of the ticket must know.
#[derive(Debug)]
pub struct Prepared {
    /// The files.
    pub files: Vec<Ready>,
    /// Sentences for the comment.
    pub notes: Vec<String>,
    /// Where encoded files and parts lie; they go with it.
    _scratch: Option<TempDir>,
}

impl Sound {
    /// Makes kept files ready; `name` is what they are called in the ticket, empty: as they are kept. What cannot be
    /// made as wished goes as it is; what does not fit is told.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when none of the files is kept any more; else when the disk fails.
    pub async fn prepare(
        &self,
        shelf: &Shelf,
        kept: &[KeptRecording],
        name: &str,
        largest: u64,
    ) -> io::Result<Prepared> {
        let mut ready = Prepared { files: Vec::new(), notes: Vec::new(), _scratch: None };
        let mut scratch: Option<TempDir> = None;
        let mut gone = 0;
        for (number, file) in kept.iter().enumerate() {
            let path = shelf.path(&file.name);
            let Ok(about) = path.metadata() else {
                gone += 1;
                continue;
            };
            let own = Ready {
                name: called(&file.name, name, number),
                kind: kind_of(&path),
                bytes: about.len(),
                path,
            };
            let ending = own.path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let compressed = ["mp3", "opus", "ogg"].contains(&ending);
            let wished = self.format != Format::AsItIs && !compressed;
            if !wished && own.bytes <= largest {
                ready.files.push(own);
                continue;
            }
            let folder = match &scratch {
                Some(folder) => folder.path(),
                // Beside the shelf and not in /tmp, which may be small or in memory.
                None => {
                    scratch.insert(tempfile::Builder::new().prefix(PREFIX).tempdir_in(shelf.folder())?).path()
                }
            };
            let made = if wished {
                self.encoded(&own, folder, number, self.format, self.format.usual_rate()).await
            } else {
                None
            };
            match made {
                Some(made) if made.bytes <= largest => ready.files.push(made),
                None if own.bytes <= largest => ready.files.push(own),
                _ => {
                    let (files, note) = self.fit(own, file.seconds, folder, number, largest).await?;
                    ready.files.extend(files);
                    ready.notes.push(note);
                }
            }
        }
        if gone > 0 && ready.files.is_empty() && ready.notes.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        ready._scratch = scratch;
        Ok(ready)
    }

    /// Smaller, then cut, then told.
    async fn fit(
        &self,
        own: Ready,
        seconds: Option<u32>,
        folder: &Path,
        number: usize,
        largest: u64,
    ) -> io::Result<(Vec<Ready>, String)> {
        if let Some(rate) = seconds.and_then(|seconds| rate_that_fits(seconds, largest))
            && let Some(made) = self.encoded(&own, folder, number, Format::Mp3, rate).await
            && made.bytes <= largest
        {
            return Ok((
                vec![made],
                "It was made smaller, because the file is too large for a ticket.".to_owned(),
            ));
        }
        let parts_in = folder.join(format!("parts-{number}"));
        std::fs::create_dir(&parts_in)?;
        let (source, into) = (own.path.clone(), parts_in.clone());
        let parts = tokio::task::spawn_blocking(move || split::split(&source, &into, largest));
        match parts.await.map_err(io::Error::other)? {
            Ok(parts) => {
                let count = parts.len();
                let stem = own.name.rsplit_once('.').map_or(&*own.name, |(stem, _)| stem);
                let named = parts.into_iter().enumerate().map(|(at, path)| {
                    let bytes = path.metadata()?.len();
                    Ok(Ready {
                        name: format!("{stem} ({} of {count}).wav", at + 1),
                        path,
                        bytes,
                        kind: own.kind,
                    })
                });
                let note = format!("It is in {count} parts, because the file is too large for a ticket.");
                Ok((named.collect::<io::Result<_>>()?, note))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let megabytes = own.bytes.div_ceil(1_000_000);
                Ok((
                    Vec::new(),
                    format!(
                        "One file of {megabytes} MB is too large for a ticket; it is kept by the telephone system."
                    ),
                ))
            }
            Err(error) => Err(error),
        }
    }

    async fn encoded(
        &self,
        own: &Ready,
        folder: &Path,
        number: usize,
        format: Format,
        rate: u32,
    ) -> Option<Ready> {
        let ending = format.ending()?;
        let target = folder.join(format!("{number}.{ending}"));
        match self.encoder.encode(&own.path, &target, format, rate).await {
            Ok(bytes) => {
                let stem = own.name.rsplit_once('.').map_or(&*own.name, |(stem, _)| stem);
                Some(Ready {
                    name: format!("{stem}.{ending}"),
                    path: target,
                    bytes,
                    kind: wav::media_type(ending),
                })
            }
            Err(error) => {
                let error = causes::in_one_line(&error);
                match self.format {
                    // Only tried because the file is too large.
                    Format::AsItIs => tracing::info!(error, "a large recording is not made smaller"),
                    Format::Mp3 | Format::Opus => {
                        tracing::warn!(
                            error,
                            "a recording is attached as it is, because it cannot be encoded"
                        );
                    }
                }
                None
            }
        }
    }
}

/// The name in the ticket of the file at this place.
fn called(kept: &str, name: &str, number: usize) -> String {
    let own = kept.rsplit('/').next().unwrap_or(kept);
    let ending = own.rsplit_once('.').map_or("", |(_, ending)| ending);
    match (name, number) {
        ("", _) => own.to_owned(),
        (name, 0) => format!("{name}.{ending}"),
        (name, _) => format!("{name}-{}.{ending}", number + 1),
    }
}

fn kind_of(path: &Path) -> &'static str {
    wav::media_type(path.extension().and_then(|ending| ending.to_str()).unwrap_or_default())
}

/// The usual rate, or as much less as is needed; `None` when it cannot be understood any more.
fn rate_that_fits(seconds: u32, largest: u64) -> Option<u32> {
    let fits = largest.saturating_sub(ROOM) * 8 / 1_000 / u64::from(seconds.max(1));
    // MP3 knows these.
    [32, 24, LOWEST_RATE].into_iter().find(|rate| u64::from(*rate) <= fits)
}

#[cfg(test)]
mod tests {
    use super::super::encode::tests::fake;
    use super::super::wav::tests::header;
    use super::*;

    struct House {
        folder: TempDir,
        shelf: Shelf,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let shelf = Shelf::new(folder.path().join("recordings"));
            Self { folder, shelf }
        }

        fn kept(&self, name: &str, bytes: u32) -> KeptRecording {
            let source = self.folder.path().join(name);
            let mut file = header(1, 16_000, 2, bytes);
            file.resize(44 + bytes as usize, 0);
            std::fs::write(&source, file).unwrap();
            self.shelf.put(&source, name.rsplit_once('.').unwrap().0).unwrap()
        }

        async fn prepares(
            &self,
            format: Format,
            lines: Option<&str>,
            kept: &[KeptRecording],
            largest: u64,
        ) -> Prepared {
            let encoder = match lines {
                Some(lines) => fake(self.folder.path(), lines),
                None => Encoder::new("/nowhere/ffmpeg".into()),
            };
            Sound { format, encoder }.prepare(&self.shelf, kept, "", largest).await.unwrap()
        }
    }

    fn shown(prepared: &Prepared) -> Vec<(&str, u64, &str)> {
        prepared.files.iter().map(|file| (&*file.name, file.bytes, file.kind)).collect()
    }

    #[tokio::test]
    async fn files_go_as_they_are_or_as_the_admin_wishes() {
        let house = House::new();
        let kept = [house.kept("one.wav", 1_000)];
        let plain = house.prepares(Format::AsItIs, None, &kept, 5_000).await;
        assert_eq!(shown(&plain), [("one.wav", 1_044, "audio/wav")]);
        let smaller = house.prepares(Format::Opus, Some(r#"head -c 99 "$in" > "$out""#), &kept, 5_000).await;
        assert_eq!(shown(&smaller), [("one.opus", 99, "audio/ogg")]);
        let scratch = smaller.files[0].path.clone();
        drop(smaller);
        assert!(!scratch.exists(), "what was made for the ticket goes with it");
        // Nothing is lost because a program is missing or fails.
        for lines in [None, Some("exit 1")] {
            let as_it_is = house.prepares(Format::Mp3, lines, &kept, 5_000).await;
            assert_eq!((shown(&as_it_is), as_it_is.notes.len()), (vec![("one.wav", 1_044, "audio/wav")], 0));
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_made_smaller_then_cut_then_told() {
        let house = House::new();
        let kept = [house.kept("one.wav", 300_000)];
        let smaller =
            house.prepares(Format::AsItIs, Some(r#"head -c 99 "$in" > "$out""#), &kept, 200_000).await;
        assert_eq!(shown(&smaller), [("one.mp3", 99, "audio/mpeg")]);
        assert!(smaller.notes[0].contains("made smaller"), "{:?}", smaller.notes);
        let cut = house.prepares(Format::AsItIs, None, &kept, 200_000).await;
        let names: Vec<_> = cut.files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["one (1 of 2).wav", "one (2 of 2).wav"]);
        assert!(cut.notes[0].contains("2 parts"), "{:?}", cut.notes);

        let source = house.folder.path().join("b.ogg");
        std::fs::write(&source, vec![0; 300_000]).unwrap();
        let told =
            house.prepares(Format::AsItIs, None, &[house.shelf.put(&source, "b").unwrap()], 200_000).await;
        assert_eq!(told.files, []);
        assert!(told.notes[0].contains("1 MB is too large"), "{:?}", told.notes);
    }

    #[tokio::test]
    async fn what_is_kept_no_more_cannot_be_attached() {
        let house = House::new();
        let kept = [house.kept("one.wav", 10)];
        house.shelf.remove("one.wav").unwrap();
        let sound = Sound { format: Format::AsItIs, encoder: Encoder::new("ffmpeg".into()) };
        let error = sound.prepare(&house.shelf, &kept, "", 100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_are_called_as_the_admin_wishes_and_told_apart() {
        for (kept, name, number, expected) in [
            ("a/+4930_201.wav", "", 0, "+4930_201.wav"),
            ("a/+4930_201.wav", "recording", 0, "recording.wav"),
            ("a/+4930_201-2.wav", "recording", 1, "recording-2.wav"),
        ] {
            assert_eq!(called(kept, name, number), expected);
        }
    }

    #[test]
    fn the_rate_is_as_low_as_it_must_be() {
        let largest = 50 * 1024 * 1024;
        assert_eq!(rate_that_fits(3_600, largest), Some(32));
        assert_eq!(rate_that_fits(4 * 3_600, largest), Some(24));
        assert_eq!(rate_that_fits(7 * 3_600, largest), Some(16));
        assert_eq!(rate_that_fits(9 * 3_600, largest), None);
    }
}
