//! Stories told to the sandbox over real connections.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Options, Sandbox};
use crate::clock::Clock;

const ANNA: u64 = 9_300_000_001_201;
const DANA: u64 = 9_300_000_001_204;
const SUPPORT: u64 = 9_300_000_000_101;
const PETRA: u64 = 9_007_199_254_743_101;

/// A client that knows nothing of the daemon's.
struct Visitor {
    sandbox: Sandbox,
    clock: Clock,
    http: reqwest::Client,
    token: String,
}

fn beginning() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

impl Visitor {
    async fn new(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::standing_at(beginning());
        let sandbox = Sandbox::start(Options { clock: clock.clone(), ..options }).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut visitor = Self { sandbox, clock, http, token: String::new() };
        visitor.log_in().await;
        visitor
    }

    async fn log_in(&mut self) {
        let grant = json!({"grant_type": "client_credentials", "client_id": "ringdesk",
            "client_secret": "sandbox-secret", "scope": "read write"});
        let answer = self.bare(Method::POST, "/oauth/tokens").json(&grant).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let body: Value = answer.json().await.unwrap();
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sandbox.url()))
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, &format!("/api/v2{path}")).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.ask(Method::GET, path).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        read(self.ask(method, path).json(&body).send().await.unwrap()).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    fn set(&self, name: &str, value: impl Into<Value>) {
        self.sandbox.set_fault(name, value).unwrap();
    }
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect()
}

#[tokio::test]
async fn a_call_becomes_a_voice_ticket_that_opens_at_the_agent() {
    let visitor = Visitor::new(Options::default()).await;
    let (status, body) = visitor
        .send(
            Method::POST,
            "/channels/voice/tickets.json",
            json!({"display_to_agent": ANNA, "ticket": {"via_id": 45, "subject": "Call", "requester_id": PETRA,
                "assignee_id": ANNA, "group_id": SUPPORT, "external_id": "main:1.2", "tags": ["PBX", "a b"],
                "comment": {"body": "She called.", "public": false}}}),
        )
        .await;
    assert_eq!(status, 201, "{body}");
    let ticket = &body["ticket"];
    assert_eq!(ticket["status"], "open", "an assigned ticket is not new");
    assert_eq!(ticket["tags"], json!(["a", "b", "pbx"]));
    assert_eq!(ticket["is_public"], false);

    let state = visitor.sandbox.state();
    assert_eq!(state["screen_pops"][0]["agent_id"], json!(ANNA));
    assert_eq!(state["screen_pops"][0]["ticket_id"], ticket["id"]);
    assert_eq!(state["warnings"], json!([]));
    let (_, found) = visitor.get("/tickets?external_id=main:1.2").await;
    assert_eq!(found["tickets"][0]["id"], ticket["id"]);
    let (_, comments) = visitor.get(&format!("/tickets/{}/comments", ticket["id"])).await;
    assert_eq!(comments["comments"][0]["body"], "She called.");
}

#[tokio::test]
async fn a_wrong_agent_refuses_the_voice_ticket_before_anything_is_made() {
    let visitor = Visitor::new(Options::default()).await;
    let before = visitor.sandbox.state()["counters"]["tickets"].clone();
    let ticket = json!({"via_id": 45, "comment": {"body": "x"}});
    let (status, body) = visitor
        .send(Method::POST, "/channels/voice/tickets", json!({"display_to_agent": PETRA, "ticket": ticket}))
        .await;
    assert_eq!((status, body), (422, json!("")));
    let (status, _) = visitor
        .send(Method::POST, "/channels/voice/tickets", json!({"ticket": {"comment": {"body": "x"}}}))
        .await;
    assert_eq!(status, 422, "via_id is missing");
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], before);

    visitor.set("no_tpe", "404");
    let (status, body) =
        visitor.send(Method::POST, "/channels/voice/tickets", json!({"ticket": ticket})).await;
    assert_eq!((status, &body["error"]), (404, &json!("InvalidEndpoint")));
    visitor.set("no_tpe", "403");
    let (status, body) =
        visitor.send(Method::POST, "/channels/voice/tickets", json!({"ticket": ticket})).await;
    assert_eq!((status, body["error"].is_object()), (403, true));
}

