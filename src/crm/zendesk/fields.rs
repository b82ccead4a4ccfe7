//! Custom fields: their definitions, and texts made what a field wants.
//!
//! The definitions are read once and kept for an hour. A text that does not fit is told with its
//! reason and left out; it never stops what goes along with it. Sources:
//! <https://developer.zendesk.com/api-reference/ticketing/users/user_fields/> and
//! <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/> for the types.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errand::{Ask, Errand};
use super::failure::Failure;
use crate::call::FieldValue;
use crate::clock;

/// Fields are made and renamed by admins, which is seldom.
const KEPT: Duration = Duration::from_secs(3600);
/// Pages that are read at most; an account has some hundred fields.
const MOST_PAGES: usize = 20;

/// The definition of a field.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Field {
    id: u64,
    key: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
    title: Option<String>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    custom_field_options: Vec<Choice>,
}

#[derive(Clone, Debug, Deserialize)]
struct Choice {
    name: Option<String>,
    value: String,
}

fn yes() -> bool {
    true
}

/// The definitions of the users' fields, as they were read.
#[derive(Debug, Default)]
pub(super) struct Kept(tokio::sync::Mutex<Option<(Instant, Arc<[Field]>)>>);

#[derive(Debug, Deserialize)]
struct FieldPage {
    user_fields: Vec<Field>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default)]
    has_more: bool,
    after_cursor: Option<String>,
}

impl Kept {
    /// The definitions, an hour old at most. Simultaneous askers share one reading.
    pub async fn get(&self, errand: &Errand<'_>) -> Result<Arc<[Field]>, Failure> {
        let mut kept = self.0.lock().await;
        let now = clock::instant();
        if let Some((read, fields)) = &*kept
            && now.duration_since(*read) < KEPT
        {
            return Ok(Arc::clone(fields));
        }
        let fields: Arc<[Field]> = read(errand).await?.into();
        *kept = Some((now, Arc::clone(&fields)));
        Ok(fields)
    }

    /// They are not what they were: an account refused what they say.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn read(errand: &Errand<'_>) -> Result<Vec<Field>, Failure> {
    let mut fields = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut ask = Ask::get("/user_fields", &[]).query("page[size]", "100");
        if let Some(cursor) = &cursor {
            ask = ask.query("page[after]", cursor);
        }
        let page: FieldPage = errand.ask(&ask).await?.read()?;
        fields.extend(page.user_fields);
        let next =
            page.meta.after_cursor.filter(|after| page.meta.has_more && Some(after) != cursor.as_ref());
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(fields)
}

/// Makes texts what the fields want: by key, and a line for each that is left out. An empty text is
/// no value: what stands there is not cleared for it.
pub(super) fn fitted(wishes: &[FieldValue], fields: &[Field]) -> (Map<String, Value>, Vec<String>) {
    let (mut fitted, mut left_out) = (Map::new(), Vec::new());
    for FieldValue { field: name, value } in wishes.iter().filter(|wish| !wish.value.trim().is_empty()) {
        let Some(field) = find(name, fields) else {
            left_out.push(format!("there is no user field `{name}`"));
            continue;
        };
        match (field.key.as_ref(), field.value(value)) {
            (Some(key), Some(value)) => {
                fitted.insert(key.clone(), value);
            }
            _ => left_out.push(format!("the value for user field `{name}` is no {}", field.wants())),
        }
    }
    (fitted, left_out)
}

/// A field by key, id or title. What is not active cannot be written.
fn find<'a>(name: &str, fields: &'a [Field]) -> Option<&'a Field> {
    let name = name.trim();
    let name = name.strip_prefix("user_fields.").unwrap_or(name);
    let folded = name.to_lowercase();
    let is = [
        &(|field: &Field| field.key.as_deref() == Some(name)) as &dyn Fn(&Field) -> bool,
        &|field: &Field| field.id.to_string() == name,
        &|field: &Field| field.title.as_deref().is_some_and(|title| title.trim().to_lowercase() == folded),
    ];
    is.iter().find_map(|is| fields.iter().find(|field| field.active && is(field)))
}

impl Field {
    /// The text as the field takes it; `None` when it does not fit.
    pub fn value(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        match self.kind.as_str() {
            "text" | "textarea" | "regexp" => Some(json!(text)),
            "integer" => text.parse::<i64>().ok().map(|number| json!(number)),
            "decimal" => {
                text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| json!(number))
            }
            "checkbox" => match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(json!(true)),
                "false" | "no" | "off" | "0" => Some(json!(false)),
                _ => None,
            },
            "date" => date(text).map(|date| json!(date.to_string())),
            "tagger" | "dropdown" => self.choice(text).map(|value| json!(value)),
            "multiselect" => {
                let chosen = text.split(',').map(|part| self.choice(part)).collect::<Option<Vec<_>>>()?;
                Some(json!(chosen))
            }
            "lookup" => text.parse::<u64>().ok().map(|id| json!(id.to_string())),
            _ => None,
        }
    }

    /// The option with this value, else with this name: what is written is the value, a tag.
    fn choice(&self, text: &str) -> Option<&str> {
        let wanted = text.trim().to_lowercase();
        let by_value = |choice: &&Choice| choice.value.to_lowercase() == wanted;
        let by_name = |choice: &&Choice| {
            choice.name.as_deref().is_some_and(|name| name.trim().to_lowercase() == wanted)
        };
        let choices = &self.custom_field_options;
        let found = choices.iter().find(by_value).or_else(|| choices.iter().find(by_name))?;
        Some(&found.value)
    }

    fn wants(&self) -> &'static str {
        match self.kind.as_str() {
            "integer" => "whole number",
            "decimal" => "number",
            "checkbox" => "true or false",
            "date" => "date (2026-11-26)",
            "tagger" | "dropdown" | "multiselect" => "option of it",
            "lookup" => "id",
            _ => "thing that can be written there",
        }
    }
}

