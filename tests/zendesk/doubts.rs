//! Attempts whose end was not heard, and a far side that breaks.

use super::house::*;

#[tokio::test]
async fn an_attempt_whose_end_was_not_heard_makes_no_second_ticket() {
    for (fault, no_tpe) in [
        ("reset_after_commit@POST", false),
        ("cut_answer@POST", false),
        ("reset_after_commit@POST /tickets", true),
        ("cut_answer@POST /tickets", true),
    ] {
        let sandbox = sandbox().await;
        let zendesk = client(&sandbox);
        zendesk.login().await.unwrap();
        if no_tpe {
            sandbox.set_fault("no_tpe", "403").unwrap();
        }
        sandbox.set_fault(fault, "1").unwrap();
        let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{fault}: {error:?}");
        let stands = zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
        assert!(stands.note.contains("found made"), "{}", stands.note);
        assert_eq!(standing(&stands).popped.is_some(), !no_tpe);
        assert_eq!(tickets(&sandbox).len(), 1, "{fault}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_look_that_fails_leaves_the_doubt() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    sandbox.set_fault("reset_after_commit@POST", "1").unwrap();
    zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    sandbox.set_fault("500@GET /tickets", "1").unwrap();
    let error = zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    // Even if the doubt were not handed on, the client itself has not forgotten it.
    zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_ticket_that_is_still_being_made_is_waited_for() {
    let sandbox = sandbox().await;
    let zendesk = impatient(&sandbox, Duration::from_millis(400));
    zendesk.login().await.unwrap();
    sandbox.set_fault("slow@POST /channels", "600ms").unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    let mut attempt = FIRST;
    let done = loop {
        match zendesk.deliver(&work, attempt, &house).await {
            Ok(done) => break done,
            Err(DeliveryError::Retry { unclear, .. }) => {
                attempt = Attempt { number: attempt.number + 1, look_first: attempt.look_first || unclear };
                assert!(attempt.number < 100_000);
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(done.note.contains("found made"), "{}", done.note);
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_request_that_hangs_ends_and_is_made_after_a_look() {
    let sandbox = sandbox().await;
    let zendesk = impatient(&sandbox, Duration::from_millis(200));
    zendesk.login().await.unwrap();
    sandbox.set_fault("hang@POST /channels", "1").unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
    while zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.is_err() {}
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_broken_far_side_is_tried_again() {
    for fault in ["503", "html_502", "500", "504", "reset_before"] {
        let sandbox = sandbox().await;
        let zendesk = client(&sandbox);
        zendesk.login().await.unwrap();
        sandbox.set_fault(fault, "1").unwrap();
        let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { .. }), "{fault}: {error:?}");
        zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
        assert_eq!(tickets(&sandbox).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_house_that_is_away_is_clear_and_says_so() {
    let sandbox = sandbox().await;
    let options = options(&sandbox);
    sandbox.stop().await;
    let zendesk = Zendesk::new(options, Clock::system()).unwrap();
    let error =
        zendesk.deliver(&create(draft(Requester::DefaultUser)), FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { unclear: false, .. }), "{error:?}");
    assert!(matches!(zendesk.login().await, Err(CrmError::Away { .. })));
}

#[tokio::test]
async fn a_new_user_whose_making_was_not_heard_of_is_found() {
    let sandbox = sandbox().await;
    let (zendesk, house) = (client(&sandbox), House::default());
    zendesk.login().await.unwrap();
    sandbox.set_fault("reset_after_commit@POST /users", "1").unwrap();
    let work = create(draft(newcomer()));
    zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
    zendesk.deliver(&work, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!((newcomers(&sandbox).len(), tickets(&sandbox).len()), (1, 1));
}

#[tokio::test]
async fn a_ticket_made_with_another_text_before_is_found() {
    let sandbox = sandbox().await;
    let plain = || Zendesk::new(Options { voice: Voice::Off, ..options(&sandbox) }, Clock::system()).unwrap();
    let house = House::default();
    plain().deliver(&create(draft(Requester::DefaultUser)), FIRST, &house).await.unwrap();
    // Another run of ours, which knows the caller now and nothing of the first attempt.
    let done = plain().deliver(&create(draft(Requester::Person(PETRA))), FIRST, &house).await.unwrap();
    assert!(done.note.contains("found made"), "{}", done.note);
    assert_eq!(standing(&done).requester, Standing::DefaultUserInstead);
    assert_eq!(tickets(&sandbox).len(), 1);

    // Where it was deleted since, the call gets a new one.
    sandbox.set_fault("no_tpe", "403").unwrap();
    let ticket = standing(&done).ticket;
    let url = format!("{}/api/v2/tickets/{ticket}", sandbox.url());
    let http = reqwest::Client::new();
    let gone = http.delete(url).basic_auth("ringdesk@example.com/token", Some("sandbox-api-token")).send();
    assert_eq!(gone.await.unwrap().status(), 204);
    let done = plain().deliver(&create(draft(Requester::Person(PETRA))), FIRST, &house).await.unwrap();
    assert_ne!(standing(&done).ticket, ticket);
}
