//! Custom fields of tickets and users: their definitions, the check of values, and the tags that
//! follow them.
//!
//! Sources: <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/> and
//! <https://developer.zendesk.com/api-reference/ticketing/users/user_fields/>. What a refusal of a value looks
//! like is published nowhere: it has the shape of every other validation error.

use std::collections::BTreeMap;

use jiff::civil::Date;
use regex::Regex;
use serde_json::{Value, json};

use super::exchange::{Answer, Lang};
use super::world::World;

/// One choice of a drop-down or multi-select field.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub id: u64,
    pub name: String,
    /// What is written and read, and the tag of the ticket.
    pub value: String,
}

/// The definition of a custom field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub id: u64,
    /// Users' fields have one, tickets' have none.
    pub key: Option<String>,
    /// `text`, `textarea`, `checkbox`, `date`, `integer`, `decimal`, `regexp`, `tagger` (tickets) or
    /// `dropdown` (users), `multiselect`, ….
    pub kind: String,
    pub title: String,
    pub active: bool,
    /// Agents cannot solve a ticket without it.
    pub required: bool,
    /// The pattern of a `regexp` field.
    pub regexp: Option<Regex>,
    /// The tag of a `checkbox`.
    pub tag: Option<String>,
    pub choices: Vec<Choice>,
}

impl Field {
    /// The value as it is stored, `None` when the field does not take it. An empty text clears.
    pub fn checked(&self, value: &Value) -> Option<Value> {
        if value.is_null() || value == "" {
            return Some(Value::Null);
        }
        let known = |value: &Value| self.choices.iter().any(|choice| *value == choice.value.as_str());
        let fits = match self.kind.as_str() {
            "checkbox" => {
                return match value {
                    Value::Bool(_) => Some(value.clone()),
                    _ => value.as_str().and_then(|text| text.parse::<bool>().ok()).map(Value::Bool),
                };
            }
            "date" => {
                let date = value.as_str()?.parse::<Date>().ok()?;
                // A date-time would parse, too, and loses its hours without a word.
                if value.as_str()?.len() != 10 {
                    return None;
                }
                return Some(match self.key {
                    None => value.clone(),
                    Some(_) => json!(format!("{date}T00:00:00+00:00")),
                });
            }
            "integer" | "lookup" => {
                value.is_i64() || value.is_u64() || value.as_str().is_some_and(|t| t.parse::<i64>().is_ok())
            }
            "decimal" => {
                let text = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
                value.is_number() || value.as_str().is_some_and(text)
            }
            "regexp" => {
                let fits = |text: &str| self.regexp.as_ref().is_none_or(|pattern| pattern.is_match(text));
                value.as_str().is_some_and(fits)
            }
            "tagger" | "dropdown" => known(value),
            "multiselect" => value.as_array().is_some_and(|values| values.iter().all(known)),
            _ => value.is_string(),
        };
        fits.then(|| value.clone())
    }

