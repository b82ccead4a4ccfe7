//! One errand at Zendesk: its requests, one after the other, with everything that belongs to each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::Zendesk;
use super::failure::{Answer, Failure};
use crate::call::Urgency;
use crate::clock;
use crate::crm::http::{self, Reply};

/// What is read of a file at once.
const PIECE: usize = 64 * 1024;

/// A file that goes as it is, straight from the disk.
pub(super) struct UploadFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Its media type.
    pub kind: &'static str,
    /// How long sending it may take.
    pub limit: Duration,
}

enum Body {
    None,
    Json(Vec<u8>),
    File(UploadFile),
}

/// A request.
pub(super) struct Ask {
    method: Method,
    /// The path with the names of its parts, for the log.
    template: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Body,
    idempotency_key: Option<String>,
}

impl Ask {
    /// A question. `template` is the path below `/api/v2`; each `{}` is filled with one of `ids`.
    pub fn get(template: &'static str, ids: &[u64]) -> Self {
        Self::new(Method::GET, template, ids)
    }

    pub fn post(template: &'static str, ids: &[u64]) -> Self {
        Self::new(Method::POST, template, ids)
    }

    pub fn put(template: &'static str, ids: &[u64]) -> Self {
        Self::new(Method::PUT, template, ids)
    }

    pub fn patch(template: &'static str, ids: &[u64]) -> Self {
        Self::new(Method::PATCH, template, ids)
    }

    pub fn delete(template: &'static str, ids: &[u64]) -> Self {
        Self::new(Method::DELETE, template, ids)
    }

    fn new(method: Method, template: &'static str, ids: &[u64]) -> Self {
        let mut path = String::with_capacity(template.len() + 40);
        let mut ids = ids.iter();
        for (place, part) in template.split("{}").enumerate() {
            if place > 0 {
                path.extend(ids.next().map(u64::to_string));
            }
            path.push_str(part);
        }
        Self { method, template, path, query: Vec::new(), body: Body::None, idempotency_key: None }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The body, made to bytes once: a repetition is the same to the last one.
    pub fn body(mut self, body: &Value) -> Self {
        self.body = Body::Json(body.to_string().into_bytes());
        self
    }

    /// A file as the body.
    pub fn file(mut self, file: UploadFile) -> Self {
        self.body = Body::File(file);
        self
    }

    pub fn once(mut self, key: String) -> Self {
        self.idempotency_key = Some(key);
        self
    }
}

/// One errand: who sends it, how urgent it is, and what it has cost.
pub(super) struct Errand<'a> {
    pub zendesk: &'a Zendesk,
    urgency: Urgency,
    requests: AtomicU32,
}

impl<'a> Errand<'a> {
    pub fn new(zendesk: &'a Zendesk, urgency: Urgency) -> Self {
        Self { zendesk, urgency, requests: AtomicU32::new(0) }
    }

    /// What it has cost so far, in words.
    pub fn cost(&self) -> String {
        match self.requests.load(Relaxed) {
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        }
    }

    /// Sends a request. After a 401 it is sent once more with a new token.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let answer = self.signed(ask).await;
        if let Err(Failure::Wait { .. }) = &answer {
            self.zendesk.counters.wait();
        }
        answer
    }

    async fn signed(&self, ask: &Ask) -> Result<Answer, Failure> {
        let Zendesk { login, client, counters, .. } = self.zendesk;
        let mut refused = None;
        loop {
            let proof = login.proof(client, refused.as_ref(), self.urgency, counters).await?;
            let (reply, duration) = {
                let _permit = self.zendesk.budget.permit(self.urgency).await.map_err(Failure::wait)?;
                let mut request =
                    client.request(ask.method.clone(), format!("{}/api/v2{}", self.zendesk.root, ask.path));
                if !ask.query.is_empty() {
                    request = request.query(&ask.query);
                }
                match &ask.body {
                    Body::None => {}
                    Body::Json(body) => {
                        request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
                    }
                    Body::File(file) => {
                        let Ok(opened) = tokio::fs::File::open(&file.path).await else {
                            return Err(Failure::Refused("the file is not kept any more".to_owned()));
                        };
                        let stream = ReaderStream::with_capacity(opened, PIECE);
                        request = request
                            .header(CONTENT_TYPE, file.kind)
                            .header(CONTENT_LENGTH, file.bytes)
                            .timeout(file.limit)
                            .body(reqwest::Body::wrap_stream(stream));
                    }
                }
                if let Some(key) = &ask.idempotency_key {
                    request = request.header("idempotency-key", key);
                }
                let begun = clock::instant();
                self.requests.fetch_add(1, Relaxed);
                (http::send(login.sign(request, &proof)).await, begun.elapsed())
            };
            self.note(ask, reply.as_ref().ok(), duration);
            let writes = ask.method != Method::GET;
            let reply = reply.map_err(|error| Failure::no_reply(error, writes))?;
            if reply.status == 401 {
                if refused.is_none() && !login.is_dated() {
                    counters.retry();
                    refused = Some(proof);
                    continue;
                }
                return Err(login.refuse(login.refusal()));
            }
            login.believed();
            self.listen(&reply);
            let answer = Answer::sort(reply, writes, self.zendesk.clock.now());
            if let Err(Failure::Wait { wait, .. }) = &answer {
                self.zendesk.budget.stop(*wait);
            }
            return answer;
        }
    }

    /// Logs a request: never its query or body, they hold callers' numbers.
    fn note(&self, ask: &Ask, reply: Option<&Reply>, duration: Duration) {
        let status = reply.map(|reply| reply.status);
        self.zendesk.counters.answer(status);
        let duration_ms = duration.as_millis() as u64;
        tracing::debug!(method = %ask.method, path = ask.template, status, duration_ms, "asked Zendesk");
        if let Some(warning) = reply.and_then(|reply| reply.header("x-zendesk-api-warn")) {
            // What follows may quote values.
            let warning = warning.split(":invalid_values").next().unwrap_or_default();
            let warning: String = warning.chars().take(300).collect();
            tracing::warn!(method = %ask.method, path = ask.template, warning, "Zendesk dropped a part of a request");
        }
    }

    /// Takes note of what is left of the account's minute.
    fn listen(&self, reply: &Reply) {
        let number =
            |names: &[&str]| names.iter().find_map(|name| reply.header(name)?.trim().parse::<u64>().ok());
        let limit = number(&["x-rate-limit", "ratelimit-limit", "rate-limit"]);
        let remaining = number(&["x-rate-limit-remaining", "ratelimit-remaining", "rate-limit-remaining"]);
        if let (Some(limit), Some(remaining)) = (limit, remaining) {
            let resets = number(&["ratelimit-reset", "rate-limit-reset"]).map(Duration::from_secs);
            self.zendesk.budget.heard(limit, remaining, resets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_with_its_ids() {
        let ask = Ask::post("/channels/voice/agents/{}/tickets/{}/display", &[7, 9_007_199_254_743_101]);
        assert_eq!(ask.path, "/channels/voice/agents/7/tickets/9007199254743101/display");
        assert_eq!(Ask::get("/users/me", &[]).path, "/users/me");
    }
}
