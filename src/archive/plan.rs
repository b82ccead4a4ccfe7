//! What one run does: the kept recordings compared with what lies on the share. Pure.
//!
//! Nothing is remembered from run to run. A recording is there when a file of its name and size is there (and
//! of its hash, where both are known); a file of the same name that is another one is never touched, the
//! recording gets a number. What an earlier run did not finish lies under a temporary name that is made of
//! the target, so it is found and continued.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::kept::{KeptFile, Sum};
use super::names;

/// The folder below the admin's own.
pub const FOLDER: &str = "RecordedCalls";

/// What lay under a temporary name for so long is nobody's any more; another host may be copying.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(24);

/// Where copies go and how long they stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The admin's folder on the share, with forward slashes; empty: the share itself.
    pub subfolder: String,
    /// Folders made of the recording's time, as strftime(3) writes it, such as `%Y/%m`; empty: none.
    pub date_folders: String,
    /// The zone of that time.
    pub zone: TimeZone,
    /// Copies older than so many days are deleted; `None`: never.
    pub keep_days: Option<u32>,
}

/// What lies in a folder of the share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size; 0 for a folder.
    pub bytes: u64,
    /// It is a folder.
    pub is_folder: bool,
    /// When it was last written, by the share's clock.
    pub modified: Option<Timestamp>,
    /// Its hash, where it was read back.
    pub sha256: Option<Sum>,
}

/// Folders and what lies in them; a folder that is not there is missing.
pub type Listing = BTreeMap<String, Vec<Listed>>;

/// One recording that must be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its place among the kept recordings.
    pub kept: usize,
    /// Where it goes.
    pub folder: String,
    /// Its name there.
    pub name: String,
    /// The name without a number, …
    pub plain_name: String,
    /// … and the number that [`Copy::name`] has; 1: none.
    pub number: usize,
    /// Its name there while it is under way.
    pub temporary: String,
    /// How many bytes of it are there already under that name.
    pub resume_from: u64,
}

/// What one run does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Copies, oldest recordings first.
    pub copies: Vec<Copy>,
    /// Bytes that are still to be sent for them.
    pub bytes: u64,
    /// Recordings that are there already.
    pub there: usize,
    /// Recordings that are older than copies are kept; they are not copied again.
    pub too_old: usize,
    /// Files under temporary names that nobody will continue; full paths.
    pub leftovers: Vec<String>,
    /// Copies of ours that are older than `keep_days`; full paths.
    pub expired: Vec<String>,
}

impl Rules {
    /// The folder that everything goes into.
    pub fn root(&self) -> String {
        joined(&self.subfolder, FOLDER)
    }

    /// The folder and the name that a recording has on the share if no other file has it.
    pub fn place_of(&self, file: &KeptFile) -> (String, String) {
        let dated = file.recorded_at.to_zoned(self.zone.clone()).strftime(&self.date_folders).to_string();
        let (folders, name) = file.name.rsplit_once('/').unwrap_or(("", &file.name));
        let parts =
            dated.split('/').chain(folders.split('/')).filter(|part| !part.is_empty()).map(names::safe);
        let folder = parts.fold(self.root(), |folder, part| joined(&folder, &part));
        (folder, names::safe(name))
    }

    /// Copies of days before this one are deleted.
    fn oldest_day(&self, now: Timestamp) -> Option<Date> {
        let today = now.to_zoned(self.zone.clone()).date();
        today.checked_sub(i64::from(self.keep_days?).days()).ok()
    }
}

/// A path of two parts, either of which may be empty.
pub fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// Compares. `listing` holds the folders of all kept recordings, and with `keep_days` all below the root.
pub fn plan(kept: &[KeptFile], listing: &Listing, rules: &Rules, now: Timestamp) -> Plan {
    let oldest = rules.oldest_day(now);
    let is_old =
        |name: &str| oldest.is_some_and(|oldest| names::day_of(name).is_some_and(|day| day < oldest));
    let shelf: HashMap<String, &Listed> = listing
        .iter()
        .flat_map(|(folder, files)| {
            files.iter().map(move |file| (names::folded(&joined(folder, &file.name)), file))
        })
        .collect();
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&kept[*one], &kept[*other]);
        (one.recorded_at, &one.name, &one.path).cmp(&(other.recorded_at, &other.name, &other.path))
    });
    let mut plan = Plan::default();
    let mut taken = HashSet::new();
    for index in order {
        let file = &kept[index];
        let (folder, first_name) = rules.place_of(file);
        if is_old(&first_name) {
            plan.too_old += 1;
            continue;
        }
        for number in 1_usize.. {
            let name = names::numbered(&first_name, number);
            let path = joined(&folder, &name);
            let key = names::folded(&path);
            if taken.contains(&key) {
                continue;
            }
            match shelf.get(&key) {
                Some(there) if is_same(file, there) => plan.there += 1,
                Some(_) => continue,
                None => {
                    let temporary = names::temporary(&path, file.bytes);
                    let begun = shelf.get(&names::folded(&joined(&folder, &temporary)));
                    let resume_from = begun.map_or(0, |part| part.bytes).min(file.bytes);
                    taken.insert(names::folded(&joined(&folder, &temporary)));
                    plan.bytes += file.bytes - resume_from;
                    plan.copies.push(Copy {
                        kept: index,
                        folder,
                        name,
                        plain_name: first_name,
                        number,
                        temporary,
                        resume_from,
                    });
                }
            }
            taken.insert(key);
            break;
        }
    }
    for (folder, files) in listing {
        for file in files.iter().filter(|file| !file.is_folder) {
            let path = joined(folder, &file.name);
            if is_old(&file.name) {
                plan.expired.push(path);
            } else if names::is_temporary(&file.name)
                && !taken.contains(&names::folded(&path))
                && file.modified.is_some_and(|modified| now.duration_since(modified) > FORGOTTEN)
            {
                plan.leftovers.push(path);
            }
        }
    }
    plan
}

fn is_same(file: &KeptFile, there: &Listed) -> bool {
    let differ = file.sha256.zip(there.sha256).is_some_and(|(one, other)| one != other);
    !there.is_folder && there.bytes == file.bytes && !differ
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
