//! What an answer means: status first, then the body, never its English text.
//!
//! Zendesk has four shapes of error bodies beside empty, plain and HTML ones, and it translates
//! what is meant for people. So only statuses, code words and field names are looked at, and only
//! they are told on: a text may hold a caller's number.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::crm::CrmError;
use crate::crm::http::{NoReply, Reply};
use crate::delivery::DeliveryError;

/// How long is waited after 429 without `Retry-After`, as Zendesk's own Ruby client does.
const LIMITED: Duration = Duration::from_secs(10);
/// No stop is shorter: `Retry-After: 0` would have us ask as fast as we can.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// No stop is longer than this, whatever a header says: the limits of Zendesk end within an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Why a request did not end with an answer that its sender must look at.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// Nobody answered, or the far side failed.
    Away {
        /// It may have been done all the same.
        unclear: bool,
        /// It was sent and the time ran out: it may even still be being done.
        timed_out: bool,
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Not now.
    Wait {
        wait: Duration,
        /// It may have been done all the same.
        unclear: bool,
    },
    /// It will never be accepted; says how it was answered.
    Refused(String),
    /// Who we are is not believed. No request is sent until the time is over.
    LoginRefused { text: String, pause: Duration },
    /// An answer came that is none.
    Odd { unclear: bool, reason: String },
}

/// What is wrong with the answer, as an error's cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Told(pub String);

impl Failure {
    pub(super) fn no_reply(error: NoReply, writes: bool) -> Self {
        let (unclear, timed_out) = (error.sent && writes, error.sent && error.timed_out);
        Self::Away { unclear, timed_out, source: Arc::new(error) }
    }

    /// Nothing was sent: first there must be waited.
    pub(super) fn wait(wait: Duration) -> Self {
        Self::Wait { wait, unclear: false }
    }

    pub(super) fn away(unclear: bool, reason: impl Into<String>) -> Self {
        Self::Away { unclear, timed_out: false, source: Arc::new(Told(reason.into())) }
    }

    /// True when the request may have been done.
    pub(super) fn unclear(&self) -> bool {
        matches!(
            self,
            Self::Away { unclear: true, .. }
                | Self::Odd { unclear: true, .. }
                | Self::Wait { unclear: true, .. }
        )
    }

    pub(super) fn timed_out(&self) -> bool {
        matches!(self, Self::Away { timed_out: true, .. })
    }

    /// What it means for owed work. `unclear`: an earlier attempt may have done it.
    pub(super) fn owed(self, what: &'static str, unclear: bool) -> DeliveryError {
        let unclear = unclear || self.unclear();
        match self {
            Self::Away { source, .. } => DeliveryError::Retry { what, unclear, source: Box::new(source) },
            Self::Odd { reason, .. } => {
                DeliveryError::Retry { what, unclear, source: Box::new(Told(reason)) }
            }
            Self::Wait { wait, .. } => DeliveryError::Wait(wait),
            Self::Refused(reason) => DeliveryError::Refused { reason },
            Self::LoginRefused { pause, .. } => DeliveryError::Wait(pause),
        }
    }

    /// What it means for a question.
    pub(super) fn asked(self, what: &'static str) -> CrmError {
        match self {
            Self::Away { source, .. } => CrmError::Away { what, source: Box::new(source) },
            Self::Wait { wait, .. } => CrmError::Wait(wait),
            Self::Refused(reason) => CrmError::Odd { what, reason },
            Self::LoginRefused { text, .. } => CrmError::LoginRefused(text),
            Self::Odd { reason, .. } => CrmError::Odd { what, reason },
        }
    }
}

/// An answer that its sender looks at: success, or a refusal.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    writes: bool,
}

