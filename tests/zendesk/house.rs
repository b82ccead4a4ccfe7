//! The house of the stories: its directory, its client, and a look into the account.

pub use std::collections::HashMap;
pub use std::sync::Arc;
pub use std::sync::atomic::Ordering::Relaxed;
pub use std::time::Duration;

pub use jiff::ToSpan as _;
pub use ringdesk::call::{
    Agent, Author, Event, FieldValue, PersonId, Requester, Standing, Task, TicketChange, TicketDraft,
    TicketId, TicketStanding, Urgency, Work,
};
pub use ringdesk::clock::Clock;
pub use ringdesk::crm::zendesk::{Credentials, Options, Voice, Zendesk};
pub use ringdesk::crm::{CrmError, ReadNumbers, Resolve};
pub use ringdesk::delivery::{Attempt, Delivered, DeliveryError};
pub use ringdesk::phonebook::{Normaliser, NumberRules};
pub use ringdesk::sandbox::{Options as SandboxOptions, Sandbox, Seed, SeedTicket, SeedUser};
pub use serde_json::{Value, json};

pub const PETRA: PersonId = PersonId(9_007_199_254_743_101);
pub const MARIA_WHO_IS_DELETED: PersonId = PersonId(9_300_000_002_135);
pub const RINGDESK: u64 = 9_300_000_001_000;
pub const ANNA: u64 = 9_300_000_001_201;
pub const DANA: u64 = 9_300_000_001_204;
pub const DEFAULT_USER: u64 = 9_300_000_002_136;
pub const SUPPORT: u64 = 9_300_000_000_101;
pub const BACKOFFICE: u64 = 9_300_000_000_103;

/// The directory of the house.
pub struct House {
    pub agents: HashMap<&'static str, u64>,
    pub default_user: Option<PersonId>,
    pub default_agent: Option<PersonId>,
}

impl Default for House {
    fn default() -> Self {
        let agents = HashMap::from([
            ("anna.weber@example.com", ANNA),
            ("dana.oezdemir@example.com", DANA),
            ("nobody@example.com", 17),
        ]);
        Self { agents, default_user: Some(PersonId(DEFAULT_USER)), default_agent: None }
    }
}

impl Resolve for House {
    fn agent(&self, agent: &Agent) -> Option<PersonId> {
        agent.email.as_deref().and_then(|email| self.agents.get(email)).copied().map(PersonId)
    }

    fn group(&self, name: &str) -> Option<u64> {
        match name {
            "support" => Some(SUPPORT),
            "backoffice" => Some(BACKOFFICE),
            "gone" => Some(99),
            _ => None,
        }
    }

    fn default_user(&self) -> Option<PersonId> {
        self.default_user
    }

    fn default_agent(&self) -> Option<PersonId> {
        self.default_agent
    }
}

pub fn options(sandbox: &Sandbox) -> Options {
    Options {
        url: sandbox.url().parse().unwrap(),
        credentials: Credentials::ClientCredentials {
            client_id: "ringdesk".to_owned(),
            client_secret: "sandbox-secret".into(),
            scope: "read write".to_owned(),
        },
        voice: Voice::Auto,
        voice_known: None,
        request_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        requests_per_minute: 600,
        max_in_flight: 4,
        phone_fields: ["phone", "user_fields.phone_2", "user_fields.mobile", "identity"]
            .map(|field| field.parse().unwrap())
            .to_vec(),
        show: Vec::new(),
        calls_app_id: None,
        numbers: numbers(),
    }
}

/// The reader of numbers of a house in Berlin.
pub fn numbers() -> Arc<dyn ReadNumbers> {
    let rules = NumberRules {
        country: "DE".to_owned(),
        area_code: Some("30".to_owned()),
        strip_prefix: String::new(),
        internal_digits: 4,
    };
    Arc::new(Normaliser::new(rules).unwrap())
}

pub fn client(sandbox: &Sandbox) -> Zendesk {
    Zendesk::new(options(sandbox), Clock::system()).unwrap()
}

/// A client that gives up soon and asks again as fast as it can.
pub fn impatient(sandbox: &Sandbox, request_timeout: Duration) -> Zendesk {
    sandbox.set_fault("limits", "off").unwrap();
    let options = Options { request_timeout, requests_per_minute: 1_000_000, ..options(sandbox) };
    Zendesk::new(options, Clock::system()).unwrap()
}

pub async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default().with("index_delay", "0s")).await.unwrap()
}

