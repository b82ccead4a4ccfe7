//! The greeting, the challenge and the log-in, and what is said when they fail.

use std::time::Instant;

use md5::{Digest, Md5};

use super::words::VARIABLES;
use super::{Phase, Session, SessionEvent, What};

impl Session {
    pub(super) fn on_banner(&mut self, banner: &str, now: Instant) {
        // Some PBXs of the family put their own name before it.
        let Some((_, version)) = banner.split_once("Call Manager/") else {
            // An SSH or web server, or an AMI proxy without a greeting.
            let said: String = banner.chars().filter(|c| !c.is_control()).take(60).collect();
            self.over(SessionEvent::WrongPeer {
                reason: format!(
                    "it greets with `{said}`, not with `Asterisk Call Manager/…`: check the port"
                ),
            });
            return;
        };
        version.trim().clone_into(&mut self.version);
        self.phase = Phase::LoggingIn;
        self.send(What::Challenge, "Challenge", &[("AuthType", "MD5")], now);
    }

    pub(super) fn answer_challenge(&mut self, challenge: &str, now: Instant) {
        let digest = Md5::new().chain_update(challenge).chain_update(self.account.secret.expose()).finalize();
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.send_login(&[("AuthType", "MD5"), ("Key", &key)], now);
    }

    pub(super) fn log_in_plainly(&mut self, words: &str, now: Instant) {
        if self.account.plain_allowed {
            let secret = self.account.secret.clone();
            self.send_login(&[("Secret", secret.expose())], now);
        } else {
            let reason = format!(
                "the PBX refuses the MD5 challenge (`{words}`), and the secret is not sent unencrypted over \
                 the network: use `tls = true`, or a connection on the same machine"
            );
            self.over(SessionEvent::LoginRefused { reason });
        }
    }

    fn send_login(&mut self, proof: &[(&str, &str)], now: Instant) {
        let username = self.account.username.clone();
        let fields: Vec<_> = [("Username", username.as_str()), ("Events", self.account.classes)]
            .into_iter()
            .chain(proof.iter().copied())
            .collect();
        self.send(What::Login, "Login", &fields, now);
    }

    pub(super) fn why_login_is_refused(&self, words: &str) -> String {
        let advice = if words.to_ascii_lowercase().contains("in use") {
            "another connection uses the account, perhaps our own last one: give ringdesk an account of its \
             own, or set `allowmultiplelogin = yes` in manager.conf"
        } else {
            "check the account's `secret`, `permit` and `deny` in manager.conf"
        };
        format!("the PBX says `{words}` to the user `{}`: {advice}", self.account.username)
    }

    /// One regular expression for all names. It is matched against the whole text of an event, where
    /// a caller's name could say anything, hence the anchor; the newer `MatchCriteria` (18.26, 20.11,
    /// 21.6, 22.1) needs no anchor, but older versions take it for an empty expression, and the banner
    /// does not tell these versions apart. Needs the right `system`, which a careful account has not.
    pub(super) fn ask_for_filter(&mut self, now: Instant) {
        if !self.account.unwanted.is_empty() {
            let filter = format!("!^Event: ({})[^A-Za-z]", self.account.unwanted.join("|"));
            self.send(What::Filter, "Filter", &[("Operation", "Add"), ("Filter", &filter)], now);
        }
    }

    /// Of all `VarSet`, by far the most frequent event of the class `dialplan`, only those of variables that are
    /// of use. Sent after the other filter was taken: Asterisk sends what this one lets through and the other one
    /// does not keep back (`match_filter` of 16 and 22: `.` stands for line ends, too).
    pub(super) fn ask_for_var_sets(&mut self, now: Instant) {
        let wanted = VARIABLES.iter().copied().chain(self.account.variables.iter().map(String::as_str));
        let names: Vec<String> = wanted.map(in_any_case).collect();
        let names = names.join("|");
        let filter =
            format!("^Event: ([^V]|V[^a]|VarSet[^A-Za-z].*[^A-Za-z]Variable: _?_?({names})[^A-Za-z0-9_])");
        // Asterisk takes lines of about 1024 bytes; without this filter all are read, which works as well.
        if filter.len() < 900 {
            self.send(What::VarSets, "Filter", &[("Operation", "Add"), ("Filter", &filter)], now);
        }
    }
}

/// A regular expression (POSIX, extended) for a name in whatever case.
fn in_any_case(name: &str) -> String {
    let mut expression = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphabetic() {
            expression.extend(['[', letter.to_ascii_lowercase(), letter.to_ascii_uppercase(), ']']);
        } else if letter.is_ascii_digit() || letter == '_' {
            expression.push(letter);
        } else {
            // A letter beyond ASCII has several bytes, and everything else may mean something.
            expression.push_str(".+");
        }
    }
    expression
}
