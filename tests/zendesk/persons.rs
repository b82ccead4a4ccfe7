//! After the wrap-up: the number finds its owner.

use super::house::*;
use ringdesk::call::{FieldValue, Filed, Person, PersonUpdate, PersonUpdated, Placeholder};

const NADJA: PersonId = PersonId(DEFAULT_USER);
const ROLF: PersonId = PersonId(9_007_199_254_743_103);
const INES: PersonId = PersonId(9_007_199_254_743_105);
const KARIN: PersonId = PersonId(9_300_000_002_116);
const THOMAS: PersonId = PersonId(9_300_000_002_117);
const HELGA: PersonId = PersonId(9_300_000_002_131);
const OTTO_WHO_IS_SUSPENDED: PersonId = PersonId(9_300_000_002_134);
/// Nobody has it.
const NUMBER: &str = "+4930555123";

/// The default user of these stories is somebody of his own, so that Nadja has no number at all.
fn house() -> House {
    House { default_user: Some(PersonId(THE_DEFAULT)), ..House::default() }
}

const THE_DEFAULT: u64 = 9_300_000_009_999;

async fn account() -> Sandbox {
    account_with(json!([])).await
}

async fn account_with(fields: Value) -> Sandbox {
    let mut seed = Seed::house();
    let user = json!({"id": THE_DEFAULT, "name": "Telephone", "email": "telephone@example.com"});
    seed.users.push(serde_json::from_value::<SeedUser>(user).unwrap());
    for field in fields.as_array().unwrap() {
        seed.user_fields.push(serde_json::from_value(field.clone()).unwrap());
    }
    let options = SandboxOptions { seed, ..SandboxOptions::default() };
    Sandbox::start(options.with("index_delay", "0s")).await.unwrap()
}

fn with_places(sandbox: &Sandbox, places: &[&str]) -> Zendesk {
    let phone_fields = places.iter().map(|place| place.parse().unwrap()).collect();
    Zendesk::new(Options { phone_fields, ..options(sandbox) }, Clock::system()).unwrap()
}

/// A ticket that an agent has given to this user.
fn ticket_of(sandbox: &Sandbox, requester: PersonId) -> TicketId {
    let ticket = json!({"ticket": {"subject": "Call", "comment": {"body": "x", "public": false},
        "requester_id": requester.0, "assignee_id": ANNA}});
    let made = sandbox.as_agent("POST", "/tickets", ticket).unwrap();
    TicketId(made["ticket"]["id"].as_u64().unwrap())
}

fn gives(sandbox: &Sandbox, ticket: TicketId, to: PersonId) {
    let body = json!({"ticket": {"requester_id": to.0}});
    sandbox.as_agent("PUT", &format!("/tickets/{ticket}"), body).unwrap();
}

fn merges(sandbox: &Sandbox, loser: PersonId, winner: PersonId) {
    let body = json!({"user": {"id": winner.0}});
    sandbox.as_agent("PUT", &format!("/users/{}/merge", loser.0), body).unwrap();
}

fn changes(sandbox: &Sandbox, user: PersonId, parts: Value) {
    sandbox.as_agent("PUT", &format!("/users/{}", user.0), json!({"user": parts})).unwrap();
}

fn of(ticket: TicketId, number: &str) -> PersonUpdate {
    PersonUpdate { ticket, number: Some(number.parse().unwrap()), placeholder: None, fields: Vec::new() }
}

fn field(name: &str, value: &str) -> FieldValue {
    FieldValue { field: name.to_owned(), value: value.to_owned() }
}

fn owed(update: PersonUpdate) -> Work {
    work(Task::UpdatePerson(Box::new(update)))
}

/// Comes again as often as it is asked to.
async fn delivers(zendesk: &Zendesk, work: &Work, attempt: Attempt) -> Result<Delivered, DeliveryError> {
    loop {
        match zendesk.deliver(work, attempt, &house()).await {
            Err(DeliveryError::NotYet(pause)) => tokio::time::sleep(pause).await,
            end => return end,
        }
    }
}

async fn done(zendesk: &Zendesk, update: PersonUpdate) -> (PersonUpdated, String) {
    let done = delivers(zendesk, &owed(update), FIRST).await.unwrap();
    assert!(!done.note.contains("555123"), "a note holds no number: {}", done.note);
    match done.event {
        Event::PersonUpdated(updated) => (updated, done.note),
        other => panic!("{other:?}"),
    }
}

