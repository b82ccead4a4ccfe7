use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::crm::{CrmAgent, CrmGroup};

/// A CRM with one answer after the other; the last one is given for ever.
#[derive(Default)]
struct Office {
    rosters: Mutex<VecDeque<Result<Roster, CrmError>>>,
    default_users: Mutex<VecDeque<Result<PersonId, CrmError>>>,
    asked: AtomicUsize,
}

impl AskHouse for Office {
    fn roster(&self) -> Asked<'_, Roster> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let roster = self.rosters.lock().unwrap().pop_front();
        Box::pin(async move {
            roster.unwrap_or_else(|| Ok(roster_of(&[(1, "anna@example.com")], &[(10, "Support")])))
        })
    }

    fn default_user<'a>(&'a self, email: &'a str, name: &'a str) -> Asked<'a, PersonId> {
        assert_eq!((email, name), ("telephone@example.com", "Unknown caller"));
        let user = self.default_users.lock().unwrap().pop_front();
        Box::pin(async move { user.unwrap_or(Ok(PersonId(99))) })
    }
}

fn away() -> CrmError {
    CrmError::Away { what: "reading agents", source: "connection refused".into() }
}

fn roster_of(agents: &[(u64, &str)], groups: &[(u64, &str)]) -> Roster {
    let agent = |(id, email): &(u64, &str)| CrmAgent {
        id: PersonId(*id),
        name: "Agent".to_owned(),
        email: Some((*email).to_owned()),
        owns: Ownership::All,
    };
    let group = |(id, name): &(u64, &str)| CrmGroup { id: *id, name: (*name).to_owned() };
    Roster { agents: agents.iter().map(agent).collect(), groups: groups.iter().map(group).collect() }
}

fn ext(text: &str) -> Extension {
    text.parse().unwrap()
}

fn agent(extension: &str, email: Option<&str>) -> Agent {
    Agent { extension: ext(extension), email: email.map(str::to_owned), name: None }
}

fn main_pbx() -> SourceName {
    "main".to_owned().try_into().unwrap()
}

fn directory(office: Office, csv_file: Option<PathBuf>) -> (Directory, Arc<Office>) {
    let rules = HouseRules {
        agents: vec![agent("201", Some("anna@example.com"))],
        groups: vec![WantedGroup {
            name: "support".to_owned(),
            crm_name: "Support".to_owned(),
            queue: Some("support".to_owned()),
        }],
        csv_file,
        refresh: Duration::from_secs(4 * 3600),
        default_user: "telephone@example.com".to_owned(),
        default_user_name: "Unknown caller".to_owned(),
        default_agent: None,
        deputy_agent: None,
        only_look: false,
    };
    let office = Arc::new(office);
    let clock = Clock::standing_at(Timestamp::from_second(1_795_000_000).unwrap());
    (Directory::asking(rules, Arc::clone(&office) as _, clock), office)
}

#[tokio::test]
async fn a_house_is_known_before_the_crm_is_and_matched_after() {
    let (directory, _) = directory(Office::default(), None);
    let house = directory.house();
    assert_eq!(house.agent(&ext("201")), Some(&agent("201", Some("anna@example.com"))));
    assert_eq!(house.groups().len(), 1);
    assert!(!house.read);
    assert_eq!(house.matching.problems, [], "the CRM was not asked yet");
    assert_eq!(directory.agent(&agent("201", Some("anna@example.com"))), None);

    directory.refresh().await.unwrap();
    let house = directory.house();
    assert!(house.read && house.last_refresh.is_some());
    assert_eq!(directory.agent(&agent("201", Some(" Anna@Example.com"))), Some(PersonId(1)));
    assert_eq!(directory.group(" SUPPORT"), Some(10));
    assert_eq!(directory.group("Sales"), None);
    assert_eq!(directory.default_user(), Some(PersonId(99)));
}

