//! Stories of the Zendesk client against the sandbox, over real sockets.
//!
//! The client is the one of the daemon and the sandbox is built without a look at it. Each story
//! ends with what stands in the account, and with no parameter dropped by it.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::ToSpan as _;
use ringdesk::call::{
    Agent, Event, PersonId, Requester, Standing, Task, TicketChange, TicketDraft, TicketId, TicketStanding,
    Urgency, Work,
};
use ringdesk::clock::Clock;
use ringdesk::crm::zendesk::{Credentials, Options, Voice, Zendesk};
use ringdesk::crm::{CrmError, Resolve};
use ringdesk::delivery::{Attempt, Delivered, DeliveryError};
use ringdesk::sandbox::{Options as SandboxOptions, Sandbox};
use serde_json::{Value, json};

const PETRA: PersonId = PersonId(9_007_199_254_743_101);
const MARIA_WHO_IS_DELETED: PersonId = PersonId(9_300_000_002_135);
const ANNA: u64 = 9_300_000_001_201;
const DANA: u64 = 9_300_000_001_204;
const DEFAULT_USER: u64 = 9_300_000_002_136;
const SUPPORT: u64 = 9_300_000_000_101;
const BACKOFFICE: u64 = 9_300_000_000_103;

/// The directory of the house.
struct House {
    agents: HashMap<&'static str, u64>,
    default_user: Option<PersonId>,
}

impl Default for House {
    fn default() -> Self {
        let agents = HashMap::from([
            ("anna.weber@example.com", ANNA),
            ("dana.oezdemir@example.com", DANA),
            ("nobody@example.com", 17),
        ]);
        Self { agents, default_user: Some(PersonId(DEFAULT_USER)) }
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
}

fn options(sandbox: &Sandbox) -> Options {
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
    }
}

fn client(sandbox: &Sandbox) -> Zendesk {
    Zendesk::new(options(sandbox), Clock::system()).unwrap()
}

/// A client that gives up soon and asks again as fast as it can.
fn impatient(sandbox: &Sandbox, request_timeout: Duration) -> Zendesk {
    sandbox.set_fault("limits", "off").unwrap();
    let options = Options { request_timeout, requests_per_minute: 1_000_000, ..options(sandbox) };
    Zendesk::new(options, Clock::system()).unwrap()
}

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default().with("index_delay", "0s")).await.unwrap()
}

fn agent(email: &str) -> Agent {
    Agent { extension: "201".parse().unwrap(), email: Some(email.to_owned()), name: None }
}

fn anna() -> Agent {
    agent("anna.weber@example.com")
}

fn draft(requester: Requester) -> TicketDraft {
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
    }
}

fn work(task: Task) -> Work {
    Work { call: "main/1795292763.0".parse().unwrap(), seq: 1, task, worth_until: None }
}

fn create(draft: TicketDraft) -> Work {
    work(Task::CreateTicket(Box::new(draft)))
}

const FIRST: Attempt = Attempt { number: 1, look_first: false };
const AFTER_A_DOUBT: Attempt = Attempt { number: 2, look_first: true };

fn standing(delivered: &Delivered) -> &TicketStanding {
    match &delivered.event {
        Event::TicketStands(standing) => standing,
        other => panic!("{other:?}"),
    }
}

/// The tickets of our calls.
fn tickets(sandbox: &Sandbox) -> Vec<Value> {
    let state = sandbox.state();
    let ours = |ticket: &&Value| ticket["external_id"].as_str().is_some_and(|id| id.starts_with("ringdesk:"));
    state["tickets"].as_array().unwrap().iter().filter(ours).cloned().collect()
}

/// The requests of the API so far, `POST /tickets` and the like; the token endpoint left out.
fn requests(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.state();
    let lines = state["requests"].as_array().unwrap().iter().map(|request| {
        let path = request["path"].as_str().unwrap();
        format!("{} {}", request["method"].as_str().unwrap(), path.trim_start_matches("/api/v2"))
    });
    lines.filter(|line| !line.contains("/oauth/")).collect()
}