/// `2026-11-26`, also where a time of day follows.
fn date(text: &str) -> Option<Date> {
    let (day, rest) = text.split_at_checked(10)?;
    (rest.is_empty() || rest.starts_with(['T', ' '])).then_some(())?;
    day.parse().ok()
}

/// Whether a field holds this value already: numbers come back as texts or numbers, dates with a time.
pub(super) fn holds(now: Option<&Value>, value: &Value) -> bool {
    let Some(now) = now else { return false };
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    match (now, value) {
        (Value::Array(now), Value::Array(value)) => {
            now.len() == value.len() && value.iter().all(|one| now.contains(one))
        }
        (_, Value::Number(_)) => number(now).is_some() && number(now) == number(value),
        (Value::String(now), Value::String(value)) => {
            let is_day = date(value).is_some() && value.len() == 10;
            now == value || is_day && date(now) == date(value)
        }
        _ => now == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str) -> Field {
        let choice = |name: &str, value: &str| json!({"id": 1, "name": name, "value": value});
        serde_json::from_value(json!({
            "id": 7, "key": "seven", "type": kind, "title": "Field Seven", "active": true,
            "custom_field_options": [choice("Won", "deal_won"), choice("Lost", "deal_lost"), choice("deal_won", "odd")],
        }))
        .unwrap()
    }

    #[test]
    fn each_type_takes_its_texts_and_no_others() {
        for (kind, good, bad) in [
            ("text", vec![("+4930", json!("+4930")), (" a ", json!("a"))], vec![]),
            ("regexp", vec![("AB-1", json!("AB-1"))], vec![]),
            ("integer", vec![("17", json!(17)), ("-4 ", json!(-4))], vec!["1.5", "four", "17 s"]),
            ("decimal", vec![("12.50", json!(12.5)), ("3", json!(3.0))], vec!["12,50", "inf", "NaN", "x"]),
            ("checkbox", vec![("Yes", json!(true)), ("0", json!(false))], vec!["maybe", "2"]),
            (
                "date",
                vec![("2026-11-26", json!("2026-11-26")), ("2026-11-26T10:00:00Z", json!("2026-11-26"))],
                vec!["26.11.2026", "2026-02-30", "2026-11-261", "tomorrow", "ä2026-11-26"],
            ),
            (
                "dropdown",
                vec![
                    ("deal_lost", json!("deal_lost")),
                    ("lost ", json!("deal_lost")),
                    ("DEAL_WON", json!("deal_won")),
                ],
                vec!["draw"],
            ),
            ("multiselect", vec![("Won, lost", json!(["deal_won", "deal_lost"]))], vec!["won, draw"]),
            ("lookup", vec![("9007199254743101", json!("9007199254743101"))], vec!["Petra"]),
            ("partialcreditcard", vec![], vec!["4111"]),
        ] {
            let field = field(kind);
            for (text, value) in good {
                assert_eq!(field.value(text), Some(value), "{kind} {text}");
            }
            for text in bad {
                assert_eq!(field.value(text), None, "{kind} {text}");
            }
        }
    }

    #[test]
    fn a_field_is_found_by_key_id_and_title_and_what_does_not_fit_is_told() {
        let gone = Field { active: false, key: Some("gone".to_owned()), ..field("text") };
        let fields = [gone, field("integer")];
        let wish = |name: &str, value: &str| FieldValue { field: name.to_owned(), value: value.to_owned() };
        for name in ["seven", "7", "field seven", "user_fields.seven"] {
            let (fitted, left_out) = fitted(&[wish(name, "5")], &fields);
            assert_eq!((fitted.get("seven"), left_out.len()), (Some(&json!(5)), 0), "{name}");
        }
        let (fitted, left_out) =
            fitted(&[wish("gone", "5"), wish("seven", "five"), wish("seven", "")], &fields);
        assert!(fitted.is_empty());
        assert_eq!(
            left_out,
            ["there is no user field `gone`", "the value for user field `seven` is no whole number"]
        );
    }

    #[test]
    fn a_value_that_stands_there_in_another_form_is_not_written_again() {
        for (now, value, same) in [
            (json!("17"), json!(17), true),
            (json!("12.50"), json!(12.5), true),
            (json!("2026-11-26T00:00:00+00:00"), json!("2026-11-26"), true),
            (json!("2026-11-27T00:00:00+00:00"), json!("2026-11-26"), false),
            (json!(["b", "a"]), json!(["a", "b"]), true),
            (json!(["a"]), json!(["a", "b"]), false),
            (Value::Null, json!(false), false),
            (Value::Null, json!(0), false),
            (json!("x"), json!("x"), true),
            (json!("x"), json!("y"), false),
        ] {
            assert_eq!(holds(Some(&now), &value), same, "{now} {value}");
        }
        assert!(!holds(None, &json!("x")));
    }
}
