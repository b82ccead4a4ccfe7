//! Fields and tags of a ticket, and solving it.

use ringdesk::call::FieldTarget;
use ringdesk::crm::{FieldCheck, FieldProblem};
use ringdesk::sandbox::SeedField;

use super::house::*;

const CALLED: u64 = 9_300_000_004_001;
const COURSE: u64 = 9_300_000_004_002;
const CALL_BACK: u64 = 9_300_000_004_003;
const DAY: u64 = 9_300_000_004_004;
const SECONDS: u64 = 9_300_000_004_005;
const MINUTES: u64 = 9_300_000_004_006;
const CONTRACT: u64 = 9_300_000_004_007;
const OUTCOME: u64 = 9_300_000_004_008;
const TOPICS: u64 = 9_300_000_004_009;

fn fields(fields: &[(&str, &str)]) -> Vec<FieldValue> {
    let one =
        |&(field, value): &(&str, &str)| FieldValue { field: field.to_owned(), value: value.to_owned() };
    fields.iter().map(one).collect()
}

async fn seeded(field: Value) -> Sandbox {
    let mut seed = Seed::house();
    seed.ticket_fields.push(serde_json::from_value::<SeedField>(field).unwrap());
    Sandbox::start(SandboxOptions { seed, ..SandboxOptions::default() }).await.unwrap()
}

#[tokio::test]
async fn every_type_is_written_in_one_request_and_no_tag_is_lost() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = petras_ticket(&zendesk).await;
    let tags = json!({"tags": ["vip", "outcome_answered"]});
    sandbox.as_agent("PUT", &format!("/tickets/{id}/tags"), tags).unwrap();
    let count = requests(&sandbox).len();
    let change = TicketChange {
        comment: Some("The call is over.".to_owned()),
        fields: fields(&[
            (" called NUMBER", "+4930555100"),
            ("Course of the call", "rang\nanswered"),
            ("Call back", "yes"),
            ("Day of the call", "2026-11-26 10:00:00 UTC"),
            ("9300000004005", "119"),
            ("Minutes waited", "0.5"),
            ("Contract", "AB-1234"),
            ("Outcome", "abandoned"),
            ("Topics", "Invoice, topic_delivery"),
            ("Outcome", ""),
        ]),
        tags: vec!["Call over".to_owned()],
        ..TicketChange::default()
    };
    let done = zendesk.deliver(&change_of(id, change), FIRST, &house).await.unwrap();
    let path = format!("/tickets/{id}");
    let asked = ["GET /ticket_fields".to_owned(), format!("GET {path}"), format!("PUT {path}")];
    assert_eq!(since(&sandbox, count), asked);
    assert!(!done.note.contains(';'), "{}", done.note);
    let stands = ticket(&sandbox, id);
    for (field, expected) in [
        (CALLED, json!("+4930555100")),
        (COURSE, json!("rang\nanswered")),
        (CALL_BACK, json!(true)),
        (DAY, json!("2026-11-26")),
        (SECONDS, json!(119)),
        (MINUTES, json!(0.5)),
        (CONTRACT, json!("AB-1234")),
        (OUTCOME, json!("outcome_abandoned")),
        (TOPICS, json!(["topic_invoice", "topic_delivery"])),
    ] {
        assert_eq!(value(&stands, field), expected, "{field}");
    }
    let tags = [
        "call_back",
        "call_over",
        "outcome_abandoned",
        "telephone",
        "topic_delivery",
        "topic_invoice",
        "vip",
    ];
    assert_eq!(stands["tags"], json!(tags));
    // The definitions are kept.
    let again = TicketChange { fields: fields(&[("Seconds talked", "120")]), ..TicketChange::default() };
    let count = requests(&sandbox).len();
    zendesk.deliver(&change_of(id, again), FIRST, &house).await.unwrap();
    assert_eq!(since(&sandbox, count), [format!("PUT {path}")]);
    clean(&sandbox);
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_told_and_the_rest_is_done() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = petras_ticket(&zendesk).await;
    let wrong = [("Seconds talked", "long"), ("Outcome", "lost"), ("Old reference", "x"), ("Mood", "good")];
    let mut change = TicketChange { fields: fields(&wrong), ..TicketChange::default() };
    let done = zendesk.deliver(&change_of(id, change.clone()), FIRST, &house).await.unwrap();
    assert_eq!(done.event, Event::TicketUpdated);
    for (field, value) in wrong {
        assert!(done.note.contains(&format!("field `{field}` left out")), "{}", done.note);
        assert!(!done.note.contains(&format!("`{value}`")), "a value may be a caller's: {}", done.note);
    }
    change.fields.extend(fields(&[("Called number", "100")]));
    zendesk.deliver(&change_of(id, change), FIRST, &house).await.unwrap();
    assert_eq!(value(&ticket(&sandbox, id), CALLED), "100");
    clean(&sandbox);
}

