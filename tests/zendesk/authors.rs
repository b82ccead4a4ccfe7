//! In whose name, and the tickets of the default agent.

use super::house::*;

fn by(email: &str) -> Option<Author> {
    Some(Author::Agent(agent(email)))
}

#[tokio::test]
async fn the_first_comment_is_in_the_name_of_who_answered() {
    for no_tpe in ["off", "403"] {
        let sandbox = sandbox().await;
        sandbox.set_fault("no_tpe", no_tpe).unwrap();
        let mut draft = draft(Requester::Person(PETRA));
        draft.author = by("anna.weber@example.com");
        client(&sandbox).deliver(&create(draft), FIRST, &House::default()).await.unwrap();
        let ticket = &tickets(&sandbox)[0];
        assert_eq!(
            (&ticket["submitter_id"], &ticket["comments"][0]["author_id"]),
            (&json!(ANNA), &json!(ANNA))
        );
        clean(&sandbox);
    }
}

#[tokio::test]
async fn the_default_agent_is_the_author_where_there_is_one() {
    for (default_agent, expected) in [(Some(PersonId(DANA)), DANA), (None, RINGDESK)] {
        let sandbox = sandbox().await;
        let house = House { default_agent, ..House::default() };
        let mut draft = draft(Requester::Person(PETRA));
        draft.author = Some(Author::DefaultAgent);
        client(&sandbox).deliver(&create(draft), FIRST, &house).await.unwrap();
        assert_eq!(tickets(&sandbox)[0]["comments"][0]["author_id"], expected);
    }
}

#[tokio::test]
async fn an_author_who_is_refused_costs_nobody_the_ticket() {
    for (no_tpe, locale) in [("off", "en"), ("403", "de")] {
        let sandbox = sandbox().await;
        sandbox.set_faults([("no_tpe", json!(no_tpe)), ("locale", json!(locale))]).unwrap();
        let mut draft = draft(Requester::Person(PETRA));
        draft.author = by("nobody@example.com");
        let done = client(&sandbox).deliver(&create(draft), FIRST, &House::default()).await.unwrap();
        assert!(done.note.contains("in the name of our log-in"), "{}", done.note);
        let ticket = &tickets(&sandbox)[0];
        assert_eq!(ticket["comments"][0]["author_id"], RINGDESK);
        assert_eq!((&ticket["assignee_id"], &ticket["requester_id"]), (&json!(ANNA), &json!(PETRA.0)));
        assert_eq!(pops(&sandbox).len(), usize::from(no_tpe == "off"), "nothing else is left out");
    }
}

#[tokio::test]
async fn a_later_comment_has_its_author_or_is_said_without() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let ticket_id = petras_ticket(&zendesk).await;
    for (email, author) in [("dana.oezdemir@example.com", DANA), ("nobody@example.com", RINGDESK)] {
        let change = TicketChange {
            comment: Some(format!("Said by {email}.")),
            author: by(email),
            ..TicketChange::default()
        };
        zendesk.deliver(&change_of(ticket_id, change), FIRST, &house).await.unwrap();
        let stands = ticket(&sandbox, ticket_id);
        let last = stands["comments"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["author_id"], &last["public"]), (&json!(author), &json!(false)), "{email}");
    }
    clean(&sandbox);
}

fn missed() -> TicketDraft {
    TicketDraft { for_default_agent: true, assignee: None, pop: None, ..draft(Requester::Person(PETRA)) }
}

#[tokio::test]
async fn a_call_that_nobody_answered_is_the_default_agents_and_opens_nowhere() {
    // Anna is in the group, Dana is not: then the group alone has it. So it is when there is nobody.
    let table = [
        (Some(ANNA), json!(ANNA), 1),
        (Some(DANA), Value::Null, 2),
        (Some(17), Value::Null, 2),
        (None, Value::Null, 1),
    ];
    for (default_agent, assignee, cost) in table {
        let sandbox = sandbox().await;
        let house = House { default_agent: default_agent.map(PersonId), ..House::default() };
        let done = client(&sandbox).deliver(&create(missed()), FIRST, &house).await.unwrap();
        let ticket = &tickets(&sandbox)[0];
        assert_eq!((&ticket["assignee_id"], &ticket["group_id"]), (&assignee, &json!(SUPPORT)));
        assert_eq!(requests(&sandbox), vec!["POST /tickets"; cost]);
        let state = sandbox.state();
        let mut asked = state["requests"].as_array().unwrap().iter();
        assert!(asked.any(|one| one["idempotency_key"] == "ringdesk:main/1795292763.0"));
        assert!(pops(&sandbox).is_empty() && standing(&done).popped.is_none());
        clean(&sandbox);
    }
}

#[tokio::test]
async fn the_default_agents_ticket_is_made_once() {
    for fault in ["reset_after_commit@POST /tickets", "cut_answer@POST /tickets"] {
        let sandbox = sandbox().await;
        let (zendesk, house) =
            (client(&sandbox), House { default_agent: Some(PersonId(ANNA)), ..House::default() });
        zendesk.login().await.unwrap();
        sandbox.set_fault(fault, "1").unwrap();
        zendesk.deliver(&create(missed()), FIRST, &house).await.unwrap_err();
        zendesk.deliver(&create(missed()), AFTER_A_DOUBT, &house).await.unwrap();
        assert_eq!(tickets(&sandbox).len(), 1, "{fault}");
        assert!(pops(&sandbox).is_empty());
    }
}