impl Answer {
    /// Sorts an answer: what is said about the request itself is handed on, the rest is a failure.
    /// A 401 is handed on as well: a new token may help.
    pub(super) fn sort(reply: Reply, writes: bool, now: jiff::Timestamp) -> Result<Self, Failure> {
        let retry_after = reply.retry_after(now).map(|wait| wait.clamp(SHORTEST_WAIT, LONGEST_WAIT));
        let answer = Self { status: reply.status, body: reply.body, writes };
        match (answer.status, retry_after) {
            (429, wait) => Err(Failure::Wait { wait: wait.unwrap_or(LIMITED), unclear: false }),
            // Most likely nothing was done, but only 429 says so.
            (503, Some(wait)) => Err(Failure::Wait { wait, unclear: writes }),
            // A collision: nothing was done. Other conflicts say that the same is being done just now.
            (409, _) => {
                let complaint = answer.complaint();
                let clear = matches!(complaint.code.as_deref(), Some("DatabaseConflict" | "UpdateConflict"));
                Err(Failure::away(writes && !clear, answer.reason()))
            }
            (408 | 425 | 500.., _) => Err(Failure::away(writes, answer.reason())),
            (..=199, _) => Err(Failure::Odd { unclear: writes, reason: answer.reason() }),
            (300..=399, _) => Err(Failure::Odd {
                unclear: false,
                reason: format!("answered {}, a redirect: check the address of the account", answer.status),
            }),
            _ => Ok(answer),
        }
    }

    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.ok() {
            return Err(Failure::Refused(self.reason()));
        }
        serde_json::from_slice(&self.body).map_err(|error| Failure::Odd {
            unclear: self.writes,
            // The error's own text may quote the body.
            reason: format!(
                "answered {} with a body that cannot be understood (line {}, column {})",
                self.status,
                error.line(),
                error.column()
            ),
        })
    }

    /// What is complained about.
    pub(super) fn complaint(&self) -> Complaint {
        Complaint::read(&self.body)
    }

    /// The refusal in words that hold no caller's data.
    pub(super) fn reason(&self) -> String {
        let complaint = self.complaint();
        let mut text = format!("answered {}", self.status);
        if let Some(code) = &complaint.code {
            text.push_str(&format!(" {code}"));
        }
        if !complaint.fields.is_empty() {
            text.push_str(&format!(" about {}", complaint.fields.join(", ")));
        }
        text
    }
}

/// The parts of an error body that are not translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The code word, such as `RecordInvalid`.
    pub code: Option<String>,
    /// The names of the fields complained about.
    pub fields: Vec<String>,
    /// The code words of the single complaints, such as `DuplicateValue`.
    pub details: Vec<String>,
    /// The ids of the custom fields complained about.
    pub field_ids: Vec<u64>,
}

impl Complaint {
    fn read(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let mut fields = Vec::new();
        let mut details = Vec::new();
        let mut field_ids = Vec::new();
        for (name, complaints) in body["details"].as_object().into_iter().flatten() {
            fields.extend(word(name));
            let complaints = complaints.as_array().map_or(std::slice::from_ref(complaints), Vec::as_slice);
            details.extend(complaints.iter().filter_map(|one| word(one["error"].as_str()?)));
            field_ids.extend(complaints.iter().filter_map(|one| one["ticket_field_id"].as_u64()));
        }
        let code = match (&body["error"], &body["errors"][0]["code"]) {
            (Value::String(code), _) | (_, Value::String(code)) => word(code),
            // The title is translated, but whoever sees it in a log knows more than by a number.
            (Value::Object(error), _) => error.get("title").and_then(Value::as_str).and_then(word),
            _ => None,
        };
        Self { code, fields, details, field_ids }
    }

    /// True when one of the fields is this record or its id.
    pub(super) fn about(&self, record: &str) -> bool {
        self.fields.iter().any(|field| field == record || field.strip_suffix("_id") == Some(record))
    }

    pub(super) fn has_detail(&self, code: &str) -> bool {
        self.details.iter().any(|detail| detail == code)
    }
}

/// Only one word of letters is passed on: whatever else it is was meant for people.
fn word(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let short = (1..=48).contains(&text.len()) && text.chars().all(fits);
    let number = text.chars().filter(char::is_ascii_digit).count() > 4;
    (short && !number).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
