//! Fetching: a recording is looked for, waited for while it grows, and put into our keeping.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::place::Places;
use super::shelf::Shelf;
use super::wake::Wake;
use super::whole::{Seen, State};
use crate::call::{Event, KeptRecording, RecordingSought};
use crate::clock::{self, Clock};
use crate::delivery::{Attempt, Delivered, DeliveryError};

/// Whoever keeps recordings. Clones are the same one.
#[derive(Clone)]
pub struct Keeper(Arc<Inside>);

struct Inside {
    places: Places,
    shelf: Shelf,
    /// The sources are noted, so that they can be deleted when the journal has the copies.
    notes_sources: bool,
    seen: Seen,
    wake: Wake,
    clock: Clock,
}

/// What a look at the PBX's files led to.
enum Look {
    /// They are in our keeping.
    Kept(Vec<KeptRecording>),
    /// They are not there, or not complete.
    NotYet,
    /// They never come.
    Missing(String),
}

impl Keeper {
    /// A keeper that puts what it finds on the shelf. `delete_source`: what was fetched is to be deleted on the PBX.
    pub fn new(places: Places, shelf: Shelf, delete_source: bool, wake: Wake, clock: Clock) -> Self {
        let seen = Seen::default();
        Self(Arc::new(Inside { places, shelf, notes_sources: delete_source, seen, wake, clock }))
    }

    /// Fetches what is sought, if it is there.
    ///
    /// # Errors
    /// [`DeliveryError::NotYet`] while it may still come; [`DeliveryError::Retry`] when it cannot be kept.
    pub async fn keep(&self, sought: &RecordingSought, attempt: Attempt) -> Result<Delivered, DeliveryError> {
        let (inside, now) = (Arc::clone(&self.0), self.0.clock.now());
        let wanted = sought.clone();
        let look = tokio::task::spawn_blocking(move || inside.fetch(&wanted, attempt, now));
        match look.await.map_err(io::Error::other).and_then(|look| look) {
            Ok(Look::Kept(files)) => {
                let note = format!("{} file(s) kept", files.len());
                Ok(Delivered { event: Event::RecordingKept { files }, note })
            }
            Ok(Look::Missing(reason)) => {
                let note = format!("given up: {reason}");
                Ok(Delivered { event: Event::RecordingMissing { reason }, note })
            }
            Ok(Look::NotYet) => {
                self.0.wake.watch(sought.files.iter().filter_map(|file| self.0.places.folder(file)));
                Err(DeliveryError::NotYet(pause(sought, now)))
            }
            Err(error) => Err(DeliveryError::Retry {
                what: "keeping the recording",
                unclear: true,
                source: Box::new(error),
            }),
        }
    }
}

/// The nearer the end of the call, the sooner it is looked for again.
fn pause(sought: &RecordingSought, now: Timestamp) -> Duration {
    let since = now.duration_since(sought.ended).as_secs();
    let pause = match since {
        ..10 => 1,
        10..60 => 3,
        60..3600 => 10,
        _ => 60,
    };
    // The last look is at the end of our patience.
    let left = u64::try_from(sought.give_up.duration_since(now).as_secs()).unwrap_or(0);
    Duration::from_secs(pause.min(left + 1))
}

