//! Request bodies: read, and held against the OpenAPI file before anything is done.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::{Answer, Ask, Lang};
use super::world::World;
use super::{openapi, voice};

/// Reads the body and holds it against the OpenAPI file. Unknown keys are dropped with a header,
/// wrong types refused with 400, values outside their list with 422.
pub(super) fn checked(
    world: &mut World,
    ask: &Ask,
    template: &str,
    now: Timestamp,
) -> Result<(Value, Option<String>), Answer> {
    let lang = world.switches.lang;
    let Some(schema) = openapi::request_schema(&ask.method, template) else {
        return Ok((Value::Null, None));
    };
    let kind = ask.header("content-type").unwrap_or_default();
    let form = kind.starts_with("application/x-www-form-urlencoded");
    let mut body = if ask.body.is_empty() {
        json!({})
    } else if form && template == "/api/v2/channels/voice/tickets" {
        voice::from_form(&ask.body)
    } else if kind.starts_with("application/json") {
        serde_json::from_slice::<Value>(&ask.body).ok().filter(Value::is_object).ok_or_else(|| {
            lang.shape_a(
                400,
                "InvalidJSON",
                "The body is not valid JSON",
                "Der Inhalt ist kein gültiges JSON",
            )
        })?
    } else {
        // Without a content type it knows the server sees no parameters at all.
        json!({})
    };
    let findings = openapi::clean(schema, &mut body);
    world.warn("body", &ask.method, &ask.path, &findings.unpermitted, now);
    // The file forgets to demand the wrapper of tickets; without it nothing was sent.
    let wrapper = if template.ends_with("/tickets") || template.ends_with("{ticket_id}") {
        body.get("ticket").is_none().then_some("ticket")
    } else {
        None
    };
    let warning = warning(&ask.method, template, &findings);
    let dress = |answer: Answer| match &warning {
        Some(text) => answer.with("x-zendesk-api-warn", text.clone()),
        None => answer,
    };
    if let Some(missing) = findings.missing.first().map(String::as_str).or(wrapper) {
        return Err(dress(lacks(lang, missing)));
    }
    if let Some((name, wanted)) = findings.wrong_type.first() {
        return Err(dress(lang.wrong_type(name, wanted)));
    }
    if let Some(name) = findings.not_listed.first() {
        // A bad via_id is answered by the voice endpoint itself, with an empty 422.
        let field = name.rsplit('.').next().unwrap_or(name);
        if field == "via_id" {
            return Err(dress(Answer::empty(422)));
        }
        return Err(dress(lang.invalid(
            field,
            Some("InvalidValue"),
            &format!("{field}: is not included in the list"),
            &format!("{field}: ist kein zulässiger Wert"),
        )));
    }
    Ok((body, warning))
}

/// The text of `x-zendesk-api-warn`.
fn warning(method: &str, template: &str, findings: &openapi::Findings) -> Option<String> {
    if findings.unpermitted.is_empty() {
        return None;
    }
    let controller = template.split('/').nth(3).unwrap_or_default();
    let action = if method == "POST" { "create" } else { "update" };
    let text = format!(
        "{{:allowed_parameters=>{{:controller=>\"{controller}\", :action=>\"{action}\", \
         :unpermitted_keys=>{:?}, :invalid_values=>[]}}}}",
        findings.unpermitted
    );
    // Keys come from the client; a header takes visible ASCII only.
    Some(text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect())
}

/// 400: a parameter that must be there is not.
pub(super) fn lacks(lang: Lang, name: &str) -> Answer {
    lang.shape_a(
        400,
        "RequiredParameterMissing",
        &format!("Required parameter {name} is missing"),
        &format!("Der Parameter {name} fehlt"),
    )
}