async fn filed(zendesk: &Zendesk, update: PersonUpdate) -> Filed {
    done(zendesk, update).await.0.number.unwrap()
}

fn place(filed: &Filed) -> &str {
    match filed {
        Filed::Written { place, .. } => place,
        other => panic!("{other:?}"),
    }
}

fn user(sandbox: &Sandbox, id: PersonId) -> Value {
    let state = sandbox.state();
    state["users"].as_array().unwrap().iter().find(|user| user["id"] == id.0).unwrap().clone()
}

/// The direct lines of a user.
fn lines(sandbox: &Sandbox, id: PersonId) -> Vec<String> {
    let user = user(sandbox, id);
    let identities = user["identities"].as_array().unwrap().iter();
    let lines = identities.filter(|identity| identity["type"] == "phone_number");
    lines.map(|line| line["value"].as_str().unwrap().to_owned()).collect()
}

fn writes(sandbox: &Sandbox) -> Vec<String> {
    requests(sandbox).into_iter().filter(|line| !line.starts_with("GET ")).collect()
}

/// A user that we made for the number, with a ticket.
async fn placeholder(sandbox: &Sandbox, zendesk: &Zendesk) -> (Placeholder, TicketId) {
    let made = zendesk.deliver(&create(draft(newcomer())), FIRST, &house()).await.unwrap();
    let Standing::NewUser(person) = standing(&made).requester.clone() else { panic!("a new user") };
    assert_eq!(user(sandbox, person.id)["external_id"], format!("ringdesk:{NUMBER}"));
    (Placeholder { person, remove: true }, standing(&made).ticket)
}

fn for_newcomer(ticket: TicketId, placeholder: &Placeholder) -> PersonUpdate {
    PersonUpdate { placeholder: Some(placeholder.clone()), ..of(ticket, NUMBER) }
}

#[tokio::test]
async fn a_number_nobody_has_becomes_the_direct_line_of_who_has_none() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let ticket = ticket_of(&sandbox, NADJA);
    let filed_it = filed(&zendesk, of(ticket, NUMBER)).await;
    let person = Person { id: NADJA, name: "Nadja Ohne".to_owned() };
    assert_eq!(filed_it, Filed::Written { person: person.clone(), place: "phone".to_owned() });
    let nadja = user(&sandbox, NADJA);
    assert_eq!((&nadja["phone"], &nadja["shared_phone_number"]), (&json!(NUMBER), &json!(false)));
    assert_eq!(lines(&sandbox, NADJA), [NUMBER]);
    assert_eq!(writes(&sandbox), [format!("PUT /users/{NADJA}")]);
    assert_eq!(requests(&sandbox).len(), 4, "ticket, user, identities, and the write");
    // Done again it is found done.
    assert_eq!(filed(&zendesk, of(ticket, NUMBER)).await, Filed::HadIt { person });
    assert_eq!(writes(&sandbox).len(), 1);
    clean(&sandbox);
}

#[tokio::test]
async fn a_number_somebody_else_has_is_shared_and_makes_no_identity() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let ticket = ticket_of(&sandbox, NADJA);
    assert_eq!(place(&filed(&zendesk, of(ticket, "+493023125111")).await), "phone");
    let nadja = user(&sandbox, NADJA);
    assert_eq!((&nadja["phone"], &nadja["shared_phone_number"]), (&json!("+493023125111"), &json!(true)));
    assert!(lines(&sandbox, NADJA).is_empty());
    assert_eq!(user(&sandbox, PETRA)["phone"], "+493023125111", "who had it keeps it");
    assert_eq!(writes(&sandbox).len(), 1);
    clean(&sandbox);
}

