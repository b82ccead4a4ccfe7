//! What is known of the caller, in the first internal comment.

use ringdesk::crm::zendesk::{ShowField, ShowOf};

use super::house::*;

fn showing(sandbox: &Sandbox, show: &[(&str, ShowOf)]) -> Zendesk {
    let show =
        show.iter().map(|(label, of)| ShowField { label: (*label).to_owned(), of: of.clone() }).collect();
    Zendesk::new(Options { show, ..options(sandbox) }, Clock::system()).unwrap()
}

fn person(key: &str) -> ShowOf {
    ShowOf::Person(key.to_owned())
}

fn last_ticket(key: &str) -> ShowOf {
    ShowOf::LastTicket(key.to_owned())
}

async fn account() -> Sandbox {
    let sandbox = sandbox().await;
    let fields = json!({"segment": "segment_business", "customer_since": "2019-05-01"});
    let petra = json!({"user": {"notes": "Calls often.\nBe kind.", "user_fields": fields}});
    sandbox.as_agent("PUT", &format!("/users/{PETRA}"), petra).unwrap();
    let last = json!({"ticket": {"subject": "Delivery", "comment": {"body": "Late."}, "requester_id": PETRA,
        "custom_fields": [{"id": 9_300_000_004_008_u64, "value": "outcome_abandoned"}]}});
    sandbox.as_agent("POST", "/tickets", last).unwrap();
    sandbox
}

fn everything() -> Vec<(&'static str, ShowOf)> {
    vec![
        ("Segment", person("segment")),
        ("Since", person("user_fields.customer_since")),
        ("Notes", person("notes")),
        ("Mobile", person("mobile")),
        ("Mood", person("mood")),
        ("Last ticket", last_ticket("subject")),
        ("Its outcome", last_ticket("Outcome")),
    ]
}

#[tokio::test]
async fn what_the_config_names_is_shown_by_names() {
    let sandbox = account().await;
    let zendesk = showing(&sandbox, &everything());
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    let ticket = &tickets(&sandbox)[0];
    assert_eq!(
        said(ticket),
        ["A call from outside.\n\nSegment: Business\nSince: 2019-05-01\nNotes: Calls often. Be kind.\n\
          Last ticket: Delivery\nIts outcome: Abandoned"]
    );
    assert_eq!(ticket["comments"][0]["public"], false);
    clean(&sandbox);
}

#[tokio::test]
async fn strangers_and_public_comments_show_nothing_and_ask_nothing() {
    let sandbox = account().await;
    let zendesk = showing(&sandbox, &everything());
    let mut public = draft(Requester::Person(PETRA));
    public.public = true;
    let mut unknown = draft(Requester::DefaultUser);
    unknown.external_id = "ringdesk:main/2".to_owned();
    for draft in [public, unknown] {
        zendesk.deliver(&create(draft), FIRST, &House::default()).await.unwrap();
    }
    for ticket in tickets(&sandbox) {
        assert_eq!(said(&ticket), ["A call from outside."]);
    }
    assert_eq!(requests(&sandbox), ["POST /channels/voice/tickets"; 2]);
}

#[tokio::test]
async fn nobody_waits_for_what_comes_late_or_fails() {
    let petra = format!("GET /users/{PETRA}");
    for (fault, value) in [
        ("hang@GET /users", "2"),
        ("slow@GET /users", "5s"),
        ("500@GET", "9"),
        ("slow@GET /user_fields", "5s"),
    ] {
        let sandbox = account().await;
        let zendesk = showing(&sandbox, &[("Notes", person("notes")), ("Last", last_ticket("subject"))]);
        zendesk.login().await.unwrap();
        sandbox.set_fault(fault, value).unwrap();
        let begun = ringdesk::clock::instant();
        let work = create(draft(Requester::Person(PETRA)));
        let done = zendesk.deliver(&work, FIRST, &House::default()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2), "{fault}: {:?}", begun.elapsed());
        assert!(standing(&done).popped.is_some(), "{petra}");
        let tickets = tickets(&sandbox);
        let last = if fault.contains("user_fields") { "\n\nLast: Delivery" } else { "" };
        assert_eq!(said(&tickets[0]), [format!("A call from outside.{last}")], "{fault}");
    }
}

#[tokio::test]
async fn a_repetition_that_knows_more_makes_no_second_ticket() {
    for no_tpe in ["off", "403"] {
        let sandbox = account().await;
        let zendesk = showing(&sandbox, &everything());
        zendesk.login().await.unwrap();
        sandbox
            .set_faults([
                ("no_tpe", json!(no_tpe)),
                ("500@GET /users", json!(2)),
                ("reset_after_commit@POST", json!(1)),
            ])
            .unwrap();
        let work = create(draft(Requester::Person(PETRA)));
        zendesk.deliver(&work, FIRST, &House::default()).await.unwrap_err();
        // Even if nobody tells of the doubt: the key is the same, the text is another one now.
        zendesk.deliver(&work, FIRST, &House::default()).await.unwrap();
        showing(&sandbox, &everything()).deliver(&work, AFTER_A_DOUBT, &House::default()).await.unwrap();
        assert_eq!(tickets(&sandbox).len(), 1, "{no_tpe}");
    }
}
