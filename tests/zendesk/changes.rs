//! Changes of a ticket that stands, and screens.

use super::house::*;

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
        ..TicketChange::default()
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
        Task::UpdateTicket { ticket: TicketId(999_999), change: Box::new(change) },
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
async fn an_agent_outside_the_group_takes_the_ticket_to_the_own_group() {
    for alone in ["moves", "422"] {
        let sandbox = sandbox().await;
        sandbox.set_fault("assignee_alone", alone).unwrap();
        let (zendesk, house) = (client(&sandbox), House::default());
        for group in [Some("support".to_owned()), None] {
            let ticket_id = ticket_of_the_default_user(&zendesk).await;
            let change = TicketChange {
                assignee: Some(agent("dana.oezdemir@example.com")),
                group,
                comment: Some("Transferred.".to_owned()),
                ..TicketChange::default()
            };
            zendesk.deliver(&change_of(ticket_id, change), FIRST, &house).await.unwrap();
            let stands = ticket(&sandbox, ticket_id);
            assert_eq!((&stands["assignee_id"], &stands["group_id"]), (&json!(DANA), &json!(BACKOFFICE)));
        }
        clean(&sandbox);
    }
}

#[tokio::test]
async fn an_agent_who_cannot_have_the_ticket_leaves_it_to_the_group() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket_id = ticket_of_the_default_user(&zendesk).await;
    let change = TicketChange {
        assignee: Some(agent("nobody@example.com")),
        group: Some("backoffice".to_owned()),
        ..TicketChange::default()
    };
    let done = zendesk.deliver(&change_of(ticket_id, change), FIRST, &house).await.unwrap();
    assert!(done.note.contains("the agent was refused"), "{}", done.note);
    let stands = ticket(&sandbox, ticket_id);
    assert_eq!((&stands["assignee_id"], &stands["group_id"]), (&Value::Null, &json!(BACKOFFICE)));
}