#[tokio::test]
async fn who_has_a_line_or_a_shared_number_gets_the_next_place_and_keeps_the_phone() {
    // Helga has a direct line; Nadja gets a shared number first.
    let sandbox = account().await;
    changes(&sandbox, NADJA, json!({"phone": "+493023125168", "shared_phone_number": true}));
    let zendesk = client(&sandbox);
    for (person, phone) in [(HELGA, "+493023125151"), (NADJA, "+493023125168")] {
        let before = lines(&sandbox, person);
        let ticket = ticket_of(&sandbox, person);
        assert_eq!(place(&filed(&zendesk, of(ticket, NUMBER)).await), "user_fields.phone_2");
        let now = user(&sandbox, person);
        assert_eq!((&now["phone"], &now["user_fields"]["phone_2"]), (&json!(phone), &json!(NUMBER)));
        assert_eq!(lines(&sandbox, person), before, "no identity was made");
    }
    assert_eq!(writes(&sandbox).len(), 2);
    clean(&sandbox);
}

#[tokio::test]
async fn the_order_of_the_admin_counts() {
    let sandbox = account().await;
    let ticket = ticket_of(&sandbox, NADJA);
    let zendesk = with_places(&sandbox, &["user_fields.mobile", "phone"]);
    assert_eq!(place(&filed(&zendesk, of(ticket, NUMBER)).await), "user_fields.mobile");
    assert_eq!(place(&filed(&zendesk, of(ticket, "+4930555124")).await), "phone");
    let person = Person { id: NADJA, name: "Nadja Ohne".to_owned() };
    assert_eq!(filed(&zendesk, of(ticket, "+4930555125")).await, Filed::NoRoom { person });
    assert_eq!(writes(&sandbox).len(), 2, "without room nothing is changed");
    clean(&sandbox);
}

#[tokio::test]
async fn a_field_the_account_does_not_have_is_no_place() {
    let sandbox = account().await;
    let ticket = ticket_of(&sandbox, NADJA);
    // The one does not exist, the other is not active: Zendesk would swallow both without a word.
    let zendesk = with_places(&sandbox, &["user_fields.fax", "user_fields.old_number", "identity"]);
    assert_eq!(place(&filed(&zendesk, of(ticket, NUMBER)).await), "identity");
    assert_eq!(writes(&sandbox), [format!("POST /users/{NADJA}/identities")]);
    assert_eq!(lines(&sandbox, NADJA), [NUMBER]);
    clean(&sandbox);
}

