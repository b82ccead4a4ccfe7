//! What the fields and tags of a change become.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::errand::Errand;
use super::failure::Failure;
use super::fields::{self, Field, Owner};
use crate::call::{FieldTarget, FieldValue};
use crate::crm::{FieldCheck, FieldProblem};

/// A value that its field takes.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub field: Field,
    pub value: Value,
}

/// Types the values of a ticket's fields. What does not fit is left out and told: by the field's name and
/// never by its value, which may be a caller's.
pub(super) async fn of_ticket(
    errand: &Errand<'_>,
    wishes: &[FieldValue],
    notes: &mut Vec<String>,
) -> Result<Vec<Written>, Failure> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let fields = match fields::all(errand, Owner::Tickets).await {
        Ok(fields) => fields,
        Err(Failure::Refused(reason)) => {
            notes.push(format!("no field written, ticket_fields cannot be read ({reason})"));
            return Ok(Vec::new());
        }
        Err(failure) => return Err(failure),
    };
    Ok(typed(&fields, wishes, notes))
}

/// Types values for these fields; the last one for a field counts.
pub(super) fn typed(fields: &[Field], wishes: &[FieldValue], notes: &mut Vec<String>) -> Vec<Written> {
    let mut written: Vec<Written> = Vec::new();
    for wish in wishes.iter().filter(|wish| !wish.value.trim().is_empty()) {
        let value = fields::find(fields, &wish.field)
            .map_err(|problem| problem.to_string())
            .and_then(|field| field.typed(&wish.value).map(|value| Written { field: field.clone(), value }));
        match value {
            Ok(value) => {
                written.retain(|other| other.field.id != value.field.id);
                written.push(value);
            }
            Err(reason) => notes.push(format!("field `{}` left out: {reason}", wish.field)),
        }
    }
    written
}

/// Values for fields of users, by key, and a line for each that is left out.
pub(super) fn fitted(wishes: &[FieldValue], fields: &[Field]) -> (Map<String, Value>, Vec<String>) {
    let mut left_out = Vec::new();
    let written = typed(fields, wishes, &mut left_out);
    (written.into_iter().filter_map(|one| Some((one.field.key?, one.value))).collect(), left_out)
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
            let is_day = fields::day(value).is_some() && value.len() == 10;
            now == value || is_day && fields::day(now) == fields::day(value)
        }
        _ => now == value,
    }
}

/// `custom_fields` of a ticket.
pub(super) fn custom_fields(written: &[Written]) -> Value {
    written.iter().map(|one| json!({"id": one.field.id, "value": one.value})).collect()
}

/// The tags of a ticket with ours added, and with those that the written fields bring and take. To send `tags`
/// is to set them all, so one that speaks for a field's old value would contradict the new one.
pub(super) fn merged_tags(stands: &[String], ours: &[String], written: &[Written]) -> Vec<String> {
    let gone: HashSet<&str> = written.iter().flat_map(|one| one.field.tags()).collect();
    let come = written.iter().flat_map(|one| one.field.tags_of(&one.value));
    let kept = stands.iter().filter(|tag| !gone.contains(tag.as_str())).cloned();
    let mut tags = Vec::new();
    for tag in kept.chain(come).chain(ours.iter().cloned()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Texts as tags: lower case, with `_` for what Zendesk does not document as safe; each once.
pub(super) fn tags(texts: &[String]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for text in texts {
        let safe = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '/');
        let tag: String = text.trim().to_lowercase().chars().map(|c| if safe(c) { c } else { '_' }).collect();
        if tag.chars().any(char::is_alphanumeric) && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// What is wrong with each mapping.
pub(super) async fn check(
    errand: &Errand<'_>,
    checks: &[FieldCheck],
) -> Result<Vec<Vec<FieldProblem>>, Failure> {
    let mut found = Vec::with_capacity(checks.len());
    for check in checks {
        found.push(match &check.target {
            FieldTarget::Ticket(name) => {
                problems(&fields::all(errand, Owner::Tickets).await?, name, &check.examples)
            }
            FieldTarget::Person(name) => {
                problems(&fields::all(errand, Owner::Users).await?, name, &check.examples)
            }
            FieldTarget::Tag => check.examples.iter().filter_map(|text| other_tag(text)).collect(),
        });
    }
    Ok(found)
}

fn problems(fields: &[Field], name: &str, examples: &[String]) -> Vec<FieldProblem> {
    let field = match fields::find(fields, name) {
        Ok(field) => field,
        Err(problem) => return vec![problem],
    };
    if let Some(problem) = field.problem() {
        return vec![problem];
    }
    let written = examples.iter().filter(|example| !example.trim().is_empty());
    let misfit = |example: &String| {
        let wants = field.typed(example).err()?;
        Some(FieldProblem::Misfit { value: example.clone(), wants })
    };
    written.filter_map(misfit).collect()
}

fn other_tag(text: &str) -> Option<FieldProblem> {
    let tag = tags(&[text.to_owned()]).join(" ");
    let same = text.trim().is_empty() || tag == text.trim();
    (!same).then(|| FieldProblem::OtherTag { value: text.to_owned(), tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_zendesk_keeps_them() {
        let texts = [" Call Back ", "pbx:main", "a/b-c_d", "call back", "", "!!", "Büro"].map(str::to_owned);
        assert_eq!(tags(&texts), ["call_back", "pbx_main", "a/b-c_d", "büro"]);
        assert_eq!(other_tag("phone"), None);
        assert!(
            matches!(other_tag("Call Back"), Some(FieldProblem::OtherTag { tag, .. }) if tag == "call_back")
        );
    }

    #[test]
    fn tags_of_others_stay_and_those_of_a_written_field_follow_it() {
        let field: Field = serde_json::from_value(json!({"id": 1, "type": "tagger", "title": "Outcome",
            "custom_field_options": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}]}))
        .unwrap();
        let written = [Written { field, value: json!("b") }];
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let merged = merged_tags(&texts(&["vip", "a", "phone"]), &texts(&["phone", "late"]), &written);
        assert_eq!(merged, ["vip", "phone", "b", "late"]);
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
