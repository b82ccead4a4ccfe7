//! One form for every number: E.164.
//!
//! Built on `rlibphonenumber`, the port of Google's libphonenumber, with guards around it, because
//! it takes `101` for `+49101` and, without an area code, `2312512` for `+492312512`. A number is
//! taken when its length is *possible* in its country; *valid* is asked only where two readings
//! compete, because tables of ranges are always older than the newest range.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};

use super::sent::{LONGEST, Sent, cut, pieces};
use crate::call::{Caller, E164, Extension, ReadNumber};
use crate::crm::ReadNumbers;

/// How the house dials: the keys of `[callers]` that tell what a number means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRules {
    /// The country, ISO 3166-1 alpha-2, such as `DE`.
    pub country: String,
    /// The area code, with or without its trunk prefix, such as `30`; `None` where there is none.
    pub area_code: Option<String>,
    /// The digits for an outside line that the PBX puts before every outside number; mostly empty.
    pub strip_prefix: String,
    /// The longest internal number: what has this many digits or fewer is an extension.
    pub internal_digits: u8,
}

/// The rules of `[callers]` make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The country is unknown.
    #[error("`{0}` is no country with telephone numbers: write its two letters, such as \"DE\"")]
    Country(String),
    /// The area code has other signs than digits.
    #[error("`{0}` is not an area code: write its digits, such as \"30\", or leave the key out")]
    AreaCode(String),
    /// The prefix has other signs than digits.
    #[error("`{0}` cannot be a prefix for outside lines: write its digits, such as \"0\", or leave it empty")]
    StripPrefix(String),
}

/// Reads numbers, from the PBX and from the CRM, by the rules of one house.
#[derive(Clone, Debug)]
pub struct Normaliser {
    region: Region,
    country_code: String,
    /// What is dialled before a national number; empty in countries that have none.
    trunk: String,
    area_code: Option<String>,
    strip_prefix: String,
    internal_digits: usize,
}

/// A change of the reading itself: kept numbers made by an older one are read anew.
const READING: u32 = 1;

/// The shortest number that is taken for an outside one, country code included: `+683 4xxx` (Niue)
/// has seven digits. What is shorter behind a plus is an extension that a trunk decorated.
const SHORTEST: usize = 7;

/// National numbers are at most this long where the plan is open (Germany: 11 digits since 2010,
/// Bundesnetzagentur). A local reading that is longer loses against one with the country code.
const LONGEST_LOCAL: usize = 11;

/// Bare digits of this length are a national number without its trunk prefix (ISDN, type of number
/// "national"), not a local one.
const SURELY_NATIONAL: usize = 10;

const PUNCTUATION: &[char] = &[' ', '/', '-', '(', ')', '.', '[', ']', '_', '~', '\'', '"', '\\', '·', '•'];

