//! The latest matching, and the task that keeps it fresh.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::agents_csv::read_agents;
use super::matching::{Index, MatchedGroup, Matching, Problem, Told, ToldBy, WantedGroup, match_house, only};
use crate::call::{Agent, Extension, PersonId, SourceName};
use crate::causes;
use crate::clock::Clock;
use crate::crm::{Crm, CrmError, Ownership, Resolve, Roster};

/// What the config says about agents and groups: `[[agent]]`, `[[group]]`, `[agents]`, `[callers]`.
#[derive(Clone, Debug)]
pub struct HouseRules {
    /// The `[[agent]]` tables.
    pub agents: Vec<Agent>,
    /// The `[[group]]` tables.
    pub groups: Vec<WantedGroup>,
    /// The CSV file of agents.
    pub csv_file: Option<PathBuf>,
    /// How often the CRM's agents and groups are read again.
    pub refresh: Duration,
    /// The default user's e-mail address.
    pub default_user: String,
    /// The default user's name, should it have to be made.
    pub default_user_name: String,
    /// The e-mail address of the agent of what is done without one.
    pub default_agent: Option<String>,
    /// That of the agent who stands in.
    pub deputy_agent: Option<String>,
    /// Nothing is made in the CRM: a default user that is missing stays missing (`mode = "observe"`,
    /// `ringdesk doctor`).
    pub only_look: bool,
}

/// The house as it is matched now.
#[derive(Clone, Debug, Default)]
pub struct House {
    /// Agents, groups, and what is not matched.
    pub matching: Matching,
    /// The CRM's agents and groups were read once.
    pub read: bool,
    /// The default user; `None` until it was found or made.
    pub default_user: Option<PersonId>,
    /// The default agent and the deputy of the config, in this order; empty until the CRM was read.
    pub default_agents: Vec<DefaultAgent>,
    /// When the CRM was last read.
    pub last_refresh: Option<Timestamp>,
    /// Why the last reading failed; `None` when it went well.
    pub last_error: Option<String>,
    wrap_ups: HashMap<String, SignedDuration>,
    rows: HashMap<Extension, usize>,
    index: Arc<Index>,
}

/// An agent of what is done without one, as the CRM knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultAgent {
    /// The key of the config.
    pub key: &'static str,
    /// The e-mail address.
    pub email: String,
    /// The one active agent with this address; `None`: there is none, or there are several.
    pub id: Option<PersonId>,
    /// Which tickets it can own.
    pub owns: Ownership,
}

impl DefaultAgent {
    /// The agent, if it can be used. That it is in no group, or sees only some of the tickets, is told by
    /// `ringdesk doctor` and no reason here: it is read off a profile and may be right for this group.
    pub fn usable(&self) -> Option<PersonId> {
        self.id.filter(|_| self.owns != Ownership::NoLicence)
    }

    fn why_not(&self) -> String {
        let why = match self.id {
            None => "is no active agent",
            Some(_) => "is an agent without the licence to own tickets",
        };
        format!("{} {} {why}", self.key, self.email)
    }
}

impl House {
    /// The first of default agent and deputy that can be used.
    pub fn default_agent(&self) -> Option<PersonId> {
        self.default_agents.iter().find_map(DefaultAgent::usable)
    }

    /// Who sits at this extension.
    pub fn agent(&self, extension: &Extension) -> Option<&Agent> {
        self.rows.get(extension).map(|row| &self.matching.agents[*row].agent)
    }

    /// The groups: those of the config in its order, then the PBX's other queues.
    pub fn groups(&self) -> &[MatchedGroup] {
        &self.matching.groups
    }

    /// The wrap-up time of a queue, where a PBX tells one; of queues of the same name the longest.
    pub fn wrap_up(&self, queue: &str) -> Option<SignedDuration> {
        self.wrap_ups.get(queue).copied()
    }

    fn agent_id(&self, agent: &Agent) -> Option<PersonId> {
        let by_email = agent.email.as_deref().and_then(|email| only(self.index.agents(email)));
        // Owed work may carry an address that was corrected since: the extension tells the new one.
        by_email.or_else(|| self.matching.agents[*self.rows.get(&agent.extension)?].id)
    }
}

/// Who is who. Clones are the same directory.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    rules: RwLock<Arc<HouseRules>>,
    crm: Arc<dyn AskHouse>,
    clock: Clock,
    parts: Mutex<Parts>,
    house: watch::Sender<Arc<House>>,
    refresh_now: Notify,
}

/// What one PBX told: its users, and its queues with their wrap-up times.
type OfPbx = (Vec<Agent>, Vec<(String, Option<SignedDuration>)>);

/// What was told so far, from each side; the house is made of it anew at every change.
#[derive(Default)]
struct Parts {
    csv: Vec<Agent>,
    csv_problems: Vec<Problem>,
    pbxs: BTreeMap<SourceName, OfPbx>,
    index: Option<Arc<Index>>,
    default_user: Option<PersonId>,
    default_user_problem: Option<Problem>,
    last_refresh: Option<Timestamp>,
    last_error: Option<String>,
    /// Problems that are in the log already.
    said: HashSet<Problem>,
}

