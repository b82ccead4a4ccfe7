//! One run: compare, copy, check, name, and delete what is too old.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::diary::Progress;
use super::kept::KeptFile;
use super::names::{self, discreet};
use super::plan::{self, Copy, Listing, Rules, joined};
use super::share::place::Place;
use super::share::{Share, ShareError, Source, keep_buffers};

/// Connections at once for so many files or more. More of them do not help: then the server's disk is busy.
const LANES: usize = 3;
const MANY: usize = 8;

/// How often a name that somebody else took in between is tried with the next number.
const NUMBERS: usize = 100;

/// What one run is told.
pub struct Pass<'a> {
    /// The recordings.
    pub kept: &'a [KeptFile],
    /// Where they go.
    pub rules: &'a Rules,
    /// Also read back what is there already, and compare the content.
    pub verify: bool,
    /// Where further connections are made for many files; `None`: one is enough.
    pub more: Option<&'a Place>,
    /// The time.
    pub now: Timestamp,
}

/// What one run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files and bytes.
    pub copied: Progress,
    /// Recordings that were there already.
    pub there: u64,
    /// Recordings older than copies are kept.
    pub too_old: u64,
    /// Copies that were deleted.
    pub deleted: u64,
    /// What is wrong with single files; without callers' numbers.
    pub problems: Vec<String>,
    /// Why it ended early; the rest is for the next run.
    pub stopped_by: Option<ShareError>,
}

/// What became of one recording.
enum Copied {
    Yes,
    /// It was deleted at home in the meantime.
    Gone,
    /// Something is wrong with it; why.
    Not(String),
}

/// What the connections of one run share.
struct Common<'a, 'o> {
    copies: std::slice::Iter<'a, Copy>,
    /// Bytes that fit, where the share tells.
    room: Option<u64>,
    outcome: &'o mut Outcome,
    told: &'o mut (dyn FnMut(Progress) + Send),
    stopped_by: Option<ShareError>,
}

fn lock<'m, 'a, 'o>(common: &'m Mutex<Common<'a, 'o>>) -> MutexGuard<'m, Common<'a, 'o>> {
    common.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Common<'a, '_> {
    /// The next copy, with its room taken; `None` at the end, also where it does not fit.
    fn next(&mut self, kept: &[KeptFile]) -> Option<&'a Copy> {
        if self.stopped_by.is_some() {
            return None;
        }
        let copy = self.copies.next()?;
        let rest = kept[copy.kept].bytes - copy.resume_from;
        match self.room.map(|room| room.checked_sub(rest)) {
            Some(None) => {
                let share = format!("the share ({} MB free)", self.room.unwrap_or(0) / 1_000_000);
                self.stopped_by = Some(ShareError::Full { share });
                return None;
            }
            Some(left) => self.room = left,
            None => {}
        }
        Some(copy)
    }

    /// So many bytes of one file are at the share now.
    fn sent(&mut self, before: &mut u64, now: u64) {
        let bytes = &mut self.outcome.copied.bytes;
        *bytes = bytes.saturating_sub(*before) + now;
        *before = now;
        self.tell();
    }

    fn tell(&mut self) {
        (self.told)(self.outcome.copied);
    }
}

