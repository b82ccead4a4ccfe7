//! One house: an Asterisk, the wire, the daemon and the account, and what must be in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringdesk::sandbox::{Options, Sandbox, Seed, SeedUser};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::account::{Account, Ticket};
use crate::daemon::Daemon;
use crate::link::Link;
use crate::rig::{Play, Rig, Truth};

/// How long something may take to become true. All of it takes less than 3 s on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The agents by their telephones.
const AGENTS: [(&str, &str); 4] =
    [("201", "Anna Weber"), ("202", "Bernd Lange"), ("203", "Jörg Müller"), ("204", "Dana Özdemir")];

/// The name of the default user.
pub const DEFAULT_USER: &str = "Unknown caller";

/// What differs between houses.
pub struct Plan<'a> {
    /// Asterisk's version.
    pub version: &'static str,
    /// More options of `rig start`.
    pub rig: &'static [&'static str],
    /// The account of manager.conf.
    pub username: &'static str,
    /// `[callers] unknown`.
    pub unknown: &'static str,
    /// More keys of `[crm.zendesk]`.
    pub zendesk: &'static str,
    /// The groups and agents of the config; `SPOOL` is the folder of [`House::spool`].
    pub config: &'a str,
}

/// A running house. Its parts are ended in the order of the fields.
pub struct House {
    pub daemon: Daemon,
    pub link: Link,
    pub sandbox: Sandbox,
    rig: Rig,
    config: String,
    seen: Vec<Seen>,
    /// Files that must be in tickets in the end.
    pub files: usize,
    before: Account,
    folder: TempDir,
    name: String,
}

/// A call that was played, and what must be there of it.
struct Seen {
    truth: Truth,
    what: What,
}

