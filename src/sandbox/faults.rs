//! Faults and switches: one vocabulary for `--fault NAME=VALUE` and `POST /_sandbox/faults`.
//!
//! A *fault* strikes requests and is used up; a *switch* says what kind of account this is. The
//! table [`HELP`] is the manual; a test holds it against the code.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::exchange::Lang;
use super::limits::Plan;

/// Every name with its values and meaning, as `--help` and the documentation print it.
pub const HELP: &[(&str, &str, &str)] = &[
    ("500 | 502 | 503 | 504", "AMOUNT", "answer with this status and no body; nothing is done"),
    ("html_502", "AMOUNT", "answer 502 with a proxy's HTML page"),
    ("429", "AMOUNT", "answer 429 with the plain text body"),
    (
        "retry_after",
        "SECONDS|none",
        "Retry-After of the answers above (429: 5 unless told) and of real limits",
    ),
    ("reset_before", "AMOUNT", "reset the TCP connection before anything is done"),
    (
        "reset_after_commit",
        "AMOUNT",
        "do it, then reset the TCP connection instead of answering (writes that succeed)",
    ),
    ("hang", "AMOUNT|PATH", "take the request and never answer; nothing is done"),
    ("hang_after_commit", "AMOUNT", "do it and never answer (writes that succeed)"),
    ("cut_answer", "AMOUNT", "end the connection in the middle of the answer's body"),
    ("database_conflict", "AMOUNT", "answer a write with 409 DatabaseConflict; nothing is done"),
    ("slow", "DURATION|off", "wait before doing it; it is done even when the client has left"),
    ("slow_answer", "DURATION|off", "do it at once, answer later"),
    ("slow_search", "DURATION|off", "`slow` for both search endpoints alone"),
    ("down", "AMOUNT", "reset every connection, new ones too"),
    ("no_tpe", "403|404|off", "the plan lacks Talk Partner Edition: what the voice endpoints answer"),
    ("api_tokens", "accepted|refused", "whether `email/token` log-ins still work"),
    (
        "wrong_token_me",
        "401|anonymous",
        "what users/me answers to a wrong API token (2026, or as in old recordings)",
    ),
    ("token_lifetime", "DURATION", "lifetime of OAuth tokens issued from now on; default 30m"),
    ("revoke_tokens", "1", "every OAuth token issued so far becomes invalid"),
    ("index_delay", "DURATION", "time until a change can be found by search; default 60s"),
    (
        "search_identities",
        "on|off",
        "whether phone: also finds direct lines beside the primary number; default on",
    ),
    ("withhold_last_minute", "on|off", "the incremental export keeps back the latest minute; default on"),
    ("validate_phones", "on|off", "the account's \"validate user phone numbers\"; default off"),
    ("locale", "en|de", "language of every text meant for a person"),
    (
        "plan",
        "team|growth|professional|enterprise|plus|NUMBER",
        "requests a minute; `team` has no TPE; default enterprise",
    ),
    ("foreign_traffic", "NUMBER", "requests a minute that other integrations take from the shared pot"),
    ("limits", "on|off", "whether any rate limit is kept; default on"),
    (
        "idempotency_in_flight",
        "409|wait",
        "answer while the first request with the same key is still being done",
    ),
    ("require_assignee", "on|off", "solving needs an assignee; default on"),
];

/// How often a fault still strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Times(u64),
    Until(Timestamp),
    Always,
}

/// Where a fault strikes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scope {
    method: Option<String>,
    /// Without leading slash and `api/v2/`.
    prefix: Option<String>,
}

impl Scope {
    fn parse(text: &str) -> Self {
        let (method, path) = match text.trim().split_once(' ') {
            Some((method, path)) => (Some(method.to_uppercase()), path),
            None if text.bytes().all(|byte| byte.is_ascii_uppercase()) => (Some(text.to_owned()), ""),
            None => (None, text.trim()),
        };
        Self { method, prefix: Some(short(path).to_owned()) }
    }

    fn covers(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|mine| mine == method)
            && self.prefix.as_deref().is_none_or(|prefix| short(path).starts_with(prefix))
    }
}