#[tokio::test]
async fn a_pop_needs_an_agent_and_a_ticket() {
    let visitor = Visitor::new(Options::default()).await;
    let pop = async |path: &str| {
        visitor.send(Method::POST, &format!("/channels/voice/agents/{path}/display"), json!({})).await
    };
    assert_eq!(pop(&format!("{ANNA}/tickets/1")).await, (200, json!("")));
    assert_eq!(pop(&format!("{ANNA}/users/{PETRA}")).await, (200, json!("")));
    assert_eq!(pop(&format!("{ANNA}/tickets/99")).await, (404, json!("")));
    assert_eq!(pop(&format!("{PETRA}/tickets/1")).await, (404, json!("")));
    assert_eq!(pop(&format!("x/users/{PETRA}")).await, (404, json!("")));
    assert_eq!(visitor.sandbox.state()["counters"]["screen_pops"], 2);
}

#[tokio::test]
async fn strangers_are_anonymous_at_users_me_and_refused_elsewhere() {
    let visitor = Visitor::new(Options::default()).await;
    let me = async |user: Option<(&str, &str)>| {
        let request = visitor.bare(Method::GET, "/api/v2/users/me.json");
        let request = match user {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        read(request.send().await.unwrap()).await
    };
    let anna = "anna.weber@example.com";
    for stranger in [None, Some((anna, "secret"))] {
        let (status, body) = me(stranger).await;
        assert_eq!((status, &body["user"]["id"]), (200, &Value::Null), "{stranger:?}");
    }
    let token = format!("{anna}/token");
    assert_eq!(me(Some((&token, "wrong"))).await.0, 401);
    visitor.set("wrong_token_me", "anonymous");
    assert_eq!(me(Some((&token, "wrong"))).await.1["user"]["id"], Value::Null);
    let (status, body) = me(Some((&token, "sandbox-api-token"))).await;
    assert_eq!((status, &body["user"]["id"], &body["user"]["role"]), (200, &json!(ANNA), &json!("agent")));
    visitor.set("api_tokens", "refused");
    visitor.set("wrong_token_me", "401");
    assert_eq!(me(Some((&token, "sandbox-api-token"))).await.0, 401);

    let bare = visitor.bare(Method::GET, "/api/v2/groups");
    let (status, body) = read(bare.send().await.unwrap()).await;
    assert_eq!((status, body), (401, json!({"error": "Couldn't authenticate you"})));
    let (_, body) = visitor.get("/users/me").await;
    assert_eq!(body["user"]["role"], "admin");
    assert_eq!(visitor.get("/nowhere").await.1["error"], "InvalidEndpoint");
}

#[tokio::test]
async fn tokens_end_by_the_clock_and_can_be_revoked() {
    let mut visitor = Visitor::new(Options::default().with("token_lifetime", "2s")).await;
    assert_eq!(visitor.get("/groups").await.0, 200);
    visitor.pass(2);
    let (status, body) = visitor.get("/groups").await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_token")));
    visitor.set("token_lifetime", "30m");
    visitor.log_in().await;
    assert_eq!(visitor.get("/groups").await.0, 200);
    assert_eq!(visitor.ask(Method::DELETE, "/oauth/tokens/current").send().await.unwrap().status(), 204);
    assert_eq!(visitor.get("/groups").await.0, 401);
}

#[tokio::test]
async fn the_token_endpoint_refuses_with_the_words_of_rfc_6749() {
    let visitor = Visitor::new(Options::default()).await;
    let grant = async |body: Value| {
        read(visitor.bare(Method::POST, "/oauth/tokens").json(&body).send().await.unwrap()).await
    };
    let good = json!({"grant_type": "client_credentials", "client_id": "ringdesk", "client_secret": "sandbox-secret"});
    let but = |key: &str, value: Value| {
        let mut grant = good.clone();
        grant[key] = value;
        grant
    };
    for (body, status, error) in [
        (but("client_secret", json!("wrong")), 401, "invalid_client"),
        (but("client_id", json!("nobody")), 401, "invalid_client"),
        (but("grant_type", json!("password")), 400, "unsupported_grant_type"),
        (but("grant_type", json!("refresh_token")), 400, "invalid_grant"),
        (but("expires_in", json!(10)), 400, "invalid_request"),
        (json!({}), 400, "invalid_request"),
    ] {
        let (got, answer) = grant(body.clone()).await;
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{body}");
    }
    let form = visitor
        .bare(Method::POST, "/oauth/tokens")
        .header("content-type", "application/x-www-form-urlencoded");
    let form = form
        .body("grant_type=client_credentials&client_id=ringdesk&client_secret=sandbox-secret&expires_in=300");
    let (status, body) = read(form.send().await.unwrap()).await;
    assert_eq!((status, &body["expires_in"]), (201, &json!(300)));
    let requests = visitor.sandbox.state()["requests"].to_string();
    assert!(!requests.contains("sandbox-secret"), "secrets are not shown");
}

#[tokio::test]
async fn a_scope_limits_what_a_token_may_do() {
    let mut visitor = Visitor::new(Options::default()).await;
    let grant = json!({"grant_type": "client_credentials", "client_id": "ringdesk",
        "client_secret": "sandbox-secret", "scope": "users:read"});
    let answer = visitor.bare(Method::POST, "/oauth/tokens").json(&grant).send().await.unwrap();
    visitor.token = read(answer).await.1["access_token"].as_str().unwrap().to_owned();
    assert_eq!(visitor.get("/users").await.0, 200);
    let (status, body) = visitor.get("/search?query=type:user").await;
    assert_eq!(status, 403, "search has no narrow scope");
    assert_eq!(body["description"], "You are missing the following required scopes: read");
    assert_eq!(visitor.send(Method::POST, "/users", json!({"user": {"name": "x"}})).await.0, 403);
}

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
    assert_eq!(body["user"]["user_fields"], json!({"mobile": null, "phone_2": "+491"}));
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
async fn a_ticket_is_refused_with_shape_d_for_each_reason() {
    let visitor = Visitor::new(Options::default().with("locale", "de")).await;
    let otto = 9_300_000_002_134_u64;
    let maria = 9_300_000_002_135_u64;
    for (ticket, field) in [
        (json!({"subject": "x"}), "base"),
        (json!({"comment": {"body": " "}}), "base"),
        (json!({"comment": {"body": "x"}, "requester_id": 5}), "requester"),
        (json!({"comment": {"body": "x"}, "requester_id": otto}), "requester"),
        (json!({"comment": {"body": "x"}, "requester_id": maria}), "requester"),
        (json!({"comment": {"body": "x"}, "requester": {"email": "new@example.org"}}), "requester"),
        (json!({"comment": {"body": "x"}, "assignee_id": PETRA}), "assignee"),
        (json!({"comment": {"body": "x"}, "assignee_id": DANA, "group_id": SUPPORT}), "assignee"),
        (json!({"comment": {"body": "x"}, "group_id": 5}), "group"),
        (json!({"comment": {"body": "x"}, "status": "solved"}), "base"),
        (json!({"comment": {"body": "x"}, "status": "lost"}), "status"),
    ] {
        let (status, body) = visitor.send(Method::POST, "/tickets", json!({"ticket": ticket})).await;
        assert_eq!((status, &body["error"]), (422, &json!("RecordInvalid")), "{ticket} {body}");
        assert!(body["details"][field][0]["description"].is_string(), "{ticket} {body}");
        assert_eq!(body["description"], "Validierungsfehler im Datensatz");
    }
    let (status, body) =
        visitor.send(Method::POST, "/tickets", json!({"ticket": {"requester_id": "5"}})).await;
    assert_eq!((status, body["error"].is_object()), (400, true));
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 1);
}

