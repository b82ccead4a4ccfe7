//! Who has a ticket, for whom it is, and which status follows.
//!
//! Which pairs of group and assignee fit is documented; what a refusal of a pair looks like is not,
//! so it has the shape of every other validation error.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::Answer;
use super::world::{Role, User, World};
use super::{fields, lines};

/// The system field of the assignee.
pub(super) const ASSIGNEE_FIELD: u64 = 360_000_000_007;

/// Group and assignee after the wish: the assignee must be in the group.
pub(super) fn settle(
    world: &World,
    old_group: Option<u64>,
    old_assignee: Option<u64>,
    wish: &Value,
) -> Result<(Option<u64>, Option<u64>), Answer> {
    let lang = world.switches.lang;
    let bad_assignee =
        || lang.invalid("assignee", Some("InvalidValue"), "Assignee is invalid", "Mitarbeiter ist ungültig");
    let group = match wish.get("group_id") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let id = value.as_u64().filter(|id| world.groups.get(id).is_some_and(|group| !group.deleted));
            let refused =
                || lang.invalid("group", Some("InvalidValue"), "Group is invalid", "Gruppe ist ungültig");
            Some(id.ok_or_else(refused)?)
        }
    };
    let agent = |user: &&User| {
        user.active
            && !user.suspended
            && user.role != Role::EndUser
            && world.memberships.values().any(|membership| membership.user_id == user.id)
    };
    let assignee = match (wish.get("assignee_id"), wish["assignee_email"].as_str()) {
        (Some(Value::Null), _) => Some(None),
        (Some(value), _) => {
            let user = value.as_u64().and_then(|id| world.users.get(&id)).filter(agent);
            Some(Some(user.ok_or_else(bad_assignee)?.id))
        }
        (None, Some(email)) => {
            let mut users = world.users.values().filter(agent);
            let user =
                users.find(|user| user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email)));
            Some(Some(user.ok_or_else(bad_assignee)?.id))
        }
        (None, None) => None,
    };
    let stranger = || {
        lang.invalid(
            "assignee",
            Some("InvalidValue"),
            "Assignee is not a member of the group",
            "Der Mitarbeiter gehört nicht zur Gruppe",
        )
    };
    Ok(match (group, assignee) {
        (Some(group), Some(Some(agent))) => {
            if !world.is_member(agent, group) {
                return Err(stranger());
            }
            (Some(group), Some(agent))
        }
        (None, Some(Some(agent))) => {
            let kept = old_group.filter(|&group| world.is_member(agent, group));
            if kept.is_none() && old_group.is_some() && !world.switches.assignee_moves {
                return Err(stranger());
            }
            let mut own = world.memberships.values().filter(|m| m.user_id == agent);
            let default = own.clone().find(|m| m.default).or_else(|| own.next()).map(|m| m.group_id);
            (kept.or(default), Some(agent))
        }
        (Some(group), Some(None)) => (Some(group), None),
        (Some(group), None) => {
            let kept = old_assignee.filter(|&agent| world.is_member(agent, group));
            if kept != old_assignee && !world.switches.group_clears {
                return Err(stranger());
            }
            (Some(group), kept)
        }
        (None, Some(None)) => (old_group, None),
        (None, None) if wish.get("group_id").is_some() => (None, None),
        (None, None) => (old_group, old_assignee),
    })
}

/// The status after the wish.
pub(super) fn next_status(
    world: &World,
    old: Option<&str>,
    wish: Option<&str>,
    assignee: Option<u64>,
    values: &BTreeMap<u64, Value>,
) -> Result<String, Answer> {
    let lang = world.switches.lang;
    let next = wish.or(old).unwrap_or("new");
    if wish == Some("new") && old.is_some_and(|old| old != "new") {
        return Err(lang.invalid(
            "status",
            Some("InvalidValue"),
            "Status: new is not allowed for a ticket that was open",
            "Status: neu ist für ein bereits geöffnetes Ticket nicht erlaubt",
        ));
    }
    let solves = matches!(next, "solved" | "closed") && old != Some(next);
    let mut lacking = if solves { fields::missing(world, values) } else { Vec::new() };
    if solves && assignee.is_none() && world.switches.require_assignee {
        let text = lang.say(
            "Assignee: is required when solving a ticket",
            "Mitarbeiter: ist zum Lösen eines Tickets erforderlich",
        );
        let complaint = json!({"description": text, "error": null, "ticket_field_id": ASSIGNEE_FIELD,
            "ticket_field_type": "FieldAssignee"});
        lacking.insert(0, complaint);
    }
    if !lacking.is_empty() {
        return Err(lang.invalid_record(json!({"base": lacking})));
    }
    // An assigned ticket is not new any more.
    Ok(if next == "new" && assignee.is_some() { "open" } else { next }.to_owned())
}