fn pops(sandbox: &Sandbox) -> Vec<(u64, u64)> {
    let state = sandbox.state();
    let pops = state["screen_pops"].as_array().unwrap().iter();
    pops.map(|pop| (pop["agent_id"].as_u64().unwrap(), pop["ticket_id"].as_u64().unwrap_or_default()))
        .collect()
}

fn clean(sandbox: &Sandbox) {
    assert_eq!(sandbox.state()["warnings"], json!([]));
}

#[tokio::test]
async fn a_known_caller_costs_one_request() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    let done =
        zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    let stands = standing(&done);
    assert_eq!(requests(&sandbox), ["POST /channels/voice/tickets"]);
    assert!(done.note.ends_with("made by 1 request"), "{}", done.note);
    assert_eq!(stands.requester, Standing::AsDrafted);
    assert!(stands.popped.is_some() && stands.pops_possible);
    assert_eq!(pops(&sandbox), [(ANNA, stands.ticket.0)]);
    assert_eq!(zendesk.voice_available(), Some(true));
    let ticket = &tickets(&sandbox)[0];
    for (key, value) in [
        ("requester_id", json!(PETRA.0)),
        ("assignee_id", json!(ANNA)),
        ("group_id", json!(SUPPORT)),
        ("subject", json!("Call")),
        ("tags", json!(["telephone"])),
        ("priority", json!("normal")),
        ("is_public", json!(false)),
    ] {
        assert_eq!(ticket[key], value, "{key}");
    }
    assert_eq!(ticket["comments"][0]["body"], "A call from outside.");
    clean(&sandbox);
}

#[tokio::test]
async fn without_talk_partner_edition_tickets_are_plain_and_it_is_asked_once() {
    for status in ["403", "404"] {
        let sandbox = sandbox().await;
        sandbox.set_fault("no_tpe", status).unwrap();
        let zendesk = client(&sandbox);
        let house = House::default();
        let done = zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &house).await.unwrap();
        assert!(standing(&done).popped.is_none() && !standing(&done).pops_possible);
        assert_eq!(zendesk.voice_available(), Some(false));
        let mut second = draft(Requester::Person(PETRA));
        second.external_id = "ringdesk:main/2".to_owned();
        zendesk.deliver(&create(second), FIRST, &house).await.unwrap();
        assert_eq!(requests(&sandbox), ["POST /channels/voice/tickets", "POST /tickets", "POST /tickets"]);
        let state = sandbox.state();
        let keys: Vec<&Value> =
            state["requests"].as_array().unwrap().iter().map(|one| &one["idempotency_key"]).collect();
        assert!(
            keys.contains(&&json!("ringdesk:main/1795292763.0")) && keys.contains(&&json!("ringdesk:main/2"))
        );

        let pop = work(Task::PopScreen { ticket: standing(&done).ticket, agent: anna() });
        let done = zendesk.deliver(&pop, FIRST, &house).await.unwrap();
        assert!(matches!(&done.event, Event::WorkRefused { key, .. } if *key == pop.key()));
        assert_eq!(requests(&sandbox).len(), 3);
        clean(&sandbox);
    }
}

#[tokio::test]
async fn what_was_known_about_the_voice_endpoints_is_used() {
    let sandbox = sandbox().await;
    let zendesk =
        Zendesk::new(Options { voice_known: Some(false), ..options(&sandbox) }, Clock::system()).unwrap();
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    assert_eq!(requests(&sandbox), ["POST /tickets"]);
}