enum What {
    Ticket { id: u64, group: &'static str, ticket: Ticket },
    Listed { group: &'static str },
    Nothing,
}

impl House {
    /// Starts everything and waits until calls are served.
    pub async fn open(plan: &Plan<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("ringdesk-rig-").tempdir().unwrap();
        let rig = Rig::start(&folder.path().join("pbx"), plan.version, plan.rig);
        let link = Link::to(rig.ami_port()).await;
        let sandbox = Sandbox::start(Options { seed: seed(), ..Options::default() }).await.unwrap();
        let spool = rig.folder().join("spool").to_str().unwrap().to_owned();
        let config = config(plan, &link, &sandbox, folder.path()).replace("SPOOL", &spool);
        let daemon = Daemon::start(folder.path(), &config).await;
        let before = Account::new(sandbox.state());
        let default_users = before.people().iter().filter(|(name, _)| name == DEFAULT_USER).count();
        assert_eq!(default_users, 1, "the default user was missing and is made at the start");
        let name = format!("Asterisk {} {:?}", plan.version, plan.rig);
        Self { daemon, link, sandbox, rig, config, seen: Vec::new(), files: 0, before, folder, name }
    }

    /// Where the exchange puts recordings and messages.
    pub fn spool(&self) -> PathBuf {
        self.rig.folder().join("spool")
    }

    /// Starts the daemon again after its end.
    pub async fn start_again(&mut self) {
        self.daemon = Daemon::start(self.folder.path(), &self.config).await;
    }

    /// Begins a scenario.
    pub fn begin(&self, scenario: &str, options: &[&str]) -> Play {
        self.rig.play(scenario, options)
    }

    /// Plays a scenario to its end.
    pub async fn play(&self, scenario: &str, options: &[&str]) -> Vec<Truth> {
        self.begin(scenario, options).truths().await
    }

    /// Plays a scenario of one call.
    pub async fn play_one(&self, scenario: &str, options: &[&str]) -> Truth {
        let mut truths = self.play(scenario, options).await;
        assert_eq!(truths.len(), 1, "{scenario}");
        truths.remove(0)
    }

    /// The account now.
    pub fn account(&self) -> Account {
        Account::new(self.sandbox.state())
    }

    /// Waits until the only ticket stands as it must; returns its id.
    pub async fn ticket_of(&self, uniqueid: &str, ticket: &Ticket) -> u64 {
        let key = format!("main/{uniqueid}");
        let mut id = 0;
        becomes(&format!("the ticket of {key} is as it must be"), async || {
            let tickets = self.account().tickets(&key);
            match &tickets[..] {
                [(found, is)] if is == ticket => {
                    id = *found;
                    Ok(())
                }
                _ => Err(format!("must be {ticket:#?}\nis {tickets:#?}\n{}", self.daemon.story(&key))),
            }
        })
        .await;
        id
    }

    /// The call was answered in `group`: waits until its ticket stands.
    ///
    /// The ticket is opened once at each of `agents`, in this order, and belongs to the last one. The
    /// telephones must say the same. Where the last one is not in the group, the account moves the
    /// ticket to that agent's own.
    pub async fn expect(
        &mut self,
        truth: &Truth,
        requester: &str,
        group: &'static str,
        agents: &[&str],
    ) -> u64 {
        let names: Vec<String> = agents.iter().map(|extension| name_of(extension)).collect();
        assert_eq!(truth.outcome(), "answered");
        assert_eq!(truth.answered_by(), agents.first().copied());
        assert_eq!(truth.last_agent(), agents.last().copied());
        let ticket = Ticket {
            requester: requester.to_owned(),
            assignee: names.last().unwrap().clone(),
            group: crm_group(group, agents.last().unwrap()).to_owned(),
            opened_at: names,
        };
        let id = self.ticket_of(truth.uniqueid(), &ticket).await;
        self.seen.push(Seen { truth: truth.clone(), what: What::Ticket { id, group, ticket } });
        id
    }

    /// Nobody answered the call in `group`, which wants a ticket for that: waits until it stands,
    /// with `agent`, and opens nowhere.
    pub async fn expect_missed(
        &mut self,
        truth: &Truth,
        requester: &str,
        group: &'static str,
        agent: &str,
    ) -> u64 {
        assert_eq!(truth.answered_by(), None);
        let ticket = Ticket {
            requester: requester.to_owned(),
            assignee: agent.to_owned(),
            group: crm_group(group, "").to_owned(),
            opened_at: Vec::new(),
        };
        let id = self.ticket_of(truth.uniqueid(), &ticket).await;
        self.seen.push(Seen { truth: truth.clone(), what: What::Ticket { id, group, ticket } });
        id
    }

    /// An agent gives the ticket to this person, in the browser.
    pub fn give(&mut self, ticket: u64, person: &str) {
        let state = self.sandbox.state();
        let users = state["users"].as_array().unwrap();
        let user = &users.iter().find(|user| user["name"] == person).unwrap()["id"];
        let body = serde_json::json!({"ticket": {"requester_id": user}});
        self.sandbox.as_agent("PUT", &format!("/tickets/{ticket}"), body).unwrap();
        let given = self.seen.iter_mut().find_map(|seen| match &mut seen.what {
            What::Ticket { id, ticket: told, .. } if *id == ticket => Some(told),
            _ => None,
        });
        person.clone_into(&mut given.unwrap().requester);
    }

    /// The call came to `group` and nobody answered it: waits until it is listed so.
    pub async fn expect_no_ticket(&mut self, truth: &Truth, group: &'static str) {
        let call = format!("main/{}", truth.uniqueid());
        becomes(&format!("{call} is listed as {}", truth.outcome()), async || {
            let calls = self.daemon.calls();
            let is = calls.iter().find(|row| row["call"] == *call);
            if is.is_some_and(|row| row["outcome"] == truth.outcome()) {
                Ok(())
            } else {
                Err(format!("{is:?}"))
            }
        })
        .await;
        self.seen.push(Seen { truth: truth.clone(), what: What::Listed { group } });
    }

    /// The call is none of ours: it comes to no group that is watched, or not from outside.
    pub fn expect_nothing(&mut self, truth: &Truth) {
        self.seen.push(Seen { truth: truth.clone(), what: What::Nothing });
    }

    /// Ends the daemon and holds everything that was made against what was expected. `new` are the
    /// people that must be new since calls are served, or whose number is new, with their numbers.
    pub async fn close(mut self, new: &[(&str, &str)]) {
        self.daemon.rests().await;
        let listed = self.daemon.calls();
        self.daemon.stop().await;
        let account = self.account();

        // Once more, now that nothing can follow: no second ticket, no second pop, nothing lost.
        for Seen { truth, what } in &self.seen {
            let key = format!("main/{}", truth.uniqueid());
            let expected = match what {
                What::Ticket { id, ticket, .. } => vec![(*id, ticket.clone())],
                What::Listed { .. } | What::Nothing => vec![],
            };
            assert_eq!(account.tickets(&key), expected, "{key}\n{}", self.daemon.story(&key));
            if !expected.is_empty() {
                let owed = self.daemon.work(&key).into_iter().filter(|how| !how.contains(" is done"));
                assert_eq!(owed.collect::<Vec<_>>(), [""; 0], "{key}\n{}", self.daemon.story(&key));
            }
        }
        let tickets = self.seen.iter().filter_map(|seen| match &seen.what {
            What::Ticket { ticket, .. } => Some(ticket),
            _ => None,
        });
        let [mut count, mut pops, mut uploads] = self.before.counts();
        uploads += self.files;
        tickets.for_each(|ticket| (count, pops) = (count + 1, pops + ticket.opened_at.len()));
        assert_eq!(account.counts(), [count, pops, uploads], "tickets, screen pops and uploads in all");
        assert_eq!(account.people(), people(&self.before, new));
        assert_eq!(account.warnings(), &[] as &[Value]);

        let mut rows: Vec<Row> = listed.iter().map(Row::listed).collect();
        let mut expected: Vec<Row> = self.seen.iter().filter_map(Row::expected).collect();
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected, "what `ringdesk calls` lists");

        let log = fs::read_to_string(self.folder.path().join("daemon.log")).unwrap();
        assert!(log.contains("stopped"), "the log is the daemon's");
        for never in ["panicked", "ringdesk-secret", "sandbox-secret", " ERROR "] {
            assert!(!log.contains(never), "`{never}` in the log:\n{log}");
        }
    }
}

impl Drop for House {
    /// A test that failed leaves what it takes to find out why.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            let path = self.folder.path();
            let _ = fs::write(path.join("heard.ami"), self.link.heard());
            let _ = fs::write(path.join("account.json"), format!("{:#}", self.sandbox.state()));
            eprintln!(
                "left of {}: {} with daemon.log, heard.ami (what the exchange said), account.json, pbx/log",
                self.name,
                path.display()
            );
        }
    }
}

