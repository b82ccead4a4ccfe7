//! Users: show, list, create, update.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/users/users/> and recordings.

use serde_json::{Map, Value, json};

use super::exchange::{Answer, Lang, Outcome};
use super::fields;
use super::lines::{self, Taken};
use super::paging::{self, Ways};
use super::routes::Visit;
use super::world::{Role, User, World};

/// Attributes that are stored as they come and shown again.
const PLAIN: [&str; 7] = ["alias", "details", "notes", "signature", "time_zone", "organization_id", "tags"];

/// Users as a list with what `include` asks for beside them.
pub(super) fn users_answer(world: &World, visit: &Visit<'_>, page: paging::Page) -> Answer {
    let users = page.ids.iter().filter_map(|id| world.users.get(id));
    let users: Vec<Value> = users.map(|user| world.user_json(user)).collect();
    let mut frame = page.frame;
    frame.insert("users".to_owned(), Value::Array(users));
    beside(world, visit, &page.ids, &mut frame);
    Answer::json(200, Value::Object(frame))
}

/// Side-loads: `include=identities,groups` beside the users.
pub(super) fn beside(world: &World, visit: &Visit<'_>, ids: &[u64], frame: &mut Map<String, Value>) {
    for word in visit.ask.param("include").unwrap_or_default().split(',') {
        let records: Vec<Value> = match word.trim() {
            "identities" => {
                let theirs = world.identities.values().filter(|identity| ids.contains(&identity.user_id));
                theirs.map(|identity| world.identity_json(identity)).collect()
            }
            "groups" => {
                let theirs = world
                    .groups
                    .values()
                    .filter(|group| ids.iter().any(|&user| world.is_member(user, group.id)));
                theirs.map(|group| world.group_json(group)).collect()
            }
            _ => continue,
        };
        frame.insert(word.trim().to_owned(), Value::Array(records));
    }
}

/// `GET /users`: neither deleted nor hidden ones; `role`, `role[]`, `external_id`.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let roles = visit.ask.params("role");
    let external = visit.ask.param("external_id");
    let chosen = world.users.values().filter(|user| {
        user.active
            && (roles.is_empty() || roles.contains(&user.role.word()))
            && external.is_none_or(|wanted| user.external_id.as_deref() == Some(wanted))
    });
    let ids = chosen.map(|user| user.id).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    Ok(users_answer(world, visit, page))
}

/// `GET /users/count`.
pub(super) fn count(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let roles = visit.ask.params("role");
    let fits = |user: &&User| user.active && (roles.is_empty() || roles.contains(&user.role.word()));
    Ok(visit.count(world.users.values().filter(fits).count()))
}

/// `GET /users/show_many?ids=` or `?external_ids=`.
pub(super) fn show_many(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let listed = |name: &str| {
        visit
            .ask
            .param(name)
            .map(|text| text.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>())
    };
    let (ids, externals) = (listed("ids"), listed("external_ids"));
    if ids.iter().chain(&externals).any(|list| list.len() > 100) {
        return Err(lang.shape_a(
            400,
            "TooManyValues",
            "Parameter ids cannot specify more than 100 values",
            "Der Parameter ids darf höchstens 100 Werte haben",
        ));
    }
    if ids.is_none() && externals.is_none() {
        return Err(visit.lacks(lang, "ids"));
    }
    let deleted_too = visit.ask.param("include_deleted") == Some("true");
    let has = |list: &Option<Vec<String>>, value: &str| {
        list.as_ref().is_some_and(|list| list.iter().any(|one| one == value))
    };
    let chosen = world.users.values().filter(|user| {
        (user.active || deleted_too && !user.merged_away)
            && (has(&ids, &user.id.to_string())
                || user.external_id.as_deref().is_some_and(|own| has(&externals, own)))
    });
    let ids = chosen.map(|user| user.id).collect();
    let page = paging::page(visit.ask, &world.url, lang, ids, Ways::Both)?;
    Ok(users_answer(world, visit, page))
}

