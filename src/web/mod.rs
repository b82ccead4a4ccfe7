//! Looks: the status page, health, metrics. Changes nothing.
//!
//! `/healthz` says that the process works, `/readyz` that calls are served (200, or 503 with what is
//! missing), `/metrics` is OpenMetrics text, `/status.json` the status as it is, `/` the same for
//! people. There is no log-in: it listens on this machine unless the admin says otherwise.

mod metrics;
mod page;

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::journal::{CallRow, Journal};
use crate::status::Status;

/// The latest calls that the page lists.
const CALLS_SHOWN: u32 = 20;

/// A page that waits for its task.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shown {
    status: Status,
    journal: Journal,
}

/// Opens the port.
///
/// # Errors
/// When it is taken, or not allowed.
pub async fn bind(listen: SocketAddr) -> io::Result<Server> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    Ok(Server { listener, address })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    pub async fn run(self, status: Status, journal: Journal, stop: CancellationToken) {
        let routes = Router::new()
            .route("/", get(page))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/status.json", get(status_json))
            .with_state(Shown { status, journal });
        tracing::info!(address = %self.address, "the status page is served");
        let serving = axum::serve(self.listener, routes).into_future();
        tokio::select! {
            // It ends only with the listener; then the daemon starts anew.
            result = serving => if let Err(error) = result {
                tracing::error!(%error, "the status page cannot be served any longer");
            },
            () = stop.cancelled() => {}
        }
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let missing = shown.status.not_ready();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::render(&shown.status.snapshot())).into_response()
}

async fn status_json(State(shown): State<Shown>) -> Response {
    axum::Json(shown.status.snapshot()).into_response()
}

async fn page(State(shown): State<Shown>) -> Response {
    let calls: Result<Vec<CallRow>, _> = shown.journal.list(CALLS_SHOWN).await;
    let (calls, error) = match calls {
        Ok(calls) => (calls, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    Html(page::render(&shown.status.snapshot(), &calls, error.as_deref())).into_response()
}
