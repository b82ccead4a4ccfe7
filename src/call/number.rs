//! Numbers of callers.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::Extension;

/// A telephone number in the form of ITU-T E.164: country code and national number, at most 15 digits.
///
/// Kept as one integer: no country code begins with 0, so nothing is lost, and a phone book of a
/// million numbers stays small.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(NonZeroU64);

impl E164 {
    /// The digits as an integer, without the plus.
    pub fn digits(self) -> u64 {
        self.0.get()
    }

    /// The number behind these digits; `None` for 0 and for more than 15 digits.
    pub fn from_digits(digits: u64) -> Option<Self> {
        (digits < 1_000_000_000_000_000).then(|| NonZeroU64::new(digits).map(Self)).flatten()
    }
}

impl FromStr for E164 {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NumberError(text.to_owned());
        let digits = text.strip_prefix('+').ok_or_else(refuse)?;
        let plain = (4..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if !plain {
            return Err(refuse());
        }
        digits.parse().ok().and_then(Self::from_digits).ok_or_else(refuse)
    }
}

impl TryFrom<String> for E164 {
    type Error = NumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> Self {
        number.to_string()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no E.164 number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an E.164 number: write a plus, country code and number, such as \"+493023125111\"")]
pub struct NumberError(String);

/// Who calls, as far as the number tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// The number is hidden, or there is none: nothing is looked up, nothing is shown.
    Withheld,
    /// A telephone number of the outside world.
    Number(E164),
    /// An extension of the PBX itself.
    Internal(Extension),
    /// Something was sent that is no telephone number; kept as it was sent.
    Unreadable(String),
}

impl Caller {
    /// The number in E.164, where there is one.
    pub fn e164(&self) -> Option<E164> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Withheld | Self::Internal(_) | Self::Unreadable(_) => None,
        }
    }
}

/// Reads numbers the way the house writes them: country, area code, prefixes.
///
/// The one implementation is the phone book's normaliser; the trait stands here because a call
/// names nothing of the house.
pub trait ReadNumber: Send + Sync {
    /// Says what the text that the PBX sent as the caller's number means.
    fn read(&self, sent: &str) -> Caller;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_what_it_prints() {
        for text in ["+493023125111", "+15551234567", "+999999999999999"] {
            assert_eq!(text.parse::<E164>().unwrap().to_string(), text);
        }
        assert_eq!(size_of::<Option<E164>>(), 8);
    }

    #[test]
    fn what_is_no_e164_number_is_refused() {
        for text in ["", "+", "+0301234", "493023125111", "+12", "+4930 23125111", "+1234567890123456"] {
            assert!(text.parse::<E164>().is_err(), "{text}");
        }
    }
}
