//! What kind of account this is, and the manual of all faults and switches.

use std::time::Duration;

use jiff::Timestamp;

use super::exchange::Lang;
use super::faults::{duration, is_off};
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
    (
        "list_delay",
        "DURATION",
        "time until a change of a ticket shows in lists of a user's tickets; default 0s",
    ),
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
    (
        "assignee_alone",
        "moves|422",
        "an assignee from outside of the ticket's group takes it to the own default group, or is refused; default moves",
    ),
    (
        "group_alone",
        "clears|422",
        "a group the assignee is not in takes the ticket from the assignee, or is refused; default clears",
    ),
    ("merged_user", "inactive|404", "what GET of a user answers who was merged away; default inactive"),
    (
        "merge_phone_only",
        "allowed|422",
        "whether users can be merged into one who has a phone number and no address; default allowed",
    ),
    (
        "agent_workspace",
        "on|off",
        "whether the account has the Agent Workspace, which can redact comments of closed tickets; default on",
    ),
    ("call_comments", "private|public", "visibility of comments made by calls; default private"),
];

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
    pub assignee_moves: bool,
    pub group_clears: bool,
    pub merged_user_shown: bool,
    pub merge_phone_only: bool,
    pub call_comments_public: bool,
    pub agent_workspace: bool,
    pub list_delay: Duration,
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
            assignee_moves: true,
            group_clears: true,
            merged_user_shown: true,
            merge_phone_only: true,
            call_comments_public: false,
            agent_workspace: true,
            list_delay: Duration::ZERO,
        }
    }
}

/// Sets a switch: `Some(true)` done, `Some(false)` no switch of this name, `None` a bad value.
pub(super) fn set_switch(switches: &mut Switches, name: &str, text: &str, now: Timestamp) -> Option<bool> {
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
        "assignee_alone" => switches.assignee_moves = word("moves", "422")?,
        "group_alone" => switches.group_clears = word("clears", "422")?,
        "merged_user" => switches.merged_user_shown = word("inactive", "404")?,
        "merge_phone_only" => switches.merge_phone_only = word("allowed", "422")?,
        "call_comments" => switches.call_comments_public = word("public", "private")?,
        "agent_workspace" => switches.agent_workspace = word("on", "off")?,
        "list_delay" => switches.list_delay = duration(text)?,
        _ => return Some(false),
    }
    Some(true)
}