#[tokio::test]
async fn whoever_has_the_number_in_any_form_gets_nothing_written() {
    for (person, number) in [
        (PETRA, "+493023125111"),
        (PETRA, "+493023125156"),
        (ROLF, "+493023125113"),
        (KARIN, "+493023125116"),
        (THOMAS, "+4915228817119"),
        // An identity alone.
        (INES, "+496990009115"),
    ] {
        let sandbox = account().await;
        let ticket = ticket_of(&sandbox, person);
        let found = filed(&client(&sandbox), of(ticket, number)).await;
        assert!(matches!(&found, Filed::HadIt { person: had } if had.id == person), "{number}: {found:?}");
        assert!(writes(&sandbox).is_empty(), "{number}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn the_second_line_that_zendesk_makes_without_a_word_is_recognised() {
    let sandbox = account().await;
    // An agent types a second number into the phone of somebody with a direct line: it goes to the identities.
    changes(&sandbox, HELGA, json!({"phone": NUMBER}));
    assert_eq!(user(&sandbox, HELGA)["phone"], "+493023125151");
    let ticket = ticket_of(&sandbox, HELGA);
    // Even where the admin does not name identities among the places.
    let zendesk = with_places(&sandbox, &["phone", "user_fields.phone_2"]);
    assert!(matches!(filed(&zendesk, of(ticket, NUMBER)).await, Filed::HadIt { .. }));
    assert!(writes(&sandbox).is_empty());
    clean(&sandbox);
}

#[tokio::test]
async fn a_line_of_somebody_else_is_refused_and_the_next_place_taken() {
    let sandbox = account().await;
    let ticket = ticket_of(&sandbox, HELGA);
    let zendesk = with_places(&sandbox, &["identity", "user_fields.phone_2"]);
    let (updated, note) = done(&zendesk, of(ticket, "+493023125111")).await;
    assert_eq!(place(&updated.number.unwrap()), "user_fields.phone_2");
    assert!(note.contains("identity was refused"), "{note}");
    assert_eq!(lines(&sandbox, PETRA), ["+493023125111"], "nothing is taken from a person");
    let zendesk = with_places(&sandbox, &["identity"]);
    let third = ticket_of(&sandbox, NADJA);
    assert!(matches!(filed(&zendesk, of(third, "+493023125111")).await, Filed::NoRoom { .. }));
    clean(&sandbox);
}

#[tokio::test]
async fn nobody_agents_suspended_and_deleted_users_are_never_written_to() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let ticket = ticket_of(&sandbox, NADJA);
    for (person, reason) in [(PersonId(ANNA), "agent"), (PersonId(THE_DEFAULT), "")] {
        gives(&sandbox, ticket, person);
        match filed(&zendesk, of(ticket, NUMBER)).await {
            Filed::NotWritable { reason: told } => assert!(told.contains(reason), "{told}"),
            Filed::Nobody => assert_eq!(person.0, THE_DEFAULT),
            other => panic!("{other:?}"),
        }
    }
    gives(&sandbox, ticket, NADJA);
    changes(&sandbox, NADJA, json!({"suspended": true}));
    let told = filed(&zendesk, of(ticket, NUMBER)).await;
    assert!(matches!(&told, Filed::NotWritable { reason } if reason.contains("suspended")), "{told:?}");
    changes(&sandbox, NADJA, json!({"suspended": false}));
    sandbox.as_agent("PUT", &format!("/tickets/{ticket}"), json!({"ticket": {"status": "closed"}})).unwrap();
    sandbox.as_agent("DELETE", &format!("/users/{NADJA}"), Value::Null).unwrap();
    let told = filed(&zendesk, of(ticket, NUMBER)).await;
    assert!(matches!(&told, Filed::NotWritable { reason } if reason.contains("deleted")), "{told:?}");
    assert_eq!(filed(&zendesk, of(TicketId(999_999), NUMBER)).await, Filed::TicketGone);
    assert!(writes(&sandbox).is_empty());
    assert_eq!(user(&sandbox, OTTO_WHO_IS_SUSPENDED)["phone"], "+493023125170");
    clean(&sandbox);
}

#[tokio::test]
async fn a_write_whose_end_was_not_heard_is_not_written_twice() {
    for (places, fault, lands) in [
        (&["phone", "identity"][..], "reset_after_commit@PUT /users", "phone"),
        (&["user_fields.phone_2", "phone"], "cut_answer@PUT /users", "user_fields.phone_2"),
        (&["identity", "phone"], "reset_after_commit@POST", "identity"),
    ] {
        let sandbox = account().await;
        let zendesk = with_places(&sandbox, places);
        let ticket = ticket_of(&sandbox, NADJA);
        zendesk.login().await.unwrap();
        sandbox.set_fault(fault, "1").unwrap();
        let mut update = of(ticket, NUMBER);
        if lands != "identity" {
            update.fields = vec![field("segment", "Private")];
        }
        let work = owed(update);
        let error = zendesk.deliver(&work, FIRST, &house()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { unclear: true, .. }), "{error:?}");
        // The process may have died meanwhile: another client knows nothing of the first attempt.
        for zendesk in [zendesk, with_places(&sandbox, places)] {
            let found = delivers(&zendesk, &work, AFTER_A_DOUBT).await.unwrap();
            let Event::PersonUpdated(found) = found.event else { panic!("{found:?}") };
            assert!(matches!(found.number, Some(Filed::HadIt { .. })), "{found:?}");
        }
        assert_eq!(writes(&sandbox).len(), 1, "{lands}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn number_and_fields_go_in_one_request_and_what_does_not_fit_is_left_out() {
    let sandbox = account_with(json!([
        {"key": "calls", "type": "integer", "title": "Calls"},
        {"key": "rate", "type": "decimal", "title": "Rate"},
        {"key": "vip", "type": "checkbox", "title": "VIP", "tag": "vip"},
        {"key": "code", "type": "lookup", "title": "Code"},
    ]))
    .await;
    let zendesk = client(&sandbox);
    let ticket = ticket_of(&sandbox, NADJA);
    let fields = vec![
        field("segment", "Business"),
        field("Customer since", "2026-11-26T10:00:00Z"),
        field("calls", "17"),
        field("user_fields.rate", "2.5"),
        field("VIP", "yes"),
        field("mobile", ""),
        field("nowhere", "x"),
        field("calls", "many"),
        field("code", "18446744073709551615"),
    ];
    let update = PersonUpdate { fields, ..of(ticket, NUMBER) };
    let (updated, note) = done(&zendesk, update.clone()).await;
    assert_eq!(place(&updated.number.unwrap()), "phone");
    for told in ["`nowhere` left out", "`calls` left out: wants a whole number", "field code was refused"] {
        assert!(note.contains(told), "{told} in {note}");
    }
    let nadja = user(&sandbox, NADJA);
    assert_eq!(nadja["phone"], NUMBER);
    for (key, value) in [
        ("segment", json!("segment_business")),
        ("customer_since", json!("2026-11-26T00:00:00+00:00")),
        ("calls", json!(17)),
        ("rate", json!(2.5)),
        ("vip", json!(true)),
    ] {
        assert_eq!(nadja["user_fields"][key], value, "{key}");
    }
    // The account refused a value that only it can judge, whole; the second request did it all.
    assert_eq!(writes(&sandbox).len(), 2);
    // All of it stands there: only what was refused is asked once more, and leaves the number alone.
    let asked = requests(&sandbox).iter().filter(|line| *line == "GET /user_fields").count();
    assert_eq!(asked, 1);
    let fields = vec![field("segment", "segment_business"), field("calls", "17")];
    done(&zendesk, PersonUpdate { fields, ..update }).await;
    assert_eq!(writes(&sandbox).len(), 2);
    clean(&sandbox);
}

#[tokio::test]
async fn definitions_are_read_once_and_fields_alone_cost_one_write() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    for person in [PETRA, ROLF] {
        let ticket = ticket_of(&sandbox, person);
        let update =
            PersonUpdate { number: None, fields: vec![field("segment", "private")], ..of(ticket, NUMBER) };
        let (updated, _) = done(&zendesk, update).await;
        assert_eq!(updated, PersonUpdated { number: None, placeholder_removed: false });
        assert_eq!(user(&sandbox, person)["user_fields"]["segment"], "segment_private");
    }
    assert_eq!(writes(&sandbox).len(), 2);
    assert_eq!(requests(&sandbox).iter().filter(|line| *line == "GET /user_fields").count(), 1);
    // An identity takes no fields along: they go beside it. Another client knows nothing of the second between.
    sandbox.set_fault("limits", "off").unwrap();
    let ticket = ticket_of(&sandbox, NADJA);
    let zendesk = with_places(&sandbox, &["identity"]);
    done(&zendesk, PersonUpdate { fields: vec![field("segment", "private")], ..of(ticket, NUMBER) }).await;
    assert_eq!(
        writes(&sandbox)[2..],
        [format!("POST /users/{NADJA}/identities"), format!("PUT /users/{NADJA}")]
    );
    clean(&sandbox);
}

#[tokio::test]
async fn users_are_updated_once_a_second_so_that_nothing_stops_the_calls() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let tickets = [NADJA, HELGA, PETRA].map(|person| ticket_of(&sandbox, person));
    let [one, two, three] = tickets.map(|ticket| filed(&zendesk, of(ticket, NUMBER)));
    let all = tokio::join!(one, two, three);
    assert!([all.0, all.1, all.2].iter().all(|filed| matches!(filed, Filed::Written { .. })));
    assert_eq!(zendesk.counters().waits.load(Relaxed), 0);
    clean(&sandbox);
}

