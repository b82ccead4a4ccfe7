//! What PBXs, SIP devices and people write around a number, and how it is cut away.
//!
//! Sources: RFC 3261 §19.1 (sip:), RFC 3966 (tel:, `;ext=`, `;phone-context=`), RFC 3323 §4.1.1.3
//! (`anonymous.invalid`), captures of Asterisk 16 and 22, exports of CRMs.

/// Longer texts are no numbers: the longest sensible one is a SIP address with parameters.
pub(super) const LONGEST: usize = 256;

/// Spellings of "no number" that PBXs and trunks send, without blanks and signs, lower-case.
const WITHHELD: &[&str] = &[
    "anonymous",
    "anonymus",
    "anonym",
    "unknown",
    "unbekannt",
    "restricted",
    "private",
    "privat",
    "privatenumber",
    "withheld",
    "numberwithheld",
    "hidden",
    "unterdrückt",
    "blocked",
    "unavailable",
    "notavailable",
    "nonumber",
    "outofarea",
    "asserted",
    "clir",
    "none",
    "null",
    "nocallerid",
    "unknowncaller",
    "anonymouscaller",
    "callerunknown",
    "callerid",
    "coverline",
];

/// An address cut down to its number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The caller hides the number, or there is none.
    Withheld,
    /// What is left: trimmed, digits in ASCII, no scheme, no host, no parameters.
    Text {
        /// The text.
        text: String,
        /// Whether there was a host behind an `@`.
        had_host: bool,
    },
}

/// Cuts scheme, host, display name, parameters and invisible characters away.
pub(super) fn cut(sent: &str) -> Sent {
    let plain: String = sent.chars().filter_map(plain_character).collect();
    let mut text = plain.trim();
    if let Some((_, inside)) = text.split_once('<') {
        text = inside.split('>').next().unwrap_or_default().trim();
    }
    text = text.trim_matches(['"', '\'']).trim();
    let text = without_scheme(text);
    let (user, host) = match text.split_once('@') {
        Some((user, host)) => (user, Some(host)),
        None => (text, None),
    };
    if host.is_some_and(|host| host.split([':', ';', '>']).next() == Some("anonymous.invalid")) {
        return Sent::Withheld;
    }
    let number = without_parameters(&unescaped(user));
    if is_withheld(&number) {
        return Sent::Withheld;
    }
    Sent::Text { text: number, had_host: host.is_some() }
}

/// One character as a telephone book prints it; `None` drops it.
///
/// Full-width and Arabic digits come from phones set to such a language, bidirectional marks and
/// non-breaking blanks from copying out of web pages and Office, NUL bytes from broken firmware.
fn plain_character(c: char) -> Option<char> {
    let digit = |zero: u32| char::from_digit(u32::from(c) - zero, 10);
    match c {
        '\n' | '\r' => Some(';'),
        '\u{00AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' => None,
        c if c.is_whitespace() => Some(' '),
        c if c.is_control() => None,
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0),
        '\u{0660}'..='\u{0669}' => digit(0x0660),
        '\u{06F0}'..='\u{06F9}' => digit(0x06F0),
        '\u{0966}'..='\u{096F}' => digit(0x0966),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        c => Some(c),
    }
}

fn without_scheme(text: &str) -> &str {
    for scheme in ["sip:", "sips:", "tel:", "callto:", "pstn:"] {
        if let Some(head) = text.get(..scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            return text[scheme.len()..].trim_start_matches('/').trim();
        }
    }
    text
}

/// The percent escapes that a SIP user part needs for `+`, `#`, `*` and blanks.
fn unescaped(user: &str) -> String {
    if !user.contains('%') {
        return user.trim().to_owned();
    }
    let mut text = user.to_owned();
    for (escape, sign) in [("%2B", "+"), ("%2b", "+"), ("%23", "#"), ("%2A", "*"), ("%2a", "*"), ("%20", " ")]
    {
        text = text.replace(escape, sign);
    }
    text.trim().to_owned()
}

/// Cuts `;user=phone`, `;ext=12` and their like; a global `;phone-context=+4930` is put in front.
fn without_parameters(user: &str) -> String {
    let Some((number, parameters)) = user.split_once(';') else {
        return user.to_owned();
    };
    // A list of numbers, as people write them in a field, has no `key=value` behind the semicolon.
    if !parameters.contains('=') && !parameters.starts_with("npdi") {
        return user.to_owned();
    }
    let context = parameters.split(';').find_map(|parameter| parameter.strip_prefix("phone-context="));
    match context {
        Some(context) if context.starts_with('+') && !number.starts_with('+') => format!("{context}{number}"),
        _ => number.trim().to_owned(),
    }
}