/// A user who can be seen: deleted ones can, those merged away as the switch says.
pub(super) fn shown(world: &World, id: u64) -> Result<&User, Answer> {
    let seen = |user: &&User| !user.merged_away || world.switches.merged_user_shown;
    world.users.get(&id).filter(seen).ok_or_else(|| world.switches.lang.not_found())
}

/// `GET /users/{id}`: deleted ones are shown with `active: false`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = visit.number(0);
    let user = shown(world, id)?;
    let mut frame = Map::new();
    frame.insert("user".to_owned(), world.user_json(user));
    beside(world, visit, &[id], &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `POST /users`.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let wish = &visit.body["user"];
    let name = wish["name"].as_str().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(name_too_short(lang));
    }
    let role = match wish["role"].as_str() {
        None => Role::EndUser,
        Some(word) => Role::parse(word).ok_or_else(|| unknown_role(lang, word))?,
    };
    if let Some(email) = wish["email"].as_str() {
        lines::check_email(world, email, None)?;
    }
    check_external_id(world, wish, None)?;
    let fields = fields::of_user(world, wish)?;
    let phone = wish["phone"].as_str().filter(|phone| !phone.trim().is_empty());
    let phone = phone.map(|phone| lines::checked_phone(world, phone, "phone")).transpose()?;
    let more = wish["identities"].as_array().cloned().unwrap_or_default();
    for identity in &more {
        let (kind, value) = (text(identity, "type"), text(identity, "value"));
        lines::check_identity(world, &kind, &value, None, "identities")?;
    }

    let id = world.fresh_id();
    let now = visit.now;
    let mut user = User::fresh(id, name, role, now);
    user.external_id = wish["external_id"].as_str().map(str::to_owned);
    user.suspended = wish["suspended"] == true;
    user.verified = wish["verified"] == true;
    world.users.insert(id, user);
    take_plain(world, id, wish, fields);
    if let Some(email) = wish["email"].as_str() {
        lines::add_email(world, id, email, wish["verified"] == true, now);
    }
    if let Some(phone) = phone {
        lines::set_phone(world, id, &phone, wish["shared_phone_number"].as_bool(), now);
    }
    for identity in &more {
        let (kind, value) = (text(identity, "type"), text(identity, "value"));
        let verified = identity["verified"] == true;
        let known = world.identities_of(id).any(|own| own.kind == kind && own.value == value);
        match kind.as_str() {
            _ if known => {}
            "email" => lines::add_email(world, id, &value, verified, now),
            _ => {
                world.add_identity(id, &kind, &value, verified, now);
            }
        }
    }
    if role != Role::EndUser {
        // An agent without a group of his own is put into the account's default one.
        let group = world.groups.values().find(|group| group.default && !group.deleted).map(|group| group.id);
        if let Some(group) = group {
            super::groups::join(world, id, group, true, now);
        }
    }
    world.index_user(id, now);
    let shown = world.user_json(&world.users[&id]);
    let place = format!("{}/api/v2/users/{id}.json", world.url);
    Ok(Answer::json(201, json!({"user": shown})).with("location", place))
}