#[tokio::test]
async fn an_attempt_whose_end_was_not_heard_makes_no_second_ticket() {
    for (fault, no_tpe) in [
        ("reset_after_commit@POST", false),
        ("cut_answer@POST", false),
        ("reset_after_commit@POST /tickets", true),
        ("cut_answer@POST /tickets", true),
    ] {
        let sandbox = sandbox().await;
        let zendesk = client(&sandbox);
        zendesk.login().await.unwrap();
        if no_tpe {
            sandbox.set_fault("no_tpe", "403").unwrap();
        }
        sandbox.set_fault(fault, "1").unwrap();
        let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{fault}: {error:?}");
        let stands = zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
        assert!(stands.note.contains("found made"), "{}", stands.note);
        assert_eq!(standing(&stands).popped.is_some(), !no_tpe);
        assert_eq!(tickets(&sandbox).len(), 1, "{fault}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_look_that_fails_leaves_the_doubt() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    sandbox.set_fault("reset_after_commit@POST", "1").unwrap();
    zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    sandbox.set_fault("500@GET /tickets", "1").unwrap();
    let error = zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    // Even if the doubt were not handed on, the client itself has not forgotten it.
    zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_ticket_that_is_still_being_made_is_waited_for() {
    let sandbox = sandbox().await;
    let zendesk = impatient(&sandbox, Duration::from_millis(400));
    zendesk.login().await.unwrap();
    sandbox.set_fault("slow@POST /channels", "600ms").unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    let mut attempt = FIRST;
    let done = loop {
        match zendesk.deliver(&work, attempt, &house).await {
            Ok(done) => break done,
            Err(DeliveryError::Retry { unclear, .. }) => {
                attempt = Attempt { number: attempt.number + 1, look_first: attempt.look_first || unclear };
                assert!(attempt.number < 100_000);
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(done.note.contains("found made"), "{}", done.note);
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_request_that_hangs_ends_and_is_made_after_a_look() {
    let sandbox = sandbox().await;
    let zendesk = impatient(&sandbox, Duration::from_millis(200));
    zendesk.login().await.unwrap();
    sandbox.set_fault("hang@POST /channels", "1").unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    while zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.is_err() {}
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_refused_requester_is_replaced_by_the_default_user() {
    for no_tpe in ["off", "403"] {
        let sandbox = sandbox().await;
        sandbox.set_faults([("no_tpe", json!(no_tpe)), ("locale", json!("de"))]).unwrap();
        let work = create(draft(Requester::Person(MARIA_WHO_IS_DELETED)));
        let done = client(&sandbox).deliver(&work, FIRST, &House::default()).await.unwrap();
        assert_eq!(standing(&done).requester, Standing::DefaultUserInstead);
        assert_eq!(standing(&done).popped.is_some(), no_tpe == "off");
        let tickets = tickets(&sandbox);
        assert_eq!((tickets.len(), &tickets[0]["requester_id"]), (1, &json!(DEFAULT_USER)));
        assert_eq!(tickets[0]["assignee_id"], ANNA, "nothing else is left out");
    }
}

#[tokio::test]
async fn an_agent_outside_the_group_gets_the_ticket_on_the_screen_all_the_same() {
    let sandbox = sandbox().await;
    let mut draft = draft(Requester::Person(PETRA));
    (draft.assignee, draft.pop) =
        (Some(agent("dana.oezdemir@example.com")), Some(agent("dana.oezdemir@example.com")));
    let done = client(&sandbox).deliver(&create(draft), FIRST, &House::default()).await.unwrap();
    let ticket = &tickets(&sandbox)[0];
    assert_eq!((&ticket["group_id"], &ticket["assignee_id"]), (&json!(SUPPORT), &Value::Null));
    assert!(standing(&done).popped.is_some());
    assert_eq!(pops(&sandbox), [(DANA, standing(&done).ticket.0)]);
    assert_eq!(requests(&sandbox).len(), 2);
}

#[tokio::test]
async fn a_screen_or_group_that_is_not_there_does_not_cost_the_ticket() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    let mut no_screen = draft(Requester::Person(PETRA));
    no_screen.pop = Some(agent("nobody@example.com"));
    let done = zendesk.deliver(&create(no_screen), FIRST, &House::default()).await.unwrap();
    assert!(standing(&done).popped.is_none() && standing(&done).pops_possible);
    let mut no_group = draft(Requester::Person(PETRA));
    no_group.external_id = "ringdesk:main/2".to_owned();
    no_group.group = Some("gone".to_owned());
    let done = zendesk.deliver(&create(no_group), FIRST, &House::default()).await.unwrap();
    let ticket = &tickets(&sandbox)[1];
    assert_eq!((&ticket["assignee_id"], &ticket["group_id"]), (&json!(ANNA), &json!(SUPPORT)));
    assert!(standing(&done).popped.is_some());
}

#[tokio::test]
async fn who_is_not_matched_is_left_out() {
    let sandbox = sandbox().await;
    let mut draft = draft(Requester::DefaultUser);
    (draft.assignee, draft.pop) = (Some(agent("x@example.com")), Some(agent("x@example.com")));
    draft.group = Some("nowhere".to_owned());
    let zendesk = client(&sandbox);
    let unready = House { default_user: None, ..House::default() };
    let error = zendesk.deliver(&create(draft.clone()), FIRST, &unready).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: false, .. }), "{error:?}");
    let done = zendesk.deliver(&create(draft), FIRST, &House::default()).await.unwrap();
    assert!(standing(&done).popped.is_none());
    let ticket = &tickets(&sandbox)[0];
    assert_eq!((&ticket["assignee_id"], &ticket["requester_id"]), (&Value::Null, &json!(DEFAULT_USER)));
    assert_eq!(requests(&sandbox), ["POST /channels/voice/tickets"]);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_once() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    sandbox.set_fault("revoke_tokens", "1").unwrap();
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_many_askers_fetch_one() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let zendesk = Zendesk::new(options(&sandbox), clock.clone()).unwrap();
    let logins = tokio::join!(zendesk.login(), zendesk.login(), zendesk.login());
    assert!(logins.0.is_ok() && logins.1.is_ok() && logins.2.is_ok());
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 1);
    clock.set(clock.now() + 29.minutes());
    zendesk.login().await.unwrap();
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 2);
    assert_eq!(zendesk.counters().refused.load(Relaxed), 0, "no request was sent with an old token");
}

#[tokio::test]
async fn a_refused_login_is_told_with_the_way_out_and_not_hammered() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "wrong".into(),
        scope: "read write".to_owned(),
    };
    let zendesk = Zendesk::new(Options { credentials, ..options(&sandbox) }, clock.clone()).unwrap();
    let CrmError::LoginRefused(text) = zendesk.login().await.unwrap_err() else { panic!("refused") };
    assert!(text.contains("client_secret") && !text.contains("wrong"), "{text}");
    let seen = || sandbox.state()["requests"].as_array().unwrap().len();
    assert_eq!(seen(), 1);
    let error =
        zendesk.deliver(&create(draft(Requester::DefaultUser)), FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Wait(wait) if wait == Duration::from_secs(10)), "{error:?}");
    assert!(matches!(zendesk.login().await, Err(CrmError::LoginRefused(_))));
    assert_eq!(seen(), 1, "nothing was asked meanwhile");
    clock.set(clock.now() + 10.seconds());
    assert!(matches!(zendesk.login().await, Err(CrmError::LoginRefused(_))));
    assert_eq!(seen(), 2);
}