impl Inside {
    fn fetch(&self, sought: &RecordingSought, attempt: Attempt, now: Timestamp) -> io::Result<Look> {
        let mut whole: Vec<PathBuf> = Vec::new();
        let (mut missing, mut growing, mut refused) = (0, Vec::new(), None);
        for file in &sought.files {
            let before = whole.len() + growing.len();
            let found = match self.find(file, sought.message) {
                Ok(found) => found,
                Err(error) => {
                    refused = Some(error);
                    Vec::new()
                }
            };
            for path in found {
                match self.seen.look(&path, sought.began, clock::instant()) {
                    Ok(State::Whole) => whole.push(path),
                    Ok(State::Growing) => growing.push(path),
                    Ok(State::Older) => {}
                    // Between the list and the look it may have gone.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => refused = Some(error),
                }
            }
            missing += usize::from(whole.len() + growing.len() == before);
        }
        let patient = now < sought.give_up;
        if patient && (missing > 0 || !growing.is_empty()) {
            // An earlier attempt may have taken it, and the PBX removed it since.
            let kept = if attempt.look_first && whole.is_empty() && growing.is_empty() {
                self.shelf.find(&sought.name)?
            } else {
                None
            };
            return Ok(kept.map_or(Look::NotYet, |kept| Look::Kept(vec![kept])));
        }
        // Not complete is better than nothing, when nothing more comes.
        whole.append(&mut growing);
        if whole.is_empty() {
            return Ok(Look::Missing(match refused {
                Some(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    "its file may not be read (see the rights of folders in docs/recordings.md)".to_owned()
                }
                Some(error) => format!("its file cannot be read: {}", error.kind()),
                None => "the PBX has written no file".to_owned(),
            }));
        }
        let mut kept = Vec::with_capacity(whole.len());
        for (number, path) in whole.iter().enumerate() {
            let name = match number {
                0 => sought.name.clone(),
                _ => format!("{}-{}", sought.name, number + 1),
            };
            let mut file = self.shelf.put(path, &name)?;
            if self.notes_sources && !sought.message {
                file.source = path.to_str().map(str::to_owned);
            }
            self.seen.forget(path);
            kept.push(file);
        }
        Ok(Look::Kept(kept))
    }

    fn find(&self, file: &str, message: bool) -> io::Result<Vec<PathBuf>> {
        match message {
            true => Ok(self.places.find_message(file)?.into_iter().collect()),
            false => self.places.find(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// 8 kHz, 16 bit, mono; the header tells `told` bytes.
    fn wav(bytes: u32, told: u32) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(told + 36).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        for half in [1_u16, 1] {
            file.extend_from_slice(&half.to_le_bytes());
        }
        for word in [8_000_u32, 16_000] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for half in [2_u16, 16] {
            file.extend_from_slice(&half.to_le_bytes());
        }
        file.extend_from_slice(b"data");
        file.extend_from_slice(&told.to_le_bytes());
        file.resize(44 + bytes as usize, 1);
        file
    }

    struct House {
        folder: tempfile::TempDir,
        keeper: Keeper,
        ended: Timestamp,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("monitor")).unwrap();
            // Files have the time of the machine.
            let ended =
                Timestamp::try_from(std::fs::metadata(folder.path()).unwrap().modified().unwrap()).unwrap();
            let places = Places::new(vec![("/pbx".to_owned(), folder.path().to_owned())]);
            let shelf = Shelf::new(folder.path().join("recordings"));
            let keeper = Keeper::new(places, shelf, true, Wake::none(), Clock::standing_at(ended));
            Self { folder, keeper, ended }
        }

        fn pbx_writes(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.folder.path().join("monitor").join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        }

        fn sought(&self, file: &str) -> RecordingSought {
            RecordingSought {
                files: vec![format!("/pbx/monitor/{file}")],
                name: "call".to_owned(),
                began: self.ended - SignedDuration::from_secs(20),
                ended: self.ended,
                give_up: self.ended + SignedDuration::from_secs(600),
                message: false,
            }
        }

        async fn keeps(&self, sought: &RecordingSought) -> Result<Event, DeliveryError> {
            let attempt = Attempt { number: 1, look_first: false };
            self.keeper.keep(sought, attempt).await.map(|delivered| delivered.event)
        }
    }

    fn not_yet(answer: &Result<Event, DeliveryError>) -> bool {
        matches!(answer, Err(DeliveryError::NotYet(_)))
    }

    #[tokio::test]
    async fn a_file_is_taken_when_its_header_tells_its_length() {
        let house = House::new();
        let sought = house.sought("17.0.wav");
        assert!(not_yet(&house.keeps(&sought).await), "it is not there");
        house.pbx_writes("17.0.wav", &wav(16_000, 0));
        assert!(not_yet(&house.keeps(&sought).await), "it is being written");
        let source = house.pbx_writes("17.0.wav", &wav(32_000, 32_000));
        let Ok(Event::RecordingKept { files }) = house.keeps(&sought).await else { panic!() };
        assert_eq!((files.len(), &*files[0].name, files[0].seconds), (1, "call.wav", Some(2)));
        assert_eq!(files[0].source.as_deref(), source.to_str());
        let copy = std::fs::read(house.folder.path().join("recordings/call.wav")).unwrap();
        assert_eq!(copy, std::fs::read(source).unwrap());
    }

