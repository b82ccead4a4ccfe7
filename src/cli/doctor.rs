//! `ringdesk doctor`

mod recordings;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{ConfigFile, Exit, complain, print};
use crate::archive;
use crate::assembly;
use crate::causes;
use crate::clock::Clock;
use crate::config::{Ami, Config, Environment, Mode, Source};
use crate::crm::{Crm, CrmError, Ownership};
use crate::directory::{DefaultAgent, Directory};
use crate::fields;
use crate::lifecycle::Lifecycle;
use crate::pbx::ami::counters::Counters;
use crate::pbx::ami::driver::{Driver, LinkState};
use crate::pbx::ami::session::MayRecord;
use crate::pbx::ami::translate::Translate;
use crate::pbx::{self, Input};
use crate::rules;

/// Ask PBX and Zendesk whether all is set up, and say what to do
///
/// Logs in to both, matches agents and groups, and says what is missing. Changes nothing; on the archive's share a small
/// file is written and deleted again.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
}

/// How long the PBX may take to tell all that is up.
const PBX: Duration = Duration::from_secs(20);

/// Examines.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let config = match Config::load(&args.config.path, environment) {
        Ok(config) => config,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Software;
        }
    };
    runtime.block_on(examine(config))
}

/// What was found, and how bad it is.
#[derive(Default)]
struct Findings {
    wrong: usize,
    warned: usize,
}

impl Findings {
    fn good(&self, text: &str) {
        print(&format!("ok       {text}\n"));
    }

    fn warn(&mut self, text: &str) {
        self.warned += 1;
        print(&format!("warning  {text}\n"));
    }

    fn wrong(&mut self, text: &str) {
        self.wrong += 1;
        print(&format!("problem  {text}\n"));
    }
}

