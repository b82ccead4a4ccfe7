//! Small checked values: each is made only by parsing, and its error says what to write.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use super::reader::shown;

/// An e-mail address, kept in small letters because the CRM does not tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

impl Email {
    /// The address in small letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || ",;<>\"()".contains(c);
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !domain.starts_with('.')
                    && !domain.ends_with('.')
                    && text.len() <= 254
                    && !text.contains(odd) =>
            {
                Ok(Self(text.to_lowercase()))
            }
            _ => Err(format!(
                "{} is no e-mail address: write one, such as \"anna.weber@example.com\"",
                shown(text)
            )),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A country that has telephone numbers, by its two letters (ISO 3166-1 alpha-2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Country(String);

impl Country {
    /// The two letters, in capitals.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let letters = text.to_ascii_uppercase();
        let hint = match letters.as_str() {
            "UK" => " (the United Kingdom is \"GB\")",
            "EN" => " (that is a language; England is \"GB\")",
            _ => "",
        };
        let known = letters.len() == 2
            && Region::from_str(&letters)
                .is_ok_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some());
        if known {
            Ok(Self(letters))
        } else {
            Err(format!(
                "{} is no country{hint}: write its two letters as in ISO 3166, such as \"DE\", \"AT\" or \"CH\"",
                shown(text)
            ))
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern of names in which `*` stands for any text; the case of letters does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pattern that is known to be one.
    pub(super) fn literal(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "?[]{}^$\\".contains(c);
        if text.is_empty() || text.contains(odd) {
            return Err(format!(
                "{} is no pattern: write a name without blanks, with `*` for any text, such as \"PJSIP/trunk-*\"",
                shown(text)
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        // Greedy with one way back: after a mismatch the last `*` takes one byte more. Takes
        // |pattern| × |name| steps at most, whatever is in a name from the wire.
        let (mut p, mut n, mut back) = (0, 0, None);
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    back = Some((p, n));
                    p += 1;
                }
                Some(byte) if byte.eq_ignore_ascii_case(&name[n]) => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut back {
                    Some((star, taken)) => {
                        *taken += 1;
                        (p, n) = (*star + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address to listen at; `None` for an empty text.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    text.parse().map(Some).map_err(|_| {
        format!(
            "{} is no address to listen at: write IP address and port, such as \"127.0.0.1:8980\" or \
             \"[::1]:8980\", or \"\" to switch it off",
            shown(text)
        )
    })
}

/// A host: a name or an IP address, without port; brackets around IPv6 are cut.
pub(super) fn host(text: &str) -> Result<String, String> {
    let refuse = |why: &str| {
        Err(format!("{} is no host{why}: write a name or an address, such as \"127.0.0.1\"", shown(text)))
    };
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if text.contains("://") {
        return refuse(" but a URL");
    }
    if let Some((_, port)) = text.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return refuse(": the port has its own key `port`");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label) {
        Ok(text.to_owned())
    } else {
        refuse("")
    }
}

/// Digits only.
pub(super) fn digits(text: &str) -> Option<String> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.to_owned())
}

/// Text on one line, at most `longest` characters.
pub(super) fn line(text: &str, longest: usize) -> Result<String, String> {
    if text.is_empty() {
        Err("it is empty: write something, or leave the key out".to_owned())
    } else if text.chars().any(char::is_control) {
        Err(format!("{} has a line break or another control character: write one line", shown(text)))
    } else if text.chars().count() > longest {
        Err(format!("{} is too long: write at most {longest} characters", shown(text)))
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mail_addresses_are_folded_and_odd_ones_refused() {
        assert_eq!(Email::parse("Anna.Weber@Example.COM").unwrap().as_str(), "anna.weber@example.com");
        for text in
            ["anna", "@example.com", "anna@", "a@b@c", "anna weber@example.com", "a@.com", "<a@b.c>", "a,b@c"]
        {
            let error = Email::parse(text).unwrap_err();
            assert!(error.contains(text) && error.contains("anna.weber@example.com"), "{error}");
        }
    }

    #[test]
    fn a_country_has_two_letters() {
        for (text, expected) in [("DE", "DE"), ("at", "AT"), ("US", "US"), ("IT", "IT")] {
            assert_eq!(Country::parse(text).unwrap().as_str(), expected);
        }
        for text in ["UK", "XX", "D", "DEU", "+49", "49", "", "001", "Ä"] {
            assert!(Country::parse(text).is_err(), "{text}");
        }
        assert!(Country::parse("UK").unwrap_err().contains("\"GB\""));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let table = [
            ("PJSIP/telekom-*", "PJSIP/telekom-00000012", true),
            ("pjsip/TELEKOM-*", "PJSIP/telekom-00000012", true),
            ("PJSIP/telekom-*", "PJSIP/telekom2-00000012", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*trunk*", "from-trunk-sip", true),
            ("from-did*", "from-did", true),
            ("abc", "abcd", false),
            ("abc", "ab", false),
            ("**a", "bba", true),
            ("ü*", "über", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        for text in ["", "a b", "a?c", "[ab]", "^a$"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_to_listen_at_have_a_port() {
        for (text, expected) in
            [("127.0.0.1:8980", "127.0.0.1:8980"), ("[::1]:80", "[::1]:80"), ("localhost:81", "127.0.0.1:81")]
        {
            assert_eq!(listen(text).unwrap().unwrap().to_string(), expected);
        }
        assert_eq!(listen(""), Ok(None));
        for text in ["8980", ":8980", "::1:8980", "example.com:80", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_has_no_port() {
        for (text, expected) in [
            ("10.0.0.5", "10.0.0.5"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("pbx.example.com", "pbx.example.com"),
            ("pbx_1", "pbx_1"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected));
        }
        for (text, why) in [
            ("10.0.0.5:5038", "own key `port`"),
            ("tcp://pbx", "a URL"),
            ("", "is no host"),
            ("a b", "is no host"),
            ("a..b", "is no host"),
        ] {
            assert!(host(text).unwrap_err().contains(why), "{text}");
        }
    }
}
