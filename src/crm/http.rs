//! The HTTP line to a CRM: one client, and what it means when no answer comes.
//!
//! Nothing here knows a CRM. What matters to owed work is told apart: a request that never left
//! ([`NoReply::sent`] is false) can be repeated without a thought, any other may have been done.
//! Addresses never appear in errors, because queries hold callers' numbers.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, redirect};
use url::{Host, Url};

/// Who we say we are.
const USER_AGENT: &str = concat!("ringdesk/", env!("CARGO_PKG_VERSION"));
/// Idle lines are kept: at the answer of a call nobody shall wait for a new TLS handshake. A line
/// that the far side closed is noticed; one that closes just now ends unclear, which is provided for.
const IDLE: Duration = Duration::from_secs(300);
/// Largest answer that is read, in bytes: a page of 1000 users is about 2 MB.
const LARGEST: usize = 32 * 1024 * 1024;

/// A client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The address would send secrets in the clear.
    #[error(
        "{0} is not encrypted: write https:// (http:// is allowed for this machine's own addresses only)"
    )]
    Clear(Url),
    /// The address is of another kind.
    #[error("{0} is no web address: write https:// and the host")]
    NoHttp(Url),
    /// The libraries refuse, for example when the system has no certificates.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the connection.
    pub connect: Duration,
    /// For the whole request, the connection included.
    pub request: Duration,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After` in seconds. The form with a date (RFC 9110 §10.2.3) counts from `now`.
    pub fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
    }
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct NoReply {
    /// False: the request cannot have reached the far side.
    pub sent: bool,
    /// The time was over.
    pub timed_out: bool,
    /// The cause, without the address.
    #[source]
    pub source: Option<reqwest::Error>,
}

impl NoReply {
    fn text(&self) -> &'static str {
        match (self.sent, self.timed_out) {
            (false, false) => "the connection cannot be made",
            (false, true) => "the connection cannot be made in time",
            (true, true) => "there is no answer in time",
            (true, false) => "the connection broke before the answer was complete",
        }
    }
}

impl From<reqwest::Error> for NoReply {
    fn from(error: reqwest::Error) -> Self {
        // A builder error is a fault of ours that never reached the line.
        let sent = !(error.is_connect() || error.is_builder());
        Self { sent, timed_out: error.is_timeout(), source: Some(error.without_url()) }
    }
}

/// Makes the client for one account.
///
/// # Errors
/// When the address is not encrypted and not this machine's own, or the client cannot be made.
pub fn client(url: &Url, patience: Patience) -> Result<Client, LineError> {
    let loopback = is_loopback(url);
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(LineError::Clear(url.clone())),
        _ => return Err(LineError::NoHttp(url.clone())),
    }
    install_provider();
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        // A redirect would carry the log-in to another host, and turns a POST into a GET.
        .redirect(redirect::Policy::none())
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(IDLE)
        .connect_timeout(patience.connect)
        .timeout(patience.request);
    let builder = if loopback { builder.no_proxy() } else { builder };
    builder.build().map_err(LineError::Client)
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When no complete answer comes.
pub async fn send(request: RequestBuilder) -> Result<Reply, NoReply> {
    let mut response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > LARGEST {
            return Err(NoReply { sent: true, timed_out: false, source: None });
        }
        body.extend_from_slice(&part);
    }
    Ok(Reply { status, headers, body })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The one provider of cryptography in the house is `ring`; whoever comes first installs it.
fn install_provider() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // It fails when the PBX's side was quicker: then there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience { connect: Duration::from_secs(1), request: Duration::from_secs(2) }
    }

    #[test]
    fn only_this_machine_may_be_asked_in_the_clear() {
        let table = [
            ("https://example.zendesk.com", true),
            ("http://127.0.0.1:8999", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://example.zendesk.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
        ];
        for (text, allowed) in table {
            assert_eq!(client(&text.parse().unwrap(), patience()).is_ok(), allowed, "{text}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: jiff::Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let table = [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Thu, 26 Nov 2026 10:00:30 GMT", Some(30)),
            ("Thu, 26 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
        ];
        for (text, seconds) in table {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            let reply = Reply { status: 429, headers, body: Vec::new() };
            assert_eq!(reply.retry_after(now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_was_not_sent_and_its_error_hides_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let url: Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
        let client = client(&url, patience()).unwrap();
        let request = client.get(url.join("users/search?query=phone:493023125111").unwrap());
        let error = send(request).await.unwrap_err();
        assert!(!error.sent);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("493023125111"), "{text}");
    }

    #[tokio::test]
    async fn a_line_that_breaks_after_the_request_was_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let client = client(&url, patience()).unwrap();
        let answer = async {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut line, _) = listener.accept().await.unwrap();
            let _ = line.read(&mut [0; 4096]).await.unwrap();
            line.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"ticket\"").await.unwrap();
        };
        let (reply, ()) = tokio::join!(send(client.post(url).body("{}")), answer);
        let error = reply.unwrap_err();
        assert!(error.sent && !error.timed_out);
    }
}