fn short(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    path.strip_prefix("api/v2").unwrap_or(path).trim_start_matches('/')
}

/// What strikes before a request is looked at, or after it was done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Strike {
    /// This status, no body.
    Status(u16),
    /// 502 with a page.
    Html502,
    /// A reset with nothing done.
    ResetBefore,
    /// A reset after it was done.
    ResetAfterCommit,
    /// Never an answer, nothing done.
    Hang,
    /// Never an answer, but done.
    HangAfterCommit,
    /// Half an answer.
    CutAnswer,
    /// 409.
    DatabaseConflict,
    /// Done later.
    Slow(Duration),
    /// Answered later.
    SlowAnswer(Duration),
    /// Every line is reset.
    Down,
}

#[derive(Clone, Debug)]
struct Fault {
    name: String,
    scope: Scope,
    strike: Strike,
    left: Amount,
}

/// What kind of account this is; every field is a switch of [`HELP`].
#[derive(Clone, Debug)]
pub(super) struct Switches {
    pub retry_after: Option<Option<u64>>,
    pub no_tpe: Option<u16>,
    pub api_tokens: bool,
    pub wrong_token_me_anonymous: bool,
    pub token_lifetime: Option<Duration>,
    pub revoke_before: Option<Timestamp>,
    pub index_delay: Duration,
    pub search_identities: bool,
    pub withhold_last_minute: bool,
    pub validate_phones: bool,
    pub lang: Lang,
    pub plan: Plan,
    pub foreign_traffic: u64,
    pub limits: bool,
    pub in_flight_conflict: bool,
    pub require_assignee: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            retry_after: None,
            no_tpe: None,
            api_tokens: true,
            wrong_token_me_anonymous: false,
            token_lifetime: None,
            revoke_before: None,
            index_delay: Duration::from_secs(60),
            search_identities: true,
            withhold_last_minute: true,
            validate_phones: false,
            lang: Lang::English,
            plan: Plan::ENTERPRISE,
            foreign_traffic: 0,
            limits: true,
            in_flight_conflict: true,
            require_assignee: true,
        }
    }
}

/// A fault's name or value is not known.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FaultError {
    /// No such name.
    #[error("there is no fault `{0}`: see `ringdesk sandbox --help`")]
    Unknown(String),
    /// The value does not fit.
    #[error("`{name}={value}`: write {wanted}")]
    Value {
        /// The fault.
        name: String,
        /// The value given.
        value: String,
        /// What is allowed.
        wanted: &'static str,
    },
    /// `--fault` without `=`.
    #[error("`{0}`: write NAME=VALUE")]
    NoValue(String),
}

