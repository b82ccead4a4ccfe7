//! Rate limits: the account's shared pot and the limits of single endpoints.
//!
//! Source: <https://developer.zendesk.com/api-reference/introduction/rate-limits/>. Windows are
//! fixed, beginning with the first request in them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::exchange::{Answer, Ask};
use super::faults::Switches;

/// Requests a minute of the plan, and whether it has Talk Partner Edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Requests a minute for the whole account.
    pub per_minute: u64,
    /// Talk Partner Edition.
    pub voice: bool,
}

impl Plan {
    /// Suite Enterprise.
    pub const ENTERPRISE: Self = Self { per_minute: 700, voice: true };

    /// A plan by name, or a number of requests a minute.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "team" => Self { per_minute: 200, voice: false },
            "growth" | "professional" => Self { per_minute: 400, voice: true },
            "enterprise" => Self::ENTERPRISE,
            "plus" => Self { per_minute: 2500, voice: true },
            _ => Self { per_minute: text.parse().ok()?, voice: true },
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    used: u64,
}

/// What has been used of each limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    windows: HashMap<String, Window>,
    /// Answers refused by a limit, for the counters.
    pub refused: u64,
}

struct Limit {
    /// The name in `zendesk-ratelimit-NAME`, and the key of the window.
    name: &'static str,
    key: String,
    total: u64,
    seconds: i64,
}

impl Limits {
    /// Counts a request of the API; `Err` is the 429. `Ok` has the headers the answer must carry.
    pub fn account(&mut self, switches: &Switches, now: Timestamp) -> Result<Vec<(String, String)>, Answer> {
        if !switches.limits {
            return Ok(Vec::new());
        }
        let total = switches.plan.per_minute;
        let (used, resets) = self.count("account", 60, now);
        let used = used.saturating_add(switches.foreign_traffic);
        let remaining = total.saturating_sub(used);
        let headers = [
            ("x-rate-limit", total),
            ("x-rate-limit-remaining", remaining),
            ("ratelimit-limit", total),
            ("ratelimit-remaining", remaining),
            ("ratelimit-reset", resets),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_string())).to_vec();
        if used <= total {
            return Ok(headers);
        }
        self.refused += 1;
        let mut answer =
            retry(Answer::text(429, "Number of allowed API requests per minute exceeded"), switches, resets);
        answer.headers.extend(headers);
        Err(answer)
    }

    /// Counts a request of an endpoint that has a limit of its own.
    pub fn endpoint(
        &mut self,
        ask: &Ask,
        template: &str,
        id: u64,
        user: u64,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, Answer> {
        if !switches.limits {
            return Ok(Vec::new());
        }
        let limit = |name: &'static str, key: String, total, seconds| Limit { name, key, total, seconds };
        let limits = match (ask.method.as_str(), template) {
            ("PUT", "/api/v2/tickets/{ticket_id}") => vec![
                limit("per-ticket-updates", format!("per-ticket-updates {user} {id}"), 30, 600),
                limit("tickets-update", "tickets-update".to_owned(), 100, 60),
            ],
            ("POST", "/api/v2/tickets") => {
                let name = "ticket-request-create-by-user-and-ip";
                vec![limit(name, format!("{name} {user}"), 300, 60)]
            }
            ("GET", "/api/v2/tickets") => vec![limit("tickets-index", "tickets-index".to_owned(), 100, 60)],
            ("PUT", "/api/v2/users/{user_id}") => vec![
                limit("user-update-by-record", format!("user-update-by-record {id}"), 5, 60),
                limit("user-update-account", "user-update-account".to_owned(), 1, 1),
            ],
            ("GET", "/api/v2/incremental/users/cursor") => {
                vec![limit("incremental-exports", "incremental-exports".to_owned(), 10, 60)]
            }
            _ => return Ok(Vec::new()),
        };
        let mut headers = Vec::new();
        for limit in limits {
            let (used, resets) = self.count(&limit.key, limit.seconds, now);
            let remaining = limit.total.saturating_sub(used);
            headers.push((
                format!("zendesk-ratelimit-{}", limit.name),
                format!("total={}; remaining={remaining}; resets={resets}", limit.total),
            ));
            if used > limit.total {
                self.refused += 1;
                // Only the incremental export's body is on record; the others are like it.
                let description = match limit.name {
                    "incremental-exports" => switches.lang.say(
                        "Number of allowed incremental export API requests per minute exceeded",
                        "Anzahl der erlaubten inkrementellen Exporte pro Minute überschritten",
                    ),
                    _ => switches.lang.say(
                        "Number of allowed API requests per minute exceeded",
                        "Anzahl der erlaubten API-Anforderungen pro Minute überschritten",
                    ),
                };
                let body = json!({"error": "APIRateLimitExceeded", "description": description});
                let mut answer = retry(Answer::json(429, body), switches, resets);
                answer.headers.extend(headers);
                return Err(answer);
            }
        }
        Ok(headers)
    }

    /// Counts one use and returns the uses so far and the whole seconds until the window ends.
    fn count(&mut self, key: &str, seconds: i64, now: Timestamp) -> (u64, u64) {
        let window = self.windows.entry(key.to_owned()).or_insert(Window { began: now, used: 0 });
        let mut age = now.as_millisecond() - window.began.as_millisecond();
        if age >= seconds * 1000 || age < 0 {
            *window = Window { began: now, used: 0 };
            age = 0;
        }
        window.used += 1;
        let left = (seconds * 1000 - age).div_euclid(1000) + i64::from((seconds * 1000 - age) % 1000 != 0);
        (window.used, left.unsigned_abs())
    }
}

/// Adds `Retry-After` as the switch says; `seconds` when it says nothing.
pub(super) fn retry(answer: Answer, switches: &Switches, seconds: u64) -> Answer {
    match switches.retry_after {
        Some(None) => answer,
        Some(Some(seconds)) => answer.with("retry-after", seconds.to_string()),
        None => answer.with("retry-after", seconds.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn the_pot_is_shared_with_others_and_fills_again_after_a_minute() {
        let mut limits = Limits::default();
        let switches =
            Switches { plan: Plan::parse("10").unwrap(), foreign_traffic: 7, ..Switches::default() };
        for _ in 0..3 {
            assert!(limits.account(&switches, at(0)).is_ok());
        }
        let refused = limits.account(&switches, at(20)).unwrap_err();
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains(&("retry-after".to_owned(), "40".to_owned())));
        let headers = limits.account(&switches, at(60)).unwrap();
        assert!(headers.contains(&("x-rate-limit-remaining".to_owned(), "2".to_owned())));
    }

    #[test]
    fn a_ticket_takes_thirty_updates_in_ten_minutes() {
        let mut limits = Limits::default();
        let switches = Switches::default();
        let ask = Ask {
            method: "PUT".to_owned(),
            path: String::new(),
            query_text: String::new(),
            query: Vec::new(),
            headers: axum::http::HeaderMap::new(),
            body: Vec::new(),
        };
        let mut put =
            |id, second| limits.endpoint(&ask, "/api/v2/tickets/{ticket_id}", id, 1, &switches, at(second));
        for second in 0..30 {
            assert!(put(5, second).is_ok());
        }
        assert!(put(6, 30).is_ok(), "another ticket has its own count");
        let refused = put(5, 31).unwrap_err();
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains(&("retry-after".to_owned(), "569".to_owned())));
        assert!(put(5, 600).is_ok());
    }
}
