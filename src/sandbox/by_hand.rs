//! What a person does in the browser meanwhile, for tests: `POST /_sandbox/as_agent`.
//!
//! The order is a request of the same API, done as an admin or as the named agent. It is not in the list
//! of requests, counts in no limit, is struck by no fault, and its audits say `via.channel` "web".

use serde_json::{Value, json};

use super::auth::{Access, Caller};
use super::exchange::{Answer, Ask, Content};
use super::routes;
use super::world::{Role, World};
use jiff::Timestamp;

/// What was ordered in somebody's name was refused, or could not be understood.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("what the agent wanted was refused with {status}: {body}")]
pub struct ByHandError {
    /// The status the API would answer with.
    pub status: u16,
    /// Its body.
    pub body: Value,
}

/// Does `{"method": "PUT", "path": "/tickets/5", "body": {…}, "as": "ADDRESS"}`. `body` may be missing, and `as`, too:
/// then it is the first admin of the account.
pub(super) fn act(world: &mut World, order: &Value, now: Timestamp) -> Answer {
    let (Some(method), Some(path)) = (order["method"].as_str(), order["path"].as_str()) else {
        return complain(400, "write {\"method\": …, \"path\": …, \"body\": …}");
    };
    let staff = |address: Option<&str>| {
        world.users.values().find(|user| match address {
            Some(address) => user.active && user.email.as_deref() == Some(address),
            None => user.active && user.role == Role::Admin,
        })
    };
    let Some(user) = staff(order["as"].as_str()) else {
        return complain(422, "there is nobody of this name, or no admin");
    };
    let caller = Caller { user_id: user.id, role: user.role, access: Access::all() };
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    let (path, query_text) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("content-type", axum::http::HeaderValue::from_static("application/json"));
    let ask = Ask {
        method: method.to_uppercase(),
        path: format!("/api/v2/{}", path.trim_start_matches('/')),
        query: url::form_urlencoded::parse(query_text.as_bytes()).into_owned().collect(),
        query_text: query_text.to_owned(),
        headers,
        body: order.get("body").map(|body| body.to_string().into_bytes()).unwrap_or_default(),
    };
    let (limits, warnings) = (world.switches.limits, world.warnings.len());
    (world.switches.limits, world.by_hand) = (false, true);
    let answer = routes::perform_as(world, &ask, caller, now);
    (world.switches.limits, world.by_hand) = (limits, false);
    // A test that orders nonsense must hear of it, and the client's warnings stay the client's.
    let strange = world.warnings.split_off(warnings);
    match strange.is_empty() {
        true => answer,
        false => Answer::json(
            422,
            json!({"error": "done, but the API does not know all of it", "warnings": strange}),
        ),
    }
}

/// The answer's body, or why there is none.
pub(super) fn outcome(answer: Answer) -> Result<Value, ByHandError> {
    let body = match answer.content {
        Content::Json(body) => body,
        Content::Text(text) => json!(text),
        Content::Empty | Content::Html(_) => Value::Null,
    };
    match answer.status {
        200..300 => Ok(body),
        status => Err(ByHandError { status, body }),
    }
}

fn complain(status: u16, text: &str) -> Answer {
    Answer::json(status, json!({"error": text}))
}