/// A line of `ringdesk calls`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    call: String,
    group: Option<String>,
    caller: Option<String>,
    answered_by: Option<String>,
    outcome: Option<String>,
    ticket: Option<u64>,
    open: bool,
}

impl Row {
    fn listed(row: &Value) -> Self {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        Self {
            call: text("call").unwrap(),
            group: text("group"),
            caller: text("caller_e164"),
            answered_by: text("answered_by"),
            outcome: text("outcome"),
            ticket: row["ticket"].as_u64(),
            open: row["open"] != false,
        }
    }

    fn expected(seen: &Seen) -> Option<Self> {
        let Seen { truth, what } = seen;
        let (group, ticket) = match what {
            What::Ticket { id, group, .. } => (group, Some(*id)),
            What::Listed { group } => (group, None),
            What::Nothing => return None,
        };
        Some(Self {
            call: format!("main/{}", truth.uniqueid()),
            group: Some((*group).to_owned()),
            caller: truth.number().map(str::to_owned),
            answered_by: truth.answered_by().map(str::to_owned),
            outcome: Some(truth.outcome().to_owned()),
            ticket,
            open: false,
        })
    }
}

fn name_of(extension: &str) -> String {
    AGENTS.iter().find(|(own, _)| *own == extension).unwrap().1.to_owned()
}

/// The name of the account's group for a call in `group` with that agent.
fn crm_group(group: &str, agent: &str) -> &'static str {
    match (group, agent) {
        (_, "204") => "Backoffice",
        ("support" | "counter", _) => "Support",
        ("sales", _) => "Sales",
        (other, _) => panic!("no group {other}"),
    }
}

fn people(before: &Account, new: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let mut people = before.people();
    people.retain(|(name, _)| new.iter().all(|(own, _)| own != name));
    people.extend(new.iter().map(|(name, phone)| ((*name).to_owned(), Some((*phone).to_owned()))));
    people.sort();
    people
}

/// The house of the sandbox, and more of the callers.
fn seed() -> Seed {
    let mut seed = Seed::house();
    for (name, phone) in [
        ("Frank Simon", "030 23125117"),
        ("Lena Fuchs", "+493023125118"),
        ("Erster Anrufer", "0049 30 23125141"),
        ("Zweite Anruferin", "+493023125142"),
        ("Rita Lorenz", "(030) 23125-123"),
        // Whoever hides this number must not be taken for its owner.
        ("Vera Verborgen", "+493023125121"),
    ] {
        let user = format!(r#"{{"name": "{name}", "phone": "{phone}"}}"#);
        let user: SeedUser = serde_json::from_str(&user).unwrap();
        seed.users.push(user);
    }
    // Whose number nobody has written down yet.
    for (name, email) in [("Weiter Leer", "weiter@example.org"), ("Rita Leer", "rita@example.org")] {
        let user = format!(r#"{{"name": "{name}", "email": "{email}"}}"#);
        seed.users.push(serde_json::from_str(&user).unwrap());
    }
    seed
}

fn config(plan: &Plan<'_>, link: &Link, sandbox: &Sandbox, folder: &Path) -> String {
    format!(
        r#"
[log]
level = "debug"
format = "text"

[[pbx.ami]]
name = "main"
port = {port}
username = "{username}"
secret = "ringdesk-secret"

[crm.zendesk]
url = "{url}"
client_id = "ringdesk"
client_secret = "sandbox-secret"
{zendesk}

[callers]
country = "DE"
area_code = "30"
unknown = "{unknown}"
default_user = "telephone@example.com"
default_user_name = "{DEFAULT_USER}"
phone_fields = ["phone", "user_fields.phone_2", "identity"]

[journal]
url = "sqlite:{folder}/journal.db"
{config}"#,
        port = link.port(),
        username = plan.username,
        url = sandbox.url(),
        unknown = plan.unknown,
        zendesk = plan.zendesk,
        folder = folder.display(),
        config = plan.config,
    )
}

/// Waits for something that must come; `what` is it, in the words of a failure.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("within {} s it did not happen that {what}", limit.as_secs()),
    }
}

/// Looks again and again until `look` is content; fails with what it said last.
pub async fn becomes(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(wrong) = look().await {
        assert!(
            Instant::now() < deadline,
            "within {} s it did not become true that {what}:\n{wrong}",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
