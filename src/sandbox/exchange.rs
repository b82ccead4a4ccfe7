//! One request and its answer, in the sandbox's own form; the four error shapes of Zendesk.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug)]
pub(super) struct Ask {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query as sent; empty when there is none.
    pub query_text: String,
    /// The decoded query: a plus is a blank, as with every form encoding.
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Ask {
    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter, written `name` or `name[]`.
    pub fn params(&self, name: &str) -> Vec<&str> {
        let listed = format!("{name}[]");
        let mine = self.query.iter().filter(|(key, _)| key == name || *key == listed);
        mine.map(|(_, value)| value.as_str()).collect()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// True when something is asked to change.
    pub fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// What an answer carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Nothing at all.
    Empty,
    /// JSON.
    Json(Value),
    /// Plain text.
    Text(String),
    /// A page as proxies give it.
    Html(&'static str),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides those of the content.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: Content,
}

/// An answer either way; `Err` is a refusal, which has the same form.
pub(super) type Outcome = Result<Answer, Answer>;

impl Answer {
    /// JSON with this status.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(body) }
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }

    /// Plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), content: Content::Text(text.into()) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The answer as HTTP.
    pub fn into_http(self) -> Response<Body> {
        let mut builder = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let (kind, body) = match self.content {
            Content::Empty => (None, Body::empty()),
            Content::Json(body) => (Some("application/json; charset=utf-8"), Body::from(body.to_string())),
            Content::Text(text) => (Some("text/plain; charset=utf-8"), Body::from(text)),
            Content::Html(page) => (Some("text/html; charset=UTF-8"), Body::from(page)),
        };
        if let Some(kind) = kind {
            builder = builder.header(header::CONTENT_TYPE, kind);
        }
        builder.body(body).unwrap_or_else(|_| Response::new(Body::from("a header was not valid")))
    }

    /// The size of the body in bytes, as it will be sent.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Empty => 0,
            Content::Json(body) => body.to_string().len(),
            Content::Text(text) => text.len(),
            Content::Html(page) => page.len(),
        }
    }
}

/// The language of every text that is meant for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lang {
    /// en-US
    #[default]
    English,
    /// de
    German,
}

impl Lang {
    /// The text in this language.
    pub fn say<'a>(self, english: &'a str, german: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::German => german,
        }
    }

    /// Shape A, 404: no such record.
    pub fn not_found(self) -> Answer {
        self.shape_a(404, "RecordNotFound", "Not found", "Nicht gefunden")
    }

    /// Shape A, 404: no such route, or a feature the plan lacks.
    pub fn no_endpoint(self) -> Answer {
        self.shape_a(404, "InvalidEndpoint", "Not found", "Nicht gefunden")
    }

    /// Shape A.
    pub fn shape_a(self, status: u16, error: &str, english: &str, german: &str) -> Answer {
        Answer::json(status, json!({"error": error, "description": self.say(english, german)}))
    }

    /// Shape B, 403: role or plan forbids.
    pub fn forbidden(self) -> Answer {
        let message = self.say(
            "You do not have access to this page. Please contact the account owner of this help desk for further help.",
            "Sie haben keinen Zugriff auf diese Seite. Wenden Sie sich an den Inhaber dieses Helpdesk-Kontos.",
        );
        Answer::json(
            403,
            json!({"error": {"title": self.say("Forbidden", "Zugriff verweigert"), "message": message}}),
        )
    }

    /// Shape B, 400: a parameter has the wrong type.
    pub fn wrong_type(self, name: &str, wanted: &str) -> Answer {
        let message = match self {
            Self::English => format!(
                "You passed an invalid value for the {name} attribute. Invalid parameter: {name} must be {wanted}"
            ),
            Self::German => format!(
                "Sie haben einen ungültigen Wert für das Attribut {name} übergeben. {name} muss sein: {wanted}"
            ),
        };
        Answer::json(
            400,
            json!({"error": {"title": self.say("Invalid attribute", "Ungültiges Attribut"), "message": message}}),
        )
    }

    /// Shape C, 400: paging.
    pub fn bad_paging(self, code: &str, english: &str, german: &str) -> Answer {
        let title = self.say(english, german);
        Answer::json(400, json!({"errors": [{"code": code, "title": title, "detail": title}]}))
    }

    /// Shape D, 422, with one complaint. `error` is the stable code inside, often missing.
    pub fn invalid(self, field: &str, error: Option<&str>, english: &str, german: &str) -> Answer {
        let complaint = json!({"description": self.say(english, german), "error": error});
        self.invalid_record(json!({field: [complaint]}))
    }

    /// Shape D, 422, with these details.
    pub fn invalid_record(self, details: Value) -> Answer {
        let description = self.say("Record validation errors", "Validierungsfehler im Datensatz");
        Answer::json(422, json!({"error": "RecordInvalid", "description": description, "details": details}))
    }
}

/// A time as Zendesk writes it: UTC, whole seconds.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