#[tokio::test]
async fn a_wait_holds_the_whole_account() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let zendesk = Zendesk::new(options(&sandbox), clock.clone()).unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    for (fault, header, seconds) in [("429", json!(7), 7), ("429", json!("none"), 10), ("503", json!(30), 30)]
    {
        zendesk.login().await.unwrap();
        sandbox.set_faults([("retry_after", header), (fault, json!("1"))]).unwrap();
        let wait = Duration::from_secs(seconds);
        let seen = requests(&sandbox).len();
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Wait(told) if told == wait), "{error:?}");
        assert!(matches!(zendesk.roster().await, Err(CrmError::Wait(told)) if told == wait));
        assert_eq!(requests(&sandbox).len(), seen + 1, "nobody asks meanwhile");
        clock.set(clock.now() + i64::try_from(seconds).unwrap().seconds());
    }
    zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_broken_far_side_is_tried_again() {
    for fault in ["503", "html_502", "500", "504", "reset_before"] {
        let sandbox = sandbox().await;
        let zendesk = client(&sandbox);
        zendesk.login().await.unwrap();
        sandbox.set_fault(fault, "1").unwrap();
        let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { .. }), "{fault}: {error:?}");
        zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
        assert_eq!(tickets(&sandbox).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_house_that_is_away_is_clear_and_says_so() {
    let sandbox = sandbox().await;
    let options = options(&sandbox);
    sandbox.stop().await;
    let zendesk = Zendesk::new(options, Clock::system()).unwrap();
    let error =
        zendesk.deliver(&create(draft(Requester::DefaultUser)), FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: false, .. }), "{error:?}");
    assert!(matches!(zendesk.login().await, Err(CrmError::Away { .. })));
}

