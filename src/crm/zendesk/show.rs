//! What is known of the caller, below the first internal comment.
//!
//! Only what the config names is asked for, and nobody waits for it longer than a second: the ticket is worth
//! more. Options are shown by their names.

use std::time::Duration;

use serde_json::Value;

use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::fields::{self, Owner};
use super::options::ShowOf;
use crate::call::PersonId;

/// How long the ticket waits.
const DEADLINE: Duration = Duration::from_secs(1);
/// Letters of a value that are shown.
const LONGEST: usize = 300;

/// The lines, with an empty one before them; nothing when there are none.
pub(super) async fn lines(errand: &Errand<'_>, person: PersonId) -> String {
    let show = &errand.zendesk.show;
    let wants_person = show.iter().any(|field| matches!(field.of, ShowOf::Person(_)));
    let wants_ticket = show.iter().any(|field| matches!(field.of, ShowOf::LastTicket(_)));
    let (user, ticket) = tokio::join!(
        in_time(wants_person, "the caller", read_person(errand, person)),
        in_time(wants_ticket, "the caller's last ticket", read_last_ticket(errand, person)),
    );
    let mut text = String::new();
    for field in show {
        let value = match &field.of {
            ShowOf::Person(name) => user.as_ref().and_then(|(user, fields)| {
                let key = name.strip_prefix("user_fields.");
                let own = user.get(name).filter(|_| key.is_none());
                own.and_then(plain).or_else(|| {
                    let field = fields::find(fields, key.unwrap_or(name)).ok()?;
                    field.shown(&user["user_fields"][field.key.as_deref()?])
                })
            }),
            ShowOf::LastTicket(name) => ticket.as_ref().and_then(|(ticket, fields)| {
                ticket.get(name).and_then(plain).or_else(|| {
                    let field = fields::find(fields, name).ok()?;
                    let mut values = ticket["custom_fields"].as_array()?.iter();
                    field.shown(&values.find(|value| value["id"] == field.id)?["value"])
                })
            }),
        };
        if let Some(value) = value {
            let value: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
            let value: String = value.chars().take(LONGEST).collect();
            text.push_str(if text.is_empty() { "\n\n" } else { "\n" });
            text.push_str(&format!("{}: {value}", field.label));
        }
    }
    text
}

type Known = (Value, fields::Fields);

async fn in_time(
    wanted: bool,
    what: &'static str,
    read: impl Future<Output = Result<Option<Known>, Failure>>,
) -> Option<Known> {
    if !wanted {
        return None;
    }
    match tokio::time::timeout(DEADLINE, read).await {
        Ok(Ok(known)) => known,
        Ok(Err(_)) | Err(_) => {
            tracing::info!(what, "not known in time: the ticket is made without it");
            None
        }
    }
}

async fn read_person(errand: &Errand<'_>, person: PersonId) -> Result<Option<Known>, Failure> {
    let fields = fields::all(errand, Owner::Users).await?;
    let mut body: Value = errand.ask(&Ask::get("/users/{}", &[person.0])).await?.read()?;
    Ok(Some((body["user"].take(), fields)))
}

async fn read_last_ticket(errand: &Errand<'_>, person: PersonId) -> Result<Option<Known>, Failure> {
    let fields = fields::all(errand, Owner::Tickets).await?;
    let ask =
        Ask::get("/users/{}/tickets/requested", &[person.0]).query("sort", "-id").query("page[size]", "1");
    let mut body: Value = errand.ask(&ask).await?.read()?;
    let ticket = body["tickets"].get_mut(0).map(Value::take);
    Ok(ticket.map(|ticket| (ticket, fields)))
}

/// An attribute as text; lists by their texts.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        }
        _ => None,
    }
}
