//! `[[group]]`: what is watched.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::call::Extension;

use super::reader::shown;
use super::recording::Recording;
use super::section::Section;
use super::slot::Spot;
use super::ticket::Ticket;
use super::values;

/// A group: a queue, an internal number or a number dialled from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What makes a call one of this group.
    pub reached_by: ReachedBy,
    /// The name in texts, on the status page and in the log.
    pub name: String,
    /// The name of the CRM's group.
    pub crm_group: String,
    /// How long the agent works on after the call; `None`: as long as the queue says, else [`WRAP_UP`].
    pub wrap_up: Option<Duration>,
    /// Whether its calls are recorded.
    pub record: bool,
    /// How its tickets look.
    pub ticket: Ticket,
}

/// What makes a call one of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReachedBy {
    /// It waits in this queue of the PBX.
    Queue(String),
    /// It comes to this number inside the PBX: a ring group, a phone.
    Extension(Extension),
    /// This number was dialled from outside.
    Did(Did),
}

impl ReachedBy {
    /// The queue or number as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queue(name) => name,
            Self::Extension(extension) => extension.as_str(),
            Self::Did(did) => did.as_str(),
        }
    }
}

impl fmt::Display for ReachedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Queue(_) => "queue",
            Self::Extension(_) => "extension",
            Self::Did(_) => "did",
        };
        write!(f, "{kind} {}", self.as_str())
    }
}

/// A number dialled from outside: digits, with a plus where it is written with its country code.
///
/// A provider may send less than the whole number; then it is written as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did(String);

impl Did {
    /// Plus and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let bare: String = text.chars().filter(|c| !" ()/-.".contains(*c)).collect();
        let digits = bare.strip_prefix('+').unwrap_or(&bare);
        if (2..=18).contains(&digits.len()) && values::digits(digits).is_some() {
            Ok(Self(bare))
        } else {
            Err(format!(
                "{} is no number dialled from outside: write it with plus and country code, such as \
                 \"+493023125100\", or as the provider sends it",
                shown(text)
            ))
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// How long an agent works on after the call where neither config nor queue say it.
pub const WRAP_UP: Duration = Duration::from_secs(30);

pub(super) fn read(
    sections: Vec<Section<'_>>,
    ticket: &Ticket,
    recording: &Recording,
    variables: &[String],
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut reached: BTreeSet<ReachedBy> = BTreeSet::new();
    for mut section in sections {
        let Some((group, spot)) = group(&mut section, ticket, recording, variables) else {
            continue;
        };
        if !reached.insert(group.reached_by.clone()) {
            let message = format!("two groups have the {}: keep one of the tables", group.reached_by);
            section.reader.mistake(&spot.place, spot.key, message);
        } else if groups.iter().any(|other| other.name.to_lowercase() == group.name.to_lowercase()) {
            let message = format!(
                "two groups are called {}: give one another `name` to tell them apart",
                shown(&group.name)
            );
            section.reader.warning(&section.place, section.path.clone(), message);
        }
        groups.push(group);
    }
    groups
}

fn group(
    section: &mut Section<'_>,
    ticket: &Ticket,
    recording: &Recording,
    variables: &[String],
) -> Option<(Group, Spot<ReachedBy>)> {
    let reached_by = reached_by(section);
    let own_name = section.parsed("name", |text| values::line(text, 100)).optional();
    let crm_group = section.parsed("zendesk", |text| values::line(text, 200)).optional();
    let wrap_up = section.duration("wrap_up", Duration::ZERO..=24 * 3_600 * SECOND).optional();
    let record = section.flag("record").spot_or(false);
    let ticket = ticket.with(section, variables);
    if record.value && !recording.consent {
        // The one thing that only the admin can do, and what makes the difference between a recording and a crime.
        let message = "callers must be told before they are recorded (in Germany §201 StGB, everywhere in the EU the \
                       GDPR): play an announcement on the PBX, then write consent = \"announced\" in [recording]";
        section.reader.mistake(&record.place, record.key, message);
    }
    let reached_by = reached_by?;
    let name = own_name.unwrap_or_else(|| reached_by.value.as_str().to_owned());
    let group = Group {
        crm_group: crm_group.unwrap_or_else(|| name.clone()),
        reached_by: reached_by.value.clone(),
        name,
        wrap_up,
        record: record.value,
        ticket,
    };
    Some((group, reached_by))
}

/// Exactly one of the three keys.
fn reached_by(section: &mut Section<'_>) -> Option<Spot<ReachedBy>> {
    let queue = section.parsed("queue", |text| values::line(text, 80).map(ReachedBy::Queue));
    let extension = section.parsed("extension", |text| {
        text.parse().map(ReachedBy::Extension).map_err(|error: crate::call::IdError| error.to_string())
    });
    let did = section.parsed("did", |text| Did::parse(text).map(ReachedBy::Did));

    let slots = [queue, extension, did];
    let given = slots.iter().filter(|slot| slot.is_given()).count();
    let mut spots: Vec<_> = slots.into_iter().filter_map(|slot| slot.optional_spot()).collect();
    if given == 0 {
        section.mistake(
            "this group has no calls: write one of queue = \"support\", extension = \"610\" or did = \"+493023125100\"",
        );
    } else if given > 1 {
        let message = "a group is reached by one of queue, extension and did: keep one, and write a [[group]] \
                       of its own for the other";
        let place = spots.last().map_or_else(|| section.place.clone(), |spot| spot.place.clone());
        section.reader.mistake(&place, section.path.clone(), message);
        return None;
    }
    spots.pop()
}
