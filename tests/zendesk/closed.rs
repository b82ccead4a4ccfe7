//! Tickets that are closed for ever.

use super::house::*;

/// A closed ticket of Nadja's, in Anna's hands.
async fn house_with_a_closed_ticket() -> (Sandbox, Zendesk, TicketId) {
    let mut seed = Seed::house();
    seed.tickets.push(SeedTicket {
        subject: "Old".to_owned(),
        comment: "Old.".to_owned(),
        requester: "nadja.ohne@example.org".to_owned(),
        assignee: Some("anna.weber@example.com".to_owned()),
        group: Some("Support".to_owned()),
        status: Some("closed".to_owned()),
        external_id: Some("ringdesk:main/old".to_owned()),
        tags: Vec::new(),
    });
    let sandbox = Sandbox::start(SandboxOptions { seed, ..SandboxOptions::default() }).await.unwrap();
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    let ticket = TicketId(tickets(&sandbox)[0]["id"].as_u64().unwrap());
    (sandbox, zendesk, ticket)
}

fn comment(text: &str) -> TicketChange {
    TicketChange { comment: Some(text.to_owned()), ..TicketChange::default() }
}

/// The second piece of work of the call, so that the comments are two.
fn second(work: Work) -> Work {
    Work { seq: 2, ..work }
}

fn follow_ups(sandbox: &Sandbox) -> Vec<Value> {
    let ours = |ticket: &Value| ticket["external_id"].as_str().unwrap().contains("~follow-up");
    tickets(sandbox).into_iter().filter(ours).collect()
}

#[tokio::test]
async fn what_is_said_goes_into_one_follow_up() {
    let (sandbox, zendesk, closed) = house_with_a_closed_ticket().await;
    let house = House::default();
    let mut first = comment("The call ended.");
    (first.solve, first.tags) = (true, vec!["late".to_owned()]);
    let done = zendesk.deliver(&change_of(closed, first), FIRST, &house).await.unwrap();
    assert!(done.note.contains("follow-up") && done.note.contains("nothing else"), "{}", done.note);
    assert_eq!(done.event, Event::TicketUpdated);
    let done =
        zendesk.deliver(&second(change_of(closed, comment("One more."))), FIRST, &house).await.unwrap();
    assert!(done.note.contains("follow-up") && !done.note.contains("nothing else"), "{}", done.note);
    let follow_ups = follow_ups(&sandbox);
    assert_eq!(follow_ups.len(), 1);
    let follow_up = &follow_ups[0];
    assert_eq!(said(follow_up), ["The call ended.", "One more."]);
    assert_eq!(
        follow_up["via"]["source"],
        json!({"from": {"ticket_id": closed.0}, "to": {}, "rel": "follow_up"})
    );
    for (key, value) in [
        ("requester_id", json!(DEFAULT_USER)),
        ("assignee_id", json!(ANNA)),
        ("group_id", json!(SUPPORT)),
        ("subject", json!("Old")),
        ("tags", json!([])),
        ("is_public", json!(false)),
    ] {
        assert_eq!(follow_up[key], value, "{key}");
    }
    assert_eq!(said(&ticket(&sandbox, closed)), ["Old."]);
    clean(&sandbox);
}

#[tokio::test]
async fn a_closed_follow_up_is_followed_in_turn() {
    let (sandbox, zendesk, closed) = house_with_a_closed_ticket().await;
    let house = House::default();
    zendesk.deliver(&change_of(closed, comment("One.")), FIRST, &house).await.unwrap();
    let first = follow_ups(&sandbox)[0]["id"].clone();
    sandbox.as_agent("PUT", &format!("/tickets/{first}"), json!({"ticket": {"status": "closed"}})).unwrap();
    zendesk.deliver(&second(change_of(closed, comment("Two."))), FIRST, &house).await.unwrap();
    let follow_ups = follow_ups(&sandbox);
    assert_eq!(follow_ups.len(), 2);
    assert_eq!(
        (said(&follow_ups[1]), &follow_ups[1]["via"]["source"]["from"]["ticket_id"]),
        (vec!["Two."], &first)
    );
}

#[tokio::test]
async fn nothing_but_changes_is_told_as_done_nothing() {
    let (sandbox, zendesk, closed) = house_with_a_closed_ticket().await;
    let tags = TicketChange { tags: vec!["late".to_owned()], ..TicketChange::default() };
    let solved = TicketChange { solve: true, ..tags.clone() };
    let given =
        TicketChange { assignee: Some(agent("dana.oezdemir@example.com")), ..TicketChange::default() };
    let to_petra = TicketChange { requester: Some(Requester::Person(PETRA)), ..TicketChange::default() };
    for change in [tags, solved, given, to_petra] {
        let done = zendesk.deliver(&change_of(closed, change), FIRST, &House::default()).await.unwrap();
        assert!(done.note.contains("closed, nothing was changed"), "{}", done.note);
    }
    let stands = ticket(&sandbox, closed);
    assert_eq!((&stands["tags"], &stands["assignee_id"]), (&json!([]), &json!(ANNA)));
    assert_eq!(tickets(&sandbox).len(), 1);
    clean(&sandbox);
}

#[tokio::test]
async fn a_follow_up_whose_making_was_not_heard_is_not_made_twice() {
    for fault in ["reset_after_commit@POST /tickets", "reset_after_commit@PUT /tickets"] {
        let (sandbox, zendesk, closed) = house_with_a_closed_ticket().await;
        let house = House::default();
        if fault.contains("PUT") {
            zendesk.deliver(&second(change_of(closed, comment("Before."))), FIRST, &house).await.unwrap();
        }
        let work = change_of(closed, comment("Hello."));
        sandbox.set_fault(fault, "1").unwrap();
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
        zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
        let follow_ups = follow_ups(&sandbox);
        assert_eq!(follow_ups.len(), 1, "{fault}");
        let said = said(&follow_ups[0]);
        assert_eq!(said.iter().filter(|text| **text == "Hello.").count(), 1, "{fault}: {said:?}");
    }
}
