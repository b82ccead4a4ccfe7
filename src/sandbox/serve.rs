//! The telephone side of the sandbox: takes requests, lets faults strike, answers.
//!
//! A request is done in a task of its own, so that it is done even when the client hangs up before
//! the answer: this is how the real one makes duplicates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{self, Body};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Options;
use super::exchange::{Answer, Ask, Content, Lang, moment};
use super::faults::{FaultError, Strike};
use super::line::{Door, Line};
use super::world::World;
use super::{by_hand, idempotency, limits, routes};
use crate::clock::Clock;
use crate::lifecycle::Lifecycle;

/// Largest body that is read, in bytes: a little more than the largest upload.
const LARGEST: usize = 52 * 1024 * 1024;

/// What a proxy in front of Zendesk answers.
const PAGE_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";

/// What everybody in the sandbox shares.
pub(super) struct House {
    world: Mutex<World>,
    options: Options,
    url: String,
    clock: Clock,
    lifecycle: Lifecycle,
}

/// How a request ends on the wire.
enum End {
    Answer(Answer),
    /// The answer lacks its second half.
    Half(Answer),
    Reset,
    Never,
}

impl House {
    pub(super) fn new(options: Options, url: String, lifecycle: Lifecycle) -> std::io::Result<Arc<Self>> {
        let world = fresh_world(&options, &url)?;
        let clock = options.clock.clone();
        Ok(Arc::new(Self { world: Mutex::new(world), options, url, clock, lifecycle }))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: &Value) -> Result<(), FaultError> {
        let mut guard = self.world();
        let world = &mut *guard;
        for (name, value) in faults.as_object().into_iter().flatten() {
            world.faults.set(&mut world.switches, name, value, self.clock.now())?;
        }
        Ok(())
    }

    /// What a person does in the browser.
    pub(super) fn by_hand(&self, order: &Value) -> Answer {
        by_hand::act(&mut self.world(), order, self.clock.now())
    }

    fn refuses_line(&self) -> bool {
        let now = self.clock.now();
        let mut world = self.world();
        let refuses = world.faults.refuses_line(now);
        if refuses {
            *world.counters.faults.entry("down".to_owned()).or_default() += 1;
        }
        refuses
    }

    /// One request through the house.
    async fn exchange(&self, ask: Ask) -> End {
        let stopping = self.lifecycle.stopping();
        let wait = async |time: Duration| {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stopping.cancelled() => {}
            }
        };
        let (place, slow, key) = match self.before(&ask) {
            Ok(passed) => passed,
            Err(end) => return end,
        };
        if let Some(time) = slow {
            wait(time).await;
        }
        let (end, slow) = self.carry_out(&ask, place);
        if let Some(time) = slow {
            wait(time).await;
        }
        if let Some(key) = key {
            self.world().in_flight.remove(&(0, key));
        }
        end
    }

    /// Writes the request down and lets the faults strike that leave it undone.
    fn before(&self, ask: &Ask) -> Result<(u64, Option<Duration>, Option<String>), End> {
        let now = self.clock.now();
        let mut guard = self.world();
        let world = &mut *guard;
        let mut seen = json!({
            "method": ask.method, "path": ask.path, "query": ask.query_text, "status": null, "at": moment(now),
            "body": shown_body(ask),
        });
        if let Some(key) = ask.header("idempotency-key") {
            seen["idempotency_key"] = json!(key);
        }
        let place = world.note_request(seen);
        let early = |strike: &Strike| {
            matches!(
                strike,
                Strike::Down | Strike::ResetBefore | Strike::Hang | Strike::Status(_) | Strike::Html502
            ) || *strike == Strike::DatabaseConflict && ask.writes() && ask.path.starts_with("/api/")
        };
        if let Some((name, strike)) = world.faults.take(&ask.method, &ask.path, now, early) {
            struck(world, place, &name);
            let answer = match strike {
                Strike::Down | Strike::ResetBefore => return Err(End::Reset),
                Strike::Hang => return Err(End::Never),
                Strike::Html502 => {
                    Answer { status: 502, headers: Vec::new(), content: Content::Html(PAGE_502) }
                }
                Strike::DatabaseConflict => world.switches.lang.shape_a(
                    409,
                    "DatabaseConflict",
                    "Database collision",
                    "Datenbankkonflikt",
                ),
                Strike::Status(429) => limits::retry(
                    Answer::text(429, "Number of allowed API requests per minute exceeded"),
                    &world.switches,
                    5,
                ),
                Strike::Status(status) => match world.switches.retry_after {
                    Some(Some(seconds)) => Answer::empty(status).with("retry-after", seconds.to_string()),
                    _ => Answer::empty(status),
                },
                _ => Answer::empty(500),
            };
            world.amend_request(place, "status", json!(answer.status));
            return Err(End::Answer(answer));
        }
        let slow = world.faults.take(&ask.method, &ask.path, now, |strike| matches!(strike, Strike::Slow(_)));
        let slow = slow.map(|(name, strike)| {
            struck(world, place, &name);
            match strike {
                Strike::Slow(time) => time,
                _ => Duration::ZERO,
            }
        });
        let key = idempotency::key(ask).map(str::to_owned);
        if let Some(key) = &key
            && !world.in_flight.insert((0, key.clone()))
            && world.switches.in_flight_conflict
        {
            let answer = idempotency::in_flight(world.switches.lang);
            world.amend_request(place, "status", json!(answer.status));
            return Err(End::Answer(answer));
        }
        Ok((place, slow, key))
    }

    /// Does it, and lets the faults strike that keep the answer from the client.
    fn carry_out(&self, ask: &Ask, place: u64) -> (End, Option<Duration>) {
        let now = self.clock.now();
        let mut guard = self.world();
        let world = &mut *guard;
        let answer = routes::perform(world, ask, now);
        world.amend_request(place, "status", json!(answer.status));
        let committed = ask.writes() && ask.path.starts_with("/api/") && answer.status < 300;
        let half = answer.size() >= 2;
        let late = |strike: &Strike| match strike {
            Strike::ResetAfterCommit | Strike::HangAfterCommit => committed,
            Strike::CutAnswer => half,
            _ => false,
        };
        let end = match world.faults.take(&ask.method, &ask.path, now, late) {
            None => End::Answer(answer),
            Some((name, strike)) => {
                struck(world, place, &name);
                match strike {
                    Strike::ResetAfterCommit => End::Reset,
                    Strike::HangAfterCommit => End::Never,
                    _ => End::Half(answer),
                }
            }
        };
        let slow =
            world.faults.take(&ask.method, &ask.path, now, |strike| matches!(strike, Strike::SlowAnswer(_)));
        let slow = slow.map(|(name, strike)| {
            struck(world, place, &name);
            match strike {
                Strike::SlowAnswer(time) => time,
                _ => Duration::ZERO,
            }
        });
        (end, slow)
    }

    /// `/_sandbox/…`: no log-in, no faults, not in the list of requests.
    fn control(&self, ask: &Ask) -> Answer {
        match (ask.method.as_str(), ask.path.trim_end_matches('/')) {
            ("GET", "/_sandbox/state") => Answer::json(200, self.world().state()),
            ("GET", "/_sandbox/counters") => Answer::json(200, self.world().counters_json()),
            ("POST", "/_sandbox/faults") => match serde_json::from_slice::<Value>(&ask.body) {
                Ok(faults @ Value::Object(_)) => match self.set_faults(&faults) {
                    Ok(()) => Answer::empty(204),
                    Err(error) => Answer::json(422, json!({"error": error.to_string()})),
                },
                _ => Answer::json(400, json!({"error": "write a JSON object {NAME: VALUE, …}"})),
            },
            ("POST", "/_sandbox/as_agent") => match serde_json::from_slice::<Value>(&ask.body) {
                Ok(order) => self.by_hand(&order),
                Err(_) => Answer::json(400, json!({"error": "write a JSON object"})),
            },
            ("POST", "/_sandbox/reset") => match fresh_world(&self.options, &self.url) {
                Ok(world) => {
                    *self.world() = world;
                    Answer::empty(204)
                }
                Err(error) => Answer::json(500, json!({"error": error.to_string()})),
            },
            _ => Lang::English.no_endpoint(),
        }
    }
}