fn newcomer() -> Requester {
    Requester::NewUser { number: "+4930555123".parse().unwrap(), name: "Caller +4930555123".to_owned() }
}

fn newcomers(sandbox: &Sandbox) -> Vec<Value> {
    let state = sandbox.state();
    let ours = |user: &&Value| user["external_id"] == "ringdesk:+4930555123";
    state["users"].as_array().unwrap().iter().filter(ours).cloned().collect()
}

#[tokio::test]
async fn two_calls_at_once_from_a_new_number_make_one_user() {
    // The search knows nothing of the new user for an hour: only the database does.
    let sandbox = Sandbox::start(SandboxOptions::default().with("index_delay", "1h")).await.unwrap();
    let (zendesk, house) = (client(&sandbox), House::default());
    let first = create(draft(newcomer()));
    let mut second = draft(newcomer());
    second.external_id = "ringdesk:main/2".to_owned();
    let mut second = create(second);
    second.call = "main/2".parse().unwrap();
    let (one, two) =
        tokio::join!(zendesk.deliver(&first, FIRST, &house), zendesk.deliver(&second, FIRST, &house));
    let (one, two) = (one.unwrap(), two.unwrap());
    let users = newcomers(&sandbox);
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0]["phone"], &users[0]["role"]), (&json!("+4930555123"), &json!("end-user")));
    assert!(
        matches!(&standing(&one).requester, Standing::NewUser(person) if json!(person.id) == users[0]["id"])
    );
    assert_eq!(standing(&one).requester, standing(&two).requester);
    assert!(tickets(&sandbox).iter().all(|ticket| ticket["requester_id"] == users[0]["id"]));
    // After a restart nothing is remembered here, but the number is still that user's.
    let again = client(&sandbox).deliver(&first, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!(standing(&again).requester, standing(&one).requester);
    let mut third = draft(newcomer());
    third.external_id = "ringdesk:main/3".to_owned();
    client(&sandbox).deliver(&create(third), FIRST, &house).await.unwrap();
    assert_eq!((newcomers(&sandbox).len(), tickets(&sandbox).len()), (1, 3));
    clean(&sandbox);
}

#[tokio::test]
async fn a_new_user_whose_making_was_not_heard_of_is_found() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    zendesk.login().await.unwrap();
    sandbox.set_fault("reset_after_commit@POST /users", "1").unwrap();
    let work = create(draft(newcomer()));
    zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!((newcomers(&sandbox).len(), tickets(&sandbox).len()), (1, 1));
}

