//! One run: compare, copy, check, name, and delete what is too old.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::diary::Progress;
use super::kept::KeptFile;
use super::names::{self, discreet};
use super::plan::{self, Copy, Listing, Rules, joined};
use super::share::{Share, ShareError, Source};

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
        let mut room = share.free().await?;
        let mut folders = BTreeSet::new();
        for copy in &plan.copies {
            let file = &self.kept[copy.kept];
            let rest = file.bytes - copy.resume_from;
            if room.is_some_and(|room| room < rest) {
                return Err(ShareError::Full {
                    share: format!("the share ({} MB free)", room.unwrap_or(0) / 1_000_000),
                });
            }
            make_folders(share, &copy.folder, &mut folders).await?;
            let before = outcome.copied;
            let progress = &mut outcome.copied;
            let mut so_far = |at: u64| {
                progress.bytes = before.bytes + at.saturating_sub(copy.resume_from).min(rest);
                told(*progress);
            };
            match copy_one(share, file, copy, &mut so_far).await {
                Ok(Copied::Yes) => {
                    outcome.copied.files += 1;
                    outcome.copied.bytes = before.bytes + rest;
                    room = room.map(|room| room.saturating_sub(rest));
                }
                Ok(Copied::Gone) => {
                    outcome.copied.of_files -= 1;
                    outcome.copied.of_bytes -= rest;
                    outcome.copied.bytes = before.bytes;
                }
                Ok(Copied::Not(why)) => {
                    outcome.copied.bytes = before.bytes;
                    outcome.problems.push(format!("{}: {why}", discreet(&file.name)));
                }
                Err(error) if error.is_about_one_file() => {
                    outcome.copied.bytes = before.bytes;
                    let why = crate::causes::in_one_line(&error);
                    outcome.problems.push(format!("{}: {why}", discreet(&file.name)));
                }
                Err(error) => return Err(error),
            }
            told(outcome.copied);
        }
        Ok(())
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
