//! Whose a number is: written, added, taken over in a merge, freed by a deletion.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, PETRA, Visitor};
use crate::sandbox::Options;

const NADJA: u64 = 9_300_000_002_136;

async fn person(visitor: &Visitor, user: Value) -> u64 {
    let (status, body) = visitor.send(Method::POST, "/users", json!({"user": user})).await;
    assert_eq!(status, 201, "{body}");
    body["user"]["id"].as_u64().unwrap()
}

/// The user's phone, whether it is shared, and the direct lines.
async fn numbers(visitor: &Visitor, id: u64) -> Value {
    let (_, user) = visitor.get(&format!("/users/{id}")).await;
    let (_, lines) = visitor.get(&format!("/users/{id}/identities?type[]=phone_number")).await;
    let lines: Vec<&Value> =
        lines["identities"].as_array().unwrap().iter().map(|line| &line["value"]).collect();
    json!([user["user"]["phone"], user["user"]["shared_phone_number"], lines])
}

#[tokio::test]
async fn the_table_of_numbers_holds_for_creation_and_update() {
    let (n, m, taken) = ("+493023125180", "+493023125181", "+493023125111");
    // What the user begins with, what is then written, and what stands afterwards.
    for (begin, write, after) in [
        (Value::Null, json!({"phone": n}), json!([n, false, [n]])),
        (Value::Null, json!({"phone": taken}), json!([taken, true, []])),
        (Value::Null, json!({"phone": n, "shared_phone_number": true}), json!([n, true, []])),
        (json!(taken), json!({"phone": n}), json!([n, false, [n]])),
        (json!(taken), json!({"phone": "+493023125151"}), json!(["+493023125151", true, []])),
        (json!(n), json!({"phone": m}), json!([n, false, [n, m]])),
        (json!(n), json!({"phone": n}), json!([n, false, [n]])),
        (json!(n), json!({"phone": ""}), json!([null, null, [n]])),
        (json!(n), json!({"phone": null}), json!([null, null, [n]])),
    ] {
        let visitor = Visitor::new(Options::default()).await;
        let id = person(&visitor, json!({"name": "x", "phone": begin})).await;
        let (status, body) = visitor.send(Method::PUT, &format!("/users/{id}"), json!({"user": write})).await;
        assert_eq!(status, 200, "{begin} {write} {body}");
        assert_eq!(numbers(&visitor, id).await, after, "{begin} {write}");
    }
    let visitor = Visitor::new(Options::default()).await;
    let id = person(&visitor, json!({"name": "x", "phone": n})).await;
    let wish = json!({"user": {"phone": taken}});
    let (status, body) = visitor.send(Method::PUT, &format!("/users/{id}"), wish).await;
    assert_eq!((status, &body["details"]["phone"][0]["error"]), (422, &json!("DuplicateValue")));
}

