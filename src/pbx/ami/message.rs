//! One AMI message, looked at without copying.
//!
//! Keys are found whatever their case; of repeated keys the first wins. Asterisk sends bytes, not
//! text: names are cut by length and may end in half a character, and old phones send Latin-1.

use std::borrow::Cow;
use std::fmt;

use super::frame::Line;

/// A message: a view of the bytes that the framer holds.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    lines: &'a [Line],
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// The first line of a connection, whole: `Asterisk Call Manager/11.0.0`.
    Banner(&'a str),
    /// An event, with its name.
    Event(&'a str),
    /// The answer to an action, with its status: `Success`, `Error`, `Goodbye`, …
    Response(&'a str),
    /// Neither, or its name is no text: list items of Asterisk 1.6, rubbish.
    Other,
}

/// Of which channel of an event something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The event's own (`Channel`, `Uniqueid`).
    Channel,
    /// The one that is dialled (`DestChannel`, `DestUniqueid`).
    Dialled,
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8], lines: &'a [Line]) -> Self {
        Self { bytes, lines }
    }

    pub(super) fn banner(line: &'a [u8]) -> Self {
        Self { bytes: line, lines: &[] }
    }

    /// Says what the message is. What has an `Event` key is an event, even with a `Response` key
    /// beside it, as `OriginateResponse` has.
    pub fn kind(&self) -> Kind<'a> {
        if self.lines.is_empty() {
            return std::str::from_utf8(self.bytes).map_or(Kind::Other, Kind::Banner);
        }
        let name = |value| std::str::from_utf8(value).ok();
        if let Some(event) = self.get("Event") {
            name(event).map_or(Kind::Other, Kind::Event)
        } else {
            self.get("Response").and_then(name).map_or(Kind::Other, Kind::Response)
        }
    }

    /// The value of a key as it came.
    pub fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.get_all(key).next()
    }

    /// The values of all lines with this key, in order.
    pub fn get_all<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'k> {
        let Self { bytes, lines } = *self;
        lines
            .iter()
            .filter(move |line| {
                (line.colon - line.start) as usize == key.len()
                    && bytes[line.start as usize..line.colon as usize].eq_ignore_ascii_case(key.as_bytes())
            })
            .map(move |line| &bytes[line.value as usize..line.end as usize])
    }

    /// The value of a key as text: UTF-8, else Latin-1; see [`decode`].
    pub fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).map(decode)
    }

    /// Like [`Message::text`], but `None` also where Asterisk writes nothing or `<unknown>`.
    pub fn known(&self, key: &str) -> Option<Cow<'a, str>> {
        match self.get(key) {
            None | Some(b"" | b"<unknown>") => None,
            Some(value) => Some(decode(value)),
        }
    }

    /// A value that is a number; `None` when it is none.
    pub fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        std::str::from_utf8(self.get(key)?).ok()?.trim().parse().ok()
    }

    /// The channel variables that `channelvars` of manager.conf adds to an event: of which channel, name, value.
    ///
    /// `ChanVariable: NAME=value` and `DestChanVariable: NAME=value`; up to Asterisk 11 the channel's name stood
    /// in brackets (`ChanVariable(SIP/201-1): NAME=value`), and other programs write the variable's there.
    pub fn channel_variables(&self) -> impl Iterator<Item = (Of, &'a [u8], &'a [u8])> + use<'a> {
        const KEY: &[u8] = b"ChanVariable";
        self.fields().filter_map(|(key, value)| {
            let (of, rest) = match key.strip_prefix(b"Dest") {
                Some(rest) => (Of::Dialled, rest),
                None => (Of::Channel, key),
            };
            let (begins, bracket) = rest.split_at_checked(KEY.len())?;
            if !begins.eq_ignore_ascii_case(KEY) {
                return None;
            }
            let inside = bracket.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
            match inside {
                Some(name) if !name.contains(&b'/') => Some((of, name, value)),
                None if !bracket.is_empty() => None,
                _ => {
                    let equals = value.iter().position(|byte| *byte == b'=')?;
                    Some((of, &value[..equals], &value[equals + 1..]))
                }
            }
        })
    }

    /// All keys and values in order, as they came.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let Self { bytes, lines } = *self;
        lines.iter().map(move |line| {
            (&bytes[line.start as usize..line.colon as usize], &bytes[line.value as usize..line.end as usize])
        })
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return write!(f, "{:?}", decode(self.bytes));
        }
        f.debug_map().entries(self.fields().map(|(key, value)| (decode(key), decode(value)))).finish()
    }
}

/// Makes text of bytes: UTF-8 where it is, with half a character at the end cut off, else Latin-1.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => {
            let (whole, rest) = bytes.split_at(error.valid_up_to());
            match std::str::from_utf8(whole) {
                Ok(text) if error.error_len().is_none() && is_half_a_character(whole, rest) => {
                    Cow::Borrowed(text)
                }
                _ => bytes.iter().copied().map(char::from).collect(),
            }
        }
    }
}

/// Tells a UTF-8 text that was cut by length from a Latin-1 text that ends in a letter beyond ASCII
/// (`Café`, `Groß`). Other characters beyond ASCII before it say UTF-8; else only the first byte of
/// the western and central European letters (U+0080–U+017F), or more than one byte, is believed.
fn is_half_a_character(whole: &[u8], rest: &[u8]) -> bool {
    !whole.is_ascii() || matches!(rest, [0xC2..=0xC5] | [_, _, ..])
}

