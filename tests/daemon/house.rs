//! The house of the stories: a switchboard, the account, and the daemon between them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringdesk::clock::Clock;
use ringdesk::config::{Config, Environment, Secrets};
use ringdesk::dispatch::Load;
use ringdesk::run::{Daemon, Hooks};
use ringdesk::sandbox::{Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

pub use crate::switchboard::{SOUND, Switchboard, Tape, wav};

pub const ANNA: &str = "anna.weber@example.com";
pub const BERND: &str = "bernd.lange@example.com";
pub const JOERG: &str = "joerg.mueller@example.com";
pub const DANA: &str = "dana.oezdemir@example.com";

const PHONES: [(&str, &str); 4] = [("201", ANNA), ("202", BERND), ("203", JOERG), ("204", DANA)];

/// Who has this telephone.
pub fn owner(extension: &str) -> &'static str {
    PHONES.iter().find(|(phone, _)| *phone == extension).unwrap().1
}

/// How long anything may take before a story is given up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The stage without the daemon.
pub struct House {
    pub board: Switchboard,
    pub sandbox: Sandbox,
    pub folder: TempDir,
    /// More keys of `[callers]`.
    pub callers: &'static str,
    /// More keys of `[crm.zendesk]`.
    pub zendesk: &'static str,
    pub wrap_up: &'static str,
    pub phone_fields: &'static str,
    /// More keys of `[ticket]`.
    pub ticket: &'static str,
    /// More tables.
    pub tables: &'static str,
    /// More keys of the groups that are queues.
    pub group: &'static str,
    /// More keys of `[recording]`; `None`: there is no such table. The PBX's recordings are in `monitor` of the folder.
    pub recording: Option<&'static str>,
}

impl House {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        // For the HTTP clients of the stories; another story may have done it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            board: Switchboard::start().await,
            sandbox: Sandbox::start(options).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            callers: "",
            zendesk: "",
            wrap_up: "1s",
            phone_fields: r#"["phone", "user_fields.phone_2", "user_fields.mobile", "identity"]"#,
            ticket: "",
            tables: "",
            group: "",
            recording: None,
        }
    }

    /// Where the PBX puts its recordings.
    pub fn monitor(&self) -> PathBuf {
        self.folder.path().join("monitor")
    }

    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub fn config_text(&self) -> String {
        let mut text = format!(
            r#"
[[pbx.ami]]
name = "main"
host = "127.0.0.1"
port = {port}
username = "ringdesk"
secret = "open sesame"

[crm.zendesk]
url = "{url}"
client_id = "ringdesk"
client_secret = "sandbox-secret"
{zendesk}

[callers]
country = "DE"
area_code = "30"
default_user = "telephone@example.com"
phone_fields = {phone_fields}
{callers}

[ticket]
{ticket}

{tables}

[journal]
url = "sqlite:{journal}"

[web]
listen = "127.0.0.1:0"
"#,
            port = self.board.port(),
            url = self.sandbox.url(),
            zendesk = self.zendesk,
            callers = self.callers,
            ticket = self.ticket,
            phone_fields = self.phone_fields,
            tables = self.tables,
            journal = self.journal().display(),
        );
        let wrap_up = self.wrap_up;
        for queue in ["support", "hotline", "helpdesk"] {
            let group = self.group;
            text.push_str(&format!("[[group]]\nqueue = \"{queue}\"\nwrap_up = \"{wrap_up}\"\n{group}\n"));
        }
        text.push_str(&format!(
            "[[group]]\nextension = \"610\"\nname = \"sales\"\nwrap_up = \"{wrap_up}\"\n"
        ));
        if let Some(keys) = self.recording {
            let monitor = self.monitor().display().to_string();
            let keys = keys.replace("MONITOR", &monitor);
            text.push_str(&format!("[recording]\nconsent = \"announced\"\nmin_free_mb = 1\n{keys}\n"));
            if !keys.contains("file =") {
                text.push_str(&format!("file = \"{monitor}/{{call_id}}.wav\"\n"));
            }
        }
        for (extension, email) in PHONES {
            text.push_str(&format!("[[agent]]\nextension = \"{extension}\"\nemail = \"{email}\"\n"));
        }
        text
    }

    pub fn config(&self) -> Config {
        parse(&self.config_text())
    }

    /// Starts the daemon and waits until it serves.
    pub async fn daemon(&self) -> Daemon {
        let daemon = Daemon::start(self.config(), Clock::system(), Hooks::default()).await.unwrap();
        serves(&daemon).await;
        daemon
    }

    /// The tickets of our calls.
    pub fn tickets(&self) -> Vec<Ticket> {
        tickets(&self.sandbox.state())
    }

    /// Waits until there are so many tickets and nothing is owed, and gives them.
    pub async fn settled(&self, daemon: &Daemon, count: usize) -> Vec<Ticket> {
        let settled = async {
            loop {
                let load = *daemon.status().load.borrow();
                if self.tickets().len() >= count && load.owed == 0 && daemon.status().desk.borrow().up == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            panic!(
                "{count} tickets were waited for, {:#?} stand; {:?}",
                self.tickets(),
                daemon.status().load.borrow()
            );
        }
        self.tickets()
    }

    /// Waits until no call is up or kept and nothing is owed: what follows the calls is done.
    pub async fn over(&self, daemon: &Daemon, count: usize) -> Vec<Ticket> {
        self.settled(daemon, count).await;
        until("the end of all calls", || {
            let calls = daemon.status().desk.borrow().clone();
            let of = |load: &watch::Receiver<Load>| load.borrow().owed;
            let status = daemon.status();
            let owed = of(&status.load) + of(&status.keeping) + of(&status.uploads);
            calls.up + calls.ended == 0 && owed == 0
        })
        .await;
        self.tickets()
    }

    /// What an agent does in the browser.
    pub fn agent(&self, method: &str, path: &str, body: Value) -> Value {
        self.sandbox.as_agent(method, path, body).unwrap()
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Value {
        let state = self.sandbox.state();
        let users = state["users"].as_array().unwrap();
        users.iter().find(|user| user["name"] == name).unwrap_or_else(|| panic!("no user {name}")).clone()
    }

    /// The ticket as the sandbox has it.
    pub fn raw_ticket(&self, id: u64) -> Value {
        let state = self.sandbox.state();
        let tickets = state["tickets"].as_array().unwrap();
        tickets.iter().find(|ticket| ticket["id"] == id).unwrap().clone()
    }

    /// The requests of the API from the `from`th on; the log-in's and the mirror's left out.
    pub fn requests(&self, from: usize) -> Vec<String> {
        let state = self.sandbox.state();
        let requests = state["requests"].as_array().unwrap().iter().skip(from);
        requests
            .map(|request| {
                let path = request["path"].as_str().unwrap().trim_start_matches("/api/v2");
                format!("{} {path}", request["method"].as_str().unwrap())
            })
            .filter(|line| !line.contains("/oauth/") && !line.contains("/incremental/"))
            .collect()
    }

    pub fn requests_so_far(&self) -> usize {
        self.sandbox.state()["requests"].as_array().unwrap().len()
    }

    /// Nothing we sent was unknown to Zendesk.
    pub fn clean(&self) {
        assert_eq!(self.sandbox.state()["warnings"], serde_json::json!([]));
    }
}

pub fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("story.toml"), &Environment::empty(), Secrets::Needed).unwrap()
}