/// The faults that are set.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Sets a fault or a switch. `now` starts durations.
    pub fn set(
        &mut self,
        switches: &mut Switches,
        name: &str,
        value: &Value,
        now: Timestamp,
    ) -> Result<(), FaultError> {
        let (bare, scope) = match name.split_once('@') {
            Some((bare, scope)) => (bare, Scope::parse(scope)),
            None => (name, Scope::default()),
        };
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Null => "off".to_owned(),
            Value::Bool(true) => "on".to_owned(),
            Value::Bool(false) => "off".to_owned(),
            other => other.to_string(),
        };
        let wrong = || {
            let help = HELP.iter().find(|(names, ..)| names.split(" | ").any(|name| name == bare));
            FaultError::Value {
                name: name.to_owned(),
                value: text.clone(),
                wanted: help.map_or("a value", |(_, v, _)| v),
            }
        };
        if set_switch(switches, bare, &text, now).ok_or_else(wrong)? {
            return Ok(());
        }
        self.0.retain(|fault| !(fault.name == bare && fault.scope == scope));
        let mut scope = scope;
        let (strike, left) = match bare {
            "slow" | "slow_answer" | "slow_search" => {
                if is_off(&text) {
                    return Ok(());
                }
                let time = duration(&text).ok_or_else(wrong)?;
                (
                    if bare == "slow_answer" { Strike::SlowAnswer(time) } else { Strike::Slow(time) },
                    Amount::Always,
                )
            }
            _ => {
                let strike = match bare {
                    "500" | "502" | "503" | "504" | "429" => {
                        Strike::Status(bare.parse().map_err(|_| wrong())?)
                    }
                    "html_502" => Strike::Html502,
                    "reset_before" => Strike::ResetBefore,
                    "reset_after_commit" => Strike::ResetAfterCommit,
                    "hang" => Strike::Hang,
                    "hang_after_commit" => Strike::HangAfterCommit,
                    "cut_answer" => Strike::CutAnswer,
                    "database_conflict" => Strike::DatabaseConflict,
                    "down" => Strike::Down,
                    _ => return Err(FaultError::Unknown(bare.to_owned())),
                };
                match amount(&text, now) {
                    Some(Some(left)) => (strike, left),
                    Some(None) => return Ok(()),
                    None if bare == "hang" && text.contains(char::is_alphabetic) => {
                        scope = Scope::parse(&text);
                        (strike, Amount::Always)
                    }
                    None => return Err(wrong()),
                }
            }
        };
        self.0.push(Fault { name: bare.to_owned(), scope, strike, left });
        Ok(())
    }

    /// Takes the first fault that strikes here and is one of `wanted`, and uses it up by one.
    pub fn take(
        &mut self,
        method: &str,
        path: &str,
        now: Timestamp,
        wanted: impl Fn(&Strike) -> bool,
    ) -> Option<(String, Strike)> {
        self.0.retain(|fault| match fault.left {
            Amount::Times(left) => left > 0,
            Amount::Until(end) => now < end,
            Amount::Always => true,
        });
        let search = |fault: &Fault| fault.name != "slow_search" || short(path).contains("search");
        let mine =
            |fault: &&mut Fault| wanted(&fault.strike) && fault.scope.covers(method, path) && search(fault);
        let fault = self.0.iter_mut().find(mine)?;
        if let Amount::Times(left) = &mut fault.left {
            *left -= 1;
        }
        Some((fault.name.clone(), fault.strike.clone()))
    }

    /// True while every line is reset.
    pub fn down(&self, now: Timestamp) -> bool {
        self.0.iter().any(|fault| {
            fault.strike == Strike::Down
                && match fault.left {
                    Amount::Times(left) => left > 0,
                    Amount::Until(end) => now < end,
                    Amount::Always => true,
                }
        })
    }

    /// What is set, for `/_sandbox/state`.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|fault| format!("{} {:?} {:?}", fault.name, fault.left, fault.scope)).collect()
    }
}

/// Sets a switch: `Some(true)` done, `Some(false)` no switch of this name, `None` a bad value.
fn set_switch(switches: &mut Switches, name: &str, text: &str, now: Timestamp) -> Option<bool> {
    let word = |first: &str, second: &str| match text {
        _ if text == first => Some(true),
        _ if text == second => Some(false),
        _ => None,
    };
    match name {
        "retry_after" => {
            switches.retry_after = match text {
                "off" => None,
                "none" => Some(None),
                _ => Some(Some(duration(text)?.as_secs())),
            }
        }
        "no_tpe" => {
            switches.no_tpe = match text {
                "403" => Some(403),
                "404" => Some(404),
                _ if is_off(text) => None,
                _ => return None,
            }
        }
        "api_tokens" => switches.api_tokens = word("accepted", "refused")?,
        "wrong_token_me" => switches.wrong_token_me_anonymous = word("anonymous", "401")?,
        "token_lifetime" => switches.token_lifetime = Some(duration(text)?),
        "revoke_tokens" => switches.revoke_before = Some(now),
        "index_delay" => switches.index_delay = duration(text)?,
        "search_identities" => switches.search_identities = word("on", "off")?,
        "withhold_last_minute" => switches.withhold_last_minute = word("on", "off")?,
        "validate_phones" => switches.validate_phones = word("on", "off")?,
        "locale" => {
            switches.lang = match text {
                "en" | "en-US" => Lang::English,
                "de" => Lang::German,
                _ => return None,
            }
        }
        "plan" => switches.plan = Plan::parse(text)?,
        "foreign_traffic" => switches.foreign_traffic = text.parse().ok()?,
        "limits" => switches.limits = word("on", "off")?,
        "idempotency_in_flight" => switches.in_flight_conflict = word("409", "wait")?,
        "require_assignee" => switches.require_assignee = word("on", "off")?,
        _ => return Some(false),
    }
    Some(true)
}