/// Undoes what is done to a caller's name on its way to AMI: Asterisk's C escapes (since 13 for
/// `CallerIDName` and its kin), then the backslashes of a SIP quoted string (RFC 3261 §25.1), which
/// Asterisk does not take away. Control characters become blanks.
///
/// `\\\"Petra\\\" Sommer` is `"Petra" Sommer`.
pub fn unescape_name(name: &str) -> Cow<'_, str> {
    let needs_nothing = !name.bytes().any(|byte| byte == b'\\' || byte.is_ascii_control());
    if needs_nothing {
        return Cow::Borrowed(name);
    }
    let sip = without_c_escapes(name);
    let mut clean = String::with_capacity(sip.len());
    let mut characters = sip.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(&quoted @ ('"' | '\\'))) => {
                clean.push(quoted);
                characters.next();
            }
            (character, _) if character.is_control() => clean.push(' '),
            (character, _) => clean.push(character),
        }
    }
    Cow::Owned(clean)
}

/// Asterisk's `ast_escape_c`, backwards; line ends and their like become blanks. An unknown escape stays as it
/// is.
pub fn without_c_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some(escaped @ ('\\' | '"' | '\'' | '?')) => plain.push(escaped),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v') => plain.push(' '),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::Framer;
    use super::*;

    fn with_message(text: &[u8], check: impl FnOnce(Message<'_>)) {
        let mut framer = Framer::new();
        framer.push(b"Asterisk Call Manager/5.0.4\r\n");
        framer.push(text);
        framer.push(b"\r\n\r\n");
        framer.take().unwrap();
        check(framer.take().unwrap());
    }

    #[test]
    fn keys_are_found_whatever_their_case_and_the_first_one_wins() {
        with_message(b"EVENT: TestEvent\r\nState: A\r\nstate: B", |message| {
            assert_eq!(message.kind(), Kind::Event("TestEvent"));
            assert_eq!(message.get("State"), Some(&b"A"[..]));
            assert_eq!(message.get_all("STATE").collect::<Vec<_>>(), [b"A", b"B"]);
            assert_eq!(message.get("Stat"), None);
        });
    }

    #[test]
    fn an_event_with_a_response_key_is_an_event() {
        with_message(b"Response: Failure\r\nEvent: OriginateResponse", |message| {
            assert_eq!(message.kind(), Kind::Event("OriginateResponse"));
        });
        with_message(b"ActionID: 1\r\nResponse: Success", |message| {
            assert_eq!(message.kind(), Kind::Response("Success"));
        });
        with_message(b"Channel: SIP/1", |message| assert_eq!(message.kind(), Kind::Other));
        with_message(b"Event: \xff", |message| assert_eq!(message.kind(), Kind::Other));
    }

    #[test]
    fn the_split_is_at_the_first_colon_with_a_blank() {
        let text = b"ChanVariable(SIP/10:0-1): a=b: c\r\nAppData:x:y\r\nEmpty:\r\nBlank: \r\nPing:Pong";
        with_message(text, |message| {
            assert_eq!(message.get("ChanVariable(SIP/10:0-1)"), Some(&b"a=b: c"[..]));
            assert_eq!(message.get("AppData"), Some(&b"x:y"[..]));
            assert_eq!(message.get("Empty"), Some(&b""[..]));
            assert_eq!(message.get("Blank"), Some(&b""[..]));
            assert_eq!(message.get("Ping"), Some(&b"Pong"[..]));
        });
    }

    #[test]
    fn unknown_and_empty_values_are_not_known() {
        let text = b"A: <unknown>\r\nB: \r\nC: unknown\r\nN: 16\r\nM: x";
        with_message(text, |message| {
            assert_eq!((message.known("A"), message.known("B"), message.known("D")), (None, None, None));
            assert_eq!(message.known("C").as_deref(), Some("unknown"));
            assert_eq!((message.number("N"), message.number::<u32>("M")), (Some(16), None));
        });
    }

    #[test]
    fn bytes_become_text_as_well_as_they_can() {
        let cases: [(&[u8], &str); 9] = [
            ("Jörg Müller".as_bytes(), "Jörg Müller"),
            (b"J\xf6rg M\xfcller", "Jörg Müller"),
            (b"J\xc3\xb6rg M\xc3", "Jörg M"),
            (b"Anna M\xc3", "Anna M"),
            (b"Caf\xe9", "Café"),
            (b"Gro\xdf", "Groß"),
            (b"Anna \xe2\x80", "Anna "),
            (b"J\xc3\xb6rg \xf6 x", "JÃ¶rg ö x"),
            (b"", ""),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode(bytes), text);
        }
    }

    #[test]
    fn names_lose_the_escapes_of_ami_and_then_those_of_sip() {
        let cases = [
            ("Petra Sommer", "Petra Sommer"),
            (r"O\'Brien", "O'Brien"),
            (r#"\\\"Petra\\\" Sommer"#, r#""Petra" Sommer"#),
            (r"C:\\\\x", r"C:\x"),
            (r"one\ntwo", "one two"),
            (r"end\", r"end\"),
            (r"\q", r"\q"),
        ];
        for (escaped, name) in cases {
            assert_eq!(unescape_name(escaped), name);
        }
        assert!(matches!(unescape_name("Jörg"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_in_decoding(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = decode(&bytes);
            unescape_name(&text);
        }

        #[test]
        fn a_name_survives_asterisk(name in r#"[a-zA-ZäöüßÄ"\\' ]{0,20}"#) {
            let in_sip = name.replace('\\', r"\\").replace('"', r#"\""#);
            let in_ami = in_sip.replace('\\', r"\\").replace('"', r#"\""#).replace('\'', r"\'");
            prop_assert_eq!(unescape_name(&in_ami), name);
        }
    }
}
