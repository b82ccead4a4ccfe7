//! Agents, groups, the search and the export.

use super::house::*;

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
async fn a_large_house_is_read_page_by_page() {
    let mut seed = Seed::house();
    for number in 0..250 {
        let agent = json!({"name": format!("Agent {number}"), "email": format!("a{number}@example.com"), "role": "agent"});
        seed.users.push(serde_json::from_value::<SeedUser>(agent).unwrap());
    }
    let sandbox = Sandbox::start(SandboxOptions { seed, ..SandboxOptions::default() }).await.unwrap();
    let roster = client(&sandbox).roster().await.unwrap();
    assert_eq!((roster.agents.len(), roster.groups.len()), (255, 5));
    assert_eq!(requests(&sandbox).len(), 4);
    clean(&sandbox);
}