/// What a refused submitter is called: key, English and German.
pub(super) const SUBMITTER: [&str; 3] = ["submitter", "Submitter is invalid", "Einsender ist ungültig"];
/// What a refused author of a comment is called.
pub(super) const AUTHOR: [&str; 3] = ["author", "Author is invalid", "Verfasser ist ungültig"];

/// Who is named as submitter or author: an agent, or the requester. `None` when nobody is.
pub(super) fn named(
    world: &World,
    wish: &Value,
    requester: u64,
    [field, english, german]: [&str; 3],
) -> Result<Option<u64>, Answer> {
    if wish.is_null() {
        return Ok(None);
    }
    let fits =
        |user: &&User| user.active && !user.suspended && (user.role != Role::EndUser || user.id == requester);
    let user = wish.as_u64().and_then(|id| world.users.get(&id)).filter(fits);
    let refused = || world.switches.lang.invalid(field, Some("InvalidValue"), english, german);
    user.map(|user| Some(user.id)).ok_or_else(refused)
}

/// Whoever answered the call of a voice comment is somebody of the account: the comment is theirs.
pub(super) fn check_answered_by(world: &World, voice: &Value) -> Result<(), Answer> {
    match voice["answered_by_id"].as_u64() {
        Some(id) if !world.users.contains_key(&id) => Err(world.switches.lang.invalid(
            "voice_comment",
            Some("InvalidValue"),
            "Answered by is invalid",
            "Angenommen von ist ungültig",
        )),
        _ => Ok(()),
    }
}

/// For whom a ticket is wanted.
pub(super) enum Requester {
    /// Nobody is named: the caller, or who it was.
    Unsaid,
    /// A user who is there.
    Known(u64),
    /// A person to be made.
    New {
        /// The name.
        name: String,
        /// The address, free so far.
        email: Option<String>,
    },
}

/// Who the ticket is for: an id, or a person found or made by e-mail.
pub(super) fn requester(world: &World, wish: &Value) -> Result<Requester, Answer> {
    let lang = world.switches.lang;
    let refused =
        |english: &str, german: &str| lang.invalid("requester", Some("InvalidValue"), english, german);
    let known = |id: u64| match world.users.get(&id) {
        Some(user) if user.active && user.suspended => {
            Err(refused("Requester is suspended", "Anfragender ist gesperrt"))
        }
        Some(user) if user.active => Ok(Requester::Known(id)),
        _ => Err(refused("Requester is invalid", "Anfragender ist ungültig")),
    };
    if let Some(id) = wish["requester_id"].as_u64() {
        return known(id);
    }
    let person = &wish["requester"];
    let by_email = |email: &str| {
        let mut addresses = world.identities.values().filter(|identity| identity.kind == "email");
        addresses.find(|identity| identity.value.eq_ignore_ascii_case(email)).map(|identity| identity.user_id)
    };
    match person {
        Value::Number(id) => known(id.as_u64().unwrap_or_default()),
        Value::String(email) => match by_email(email) {
            Some(id) => known(id),
            None => Err(refused("Requester is invalid", "Anfragender ist ungültig")),
        },
        Value::Object(_) => {
            let email = person["email"].as_str();
            if let Some(id) = email.and_then(by_email) {
                return known(id);
            }
            let name = person["name"].as_str().unwrap_or_default().trim().to_owned();
            if name.is_empty() {
                return Err(lang.invalid(
                    "requester",
                    None,
                    "Requester Name: is too short (minimum is 1 characters)",
                    "Anfragender Name: ist zu kurz (mindestens 1 Zeichen)",
                ));
            }
            if let Some(email) = email {
                lines::check_email(world, email, None)?;
            }
            Ok(Requester::New { name, email: email.map(str::to_owned) })
        }
        _ => Ok(Requester::Unsaid),
    }
}

/// Makes the person of [`Requester::New`].
pub(super) fn new_requester(world: &mut World, name: String, email: Option<String>, now: Timestamp) -> u64 {
    let id = world.fresh_id();
    world.users.insert(id, User::fresh(id, name, Role::EndUser, now));
    if let Some(email) = email {
        lines::add_email(world, id, &email, false, now);
    }
    world.index_user(id, now);
    id
}