#[tokio::test]
async fn a_number_the_account_does_not_accept_stays_in_the_notes() {
    let sandbox = sandbox().await;
    sandbox.set_fault("validate_phones", "on").unwrap();
    let requester = Requester::NewUser { number: "+4930".parse().unwrap(), name: "Caller +4930".to_owned() };
    let done = client(&sandbox).deliver(&create(draft(requester)), FIRST, &House::default()).await.unwrap();
    let Standing::NewUser(person) = &standing(&done).requester else { panic!("a new user") };
    let state = sandbox.state();
    let user = state["users"].as_array().unwrap().iter().find(|user| user["id"] == person.id.0).unwrap();
    let phone = user["phone"].as_str().unwrap_or_default();
    assert!(phone == "+4930" || user["notes"] == "Telephone: +4930", "{user}");
}

fn change_of(ticket: TicketId, change: TicketChange) -> Work {
    work(Task::UpdateTicket { ticket, change })
}

async fn ticket_of_the_default_user(zendesk: &Zendesk) -> TicketId {
    let done =
        zendesk.deliver(&create(draft(Requester::DefaultUser)), FIRST, &House::default()).await.unwrap();
    standing(&done).ticket
}

#[tokio::test]
async fn all_parts_of_a_change_go_in_one_request() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket = ticket_of_the_default_user(&zendesk).await;
    let change = TicketChange {
        requester: Some(Requester::Person(PETRA)),
        assignee: Some(agent("dana.oezdemir@example.com")),
        group: Some("backoffice".to_owned()),
        comment: Some("Several persons have this number.".to_owned()),
    };
    let work = change_of(ticket, change);
    let done = zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert_eq!(done.event, Event::TicketUpdated);
    let path = format!("/tickets/{ticket}");
    assert_eq!(requests(&sandbox)[1..], [format!("GET {path}"), format!("PUT {path}")]);
    let stands = &tickets(&sandbox)[0];
    assert_eq!(
        (&stands["requester_id"], &stands["assignee_id"], &stands["group_id"]),
        (&json!(PETRA.0), &json!(DANA), &json!(BACKOFFICE))
    );
    assert_eq!(stands["comments"][1]["public"], false);
    // Done twice it is done once.
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!(tickets(&sandbox)[0]["comments"].as_array().unwrap().len(), 2);
    clean(&sandbox);
}

#[tokio::test]
async fn a_comment_whose_end_was_not_heard_is_not_added_twice() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket = ticket_of_the_default_user(&zendesk).await;
    sandbox.set_fault("reset_after_commit@PUT", "1").unwrap();
    let change =
        TicketChange { comment: Some("Two  have\nit:\n- A\n- B".to_owned()), ..TicketChange::default() };
    let work = change_of(ticket, change);
    let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!(tickets(&sandbox)[0]["comments"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_requester_whom_an_agent_chose_stays() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let done = zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &house).await.unwrap();
    let ticket = standing(&done).ticket;
    let other = Requester::Person(PersonId(9_007_199_254_743_103));
    let change = TicketChange { requester: Some(other), ..TicketChange::default() };
    let done = zendesk.deliver(&change_of(ticket, change), FIRST, &house).await.unwrap();
    assert!(done.note.contains("stays"), "{}", done.note);
    assert_eq!(tickets(&sandbox)[0]["requester_id"], PETRA.0);
    // A number that turned out to be hidden takes the person away again.
    let hidden = TicketChange { requester: Some(Requester::DefaultUser), ..TicketChange::default() };
    zendesk.deliver(&change_of(ticket, hidden), FIRST, &house).await.unwrap();
    assert_eq!(tickets(&sandbox)[0]["requester_id"], DEFAULT_USER);
}

#[tokio::test]
async fn the_refused_part_of_a_change_is_left_out() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket = ticket_of_the_default_user(&zendesk).await;
    let change = TicketChange {
        requester: Some(Requester::Person(MARIA_WHO_IS_DELETED)),
        comment: Some("Still said.".to_owned()),
        ..TicketChange::default()
    };
    let done = zendesk.deliver(&change_of(ticket, change), FIRST, &house).await.unwrap();
    assert!(done.note.contains("the requester was refused"), "{}", done.note);
    assert_eq!(tickets(&sandbox)[0]["comments"][1]["body"], "Still said.");
    let alone =
        TicketChange { requester: Some(Requester::Person(MARIA_WHO_IS_DELETED)), ..TicketChange::default() };
    let error = zendesk.deliver(&change_of(ticket, alone), FIRST, &house).await.unwrap_err();
    assert!(matches!(&error, DeliveryError::Refused { reason } if reason.contains("requester")), "{error:?}");
}