impl Pass<'_> {
    /// Runs. `told` hears of progress after each piece.
    pub async fn run(&self, share: &mut dyn Share, told: &mut (dyn FnMut(Progress) + Send)) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.stopped_by = self.steps(share, told, &mut outcome).await.err();
        outcome
    }

    /// What a run would do, without doing it.
    ///
    /// # Errors
    /// When the share cannot be listed.
    pub async fn look(&self, share: &mut dyn Share) -> Result<plan::Plan, ShareError> {
        let mut listing = self.listing(share).await?;
        if !self.verify {
            return Ok(plan::plan(self.kept, &listing, self.rules, self.now));
        }
        let hashed = read_back_twins(self.kept, &mut listing, share).await?;
        Ok(plan::plan(&hashed, &listing, self.rules, self.now))
    }

    async fn steps(
        &self,
        share: &mut dyn Share,
        told: &mut (dyn FnMut(Progress) + Send),
        outcome: &mut Outcome,
    ) -> Result<(), ShareError> {
        let plan = self.look(share).await?;
        outcome.there = plan.there as u64;
        outcome.too_old = plan.too_old as u64;
        for path in &plan.leftovers {
            share.remove(path).await?;
            tracing::info!(path, "what an earlier copy left unfinished was deleted");
        }
        // Old copies go first: they may be what the new ones need the room of.
        for path in &plan.expired {
            share.remove(path).await?;
            outcome.deleted += 1;
            tracing::info!(path = discreet(path), "a copy older than keep_days was deleted from the share");
        }
        outcome.copied.of_files = plan.copies.len() as u64;
        outcome.copied.of_bytes = plan.bytes;
        told(outcome.copied);
        keep_buffers();
        let room = share.free().await?;
        let mut folders = BTreeSet::new();
        for copy in &plan.copies {
            make_folders(share, &copy.folder, &mut folders).await?;
        }
        let mut more = self.connect_more(plan.copies.len()).await;
        let (mut second, mut third) = (more.pop(), more.pop());
        let common = Mutex::new(Common { copies: plan.copies.iter(), room, outcome, told, stopped_by: None });
        tokio::join!(
            self.lane(Some(share), &common),
            self.lane(second.as_mut().map(|share| -> &mut dyn Share { share.as_mut() }), &common),
            self.lane(third.as_mut().map(|share| -> &mut dyn Share { share.as_mut() }), &common),
        );
        let common = common.into_inner().unwrap_or_else(PoisonError::into_inner);
        common.stopped_by.map_or(Ok(()), Err)
    }

    /// Further connections, when there are many files: while one waits for the server's disk, another one sends.
    async fn connect_more(&self, copies: usize) -> Vec<Box<dyn Share>> {
        let mut more = Vec::new();
        let Some(place) = self.more.filter(|_| copies >= MANY) else { return more };
        while more.len() < LANES - 1 {
            match place.connect().await {
                Ok(share) => more.push(share),
                Err(error) => {
                    // Then they go by fewer.
                    tracing::debug!(
                        error = crate::causes::in_one_line(&error),
                        "no further connection to the share"
                    );
                    break;
                }
            }
        }
        more
    }

    /// Copies one after the other until there are no more, or somebody met what stops all.
    async fn lane(&self, share: Option<&mut dyn Share>, common: &Mutex<Common<'_, '_>>) {
        let Some(share) = share else { return };
        loop {
            let next = lock(common).next(self.kept);
            let Some(copy) = next else { return };
            let file = &self.kept[copy.kept];
            let rest = file.bytes - copy.resume_from;
            let mut sent = 0;
            let mut so_far = |at: u64| {
                let now = at.saturating_sub(copy.resume_from).min(rest);
                lock(common).sent(&mut sent, now);
            };
            let copied = copy_one(share, file, copy, &mut so_far).await;
            let mut common = lock(common);
            match copied {
                Ok(Copied::Yes) => {
                    common.outcome.copied.files += 1;
                    common.sent(&mut sent, rest);
                }
                Ok(Copied::Gone) => {
                    common.sent(&mut sent, 0);
                    common.outcome.copied.of_files -= 1;
                    common.outcome.copied.of_bytes -= rest;
                    common.tell();
                }
                Ok(Copied::Not(why)) => {
                    common.sent(&mut sent, 0);
                    common.outcome.problems.push(format!("{}: {why}", discreet(&file.name)));
                }
                Err(error) if error.is_about_one_file() => {
                    common.sent(&mut sent, 0);
                    let why = crate::causes::in_one_line(&error);
                    common.outcome.problems.push(format!("{}: {why}", discreet(&file.name)));
                }
                Err(error) => {
                    // What the first one met is told: the others may only see what follows from it.
                    common.stopped_by.get_or_insert(error);
                    return;
                }
            }
        }
    }

    /// The folders that recordings go to; with `keep_days` all below ours.
    async fn listing(&self, share: &mut dyn Share) -> Result<Listing, ShareError> {
        let root = self.rules.root();
        let whole_tree = self.rules.keep_days.is_some();
        let mut wanted: BTreeSet<String> = self.kept.iter().map(|file| self.rules.place_of(file).0).collect();
        if whole_tree {
            wanted.insert(root);
        }
        let mut listing = Listing::new();
        while let Some(folder) = wanted.pop_first() {
            let Some(files) = share.list(&folder).await? else { continue };
            if whole_tree {
                let below =
                    files.iter().filter(|file| file.is_folder).map(|file| joined(&folder, &file.name));
                wanted.extend(below.filter(|below| !listing.contains_key(below)));
            }
            listing.insert(folder, files);
        }
        Ok(listing)
    }
}