fn is_withheld(text: &str) -> bool {
    if text == "-1" {
        return true;
    }
    if text.contains(['*', '#']) {
        return false;
    }
    let bare: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    bare.bytes().all(|byte| byte == b'0') || WITHHELD.contains(&bare.as_str())
}

/// Cuts what a person wrote into a CRM's field into pieces that may each be a number.
///
/// Cuts at letters (`x12`, `Durchwahl`, `mobil:`), at signs that part a list, and before a second
/// plus or trunk zero; not at the one slash of `030/23125`.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut digits = 0usize;
    for (at, c) in text.char_indices() {
        let parts_a_list = c.is_alphabetic() || matches!(c, ',' | ';' | '|' | '#' | '*' | '&' | '=' | ':');
        let begins_anew = digits > 0 && c == '+'
            || digits >= 7 && c == '0' && {
                let before = text[start..at].trim_end_matches([' ', '(']);
                before.len() < text[start..at].len() && before.ends_with('/')
            };
        if parts_a_list || begins_anew {
            pieces.push(&text[start..at]);
            start = if parts_a_list { at + c.len_utf8() } else { at };
            digits = 0;
        }
        digits += usize::from(c.is_ascii_digit());
    }
    pieces.push(&text[start..]);
    pieces.retain(|piece| piece.bytes().any(|byte| byte.is_ascii_digit()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sent: &str) -> String {
        match cut(sent) {
            Sent::Withheld => "withheld".to_owned(),
            Sent::Text { text, .. } => text,
        }
    }

    #[test]
    fn all_that_is_around_the_number_is_cut() {
        let table = [
            ("+493023125111", "+493023125111"),
            ("  030 23125 \t", "030 23125"),
            ("sip:+493023125@trunk.example.net:5060;transport=udp", "+493023125"),
            ("SIPS:030@host", "030"),
            ("\"Weber, Anna\" <sip:201@pbx>", "201"),
            ("<sip:%2B493023125;user=phone@host>", "+493023125"),
            ("tel:+49-30-23125", "+49-30-23125"),
            ("tel:23125;phone-context=+4930", "+493023125"),
            ("tel:23125;phone-context=example.com", "23125"),
            ("tel:+493023125;ext=12", "+493023125"),
            ("callto://+493023125", "+493023125"),
            ("\u{FF0B}\u{FF14}\u{FF19}\u{FF13}\u{FF10}", "+4930"),
            ("\u{202D}+49\u{00A0}30\u{202C}", "+49 30"),
            ("0\u{0}30\u{0}", "030"),
            ("%2A21%23", "*21#"),
            ("anna.desk", "anna.desk"),
        ];
        for (sent, expected) in table {
            assert_eq!(text(sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn every_known_spelling_of_no_number_is_withheld() {
        let spellings = [
            "",
            " ",
            "anonymous",
            "Anonymous",
            "ANONYMOUS",
            "+anonymous",
            "sip:anonymous@anonymous.invalid",
            "<sip:+493023125@anonymous.invalid>",
            "Anonymous <sip:c8oqz84zk7z@anonymous.invalid>",
            "unknown",
            "<unknown>",
            "Unknown",
            "Restricted",
            "private",
            "Private Number",
            "withheld",
            "hidden",
            "unavailable",
            "UNAVAILABLE",
            "asserted",
            "CLIR",
            "0",
            "00000000",
            "-1",
            "+",
            "unterdrückt",
            "\u{0}",
        ];
        for sent in spellings {
            assert_eq!(cut(sent), Sent::Withheld, "{sent:?}");
        }
    }

    #[test]
    fn a_field_is_cut_into_the_numbers_that_a_person_wrote() {
        let table: [(&str, &[&str]); 8] = [
            ("030/23125-12", &["030/23125-12"]),
            ("030 23125 / 0171 2312512", &["030 23125 / ", "0171 2312512"]),
            ("+49 30 23125/+49 171 23125", &["+49 30 23125/", "+49 171 23125"]),
            ("030 23125 x12", &["030 23125 ", "12"]),
            ("Tel.: 030 23125, mobil 0171 1", &["030 23125", " 0171 1"]),
            ("030 23125; 0171 23125", &["030 23125", " 0171 23125"]),
            ("+49 (0)30 23125", &["+49 (0)30 23125"]),
            ("niemand", &[]),
        ];
        for (text, expected) in table {
            let trimmed: Vec<_> =
                pieces(text).iter().map(|piece| piece.trim_start_matches([':', '.'])).collect();
            let trimmed: Vec<_> = trimmed.iter().map(|piece| piece.trim()).collect();
            let expected: Vec<_> = expected.iter().map(|piece| piece.trim()).collect();
            assert_eq!(trimmed, expected, "{text:?}");
        }
    }
}
