//! Names of calls, sources and extensions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a source of calls, as in `[[pbx.ami]] name`: 1 to 32 of `a-z 0-9 _ -`.
///
/// It is the first part of every call id, because a PBX numbers its calls for itself alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SourceName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Source(text))
        }
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One telephone call, through every leg: the source and the id the PBX gave to the call's first
/// channel (Asterisk: its Uniqueid).
///
/// The text form is `main/1795292763.0`; the part behind the slash is verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId {
    source: SourceName,
    pbx: Arc<str>,
}

impl CallId {
    /// Joins the source's name and the PBX's own id.
    pub fn new(source: SourceName, pbx: impl Into<Arc<str>>) -> Self {
        Self { source, pbx: pbx.into() }
    }

    /// Where the call was heard.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The id that the PBX gave to the call's first channel, verbatim.
    pub fn pbx(&self) -> &str {
        &self.pbx
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.pbx)
    }
}

impl FromStr for CallId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((source, pbx)) if !pbx.is_empty() => {
                Ok(Self::new(SourceName::try_from(source.to_owned())?, pbx))
            }
            _ => Err(IdError::Call(text.to_owned())),
        }
    }
}

impl TryFrom<String> for CallId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> Self {
        id.to_string()
    }
}

/// An internal number or device name of the PBX: `201`, `610`, `anna.desk`.
///
/// 1 to 32 printable characters without blanks, `/` and `@`: digits on most systems, names on STARFACE.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Extension(Arc<str>);

impl Extension {
    /// The extension as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Extension {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Extension {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| !c.is_control() && !c.is_whitespace() && c != '/' && c != '@';
        if (1..=32).contains(&text.chars().count()) && text.chars().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Extension(text.to_owned()))
        }
    }
}

impl From<Extension> for String {
    fn from(extension: Extension) -> Self {
        extension.0.as_ref().to_owned()
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A source's name.
    #[error("`{0}` is not a source's name: write 1 to 32 of a-z, 0-9, `_` and `-`, such as \"main\"")]
    Source(String),
    /// A call's id.
    #[error(
        "`{0}` is not a call's id: write the source, a slash and the PBX's id, such as \"main/1795292763.0\""
    )]
    Call(String),
    /// An extension.
    #[error("`{0}` is not an extension: write 1 to 32 characters without blanks, such as \"204\"")]
    Extension(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_reads_back_what_it_prints() {
        for text in ["main/1795292763.0", "branch-2/pbx16-1795293027.0", "main/a/b"] {
            assert_eq!(text.parse::<CallId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn odd_names_are_refused_with_the_way_out() {
        assert!("main".parse::<CallId>().is_err());
        assert!("main/".parse::<CallId>().is_err());
        assert!(SourceName::try_from("Main PBX".to_owned()).is_err());
        let error = "20 1".parse::<Extension>().unwrap_err().to_string();
        assert!(error.contains("20 1") && error.contains("204"), "{error}");
    }
}