impl Normaliser {
    /// A reader for these rules. The first one costs some 20 ms and 12 MB for the tables.
    ///
    /// # Errors
    /// [`RulesError`] names the key and what it may be.
    pub fn new(rules: NumberRules) -> Result<Self, RulesError> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unknown = || RulesError::Country(rules.country.clone());
        let region = rules.country.trim().to_ascii_uppercase().parse::<Region>().map_err(|_| unknown())?;
        let country_code = PHONE_NUMBER_UTIL.get_country_code_for_region(region).ok_or_else(unknown)?;
        let trunk = trunk_prefix(region);
        let area_code = match rules.area_code.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => {
                let bare: String = text.chars().filter(|c| !PUNCTUATION.contains(c)).collect();
                if !digits(&bare) || !(1..=6).contains(&bare.len()) {
                    return Err(RulesError::AreaCode(text.to_owned()));
                }
                let without = bare.strip_prefix(&trunk).filter(|rest| !rest.is_empty() && !trunk.is_empty());
                Some(if bare.starts_with('0') { without.unwrap_or(&bare) } else { &bare }.to_owned())
            }
        };
        let strip_prefix = rules.strip_prefix.trim();
        if !digits(strip_prefix) {
            return Err(RulesError::StripPrefix(strip_prefix.to_owned()));
        }
        Ok(Self {
            region,
            country_code: country_code.to_string(),
            trunk,
            area_code,
            strip_prefix: strip_prefix.to_owned(),
            internal_digits: rules.internal_digits.into(),
        })
    }

    /// The first number in a text of the CRM; `None` when it holds none or only an extension.
    ///
    /// An extension behind the number (`x12`, `;ext=12`, `Durchwahl 12`) is left out: what the PBX
    /// sends of such a caller is the number of the line, and the CRM's search compares it without.
    pub fn e164(&self, text: &str) -> Option<E164> {
        self.numbers(text).into_iter().next()
    }

    /// Every number in a text of the CRM, where people write several into one field.
    pub fn numbers(&self, text: &str) -> Vec<E164> {
        if text.len() > LONGEST {
            return Vec::new();
        }
        let Sent::Text { text, had_host } = cut(text) else {
            return Vec::new();
        };
        if had_host && text.chars().any(char::is_alphabetic) {
            return Vec::new(); // An e-mail address in the wrong field.
        }
        let mut found = Vec::new();
        for piece in pieces(&text) {
            // Behind a number, short digits are its extension or a conference code.
            let stands_alone = piece.trim_start_matches(PUNCTUATION).starts_with(['+', '0']);
            if (found.is_empty() || stands_alone)
                && let Some(number) = self.outside(piece, "")
                && !found.contains(&number)
            {
                found.push(number);
            }
        }
        found
    }

    /// The number as it is written for people: `+49 30 23125111`.
    pub fn spoken(&self, number: E164) -> String {
        let text = number.to_string();
        match PHONE_NUMBER_UTIL.parse(&text, None) {
            Ok(phone) if e164_of(&phone) == Some(number) => {
                PHONE_NUMBER_UTIL.format(&phone, PhoneNumberFormat::International).into_owned()
            }
            _ => text,
        }
    }

    /// Changes when kept numbers must be read anew. The prefix for outside lines and the length of
    /// extensions count too: they decide what is a number.
    pub fn fingerprint(&self) -> String {
        format!(
            "{READING} {:?} {} {} {}",
            self.region,
            self.area_code.as_deref().unwrap_or("-"),
            self.strip_prefix,
            self.internal_digits
        )
    }

    /// An outside number in a text of digits and punctuation.
    fn outside(&self, text: &str, strip_prefix: &str) -> Option<E164> {
        let written = self.digits_outside(text, strip_prefix);
        if text.contains("(0)") && !written.is_some_and(is_valid) {
            // `+48 (0)22 …`: a trunk zero that this country has given up.
            let without = self.digits_outside(&text.replace("(0)", ""), strip_prefix);
            return without.filter(|number| is_valid(*number)).or(written);
        }
        written
    }

    fn digits_outside(&self, text: &str, strip_prefix: &str) -> Option<E164> {
        let (plus, digits) = digits_of(text)?;
        if plus && !digits.starts_with('0') {
            return international(&digits);
        }
        // `+030…` and `+0049…`: a trunk put its plus before whatever it had.
        if digits.len() <= self.internal_digits {
            return None;
        }
        let digits = if plus { &digits } else { digits.strip_prefix(strip_prefix).unwrap_or(&digits) };
        self.dialled(digits)
    }

    /// A number as one would dial it from the house.
    fn dialled(&self, digits: &str) -> Option<E164> {
        if is_european_short_code(digits) && self.country_code.starts_with(['3', '4']) {
            return None;
        }
        let trunk_zero = self.trunk.starts_with('0');
        let prefixed = !self.trunk.is_empty() && digits.starts_with(&self.trunk) || digits.starts_with("00");
        let international_prefix = digits.starts_with("011") || digits.starts_with("810");
        if prefixed || international_prefix {
            if let Some(number) = self.national(digits) {
                return Some(number);
            }
            if let Some(rest) = digits.strip_prefix("00") {
                // The country dials another prefix, but trunks write 00 everywhere.
                return parsed(&format!("+{rest}"), None);
            }
        }
        if trunk_zero && digits.starts_with('0') { None } else { self.bare(digits) }
    }

    /// Digits without plus and without any prefix. Local, national or with the country code: the
    /// readings are tried in the order of how often PBXs mean them.
    fn bare(&self, digits: &str) -> Option<E164> {
        let with_country_code = || {
            let rest = digits.strip_prefix(&self.country_code)?;
            let number = parsed(&format!("+{}{rest}", self.country_code), None)?;
            is_valid(number).then_some(number)
        };
        let area_code = self.area_code.as_deref();
        let local = area_code.and_then(|area| self.with_trunk(&format!("{area}{digits}")));
        let national = self.national(digits).filter(|number| is_valid(*number));

        if self.trunk.is_empty() {
            // The national number is dialled whole (Denmark, Spain, Italy, North America).
            return national.or_else(with_country_code).or(local).or_else(|| self.national(digits));
        }
        let local_is_too_long = area_code.is_some_and(|area| area.len() + digits.len() > LONGEST_LOCAL);
        if local_is_too_long && let Some(number) = with_country_code() {
            return Some(number);
        }
        if let Some(number) = local.filter(|number| is_valid(*number)) {
            return Some(number);
        }
        if let Some(number) = with_country_code() {
            return Some(number);
        }
        let without_trunk = self.with_trunk(digits).filter(|number| is_valid(*number));
        if let Some(number) = without_trunk
            && (area_code.is_some() || digits.len() >= SURELY_NATIONAL || !shorter_is_possible(number))
        {
            return Some(number);
        }
        local
    }

    fn with_trunk(&self, national: &str) -> Option<E164> {
        self.national(&format!("{}{national}", self.trunk))
    }

    fn national(&self, digits: &str) -> Option<E164> {
        parsed(digits, Some(self.region))
    }
}

