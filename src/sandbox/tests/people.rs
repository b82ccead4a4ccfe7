//! Users, numbers, groups, search, export.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PETRA, Visitor, names, read};
use crate::sandbox::Options;

#[tokio::test]
async fn agents_and_groups_are_listed_in_both_ways_of_paging() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) = visitor.get("/users?role[]=agent&role[]=admin&page[size]=3").await;
    assert_eq!(body["users"].as_array().unwrap().len(), 3);
    assert_eq!(body["meta"]["has_more"], true);
    let next = body["links"]["next"].as_str().unwrap().split_once("/api/v2").unwrap().1.to_owned();
    let (_, body) = visitor.get(&next).await;
    assert_eq!((body["users"].as_array().unwrap().len(), &body["meta"]["has_more"]), (2, &json!(false)));

    let (_, body) = visitor.get("/groups").await;
    assert_eq!(names(&body["groups"]).iter().filter(|name| **name == "Sales").count(), 2);
    let (_, body) = visitor.get("/groups?exclude_deleted=true&per_page=2").await;
    assert_eq!((&body["count"], body["next_page"].is_string()), (&json!(5), true));
    let (_, body) = visitor.get("/group_memberships?include=users").await;
    assert!(names(&body["users"]).contains(&"Anna Weber"));
    assert_eq!(visitor.sandbox.state()["warnings"], json!([]));
}