/// `PUT /users/{id}`. A second phone number goes into the identities and leaves `phone` as it was.
pub(super) fn update(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let id = visit.number(0);
    let user = world.users.get(&id).filter(|user| user.active).ok_or_else(|| lang.not_found())?;
    let old_email = user.email.clone();
    let wish = &visit.body["user"];
    if wish.get("name").is_some_and(|name| name.as_str().is_none_or(|name| name.trim().is_empty())) {
        return Err(name_too_short(lang));
    }
    let role = match wish["role"].as_str() {
        None => None,
        Some(word) => Some(Role::parse(word).ok_or_else(|| unknown_role(lang, word))?),
    };
    let email = wish["email"].as_str().filter(|email| {
        !world.identities_of(id).any(|own| own.kind == "email" && own.value.eq_ignore_ascii_case(email))
    });
    if let Some(email) = email {
        lines::check_email(world, email, Some(id))?;
    }
    check_external_id(world, wish, Some(id))?;
    let fields = fields::of_user(world, wish)?;
    // A phone that cannot be stored refuses the whole update, before anything is changed.
    let phone = match wish.get("phone") {
        None => None,
        Some(value) => {
            let text = value.as_str().unwrap_or_default();
            let taken = if text.trim().is_empty() {
                Taken::Cleared
            } else {
                let number = lines::checked_phone(world, text, "phone")?;
                lines::check_second_line(world, id, &number, wish["shared_phone_number"].as_bool())?;
                Taken::Number(number)
            };
            Some(taken)
        }
    };

    let now = visit.now;
    let before = world.users[&id].clone();
    let lines_before: Vec<String> = world.identities_of(id).map(|own| own.value.clone()).collect();
    if let Some(user) = world.users.get_mut(&id) {
        if let Some(name) = wish["name"].as_str() {
            user.name = name.trim().to_owned();
        }
        if let Some(role) = role {
            user.role = role;
        }
        if let Some(external) = wish.get("external_id") {
            user.external_id = external.as_str().map(str::to_owned);
        }
        if let Some(suspended) = wish["suspended"].as_bool() {
            user.suspended = suspended;
        }
        if let Some(verified) = wish["verified"].as_bool() {
            user.verified = verified;
        }
    }
    take_plain(world, id, wish, fields);
    if let Some(email) = email {
        // Adds a secondary address; only a user without any gets it as the primary one.
        lines::add_email(world, id, email, wish["verified"] == true, now);
        debug_assert!(old_email.is_none() || world.users[&id].email == old_email);
    }
    match phone {
        Some(Taken::Cleared) => lines::clear_phone(world, id),
        Some(Taken::Number(number)) => {
            lines::set_phone(world, id, &number, wish["shared_phone_number"].as_bool(), now);
        }
        None => {}
    }
    let lines_after: Vec<String> = world.identities_of(id).map(|own| own.value.clone()).collect();
    if lines_before != lines_after || world.user_json(&before) != world.user_json(&world.users[&id]) {
        world.touch_user(id, now);
    }
    let shown = world.user_json(&world.users[&id]);
    Ok(Answer::json(200, json!({"user": shown})))
}

/// Stores what nothing acts upon, and the values of user fields, which have been checked.
fn take_plain(world: &mut World, id: u64, wish: &Value, fields: Vec<(String, Value)>) {
    let Some(user) = world.users.get_mut(&id) else { return };
    for key in PLAIN {
        if let Some(value) = wish.get(key) {
            user.plain.insert(key.to_owned(), value.clone());
        }
    }
    user.user_fields.extend(fields);
    if let Some(group) = wish["default_group_id"].as_u64() {
        user.default_group_id = Some(group);
    }
}

fn check_external_id(world: &World, wish: &Value, own: Option<u64>) -> Result<(), Answer> {
    let Some(wanted) = wish["external_id"].as_str() else { return Ok(()) };
    let taken = world.users.values().any(|user| {
        Some(user.id) != own
            && user.active
            && user.external_id.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(wanted))
    });
    if taken {
        let (english, german) = ("External has already been taken", "Externe ID ist bereits vergeben");
        return Err(world.switches.lang.invalid("external_id", Some("DuplicateValue"), english, german));
    }
    Ok(())
}

pub(super) fn name_too_short(lang: Lang) -> Answer {
    lang.invalid(
        "name",
        Some("TooShort"),
        "Name: is too short (minimum is 1 characters)",
        "Name: ist zu kurz (mindestens 1 Zeichen)",
    )
}

fn unknown_role(lang: Lang, word: &str) -> Answer {
    lang.invalid(
        "role",
        Some("InvalidValue"),
        &format!("Role: {word} is not valid"),
        &format!("Rolle: {word} ist nicht gültig"),
    )
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
