//! Custom fields: what the account has, and how a text becomes what a field takes.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/> and
//! <https://developer.zendesk.com/api-reference/ticketing/users/user_fields/>. Zendesk ignores what is
//! written into an unknown or deactivated field without a word, so both are found out here.

use std::sync::Arc;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errand::{Ask, Errand};
use super::failure::Failure;
use crate::crm::FieldProblem;

/// Pages that are read at most: 10 000 fields are a list that does not end.
const MOST_PAGES: usize = 100;
/// Options that a text for people names.
const NAMED: usize = 12;

/// Whose fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// `ticket_fields`.
    Tickets,
    /// `user_fields`.
    Users,
}

/// A field's definition; only what is needed here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Field {
    pub id: u64,
    /// Fields of users have one.
    pub key: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
    pub title: Option<String>,
    #[serde(default = "yes")]
    active: bool,
    regexp_for_validation: Option<String>,
    tag: Option<String>,
    #[serde(default)]
    custom_field_options: Option<Vec<Choice>>,
}

/// One option of a drop-down or multi-select field.
#[derive(Clone, Debug, Deserialize)]
struct Choice {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(alias = "ticket_fields", alias = "user_fields")]
    fields: Vec<Field>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default)]
    has_more: bool,
    after_cursor: Option<String>,
}

/// Every field of tickets or of users, by position.
pub(super) type Fields = Arc<Vec<Field>>;

fn yes() -> bool {
    true
}

/// The fields, read once and kept for an hour.
pub(super) async fn all(errand: &Errand<'_>, owner: Owner) -> Result<Fields, Failure> {
    let read = errand.zendesk.fields.try_get_with(owner, async { read(errand, owner).await });
    read.await.map_err(Arc::unwrap_or_clone)
}

async fn read(errand: &Errand<'_>, owner: Owner) -> Result<Fields, Failure> {
    let path = match owner {
        Owner::Tickets => "/ticket_fields",
        Owner::Users => "/user_fields",
    };
    let mut fields = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut ask = Ask::get(path, &[]).query("page[size]", "100");
        if let Some(cursor) = &cursor {
            ask = ask.query("page[after]", cursor.clone());
        }
        let page: Page = errand.ask(&ask).await?.read()?;
        fields.extend(page.fields);
        let next =
            page.meta.after_cursor.filter(|after| page.meta.has_more && Some(after) != cursor.as_ref());
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    Ok(Arc::new(fields))
}

/// The field that is meant by a title (whatever its case), a key or an id.
pub(super) fn find<'f>(fields: &'f [Field], name: &str) -> Result<&'f Field, FieldProblem> {
    let name = name.trim();
    let name = name.strip_prefix("user_fields.").unwrap_or(name);
    let id = name.parse::<u64>().ok();
    let exact = |field: &&Field| Some(field.id) == id || field.key.as_deref() == Some(name);
    if let Some(field) = fields.iter().find(exact) {
        return if field.active { Ok(field) } else { Err(FieldProblem::Inactive) };
    }
    let folded = fold(name);
    let titled: Vec<&Field> =
        fields.iter().filter(|field| field.title.as_deref().map(fold) == Some(folded.clone())).collect();
    let mut usable = titled.iter().filter(|field| field.active && field.takes_text());
    match (usable.next(), usable.count(), titled.first()) {
        (Some(field), 0, _) => Ok(field),
        (Some(_), more, _) => Err(FieldProblem::Ambiguous(more + 1)),
        (None, _, Some(field)) if field.active => Ok(field),
        (None, _, Some(_)) => Err(FieldProblem::Inactive),
        (None, _, None) => Err(FieldProblem::Unknown),
    }
}

