//! `[[field]]`: what the call knows and a field of the CRM shall know. `[[show]]`: what the CRM knows
//! and the agent shall see.

use crate::call::{Field, FieldTarget, Template};

use super::error::{Finding, Position};
use super::reader::shown;
use super::section::Section;
use super::slot::{Slot, Spot};
use super::values;

/// More fields make a request that nobody can read any more.
const MOST_FIELDS: usize = 50;

/// More lines hide the comment that they stand in.
const MOST_SHOWN: usize = 5;

/// One `[[field]]`: where a value from the call is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMapping {
    /// Where it is written.
    pub target: FieldTarget,
    /// What is written; nothing when it is empty.
    pub value: Template,
    /// Where the target stands in the config, for those who find out later that it cannot be written.
    pub position: Position,
}

impl FieldMapping {
    /// What is wrong with it, told like a mistake in the file.
    pub fn finding(&self, message: impl Into<String>) -> Finding {
        let key = match self.target {
            FieldTarget::Ticket(_) => "field.ticket",
            FieldTarget::Person(_) => "field.user",
            FieldTarget::Tag => "field.tag",
        };
        Finding { position: self.position.clone(), key: key.to_owned(), message: message.into() }
    }
}

/// One `[[show]]`: a line of the first comment that comes from the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What stands before the value.
    pub label: String,
    /// Whose value.
    pub of: ShownOf,
}

/// Whose value is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownOf {
    /// The field of the person found with this key.
    User(String),
    /// The field of that person's last ticket with this title or id.
    Ticket(String),
}

pub(super) fn read_fields(sections: Vec<Section<'_>>, variables: &[String]) -> Vec<FieldMapping> {
    let mut fields: Vec<FieldMapping> = Vec::new();
    let last = sections.len().min(MOST_FIELDS);
    for (number, mut section) in sections.into_iter().enumerate() {
        if number == last {
            section.mistake(format!("there are more than {MOST_FIELDS} [[field]] tables: leave some out"));
        }
        let Some((field, spot)) = field(&mut section, variables) else {
            continue;
        };
        if fields.iter().any(|other| is_same(&other.target, &field.target)) {
            let message =
                "two [[field]] tables write this: keep one, {a|b} takes the first that is not empty";
            section.reader.mistake(&spot.place, spot.key, message);
        }
        fields.push(field);
    }
    fields
}

/// Whether both write the same place; any number of tags can be added.
fn is_same(one: &FieldTarget, other: &FieldTarget) -> bool {
    match (one, other) {
        (FieldTarget::Ticket(one), FieldTarget::Ticket(other)) => one.to_lowercase() == other.to_lowercase(),
        (FieldTarget::Person(one), FieldTarget::Person(other)) => one == other,
        _ => false,
    }
}

fn field(section: &mut Section<'_>, variables: &[String]) -> Option<(FieldMapping, Spot<()>)> {
    let ticket = section.parsed("ticket", ticket_field).optional_spot();
    let user = section.parsed("user", user_field).optional_spot();
    let tag = section.parsed("tag", |text| tag(text, variables)).optional_spot();
    let value = section.parsed("value", |text| template(text, variables));
    let given = [ticket.is_some(), user.is_some(), tag.is_some()].iter().filter(|given| **given).count();
    if given > 1 || (given == 0 && !section.learning() && !section.has_mistakes()) {
        section.mistake(
            "a field is one of ticket = \"title or id\" with value = \"{…}\", user = \"key\" with value = \
             \"{…}\", or tag = \"…_{…}\": write one [[field]] table for each",
        );
    }
    if let Some(tag) = tag {
        if let Some(value) = value.optional_spot() {
            let message =
                "the tag is the value: write the placeholder into tag = \"…_{…}\" and leave value out";
            section.reader.mistake(&value.place, value.key, message);
        }
        return (given == 1).then(|| mapping(section, FieldTarget::Tag, tag.value, tag.place, tag.key));
    }
    let value = match given {
        0 => value.optional(),
        _ => required(value),
    };
    let (target, place, key) = match (ticket, user) {
        (Some(ticket), None) => (FieldTarget::Ticket(ticket.value), ticket.place, ticket.key),
        (None, Some(user)) => (FieldTarget::Person(user.value), user.place, user.key),
        _ => return None,
    };
    Some(mapping(section, target, value?, place, key))
}

fn required<T>(value: Slot<'_, T>) -> Option<T> {
    value.required("\"{waiting}\"")
}

fn mapping(
    section: &Section<'_>,
    target: FieldTarget,
    value: Template,
    place: super::document::Place,
    key: String,
) -> (FieldMapping, Spot<()>) {
    let position = section.reader.position(&place);
    (FieldMapping { target, value, position }, Spot { value: (), place, key })
}

pub(super) fn read_shown(sections: Vec<Section<'_>>) -> Vec<Shown> {
    let mut lines = Vec::new();
    for (number, mut section) in sections.into_iter().enumerate() {
        if number == MOST_SHOWN {
            section.mistake(format!("there are more than {MOST_SHOWN} [[show]] tables: leave some out"));
        }
        let label = section.parsed("label", |text| values::line(text, 100)).required("\"Customer number\"");
        let user = section.parsed("user", user_field).optional();
        let ticket = section.parsed("ticket", ticket_field).optional();
        let of = match (user, ticket) {
            (Some(key), None) => Some(ShownOf::User(key)),
            (None, Some(title)) => Some(ShownOf::Ticket(title)),
            (None, None) if section.learning() || section.has_mistakes() => None,
            _ => {
                section.mistake("write one of user = \"key of a user field\" and ticket = \"title or id of a ticket field\"");
                None
            }
        };
        lines.extend(label.zip(of).map(|(label, of)| Shown { label, of }));
    }
    lines
}

/// A field of tickets, by title or id.
fn ticket_field(text: &str) -> Result<String, String> {
    values::line(text, 200)
}

/// A field of users, by key.
fn user_field(text: &str) -> Result<String, String> {
    let key = text.strip_prefix("user_fields.").unwrap_or(text);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.len() <= 100 && key.bytes().all(fits) {
        Ok(key.to_owned())
    } else {
        Err(format!(
            "{} is no key of a user field: write the field's key, not its title, such as \"customer_number\"",
            shown(text)
        ))
    }
}

fn template(text: &str, variables: &[String]) -> Result<Template, String> {
    Template::compile_with(text, Field::OF_FIELDS, variables).map_err(|error| error.to_string())
}

fn tag(text: &str, variables: &[String]) -> Result<Template, String> {
    let template = template(text, variables)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || ",\"'".contains(c);
    if template.plain().any(|piece| piece.contains(odd)) {
        return Err(format!(
            "{} makes no tag: write one word without blanks and commas, such as \"call_{{outcome}}\"",
            shown(text)
        ));
    }
    Ok(template)
}