fn is_off(text: &str) -> bool {
    matches!(text, "off" | "0" | "none")
}

/// `Some(None)` switches off; `None` is no amount.
fn amount(text: &str, now: Timestamp) -> Option<Option<Amount>> {
    match text {
        "on" | "always" => return Some(Some(Amount::Always)),
        _ if is_off(text) => return Some(None),
        _ => {}
    }
    if let Ok(times) = text.parse() {
        return Some(Some(Amount::Times(times)));
    }
    let end = now.checked_add(SignedDuration::try_from(duration(text)?).ok()?).ok()?;
    Some(Some(Amount::Until(end)))
}

/// `300ms`, `4s`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(place) => text.split_at(place),
        None => (text, "s"),
    };
    let number: f64 = number.trim().parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Cuts `NAME=VALUE` of the command line.
pub(super) fn cut(text: &str) -> Result<(String, Value), FaultError> {
    let (name, value) = text.split_once('=').ok_or_else(|| FaultError::NoValue(text.to_owned()))?;
    Ok((name.trim().to_owned(), Value::String(value.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn set(faults: &mut Faults, name: &str, value: impl Into<Value>) -> Result<(), FaultError> {
        faults.set(&mut Switches::default(), name, &value.into(), at(0))
    }

    fn struck(faults: &mut Faults, method: &str, path: &str, second: i64) -> Option<Strike> {
        faults.take(method, path, at(second), |_| true).map(|(_, strike)| strike)
    }

    #[test]
    fn a_count_is_used_up_and_a_duration_ends() {
        let mut faults = Faults::default();
        set(&mut faults, "503", 2).unwrap();
        for _ in 0..2 {
            assert_eq!(struck(&mut faults, "GET", "/api/v2/users", 0), Some(Strike::Status(503)));
        }
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users", 0), None);

        set(&mut faults, "503", "4s").unwrap();
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users", 3), Some(Strike::Status(503)));
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users", 4), None);
    }

    #[test]
    fn a_fault_may_be_limited_to_a_method_and_a_path() {
        let mut faults = Faults::default();
        set(&mut faults, "reset_after_commit@POST /tickets", 1).unwrap();
        assert_eq!(struck(&mut faults, "GET", "/api/v2/tickets", 0), None);
        assert_eq!(struck(&mut faults, "POST", "/api/v2/users", 0), None);
        assert_eq!(struck(&mut faults, "POST", "/api/v2/tickets.json", 0), Some(Strike::ResetAfterCommit));

        set(&mut faults, "hang", "users/search").unwrap();
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users/me", 0), None);
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users/search.json", 0), Some(Strike::Hang));
        set(&mut faults, "slow_search", "3s").unwrap();
        assert_eq!(
            struck(&mut faults, "GET", "/api/v2/search", 0),
            Some(Strike::Slow(Duration::from_secs(3)))
        );
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users/me", 0), None);
    }

    #[test]
    fn every_name_of_the_manual_is_known_and_nothing_else() {
        let samples = ["1", "409", "404", "off", "on", "de", "refused", "anonymous", "team", "none", "2s"];
        let mut names = 0;
        for (entry, ..) in HELP {
            for name in entry.split(" | ") {
                names += 1;
                let taken = samples.iter().any(|value| set(&mut Faults::default(), name, *value).is_ok());
                assert!(taken, "{name}");
            }
        }
        assert!(names > 20);
        let error = set(&mut Faults::default(), "burn", 1).unwrap_err();
        assert_eq!(error, FaultError::Unknown("burn".to_owned()));
        let error = set(&mut Faults::default(), "locale", "fr").unwrap_err();
        assert_eq!(error.to_string(), "`locale=fr`: write en|de");
    }

    #[test]
    fn off_takes_a_fault_away() {
        let mut faults = Faults::default();
        set(&mut faults, "502", "always").unwrap();
        set(&mut faults, "502", false).unwrap();
        assert_eq!(struck(&mut faults, "GET", "/x", 0), None);
    }
}
