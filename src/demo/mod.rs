//! The whole story on one machine: a stand-in for Zendesk, a PBX that plays what a real Asterisk
//! recorded, and the daemon between them. Nothing of it is made up for the show: the same parts run
//! in the service.

pub mod pbx;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environment, Secrets};
use crate::run::{Daemon, Hooks, RunError};
use crate::sandbox::{Options, Sandbox};
use pbx::{PlayingPbx, Recording};

/// The captures that are played, one after the other.
const CAPTURES: [(&str, &[u8], &str); 5] = [
    (
        "a known caller reaches the queue; all phones ring, 202 answers",
        include_bytes!("../../fixtures/captures/ast22/a-queue-caller-hangs-up.ami"),
        include_str!("../../fixtures/captures/ast22/a-queue-caller-hangs-up.json"),
    ),
    (
        "a ring group: 201 refuses, 202 answers",
        include_bytes!("../../fixtures/captures/ast22/c-ringgroup-first-busy.ami"),
        include_str!("../../fixtures/captures/ast22/c-ringgroup-first-busy.json"),
    ),
    (
        "201 answers and transfers the call to 203",
        include_bytes!("../../fixtures/captures/ast22/f-blind-transfer.ami"),
        include_str!("../../fixtures/captures/ast22/f-blind-transfer.json"),
    ),
    (
        "three calls at once; one caller gives up",
        include_bytes!("../../fixtures/captures/ast22/l-two-interleaved.ami"),
        include_str!("../../fixtures/captures/ast22/l-two-interleaved.json"),
    ),
    (
        "a queue whose members are Local channels",
        include_bytes!("../../fixtures/captures/ast22/u-queue-local-members.ami"),
        include_str!("../../fixtures/captures/ast22/u-queue-local-members.json"),
    ),
];

/// Pauses of the recordings are cut to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);

/// How long the daemon may take to be ready, and a ticket to appear after the last event.
const PATIENCE: Duration = Duration::from_secs(20);

/// The demo cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port or a folder for a while cannot be had.
    #[error("cannot set the stage")]
    Stage(#[from] io::Error),
    /// The daemon cannot start.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The demo's own config is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A recording that is built in cannot be read.
    #[error("a recording that is built in cannot be read")]
    Recording(#[from] serde_json::Error),
    /// It is not ready in time.
    #[error("the daemon was not ready within {} s: {missing}", PATIENCE.as_secs())]
    NotReady {
        /// What is missing.
        missing: String,
    },
}

/// A running demo.
pub struct Demo {
    sandbox: Sandbox,
    pbx: PlayingPbx,
    daemon: Daemon,
    expected: Vec<Expected>,
    _folder: tempfile::TempDir,
}

/// A ticket that must be there in the end, from what the telephones told.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The PBX's id of the call.
    pub pbx_call_id: String,
    /// The agent who has the call in the end.
    pub agent: String,
    /// The group.
    pub group: String,
    /// Who must have it open last.
    pub caller: String,
}

/// A ticket as it stands in the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The ticket.
    pub id: String,
    /// Our external id.
    pub external_id: String,
    /// Names.
    pub requester: String,
    /// The assignee's name.
    pub assignee: String,
    /// The assignee's e-mail address.
    pub email: String,
    /// The group's name.
    pub group: String,
    /// The subject.
    pub subject: String,
    /// On whose screens it was opened, in order.
    pub opened_at: Vec<String>,
}

impl Demo {
    /// Sets the stage and waits until the daemon is ready. The recordings begin by themselves.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn start() -> Result<Self, DemoError> {
        let folder = tempfile::tempdir()?;
        let sandbox = Sandbox::start(Options::default()).await?;
        let mut recording = Recording::default();
        let mut expected = Vec::new();
        for (_, bytes, truth) in CAPTURES {
            let truth: Value = serde_json::from_str(truth)?;
            expected.extend(expected_tickets(&truth));
            let next = Recording::of_capture(bytes, &truth).at_most(LONGEST_PAUSE);
            recording = recording.then(Duration::from_millis(300), next);
        }
        let pbx = PlayingPbx::start(recording).await?;
        let text = config_text(&pbx, &sandbox, folder.path());
        let config = Config::parse(&text, Path::new("demo.toml"), &Environment::empty(), Secrets::Needed)?;
        let daemon = Daemon::start(config, Clock::system(), Hooks::default()).await?;
        let demo = Self { sandbox, pbx, daemon, expected, _folder: folder };
        demo.ready().await?;
        Ok(demo)
    }

    async fn ready(&self) -> Result<(), DemoError> {
        let ready = async {
            while !self.daemon.status().not_ready().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .map_err(|_| DemoError::NotReady { missing: self.daemon.status().not_ready().join("; ") })
    }

    /// The status page's address.
    pub fn page(&self) -> Option<String> {
        self.daemon.web().map(|address| format!("http://{address}/"))
    }

    /// The sandbox's address.
    pub fn sandbox_url(&self) -> String {
        self.sandbox.url()
    }

    /// What is played.
    pub fn story() -> impl Iterator<Item = &'static str> {
        CAPTURES.iter().map(|(title, ..)| *title)
    }

    /// The calls that the journal knows, newest first.
    pub async fn calls(&self) -> Vec<crate::journal::CallRow> {
        self.daemon.journal().list(50).await.unwrap_or_default()
    }

    /// The tickets as they stand now.
    pub fn tickets(&self) -> Vec<Shown> {
        shown(&self.sandbox.state())
    }

    /// Waits until all recordings were played.
    pub async fn played(&mut self) {
        self.pbx.played().await;
    }

    /// Waits until the tickets are what they must be, and says what is not.
    pub async fn judge(&self) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let wrong = differences(&self.expected, &self.tickets());
            if wrong.is_empty() || tokio::time::Instant::now() > deadline {
                return wrong;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it.
    pub async fn stop(self) {
        self.daemon.stop().await;
        self.pbx.stop().await;
        self.sandbox.stop().await;
    }
}