impl ReadNumbers for Normaliser {
    fn numbers(&self, text: &str) -> Vec<E164> {
        Self::numbers(self, text)
    }
}

impl ReadNumber for Normaliser {
    fn read(&self, sent: &str) -> Caller {
        let unreadable = || Caller::Unreadable(sent.chars().take(64).collect());
        if sent.len() > LONGEST {
            return unreadable();
        }
        let Sent::Text { text, .. } = cut(sent) else {
            return Caller::Withheld;
        };
        let Some((plus, digits)) = digits_of(&text) else {
            return unreadable();
        };
        if !plus && digits.len() <= self.internal_digits {
            return digits.parse::<Extension>().map_or_else(|_| unreadable(), Caller::Internal);
        }
        self.outside(&text, &self.strip_prefix).map_or_else(unreadable, Caller::Number)
    }
}

/// What is written before a national number: `0`, `06`, `8`, or nothing where the prefix does not
/// exist or is optional (North America's 1). Taken from how an example of the country is written,
/// because the tables do not give it away.
fn trunk_prefix(region: Region) -> String {
    let Ok(example) = PHONE_NUMBER_UTIL.get_example_number(region) else {
        return String::new();
    };
    let significant = rlibphonenumber::get_national_significant_number_owned(&example);
    let written: String = PHONE_NUMBER_UTIL
        .format(&example, PhoneNumberFormat::National)
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    written.strip_suffix(&significant).unwrap_or_default().to_owned()
}

/// The digits of a text that has only digits, punctuation and a leading plus.
fn digits_of(text: &str) -> Option<(bool, String)> {
    let mut plus = false;
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() => plus = true,
            c if PUNCTUATION.contains(&c) => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some((plus, digits))
}

/// A number behind a plus. It is taken as it is where the tables do not know better: whoever sends
/// a plus means it.
fn international(digits: &str) -> Option<E164> {
    parsed(&format!("+{digits}"), None).or_else(|| {
        let number = (SHORTEST..=15).contains(&digits.len()).then(|| digits.parse().ok()).flatten()?;
        E164::from_digits(number)
    })
}

/// Reads by the tables; the length must be possible in the country.
fn parsed(text: &str, region: Option<Region>) -> Option<E164> {
    let mut number = possible(text, region)?;
    // One trunk zero is cut at a time (`+49 0030…`); the number must read as itself afterwards.
    for _ in 0..4 {
        match possible(&number.to_string(), None) {
            Some(again) if again == number => return Some(number),
            Some(again) => number = again,
            None => return None,
        }
    }
    None
}

fn possible(text: &str, region: Option<Region>) -> Option<E164> {
    let phone = PHONE_NUMBER_UTIL.parse(text, region).ok()?;
    let length = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&phone);
    matches!(length, Ok(NumberLengthType::IsPossible)).then(|| e164_of(&phone)).flatten()
}

fn e164_of(phone: &PhoneNumber) -> Option<E164> {
    let national = rlibphonenumber::get_national_significant_number_owned(phone);
    let digits = format!("{}{national}", phone.country_code);
    if (SHORTEST..=15).contains(&digits.len()) { E164::from_digits(digits.parse().ok()?) } else { None }
}

fn is_valid(number: E164) -> bool {
    PHONE_NUMBER_UTIL
        .parse(number.to_string(), None)
        .is_ok_and(|phone| PHONE_NUMBER_UTIL.is_valid_number(&phone))
}

/// Whether a number with one digit less could be a whole one too: an open numbering plan, where
/// the length says nothing.
fn shorter_is_possible(number: E164) -> bool {
    let digits = number.digits().to_string();
    possible(&format!("+{}", &digits[..digits.len() - 1]), None).is_some()
}

/// `110`, `112`, `115`, `116117`, `118xx`: reached from everywhere in Europe without an area code,
/// never a subscriber's number.
fn is_european_short_code(digits: &str) -> bool {
    digits.len() <= 6 && digits.starts_with("11")
}

#[cfg(test)]
#[path = "normaliser_tests.rs"]
mod tests;
