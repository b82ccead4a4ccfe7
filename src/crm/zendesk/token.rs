//! Who we are to Zendesk: the OAuth token, renewed before it ends, or the old API token.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/>. The
//! grant `client_credentials` gives no refresh token: a new token is got by the same request. One
//! fetch runs at a time, and everybody who waited for it gets its end, good or bad. The token
//! endpoint is outside the API, so `Retry-After` of the API does not stop it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::failure::{Answer, Failure};
use super::options::Credentials;
use crate::call::Urgency;
use crate::clock::{self, Clock};
use crate::crm::Counters;
use crate::crm::http;

/// After a refused log-in nothing is asked for so long; the account would lock us out otherwise.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(120)];
/// A token this close to its end is not used any more: the request takes time as well.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// A token is renewed when less than this is left, or a fifth of its life where that is less.
const RENEW: SignedDuration = SignedDuration::from_secs(120);

/// The way in.
pub(super) struct Login {
    /// `https://…/oauth/tokens`.
    endpoint: String,
    state: Mutex<State>,
    fetching: tokio::sync::Mutex<()>,
    clock: Clock,
}

struct State {
    credentials: Arc<Credentials>,
    token: Option<Arc<Token>>,
    pause: Option<Pause>,
    refusals: usize,
    /// Counts the fetches that have ended, and how the last one failed.
    round: u64,
    failed: Option<Failure>,
}

/// Until when nothing is asked, and what everybody is told meanwhile.
struct Pause {
    failure: Failure,
    since: Timestamp,
    until: Timestamp,
}

/// A bearer token.
pub(super) struct Token {
    text: SecretString,
    ends: Option<Timestamp>,
    renew: Option<Timestamp>,
}

/// What a request was sent with; after a 401 it says what must not be used again.
pub(super) enum Proof {
    Bearer(Arc<Token>),
    Basic,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    expires_in: Option<i64>,
}

impl Login {
    pub fn new(credentials: Credentials, root: &str, clock: Clock) -> Self {
        Self {
            endpoint: format!("{root}/oauth/tokens"),
            state: Mutex::new(State {
                credentials: Arc::new(credentials),
                token: None,
                pause: None,
                refusals: 0,
                round: 0,
                failed: None,
            }),
            fetching: tokio::sync::Mutex::default(),
            clock,
        }
    }

    /// From now on we are who `other` is, with its token: it was proven.
    pub fn become_of(&self, other: &Self) {
        let (credentials, token) = {
            let other = other.lock();
            (Arc::clone(&other.credentials), other.token.clone())
        };
        let mut state = self.lock();
        (state.credentials, state.token) = (credentials, token);
        (state.pause, state.refusals, state.failed) = (None, 0, None);
    }

    fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.lock().credentials)
    }

    /// Adds the proof to a request.
    pub fn sign(&self, request: RequestBuilder, proof: &Proof) -> RequestBuilder {
        match (proof, self.credentials().as_ref()) {
            (Proof::Bearer(token), _) => request.bearer_auth(token.text.expose_secret()),
            (Proof::Basic, Credentials::ApiToken { email, token }) => {
                request.basic_auth(format!("{email}/token"), Some(token.expose_secret()))
            }
            (Proof::Basic, Credentials::ClientCredentials { .. }) => request,
        }
    }

    /// The proof to send; `refused` is the one that just got a 401.
    pub async fn proof(
        &self,
        client: &reqwest::Client,
        refused: Option<&Proof>,
        urgency: Urgency,
        counters: &Counters,
    ) -> Result<Proof, Failure> {
        self.open()?;
        if self.is_dated() {
            return Ok(Proof::Basic);
        }
        let refused = match refused {
            Some(Proof::Bearer(token)) => Some(token),
            _ => None,
        };
        // At the telephone nobody waits for a new token while the old one still works.
        let hurry = urgency <= Urgency::LookUp || self.fetching.try_lock().is_err();
        if let Some(token) = self.usable(refused, hurry) {
            return Ok(Proof::Bearer(token));
        }
        let round = self.lock().round;
        let _alone = self.fetching.lock().await;
        {
            let state = self.lock();
            if state.round != round
                && let Some(failure) = &state.failed
            {
                return Err(failure.clone());
            }
        }
        self.open()?;
        if let Some(token) = self.usable(refused, false) {
            return Ok(Proof::Bearer(token));
        }
        let credentials = self.credentials();
        let fetched = self.fetch(&credentials, client, counters).await;
        let mut state = self.lock();
        state.round += 1;
        if !Arc::ptr_eq(&state.credentials, &credentials) {
            // Meanwhile we became somebody else, whose token this is not.
            state.failed = None;
            return fetched.map(|token| Proof::Bearer(Arc::new(token)));
        }
        match fetched {
            Ok(token) => {
                let token = Arc::new(token);
                state.token = Some(Arc::clone(&token));
                state.failed = None;
                Ok(Proof::Bearer(token))
            }
            Err(failure) => {
                state.failed = Some(failure.clone());
                // While the old one still works, a renewal that failed is nobody's trouble.
                let old = state.token.clone().filter(|token| token.alive(self.clock.now()));
                let old = old.filter(|token| refused.is_none_or(|refused| !Arc::ptr_eq(token, refused)));
                if let (None, Failure::Wait { wait, .. }) = (&old, &failure) {
                    // The token endpoint itself asks for patience.
                    state.pause = Pause::new(&failure, self.clock.now(), *wait);
                }
                old.map(Proof::Bearer).ok_or(failure)
            }
        }
    }

    /// We were believed: a refusal that comes later starts with the short pause again.
    pub fn believed(&self) {
        self.lock().refusals = 0;
    }

    /// We are not believed, and a new token does not help.
    pub fn refuse(&self, text: String) -> Failure {
        let now = self.clock.now();
        let mut state = self.lock();
        let pause = PAUSES[state.refusals.min(PAUSES.len() - 1)];
        state.refusals += 1;
        state.token = None;
        let failure = Failure::LoginRefused { text, pause };
        state.pause = Pause::new(&failure, now, pause);
        failure
    }

    /// The text for an ordinary 401.
    pub fn refusal(&self) -> String {
        match self.credentials().as_ref() {
            Credentials::ApiToken { email, .. } => format!(
                "Zendesk refuses the API token of {email}: check email and api_token in [crm.zendesk] (API tokens \
                 stop on 2027-04-30 and when they are not used for 30 days), better use an OAuth client"
            ),
            Credentials::ClientCredentials { client_id, .. } => format!(
                "Zendesk refuses the token it gave to the OAuth client `{client_id}`: check its scope, and that its \
                 user is an active agent or admin"
            ),
        }
    }

    /// True for the way in that ends on 2027-04-30.
    pub fn is_dated(&self) -> bool {
        matches!(*self.credentials(), Credentials::ApiToken { .. })
    }

    fn open(&self) -> Result<(), Failure> {
        let now = self.clock.now();
        let state = self.lock();
        let pause = state.pause.as_ref().filter(|pause| pause.since <= now && now < pause.until);
        let Some(pause) = pause else { return Ok(()) };
        let left = Duration::try_from(pause.until.duration_since(now)).unwrap_or_default();
        Err(match pause.failure.clone() {
            Failure::LoginRefused { text, .. } => Failure::LoginRefused { text, pause: left },
            _ => Failure::wait(left),
        })
    }

    /// The token kept, unless it is `refused`, ends, or should be renewed by who is not in a hurry.
    fn usable(&self, refused: Option<&Arc<Token>>, hurry: bool) -> Option<Arc<Token>> {
        let now = self.clock.now();
        let token = self.lock().token.clone()?;
        let other = refused.is_none_or(|refused| !Arc::ptr_eq(&token, refused));
        let fresh = token.renew.is_none_or(|renew| now < renew);
        (other && token.alive(now) && (fresh || hurry)).then_some(token)
    }

    async fn fetch(
        &self,
        credentials: &Credentials,
        client: &reqwest::Client,
        counters: &Counters,
    ) -> Result<Token, Failure> {
        let Credentials::ClientCredentials { client_id, client_secret, scope } = credentials else {
            return Err(Failure::away(false, "there is no token to fetch"));
        };
        counters.tokens.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let request = client.post(&self.endpoint).json(&serde_json::json!({
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.expose_secret(),
            "scope": scope,
        }));
        let begun = clock::instant();
        let reply = http::send(request).await;
        let duration_ms = begun.elapsed().as_millis() as u64;
        let status = reply.as_ref().ok().map(|reply| reply.status);
        tracing::debug!(method = "POST", path = "/oauth/tokens", status, duration_ms, "asked Zendesk");
        // Nothing of the errand itself was sent, so no end of this is unclear.
        let reply = reply.map_err(|error| Failure::no_reply(error, false))?;
        let now = self.clock.now();
        let answer = Answer::sort(reply, false, now)?;
        match answer.status {
            400 | 401 | 403 => {
                let reason = answer.reason();
                let text = format!(
                    "Zendesk refuses the OAuth client `{client_id}` ({reason}): check client_id, client_secret and \
                     scope in [crm.zendesk] (Admin Center, Apps and integrations, APIs, OAuth clients)"
                );
                return Err(self.refuse(text));
            }
            404 => {
                let text = "there is no Zendesk account at this address: check url in [crm.zendesk]";
                return Err(self.refuse(text.to_owned()));
            }
            _ => {}
        }
        let TokenAnswer { access_token, expires_in } = answer.read()?;
        let life = expires_in.filter(|&seconds| seconds > 0).map(SignedDuration::from_secs);
        let ends = life.and_then(|life| now.checked_add(life).ok());
        let renew = life.and_then(|life| ends?.checked_sub(RENEW.min(life / 5)).ok());
        Ok(Token { text: access_token, ends, renew })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    fn new(failure: &Failure, now: Timestamp, pause: Duration) -> Option<Self> {
        let until = now.checked_add(SignedDuration::try_from(pause).ok()?).ok()?;
        Some(Self { failure: failure.clone(), since: now, until })
    }
}

impl Token {
    fn alive(&self, now: Timestamp) -> bool {
        // A token that lives shorter than the margin is used until its end.
        let margin =
            self.ends.zip(self.renew).map_or(MARGIN, |(ends, renew)| MARGIN.min(ends.duration_since(renew)));
        self.ends.and_then(|ends| ends.checked_sub(margin).ok()).is_none_or(|end| now < end)
    }
}