pub fn agent(email: &str) -> Agent {
    Agent { extension: "201".parse().unwrap(), email: Some(email.to_owned()), name: None }
}

pub fn anna() -> Agent {
    agent("anna.weber@example.com")
}

pub fn draft(requester: Requester) -> TicketDraft {
    TicketDraft {
        external_id: "ringdesk:main/1795292763.0".to_owned(),
        requester,
        assignee: Some(anna()),
        group: Some("support".to_owned()),
        subject: "Call".to_owned(),
        comment: "A call from outside.".to_owned(),
        public: false,
        tags: vec!["telephone".to_owned()],
        priority: Some("normal".to_owned()),
        pop: Some(anna()),
        tells_candidates: false,
        author: None,
        for_default_agent: false,
        reuse_within: 0,
    }
}

pub fn work(task: Task) -> Work {
    Work { call: "main/1795292763.0".parse().unwrap(), seq: 1, task }
}

pub fn create(draft: TicketDraft) -> Work {
    work(Task::CreateTicket(Box::new(draft)))
}

pub const FIRST: Attempt = Attempt { number: 1, look_first: false };
pub const AFTER_A_DOUBT: Attempt = Attempt { number: 2, look_first: true };

pub fn standing(delivered: &Delivered) -> &TicketStanding {
    match &delivered.event {
        Event::TicketStands(standing) => standing,
        other => panic!("{other:?}"),
    }
}

/// The tickets of our calls.
pub fn tickets(sandbox: &Sandbox) -> Vec<Value> {
    let state = sandbox.state();
    let ours = |ticket: &&Value| ticket["external_id"].as_str().is_some_and(|id| id.starts_with("ringdesk:"));
    state["tickets"].as_array().unwrap().iter().filter(ours).cloned().collect()
}

/// The requests of the API so far, `POST /tickets` and the like; the token endpoint left out.
pub fn requests(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.state();
    let lines = state["requests"].as_array().unwrap().iter().map(|request| {
        let path = request["path"].as_str().unwrap();
        format!("{} {}", request["method"].as_str().unwrap(), path.trim_start_matches("/api/v2"))
    });
    lines.filter(|line| !line.contains("/oauth/")).collect()
}

pub fn pops(sandbox: &Sandbox) -> Vec<(u64, u64)> {
    let state = sandbox.state();
    let pops = state["screen_pops"].as_array().unwrap().iter();
    pops.map(|pop| (pop["agent_id"].as_u64().unwrap(), pop["ticket_id"].as_u64().unwrap_or_default()))
        .collect()
}

pub fn clean(sandbox: &Sandbox) {
    assert_eq!(sandbox.state()["warnings"], json!([]));
}

pub fn newcomer() -> Requester {
    Requester::NewUser { number: "+4930555123".parse().unwrap(), name: "Caller +4930555123".to_owned() }
}

pub fn newcomers(sandbox: &Sandbox) -> Vec<Value> {
    let state = sandbox.state();
    let ours = |user: &&Value| user["external_id"] == "ringdesk:+4930555123";
    state["users"].as_array().unwrap().iter().filter(ours).cloned().collect()
}

pub fn change_of(ticket: TicketId, change: TicketChange) -> Work {
    work(Task::UpdateTicket { ticket, change: Box::new(change) })
}

/// A ticket as it stands in the account.
pub fn ticket(sandbox: &Sandbox, id: TicketId) -> Value {
    let state = sandbox.state();
    let mut tickets = state["tickets"].as_array().unwrap().iter();
    tickets.find(|ticket| ticket["id"] == id.0).unwrap().clone()
}

/// What is said in a ticket, the voice comments of calls too.
pub fn said(ticket: &Value) -> Vec<&str> {
    let comments = ticket["comments"].as_array().unwrap().iter();
    comments.map(|comment| comment["body"].as_str().unwrap()).collect()
}

pub fn value(ticket: &Value, field: u64) -> Value {
    let mut fields = ticket["custom_fields"].as_array().unwrap().iter();
    fields.find(|entry| entry["id"] == field).map(|entry| entry["value"].clone()).unwrap_or_default()
}

/// Makes a ticket for Petra in Anna's name.
pub async fn petras_ticket(zendesk: &Zendesk) -> TicketId {
    let done =
        zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    standing(&done).ticket
}

/// The requests since there were so many.
pub fn since(sandbox: &Sandbox, count: usize) -> Vec<String> {
    requests(sandbox).split_off(count)
}
