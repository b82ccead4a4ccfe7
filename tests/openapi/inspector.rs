//! A client that knows nothing of the daemon's and compares.

use std::collections::BTreeSet;

use reqwest::Method;
use ringdesk::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::file::{as_json_schema, complaints, unknown_keys, validator};

/// A client that holds each answer against the file.
pub struct Inspector {
    pub sandbox: Sandbox,
    pub http: reqwest::Client,
    pub token: String,
    pub file: Value,
    pub seen: BTreeSet<(String, String)>,
    pub complaints: Vec<String>,
    pub unknown: BTreeSet<String>,
}

impl Inspector {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options::default().with("index_delay", "0s").with("limits", "off");
        let sandbox = Sandbox::start(options.with("withhold_last_minute", "off")).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut inspector = Self {
            sandbox,
            http,
            token: String::new(),
            file: as_json_schema(),
            seen: BTreeSet::new(),
            complaints: Vec::new(),
            unknown: BTreeSet::new(),
        };
        let grant = json!({"grant_type": "client_credentials", "client_id": "ringdesk",
            "client_secret": "sandbox-secret", "scope": "read write"});
        let body = inspector.call("POST", "/oauth/tokens", "/oauth/tokens", Some(grant), 201).await;
        inspector.token = body["access_token"].as_str().unwrap().to_owned();
        inspector
    }

    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, reqwest::header::HeaderMap, Value) {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.sandbox.url()));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Calls an operation that must answer `status`, and holds the answer against the file.
    pub async fn call(
        &mut self,
        method: &str,
        template: &str,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let (got, _, answer) = self.raw(method, path, body.as_ref()).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        let operation = &self.file["paths"][template][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {template} is not in the file");
        let response = operation["responses"].get(status.to_string());
        let response = response.unwrap_or_else(|| panic!("{method} {template} has no {status}"));
        match response.get("content") {
            None => assert_eq!(answer, json!(""), "{method} {template} must be empty"),
            Some(content) => {
                let schema = &content["application/json"]["schema"];
                let found = complaints(&validator(&self.file, schema), &answer);
                self.complaints.extend(found.into_iter().map(|text| format!("{method} {template} {text}")));
                unknown_keys(&self.file, schema, &answer, "", &mut self.unknown);
            }
        }
        self.seen.insert((method.to_owned(), template.to_owned()));
        answer
    }

    pub async fn get(&mut self, template: &str, path: &str) -> Value {
        self.call("GET", template, path, None, 200).await
    }
}