#[tokio::test]
async fn a_ticket_lives_from_new_to_closed_and_keeps_an_audit() {
    let visitor = Visitor::new(Options::default()).await;
    let (status, body) =
        visitor.send(Method::POST, "/tickets", json!({"ticket": {"comment": {"body": "hello"}}})).await;
    assert_eq!((status, &body["ticket"]["status"]), (201, &json!("new")));
    assert_eq!(body["audit"]["events"][0]["type"], "Comment");
    let path = format!("/tickets/{}.json", body["ticket"]["id"]);
    let put = async |ticket: Value| visitor.send(Method::PUT, &path, json!({"ticket": ticket})).await;

    let (_, body) = put(json!({"assignee_id": DANA})).await;
    assert_eq!(body["ticket"]["status"], "open");
    assert_eq!(body["ticket"]["group_id"], 9_300_000_000_103_u64, "the agent's default group");
    let changes: Vec<&str> = body["audit"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["field_name"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["assignee_id", "group_id", "status"]);
    let (_, body) = put(json!({"group_id": SUPPORT})).await;
    assert_eq!(body["ticket"]["assignee_id"], Value::Null, "Dana is not in Support");
    let (_, body) = put(json!({"group_id": SUPPORT})).await;
    assert!(body.get("audit").is_none(), "nothing changed");
    let (_, body) =
        put(json!({"assignee_id": ANNA, "status": "closed", "comment": {"body": "bye", "public": false}}))
            .await;
    assert_eq!(body["ticket"]["status"], "closed");
    let (status, body) = put(json!({"comment": {"body": "more"}})).await;
    assert_eq!((status, body["details"]["status"].is_array()), (422, true));
    let tags = path.replace(".json", "/tags");
    assert_eq!(visitor.send(Method::PUT, &tags, json!({"tags": ["x"]})).await.0, 422);

    let id: u64 = path.trim_start_matches("/tickets/").trim_end_matches(".json").parse().unwrap();
    let follow = json!({"ticket": {"via_followup_source_id": id, "comment": {"body": "again"}}});
    let (status, body) = visitor.send(Method::POST, "/tickets", follow).await;
    assert_eq!((status, &body["ticket"]["via"]["source"]["rel"]), (201, &json!("follow_up")));
    let (_, body) = visitor.get(&path).await;
    assert_eq!(body["ticket"]["followup_ids"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tags_are_set_added_and_removed() {
    let visitor = Visitor::new(Options::default()).await;
    let tags = async |method: Method, body: Value| visitor.send(method, "/tickets/1/tags", body).await;
    assert_eq!(tags(Method::PUT, json!({"tags": ["VIP"]})).await, (200, json!({"tags": ["printer", "vip"]})));
    assert_eq!(tags(Method::DELETE, json!({"tags": ["printer"]})).await, (200, json!({"tags": ["vip"]})));
    assert_eq!(tags(Method::POST, json!({"tags": "a b"})).await, (201, json!({"tags": ["a", "b"]})));
}

#[tokio::test]
async fn a_safe_update_notices_that_somebody_was_quicker() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) = visitor.get("/tickets/1").await;
    let stamp = body["ticket"]["updated_at"].clone();
    let wish = json!({"ticket": {"safe_update": true, "updated_stamp": stamp, "priority": "high"}});
    assert_eq!(visitor.send(Method::PUT, "/tickets/1", wish.clone()).await.0, 200);
    let (status, body) = visitor.send(Method::PUT, "/tickets/1", wish).await;
    assert_eq!((status, &body["error"]), (409, &json!("UpdateConflict")));
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_ticket_for_two_hours() {
    let visitor = Visitor::new(Options::default()).await;
    let post = async |subject: &str| {
        let body = json!({"ticket": {"subject": subject, "comment": {"body": "x"}}});
        let request = visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "call-1").json(&body);
        let answer = request.send().await.unwrap();
        let lookup = answer.headers().get("x-idempotency-lookup").map(|v| v.to_str().unwrap().to_owned());
        let (status, body) = read(answer).await;
        (status, lookup, body)
    };
    let (status, lookup, first) = post("a").await;
    assert_eq!((status, lookup.as_deref()), (201, Some("miss")));
    let (status, lookup, again) = post("a").await;
    assert_eq!((status, lookup.as_deref(), &again), (201, Some("hit"), &first));
    let (status, _, body) = post("b").await;
    assert_eq!((status, &body["error"]), (400, &json!("IdempotentRequestError")));
    visitor.pass(2 * 60 * 60);
    visitor.set("limits", "off");
    visitor.set("token_lifetime", "24h");
    let mut visitor = visitor;
    visitor.log_in().await;
    let body = json!({"ticket": {"subject": "b", "comment": {"body": "x"}}});
    let request = visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "call-1").json(&body);
    assert_eq!(request.send().await.unwrap().headers()["x-idempotency-lookup"], "miss");
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 3);
}

