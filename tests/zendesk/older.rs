//! An older ticket takes the call.

use super::house::*;

/// A call of Petra's that may go into an older ticket; `number` tells the calls apart, their texts are the same.
fn call(number: u32) -> Work {
    let mut draft = draft(Requester::Person(PETRA));
    (draft.external_id, draft.reuse_within) = (format!("ringdesk:main/{number}"), 7200);
    Work {
        call: format!("main/{number}").parse().unwrap(),
        seq: 1,
        task: Task::CreateTicket(Box::new(draft)),
    }
}

fn altered(number: u32, alter: impl FnOnce(&mut TicketDraft)) -> Work {
    let mut work = call(number);
    if let Task::CreateTicket(draft) = &mut work.task {
        alter(draft);
    }
    work
}

async fn first(zendesk: &Zendesk) -> TicketId {
    let done = zendesk.deliver(&call(1), FIRST, &House::default()).await.unwrap();
    assert!(!standing(&done).reused);
    standing(&done).ticket
}

#[tokio::test]
async fn a_second_call_is_a_comment_and_a_screen() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = first(&zendesk).await;
    let count = requests(&sandbox).len();
    let done = zendesk.deliver(&call(2), FIRST, &house).await.unwrap();
    let stands = standing(&done);
    assert!(stands.reused && stands.ticket == id && stands.popped.is_some() && stands.pops_possible);
    assert_eq!(
        since(&sandbox, count),
        [
            format!("GET /users/{PETRA}/tickets/requested"),
            format!("PUT /tickets/{id}"),
            format!("POST /channels/voice/agents/{ANNA}/tickets/{id}/display"),
        ]
    );
    assert_eq!(tickets(&sandbox).len(), 1);
    let stands = ticket(&sandbox, id);
    assert_eq!(said(&stands), ["A call from outside."; 2]);
    assert_eq!(stands["comments"][1]["public"], false);
    assert_eq!(pops(&sandbox), [(ANNA, id.0); 2]);
    clean(&sandbox);
}

#[tokio::test]
async fn other_groups_other_people_and_old_tickets_do_not_count() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let zendesk = Zendesk::new(options(&sandbox), clock.clone()).unwrap();
    let house = House::default();
    let id = first(&zendesk).await;
    let cases = [
        altered(2, |draft| draft.group = Some("backoffice".to_owned())),
        altered(3, |draft| draft.requester = Requester::DefaultUser),
        altered(4, |draft| draft.requester = Requester::Person(PersonId(9_007_199_254_743_103))),
        altered(5, |draft| draft.reuse_within = 0),
        altered(6, |draft| draft.group = None),
    ];
    for work in cases {
        let done = zendesk.deliver(&work, FIRST, &house).await.unwrap();
        assert!(!standing(&done).reused && standing(&done).ticket != id, "{work:?}");
    }
    clock.set("2026-11-26T12:00:01Z".parse().unwrap());
    let done = zendesk.deliver(&call(7), FIRST, &house).await.unwrap();
    assert!(!standing(&done).reused, "it is too old");
    // A change makes a ticket young again, but of two the newer one takes the call.
    let newer = standing(&done).ticket;
    sandbox.as_agent("PUT", &format!("/tickets/{id}"), json!({"ticket": {"subject": "New"}})).unwrap();
    let done = zendesk.deliver(&call(8), FIRST, &house).await.unwrap();
    assert!(standing(&done).reused && standing(&done).ticket == newer);
    clean(&sandbox);
}

#[tokio::test]
async fn a_closed_ticket_is_followed_and_a_solved_one_opens_again() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = first(&zendesk).await;
    let becomes = |status: &str| {
        sandbox.as_agent("PUT", &format!("/tickets/{id}"), json!({"ticket": {"status": status}})).unwrap();
    };
    becomes("solved");
    let done = zendesk.deliver(&call(2), FIRST, &house).await.unwrap();
    assert!(standing(&done).reused);
    assert_eq!(ticket(&sandbox, id)["status"], "open");
    becomes("closed");
    let done = zendesk.deliver(&call(3), FIRST, &house).await.unwrap();
    let stands = standing(&done);
    assert!(!stands.reused && stands.popped.is_some() && done.note.contains("follows"), "{}", done.note);
    let new = ticket(&sandbox, stands.ticket);
    assert_eq!(new["via"]["source"]["from"]["ticket_id"], id.0);
    assert_eq!((&new["requester_id"], &new["external_id"]), (&json!(PETRA.0), &json!("ringdesk:main/3")));
    clean(&sandbox);
}

