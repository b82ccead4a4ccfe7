//! Talk Partner Edition: voice tickets and screen pops.
//!
//! Source: <https://developer.zendesk.com/api-reference/voice/talk-partner-edition-api/reference/>.

use serde_json::{Value, json};

use super::exchange::{Answer, Outcome, moment};
use super::routes::Visit;
use super::tickets;
use super::world::{Role, World};

/// The plan has no Talk Partner Edition: every voice endpoint says so.
pub(super) fn refused(world: &World) -> Option<Answer> {
    let lang = world.switches.lang;
    match world.switches.no_tpe {
        Some(404) => Some(lang.no_endpoint()),
        Some(_) => Some(lang.forbidden()),
        None if !world.switches.plan.voice => Some(lang.forbidden()),
        None => None,
    }
}

/// `POST /channels/voice/tickets`: the agent is checked before anything else.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let show_to = match visit.body.get("display_to_agent") {
        None => None,
        Some(value) => {
            let agent = value.as_u64().filter(|&id| is_agent(world, id));
            Some(agent.ok_or_else(|| Answer::empty(422))?)
        }
    };
    let wish = &visit.body["ticket"];
    let direction = match wish["via_id"].as_u64() {
        Some(44) => "voicemail",
        Some(45) => "inbound",
        Some(46) => "outbound",
        _ => return Err(Answer::empty(422)),
    };
    if direction == "voicemail" && wish["voice_comment"].is_null() {
        return Err(world.switches.lang.invalid(
            "voice_comment",
            Some("BlankValue"),
            "Voice comment: cannot be blank",
            "Sprachkommentar: darf nicht leer sein",
        ));
    }
    let end = |key: &str| match wish["voice_comment"][key].as_str() {
        Some(number) => json!({"phone": number, "formatted_phone": number}),
        None => json!({}),
    };
    let via = json!({"channel": "voice", "source": {"from": end("from"), "to": end("to"), "rel": direction}});
    let (id, audit) = tickets::file(world, wish, visit.caller.user_id, via, visit.now)?;
    if let Some(agent) = show_to {
        world.pops.push(json!({"agent_id": agent, "ticket_id": id, "at": moment(visit.now)}));
    }
    let shown = world.ticket_json(&world.tickets[&id]);
    let place = format!("{}/api/v2/tickets/{id}.json", world.url);
    Ok(Answer::json(201, json!({"ticket": shown, "audit": audit})).with("location", place))
}

/// `POST /channels/voice/agents/{agent}/tickets/{ticket}/display`: 200, whether or not a tab is open.
pub(super) fn show_ticket(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let (agent, ticket) = (visit.number(0), visit.number(1));
    if !is_agent(world, agent) || tickets::present(world, ticket).is_err() {
        return Err(Answer::empty(404));
    }
    world.pops.push(json!({"agent_id": agent, "ticket_id": ticket, "at": moment(visit.now)}));
    Ok(Answer::empty(200))
}

/// `POST /channels/voice/agents/{agent}/users/{user}/display`.
pub(super) fn show_user(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let (agent, user) = (visit.number(0), visit.number(1));
    if !is_agent(world, agent) || !world.users.get(&user).is_some_and(|user| user.active) {
        return Err(Answer::empty(404));
    }
    world.pops.push(json!({"agent_id": agent, "user_id": user, "at": moment(visit.now)}));
    Ok(Answer::empty(200))
}

pub(super) fn is_agent(world: &World, id: u64) -> bool {
    world.users.get(&id).is_some_and(|user| user.active && !user.suspended && user.role != Role::EndUser)
}

/// A form body as the JSON it stands for: `ticket[comment][body]=…`.
pub(super) fn from_form(body: &[u8]) -> Value {
    let mut root = json!({});
    for (name, text) in url::form_urlencoded::parse(body) {
        let mut place = &mut root;
        let mut keys = name.split('[').map(|key| key.trim_end_matches(']')).peekable();
        while let Some(key) = keys.next() {
            if key.is_empty() || !place.is_object() {
                break;
            }
            let lists = keys.peek() == Some(&"");
            let last = keys.peek().is_none() || lists;
            let slot = &mut place[key];
            if last && lists {
                if !slot.is_array() {
                    *slot = json!([]);
                }
                if let Some(items) = slot.as_array_mut() {
                    items.push(json!(text));
                }
                break;
            } else if last {
                *slot = typed(key, &text);
            } else if !slot.is_object() {
                *slot = json!({});
            }
            place = slot;
        }
    }
    root
}

/// A form knows only text; ids, counts and truth values are read by their names.
fn typed(key: &str, text: &str) -> Value {
    let number =
        key.ends_with("_id") && key != "external_id" || key == "display_to_agent" || key == "call_duration";
    match text {
        "true" if key == "public" => json!(true),
        "false" if key == "public" => json!(false),
        _ if number => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_means_the_same_as_json() {
        let form = b"display_to_agent=7&ticket[via_id]=45&ticket[comment][body]=a+b&ticket[comment][public]=false&ticket[tags][]=x&ticket[tags][]=y";
        assert_eq!(
            from_form(form),
            json!({"display_to_agent": 7, "ticket": {"via_id": 45,
                "comment": {"body": "a b", "public": false}, "tags": ["x", "y"]}})
        );
    }
}
