//! Texts and the fields that take them.

use super::*;

fn field(kind: &str) -> Field {
    serde_json::from_value(json!({
        "id": 9_007_199_254_743_101_u64, "type": kind, "title": " Outcome ", "active": true, "tag": "ticked",
        "regexp_for_validation": if kind == "regexp" { json!("^[A-Z]{2}-[0-9]{4}$") } else { Value::Null },
        "custom_field_options": [{"name": "Answered", "value": "outcome_answered"},
            {"name": "Given up", "value": "outcome_abandoned"}],
    }))
    .unwrap()
}

#[test]
fn a_text_becomes_what_the_field_takes() {
    let table = [
        ("text", " a b ", Some(json!("a b"))),
        ("regexp", "AB-1234", Some(json!("AB-1234"))),
        ("regexp", "ab", None),
        ("checkbox", "Yes", Some(json!(true))),
        ("checkbox", "0", Some(json!(false))),
        ("checkbox", "perhaps", None),
        ("date", "2026-11-26", Some(json!("2026-11-26"))),
        ("date", "2026-11-26 10:00:00 UTC", Some(json!("2026-11-26"))),
        ("date", "2026-11-26T10:00:00Z", Some(json!("2026-11-26"))),
        ("date", "2026-02-30", None),
        ("date", "26.11.2026", None),
        ("date", "2026-11-261", None),
        ("integer", "42", Some(json!(42))),
        ("integer", "4.2", None),
        ("decimal", "12.50", Some(json!(12.5))),
        ("decimal", "12,50", None),
        ("decimal", "inf", None),
        ("tagger", "given UP", Some(json!("outcome_abandoned"))),
        ("dropdown", "outcome_answered", Some(json!("outcome_answered"))),
        ("tagger", "won", None),
        (
            "multiselect",
            "Answered; outcome_abandoned",
            Some(json!(["outcome_answered", "outcome_abandoned"])),
        ),
        ("multiselect", "Answered, won", None),
        ("multiselect", ",", None),
        ("lookup", "9007199254743101", Some(json!("9007199254743101"))),
        ("partialcreditcard", "4111", None),
    ];
    for (kind, text, expected) in table {
        assert_eq!(field(kind).typed(text).ok(), expected, "{kind} {text}");
    }
    assert_eq!(field("tagger").typed("won").unwrap_err(), "wants one of Answered, Given up");
}

#[test]
fn a_pattern_that_only_ruby_knows_is_left_to_zendesk() {
    let ruby = Field { regexp_for_validation: Some(r"\A(?<!x)\d+\Z".to_owned()), ..field("regexp") };
    assert_eq!(ruby.typed("x"), Ok(json!("x")));
}

#[test]
fn a_field_is_found_by_id_key_or_title() {
    let titled = |id: u64, title: &str, active: bool, kind: &str| Field {
        id,
        title: Some(title.to_owned()),
        active,
        ..field(kind)
    };
    let fields = [
        titled(1, "Subject", true, "subject"),
        titled(2, "Outcome", true, "text"),
        titled(3, "Twice", true, "text"),
        titled(4, "twice", true, "text"),
        titled(5, "Old", false, "text"),
        Field { key: Some("segment".to_owned()), ..titled(6, "Segment of market", true, "dropdown") },
    ];
    let id = |name: &str| find(&fields, name).map(|field| field.id);
    assert_eq!(id(" oUtcome "), Ok(2));
    assert_eq!(id("3"), Ok(3));
    assert_eq!(id("segment"), Ok(6));
    assert_eq!(id("user_fields.segment"), Ok(6));
    assert_eq!(id("Twice"), Err(FieldProblem::Ambiguous(2)));
    assert_eq!(id("Old"), Err(FieldProblem::Inactive));
    assert_eq!(id("5"), Err(FieldProblem::Inactive));
    assert_eq!(id("New"), Err(FieldProblem::Unknown));
    let system = find(&fields, "subject").unwrap();
    assert_eq!(system.problem(), Some(FieldProblem::NoText("subject".to_owned())));
}

#[test]
fn people_read_names_and_not_values() {
    assert_eq!(field("tagger").shown(&json!("outcome_abandoned")).as_deref(), Some("Given up"));
    assert_eq!(field("multiselect").shown(&json!(["outcome_answered", "x"])).as_deref(), Some("Answered, x"));
    assert_eq!(field("date").shown(&json!("2026-11-26T00:00:00+00:00")).as_deref(), Some("2026-11-26"));
    assert_eq!(field("text").shown(&json!("outcome_answered")).as_deref(), Some("outcome_answered"));
    assert_eq!(field("integer").shown(&json!(4)).as_deref(), Some("4"));
    for nothing in [Value::Null, json!(""), json!([])] {
        assert_eq!(field("text").shown(&nothing), None);
    }
}