#[tokio::test]
async fn what_a_pbx_tells_replaces_what_it_told_before() {
    let (directory, office) = directory(Office::default(), None);
    directory.refresh().await.unwrap();
    directory.pbx_tells(
        main_pbx(),
        vec![agent("202", Some("anna@example.com"))],
        vec![("sales".to_owned(), None)],
    );
    assert_eq!(directory.agent(&agent("202", None)), Some(PersonId(1)));
    assert_eq!(directory.house().groups().len(), 2);
    directory.pbx_tells(main_pbx(), vec![agent("203", None)], vec![]);
    let house = directory.house();
    assert_eq!(house.agent(&ext("202")), None);
    assert_eq!(house.groups().len(), 1);
    assert!(matches!(house.matching.problems.as_slice(), [Problem::NoEmail { .. }]));
    assert_eq!(office.asked.load(Ordering::SeqCst), 1, "the CRM need not be asked for that");
}

#[tokio::test]
async fn the_wrap_up_times_of_queues_are_those_that_a_pbx_told_last() {
    let (directory, _) = directory(Office::default(), None);
    let mut house = directory.watch();
    let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
    let tell = |source: &str, wrap_up| {
        let queues = vec![("sales".to_owned(), wrap_up), ("support".to_owned(), None)];
        directory.pbx_tells(source.to_owned().try_into().unwrap(), vec![], queues);
    };
    tell("main", seconds(15));
    assert!(house.has_changed().unwrap(), "the rules are made anew");
    assert_eq!(house.borrow_and_update().wrap_up("sales"), seconds(15));
    assert_eq!(house.borrow().wrap_up("support"), None);
    tell("branch", seconds(10));
    assert_eq!(directory.house().wrap_up("sales"), seconds(15), "of two queues of one name the longer time");
    tell("main", None);
    assert_eq!(directory.house().wrap_up("sales"), seconds(10));
}

#[tokio::test]
async fn work_with_an_address_that_was_corrected_since_finds_its_agent() {
    let (directory, _) = directory(Office::default(), None);
    directory.refresh().await.unwrap();
    assert_eq!(directory.agent(&agent("201", Some("ana@example.com"))), Some(PersonId(1)));
    assert_eq!(directory.agent(&agent("299", Some("ana@example.com"))), None);
}

#[tokio::test]
async fn what_was_matched_stays_while_the_crm_is_away() {
    let office = Office::default();
    let first = Ok(roster_of(&[(1, "anna@example.com")], &[(10, "Support")]));
    office.rosters.lock().unwrap().extend([first, Err(away()), Ok(roster_of(&[], &[]))]);
    let (directory, _) = directory(office, None);
    directory.refresh().await.unwrap();
    assert!(directory.refresh().await.is_err());
    let house = directory.house();
    assert_eq!(house.last_error.as_deref(), Some("reading agents: the CRM is away: connection refused"));
    assert_eq!(directory.group("Support"), Some(10));
    directory.refresh().await.unwrap();
    assert_eq!(directory.group("Support"), None);
    assert_eq!(directory.house().matching.problems.len(), 2);
    assert_eq!(directory.house().last_error, None);
}

#[tokio::test]
async fn a_refused_default_user_is_a_problem_that_is_told_and_asked_for_again() {
    let office = Office::default();
    let refused = CrmError::Odd { what: "making the default user", reason: "403: not permitted".to_owned() };
    office.default_users.lock().unwrap().extend([Err(refused), Err(away())]);
    let (directory, _) = directory(office, None);
    directory.refresh().await.unwrap();
    assert_eq!(directory.default_user(), None);
    let text = directory.house().matching.problems[0].to_string();
    assert!(text.contains("telephone@example.com") && text.contains("403: not permitted"), "{text}");
    assert!(directory.refresh().await.is_err(), "away: try again soon");
    directory.refresh().await.unwrap();
    assert_eq!(directory.default_user(), Some(PersonId(99)));
    assert_eq!(directory.house().matching.problems, []);
}