#[tokio::test]
async fn a_person_whose_turn_it_is_not_holds_up_no_call() {
    let sandbox = account().await;
    let zendesk =
        Zendesk::new(Options { requests_per_minute: 10, ..options(&sandbox) }, Clock::system()).unwrap();
    let ticket = ticket_of(&sandbox, PETRA);
    let update = owed(of(ticket, "+493023125111"));
    let end = loop {
        if let Err(error) = zendesk.deliver(&update, FIRST, &house()).await {
            break error;
        }
    };
    assert!(matches!(end, DeliveryError::NotYet(_)), "{end:?}");
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &house()).await.unwrap();
    // But when Zendesk itself asks to wait, everybody does.
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    sandbox.set_faults([("retry_after", json!(7)), ("429", json!("1"))]).unwrap();
    let end = zendesk.deliver(&update, FIRST, &house()).await.unwrap_err();
    assert!(matches!(end, DeliveryError::Wait(wait) if wait == Duration::from_secs(7)), "{end:?}");
}

#[tokio::test]
async fn two_numbers_of_one_person_at_once_take_two_places() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let (one, two) = (ticket_of(&sandbox, NADJA), ticket_of(&sandbox, NADJA));
    sandbox.set_fault("slow@PUT /users", "50ms").unwrap();
    let (one, two) = tokio::join!(filed(&zendesk, of(one, NUMBER)), filed(&zendesk, of(two, "+4930555124")));
    let mut places = [place(&one).to_owned(), place(&two).to_owned()];
    places.sort();
    assert_eq!(places, ["phone", "user_fields.phone_2"]);
    clean(&sandbox);
}

