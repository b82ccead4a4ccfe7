//! Tickets that are made at the first attempt.

use super::house::*;

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
    assert_eq!(ticket["assignee_id"], DANA, "who spoke with the caller owns the ticket");
    assert_ne!(ticket["group_id"], SUPPORT);
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
async fn a_log_in_that_may_not_write_does_not_mean_that_there_is_no_voice() {
    let sandbox = sandbox().await;
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "sandbox-secret".into(),
        scope: "read".to_owned(),
    };
    let zendesk = Zendesk::new(Options { credentials, ..options(&sandbox) }, Clock::system()).unwrap();
    let work = create(draft(Requester::Person(PETRA)));
    let error = zendesk.deliver(&work, FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(&error, DeliveryError::Refused { reason } if reason.contains("403")), "{error:?}");
    assert_eq!(zendesk.voice_available(), None);
    // A new caller's user cannot be made either; that alone would not have cost the ticket.
    let error = zendesk.deliver(&create(draft(newcomer())), FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Refused { .. }), "{error:?}");
}