#[tokio::test]
async fn the_csv_file_is_read_again_at_every_refresh() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("agents.csv");
    let (directory, _) = directory(Office::default(), Some(file.clone()));
    directory.refresh().await.unwrap();
    let problem = directory.house().matching.problems[0].to_string();
    assert!(problem.contains("agents.csv: cannot be read"), "{problem}");
    std::fs::write(&file, "extension;email\n205;anna@example.com\n206;x\n").unwrap();
    directory.refresh().await.unwrap();
    assert_eq!(directory.agent(&agent("205", None)), Some(PersonId(1)));
    let house = directory.house();
    let problem = house.matching.problems[0].to_string();
    assert!(problem.contains("agents.csv: line 3: `x`"), "{problem}");
}

#[tokio::test]
async fn the_task_tries_again_until_the_crm_is_back_and_refreshes_on_demand() {
    let office = Office::default();
    office.rosters.lock().unwrap().push_back(Err(away()));
    let (directory, office) = directory(office, None);
    let stop = CancellationToken::new();
    let mut house = directory.watch();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(directory.clone().run(stop.clone()));
    let long = Duration::from_secs(10);
    tokio::time::timeout(long, house.wait_for(|house| house.last_error.is_some())).await.unwrap().unwrap();
    directory.refresh_now();
    let read = house.wait_for(|house| house.read && house.default_user.is_some());
    tokio::time::timeout(long, read).await.unwrap().unwrap();
    assert_eq!(office.asked.load(Ordering::SeqCst), 2);
    stop.cancel();
    tokio::time::timeout(long, running.join_all()).await.unwrap();
}

#[tokio::test]
async fn the_deputy_stands_in_for_a_default_agent_who_is_gone_and_our_login_for_both() {
    let (anna, bernd) = ((1, "anna@example.com"), (2, "bernd@example.com"));
    let licence = |mut roster: Roster, id: u64, owns: Ownership| {
        roster.agents.iter_mut().filter(|agent| agent.id == PersonId(id)).for_each(|agent| agent.owns = owns);
        roster
    };
    let both = || roster_of(&[anna, bernd], &[]);
    let table = [
        (both(), Some(1), ""),
        (licence(both(), 1, Ownership::NoGroup), Some(1), ""),
        (
            roster_of(&[bernd], &[]),
            Some(2),
            "default_agent anna@example.com is no active agent: until then deputy_agent bernd@example.com stands in",
        ),
        (
            licence(both(), 1, Ownership::NoLicence),
            Some(2),
            "default_agent anna@example.com is an agent without the licence to own tickets: until then deputy_agent \
             bernd@example.com stands in",
        ),
        (
            roster_of(&[anna, (3, "Anna@example.com")], &[]),
            None,
            "default_agent anna@example.com is no active agent, and deputy_agent bernd@example.com is no active agent; \
             what is done without an agent is done by our log-in",
        ),
    ];
    let office = Office::default();
    office.rosters.lock().unwrap().extend(table.iter().map(|(roster, ..)| Ok(roster.clone())));
    let (directory, _) = directory(office, None);
    let told = || {
        let problems = directory.house().matching.problems.clone();
        problems.iter().map(Problem::to_string).find(|text| text.contains("_agent ")).unwrap_or_default()
    };
    let rules = HouseRules {
        agents: vec![],
        default_agent: Some("anna@example.com".to_owned()),
        deputy_agent: Some("bernd@example.com".to_owned()),
        ..HouseRules::clone(&directory.0.rules())
    };
    directory.rules_changed(rules.clone());
    assert_eq!((directory.default_agent(), told().as_str()), (None, ""), "the CRM was not asked yet");
    for (roster, expected, problem) in table {
        directory.refresh().await.unwrap();
        assert_eq!(directory.default_agent(), expected.map(PersonId), "{roster:?}");
        assert_eq!(told(), problem, "{roster:?}");
    }
    // A reload is in force at once: what the CRM said is known.
    directory.rules_changed(HouseRules { deputy_agent: None, ..rules.clone() });
    let alone = "default_agent anna@example.com is no active agent; what is done without an agent is done by our log-in";
    assert_eq!(told(), alone);
    directory.rules_changed(HouseRules { default_agent: None, deputy_agent: None, ..rules });
    assert_eq!((directory.default_agent(), told().as_str()), (None, ""), "nobody asked for one");
}