#[tokio::test]
async fn the_number_of_a_moved_ticket_goes_along_and_the_empty_user_is_removed() {
    for remove in [true, false] {
        let sandbox = account().await;
        let zendesk = client(&sandbox);
        let (made, ticket) = placeholder(&sandbox, &zendesk).await;
        let made = Placeholder { remove, ..made };
        assert_eq!(filed(&zendesk, for_newcomer(ticket, &made)).await, Filed::Nobody);
        assert_eq!(user(&sandbox, made.id())["active"], true);
        gives(&sandbox, ticket, NADJA);
        let before = writes(&sandbox).len();
        let (updated, _) = done(&zendesk, for_newcomer(ticket, &made)).await;
        assert_eq!(place(updated.number.as_ref().unwrap()), "phone");
        assert_eq!(user(&sandbox, NADJA)["phone"], NUMBER);
        assert_eq!(
            (updated.placeholder_removed, user(&sandbox, made.id())["active"] == false),
            (remove, remove)
        );
        assert_eq!(writes(&sandbox).len() - before, 1 + usize::from(remove));
        // Once more: nothing is left to do, and the answer is the same.
        let (again, _) = done(&zendesk, for_newcomer(ticket, &made)).await;
        assert!(matches!(again.number, Some(Filed::HadIt { .. })) && again.placeholder_removed == remove);
        assert_eq!(writes(&sandbox).len() - before, 1 + usize::from(remove));
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_line_of_our_own_empty_user_is_taken_from_it_where_it_is_refused() {
    for remove in [true, false] {
        let sandbox = account().await;
        let zendesk = with_places(&sandbox, &["identity"]);
        let (made, ticket) = placeholder(&sandbox, &zendesk).await;
        let made = Placeholder { remove, ..made };
        gives(&sandbox, ticket, HELGA);
        let (updated, note) = done(&zendesk, for_newcomer(ticket, &made)).await;
        assert_eq!(place(updated.number.as_ref().unwrap()), "identity", "{note}");
        assert!(lines(&sandbox, HELGA).contains(&NUMBER.to_owned()));
        assert!(lines(&sandbox, made.id()).is_empty());
        assert_eq!(updated.placeholder_removed, remove);
        if !remove {
            assert_eq!(user(&sandbox, made.id())["phone"], Value::Null);
        }
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_user_of_ours_that_has_more_than_the_number_stays() {
    for what in ["ticket", "name", "address", "number"] {
        let sandbox = account().await;
        let zendesk = client(&sandbox);
        let (made, ticket) = placeholder(&sandbox, &zendesk).await;
        match what {
            "ticket" => {
                ticket_of(&sandbox, made.id());
            }
            "name" => changes(&sandbox, made.id(), json!({"name": "Klaus Neu"})),
            "address" => changes(&sandbox, made.id(), json!({"email": "klaus@example.org"})),
            _ => changes(&sandbox, made.id(), json!({"phone": "+4930555999"})),
        }
        gives(&sandbox, ticket, NADJA);
        let (updated, note) = done(&zendesk, for_newcomer(ticket, &made)).await;
        assert_eq!(place(updated.number.as_ref().unwrap()), "phone", "{what}");
        assert!(!updated.placeholder_removed && note.contains("stays"), "{what}: {note}");
        assert_eq!(user(&sandbox, made.id())["active"], true, "{what}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn merged_into_a_person_the_number_is_found_there_or_written() {
    for (shown, lost) in [("inactive", false), ("404", false), ("inactive", true)] {
        let sandbox = account().await;
        sandbox.set_fault("merged_user", shown).unwrap();
        let zendesk = client(&sandbox);
        let (made, ticket) = placeholder(&sandbox, &zendesk).await;
        merges(&sandbox, made.id(), HELGA);
        if lost {
            let helga = user(&sandbox, HELGA);
            let line = helga["identities"].as_array().unwrap().iter().find(|line| line["value"] == NUMBER);
            let path = format!("/users/{HELGA}/identities/{}", line.unwrap()["id"]);
            sandbox.as_agent("DELETE", &path, Value::Null).unwrap();
        }
        let (updated, _) = done(&zendesk, for_newcomer(ticket, &made)).await;
        assert_eq!(updated.owner().unwrap().id, HELGA);
        assert_eq!(matches!(updated.number, Some(Filed::Written { .. })), lost);
        assert!(updated.placeholder_removed, "it is gone, whoever did it");
        assert_eq!(user(&sandbox, HELGA)["phone"], "+493023125151");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_person_merged_into_our_user_makes_it_a_person() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let (made, ticket) = placeholder(&sandbox, &zendesk).await;
    let before = writes(&sandbox).len();
    merges(&sandbox, PETRA, made.id());
    let (updated, _) = done(&zendesk, for_newcomer(ticket, &made)).await;
    assert_eq!(updated.owner().unwrap().id, made.id());
    assert!(matches!(updated.number, Some(Filed::HadIt { .. })) && !updated.placeholder_removed);
    assert_eq!(writes(&sandbox).len(), before);
    let winner = user(&sandbox, made.id());
    assert_eq!((&winner["active"], &winner["phone"]), (&json!(true), &json!(NUMBER)));
    // The phone book sees a person.
    let hits = zendesk.search(NUMBER.parse().unwrap(), Urgency::LookUp).await.unwrap();
    assert!(hits.len() == 1 && !hits[0].placeholder, "{hits:?}");
    clean(&sandbox);
}

#[tokio::test]
async fn the_phone_book_is_told_who_is_a_placeholder() {
    let sandbox = account().await;
    let zendesk = client(&sandbox);
    let (made, _) = placeholder(&sandbox, &zendesk).await;
    let named = |name: &str| {
        changes(&sandbox, made.id(), json!({"name": name}));
    };
    let is_placeholder = async || {
        let hits = zendesk.search(NUMBER.parse().unwrap(), Urgency::LookUp).await.unwrap();
        assert_eq!(hits.len(), 1);
        hits[0].placeholder
    };
    assert!(is_placeholder().await);
    named("Klaus Neu");
    assert!(!is_placeholder().await);
    let everybody = zendesk.export_people(None).await.unwrap().people;
    assert!(everybody.iter().all(|one| !one.placeholder));
    clean(&sandbox);
}

#[tokio::test]
async fn a_requester_merged_away_between_two_looks_is_followed() {
    for shown in ["inactive", "404"] {
        let sandbox = account().await;
        sandbox.set_fault("merged_user", shown).unwrap();
        let zendesk = client(&sandbox);
        let ticket = ticket_of(&sandbox, NADJA);
        zendesk.login().await.unwrap();
        // The ticket is read, then the merge happens, then the user is read.
        sandbox.set_fault("slow_answer@GET /tickets", "150ms").unwrap();
        let seen = requests(&sandbox).len();
        let merge = async {
            while requests(&sandbox).len() == seen {
                tokio::task::yield_now().await;
            }
            merges(&sandbox, NADJA, HELGA);
            sandbox.set_fault("slow_answer@GET /tickets", "off").unwrap();
        };
        let (filed, ()) = tokio::join!(filed(&zendesk, of(ticket, NUMBER)), merge);
        assert!(matches!(&filed, Filed::Written { person, .. } if person.id == HELGA), "{filed:?}");
        clean(&sandbox);
    }
}

#[tokio::test]
async fn a_log_in_that_may_not_write_people_says_so_to_a_person() {
    let sandbox = account().await;
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "sandbox-secret".into(),
        scope: "read tickets:write".to_owned(),
    };
    let zendesk = Zendesk::new(Options { credentials, ..options(&sandbox) }, Clock::system()).unwrap();
    let ticket = ticket_of(&sandbox, NADJA);
    let error = zendesk.deliver(&owed(of(ticket, NUMBER)), FIRST, &house()).await.unwrap_err();
    assert!(matches!(&error, DeliveryError::Refused { reason } if reason.contains("403")), "{error:?}");
}
