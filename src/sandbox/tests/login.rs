//! Who may ask, and how often.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, Visitor, read};
use crate::sandbox::Options;

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