#[tokio::test]
async fn a_value_that_only_zendesk_refuses_stops_nothing_else() {
    let lookup = json!({"id": 4711, "type": "lookup", "title": "Asset"});
    for locale in ["en", "de"] {
        let sandbox = seeded(lookup.clone()).await;
        sandbox.set_fault("locale", locale).unwrap();
        let (zendesk, house) = (client(&sandbox), House::default());
        let id = petras_ticket(&zendesk).await;
        let change = TicketChange {
            comment: Some("Over.".to_owned()),
            fields: fields(&[("Asset", "18446744073709551615"), ("Called number", "100")]),
            solve: true,
            ..TicketChange::default()
        };
        let done = zendesk.deliver(&change_of(id, change), FIRST, &house).await.unwrap();
        assert!(done.note.contains("field 4711 left out"), "{}", done.note);
        let stands = ticket(&sandbox, id);
        assert_eq!((&value(&stands, CALLED), &stands["status"]), (&json!("100"), &json!("solved")));
        assert_eq!(said(&stands).len(), 2);
    }
}

#[tokio::test]
async fn definitions_that_cannot_be_read_cost_the_fields_alone() {
    let sandbox = sandbox().await;
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "sandbox-secret".into(),
        scope: "tickets:read tickets:write users:read".to_owned(),
    };
    let zendesk =
        Zendesk::new(Options { credentials, voice: Voice::Off, ..options(&sandbox) }, Clock::system())
            .unwrap();
    let id = petras_ticket(&zendesk).await;
    let change = TicketChange {
        comment: Some("Over.".to_owned()),
        fields: fields(&[("Called number", "100")]),
        ..TicketChange::default()
    };
    let done = zendesk.deliver(&change_of(id, change), FIRST, &House::default()).await.unwrap();
    assert!(done.note.contains("no field written"), "{}", done.note);
    assert_eq!(said(&ticket(&sandbox, id)), ["A call from outside.", "Over."]);
}

#[tokio::test]
async fn tags_alone_are_added_by_one_request() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    let id = petras_ticket(&zendesk).await;
    let tags = vec!["Late".to_owned(), "telephone".to_owned()];
    let work = change_of(id, TicketChange { tags, ..TicketChange::default() });
    let count = requests(&sandbox).len();
    sandbox.set_fault("reset_after_commit@PUT", "1").unwrap();
    zendesk.deliver(&work, FIRST, &House::default()).await.unwrap_err();
    zendesk.deliver(&work, AFTER_A_DOUBT, &House::default()).await.unwrap();
    assert_eq!(since(&sandbox, count), vec![format!("PUT /tickets/{id}/tags"); 2]);
    assert_eq!(ticket(&sandbox, id)["tags"], json!(["late", "telephone"]));
    clean(&sandbox);
}

#[tokio::test]
async fn tags_that_somebody_adds_meanwhile_are_not_lost() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = petras_ticket(&zendesk).await;
    let change = TicketChange {
        comment: Some("Over.".to_owned()),
        tags: vec!["late".to_owned()],
        ..TicketChange::default()
    };
    let work = change_of(id, change);
    sandbox.set_fault("slow@PUT /tickets", "200ms").unwrap();
    let path = format!("/tickets/{id}");
    let meanwhile = async {
        while !requests(&sandbox).contains(&format!("GET {path}")) {
            tokio::task::yield_now().await;
        }
        clock.set("2026-11-26T10:00:05Z".parse().unwrap());
        sandbox.as_agent("PUT", &format!("{path}/tags"), json!({"tags": ["vip"]})).unwrap();
    };
    let (done, ()) = tokio::join!(zendesk.deliver(&work, FIRST, &house), meanwhile);
    let error = done.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: false, .. }), "{error:?}");
    zendesk.deliver(&work, FIRST, &house).await.unwrap();
    let stands = ticket(&sandbox, id);
    assert_eq!(stands["tags"], json!(["late", "telephone", "vip"]));
    assert_eq!(said(&stands).len(), 2);
}