#[tokio::test]
async fn an_identity_is_a_direct_line_of_its_own() {
    let visitor = Visitor::new(Options::default().with("limits", "off")).await;
    let (n, m) = ("+493023125180", "+493023125181");
    let id = person(&visitor, json!({"name": "x", "phone": n})).await;
    let (path, lines) = (format!("/users/{id}"), format!("/users/{id}/identities"));
    let line = |value: &str| json!({"identity": {"type": "phone_number", "value": value}});
    let (status, body) = visitor.send(Method::POST, &lines, line(m)).await;
    assert_eq!((status, &body["identity"]["primary"]), (201, &json!(false)));
    let second = format!("{lines}/{}", body["identity"]["id"]);
    assert_eq!(numbers(&visitor, id).await, json!([n, false, [n, m]]));
    // What a daemon does that believes its first try was lost.
    let (status, _) = visitor.send(Method::PUT, &path, json!({"user": {"phone": m}})).await;
    assert_eq!((status, numbers(&visitor, id).await), (200, json!([n, false, [n, m]])), "not repeated");
    for taken in [n, m, "+493023125111"] {
        let (status, body) = visitor.send(Method::POST, &lines, line(taken)).await;
        assert_eq!(
            (status, &body["details"]["value"][0]["error"]),
            (422, &json!("DuplicateValue")),
            "{taken}"
        );
    }
    let (status, body) = visitor.send(Method::PUT, &format!("{second}/make_primary"), json!({})).await;
    assert_eq!((status, body["identities"].as_array().map(Vec::len)), (200, Some(2)), "the whole list");
    assert_eq!(numbers(&visitor, id).await, json!([m, false, [n, m]]));
    assert_eq!(visitor.send(Method::DELETE, &second, Value::Null).await, (204, json!("")));
    assert_eq!(numbers(&visitor, id).await, json!([m, true, [n]]), "the phone outlives its identity");
    visitor.send(Method::PUT, &path, json!({"user": {"phone": ""}})).await;
    assert_eq!(numbers(&visitor, id).await, json!([null, null, [n]]));
    assert_eq!(visitor.get(&second).await.0, 404);
    // The first line of somebody without a number is also the number shown.
    let (status, _) = visitor.send(Method::POST, &format!("/users/{NADJA}/identities"), line(m)).await;
    assert_eq!((status, numbers(&visitor, NADJA).await), (201, json!([m, false, [m]])));
    // A deletion frees what was the user's.
    visitor.send(Method::DELETE, &path, Value::Null).await;
    let heir = person(&visitor, json!({"name": "y", "phone": n})).await;
    assert_eq!(numbers(&visitor, heir).await, json!([n, false, [n]]));
}

#[tokio::test]
async fn a_merge_gives_the_losers_numbers_to_the_winner() {
    let (n, m, shared) = ("+493023125180", "+493023125181", "+493023125111");
    // Phones of loser and winner, and the winner's numbers afterwards.
    for (loser, winner, after) in [
        (json!(n), Value::Null, json!([n, false, [n]])),
        (Value::Null, json!(n), json!([n, false, [n]])),
        (json!(n), json!(m), json!([m, false, [n, m]])),
        (json!(shared), Value::Null, json!([shared, true, []])),
        (json!(n), json!(shared), json!([shared, true, [n]])),
        (json!(shared), json!(n), json!([n, false, [n]])),
    ] {
        let visitor = Visitor::new(Options::default()).await;
        let gone = person(&visitor, json!({"name": "Caller", "phone": loser})).await;
        let stays =
            person(&visitor, json!({"name": "Klara", "phone": winner, "email": "klara@example.org"})).await;
        let (status, body) =
            visitor.send(Method::PUT, &format!("/users/{gone}/merge"), json!({"user": {"id": stays}})).await;
        assert_eq!(
            (status, &body["user"]["id"], &body["user"]["name"]),
            (200, &json!(stays), &json!("Klara"))
        );
        assert_eq!(numbers(&visitor, stays).await, after, "{loser} {winner}");
    }
}

#[tokio::test]
async fn a_merge_works_either_way_round_and_moves_every_ticket_unseen() {
    for placeholder_goes in [true, false] {
        let visitor = Visitor::new(Options::default()).await;
        let wish = json!({"name": "Caller", "phone": "+493023125191", "notes": "n", "external_id": "e",
            "user_fields": {"mobile": "1"}});
        let caller = person(&visitor, wish).await;
        let (loser, winner) = if placeholder_goes { (caller, NADJA) } else { (NADJA, caller) };
        let mut ids = Vec::new();
        for status in ["open", "closed"] {
            let ticket = json!({"ticket": {"comment": {"body": "x"}, "requester_id": loser, "assignee_id": ANNA, "status": status}});
            ids.push(visitor.send(Method::POST, "/tickets", ticket).await.1["ticket"].clone());
        }
        visitor.pass(5);
        let path = format!("/users/{loser}/merge");
        let (status, body) = visitor.send(Method::PUT, &path, json!({"user": {"id": winner}})).await;
        assert_eq!(status, 200, "{body}");
        let user = &body["user"];
        assert_eq!(
            (&user["phone"], &user["email"]),
            (&json!("+493023125191"), &json!("nadja.ohne@example.org"))
        );
        let kept = if placeholder_goes { [Value::Null, Value::Null] } else { [json!("n"), json!("1")] };
        assert_eq!(
            [user["notes"].clone(), user["user_fields"]["mobile"].clone()],
            kept,
            "the loser's are lost"
        );
        for ticket in &ids {
            let (_, now) = visitor.get(&format!("/tickets/{}", ticket["id"])).await;
            assert_eq!(now["ticket"]["requester_id"], winner);
            assert_eq!(now["ticket"]["updated_at"], ticket["updated_at"], "no trigger hears of it");
        }
        let gone = format!("/users/{loser}");
        let (_, body) = visitor.get(&gone).await;
        assert_eq!(
            (&body["user"]["active"], &body["user"]["name"]),
            (&json!(false), &json!("Permanently Deleted User"))
        );
        visitor.set("merged_user", "404");
        assert_eq!(visitor.get(&gone).await.0, 404);
        assert_eq!(visitor.send(Method::PUT, &gone, json!({"user": {"name": "x"}})).await.0, 404);
        let ticket = json!({"ticket": {"comment": {"body": "x"}, "requester_id": loser}});
        let (status, body) = visitor.send(Method::POST, "/tickets", ticket).await;
        assert_eq!((status, body["details"]["requester"].is_array()), (422, true));
    }
}

