//! Custom fields of tickets and users.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, PETRA, Visitor};
use crate::sandbox::{Options, Seed};

const TEXT: u64 = 9_300_000_004_001;
const CHECKBOX: u64 = 9_300_000_004_003;
const DATE: u64 = 9_300_000_004_004;
const INTEGER: u64 = 9_300_000_004_005;
const DECIMAL: u64 = 9_300_000_004_006;
const REGEXP: u64 = 9_300_000_004_007;
const OUTCOME: u64 = 9_300_000_004_008;
const TOPICS: u64 = 9_300_000_004_009;
const INACTIVE: u64 = 9_300_000_004_010;

fn value(ticket: &Value, field: u64) -> Value {
    let fields = ticket["custom_fields"].as_array().unwrap().iter();
    let found: Vec<&Value> = fields.filter(|entry| entry["id"] == field).collect();
    assert_eq!(found.len(), 1, "{field} once in {ticket}");
    assert_eq!(ticket["fields"], ticket["custom_fields"]);
    found[0]["value"].clone()
}

#[tokio::test]
async fn ticket_fields_are_listed_with_the_systems_own_and_the_deactivated() {
    let visitor = Visitor::new(Options::default()).await;
    let (_, body) = visitor.get("/ticket_fields.json").await;
    let fields = body["ticket_fields"].as_array().unwrap().clone();
    let kinds: Vec<&str> = fields.iter().map(|field| field["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "subject",
            "description",
            "status",
            "tickettype",
            "priority",
            "group",
            "assignee",
            "text",
            "textarea",
            "checkbox",
            "date",
            "integer",
            "decimal",
            "regexp",
            "tagger",
            "multiselect",
            "text"
        ]
    );
    let positions: Vec<u64> = fields.iter().map(|field| field["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=17).collect::<Vec<_>>());
    let removable = fields.iter().filter(|field| field["removable"] == true).count();
    assert_eq!((removable, &fields[16]["active"]), (10, &json!(false)));

    let (_, body) = visitor.get(&format!("/ticket_fields/{OUTCOME}")).await;
    assert_eq!(body["ticket_field"]["custom_field_options"][1]["value"], "outcome_abandoned");
    assert_eq!(visitor.get("/ticket_fields/5").await.0, 404);
    let (_, body) = visitor.get("/ticket_fields?page[size]=10").await;
    assert_eq!(
        (body["ticket_fields"].as_array().unwrap().len(), &body["meta"]["has_more"]),
        (10, &json!(true))
    );
    visitor.set("locale", "de");
    let (_, body) = visitor.get("/ticket_fields").await;
    assert_eq!(body["ticket_fields"][0]["title"], "Betreff", "system fields speak the reader's language");
}

#[tokio::test]
async fn values_are_checked_by_type_on_create_and_update_and_nothing_is_done_when_one_is_wrong() {
    let visitor = Visitor::new(Options::default().with("locale", "de")).await;
    let wrong = [
        (TEXT, json!(5), "FieldText"),
        (CHECKBOX, json!("yes"), "FieldCheckbox"),
        (DATE, json!("26.11.2026"), "FieldDate"),
        (DATE, json!("2026-11-26T10:00:00Z"), "FieldDate"),
        (INTEGER, json!("four"), "FieldInteger"),
        (DECIMAL, json!("1,5"), "FieldDecimal"),
        (REGEXP, json!("ab-1"), "FieldRegexp"),
        (OUTCOME, json!("Answered"), "FieldTagger"),
        (TOPICS, json!(["topic_weather"]), "FieldMultiselect"),
    ];
    for (field, value, kind) in wrong {
        let values = json!([{"id": field, "value": value}]);
        for (method, path, key) in
            [(Method::POST, "/tickets", "custom_fields"), (Method::PUT, "/tickets/1", "fields")]
        {
            let ticket = json!({"subject": "changed", "comment": {"body": "x"}, key: values});
            let (status, body) = visitor.send(method, path, json!({"ticket": ticket})).await;
            assert_eq!((status, &body["error"]), (422, &json!("RecordInvalid")), "{value} {body}");
            let complaint = &body["details"]["base"][0];
            assert_eq!(
                (&complaint["ticket_field_id"], &complaint["ticket_field_type"]),
                (&json!(field), &json!(kind))
            );
            assert!(complaint["description"].as_str().unwrap().contains("kein gültiger Wert"), "{complaint}");
        }
    }
    let state = visitor.sandbox.state();
    assert_eq!(
        (&state["counters"]["tickets"], &state["tickets"][0]["subject"]),
        (&json!(1), &json!("Printer does not print"))
    );
}

#[tokio::test]
async fn a_ticket_keeps_good_values_and_passes_over_what_is_unknown_or_inactive() {
    let visitor = Visitor::new(Options::default()).await;
    let values = json!([
        {"id": TEXT, "value": "+4930231250"}, {"id": INTEGER, "value": "17"}, {"id": DECIMAL, "value": 2.5},
        {"id": DATE, "value": "2026-11-26"}, {"id": REGEXP, "value": "AB-1234"}, {"id": INACTIVE, "value": "x"},
        {"id": 5, "value": "x"},
    ]);
    let ticket = json!({"ticket": {"comment": {"body": "x"}, "custom_fields": values}});
    let (status, body) = visitor.send(Method::POST, "/tickets", ticket).await;
    assert_eq!(status, 201, "{body}");
    let ticket = &body["ticket"];
    assert_eq!(ticket["custom_fields"].as_array().unwrap().len(), 9, "all active ones, whether set or not");
    assert_eq!(value(ticket, INTEGER), "17");
    assert_eq!(value(ticket, DECIMAL), 2.5);
    assert_eq!(value(ticket, TOPICS), Value::Null);
    let path = format!("/tickets/{}", ticket["id"]);

    let wish =
        json!({"ticket": {"custom_fields": [{"id": TEXT, "value": null}, {"id": INTEGER, "value": 18}]}});
    let (status, body) = visitor.send(Method::PUT, &path, wish).await;
    assert_eq!(
        (status, value(&body["ticket"], TEXT), value(&body["ticket"], INTEGER)),
        (200, Value::Null, json!(18))
    );
    let events = body["audit"]["events"].as_array().unwrap();
    let changes: Vec<(&Value, &Value, &Value)> = events
        .iter()
        .map(|event| (&event["field_name"], &event["previous_value"], &event["value"]))
        .collect();
    assert_eq!(
        changes,
        [
            (&json!(TEXT.to_string()), &json!("+4930231250"), &Value::Null),
            (&json!(INTEGER.to_string()), &json!("17"), &json!("18")),
        ]
    );
}

#[tokio::test]
async fn tags_follow_fields_and_fields_follow_tags() {
    let visitor = Visitor::new(Options::default()).await;
    let set = |id: u64, value: Value| json!({"custom_fields": [{"id": id, "value": value}]});
    let tags = |tags: &[&str]| json!({"tags": tags});
    // Where to, what, and afterwards the drop-down, the multi-select, the checkbox and the tags.
    let story = [
        (
            "/tickets/1",
            set(OUTCOME, json!("outcome_answered")),
            r#""outcome_answered" null null outcome_answered printer"#,
        ),
        (
            "/tickets/1",
            set(OUTCOME, json!("outcome_voicemail")),
            r#""outcome_voicemail" null null outcome_voicemail printer"#,
        ),
        (
            "/tickets/1/tags",
            tags(&["outcome_abandoned"]),
            r#""outcome_abandoned" null null outcome_abandoned printer"#,
        ),
        (
            "/tickets/1",
            set(CHECKBOX, json!(true)),
            r#""outcome_abandoned" null true call_back outcome_abandoned printer"#,
        ),
        ("/tickets/1", set(OUTCOME, json!("")), "null null true call_back printer"),
        (
            "/tickets/1",
            set(TOPICS, json!(["topic_invoice"])),
            r#"null ["topic_invoice"] true call_back printer topic_invoice"#,
        ),
        (
            "/tickets/1/tags",
            tags(&["topic_delivery"]),
            r#"null ["topic_invoice","topic_delivery"] true call_back printer topic_delivery topic_invoice"#,
        ),
        // Whoever replaces the tags takes the fields' values away with them.
        ("/tickets/1", tags(&["printer"]), "null [] false printer"),
        (
            "/tickets/1",
            json!({"tags": ["printer"], "custom_fields": [{"id": CHECKBOX, "value": "true"}]}),
            "null [] true call_back printer",
        ),
    ];
    for (path, wish, after) in story {
        let body = if path.ends_with("/tags") { wish.clone() } else { json!({"ticket": wish}) };
        let (status, body) = visitor.send(Method::PUT, path, body).await;
        assert_eq!(status, 200, "{wish} {body}");
        let ticket = &visitor.get("/tickets/1").await.1["ticket"];
        let values = [OUTCOME, TOPICS, CHECKBOX].map(|field| value(ticket, field).to_string());
        let tags = ticket["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
        let shown: Vec<String> = values.into_iter().chain(tags).collect();
        assert_eq!(shown.join(" "), after, "{wish}");
    }
    assert_eq!(visitor.sandbox.state()["warnings"], json!([]));
}

#[tokio::test]
async fn solving_names_every_required_field_that_is_empty() {
    let mut seed = Seed::house();
    for field in &mut seed.ticket_fields {
        field.required = [TEXT, OUTCOME, INACTIVE].contains(&field.id.unwrap());
    }
    let visitor = Visitor::new(Options { seed, ..Options::default() }).await;
    let solve = async |more: Value| {
        let mut ticket = json!({"status": "solved"});
        ticket.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        visitor.send(Method::PUT, "/tickets/1", json!({"ticket": ticket})).await
    };
    let (status, body) = solve(json!({"assignee_id": null})).await;
    let complaints = body["details"]["base"].as_array().unwrap();
    let kinds: Vec<&Value> = complaints.iter().map(|one| &one["ticket_field_type"]).collect();
    assert_eq!(
        (status, kinds),
        (422, vec![&json!("FieldAssignee"), &json!("FieldText"), &json!("FieldTagger")])
    );
    let values = json!([{"id": TEXT, "value": "x"}, {"id": OUTCOME, "value": "outcome_answered"}]);
    let (status, body) = solve(json!({"assignee_id": ANNA, "custom_fields": values})).await;
    assert_eq!((status, &body["ticket"]["status"]), (200, &json!("solved")));
}

#[tokio::test]
async fn user_fields_have_types_too() {
    let visitor = Visitor::new(Options::default().with("limits", "off")).await;
    let (_, body) = visitor.get("/user_fields").await;
    let fields = body["user_fields"].as_array().unwrap();
    let segment = fields.iter().find(|field| field["key"] == "segment").unwrap();
    assert_eq!(
        (&segment["type"], &segment["custom_field_options"][0]["value"]),
        (&json!("dropdown"), &json!("segment_private"))
    );
    assert_eq!(fields.iter().filter(|field| field["active"] == false).count(), 1);

    let path = format!("/users/{PETRA}");
    let put = async |fields: Value| {
        visitor.send(Method::PUT, &path, json!({"user": {"user_fields": fields}})).await
    };
    for (key, wrong) in [("segment", "Business"), ("customer_since", "yesterday")] {
        let (status, body) = put(json!({key: wrong, "mobile": "+49 1522 8817120"})).await;
        assert_eq!((status, body["details"][key].is_array()), (422, true), "{body}");
    }
    let good = json!({"segment": "segment_business", "customer_since": "2020-02-29", "old_number": "1", "shoe_size": "44"});
    let (status, body) = put(good).await;
    let fields = json!({"phone_2": "+493023125156", "mobile": null, "segment": "segment_business",
        "customer_since": "2020-02-29T00:00:00+00:00"});
    assert_eq!((status, &body["user"]["user_fields"]), (200, &fields), "the refused ones changed nothing");
    let (status, body) = visitor
        .send(Method::POST, "/users", json!({"user": {"name": "x", "user_fields": {"segment": "x"}}}))
        .await;
    assert_eq!((status, body["details"]["segment"].is_array()), (422, true));
}