impl Field {
    /// Whether a value can be made of a text at all.
    fn takes_text(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "text"
                | "textarea"
                | "regexp"
                | "checkbox"
                | "date"
                | "integer"
                | "decimal"
                | "tagger"
                | "dropdown"
                | "multiselect"
                | "lookup"
        )
    }

    fn chooses(&self) -> bool {
        matches!(self.kind.as_str(), "tagger" | "dropdown" | "multiselect")
    }

    fn choices(&self) -> impl Iterator<Item = (&str, &str)> {
        let choices = self.custom_field_options.iter().flatten();
        choices
            .filter_map(|choice| Some((choice.name.as_deref().unwrap_or_default(), choice.value.as_deref()?)))
    }

    /// What is wrong with the field whatever is written into it.
    pub fn problem(&self) -> Option<FieldProblem> {
        if !self.takes_text() {
            return Some(FieldProblem::NoText(self.kind.clone()));
        }
        (self.chooses() && self.choices().next().is_none()).then_some(FieldProblem::NoOptions)
    }

    /// The value that the field takes for this text, or what it wants instead.
    ///
    /// # Errors
    /// Says what would fit; never the text, which may be a caller's.
    pub fn typed(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let wants = |what: &str| Err(format!("wants {what}"));
        match self.kind.as_str() {
            "text" | "textarea" => Ok(json!(text)),
            "regexp" => {
                // Zendesk's patterns are Ruby's: one that is not understood here is left to Zendesk.
                let pattern = self.regexp_for_validation.as_deref().unwrap_or_default();
                match regex::Regex::new(pattern) {
                    Ok(regex) if !regex.is_match(text) => wants(&format!("a text that matches {pattern}")),
                    _ => Ok(json!(text)),
                }
            }
            "checkbox" => match fold(text).as_str() {
                "true" | "yes" | "on" | "1" => Ok(json!(true)),
                "false" | "no" | "off" | "0" => Ok(json!(false)),
                _ => wants("true or false"),
            },
            // A time is more than was asked for: its day is taken.
            "date" => match day(text) {
                Some(day) => Ok(json!(day.to_string())),
                None => wants("a date such as 2026-11-26"),
            },
            "integer" => text.parse::<i64>().map(|number| json!(number)).or_else(|_| wants("a whole number")),
            "decimal" => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(json!(number)),
                _ => wants("a number such as 12.5"),
            },
            "tagger" | "dropdown" => match self.choice(text) {
                Some(value) => Ok(json!(value)),
                None => wants(&format!("one of {}", self.names())),
            },
            "multiselect" => {
                let parts = text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty());
                let chosen: Option<Vec<&str>> = parts.map(|part| self.choice(part)).collect();
                match chosen.filter(|chosen| !chosen.is_empty()) {
                    Some(values) => Ok(json!(values)),
                    None => wants(&format!("some of {}, parted by commas", self.names())),
                }
            }
            "lookup" => text.parse::<u64>().map(|id| json!(id.to_string())).or_else(|_| wants("an id")),
            other => Err(format!("is of the type {other}, which takes no text")),
        }
    }

    /// The value of the option with this value or name.
    fn choice(&self, text: &str) -> Option<&str> {
        let by_value = self.choices().find(|(_, value)| *value == text);
        let folded = fold(text);
        let found = by_value.or_else(|| {
            self.choices().find(|(name, value)| fold(name) == folded || value.to_lowercase() == folded)
        });
        found.map(|(_, value)| value)
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.choices().map(|(name, _)| name).take(NAMED + 1).collect();
        if names.len() > NAMED {
            names[NAMED] = "…";
        }
        names.join(", ")
    }

    /// A value as people read it: options by their names. `None` when there is none.
    pub fn shown(&self, value: &Value) -> Option<String> {
        let name = |value: &str| {
            let choice = self.choices().find(|(_, own)| self.chooses() && *own == value);
            choice.map_or(value, |(name, _)| name).to_owned()
        };
        match value {
            Value::Array(values) => {
                let names: Vec<String> = values.iter().filter_map(Value::as_str).map(name).collect();
                (!names.is_empty()).then(|| names.join(", "))
            }
            Value::String(text) if self.kind == "date" => Some(text.chars().take(10).collect()),
            Value::String(text) if !text.trim().is_empty() => Some(name(text)),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Every tag of a ticket that speaks for this field.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let options = self.choices().map(|(_, value)| value).filter(|_| self.chooses());
        options.chain(self.tag.as_deref().filter(|_| self.kind == "checkbox"))
    }

    /// The tags that a ticket gets with this value.
    pub fn tags_of(&self, value: &Value) -> Vec<String> {
        match (self.kind.as_str(), value) {
            ("tagger", Value::String(tag)) => vec![tag.clone()],
            ("multiselect", Value::Array(tags)) => {
                tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            ("checkbox", Value::Bool(true)) => self.tag.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// `2026-11-26`, also where a time of day follows.
pub(super) fn day(text: &str) -> Option<Date> {
    let (day, rest) = text.split_at_checked(10)?;
    (rest.is_empty() || rest.starts_with(['T', ' '])).then_some(())?;
    day.parse().ok()
}

/// Letters and blanks at the ends make no difference.
pub(super) fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