#[tokio::test]
async fn agents_and_strangers_are_not_merged_and_phone_only_winners_as_the_account_wants() {
    let visitor = Visitor::new(Options::default()).await;
    let merge = async |loser: u64, winner: u64| {
        visitor.send(Method::PUT, &format!("/users/{loser}/merge"), json!({"user": {"id": winner}})).await.0
    };
    let caller = person(&visitor, json!({"name": "Caller", "phone": "+493023125191"})).await;
    for (loser, winner, status) in
        [(caller, ANNA, 403), (ANNA, caller, 403), (caller, caller, 403), (caller, 5, 404), (5, caller, 404)]
    {
        assert_eq!(merge(loser, winner).await, status, "{loser} {winner}");
    }
    visitor.set("merge_phone_only", "422");
    assert_eq!(merge(NADJA, caller).await, 422);
    assert_eq!(merge(caller, NADJA).await, 200);
}

#[tokio::test]
async fn a_requester_of_open_tickets_cannot_be_deleted_and_who_is_gone_gets_no_tickets() {
    let visitor = Visitor::new(Options::default().with("limits", "off")).await;
    let petra = format!("/users/{PETRA}");
    let (status, body) = visitor.send(Method::DELETE, &petra, Value::Null).await;
    let text = "User is requester on 1 ticket(s) that are not closed.";
    assert_eq!((status, &body["details"]["base"][0]["description"]), (422, &json!(text)));
    visitor.set("locale", "de");
    let (_, body) = visitor.send(Method::DELETE, &petra, Value::Null).await;
    assert!(body["details"]["base"][0]["description"].as_str().unwrap().contains("nicht geschlossenen"));

    visitor.send(Method::PUT, "/tickets/1", json!({"ticket": {"status": "closed"}})).await;
    let (status, body) = visitor.send(Method::DELETE, &petra, Value::Null).await;
    assert_eq!((status, &body["user"]["active"]), (200, &json!(false)));
    let (_, body) = visitor.get(&petra).await;
    assert_eq!(body["user"]["name"], "Petra Sommer", "a deleted one is still shown");
    visitor.send(Method::PUT, &format!("/users/{NADJA}"), json!({"user": {"suspended": true}})).await;
    let (_, body) =
        visitor.send(Method::POST, "/tickets", json!({"ticket": {"comment": {"body": "x"}}})).await;
    let ticket = format!("/tickets/{}", body["ticket"]["id"]);
    for gone in [PETRA, NADJA] {
        let wish = json!({"ticket": {"requester_id": gone, "subject": "changed"}});
        let (status, body) = visitor.send(Method::PUT, &ticket, wish).await;
        assert_eq!((status, body["details"]["requester"].is_array()), (422, true), "{body}");
    }
    assert_eq!(visitor.get(&ticket).await.1["ticket"]["subject"], Value::Null);
}