#[tokio::test]
async fn a_ticket_that_is_gone_or_collides() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket = ticket_of_the_default_user(&zendesk).await;
    let change = TicketChange { assignee: Some(anna()), ..TicketChange::default() };
    sandbox.set_fault("database_conflict", "1").unwrap();
    let error = zendesk.deliver(&change_of(ticket, change.clone()), FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: false, .. }), "{error:?}");
    zendesk.deliver(&change_of(ticket, change.clone()), FIRST, &house).await.unwrap();
    for task in [
        Task::UpdateTicket { ticket: TicketId(999_999), change },
        Task::PopScreen { ticket: TicketId(999_999), agent: anna() },
        Task::PopScreen { ticket, agent: agent("nobody@example.com") },
        Task::PopScreen { ticket, agent: agent("x@example.com") },
    ] {
        let error = zendesk.deliver(&work(task), FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Refused { .. }), "{error:?}");
    }
    assert_eq!(zendesk.voice_available(), Some(true), "a bad agent does not mean that there is no voice");
}

#[tokio::test]
async fn a_screen_is_opened_by_one_request() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket = ticket_of_the_default_user(&zendesk).await;
    let done =
        zendesk.deliver(&work(Task::PopScreen { ticket, agent: anna() }), FIRST, &house).await.unwrap();
    assert_eq!(done.event, Event::ScreenPopped { extension: "201".parse().unwrap() });
    assert_eq!(pops(&sandbox), [(ANNA, ticket.0), (ANNA, ticket.0)]);
}

#[tokio::test]
async fn an_api_token_works_and_says_when_it_ends() {
    let sandbox = sandbox().await;
    let token = |token: &str| Credentials::ApiToken {
        email: "anna.weber@example.com".to_owned(),
        token: token.into(),
    };
    let with =
        |credentials| Zendesk::new(Options { credentials, ..options(&sandbox) }, Clock::system()).unwrap();
    let zendesk = with(token("sandbox-api-token"));
    let login = zendesk.login().await.unwrap();
    assert_eq!((login.user.id, login.role.as_str()), (PersonId(ANNA), "agent"));
    assert!(login.warnings.iter().any(|warning| warning.contains("2027-04-30")), "{:?}", login.warnings);
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    for anonymous in ["401", "anonymous"] {
        sandbox.set_fault("wrong_token_me", anonymous).unwrap();
        let error = with(token("wrong")).login().await.unwrap_err();
        assert!(matches!(&error, CrmError::LoginRefused(text) if text.contains("api_token")), "{error:?}");
    }
    clean(&sandbox);
}

#[tokio::test]
async fn the_roster_has_agents_and_living_groups() {
    let sandbox = sandbox().await;
    let roster = client(&sandbox).roster().await.unwrap();
    let names: Vec<&str> = roster.agents.iter().map(|agent| agent.name.as_str()).collect();
    for name in ["Ringdesk", "Anna Weber", "Bernd Lange", "Jörg Müller", "Dana Özdemir"] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(roster.agents.len(), 5);
    assert_eq!(roster.groups.len(), 5, "the deleted namesake is left out");
    clean(&sandbox);
}

