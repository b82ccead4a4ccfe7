//! Who is who, decided without any I/O: what the house tells, laid beside what the CRM tells.

use std::collections::{BTreeMap, HashMap};

use crate::call::{Agent, Extension, PersonId, SourceName};
use crate::crm::{Ownership, Roster};

/// Who told of an agent or a group; the first beats the later ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToldBy {
    /// The config file.
    Config,
    /// The CSV file of agents.
    Csv,
    /// A PBX.
    Pbx(SourceName),
}

impl std::fmt::Display for ToldBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config => f.write_str("the config"),
            Self::Csv => f.write_str("the CSV file"),
            Self::Pbx(source) => write!(f, "the PBX `{source}`"),
        }
    }
}

/// A group of the house and the CRM's group that it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedGroup {
    /// The name in the house.
    pub name: String,
    /// The name in the CRM.
    pub crm_name: String,
    /// The PBX's queue, where the group is one.
    pub queue: Option<String>,
}

/// Everything that the house tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Agents with who told of them.
    pub agents: Vec<(ToldBy, Agent)>,
    /// Groups of the config.
    pub groups: Vec<WantedGroup>,
    /// Queues that a PBX told.
    pub queues: Vec<(SourceName, String)>,
}

/// An agent of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedAgent {
    /// Extension, e-mail address (trimmed, lower-case) and name.
    pub agent: Agent,
    /// The CRM's agent; `None` when not matched, with a [`Problem`] that says why.
    pub id: Option<PersonId>,
}

/// A group of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedGroup {
    /// The name in the house.
    pub name: String,
    /// The name in the CRM.
    pub crm_name: String,
    /// The CRM's group; `None` when not matched.
    pub id: Option<u64>,
    /// The config, or the PBX that told the queue.
    pub told_by: ToldBy,
}

/// Something that is not matched, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Problem {
    /// The extension is known, the e-mail address is not.
    #[error(
        "extension {extension}{} has no e-mail address: enter it in the PBX or write an [[agent]] table; \
         until then its tickets have no assignee", of(.name.as_deref())
    )]
    NoEmail {
        /// The extension.
        extension: Extension,
        /// The name, where known.
        name: Option<String>,
    },
    /// No agent of the CRM has the e-mail address.
    #[error(
        "extension {extension}: no agent in the CRM has the e-mail address {email}: make one there, or correct \
         the address told by {told_by}"
    )]
    NoSuchAgent {
        /// The extension.
        extension: Extension,
        /// The e-mail address.
        email: String,
        /// Who told the address.
        told_by: ToldBy,
    },
    /// Several agents of the CRM have the e-mail address.
    #[error(
        "extension {extension}: {} agents in the CRM have the e-mail address {email} (ids {}): delete or \
         change all but one", .ids.len(), list(.ids)
    )]
    SeveralAgents {
        /// The extension.
        extension: Extension,
        /// The e-mail address.
        email: String,
        /// The CRM's agents.
        ids: Vec<PersonId>,
    },
    /// Different addresses are told for one extension.
    #[error(
        "extension {extension}: {told_by} tells several e-mail addresses ({}): write an [[agent]] table with \
         the right one", .emails.join(", ")
    )]
    SeveralEmails {
        /// The extension.
        extension: Extension,
        /// The addresses.
        emails: Vec<String>,
        /// Who told them; for PBXs the first.
        told_by: ToldBy,
    },
    /// No group of the CRM has the name.
    #[error(
        "group `{name}`: the CRM has no group `{crm_name}`: make it there, or set `zendesk = \"…\"` in its \
         [[group]] table to the name of another one"
    )]
    NoSuchGroup {
        /// The name in the house.
        name: String,
        /// The name that was looked for.
        crm_name: String,
    },
    /// Several groups of the CRM have the name.
    #[error(
        "group `{name}`: the CRM has {} groups `{crm_name}` (ids {}): rename or delete all but one, or write the \
         name exactly as one of them is written", .ids.len(), list(.ids)
    )]
    SeveralGroups {
        /// The name in the house.
        name: String,
        /// The name that was looked for.
        crm_name: String,
        /// The CRM's groups.
        ids: Vec<u64>,
    },
    /// A PBX's queue has neither a table in the config nor a namesake in the CRM.
    #[error(
        "queue `{queue}` of the PBX `{source_name}` has no group in the CRM: if its calls shall become tickets, \
         write a [[group]] table with `queue = \"{queue}\"`"
    )]
    QueueWithoutGroup {
        /// The queue.
        queue: String,
        /// The PBX.
        source_name: SourceName,
    },
    /// A row of the CSV file, or the whole file, cannot be used.
    #[error("{0}")]
    Csv(String),
    /// The default user cannot be had.
    #[error(
        "the default user {email} can be neither found nor made: {reason}; tickets of unknown callers wait until then"
    )]
    NoDefaultUser {
        /// The e-mail address.
        email: String,
        /// Why.
        reason: String,
    },
    /// The default agent cannot be used, its deputy can.
    #[error("{who}: until then deputy_agent {deputy} stands in")]
    DeputyAgent {
        /// The default agent, and why.
        who: String,
        /// The deputy's e-mail address.
        deputy: String,
    },
    /// Neither the default agent nor its deputy can be used.
    #[error("{who}; what is done without an agent is done by our log-in")]
    NoDefaultAgent {
        /// Who, and why.
        who: String,
    },
}