/// Reads back what has the size of a recording, and the recordings themselves, so that the plan compares content.
async fn read_back_twins(
    kept: &[KeptFile],
    listing: &mut Listing,
    share: &mut dyn Share,
) -> Result<Vec<KeptFile>, ShareError> {
    let sizes: BTreeSet<u64> = kept.iter().map(|file| file.bytes).collect();
    for (folder, files) in listing {
        for file in files.iter_mut().filter(|file| !file.is_folder && sizes.contains(&file.bytes)) {
            if !names::is_temporary(&file.name) {
                file.sha256 = Some(share.read_back(&joined(folder, &file.name)).await?.1);
            }
        }
    }
    let mut hashed = kept.to_vec();
    for file in hashed.iter_mut().filter(|file| file.sha256.is_none()) {
        let bytes = file.bytes;
        let sum = async {
            let mut source = Source::open(&file.path).await?;
            source.skip(bytes).await?;
            Ok::<_, std::io::Error>(source.sum().1)
        };
        // One that cannot be read now is told by the copying.
        file.sha256 = sum.await.ok();
    }
    Ok(hashed)
}

async fn make_folders(
    share: &mut dyn Share,
    folder: &str,
    made: &mut BTreeSet<String>,
) -> Result<(), ShareError> {
    if made.contains(folder) {
        return Ok(());
    }
    let mut path = String::new();
    for part in folder.split('/') {
        path = joined(&path, part);
        if made.insert(path.clone()) {
            share.make_folder(&path).await?;
        }
    }
    Ok(())
}

async fn copy_one(
    share: &mut dyn Share,
    file: &KeptFile,
    copy: &Copy,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Copied, ShareError> {
    let temporary = joined(&copy.folder, &copy.temporary);
    let mut from = copy.resume_from;
    loop {
        let opened = async {
            let mut source = Source::open(&file.path).await?;
            source.skip(from).await?;
            Ok::<_, std::io::Error>(source)
        };
        let mut source = match opened.await {
            Ok(source) => source,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if from > 0 {
                    share.remove(&temporary).await?;
                }
                return Ok(Copied::Gone);
            }
            Err(source) => return Err(ShareError::Home { source }),
        };
        let acknowledged = share.put(&mut source, &temporary, from, told).await?;
        let (bytes, sum) = source.sum();
        if bytes != file.bytes || file.sha256.is_some_and(|known| known != sum) {
            share.remove(&temporary).await?;
            return Ok(Copied::Not(
                "the recording at home is not what it was when it was recorded".to_owned(),
            ));
        }
        if acknowledged == bytes && share.read_back(&temporary).await? == (bytes, sum) {
            break;
        }
        share.remove(&temporary).await?;
        if from == 0 {
            return Ok(Copied::Not("what the share gives back is not what was written".to_owned()));
        }
        // What an earlier run left was not what it seemed to be: once more, from the start.
        from = 0;
    }
    for number in copy.number..copy.number + NUMBERS {
        let name = names::numbered(&copy.plain_name, number);
        match share.rename(&temporary, &joined(&copy.folder, &name)).await {
            // Somebody was faster. Theirs stays.
            Err(ShareError::Exists { .. }) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Copied::Yes),
        }
    }
    Ok(Copied::Not("its name is taken, and so are a hundred numbered ones".to_owned()))
}