#[tokio::test]
async fn the_default_user_is_found_or_made_once() {
    let sandbox = Sandbox::start(SandboxOptions::default().with("index_delay", "1h")).await.unwrap();
    let zendesk = client(&sandbox);
    let found = zendesk.default_user("Nadja.Ohne@example.org", "Telephone").await.unwrap();
    assert_eq!(found, PersonId(DEFAULT_USER));
    let made = zendesk.default_user("telephone@example.com", "Telephone").await.unwrap();
    // The search does not know it yet, and it is not made again.
    assert_eq!(zendesk.default_user("telephone@example.com", "Telephone").await.unwrap(), made);
    // The admin changes the address: the old one keeps its mark.
    let other = zendesk.default_user("phone2@example.com", "Telephone").await.unwrap();
    assert_ne!(other, made);
    clean(&sandbox);
}

#[tokio::test]
async fn a_search_finds_numbers_however_and_wherever_they_are_written() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    let table = [
        ("+493023125111", "Petra Sommer", "+493023125111"),
        ("+493023125113", "Rolf Becker", "030 23125-113"),
        ("+493023125116", "Karin Wolf", "0049 30 23125 116"),
        ("+493023125156", "Petra Sommer", "+493023125156"),
        ("+4915228817119", "Thomas Krüger", "+49 1522 8817119"),
        ("+496990009115", "Ines Vogt", "+496990009115"),
    ];
    for (number, name, written) in table {
        let found = zendesk.search(number.parse().unwrap(), Urgency::LookUp).await.unwrap();
        assert_eq!(found.len(), 1, "{number}");
        assert_eq!(found[0].person.name, name);
        assert!(found[0].numbers.iter().any(|one| one == written) && found[0].usable, "{found:?}");
    }
    assert!(zendesk.search("+4930999999".parse().unwrap(), Urgency::LookUp).await.unwrap().is_empty());
    clean(&sandbox);
}

#[tokio::test]
async fn the_export_reads_everybody_and_goes_on_from_its_cursor() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    let page = zendesk.export_people(None).await.unwrap();
    assert!(page.end && page.cursor.is_some());
    let named = |name: &str| page.people.iter().find(|one| one.person.name == name).unwrap();
    assert_eq!(named("Ines Vogt").numbers, ["+496990009114", "+496990009115"]);
    assert_eq!(named("Petra Sommer").numbers, ["+493023125111", "+493023125156"]);
    for name in ["Anna Weber", "Otto Gesperrt", "Maria Fort"] {
        assert!(!named(name).usable, "{name}");
    }
    let next = zendesk.export_people(page.cursor.as_deref()).await.unwrap();
    assert!(next.people.is_empty() && next.end && next.cursor.is_some());
    for _ in 2..10 {
        zendesk.export_people(next.cursor.as_deref()).await.unwrap();
    }
    let seen = requests(&sandbox).len();
    let error = zendesk.export_people(next.cursor.as_deref()).await.unwrap_err();
    assert!(matches!(error, CrmError::Wait(_)), "{error:?}");
    assert_eq!(requests(&sandbox).len(), seen, "an eleventh would have stopped the calls as well");
    clean(&sandbox);
}

#[tokio::test]
async fn background_work_leaves_the_last_fifth_of_the_minute_to_the_calls() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    sandbox.set_faults([("plan", json!("100")), ("foreign_traffic", json!(85))]).unwrap();
    zendesk.login().await.unwrap();
    assert!(matches!(zendesk.export_people(None).await, Err(CrmError::Wait(_))));
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    assert_eq!(requests(&sandbox).len(), 2);
}

#[test]
fn a_client_shows_no_secret_and_refuses_to_speak_in_the_clear() {
    let options = |url: &str| Options {
        url: url.parse().unwrap(),
        credentials: Credentials::ApiToken { email: "a@example.com".to_owned(), token: "hush".into() },
        voice: Voice::Auto,
        voice_known: None,
        request_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        requests_per_minute: 1,
        max_in_flight: 1,
        phone_fields: Vec::new(),
    };
    let error = Zendesk::new(options("http://example.zendesk.com"), Clock::system()).unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    let zendesk = Zendesk::new(options("https://example.zendesk.com"), Clock::system()).unwrap();
    assert!(!format!("{zendesk:?} {:?}", options("https://x.zendesk.com")).contains("hush"));
}
