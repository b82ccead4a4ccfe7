//! Faults and switches: one vocabulary for `--fault NAME=VALUE` and `POST /_sandbox/faults`.
//!
//! A *fault* strikes requests and is used up; a *switch* says what kind of account this is. The
//! table [`HELP`] is the manual; a test holds it against the code.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::switches::{HELP, Switches, set_switch};

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
        let (strike, left, scope) = match bare {
            "slow" | "slow_answer" | "slow_search" if is_off(&text) => {
                self.remove(bare, name, &scope);
                return Ok(());
            }
            "slow" | "slow_search" => {
                (Strike::Slow(duration(&text).ok_or_else(wrong)?), Amount::Always, scope)
            }
            "slow_answer" => (Strike::SlowAnswer(duration(&text).ok_or_else(wrong)?), Amount::Always, scope),
            _ => {
                let strike = strike(bare).ok_or_else(|| FaultError::Unknown(bare.to_owned()))?;
                match amount(&text, now) {
                    Some(Some(left)) => (strike, left, scope),
                    Some(None) => {
                        self.remove(bare, name, &scope);
                        return Ok(());
                    }
                    None if bare == "hang" && text.contains(char::is_alphabetic) => {
                        (strike, Amount::Always, Scope::parse(&text))
                    }
                    None => return Err(wrong()),
                }
            }
        };
        self.0.retain(|fault| !(fault.name == bare && fault.scope == scope));
        self.0.push(Fault { name: bare.to_owned(), scope, strike, left });
        Ok(())
    }

    /// `off`: with `@` the fault set there, without it the fault wherever it is set.
    fn remove(&mut self, bare: &str, name: &str, scope: &Scope) {
        let everywhere = bare == name;
        self.0.retain(|fault| fault.name != bare || !everywhere && fault.scope != *scope);
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

    /// A new line is reset at once; used up by one.
    pub fn refuses_line(&mut self, now: Timestamp) -> bool {
        self.take("", "", now, |strike| *strike == Strike::Down).is_some()
    }

    /// What is set, for `/_sandbox/state`.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|fault| format!("{} {:?} {:?}", fault.name, fault.left, fault.scope)).collect()
    }
}

fn strike(bare: &str) -> Option<Strike> {
    Some(match bare {
        "500" | "502" | "503" | "504" | "429" => Strike::Status(bare.parse().ok()?),
        "html_502" => Strike::Html502,
        "reset_before" => Strike::ResetBefore,
        "reset_after_commit" => Strike::ResetAfterCommit,
        "hang" => Strike::Hang,
        "hang_after_commit" => Strike::HangAfterCommit,
        "cut_answer" => Strike::CutAnswer,
        "database_conflict" => Strike::DatabaseConflict,
        "down" => Strike::Down,
        _ => return None,
    })
}

pub(super) fn is_off(text: &str) -> bool {
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
pub(super) fn duration(text: &str) -> Option<Duration> {
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

/// Reads `NAME=VALUE` of the command line, and tries it out.
pub(super) fn parse(text: &str) -> Result<(String, Value), FaultError> {
    let (name, value) = text.split_once('=').ok_or_else(|| FaultError::NoValue(text.to_owned()))?;
    let (name, value) = (name.trim().to_owned(), Value::String(value.trim().to_owned()));
    Faults::default().set(&mut Switches::default(), &name, &value, Timestamp::UNIX_EPOCH)?;
    Ok((name, value))
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
        let samples = [
            "1",
            "409",
            "404",
            "422",
            "off",
            "private",
            "on",
            "de",
            "refused",
            "anonymous",
            "team",
            "none",
            "2s",
        ];
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
    fn the_manual_stands_in_the_documentation() {
        let page = include_str!("../../docs/sandbox.md").replace("\\|", "|");
        for (names, value, meaning) in HELP {
            let line = format!("| `{}` | `{value}` | {meaning} |", names.replace(" | ", "`, `"));
            assert!(page.contains(&line), "docs/sandbox.md lacks: {line}");
        }
    }

    #[test]
    fn off_takes_a_fault_away() {
        let mut faults = Faults::default();
        set(&mut faults, "502", "always").unwrap();
        set(&mut faults, "502", false).unwrap();
        assert_eq!(struck(&mut faults, "GET", "/x", 0), None);

        set(&mut faults, "hang", "users/search").unwrap();
        set(&mut faults, "503@/users", 9).unwrap();
        set(&mut faults, "503@/tickets", 9).unwrap();
        set(&mut faults, "503@/users", "off").unwrap();
        set(&mut faults, "hang", "off").unwrap();
        assert_eq!(struck(&mut faults, "GET", "/api/v2/users/search", 0), None);
        assert_eq!(struck(&mut faults, "GET", "/api/v2/tickets", 0), Some(Strike::Status(503)));
        set(&mut faults, "503", "off").unwrap();
        assert_eq!(struck(&mut faults, "GET", "/api/v2/tickets", 0), None);
    }

    #[test]
    fn a_wrong_value_leaves_the_fault_as_it_was() {
        let mut faults = Faults::default();
        set(&mut faults, "503", "always").unwrap();
        assert!(set(&mut faults, "503", "often").is_err());
        assert_eq!(struck(&mut faults, "GET", "/x", 0), Some(Strike::Status(503)));
    }

    #[test]
    fn a_fault_of_the_command_line_is_tried_out_at_once() {
        assert_eq!(parse("503@/users = 2"), Ok(("503@/users".to_owned(), Value::from("2"))));
        assert_eq!(parse("slow"), Err(FaultError::NoValue("slow".to_owned())));
        assert_eq!(parse("status=503"), Err(FaultError::Unknown("status".to_owned())));
        assert!(matches!(parse("plan=gold"), Err(FaultError::Value { .. })));
    }
}
