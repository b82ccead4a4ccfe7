//! The file as a tree in which every key and value knows its place.
//!
//! The file's own values have types; those of the environment are text and take the type of the key
//! that reads them, so that the secret `00123` stays what it is.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Place;

/// Keys and values of a table.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key stands.
    pub key: Place,
    pub node: Node,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// A whole number; `None` when it is beyond 64 bits.
    Whole(Option<i64>),
    Flag(bool),
    /// A float or a date: no key takes one.
    Other(&'static str),
    List(Vec<Node>),
    Table(Table),
    /// Text from the environment, of any type.
    Variable(String),
}

impl Value {
    /// What it is, for a sentence.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Variable(_) => "text",
            Self::Whole(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Other(kind) => kind,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Takes the parsed file over.
pub(super) fn table(parsed: &DeTable<'_>) -> Table {
    parsed
        .iter()
        .map(|(key, value)| {
            (key.get_ref().to_string(), Entry { key: Place::File(key.span()), node: node(value) })
        })
        .collect()
}

fn node(parsed: &Spanned<DeValue<'_>>) -> Node {
    let value = match parsed.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Whole(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Float(_) => Value::Other("a number with a point"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Node { place: Place::File(parsed.span()), value }
}