#[tokio::test]
async fn a_second_request_with_the_key_of_one_in_flight_gets_409() {
    let visitor = Visitor::new(Options::default().with("slow@/tickets", "300ms")).await;
    let body = json!({"ticket": {"comment": {"body": "x"}}});
    let post = || visitor.ask(Method::POST, "/tickets").header("Idempotency-Key", "k").json(&body).send();
    let (one, two) = tokio::join!(post(), post());
    let mut statuses = [one.unwrap().status().as_u16(), two.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_reset_after_commit_leaves_a_ticket_and_no_answer() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.set("reset_after_commit", 1);
    let body = json!({"ticket": {"comment": {"body": "x"}, "external_id": "main:9"}});
    assert_eq!(visitor.get("/groups").await.0, 200, "reads do not use it up");
    let error = visitor.ask(Method::POST, "/tickets").json(&body).send().await.unwrap_err();
    let chain = format!("{error:?}");
    assert!(chain.contains("ConnectionReset"), "a reset, not an orderly end: {chain}");
    let (_, found) = visitor.get("/tickets?external_id=main:9").await;
    assert_eq!(found["count"], 1);

    visitor.set("reset_before", 1);
    assert!(visitor.ask(Method::POST, "/tickets").json(&body).send().await.is_err());
    assert_eq!(visitor.get("/tickets?external_id=main:9").await.1["count"], 1);
    let state = visitor.sandbox.state();
    let fates: Vec<&Value> = state["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| !request["fault"].is_null())
        .map(|request| &request["fault"])
        .collect();
    assert_eq!(fates, ["reset_after_commit", "reset_before"]);
}

#[tokio::test]
async fn a_cut_answer_ends_in_the_middle_and_the_work_is_done() {
    let visitor = Visitor::new(Options::default().with("cut_answer@POST /tickets", 1)).await;
    let body = json!({"ticket": {"comment": {"body": "x"}}});
    let answer = visitor.ask(Method::POST, "/tickets").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.text().await.is_err());
    assert_eq!(visitor.sandbox.state()["counters"]["tickets"], 2);
}

#[tokio::test]
async fn outages_have_their_statuses_headers_and_pages() {
    let visitor = Visitor::new(Options::default()).await;
    visitor.set("503", "4s");
    visitor.set("retry_after", 5);
    let answer = visitor.ask(Method::GET, "/groups").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    visitor.pass(4);
    assert_eq!(visitor.get("/groups").await.0, 200);

    visitor.set("html_502", 1);
    let (status, page) = visitor.get("/groups").await;
    assert_eq!((status, page.as_str().unwrap().starts_with("<html>")), (502, true));
    visitor.set("database_conflict", 1);
    assert_eq!(visitor.get("/groups").await.0, 200);
    let (status, body) = visitor.send(Method::POST, "/users", json!({"user": {"name": "x"}})).await;
    assert_eq!((status, &body["error"]), (409, &json!("DatabaseConflict")));
    visitor.set("429", 1);
    visitor.set("retry_after", "none");
    let answer = visitor.ask(Method::GET, "/groups").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (429, None));
    visitor.set("down", 1);
    assert!(visitor.ask(Method::GET, "/groups").send().await.is_err());
}

