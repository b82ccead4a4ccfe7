//! Users that we make.

use super::house::*;

#[tokio::test]
async fn two_calls_at_once_from_a_new_number_make_one_user() {
    // The search knows nothing of the new user for an hour: only the database does.
    let sandbox = Sandbox::start(SandboxOptions::default().with("index_delay", "1h")).await.unwrap();
    let (zendesk, house) = (client(&sandbox), House::default());
    let first = create(draft(newcomer()));
    let mut second = draft(newcomer());
    second.external_id = "ringdesk:main/2".to_owned();
    let mut second = create(second);
    second.call = "main/2".parse().unwrap();
    let (one, two) =
        tokio::join!(zendesk.deliver(&first, FIRST, &house), zendesk.deliver(&second, FIRST, &house));
    let (one, two) = (one.unwrap(), two.unwrap());
    let users = newcomers(&sandbox);
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0]["phone"], &users[0]["role"]), (&json!("+4930555123"), &json!("end-user")));
    assert!(
        matches!(&standing(&one).requester, Standing::NewUser(person) if json!(person.id) == users[0]["id"])
    );
    assert_eq!(standing(&one).requester, standing(&two).requester);
    assert!(tickets(&sandbox).iter().all(|ticket| ticket["requester_id"] == users[0]["id"]));
    // After a restart nothing is remembered here, but the number is still that user's.
    let again = client(&sandbox).deliver(&first, AFTER_A_DOUBT, &house).await.unwrap();
    assert_eq!(standing(&again).requester, standing(&one).requester);
    let mut third = draft(newcomer());
    third.external_id = "ringdesk:main/3".to_owned();
    client(&sandbox).deliver(&create(third), FIRST, &house).await.unwrap();
    assert_eq!((newcomers(&sandbox).len(), tickets(&sandbox).len()), (1, 3));
    clean(&sandbox);
}

#[tokio::test]
async fn a_number_the_account_does_not_accept_stays_in_the_notes() {
    let sandbox = sandbox().await;
    sandbox.set_fault("validate_phones", "on").unwrap();
    let requester = Requester::NewUser { number: "+4930".parse().unwrap(), name: "Caller +4930".to_owned() };
    let done = client(&sandbox).deliver(&create(draft(requester)), FIRST, &House::default()).await.unwrap();
    let Standing::NewUser(person) = &standing(&done).requester else { panic!("a new user") };
    let state = sandbox.state();
    let user = state["users"].as_array().unwrap().iter().find(|user| user["id"] == person.id.0).unwrap();
    let phone = user["phone"].as_str().unwrap_or_default();
    assert!(phone == "+4930" || user["notes"] == "Telephone: +4930", "{user}");
}

#[tokio::test]
async fn the_default_user_is_found_or_made_once() {
    let sandbox = Sandbox::start(SandboxOptions::default().with("index_delay", "1h")).await.unwrap();
    let zendesk = client(&sandbox);
    let found = zendesk.default_user("Nadja.Ohne@example.org", "Telephone").await.unwrap();
    assert_eq!(found, PersonId(DEFAULT_USER));
    let made = zendesk.default_user("telephone@example.com", "Telephone").await.unwrap();
    // The search does not know it yet, and it is not made again.
    assert_eq!(zendesk.default_user("telephone@example.com", "Telephone").await.unwrap(), made);
    // The admin changes the address: the old one keeps its mark.
    let other = zendesk.default_user("phone2@example.com", "Telephone").await.unwrap();
    assert_ne!(other, made);
    clean(&sandbox);
}

#[tokio::test]
async fn a_new_user_that_may_not_be_made_is_replaced_by_the_default_user() {
    let sandbox = sandbox().await;
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "sandbox-secret".into(),
        scope: "tickets:read tickets:write".to_owned(),
    };
    let options = Options { credentials, voice: Voice::Off, ..options(&sandbox) };
    let zendesk = Zendesk::new(options, Clock::system()).unwrap();
    let done = zendesk.deliver(&create(draft(newcomer())), FIRST, &House::default()).await.unwrap();
    assert_eq!(standing(&done).requester, Standing::DefaultUserInstead);
    assert_eq!(tickets(&sandbox)[0]["requester_id"], DEFAULT_USER);
}

#[tokio::test]
async fn a_collided_second_host_finds_the_user_the_first_one_made() {
    let sandbox = sandbox().await;
    let (one, two) = (client(&sandbox), client(&sandbox));
    let mut other = draft(newcomer());
    other.external_id = "ringdesk:main/2".to_owned();
    let (first, second) = (create(draft(newcomer())), create(other));
    let house = House::default();
    // Both have looked before either makes it: the account lets only one of them.
    sandbox.set_fault("slow@POST /users", "100ms").unwrap();
    let (one, two) = tokio::join!(one.deliver(&first, FIRST, &house), two.deliver(&second, FIRST, &house));
    assert_eq!(standing(&one.unwrap()).requester, standing(&two.unwrap()).requester);
    assert_eq!(newcomers(&sandbox).len(), 1);
}