    #[tokio::test]
    async fn what_never_comes_is_missing_and_what_never_ends_is_taken_at_the_end_of_our_patience() {
        let house = House::new();
        let mut sought = house.sought("17.0.wav");
        sought.give_up = house.ended - SignedDuration::from_secs(1);
        let Ok(Event::RecordingMissing { reason }) = house.keeps(&sought).await else { panic!() };
        assert_eq!(reason, "the PBX has written no file");
        house.pbx_writes("17.0.wav", &wav(16_000, 0));
        let Ok(Event::RecordingKept { files }) = house.keeps(&sought).await else { panic!() };
        assert_eq!(files[0].seconds, Some(1), "its header is repaired");
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_call_is_not_meant() {
        let house = House::new();
        let path = house.pbx_writes("17.0.wav", &wav(16_000, 16_000));
        let long_ago = std::time::SystemTime::from(house.ended - SignedDuration::from_hours(3));
        std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        assert!(not_yet(&house.keeps(&house.sought("17.0.wav")).await));
    }

    #[tokio::test]
    async fn all_parts_are_waited_for_and_named_in_order() {
        let house = House::new();
        let mut sought = house.sought("17.0.wav");
        sought.files.push("/pbx/monitor/17.0-2.wav".to_owned());
        house.pbx_writes("17.0.wav", &wav(16_000, 16_000));
        assert!(not_yet(&house.keeps(&sought).await));
        house.pbx_writes("17.0-2.wav", &wav(8_000, 8_000));
        let Ok(Event::RecordingKept { files }) = house.keeps(&sought).await else { panic!() };
        let names: Vec<_> = files.iter().map(|file| (&*file.name, file.bytes)).collect();
        assert_eq!(names, [("call.wav", 16_044), ("call-2.wav", 8_044)]);
    }

    #[tokio::test]
    async fn what_was_taken_before_a_crash_is_found_though_the_source_is_gone() {
        let house = House::new();
        let sought = house.sought("17.0.wav");
        let source = house.pbx_writes("17.0.wav", &wav(16_000, 16_000));
        let Ok(Event::RecordingKept { files }) = house.keeps(&sought).await else { panic!() };
        std::fs::remove_file(source).unwrap();
        assert!(not_yet(&house.keeps(&sought).await));
        let again = Attempt { number: 1, look_first: true };
        let Ok(Delivered { event: Event::RecordingKept { files: found }, .. }) =
            house.keeper.keep(&sought, again).await
        else {
            panic!()
        };
        assert_eq!((&found[0].name, &found[0].sha256), (&files[0].name, &files[0].sha256));
    }

    #[tokio::test]
    async fn a_shelf_that_cannot_be_written_loses_nothing() {
        let house = House::new();
        // A file stands where the folder should be: root may write everywhere else.
        std::fs::write(house.folder.path().join("recordings"), "").unwrap();
        house.pbx_writes("17.0.wav", &wav(16_000, 16_000));
        let mut sought = house.sought("17.0.wav");
        sought.give_up = house.ended - SignedDuration::from_secs(1);
        let answer = house.keeps(&sought).await;
        assert!(matches!(answer, Err(DeliveryError::Retry { .. })), "{answer:?}");
    }

    #[tokio::test]
    async fn a_message_is_taken_in_its_best_format_and_stays_where_it_is() {
        let house = House::new();
        house.pbx_writes("msg0000.txt", b"[message]");
        house.pbx_writes("msg0000.wav", &wav(16_000, 16_000));
        house.pbx_writes("msg0000.WAV", b"gsm");
        let sought = RecordingSought { message: true, ..house.sought("msg0000") };
        let Ok(Event::RecordingKept { files }) = house.keeps(&sought).await else { panic!() };
        assert_eq!((files.len(), &*files[0].name, &files[0].source), (1, "call.wav", &None));
    }
}
