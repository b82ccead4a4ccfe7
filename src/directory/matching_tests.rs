use proptest::prelude::*;

use super::*;
use crate::crm::{CrmAgent, CrmGroup};

fn ext(text: &str) -> Extension {
    text.parse().unwrap()
}

fn pbx(name: &str) -> ToldBy {
    ToldBy::Pbx(source(name))
}

fn source(name: &str) -> SourceName {
    name.to_owned().try_into().unwrap()
}

fn agent(extension: &str, email: &str, name: &str) -> Agent {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Agent { extension: ext(extension), email: filled(email), name: filled(name) }
}

fn crm_agent(id: u64, email: &str) -> CrmAgent {
    CrmAgent {
        id: PersonId(id),
        name: format!("Agent {id}"),
        email: Some(email.to_owned()),
        owns: Ownership::All,
    }
}

fn crm_group(id: u64, name: &str) -> CrmGroup {
    CrmGroup { id, name: name.to_owned() }
}

fn group(name: &str, crm_name: &str) -> WantedGroup {
    WantedGroup { name: name.to_owned(), crm_name: crm_name.to_owned(), queue: Some(name.to_owned()) }
}

fn matched(told: &Told, agents: Vec<CrmAgent>, groups: Vec<CrmGroup>) -> Matching {
    match_house(told, &Index::of(&Roster { agents, groups }))
}

#[test]
fn agents_are_matched_by_email_whatever_the_case() {
    let told = Told {
        agents: vec![
            (pbx("main"), agent("201", "Anna.Weber@Example.COM", "Anna")),
            (pbx("main"), agent("202", " ben@example.com ", "")),
            (pbx("main"), agent("211", "anna.weber@example.com", "Anna's mobile")),
        ],
        ..Told::default()
    };
    let matching = matched(
        &told,
        vec![crm_agent(1, " anna.weber@example.com"), crm_agent(2, "BEN@example.com")],
        vec![],
    );
    let ids: Vec<_> = matching.agents.iter().map(|a| (a.agent.extension.as_str(), a.id)).collect();
    assert_eq!(ids, [("201", Some(PersonId(1))), ("202", Some(PersonId(2))), ("211", Some(PersonId(1)))]);
    assert_eq!(matching.agents[0].agent, agent("201", "anna.weber@example.com", "Anna"));
    assert_eq!(matching.problems, []);
}

#[test]
fn the_config_beats_the_file_and_the_file_beats_the_pbx() {
    let all = [
        (pbx("main"), agent("201", "pbx@example.com", "From PBX")),
        (ToldBy::Csv, agent("201", "csv@example.com", "")),
        (ToldBy::Config, agent("201", "config@example.com", "")),
    ];
    for (told, email) in
        [(&all[..1], "pbx@example.com"), (&all[..2], "csv@example.com"), (&all[..], "config@example.com")]
    {
        let told = Told { agents: told.to_vec(), ..Told::default() };
        let matching = matched(&told, vec![crm_agent(5, email)], vec![]);
        assert_eq!(
            matching.agents,
            [MatchedAgent { agent: agent("201", email, "From PBX"), id: Some(PersonId(5)) }]
        );
    }
    let without_email =
        Told { agents: vec![(ToldBy::Csv, agent("201", " ", "Name")), all[0].clone()], ..Told::default() };
    let matching = matched(&without_email, vec![crm_agent(5, "pbx@example.com")], vec![]);
    assert_eq!(matching.agents[0].agent, agent("201", "pbx@example.com", "Name"));
}