fn struck(world: &mut World, place: u64, name: &str) {
    *world.counters.faults.entry(name.to_owned()).or_default() += 1;
    world.amend_request(place, "fault", json!(name));
}

fn fresh_world(options: &Options, url: &str) -> std::io::Result<World> {
    let now = options.clock.now();
    let mut world = World { url: url.to_owned(), ..World::default() };
    for (name, value) in &options.faults {
        world.faults.set(&mut world.switches, name, value, now).map_err(std::io::Error::other)?;
    }
    options.seed.fill(&mut world, now).map_err(std::io::Error::other)?;
    Ok(world)
}

/// The body as `/_sandbox/state` shows it: JSON where it is JSON, and never a client's secret.
fn shown_body(ask: &Ask) -> Value {
    if ask.body.is_empty() || ask.path.starts_with("/oauth/") {
        return Value::Null;
    }
    match serde_json::from_slice(&ask.body) {
        Ok(body) => body,
        Err(_) => json!(format!("{} bytes", ask.body.len())),
    }
}

async fn answer(
    State(house): State<Arc<House>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, LARGEST).await else { return Answer::empty(413).into_http() };
    let query_text = parts.uri.query().unwrap_or_default().to_owned();
    let ask = Ask {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query_text.as_bytes()).into_owned().collect(),
        query_text,
        headers: parts.headers,
        body: body.to_vec(),
    };
    if ask.path.starts_with("/_sandbox/") {
        return house.control(&ask).into_http();
    }
    let (tell, hear) = oneshot::channel();
    let worker = Arc::clone(&house);
    house.lifecycle.spawn_short(async move {
        let end = worker.exchange(ask).await;
        let _ = tell.send(end);
    });
    match hear.await {
        Ok(End::Answer(answer)) => answer.into_http(),
        Ok(End::Half(answer)) => {
            line.cut(answer.size().div_ceil(2));
            answer.into_http()
        }
        Ok(End::Reset) => {
            line.reset();
            Answer::empty(500).into_http()
        }
        Ok(End::Never) => {
            house.lifecycle.stopping().cancelled().await;
            line.reset();
            Answer::empty(500).into_http()
        }
        // The task panicked: what a client sees then is a bare 500.
        Err(_) => Answer::empty(500).into_http(),
    }
}

/// Answers on the listener until the lifecycle stops.
pub(super) async fn run(house: Arc<House>, listener: tokio::net::TcpListener) {
    let guard = Arc::clone(&house);
    let door = Door { listener, refuses: Box::new(move || guard.refuses_line()) };
    let stopping = house.lifecycle.stopping();
    let app = Router::new().fallback(answer).with_state(house);
    let service = app.into_make_service_with_connect_info::<Line>();
    let served =
        axum::serve(door, service).with_graceful_shutdown(async move { stopping.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(error = %error, "the sandbox stopped serving");
    }
}
