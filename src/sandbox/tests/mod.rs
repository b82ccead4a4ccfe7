//! Stories told to the sandbox over real connections.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Options, Sandbox};
use crate::clock::Clock;

mod calls;
mod fields;
mod login;
mod numbers;
mod people;
mod rules;
mod tickets;
mod wire;
mod words;

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