#[tokio::test]
async fn a_ticket_is_solved_once_and_what_solving_lacks_leaves_it_open() {
    let required = json!({"id": 4711, "type": "text", "title": "Cause", "required": true});
    for locale in ["en", "de"] {
        let sandbox = seeded(required.clone()).await;
        sandbox.set_fault("locale", locale).unwrap();
        let (zendesk, house) = (client(&sandbox), House::default());
        let id = petras_ticket(&zendesk).await;
        let solve =
            TicketChange { comment: Some("Called back.".to_owned()), solve: true, ..TicketChange::default() };
        let done = zendesk.deliver(&change_of(id, solve.clone()), FIRST, &house).await.unwrap();
        assert!(done.note.contains("stays open"), "{}", done.note);
        assert_eq!((&ticket(&sandbox, id)["status"], said(&ticket(&sandbox, id)).len()), (&json!("open"), 2));
        let alone = TicketChange { comment: None, ..solve.clone() };
        let done = zendesk.deliver(&change_of(id, alone.clone()), FIRST, &house).await.unwrap();
        assert!(done.note.contains("stays open"), "{}", done.note);
        let with_cause = TicketChange { fields: fields(&[("Cause", "none")]), ..alone.clone() };
        zendesk.deliver(&change_of(id, with_cause), FIRST, &house).await.unwrap();
        assert_eq!(ticket(&sandbox, id)["status"], "solved");
        let count = requests(&sandbox).len();
        zendesk.deliver(&change_of(id, alone), FIRST, &house).await.unwrap();
        assert_eq!(since(&sandbox, count), [format!("GET /tickets/{id}")], "it is solved already");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn all_parts_are_one_request_and_doubled_by_no_doubt() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = petras_ticket(&zendesk).await;
    let change = TicketChange {
        comment: Some("Over.".to_owned()),
        fields: fields(&[("Outcome", "Answered")]),
        tags: vec!["late".to_owned()],
        solve: true,
        author: Some(Author::Agent(anna())),
        ..TicketChange::default()
    };
    let work = change_of(id, change);
    sandbox.set_fault("reset_after_commit@PUT", "1").unwrap();
    let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    let stands = ticket(&sandbox, id);
    assert_eq!(said(&stands), ["A call from outside.", "Over."]);
    assert_eq!(stands["status"], "solved");
    let writes = requests(&sandbox).into_iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(writes, 1);
    // The same words in another piece of work are said again.
    let other = Work { seq: 2, ..work };
    zendesk.deliver(&other, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!(said(&ticket(&sandbox, id)).len(), 3);
}

#[tokio::test]
async fn mappings_are_checked_against_the_account() {
    let empty = json!({"id": 4711, "type": "tagger", "title": "Empty"});
    let sandbox = seeded(empty).await;
    let ticket = |name: &str| FieldTarget::Ticket(name.to_owned());
    let person = |key: &str| FieldTarget::Person(key.to_owned());
    let misfit =
        |value: &str, wants: &str| FieldProblem::Misfit { value: value.to_owned(), wants: wants.to_owned() };
    let table: Vec<(FieldTarget, &[&str], Vec<FieldProblem>)> = vec![
        (ticket("Called number"), &["+4930555100"], vec![]),
        (
            ticket("Outcome"),
            &["answered", "lost", ""],
            vec![misfit("lost", "wants one of Answered, Abandoned, Voicemail")],
        ),
        (ticket("Seconds talked"), &["12 s"], vec![misfit("12 s", "wants a whole number")]),
        (ticket("Day of the call"), &["2026-11-26 10:00:00 UTC"], vec![]),
        (ticket("Mood"), &[], vec![FieldProblem::Unknown]),
        (ticket("Old reference"), &["x"], vec![FieldProblem::Inactive]),
        (ticket("Subject"), &["x"], vec![FieldProblem::NoText("subject".to_owned())]),
        (ticket("Empty"), &["x"], vec![FieldProblem::NoOptions]),
        (person("segment"), &["Business"], vec![]),
        (person("old_number"), &[], vec![FieldProblem::Inactive]),
        (person("nickname"), &[], vec![FieldProblem::Unknown]),
        (FieldTarget::Tag, &["phone"], vec![]),
        (
            FieldTarget::Tag,
            &["Phone call"],
            vec![FieldProblem::OtherTag { value: "Phone call".to_owned(), tag: "phone_call".to_owned() }],
        ),
    ];
    let checks: Vec<FieldCheck> = table
        .iter()
        .map(|(target, examples, _)| FieldCheck {
            target: target.clone(),
            examples: examples.iter().map(|example| (*example).to_owned()).collect(),
        })
        .collect();
    let found = client(&sandbox).check_fields(&checks).await.unwrap();
    for ((target, _, expected), found) in table.iter().zip(&found) {
        assert_eq!(found, expected, "{target:?}");
    }
    assert_eq!(requests(&sandbox), ["GET /ticket_fields", "GET /user_fields"]);
    clean(&sandbox);
}
