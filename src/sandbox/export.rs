//! The incremental export of users: everybody once, then every change.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/>.

use serde_json::{Map, Value, json};

use super::exchange::{Answer, Outcome};
use super::routes::Visit;
use super::world::{User, World};
use super::{code64, people};

/// `GET /incremental/users/cursor`.
pub(super) fn users(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let number = |name: &str| match visit.ask.param(name) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| lang.wrong_type(name, "an integer")),
    };
    let size = number("per_page")?.unwrap_or(1000).clamp(1, 1000);
    let now = visit.now;
    let from: (i64, u64) = match (visit.ask.param("cursor"), number("start_time")?) {
        (Some(cursor), _) => read_cursor(cursor).ok_or_else(|| {
            lang.shape_a(400, "InvalidCursor", "The cursor is not valid", "Der Cursor ist nicht gültig")
        })?,
        (None, None) => return Err(visit.lacks(lang, "start_time")),
        (None, Some(start)) if start > now.as_second() - 60 => {
            return Err(lang.shape_a(
                422,
                "StartTimeTooRecent",
                "Too recent start_time. Use a start_time older than 60 seconds",
                "start_time liegt weniger als 60 Sekunden zurück",
            ));
        }
        (None, Some(start)) => (start.saturating_mul(1_000_000) - 1, u64::MAX),
    };
    let latest = match world.switches.withhold_last_minute {
        true => now.as_microsecond() - 60_000_000,
        false => i64::MAX,
    };
    let key = |user: &User| (user.updated_at.as_microsecond(), user.id);
    let mut due: Vec<&User> =
        world.users.values().filter(|user| key(user) > from && key(user).0 <= latest).collect();
    due.sort_by_key(|user| key(user));
    let more = due.len() > usize::try_from(size).unwrap_or(usize::MAX);
    due.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let after = write_cursor(due.last().map_or(from, |user| key(user)));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("cursor", &after).append_pair("per_page", &size.to_string());
    for name in ["include"] {
        if let Some(value) = visit.ask.param(name) {
            query.append_pair(name, value);
        }
    }
    let ids: Vec<u64> = due.iter().map(|user| user.id).collect();
    let mut frame = Map::new();
    frame.insert("users".to_owned(), due.iter().map(|user| world.user_json(user)).collect());
    frame
        .insert("after_url".to_owned(), json!(format!("{}{}?{}", world.url, visit.ask.path, query.finish())));
    frame.insert("before_url".to_owned(), Value::Null);
    frame.insert("after_cursor".to_owned(), json!(after));
    frame.insert("before_cursor".to_owned(), Value::Null);
    frame.insert("end_of_stream".to_owned(), json!(!more));
    people::beside(world, visit, &ids, &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

fn write_cursor(place: (i64, u64)) -> String {
    code64::encode(format!("{}||{}|", place.0, place.1).as_bytes())
}

fn read_cursor(text: &str) -> Option<(i64, u64)> {
    let plain = String::from_utf8(code64::decode(text)?).ok()?;
    let (time, id) = plain.strip_suffix('|')?.split_once("||")?;
    Some((time.parse().ok()?, id.parse().ok()?))
}
