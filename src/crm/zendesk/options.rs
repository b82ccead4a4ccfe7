//! What a client of Zendesk must be told.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::crm::ReadNumbers;

/// How the client is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the account, `https://example.zendesk.com`.
    pub url: Url,
    /// How we log in.
    pub credentials: Credentials,
    /// Whether the voice endpoints are used.
    pub voice: Voice,
    /// What an earlier run found out about them, see [`super::Zendesk::voice_available`].
    pub voice_known: Option<bool>,
    /// How long one request may take, the connection included.
    pub request_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How many requests we allow ourselves in any minute; Zendesk's pot is shared with others.
    pub requests_per_minute: u32,
    /// How many requests may be under way at once.
    pub max_in_flight: u32,
    /// Where numbers are looked for, and later written, in this order.
    pub phone_fields: Vec<PhoneField>,
    /// Reads what people wrote there.
    pub numbers: Arc<dyn ReadNumbers>,
    /// What of the caller is shown in the first internal comment; nothing: nothing is asked for it.
    pub show: Vec<ShowField>,
    /// The app in whose name records of calls are written (`calls_app_id`); `None`: none are.
    pub calls_app_id: Option<u64>,
}

/// A line of the first internal comment: what the caller's agent shall see at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowField {
    /// What stands before the value.
    pub label: String,
    /// Where the value is.
    pub of: ShowOf,
}

/// Where a shown value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShowOf {
    /// The person who calls: an attribute (`email`, `notes`, …) or the key of a user field.
    Person(String),
    /// The person's last ticket: an attribute (`status`, `subject`, …), or the title or id of a ticket field.
    LastTicket(String),
}

/// How we log in.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// OAuth, grant `client_credentials`.
    ClientCredentials {
        /// The unique identifier of the OAuth client.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// The scopes, parted by blanks.
        scope: String,
    },
    /// An API token of an agent; Zendesk accepts it until 2027-04-30.
    ApiToken {
        /// The agent the calls are made as.
        email: String,
        /// The token.
        token: SecretString,
    },
}

/// Whether the voice endpoints (Talk Partner Edition) are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Until Zendesk says that the account has none.
    Auto,
    /// Never.
    Off,
}

/// A place for numbers in a Zendesk user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneField {
    /// `phone`.
    Phone,
    /// The custom user field with this key.
    UserField(String),
    /// The identities of type `phone_number`.
    Identity,
}

impl FromStr for PhoneField {
    type Err = PhoneFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_key = |key: &str| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        match text.strip_prefix("user_fields.") {
            Some(key) if is_key(key) => Ok(Self::UserField(key.to_owned())),
            None if text == "phone" => Ok(Self::Phone),
            None if text == "identity" => Ok(Self::Identity),
            _ => Err(PhoneFieldError(text.to_owned())),
        }
    }
}

impl fmt::Display for PhoneField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone => f.write_str("phone"),
            Self::UserField(key) => write!(f, "user_fields.{key}"),
            Self::Identity => f.write_str("identity"),
        }
    }
}

/// The text names no place for numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for numbers: write \"phone\", \"identity\" or \"user_fields.\" and a field's key")]
pub struct PhoneFieldError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_field_reads_back_what_it_prints() {
        for text in ["phone", "identity", "user_fields.phone_2"] {
            assert_eq!(text.parse::<PhoneField>().unwrap().to_string(), text);
        }
        for text in ["", "Phone", "user_fields.", "user_fields.a b", "user_fields.a:b", "mobile"] {
            assert!(text.parse::<PhoneField>().is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let both = [
            Credentials::ClientCredentials {
                client_id: "ringdesk".to_owned(),
                client_secret: "hush".into(),
                scope: "read".to_owned(),
            },
            Credentials::ApiToken { email: "a@example.com".to_owned(), token: "hush".into() },
        ];
        assert!(!format!("{both:?}").contains("hush"));
    }
}
