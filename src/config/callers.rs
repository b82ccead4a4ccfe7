//! `[callers]`: what a number means, and what becomes of callers nobody knows.

use std::time::Duration;

use crate::call::{Field, Template};

use super::reader::shown;
use super::section::Section;
use super::values::{self, Country, Email};

/// Callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers {
    /// The country of the PBX.
    pub country: Country,
    /// The area code of the PBX as written, digits only; `None` where the country has none.
    pub area_code: Option<String>,
    /// The digits for an outside line, to be cut; mostly empty.
    pub strip_prefix: String,
    /// The longest internal number, in digits.
    pub internal_digits: u8,
    /// For whom the ticket of an unknown caller is.
    pub unknown: UnknownCaller,
    /// The user for callers that have no other.
    pub default_user: Email,
    /// Its name, when it must be made.
    pub default_user_name: String,
    /// Where numbers are looked for, and later written, in this order.
    pub phone_fields: Vec<PhoneField>,
    /// The name of a new user.
    pub new_user_name: Template,
    /// A user that was made for a number is removed when the number has found its owner.
    pub remove_placeholders: bool,
    /// What is done when several persons have the number.
    pub several: Several,
    /// How often the phone book asks for changes.
    pub refresh: Duration,
    /// How long a number found by search is kept.
    pub keep_found: Duration,
    /// How long it is kept that a number was not found.
    pub keep_not_found: Duration,
    /// How long a search may take.
    pub search_timeout: Duration,
}

/// For whom the ticket of an unknown caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownCaller {
    /// For the default user.
    DefaultUser,
    /// For a new user who has only the number.
    NewUser,
}

/// What is done when several persons have the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Several {
    /// No guess: as for an unknown caller; the ticket lists them.
    Unknown,
    /// The person who was made first (lowest id).
    First,
}

/// A place for numbers in the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneField {
    /// The user's phone.
    Phone,
    /// The phone numbers among the user's identities.
    Identity,
    /// The custom user field with this key.
    UserField(String),
}

impl std::fmt::Display for PhoneField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phone => f.write_str("phone"),
            Self::Identity => f.write_str("identity"),
            Self::UserField(key) => write!(f, "user_fields.{key}"),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

impl Callers {
    pub(super) fn read(section: Option<Section<'_>>) -> Option<Self> {
        let mut section = section?;
        let country = section.parsed("country", Country::parse).required("\"DE\"");
        let area_code = section.parsed("area_code", area_code).optional().flatten();
        let strip_prefix = section
            .parsed("strip_prefix", |text| {
                let fits = values::digits(text).filter(|digits| digits.len() <= 4);
                fits.ok_or_else(|| {
                    format!("{} is no prefix: write at most four digits, such as \"0\", or \"\"", shown(text))
                })
            })
            .or(String::new());
        let unknown = [("default_user", UnknownCaller::DefaultUser), ("new_user", UnknownCaller::NewUser)];
        let several = [("unknown", Several::Unknown), ("first", Several::First)];
        let default_user = section.parsed("default_user", Email::parse).required("\"telephone@example.com\"");
        let new_user_name =
            |text: &str| Template::compile(text, Field::OF_NEW_USERS).map_err(|error| error.to_string());
        Some(Self {
            area_code,
            strip_prefix,
            internal_digits: section.whole("internal_digits", "digits", 1..=10).or(6),
            unknown: section.one_of("unknown", &unknown).or(UnknownCaller::DefaultUser),
            default_user_name: section
                .parsed("default_user_name", |text| values::line(text, 100))
                .or("Unknown caller".to_owned()),
            phone_fields: phone_fields(&mut section),
            new_user_name: section
                .parsed("new_user_name", new_user_name)
                .or(new_user_name("Caller {number}").expect("the built-in name compiles")),
            remove_placeholders: section.flag("remove_placeholders").or(false),
            several: section.one_of("several", &several).or(Several::Unknown),
            refresh: section.duration("refresh", 30 * SECOND..=24 * HOUR).or(300 * SECOND),
            keep_found: section.duration("keep_found", SECOND..=24 * HOUR).or(600 * SECOND),
            keep_not_found: section.duration("keep_not_found", SECOND..=24 * HOUR).or(60 * SECOND),
            search_timeout: section.duration("search_timeout", SECOND..=39 * SECOND).or(10 * SECOND),
            country: country?,
            default_user: default_user?,
        })
    }
}

/// Digits, as people write them; empty is none.
fn area_code(text: &str) -> Result<Option<String>, String> {
    let bare: String = text.chars().filter(|c| !" ()/-".contains(*c)).collect();
    match values::digits(&bare) {
        Some(digits) if digits.len() <= 6 => Ok(Some(digits).filter(|digits| !digits.is_empty())),
        _ => Err(format!(
            "{} is no area code: write its digits without the country's, such as \"30\", or leave the key out",
            shown(text)
        )),
    }
}

fn phone_fields(section: &mut Section<'_>) -> Vec<PhoneField> {
    let fields = section.list("phone_fields", phone_field).spot_or(vec![PhoneField::Phone]);
    let doubled = fields.value.iter().enumerate().find(|(i, field)| fields.value[..*i].contains(field));
    if let Some((_, field)) = doubled {
        section.reader.mistake(&fields.place, fields.key, format!("\"{field}\" is named twice: keep one"));
    } else if fields.value.is_empty() {
        let message = "the list is empty or has no right entry: write at least one, such as [\"phone\"]";
        section.reader.mistake(&fields.place, fields.key, message);
    }
    fields.value
}

fn phone_field(text: &str) -> Result<PhoneField, String> {
    let key = |key: &str| {
        !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    match text.strip_prefix("user_fields.") {
        _ if text == "phone" => Ok(PhoneField::Phone),
        _ if text == "identity" => Ok(PhoneField::Identity),
        Some(name) if key(name) => Ok(PhoneField::UserField(name.to_owned())),
        _ => Err(format!(
            "{} is no place for numbers: write \"phone\", \"identity\" or \"user_fields.\" and the key of a \
             user field, such as \"user_fields.phone_2\"",
            shown(text)
        )),
    }
}