impl Problem {
    /// Whether it stands without the CRM being asked.
    pub(super) fn is_of_the_house(&self) -> bool {
        match self {
            Self::NoEmail { .. } | Self::SeveralEmails { .. } | Self::Csv(_) => true,
            Self::NoSuchAgent { .. }
            | Self::SeveralAgents { .. }
            | Self::NoSuchGroup { .. }
            | Self::SeveralGroups { .. }
            | Self::QueueWithoutGroup { .. }
            | Self::NoDefaultUser { .. }
            | Self::DeputyAgent { .. }
            | Self::NoDefaultAgent { .. } => false,
        }
    }
}

fn of(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}

fn list<T: std::fmt::Display>(ids: &[T]) -> String {
    ids.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Agents and groups of the house with their partners in the CRM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// One an extension, in order of the extensions.
    pub agents: Vec<MatchedAgent>,
    /// Groups of the config in its order, then the PBX's other queues.
    pub groups: Vec<MatchedGroup>,
    /// What is not matched.
    pub problems: Vec<Problem>,
}

/// Folds case and blanks, so that `  STRASSE ` and `Straße` are one name.
///
/// Upper and then lower case comes closest to Unicode's case folding without its tables.
pub fn fold(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ").to_uppercase().to_lowercase()
}

/// An e-mail address as it is compared.
pub fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The CRM's agents and groups, ready to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Index {
    agents: HashMap<String, Vec<PersonId>>,
    /// Of agents who cannot own all tickets, which they can.
    owns: HashMap<PersonId, Ownership>,
    groups: HashMap<String, Vec<(String, u64)>>,
}

impl Index {
    /// Of this roster.
    pub fn of(roster: &Roster) -> Self {
        let mut index = Self::default();
        for agent in &roster.agents {
            if agent.owns != Ownership::All {
                index.owns.insert(agent.id, agent.owns);
            }
            let Some(email) = agent.email.as_deref().map(fold_email).filter(|email| !email.is_empty()) else {
                continue;
            };
            let ids = index.agents.entry(email).or_default();
            if !ids.contains(&agent.id) {
                ids.push(agent.id);
            }
        }
        for group in &roster.groups {
            let namesakes = index.groups.entry(fold(&group.name)).or_default();
            if !namesakes.iter().any(|(_, id)| *id == group.id) {
                namesakes.push((group.name.trim().to_owned(), group.id));
            }
        }
        index
    }

    /// The agents with this e-mail address.
    pub fn agents(&self, email: &str) -> &[PersonId] {
        self.agents.get(&fold_email(email)).map_or(&[], Vec::as_slice)
    }

    /// Which tickets the agent can own.
    pub fn owns(&self, id: PersonId) -> Ownership {
        self.owns.get(&id).copied().unwrap_or_default()
    }

    /// The groups with this name. Of several that differ in case, the one written exactly so.
    pub fn groups(&self, name: &str) -> Vec<u64> {
        let namesakes = self.groups.get(&fold(name)).map_or(&[][..], Vec::as_slice);
        let exact: Vec<u64> =
            namesakes.iter().filter(|(written, _)| written == name.trim()).map(|(_, id)| *id).collect();
        if exact.len() == 1 { exact } else { namesakes.iter().map(|(_, id)| *id).collect() }
    }
}