#[tokio::test]
async fn a_hanging_endpoint_never_answers_and_does_not_hold_up_the_others() {
    let visitor = Visitor::new(Options::default().with("hang", "users/search")).await;
    let hanging = visitor.ask(Method::GET, "/users/search?query=x").send();
    tokio::select! {
        answer = hanging => panic!("it answered: {answer:?}"),
        (status, _) = visitor.get("/groups") => assert_eq!(status, 200),
    }
    let Visitor { sandbox, http, .. } = visitor;
    drop(http);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_work_is_done_even_when_the_client_has_left() {
    let visitor = Visitor::new(Options::default().with("slow@POST /tickets", "100ms")).await;
    let body = json!({"ticket": {"comment": {"body": "x"}, "external_id": "gone"}});
    let request =
        visitor.ask(Method::POST, "/tickets").json(&body).timeout(std::time::Duration::from_millis(20));
    assert!(request.send().await.unwrap_err().is_timeout());
    let mut tries = 0;
    while visitor.get("/tickets?external_id=gone").await.1["count"] == 0 {
        tries += 1;
        assert!(tries < 90, "never done");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_account_limit_is_shared_and_shown_in_headers() {
    let options = Options::default().with("plan", "10").with("foreign_traffic", 8);
    let visitor = Visitor::new(options).await;
    let answer = visitor.ask(Method::GET, "/groups").send().await.unwrap();
    assert_eq!(answer.headers()["x-rate-limit-remaining"], "1");
    visitor.get("/groups").await;
    let (status, body) = visitor.get("/groups").await;
    assert_eq!((status, body), (429, json!("Number of allowed API requests per minute exceeded")));
    visitor.pass(60);
    assert_eq!(visitor.get("/groups").await.0, 200);
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

#[tokio::test]
async fn an_upload_is_used_up_by_the_comment_it_hangs_on() {
    let visitor = Visitor::new(Options::default()).await;
    let upload = visitor.ask(Method::POST, "/uploads.json?filename=call.wav");
    let upload = upload.header("content-type", "audio/wav").body("RIFF").send().await.unwrap();
    let (status, body) = read(upload).await;
    assert_eq!((status, &body["upload"]["attachment"]["size"]), (201, &json!(4)));
    let token = body["upload"]["token"].clone();
    let comment = json!({"ticket": {"comment": {"body": "recording", "uploads": [token]}}});
    let (status, _) = visitor.send(Method::PUT, "/tickets/1", comment.clone()).await;
    assert_eq!(status, 200);
    let (_, body) = visitor.get("/tickets/1/comments?sort=-created_at").await;
    assert_eq!(body["comments"][0]["attachments"][0]["file_name"], "call.wav");
    assert_eq!(visitor.send(Method::PUT, "/tickets/1", comment).await.0, 422);
}

#[tokio::test]
async fn the_controls_show_set_and_reset() {
    let visitor = Visitor::new(Options::default()).await;
    let control = async |method: Method, path: &str, body: Value| {
        read(visitor.bare(method, path).json(&body).send().await.unwrap()).await
    };
    let (status, _) = control(Method::POST, "/_sandbox/faults", json!({"503": 1, "locale": "de"})).await;
    assert_eq!(status, 204);
    assert_eq!(visitor.get("/groups").await.0, 503);
    let (status, body) = control(Method::POST, "/_sandbox/faults", json!({"burn": 1})).await;
    assert_eq!((status, body["error"].as_str().unwrap().contains("`burn`")), (422, true));
    let (_, state) = control(Method::GET, "/_sandbox/state", Value::Null).await;
    assert_eq!(state["counters"]["faults"]["503"], 1);
    assert_eq!(state["requests"].as_array().unwrap().len(), 2, "the log-in and the list of groups");
    control(Method::POST, "/_sandbox/reset", Value::Null).await;
    assert_eq!(visitor.sandbox.state()["requests"], json!([]));
}

#[tokio::test]
async fn a_wrong_seed_or_fault_is_told_at_the_start() {
    let error = Sandbox::start(Options::default().with("plan", "gold")).await.err().unwrap();
    assert!(error.to_string().contains("`plan=gold`"), "{error}");
}