#[tokio::test]
async fn a_ticket_that_closes_while_the_list_is_behind_is_followed() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = first(&zendesk).await;
    sandbox.set_fault("list_delay", "90s").unwrap();
    sandbox.as_agent("PUT", &format!("/tickets/{id}"), json!({"ticket": {"status": "closed"}})).unwrap();
    let done = zendesk.deliver(&call(2), FIRST, &house).await.unwrap();
    assert_eq!(ticket(&sandbox, standing(&done).ticket)["via"]["source"]["from"]["ticket_id"], id.0);
}

#[tokio::test]
async fn what_we_made_a_moment_ago_is_found_before_the_list_has_it() {
    let sandbox = sandbox().await;
    sandbox.set_fault("list_delay", "90s").unwrap();
    let (zendesk, house) = (client(&sandbox), House::default());
    let id = first(&zendesk).await;
    let done = zendesk.deliver(&call(2), FIRST, &house).await.unwrap();
    assert!(standing(&done).reused && standing(&done).ticket == id);
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_comment_whose_end_was_not_heard_is_said_once() {
    for fault in ["reset_after_commit@PUT", "cut_answer@PUT", "reset_before@PUT"] {
        let sandbox = sandbox().await;
        let (zendesk, house) = (client(&sandbox), House::default());
        let id = first(&zendesk).await;
        sandbox.set_fault(fault, "1").unwrap();
        let error = zendesk.deliver(&call(2), FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{fault}: {error:?}");
        // Somebody moves the ticket meanwhile, and we are started anew.
        let to = json!({"ticket": {"group_id": BACKOFFICE, "assignee_id": DANA}});
        if fault != "reset_before@PUT" {
            sandbox.as_agent("PUT", &format!("/tickets/{id}"), to).unwrap();
        }
        let done = client(&sandbox).deliver(&call(2), AFTER_A_DOUBT, &house).await.unwrap();
        assert!(standing(&done).reused && standing(&done).popped.is_some(), "{fault}");
        assert_eq!(standing(&done).ticket, id);
        assert_eq!(said(&ticket(&sandbox, id)).len(), 2, "{fault}: the texts of both calls are the same");
        assert_eq!(tickets(&sandbox).len(), 1);
    }
}

#[tokio::test]
async fn a_follow_up_whose_making_was_not_heard_is_made_once() {
    for no_tpe in ["off", "403"] {
        let sandbox = sandbox().await;
        sandbox.set_fault("no_tpe", no_tpe).unwrap();
        let (zendesk, house) = (client(&sandbox), House::default());
        let id = first(&zendesk).await;
        sandbox.as_agent("PUT", &format!("/tickets/{id}"), json!({"ticket": {"status": "closed"}})).unwrap();
        sandbox.set_fault("reset_after_commit@POST", "1").unwrap();
        zendesk.deliver(&call(2), FIRST, &house).await.unwrap_err();
        let done = zendesk.deliver(&call(2), AFTER_A_DOUBT, &house).await.unwrap();
        assert!(!standing(&done).reused);
        assert_eq!(tickets(&sandbox).len(), 2);
    }
}

#[tokio::test]
async fn a_list_that_does_not_come_costs_nobody_the_ticket() {
    for (fault, value) in [("500@GET /users", "1"), ("slow@GET /users", "5s"), ("hang@GET /users", "1")] {
        let sandbox = sandbox().await;
        let zendesk = client(&sandbox);
        first(&zendesk).await;
        sandbox.set_fault(fault, value).unwrap();
        let begun = ringdesk::clock::instant();
        let done = zendesk.deliver(&call(2), FIRST, &House::default()).await.unwrap();
        assert!(!standing(&done).reused && standing(&done).popped.is_some(), "{fault}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{fault}");
        assert_eq!(tickets(&sandbox).len(), 2);
    }
}

#[tokio::test]
async fn whoever_has_the_ticket_keeps_it_and_nobodys_goes_to_who_answered() {
    let default_agent = PersonId(9_300_000_001_202);
    for (assignee, then) in [
        (json!(9_300_000_001_203_u64), json!(9_300_000_001_203_u64)),
        (Value::Null, json!(ANNA)),
        (json!(default_agent.0), json!(ANNA)),
    ] {
        let sandbox = sandbox().await;
        let (zendesk, house) =
            (client(&sandbox), House { default_agent: Some(default_agent), ..House::default() });
        let id = first(&zendesk).await;
        let wish = json!({"ticket": {"assignee_id": assignee}});
        sandbox.as_agent("PUT", &format!("/tickets/{id}"), wish).unwrap();
        zendesk.deliver(&call(2), FIRST, &house).await.unwrap();
        let stands = ticket(&sandbox, id);
        assert_eq!((&stands["assignee_id"], &stands["group_id"]), (&then, &json!(SUPPORT)), "{assignee}");
    }
}
