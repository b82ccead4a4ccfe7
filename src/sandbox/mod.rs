//! A Zendesk look-alike for the demo, the tests and an admin's rehearsal.
//!
//! It is built after the vendor's pages, the official OpenAPI file and public recordings, never
//! after our own client: what the file does not allow is dropped with `x-zendesk-api-warn` or
//! refused, and both can be seen in `GET /_sandbox/state`. Where nothing is published the choice is
//! a switch or says so in a comment. Everything lives in memory.
//!
//! A request goes `line` → `serve` (`faults`) → `routes` (`auth`, `limits`, `bodies`) → the file of its
//! record (`people`, `lines`, `export`, `find`, `groups`, `tickets` with `rules`, `fields` and `comments`, `lists`,
//! `voice`, `calls`, `uploads`, `redactions`, …) → `world`, and comes back by `shapes`.
//!
//! Deliberately absent so far: jobs, webhooks, the browser half of OAuth, forms of tickets.
//!
//! # Controls
//! - `GET /_sandbox/state`: `users` (with `identities`), `groups`, `group_memberships`, `tickets`
//!   (with `comments`, `audits`), `calls` (with `comments`: `ticket_id`, `comment_id`), `uploads`, `attachment_sums` (by
//!   the id of the attachment: `name`, `bytes`, `sha256`; gone when it is redacted), `screen_pops` (`agent_id`, `ticket_id` or `user_id`,
//!   `at`), `requests` (`method`, `path`, `query`, `status` — null when nothing was done, told also when a fault kept the answer back —, `at`,
//!   `body`, `idempotency_key`?, `fault`?), `warnings` (`kind` body or query, `method`, `path`,
//!   `keys`, `at`), `faults`, `counters`.
//! - `GET /_sandbox/counters`: the `counters` of the state alone.
//! - `POST /_sandbox/faults` with `{"NAME": VALUE, …}`, names as in [`FAULTS`].
//! - `POST /_sandbox/as_agent` with `{"method", "path", "body", "as"}`: see [`Sandbox::as_agent`].
//! - `POST /_sandbox/reset`: as at the start.

mod auth;
mod bodies;
mod by_hand;
mod calls;
mod code64;
mod comments;
mod definitions;
mod exchange;
mod export;
mod farewell;
mod faults;
mod fields;
mod find;
mod groups;
mod idempotency;
mod limits;
mod line;
mod lines;
mod lists;
pub mod openapi;
mod paging;
mod people;
mod redactions;
mod routes;
mod rules;
mod seed;
mod seed_fields;
mod serve;
mod shapes;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod tickets;
mod uploads;
mod voice;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use by_hand::ByHandError;
pub use faults::FaultError;
pub use seed::{
    Seed, SeedApp, SeedChoice, SeedClient, SeedError, SeedField, SeedGroup, SeedIdentity, SeedTicket,
    SeedUser,
};
pub use switches::HELP as FAULTS;

use crate::clock::Clock;
use crate::lifecycle::Lifecycle;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the account holds.
    pub seed: Seed,
    /// Faults and switches from the start, as in [`FAULTS`]: index delay, plan, locale, token lifetime, ….
    pub faults: Vec<(String, Value)>,
    /// The clock of token ends, rate windows, index delay and fault durations.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: Seed::house(),
            faults: Vec::new(),
            clock: Clock::system(),
        }
    }
}

impl Options {
    /// Adds a fault or switch from the start.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.faults.push((name.to_owned(), value.into()));
        self
    }
}

/// A running sandbox. It stops when it is dropped; [`Sandbox::stop`] also waits for it.
pub struct Sandbox {
    house: Arc<serve::House>,
    lifecycle: Lifecycle,
    url: String,
}

impl Sandbox {
    /// Opens the listener and begins to answer.
    ///
    /// # Errors
    /// When the address is taken, or the seed or a fault is not valid.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let lifecycle = Lifecycle::new();
        let house = serve::House::new(options, url.clone(), lifecycle.clone())?;
        lifecycle.spawn(serve::run(Arc::clone(&house), listener));
        Ok(Self { house, lifecycle, url })
    }

    /// The address of the account, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The same as `GET /_sandbox/state`.
    pub fn state(&self) -> Value {
        self.house.world().state()
    }

    /// The `counters` of [`Sandbox::state`] alone, cheap enough to be polled.
    pub fn counters(&self) -> Value {
        self.house.world().counters_json()
    }

    /// Sets faults and switches from now on.
    ///
    /// # Errors
    /// When a name or value is not known; those before it are set.
    pub fn set_faults<'a>(
        &self,
        faults: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<(), FaultError> {
        faults.into_iter().try_for_each(|(name, value)| self.house.set_faults(&json!({name: value})))
    }

    /// Sets one fault or switch from now on.
    ///
    /// # Errors
    /// When the name or value is not known.
    pub fn set_fault(&self, name: &str, value: impl Into<Value>) -> Result<(), FaultError> {
        self.set_faults([(name, value.into())])
    }

    /// Does what a person would do in the browser meanwhile: a request of the API, as the first admin, that is not
    /// among [`Sandbox::state`]'s requests, counts in no limit and is struck by no fault. `path` is without `/api/v2`;
    /// `Value::Null` is no body.
    ///
    /// # Errors
    /// When the API refuses it, or does not know a part of it.
    pub fn as_agent(&self, method: &str, path: &str, body: Value) -> Result<Value, ByHandError> {
        let mut order = json!({"method": method, "path": path});
        if !body.is_null() {
            order["body"] = body;
        }
        by_hand::outcome(self.house.by_hand(&order))
    }

    /// Ends every line and waits until nothing runs any more.
    pub async fn stop(self) {
        self.lifecycle.stop();
        self.lifecycle.ended().await;
    }

    /// Waits until it ends by itself, which only an error of the listener makes it do.
    pub async fn ended(&self) {
        self.lifecycle.stopping().cancelled().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// Every operation that is served, as method and path of the OpenAPI file.
pub fn operations() -> Vec<(&'static str, &'static str)> {
    routes::operations()
}

/// Reads a fault or switch as the command line writes it, `NAME=VALUE`, for [`Options::faults`].
///
/// # Errors
/// When there is no `=`, or the name or value is not known.
pub fn fault(text: &str) -> Result<(String, Value), FaultError> {
    faults::parse(text)
}