/// The one of a list that has exactly one.
pub fn only<T: Copy>(list: &[T]) -> Option<T> {
    match list {
        [one] => Some(*one),
        _ => None,
    }
}

/// Matches the house with the CRM.
///
/// Agents by e-mail address, groups by name, both without regard to case and outer blanks. Nothing
/// is guessed: what is ambiguous is not matched, and said.
pub fn match_house(told: &Told, index: &Index) -> Matching {
    let mut matching = Matching::default();
    let mut by_extension: BTreeMap<&Extension, Vec<&(ToldBy, Agent)>> = BTreeMap::new();
    for told in &told.agents {
        by_extension.entry(&told.1.extension).or_default().push(told);
    }
    for (extension, mut tellings) in by_extension {
        tellings.sort_by_key(|(told_by, _)| rank(told_by)); // Stable: the earlier of equals stays first.
        let agent = match_agent(extension, &tellings, index, &mut matching.problems);
        matching.agents.push(agent);
    }
    for group in &told.groups {
        let ids = index.groups(&group.crm_name);
        let (name, crm_name) = (group.name.clone(), group.crm_name.clone());
        match ids.len() {
            0 => matching.problems.push(Problem::NoSuchGroup { name, crm_name }),
            1 => {}
            _ => matching.problems.push(Problem::SeveralGroups { name, crm_name, ids: ids.clone() }),
        }
        matching.groups.push(MatchedGroup {
            name: group.name.clone(),
            crm_name: group.crm_name.clone(),
            id: only(&ids),
            told_by: ToldBy::Config,
        });
    }
    for (source, queue) in &told.queues {
        // A queue's name is the PBX's and compared as it is; two PBXs may both have a `support`.
        if told.groups.iter().any(|group| group.queue.as_deref() == Some(queue)) {
            continue;
        }
        let ids = index.groups(queue);
        if ids.is_empty() {
            let (queue, source_name) = (queue.clone(), source.clone());
            matching.problems.push(Problem::QueueWithoutGroup { queue, source_name });
        } else if ids.len() > 1 {
            let (name, crm_name) = (queue.clone(), queue.clone());
            matching.problems.push(Problem::SeveralGroups { name, crm_name, ids: ids.clone() });
        }
        matching.groups.push(MatchedGroup {
            name: queue.clone(),
            crm_name: queue.clone(),
            id: only(&ids),
            told_by: ToldBy::Pbx(source.clone()),
        });
    }
    matching
}

/// PBXs are equals: where two tell different things of one extension, neither is right.
fn rank(told_by: &ToldBy) -> u8 {
    match told_by {
        ToldBy::Config => 0,
        ToldBy::Csv => 1,
        ToldBy::Pbx(_) => 2,
    }
}

fn match_agent(
    extension: &Extension,
    tellings: &[&(ToldBy, Agent)],
    index: &Index,
    problems: &mut Vec<Problem>,
) -> MatchedAgent {
    let email_of = |agent: &Agent| agent.email.as_deref().map(fold_email).filter(|email| !email.is_empty());
    let name = tellings
        .iter()
        .filter_map(|(_, agent)| agent.name.as_deref().map(str::trim))
        .find(|name| !name.is_empty())
        .map(str::to_owned);
    let agent = |email| Agent { extension: extension.clone(), email, name: name.clone() };

    let Some((told_by, _)) = tellings.iter().find(|(_, agent)| email_of(agent).is_some()) else {
        problems.push(Problem::NoEmail { extension: extension.clone(), name: name.clone() });
        return MatchedAgent { agent: agent(None), id: None };
    };
    let mut emails: Vec<String> = Vec::new();
    for (by, agent) in tellings {
        if rank(by) == rank(told_by)
            && let Some(email) = email_of(agent)
            && !emails.contains(&email)
        {
            emails.push(email);
        }
    }
    let told_by = told_by.clone();
    let extension = extension.clone();
    let [email] = emails.as_slice() else {
        problems.push(Problem::SeveralEmails { extension, emails, told_by });
        return MatchedAgent { agent: agent(None), id: None };
    };
    let email = email.clone();
    let ids = index.agents(&email);
    match ids.len() {
        0 => problems.push(Problem::NoSuchAgent { extension, email: email.clone(), told_by }),
        1 => {}
        _ => problems.push(Problem::SeveralAgents { extension, email: email.clone(), ids: ids.to_vec() }),
    }
    MatchedAgent { agent: agent(Some(email)), id: only(ids) }
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