/// Waits until a daemon serves calls.
pub async fn serves(daemon: &Daemon) {
    let ready = async {
        while !daemon.status().not_ready().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, ready).await.is_err() {
        panic!("not ready: {:?}", daemon.status().not_ready());
    }
}

/// Waits until `done` says so.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain: {what}");
}

/// A ticket as it stands, with names instead of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    pub id: u64,
    /// The Uniqueid of the call's first channel.
    pub call: String,
    pub requester: String,
    pub agent: String,
    pub group: String,
    pub subject: String,
    pub comments: Vec<String>,
    /// On whose screens it was opened, in order.
    pub opened_at: Vec<String>,
}

pub fn tickets(state: &Value) -> Vec<Ticket> {
    let name = |list: &str, id: &Value, key: &str| -> String {
        let found = state[list].as_array().unwrap().iter().find(|item| item["id"] == *id && !id.is_null());
        found.and_then(|item| item[key].as_str()).unwrap_or("-").to_owned()
    };
    let pops = state["screen_pops"].as_array().unwrap();
    let ours = state["tickets"].as_array().unwrap().iter().filter_map(|ticket| {
        let call = ticket["external_id"].as_str()?.strip_prefix("ringdesk:main/")?.to_owned();
        let opened = pops.iter().filter(|pop| pop["ticket_id"] == ticket["id"]);
        Some(Ticket {
            id: ticket["id"].as_u64().unwrap(),
            call,
            requester: name("users", &ticket["requester_id"], "name"),
            agent: name("users", &ticket["assignee_id"], "email"),
            group: name("groups", &ticket["group_id"], "name"),
            subject: ticket["subject"].as_str().unwrap_or_default().to_owned(),
            comments: texts(&ticket["comments"]),
            opened_at: opened.map(|pop| name("users", &pop["agent_id"], "email")).collect(),
        })
    });
    ours.collect()
}

fn texts(comments: &Value) -> Vec<String> {
    let list = comments.as_array().into_iter().flatten();
    list.filter_map(|comment| comment["body"].as_str().map(str::to_owned)).collect()
}