#[tokio::test]
async fn a_number_goes_where_the_phone_table_says() {
    let visitor = Visitor::new(Options::default()).await;
    let person = async |name: &str, phone: &str| {
        let body = json!({"user": {"name": name, "phone": phone, "skip_verify_email": true}});
        let (status, body) = visitor.send(Method::POST, "/users", body).await;
        assert_eq!(status, 201, "{body}");
        body["user"].clone()
    };
    let lines = async |user: &Value| {
        let path = format!("/users/{}/identities?type[]=phone_number", user["id"]);
        let (_, body) = visitor.get(&path).await;
        let list = body["identities"].as_array().unwrap().clone();
        list.iter().map(|line| line["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = person("First", "+493023125180").await;
    assert_eq!((&first["phone"], &first["shared_phone_number"]), (&json!("+493023125180"), &json!(false)));
    assert_eq!(lines(&first).await, ["+493023125180"]);

    let second = person("Second", "+493023125180").await;
    assert_eq!(second["shared_phone_number"], true);
    assert_eq!(lines(&second).await, [""; 0]);

    // A direct line keeps its place: the second number is added beside it and the answer is 200.
    let path = format!("/users/{}", first["id"]);
    let (status, body) = visitor.send(Method::PUT, &path, json!({"user": {"phone": "+493023125181"}})).await;
    assert_eq!((status, &body["user"]["phone"]), (200, &json!("+493023125180")));
    assert_eq!(lines(&first).await, ["+493023125180", "+493023125181"]);

    // A shared number gives way to a unique one. One user update a second is all the account has.
    visitor.pass(1);
    let path = format!("/users/{}", second["id"]);
    let (_, body) = visitor.send(Method::PUT, &path, json!({"user": {"phone": "+493023125182"}})).await;
    assert_eq!(
        (&body["user"]["phone"], &body["user"]["shared_phone_number"]),
        (&json!("+493023125182"), &json!(false))
    );
    assert_eq!(lines(&second).await, ["+493023125182"]);

    let identity = json!({"identity": {"type": "phone_number", "value": "+493023125182"}});
    let path = format!("/users/{}/identities", first["id"]);
    let (status, body) = visitor.send(Method::POST, &path, identity).await;
    assert_eq!((status, &body["details"]["value"][0]["error"]), (422, &json!("DuplicateValue")));
}

#[tokio::test]
async fn phone_numbers_are_validated_when_the_account_wants_it() {
    let visitor = Visitor::new(Options::default().with("validate_phones", "on")).await;
    let person = async |phone: &str| {
        visitor.send(Method::POST, "/users", json!({"user": {"name": "x", "phone": phone}})).await
    };
    let (status, body) = person("030 23125-113").await;
    assert_eq!((status, body["details"]["phone"].is_array()), (422, true));
    assert_eq!(person("493023125183").await.1["user"]["phone"], "+493023125183");
}

#[tokio::test]
async fn users_are_made_changed_deleted_and_refused_as_recorded() {
    let visitor = Visitor::new(Options::default()).await;
    let create = async |user: Value| visitor.send(Method::POST, "/users", json!({"user": user})).await;
    let (status, body) = create(json!({"name": ""})).await;
    assert_eq!((status, body["details"]["name"].is_array()), (422, true));
    let (status, body) = create(json!({"name": "x", "email": "Petra.Sommer@example.org"})).await;
    assert_eq!((status, &body["details"]["email"][0]["error"]), (422, &json!("DuplicateValue")));
    let answer = visitor.ask(Method::POST, "/users").json(&json!({"user": {"name": "New", "phone_2": "1"}}));
    let answer = answer.send().await.unwrap();
    assert!(answer.headers()["location"].to_str().unwrap().contains("/api/v2/users/"));
    let warning = answer.headers()["x-zendesk-api-warn"].to_str().unwrap().to_owned();
    assert!(warning.contains(":unpermitted_keys=>[\"user.phone_2\"]"), "{warning}");
    let id = read(answer).await.1["user"]["id"].clone();
    assert!(id.as_u64().unwrap() > 1 << 53);

    let path = format!("/users/{id}.json");
    let (_, body) =
        visitor.send(Method::PUT, &path, json!({"user": {"user_fields": {"phone_2": "+491"}}})).await;
    let fields = json!({"mobile": null, "phone_2": "+491", "segment": null, "customer_since": null});
    assert_eq!(body["user"]["user_fields"], fields, "all active ones, null when empty");
    let (status, body) = visitor.send(Method::DELETE, &path, json!({})).await;
    assert_eq!((status, &body["user"]["active"]), (200, &json!(false)));
    assert_eq!(visitor.get("/users/1").await.1["error"], "RecordNotFound");
    let petra = format!("/users/{PETRA}");
    assert_eq!(visitor.send(Method::DELETE, &petra, json!({})).await.0, 422, "she has an open ticket");
    let state = visitor.sandbox.state();
    assert_eq!(state["warnings"][0]["keys"], json!(["user.phone_2"]));
}

#[tokio::test]
async fn search_is_late_and_reads_its_own_language() {
    let visitor = Visitor::new(Options::default()).await;
    let find = async |query: &str| {
        let request = visitor.ask(Method::GET, "/users/search.json").query(&[("query", query)]);
        let (status, body) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        names(&body["users"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find("role:end-user phone:*23125113").await, ["Rolf Becker"]);
    assert_eq!(find("phone:*493023125113").await, [""; 0], "a national form is not bridged");
    assert_eq!(find("phone:+493023125111").await, ["Petra Sommer"]);
    assert_eq!(find("phone_2:*23125156").await, ["Petra Sommer"]);
    assert_eq!(find("phone:*96990009115").await, ["Ines Vogt"], "a direct line beside the phone");
    assert_eq!(find("phone:*23125168").await.len(), 2);
    assert_eq!(find("phone:*23125171").await, [""; 0], "deleted");
    assert_eq!(find("role:agent weber").await, ["Anna Weber"]);
    assert_eq!(find("email:anna.weber@example.com").await, ["Anna Weber"]);

    let plain = visitor.get("/users/search?query=phone:+493023125111").await;
    assert_eq!(plain.1["count"], 0, "an unencoded plus is a blank");
    assert_eq!(visitor.get("/users/search?query=x&page[size]=5").await.0, 400);

    let body = json!({"user": {"name": "Fresh", "phone": "+493023125190", "external_id": "F-1"}});
    let (_, body) = visitor.send(Method::POST, "/users", body).await;
    assert_eq!(visitor.get(&format!("/users/{}", body["user"]["id"])).await.0, 200);
    visitor.pass(59);
    assert_eq!(find("phone:*23125190").await, [""; 0], "the index is a minute late");
    visitor.pass(1);
    assert_eq!(find("phone:*23125190").await, ["Fresh"]);
    let (_, body) = visitor.get("/users/search?external_id=F-1").await;
    assert_eq!(names(&body["users"]), ["Fresh"]);
    let (_, body) = visitor.get("/search.json?query=type:user%20phone:%2B493023125190").await;
    assert_eq!((&body["count"], &body["results"][0]["result_type"]), (&json!(1), &json!("user")));
    let (_, body) = visitor.get("/search.json?query=type:ticket%20printer").await;
    assert_eq!(body["results"][0]["subject"], "Printer does not print");
    assert_eq!(visitor.get("/search?query=x&page=11").await.0, 422);
}

#[tokio::test]
async fn the_export_gives_everybody_once_and_later_the_changed_and_deleted() {
    let visitor = Visitor::new(Options::default()).await;
    let mut path = "/incremental/users/cursor.json?start_time=0&per_page=7&include=identities".to_owned();
    let (mut seen, mut lines) = (Vec::new(), 0);
    let cursor = loop {
        let (status, body) = visitor.get(&path).await;
        assert_eq!(status, 200, "{body}");
        seen.extend(body["users"].as_array().unwrap().iter().map(|user| user["id"].as_u64().unwrap()));
        lines += body["identities"].as_array().unwrap().len();
        if body["end_of_stream"] == true {
            break body["after_cursor"].as_str().unwrap().to_owned();
        }
        path = body["after_url"].as_str().unwrap().split_once("/api/v2").unwrap().1.to_owned();
    };
    let state = visitor.sandbox.state();
    let mut all: Vec<u64> =
        state["users"].as_array().unwrap().iter().map(|user| user["id"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    all.sort_unstable();
    assert_eq!(seen, all);
    assert!(lines > 15, "{lines}");

    let (_, body) = visitor.send(Method::POST, "/users", json!({"user": {"name": "Late"}})).await;
    let late = format!("/users/{}", body["user"]["id"]);
    visitor.send(Method::DELETE, &late, json!({})).await;
    let next = format!("/incremental/users/cursor?cursor={}", cursor.replace('=', "%3D"));
    assert_eq!(visitor.get(&next).await.1["users"], json!([]), "the latest minute is kept back");
    visitor.pass(60);
    let (_, body) = visitor.get(&next).await;
    assert_eq!((&body["users"][0]["name"], &body["users"][0]["active"]), (&json!("Late"), &json!(false)));

    let recent = format!("/incremental/users/cursor?start_time={}", visitor.clock.now().as_second() - 59);
    assert_eq!(visitor.get(&recent).await.0, 422);
    let mut last = 0;
    for _ in 0..12 {
        last = visitor.get(&next).await.0;
    }
    assert_eq!(last, 429, "ten a minute");
}

#[tokio::test]
async fn a_merge_takes_the_path_and_keeps_the_body() {
    let visitor = Visitor::new(Options::default()).await;
    let nadja = 9_300_000_002_136_u64;
    let body = json!({"user": {"name": "Caller", "phone": "+493023125191"}});
    let (_, body) = visitor.send(Method::POST, "/users", body).await;
    let caller = body["user"]["id"].as_u64().unwrap();
    let ticket = json!({"ticket": {"comment": {"body": "x"}, "requester_id": caller}});
    let (_, ticket) = visitor.send(Method::POST, "/tickets", ticket).await;
    let (status, body) =
        visitor.send(Method::PUT, &format!("/users/{caller}/merge"), json!({"user": {"id": nadja}})).await;
    assert_eq!((status, &body["user"]["id"]), (200, &json!(nadja)));
    assert_eq!(body["user"]["phone"], "+493023125191");
    let (_, moved) = visitor.get(&format!("/tickets/{}", ticket["ticket"]["id"])).await;
    assert_eq!(moved["ticket"]["requester_id"], nadja);
    let (_, gone) = visitor.get(&format!("/users/{caller}")).await;
    assert_eq!(gone["user"]["active"], false);
}