#[test]
fn an_agent_who_is_not_matched_is_told_with_reason_and_way_out() {
    let told = Told {
        agents: vec![
            (pbx("main"), agent("201", "", "Anna")),
            (ToldBy::Csv, agent("202", "gone@example.com", "")),
            (ToldBy::Config, agent("203", "twice@example.com", "")),
            (pbx("main"), agent("204", "a@example.com", "")),
            (pbx("branch"), agent("204", "B@example.com", "")),
        ],
        ..Told::default()
    };
    let crm = vec![
        crm_agent(1, "twice@example.com"),
        crm_agent(2, "TWICE@example.com"),
        crm_agent(3, "a@example.com"),
    ];
    let matching = matched(&told, crm, vec![]);
    assert_eq!(matching.agents.len(), 4);
    assert!(matching.agents.iter().all(|agent| agent.id.is_none()));
    assert_eq!(matching.agents[3].agent.email, None, "neither is right");
    let texts: Vec<String> = matching.problems.iter().map(Problem::to_string).collect();
    let parts = [
        ["extension 201 (Anna)", "no e-mail address", "[[agent]]"],
        ["extension 202", "gone@example.com", "the CSV file"],
        ["extension 203", "twice@example.com", "ids 1, 2"],
        ["extension 204", "a@example.com, b@example.com", "[[agent]]"],
    ];
    assert_eq!(texts.len(), parts.len(), "{texts:#?}");
    for (text, parts) in texts.iter().zip(parts) {
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn groups_are_matched_by_name_whatever_case_and_blanks() {
    let table = [
        ("Support", "support"),
        ("  support ", "SUPPORT"),
        ("Kundendienst Süd", "KUNDENDIENST  SÜD"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("Ärzte", "ärzte "),
    ];
    for (wanted, there) in table {
        let told = Told { groups: vec![group("queue", wanted)], ..Told::default() };
        let matching = matched(&told, vec![], vec![crm_group(1, "Other"), crm_group(7, there)]);
        assert_eq!(matching.groups[0].id, Some(7), "{wanted:?} {there:?}");
        assert_eq!(matching.problems, []);
    }
}

#[test]
fn a_group_that_is_missing_or_there_twice_is_told_and_the_others_are_served() {
    let told = Told {
        groups: vec![group("q1", "Support"), group("q2", "Sales"), group("q3", "Billing")],
        ..Told::default()
    };
    let crm = vec![crm_group(1, "support"), crm_group(2, "SUPPORT"), crm_group(3, "Billing")];
    let matching = matched(&told, vec![], crm);
    let ids: Vec<_> = matching.groups.iter().map(|group| group.id).collect();
    assert_eq!(ids, [None, None, Some(3)]);
    let texts: Vec<String> = matching.problems.iter().map(Problem::to_string).collect();
    assert!(texts[0].contains("`q1`") && texts[0].contains("ids 1, 2"), "{texts:?}");
    assert!(
        texts[1].contains("`q2`") && texts[1].contains("`Sales`") && texts[1].contains("zendesk ="),
        "{texts:?}"
    );
}

#[test]
fn of_namesakes_the_one_that_is_written_exactly_so_is_meant() {
    let told = Told { groups: vec![group("q", " Support")], ..Told::default() };
    let matching = matched(&told, vec![], vec![crm_group(1, "SUPPORT"), crm_group(2, "Support")]);
    assert_eq!(matching.groups[0].id, Some(2));
    let matching = matched(&told, vec![], vec![crm_group(1, "Support"), crm_group(2, "Support ")]);
    assert_eq!(matching.groups[0].id, None);
}

#[test]
fn queues_of_the_pbx_are_matched_by_their_own_name_unless_the_config_has_them() {
    let told = Told {
        groups: vec![group("support", "First line")],
        queues: vec![
            (source("main"), "support".to_owned()),
            (source("main"), "Sales".to_owned()),
            (source("main"), "test".to_owned()),
        ],
        ..Told::default()
    };
    let crm = vec![crm_group(1, "First Line"), crm_group(2, "sales"), crm_group(3, "Support")];
    let matching = matched(&told, vec![], crm);
    let groups: Vec<_> = matching.groups.iter().map(|g| (g.name.as_str(), g.id, &g.told_by)).collect();
    let main = pbx("main");
    assert_eq!(
        groups,
        [("support", Some(1), &ToldBy::Config), ("Sales", Some(2), &main), ("test", None, &main)]
    );
    let texts: Vec<String> = matching.problems.iter().map(Problem::to_string).collect();
    assert!(
        texts.len() == 1 && texts[0].contains("queue `test`") && texts[0].contains("queue = \"test\""),
        "{texts:?}"
    );
}

proptest! {
    #[test]
    fn folding_twice_changes_nothing(name in any::<String>()) {
        let once = fold(&name);
        prop_assert_eq!(fold(&once), once.clone());
        let again = fold(&format!(" {name}\t"));
        prop_assert_eq!(again, once);
    }

    #[test]
    fn every_extension_is_there_once_and_an_unmatched_one_has_a_problem(
        rows in prop::collection::vec((0u8..3, 0u8..6, 0u8..5), 0..20),
        crm in prop::collection::vec((0u64..6, 0u8..5), 0..8),
    ) {
        let email = |n: u8| if n == 0 { String::new() } else { format!("a{n}@example.com") };
        let agents: Vec<_> = rows
            .iter()
            .map(|(by, extension, mail)| {
                let by = [ToldBy::Config, ToldBy::Csv, pbx("main")][usize::from(*by)].clone();
                (by, agent(&format!("20{extension}"), &email(*mail), ""))
            })
            .collect();
        let crm = crm.iter().map(|(id, mail)| crm_agent(*id, &email(*mail))).collect();
        let matching = matched(&Told { agents: agents.clone(), ..Told::default() }, crm, vec![]);
        let extensions: std::collections::BTreeSet<_> = agents.iter().map(|(_, agent)| &agent.extension).collect();
        let there: Vec<_> = matching.agents.iter().map(|agent| &agent.agent.extension).collect();
        prop_assert_eq!(there, extensions.into_iter().collect::<Vec<_>>());
        let unmatched = matching.agents.iter().filter(|agent| agent.id.is_none()).count();
        prop_assert_eq!(unmatched, matching.problems.len());
    }
}