    /// The tags a ticket has because of this value.
    fn tags(&self, value: &Value) -> Vec<String> {
        match (self.kind.as_str(), value) {
            ("tagger", Value::String(tag)) => vec![tag.clone()],
            ("multiselect", Value::Array(tags)) => {
                tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            ("checkbox", Value::Bool(true)) => self.tag.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// The value after somebody changed tags by hand; the ticket's tags with it.
    fn follow(&self, old: Option<&Value>, old_tags: &[String], tags: &mut Vec<String>) -> Option<Value> {
        let came = |tag: &String, tags: &[String]| tags.contains(tag) && !old_tags.contains(tag);
        match self.kind.as_str() {
            "tagger" => {
                let before = old.and_then(Value::as_str).map(str::to_owned);
                let new = self.choices.iter().find(|choice| came(&choice.value, tags));
                match (new, before) {
                    (Some(new), before) => {
                        tags.retain(|tag| Some(tag) != before.as_ref() || *tag == new.value);
                        Some(json!(new.value))
                    }
                    (None, Some(before)) if !tags.contains(&before) => Some(Value::Null),
                    _ => None,
                }
            }
            "multiselect" => {
                let chosen = self.choices.iter().map(|choice| &choice.value);
                let chosen: Vec<&String> = chosen.filter(|value| tags.contains(value)).collect();
                let before = old.and_then(Value::as_array).map_or(0, Vec::len);
                let touched = chosen.len() != before || chosen.iter().any(|value| came(value, tags));
                touched.then(|| json!(chosen))
            }
            "checkbox" => {
                let tag = self.tag.as_ref()?;
                let is = tags.contains(tag);
                (is != old_tags.contains(tag)).then_some(Value::Bool(is))
            }
            _ => None,
        }
    }

    /// The complaint about a value, as an entry of `details`.
    fn complaint(&self, lang: Lang, english: &str, german: &str, error: Option<&str>) -> Value {
        let words = self.kind.split('_').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        });
        json!({
            "description": format!("{}: {}", self.title, lang.say(english, german)),
            "error": error,
            "ticket_field_id": self.id,
            "ticket_field_type": format!("Field{}", words.collect::<String>()),
        })
    }
}

/// Tags and custom values of a ticket after the wish. Tags come first: adding a choice's tag sets its field, taking
/// it away clears the field; then what is written into fields brings and takes tags in turn.
///
/// Unknown and inactive fields are passed over without a word.
pub(super) fn settle(
    world: &World,
    old_tags: &[String],
    old_values: &BTreeMap<u64, Value>,
    mut tags: Vec<String>,
    wish: &Value,
) -> Result<(Vec<String>, BTreeMap<u64, Value>), Answer> {
    let lang = world.switches.lang;
    let mut values = old_values.clone();
    for field in world.ticket_fields.iter().filter(|field| field.active) {
        if let Some(value) = field.follow(values.get(&field.id), old_tags, &mut tags) {
            values.insert(field.id, value);
        }
    }
    let written = wish["custom_fields"].as_array().or(wish["fields"].as_array());
    let mut complaints = Vec::new();
    for entry in written.into_iter().flatten() {
        let known = |field: &&Field| field.active && Some(field.id) == entry["id"].as_u64();
        let Some(field) = world.ticket_fields.iter().find(known) else { continue };
        let Some(value) = field.checked(&entry["value"]) else {
            let german = "ist kein gültiger Wert";
            complaints.push(field.complaint(lang, "is not valid", german, Some("InvalidValue")));
            continue;
        };
        let gone = values.get(&field.id).map(|old| field.tags(old)).unwrap_or_default();
        tags.retain(|tag| !gone.contains(tag));
        tags.extend(field.tags(&value));
        values.insert(field.id, value);
    }
    if !complaints.is_empty() {
        return Err(lang.invalid_record(json!({"base": complaints})));
    }
    tags.sort();
    tags.dedup();
    Ok((tags, values))
}

/// What solving lacks: a complaint for each required field that is empty.
pub(super) fn missing(world: &World, values: &BTreeMap<u64, Value>) -> Vec<Value> {
    let empty = |field: &&Field| match values.get(&field.id) {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    let lacking = world.ticket_fields.iter().filter(|field| field.active && field.required).filter(empty);
    let (english, german) = ("is required when solving a ticket", "ist zum Lösen eines Tickets erforderlich");
    lacking.map(|field| field.complaint(world.switches.lang, english, german, None)).collect()
}

/// The user fields of a wish as they are stored: unknown and inactive keys are passed over.
pub(super) fn of_user(world: &World, wish: &Value) -> Result<Vec<(String, Value)>, Answer> {
    let lang = world.switches.lang;
    let mut taken = Vec::new();
    for (key, value) in wish["user_fields"].as_object().into_iter().flatten() {
        let known = |field: &&Field| field.active && field.key.as_deref() == Some(key.as_str());
        let Some(field) = world.user_fields.iter().find(known) else { continue };
        let Some(value) = field.checked(value) else {
            let (english, german) = (
                format!("{}: is not valid", field.title),
                format!("{}: ist kein gültiger Wert", field.title),
            );
            return Err(lang.invalid(key, Some("InvalidValue"), &english, &german));
        };
        taken.push((key.clone(), value));
    }
    Ok(taken)
}

/// A value as audits write it: texts, lists and null.
pub(super) fn audited(value: &Value) -> Value {
    match value {
        Value::Bool(true) => json!("1"),
        Value::Bool(false) => json!("0"),
        Value::Number(number) => json!(number.to_string()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str) -> Field {
        let choice = |id, value: &str| Choice { id, name: value.to_uppercase(), value: value.to_owned() };
        Field {
            id: 7,
            key: None,
            kind: kind.to_owned(),
            title: "Seven".to_owned(),
            active: true,
            required: false,
            regexp: Some(Regex::new("^[A-Z]{2}-[0-9]+$").unwrap()),
            tag: Some("ticked".to_owned()),
            choices: vec![choice(1, "won"), choice(2, "lost")],
        }
    }

    #[test]
    fn each_type_takes_its_values_and_no_others() {
        for (kind, good, bad) in [
            ("text", vec![json!("a"), json!("5")], vec![json!(5), json!(true), json!(["a"])]),
            ("textarea", vec![json!("a\nb")], vec![json!(2.5)]),
            ("checkbox", vec![json!(true), json!("false")], vec![json!("yes"), json!(1)]),
            (
                "date",
                vec![json!("2026-11-26")],
                vec![json!("26.11.2026"), json!("2026-11-26T10:00:00Z"), json!("2026-02-30"), json!(20)],
            ),
            (
                "integer",
                vec![json!(-4), json!("17")],
                vec![json!(1.5), json!("1.5"), json!("four"), json!(true)],
            ),
            (
                "decimal",
                vec![json!(12), json!(2.5), json!("12.50")],
                vec![json!("12,50"), json!("inf"), json!("x")],
            ),
            ("regexp", vec![json!("AB-12")], vec![json!("ab-12"), json!(12)]),
            ("tagger", vec![json!("won")], vec![json!("WON"), json!("draw"), json!(["won"]), json!(true)]),
            ("multiselect", vec![json!(["won", "lost"]), json!([])], vec![json!("won"), json!(["draw"])]),
        ] {
            let field = field(kind);
            for value in good {
                assert!(field.checked(&value).is_some(), "{kind} {value}");
            }
            for value in bad {
                assert_eq!(field.checked(&value), None, "{kind} {value}");
            }
            for nothing in [Value::Null, json!("")] {
                assert_eq!(field.checked(&nothing), Some(Value::Null), "{kind} is cleared by {nothing}");
            }
        }
    }

    #[test]
    fn the_date_of_a_user_comes_back_with_a_time() {
        let field = Field { key: Some("since".to_owned()), ..field("date") };
        assert_eq!(field.checked(&json!("2026-11-26")), Some(json!("2026-11-26T00:00:00+00:00")));
    }
}
