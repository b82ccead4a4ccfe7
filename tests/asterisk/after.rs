//! What follows a call: the number at its owner after the queue's own wrap-up time, and missed calls.

use std::time::Duration;

use tokio::time::Instant;

use crate::house::{DEFAULT_USER, House, Plan, becomes};

/// The queue `counter` has five seconds to wrap up, and the config does not say otherwise.
const WRAP_UP: Duration = Duration::from_secs(5);

const CONFIG: &str = r#"
[ticket]
on_abandoned = true
on_voicemail = true
merge_missed_within = "20s"

[[group]]
queue = "support"
wrap_up = "1s"

[[group]]
queue = "counter"
zendesk = "Support"
"#;

pub async fn what_follows_a_call(version: &'static str) {
    let zendesk = "default_agent = \"ringdesk@example.com\"";
    let username = "ringdesk-dialplan";
    let plan = Plan { version, rig: &[], username, unknown: "default_user", zendesk, config: CONFIG };
    let mut house = House::open(&plan).await;
    let given = [
        ("wrapup-queue", &["202"][..], "Nadja Ohne", "+493023125175"),
        ("blind-transfer-wrapup", &["201", "203"], "Weiter Leer", "+493023125177"),
        ("attended-transfer-wrapup", &["202", "203"], "Rita Leer", "+493023125178"),
    ];
    for (scenario, agents, person, number) in given {
        let truth = house.play_one(scenario, &[]).await;
        let over = Instant::now();
        let ticket = house.expect(&truth, DEFAULT_USER, "counter", agents).await;
        house.give(ticket, person);
        number_comes(&house, person, number).await;
        let waited = over.elapsed();
        assert!(waited + Duration::from_secs(1) > WRAP_UP, "{scenario}: written {waited:?} after the end");
    }
    abandoned_attempts_share_a_ticket(&mut house).await;
    let truth = house.play_one("voicemail-queue", &[]).await;
    house.expect_missed(&truth, DEFAULT_USER, "counter", "Ringdesk").await;
    house.close(&given.map(|(_, _, person, number)| (person, number))).await;
}

async fn number_comes(house: &House, person: &str, number: &str) {
    becomes(&format!("{person} has {number}"), async || {
        let people = house.account().people();
        let phone = people.iter().find(|(name, _)| name == person).and_then(|(_, phone)| phone.clone());
        if phone.as_deref() == Some(number) { Ok(()) } else { Err(format!("{phone:?}")) }
    })
    .await;
}

async fn abandoned_attempts_share_a_ticket(house: &mut House) {
    let truth = house.play_one("queue-abandoned", &[]).await;
    let caller = house.account().people();
    let requester = caller
        .iter()
        .find(|(_, phone)| phone.as_deref() == truth.number())
        .map_or(DEFAULT_USER.to_owned(), |(name, _)| name.clone());
    let ticket = house.expect_missed(&truth, &requester, "support", "Ringdesk").await;
    let again = house.play_one("queue-abandoned", &[]).await;
    house.expect_no_ticket(&again, "support").await;
    becomes("the second attempt is told in the first ticket", async || {
        match house.account().comments(ticket) {
            2 => Ok(()),
            other => Err(format!("{other} comments")),
        }
    })
    .await;
}
