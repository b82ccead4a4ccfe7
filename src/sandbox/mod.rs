//! A Zendesk look-alike for the demo, the tests and an admin's rehearsal.
//!
//! It is built after the vendor's pages, the official OpenAPI file and public recordings, never
//! after our own client: what the file does not allow is dropped with `x-zendesk-api-warn` or
//! refused, and both can be seen in `GET /_sandbox/state`. Where nothing is published the choice is
//! a switch or says so in a comment. Everything lives in memory.
//!
//! A request goes `line` → `serve` (faults) → `routes` (log-in, limits, OpenAPI) → the file of its
//! record (`people`, `lines`, `groups`, `tickets`, `comments`, `voice`, `find`, `uploads`) → `world`.
//!
//! Deliberately absent so far: jobs, the Calls API, webhooks, the browser half of OAuth, custom
//! fields and forms of tickets.
//!
//! # Controls
//! - `GET /_sandbox/state`: `users` (with `identities`), `groups`, `group_memberships`, `tickets`
//!   (with `comments`, `audits`), `uploads`, `screen_pops` (`agent_id`, `ticket_id` or `user_id`,
//!   `at`), `requests` (`method`, `path`, `query`, `status` — null when no answer was given —, `at`,
//!   `body`, `idempotency_key`?, `fault`?), `warnings` (`kind` body or query, `method`, `path`,
//!   `keys`, `at`), `faults`, `counters`.
//! - `POST /_sandbox/faults` with `{"NAME": VALUE, …}`, names as in [`FAULTS`].
//! - `POST /_sandbox/reset`: as at the start.

mod auth;
mod code64;
mod comments;
mod exchange;
mod faults;
mod find;
mod groups;
mod idempotency;
mod limits;
mod line;
mod lines;
pub mod openapi;
mod paging;
mod people;
mod routes;
mod seed;
mod serve;
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

pub use faults::{FaultError, HELP as FAULTS};
pub use seed::{Seed, SeedClient, SeedError, SeedGroup, SeedIdentity, SeedTicket, SeedUser};

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

    /// Adds a fault as the command line writes it, `NAME=VALUE`.
    ///
    /// # Errors
    /// When there is no `=`. Unknown names and values are told by [`Sandbox::start`].
    pub fn fault(&mut self, text: &str) -> Result<(), FaultError> {
        self.faults.push(faults::cut(text)?);
        Ok(())
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

/// Runs a sandbox for the command line: prints the URL as the first line of standard output, then
/// serves until the process is ended.
///
/// # Errors
/// See [`Sandbox::start`].
pub async fn serve(options: Options) -> io::Result<()> {
    use std::io::Write as _;

    let sandbox = Sandbox::start(options).await?;
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", sandbox.url())?;
        out.flush()?;
    }
    tokio::select! {
        () = sandbox.ended() => {}
        signal = tokio::signal::ctrl_c() => signal?,
    }
    sandbox.stop().await;
    Ok(())
}