type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, CrmError>> + Send + 'a>>;

/// What the directory asks the CRM. A trait, because the tests answer it too.
trait AskHouse: Send + Sync {
    fn roster(&self) -> Asked<'_, Roster>;
    fn default_user<'a>(&'a self, email: &'a str, name: &'a str) -> Asked<'a, PersonId>;
}

impl AskHouse for Crm {
    fn roster(&self) -> Asked<'_, Roster> {
        Box::pin(Crm::roster(self))
    }

    fn default_user<'a>(&'a self, email: &'a str, name: &'a str) -> Asked<'a, PersonId> {
        Box::pin(Crm::default_user(self, email, name))
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Directory {
    /// Nothing read yet; agents and groups of the config are known, unmatched.
    pub fn new(rules: HouseRules, crm: Crm, clock: Clock) -> Self {
        Self::asking(rules, Arc::new(crm), clock)
    }

    fn asking(rules: HouseRules, crm: Arc<dyn AskHouse>, clock: Clock) -> Self {
        let directory = Self(Arc::new(Inner {
            rules: RwLock::new(Arc::new(rules)),
            crm,
            clock,
            parts: Mutex::default(),
            house: watch::Sender::default(),
            refresh_now: Notify::new(),
        }));
        directory.0.publish(&mut directory.0.parts());
        directory
    }

    /// The house as it is matched now.
    pub fn house(&self) -> Arc<House> {
        Arc::clone(&self.0.house.borrow())
    }

    /// Waits until the CRM's agents, groups and default user were read for the first time.
    pub async fn first_read(&self) {
        // The sender lives in `self`.
        let _ = self.watch().wait_for(|house| house.read).await;
    }

    /// The house now and at every change.
    pub fn watch(&self) -> watch::Receiver<Arc<House>> {
        self.0.house.subscribe()
    }

    /// Takes what a PBX tells about its users and its queues with their wrap-up times, instead of what it
    /// told before.
    pub fn pbx_tells(
        &self,
        source: SourceName,
        agents: Vec<Agent>,
        queues: Vec<(String, Option<SignedDuration>)>,
    ) {
        let mut parts = self.0.parts();
        parts.pbxs.insert(source, (agents, queues));
        self.0.publish(&mut parts);
    }

    /// Reads the CSV file and the CRM again, now.
    ///
    /// # Errors
    /// [`CrmError`]: what was known stays. That the default user cannot be had is an error only
    /// while the CRM is away; a refusal becomes a [`Problem`].
    pub async fn refresh(&self) -> Result<(), CrmError> {
        let (csv, csv_problems) = self.0.read_csv().await;
        {
            let mut parts = self.0.parts();
            (parts.csv, parts.csv_problems) = (csv, csv_problems);
            self.0.publish(&mut parts);
        }
        let result = self.0.ask().await;
        let mut parts = self.0.parts();
        parts.last_error = result.as_ref().err().map(|error| causes::in_one_line(error));
        self.0.publish(&mut parts);
        result
    }

    /// Takes over what the config says now, and has everything read again.
    pub fn rules_changed(&self, rules: HouseRules) {
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        let mut parts = self.0.parts();
        self.0.publish(&mut parts);
        drop(parts);
        self.refresh_now();
    }

    /// Has the task of [`Directory::run`] refresh at once.
    pub fn refresh_now(&self) {
        self.0.refresh_now.notify_one();
    }

    /// Refreshes at the start and every few hours, until `stop`; while the CRM is away, again after
    /// 1 s, 2 s … 60 s.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0u32;
        loop {
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = self.refresh() => result,
            };
            let pause = match result {
                Ok(()) => {
                    let house = self.house();
                    let matched = house.matching.agents.iter().filter(|agent| agent.id.is_some()).count();
                    let groups = house.matching.groups.iter().filter(|group| group.id.is_some()).count();
                    tracing::info!(
                        agents = house.matching.agents.len(),
                        agents_matched = matched,
                        groups = house.matching.groups.len(),
                        groups_matched = groups,
                        problems = house.matching.problems.len(),
                        "agents and groups are matched"
                    );
                    failures = 0;
                    self.0.rules().refresh
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(
                            error = causes::in_one_line(&error),
                            "the CRM's agents and groups cannot be read; trying again"
                        );
                    }
                    failures += 1;
                    let pause = (FIRST_PAUSE * (1 << (failures - 1).min(6))).min(LONGEST_PAUSE);
                    let asked_to_wait = if let CrmError::Wait(wait) = error { wait } else { Duration::ZERO };
                    pause.mul_f64(1.0 + fastrand::f64() / 4.0).max(asked_to_wait)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.refresh_now.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

impl Resolve for Directory {
    fn agent(&self, agent: &Agent) -> Option<PersonId> {
        self.0.house.borrow().agent_id(agent)
    }

    fn group(&self, name: &str) -> Option<u64> {
        only(&self.0.house.borrow().index.groups(name))
    }

    fn default_user(&self) -> Option<PersonId> {
        self.0.house.borrow().default_user
    }

    fn default_agent(&self) -> Option<PersonId> {
        self.0.house.borrow().default_agent()
    }
}

impl Inner {
    fn rules(&self) -> Arc<HouseRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self) -> Result<(), CrmError> {
        let roster = self.crm.roster().await?;
        {
            let mut parts = self.parts();
            parts.index = Some(Arc::new(Index::of(&roster)));
            parts.last_refresh = Some(self.clock.now());
            self.publish(&mut parts);
        }
        let rules = self.rules();
        if rules.only_look {
            return Ok(());
        }
        let email = &rules.default_user;
        let found = self.crm.default_user(email, &rules.default_user_name).await;
        let mut parts = self.parts();
        match found {
            Ok(id) => {
                parts.default_user = Some(id);
                parts.default_user_problem = None;
                Ok(())
            }
            Err(CrmError::Odd { reason, .. }) => {
                // Asking again at once would not help; the next refresh asks again.
                parts.default_user = None;
                parts.default_user_problem = Some(Problem::NoDefaultUser { email: email.clone(), reason });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn read_csv(&self) -> (Vec<Agent>, Vec<Problem>) {
        let rules = self.rules();
        let Some(file) = &rules.csv_file else {
            return (Vec::new(), Vec::new());
        };
        let problem = |error: &dyn std::fmt::Display| Problem::Csv(format!("{}: {error}", file.display()));
        match tokio::fs::read(file).await {
            Ok(bytes) => {
                let (agents, errors) = read_agents(&bytes);
                (agents, errors.iter().map(|error| problem(error)).collect())
            }
            Err(error) => (Vec::new(), vec![problem(&format_args!("cannot be read: {error}"))]),
        }
    }

    /// Matches anew and shows the result.
    fn publish(&self, parts: &mut Parts) {
        let rules = self.rules();
        let mut wrap_ups = HashMap::new();
        let mut told = Told { groups: rules.groups.clone(), ..Told::default() };
        told.agents.extend(rules.agents.iter().map(|agent| (ToldBy::Config, agent.clone())));
        told.agents.extend(parts.csv.iter().map(|agent| (ToldBy::Csv, agent.clone())));
        for (source, (agents, queues)) in &parts.pbxs {
            told.agents.extend(agents.iter().map(|agent| (ToldBy::Pbx(source.clone()), agent.clone())));
            told.queues.extend(queues.iter().map(|(queue, _)| (source.clone(), queue.clone())));
            for (queue, wrap_up) in queues {
                let Some(wrap_up) = wrap_up else { continue };
                let longest: &mut SignedDuration = wrap_ups.entry(queue.clone()).or_default();
                *longest = (*longest).max(*wrap_up);
            }
        }
        let index = parts.index.clone().unwrap_or_default();
        let mut matching = match_house(&told, &index);
        if parts.index.is_none() {
            // Before the CRM was read, nothing can be said to be missing there.
            matching.problems.retain(Problem::is_of_the_house);
        }
        matching.problems.extend(parts.csv_problems.iter().cloned());
        matching.problems.extend(parts.default_user_problem.clone());
        let default_agents = match &parts.index {
            Some(index) => default_agents(&rules, index),
            None => Vec::new(),
        };
        matching.problems.extend(default_agent_problem(&default_agents));
        for problem in &matching.problems {
            if parts.said.insert(problem.clone()) {
                tracing::warn!("{problem}");
            }
        }
        // What was solved and comes back is said again.
        parts.said.retain(|problem| matching.problems.contains(problem));
        let rows = matching
            .agents
            .iter()
            .zip(0..)
            .map(|(agent, row)| (agent.agent.extension.clone(), row))
            .collect();
        self.house.send_replace(Arc::new(House {
            matching,
            read: parts.index.is_some()
                && (rules.only_look || parts.default_user.is_some() || parts.default_user_problem.is_some()),
            default_user: parts.default_user,
            default_agents,
            last_refresh: parts.last_refresh,
            last_error: parts.last_error.clone(),
            wrap_ups,
            rows,
            index,
        }));
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn default_agents(rules: &HouseRules, index: &Index) -> Vec<DefaultAgent> {
    let keys = [("default_agent", &rules.default_agent), ("deputy_agent", &rules.deputy_agent)];
    let agents = keys.into_iter().filter_map(|(key, email)| {
        let email = email.clone()?;
        let id = only(index.agents(&email));
        let owns = id.map(|id| index.owns(id)).unwrap_or_default();
        Some(DefaultAgent { key, email, id, owns })
    });
    agents.collect()
}

fn default_agent_problem(agents: &[DefaultAgent]) -> Option<Problem> {
    match agents {
        [] => None,
        [first, ..] if first.usable().is_some() => None,
        [first, deputy] if deputy.usable().is_some() => {
            Some(Problem::DeputyAgent { who: first.why_not(), deputy: deputy.email.clone() })
        }
        all => {
            let who: Vec<String> = all.iter().map(DefaultAgent::why_not).collect();
            Some(Problem::NoDefaultAgent { who: who.join(", and ") })
        }
    }
}

#[cfg(test)]
#[path = "house_tests.rs"]
mod tests;