async fn examine(mut config: Config) -> Exit {
    // Nothing may be made: neither a default user nor anything else.
    config.mode = Mode::Observe;
    let mut findings = Findings::default();
    for warning in &config.warnings {
        findings.warn(&warning.to_string());
    }
    let clock = Clock::system();
    let numbers = match rules::normaliser(&config) {
        Ok(numbers) => Arc::new(numbers),
        Err(error) => {
            findings.wrong(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let crm = match assembly::crm(&config, &numbers, None, clock.clone()) {
        Ok(crm) => crm,
        Err(error) => {
            findings.wrong(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let directory = Directory::new(assembly::house_rules(&config), crm.clone(), clock.clone());
    for source in &config.sources {
        let Source::Ami(ami) = source;
        examine_pbx(&config, ami, &directory, &clock, &mut findings).await;
    }
    examine_crm(&crm, &mut findings).await;
    examine_house(&config, &directory, &crm, &mut findings).await;
    examine_fields(&config, &crm, &mut findings).await;
    recordings::examine(&config, &mut findings).await;
    if let Some(settings) = assembly::archive(&config) {
        examine_archive(&settings, &mut findings).await;
    }
    match (findings.wrong, findings.warned) {
        (0, 0) => print("\nAll is well.\n"),
        (0, warned) => print(&format!("\nIt will work; {}.\n", counted(warned, "warning"))),
        (wrong, warned) => {
            print(&format!("\n{}, {}.\n", counted(wrong, "problem"), counted(warned, "warning")))
        }
    };
    if findings.wrong == 0 { Exit::Done } else { Exit::Unavailable }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

async fn examine_pbx(
    config: &Config,
    ami: &Ami,
    directory: &Directory,
    clock: &Clock,
    findings: &mut Findings,
) {
    let (inputs_tx, mut inputs) = mpsc::channel(64);
    let (state_tx, mut state) = watch::channel(LinkState::Reading);
    let lifecycle = Lifecycle::new();
    let translate = Translate::new(ami.name.clone(), rules::channel_rules(config, ami), false);
    let mut driver = Driver::new(
        ami.clone(),
        translate,
        inputs_tx,
        Arc::new(Counters::default()),
        state_tx,
        clock.clone(),
    );
    // Held, so that the driver asks for the right; nothing is ordered.
    let (_orders, orders) = pbx::orders();
    if config.records() {
        driver = driver.with_orders(orders);
    }
    lifecycle.spawn(driver.run(lifecycle.clone(), lifecycle.stopping()));
    let place = format!("PBX {} at {}:{}", ami.name, ami.host, ami.port);
    let mut house = None;
    let mut up = 0;
    let told = async {
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(Input::House { agents, queues, .. }) => {
                        house = Some((agents, queues));
                    }
                    Some(Input::Resynced { present, .. }) => up = present.len(),
                    Some(_) => {}
                    None => return,
                },
                changed = state.changed() => if changed.is_err() { return },
            }
            match &*state.borrow() {
                LinkState::Down { .. } => return,
                LinkState::Live { .. } if house.is_some() => return,
                _ => {}
            }
        }
    };
    let in_time = tokio::time::timeout(PBX, told).await.is_ok();
    match &*state.borrow() {
        LinkState::Live { version, may_record } => {
            findings.good(&format!("{place}: logged in, Asterisk Call Manager/{version}, {up} calls up"));
            match may_record {
                MayRecord::Unknown => {}
                MayRecord::Yes => findings.good(&format!("{place}: the account may record calls")),
                MayRecord::NoRight => findings.wrong(&format!(
                    "{place}: the account may not record calls: give `{}` the right `system` (`write = system,call,reporting`) in manager.conf",
                    ami.username
                )),
                MayRecord::NoModule => findings.wrong(&format!(
                    "{place}: it cannot record calls: load app_mixmonitor.so in modules.conf"
                )),
            }
        }
        LinkState::Down { reason } => findings.wrong(&format!("{place}: {reason}")),
        LinkState::Reading => {
            findings.wrong(&format!("{place}: it did not tell what is up within {} s", PBX.as_secs()))
        }
    }
    match house {
        Some((agents, queues)) => {
            let names: Vec<&str> = queues.iter().map(|(name, _)| name.as_str()).collect();
            let with_email = agents.iter().filter(|agent| agent.email.is_some()).count();
            findings.good(&format!(
                "{place}: {} voice mailboxes, {with_email} of them with an e-mail address; queues: {}",
                agents.len(),
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ));
            for group in &config.groups {
                if let crate::config::ReachedBy::Queue(queue) = &group.reached_by
                    && !names.contains(&queue.as_str())
                {
                    findings.wrong(&format!(
                        "group {}: the PBX has no queue `{queue}`; it has {}",
                        group.name,
                        names.join(", ")
                    ));
                }
            }
            directory.pbx_tells(ami.name.clone(), agents, queues);
        }
        None if in_time => {}
        None => findings.warn(&format!("{place}: users and queues were not told")),
    }
    lifecycle.stop();
    lifecycle.ended().await;
}

async fn examine_crm(crm: &Crm, findings: &mut Findings) {
    match crm.login().await {
        Ok(login) => {
            findings.good(&format!("Zendesk: logged in as {} ({})", login.user.name, login.role));
            for warning in &login.warnings {
                findings.warn(warning);
            }
            if login.role != "admin" {
                findings.warn(
                    "Zendesk: the account is no admin: people cannot be read in advance, so that each caller is searched; let an admin create the OAuth client",
                );
            }
        }
        Err(error) => findings.wrong(&format!("Zendesk: {}", causes::in_lines(&error))),
    }
}

async fn examine_fields(config: &Config, crm: &Crm, findings: &mut Findings) {
    match fields::check(config, crm).await {
        Ok(wrong) if wrong.is_empty() && config.fields.is_empty() => {}
        Ok(wrong) if wrong.is_empty() => {
            findings.good(&format!("{} can be written", counted(config.fields.len(), "field")));
        }
        Ok(wrong) => wrong.iter().for_each(|finding| findings.wrong(&finding.to_string())),
        Err(error) => findings.wrong(&format!("the fields cannot be read: {}", causes::in_lines(&error))),
    }
}

async fn examine_archive(settings: &archive::Settings, findings: &mut Findings) {
    let place = format!("archive {}", settings.place);
    match archive::probe::probe(settings).await {
        Ok(probe) => {
            let room = match probe.free {
                Some(free) => format!(", {} MB free", free / 1_000_000),
                None => String::new(),
            };
            findings.good(&format!("{place}: a file could be written, read back, named and deleted{room}"));
            findings.good(&format!("{place}: copies {} into {}", settings.schedule, settings.rules.root()));
            if !probe.folder_is_there {
                let root = settings.rules.root();
                findings.warn(&format!("{place}: {root} is not there yet; it is made by the first run"));
            }
        }
        Err(error) => findings.wrong(&format!("{place}: {}", causes::in_lines(&error))),
    }
}

/// Whether a default agent can own tickets; `None` when it cannot be used at all.
fn ownership(agent: &DefaultAgent) -> Option<Result<String, String>> {
    agent.id?;
    let who = format!("{}: {}", agent.key, agent.email);
    match agent.owns {
        Ownership::All => Some(Ok(format!("{who} can own tickets"))),
        Ownership::Some => Some(Err(format!(
            "{who} may see only some of the tickets, and what is done in others in this name is refused: let the \
             agent's role see all tickets, or name another agent"
        ))),
        Ownership::NoGroup => Some(Err(format!(
            "{who} is in no group, and Zendesk gives tickets to agents in groups only: put the agent into one"
        ))),
        Ownership::NoLicence => None,
    }
}

async fn examine_house(config: &Config, directory: &Directory, crm: &Crm, findings: &mut Findings) {
    if let Err(error) = directory.refresh().await {
        findings.wrong(&format!("agents and groups cannot be read: {}", causes::in_lines(&error)));
        return;
    }
    let house = directory.house();
    for agent in house.matching.agents.iter().filter(|agent| agent.id.is_some()) {
        let email = agent.agent.email.as_deref().unwrap_or("");
        findings.good(&format!("agent {}: {email}", agent.agent.extension));
    }
    for group in &config.groups {
        let matched = house.groups().iter().any(|matched| matched.name == group.name && matched.id.is_some());
        if matched {
            findings.good(&format!("group {}: `{}` in Zendesk", group.name, group.crm_group));
        }
        if group.record {
            findings.warn(&format!(
                "group {}: is recorded. You wrote that callers are told (German §201 StGB, GDPR); ringdesk announces \
                 nothing and cannot see whether the PBX does",
                group.name
            ));
        }
    }
    for problem in &house.matching.problems {
        findings.warn(&problem.to_string());
    }
    for agent in &house.default_agents {
        match ownership(agent) {
            Some(Ok(text)) => findings.good(&text),
            Some(Err(text)) => findings.warn(&text),
            None => {} // It is among the problems.
        }
    }
    let email = config.callers.default_user.as_str();
    match crm.find_user(email).await {
        Ok(Some(_)) => findings.good(&format!("default user: {email}")),
        Ok(None) => {
            findings.warn(&format!("default user: {email} does not exist yet; it is made at the first start"))
        }
        Err(CrmError::LoginRefused(_)) => {}
        Err(error) => findings.wrong(&format!("default user: {}", causes::in_lines(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::PersonId;

    #[test]
    fn a_default_agent_is_proven_to_own_tickets_or_said_why_not() {
        let told = |id: Option<u64>, owns| {
            ownership(&DefaultAgent {
                key: "default_agent",
                email: "anna@example.com".to_owned(),
                id: id.map(PersonId),
                owns,
            })
        };
        let good = Ok("default_agent: anna@example.com can own tickets".to_owned());
        assert_eq!(told(Some(1), Ownership::All), Some(good));
        for (owns, words) in
            [(Ownership::Some, "only some of the tickets"), (Ownership::NoGroup, "in no group")]
        {
            let warning = told(Some(1), owns).unwrap().unwrap_err();
            assert!(
                warning.starts_with("default_agent: anna@example.com ") && warning.contains(words),
                "{warning}"
            );
        }
        // These are among the directory's problems.
        assert_eq!(told(Some(1), Ownership::NoLicence), None);
        assert_eq!(told(None, Ownership::All), None);
    }
}
