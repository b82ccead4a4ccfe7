//! `Idempotency-Key` of ticket creation.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency>. Not
//! documented, and so decided here in the strictest way: bodies are compared byte by byte, and only
//! a success is kept.

use jiff::Timestamp;
use serde_json::json;

use super::exchange::{Answer, Ask, Lang, Outcome};
use super::routes::Visit;
use super::world::{Kept, World};

/// How long an answer is kept, in seconds.
const KEPT: i64 = 2 * 60 * 60;
/// Longest key, in bytes.
const LONGEST: usize = 255;

/// The key of a request that may have one.
pub(super) fn key(ask: &Ask) -> Option<&str> {
    let path = ask.path.trim_end_matches(".json");
    (ask.method == "POST" && path == "/api/v2/tickets").then(|| ask.header("idempotency-key"))?
}

/// The answer while the first request with this key is still being done.
pub(super) fn in_flight(lang: Lang) -> Answer {
    lang.shape_a(
        409,
        "IdempotentRequestInProgress",
        "A request with this idempotency key is in progress",
        "Eine Anforderung mit diesem Idempotenzschlüssel läuft noch",
    )
}

/// Does it once for each key; a repetition gets the same answer.
pub(super) fn once(
    world: &mut World,
    visit: &Visit<'_>,
    run: fn(&mut World, &Visit<'_>) -> Outcome,
) -> Outcome {
    let lang = world.switches.lang;
    let Some(key) = visit.ask.header("idempotency-key") else { return run(world, visit) };
    if key.is_empty() || key.len() > LONGEST {
        return Err(lang.shape_a(
            400,
            "IdempotentRequestError",
            "The idempotency key must have 1 to 255 characters",
            "Der Idempotenzschlüssel muss 1 bis 255 Zeichen haben",
        ));
    }
    let fresh = |at: Timestamp| visit.now.as_second() - at.as_second() < KEPT;
    world.idempotency.retain(|_, kept| fresh(kept.at));
    let place = (visit.caller.user_id, key.to_owned());
    if let Some(kept) = world.idempotency.get(&place) {
        if kept.body != visit.ask.body {
            return Err(Answer::json(
                400,
                json!({"error": "IdempotentRequestError", "description": lang.say(
                    "Request parameters don't match the given idempotency key",
                    "Die Parameter passen nicht zum angegebenen Idempotenzschlüssel")}),
            ));
        }
        world.counters.idempotency_hits += 1;
        return Ok(kept.answer.clone().with("x-idempotency-lookup", "hit"));
    }
    let answer = run(world, visit)?;
    let kept = Kept { body: visit.ask.body.clone(), answer: answer.clone(), at: visit.now };
    world.idempotency.insert(place, kept);
    Ok(answer.with("x-idempotency-lookup", "miss"))
}