fn config_text(pbx: &PlayingPbx, sandbox: &Sandbox, folder: &Path) -> String {
    format!(
        r#"
[[pbx.ami]]
name = "demo"
host = "127.0.0.1"
port = {port}
username = "ringdesk"
secret = "demo"

[crm.zendesk]
url = "{url}"
client_id = "ringdesk"
client_secret = "sandbox-secret"

[callers]
country = "DE"
area_code = "30"
default_user = "telephone@example.com"

[[group]]
queue = "support"
wrap_up = "5s"

[[group]]
queue = "helpdesk"
wrap_up = "5s"

[[group]]
extension = "610"
name = "sales"
wrap_up = "5s"

[[agent]]
extension = "201"
email = "anna.weber@example.com"

[[agent]]
extension = "202"
email = "bernd.lange@example.com"

[[agent]]
extension = "203"
email = "joerg.mueller@example.com"

[[agent]]
extension = "204"
email = "dana.oezdemir@example.com"

[journal]
url = "sqlite:{folder}/journal.db"

[web]
listen = "127.0.0.1:0"
"#,
        port = pbx.address().port(),
        url = sandbox.url(),
        folder = folder.display()
    )
}

const EMAILS: [(&str, &str); 4] = [
    ("201", "anna.weber@example.com"),
    ("202", "bernd.lange@example.com"),
    ("203", "joerg.mueller@example.com"),
    ("204", "dana.oezdemir@example.com"),
];

fn expected_tickets(truth: &Value) -> Vec<Expected> {
    let calls = truth["calls"].as_array().cloned().unwrap_or_default();
    let answered = calls.iter().filter(|call| call["outcome"] == "answered" && call["group"].is_object());
    answered
        .map(|call| {
            let last = call["last_agent"].as_str().or(call["answered_by"].as_str()).unwrap_or("");
            let email =
                EMAILS.iter().find(|(extension, _)| *extension == last).map_or("", |(_, email)| email);
            Expected {
                pbx_call_id: call["uniqueid"].as_str().unwrap_or("").to_owned(),
                agent: email.to_owned(),
                group: call["group"]["name"].as_str().unwrap_or("").to_owned(),
                caller: call["number_e164"].as_str().unwrap_or("").to_owned(),
            }
        })
        .collect()
}

/// What is not as it must be.
fn differences(expected: &[Expected], tickets: &[Shown]) -> Vec<String> {
    let mut wrong = Vec::new();
    for expected in expected {
        let of_call: Vec<&Shown> =
            tickets.iter().filter(|ticket| ticket.external_id.ends_with(&expected.pbx_call_id)).collect();
        let [ticket] = of_call[..] else {
            wrong.push(format!("call {}: {} tickets", expected.pbx_call_id, of_call.len()));
            continue;
        };
        if ticket.email != expected.agent {
            wrong.push(format!(
                "ticket {}: assigned to {}, must be {}",
                ticket.id, ticket.email, expected.agent
            ));
        }
        if !ticket.group.eq_ignore_ascii_case(&expected.group) {
            wrong
                .push(format!("ticket {}: in group {}, must be {}", ticket.id, ticket.group, expected.group));
        }
        if ticket.opened_at.last() != Some(&ticket.assignee) {
            wrong.push(format!(
                "ticket {}: open at {:?}, must be at {}",
                ticket.id, ticket.opened_at, ticket.assignee
            ));
        }
    }
    let calls: HashSet<&str> = expected.iter().map(|expected| expected.pbx_call_id.as_str()).collect();
    for ticket in tickets.iter().filter(|ticket| ticket.external_id.starts_with("ringdesk:")) {
        if !calls.iter().any(|call| ticket.external_id.ends_with(call)) {
            wrong.push(format!("ticket {}: nobody answered this call", ticket.id));
        }
    }
    wrong
}

/// The tickets of a sandbox's state.
fn shown(state: &Value) -> Vec<Shown> {
    let list = |key: &str| state[key].as_array().cloned().unwrap_or_default();
    let (users, groups, pops) = (list("users"), list("groups"), list("screen_pops"));
    let find = |list: &[Value], id: &Value, key: &str| {
        let found = list.iter().find(|one| !id.is_null() && one["id"] == *id);
        found.and_then(|one| one[key].as_str()).unwrap_or("").to_owned()
    };
    list("tickets")
        .iter()
        .map(|ticket| Shown {
            id: ticket["id"].to_string(),
            external_id: ticket["external_id"].as_str().unwrap_or("").to_owned(),
            requester: find(&users, &ticket["requester_id"], "name"),
            assignee: find(&users, &ticket["assignee_id"], "name"),
            email: find(&users, &ticket["assignee_id"], "email"),
            group: find(&groups, &ticket["group_id"], "name"),
            subject: ticket["subject"].as_str().unwrap_or("").to_owned(),
            opened_at: pops
                .iter()
                .filter(|pop| pop["ticket_id"] == ticket["id"])
                .map(|pop| find(&users, &pop["agent_id"], "name"))
                .collect(),
        })
        .collect()
}
