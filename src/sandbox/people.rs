//! Users: show, list, create, update, delete.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/users/users/> and recordings.

use serde_json::{Map, Value, json};

use super::exchange::{Answer, Lang, Outcome};
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
        (user.active || deleted_too)
            && (has(&ids, &user.id.to_string())
                || user.external_id.as_deref().is_some_and(|own| has(&externals, own)))
    });
    let ids = chosen.map(|user| user.id).collect();
    let page = paging::page(visit.ask, &world.url, lang, ids, Ways::Both)?;
    Ok(users_answer(world, visit, page))
}

/// `GET /users/{id}`: deleted ones are shown with `active: false`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = visit.number(0);
    let user = world.users.get(&id).ok_or_else(|| world.switches.lang.not_found())?;
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
    let phone = wish["phone"].as_str().filter(|phone| !phone.trim().is_empty());
    let phone = phone.map(|phone| lines::checked_phone(world, phone, "phone")).transpose()?;
    let more = wish["identities"].as_array().cloned().unwrap_or_default();
    for identity in &more {
        let (kind, value) = (text(identity, "type"), text(identity, "value"));
        lines::check_identity(world, &kind, &value, None, "identities")?;
    }

    let id = world.fresh_id();
    let now = visit.now;
    let user = User {
        id,
        name,
        email: None,
        role,
        phone: None,
        shared_phone: None,
        external_id: wish["external_id"].as_str().map(str::to_owned),
        active: true,
        suspended: wish["suspended"] == true,
        verified: wish["verified"] == true,
        default_group_id: None,
        user_fields: Default::default(),
        plain: Map::new(),
        created_at: now,
        updated_at: now,
    };
    world.users.insert(id, user);
    take_plain(world, id, wish);
    if let Some(email) = wish["email"].as_str() {
        lines::add_email(world, id, email, wish["verified"] == true, now);
    }
    if let Some(phone) = phone {
        lines::set_phone(world, id, &phone, wish["shared_phone_number"].as_bool(), now);
    }
    for identity in &more {
        let (kind, value) = (text(identity, "type"), text(identity, "value"));
        world.add_identity(id, &kind, &value, identity["verified"] == true, now);
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
    take_plain(world, id, wish);
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

/// `DELETE /users/{id}`: 200 with the user and `active: false`; identities are freed.
pub(super) fn delete(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let id = visit.number(0);
    world.users.get(&id).filter(|user| user.active).ok_or_else(|| lang.not_found())?;
    let open = world
        .tickets
        .values()
        .filter(|ticket| ticket.requester_id == id && ticket.status != "closed" && !ticket.deleted)
        .count();
    if open > 0 {
        return Err(lang.invalid(
            "base",
            None,
            &format!("User is requester on {open} ticket(s) that are not closed."),
            &format!("Der Benutzer ist Anfragender von {open} nicht geschlossenen Tickets."),
        ));
    }
    if let Some(user) = world.users.get_mut(&id) {
        user.active = false;
    }
    world.identities.retain(|_, identity| identity.user_id != id);
    world.memberships.retain(|_, membership| membership.user_id != id);
    world.touch_user(id, visit.now);
    let shown = world.user_json(&world.users[&id]);
    Ok(Answer::json(200, json!({"user": shown})))
}

/// `PUT /users/{loser}/merge {"user": {"id": winner}}`: the path's user goes, the body's stays.
pub(super) fn merge(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let loser = visit.number(0);
    let winner = visit.body["user"]["id"].as_u64().unwrap_or_default();
    for id in [loser, winner] {
        world.users.get(&id).filter(|user| user.active).ok_or_else(|| lang.not_found())?;
    }
    let both_end_users = [loser, winner].iter().all(|id| world.users[id].role == Role::EndUser);
    if loser == winner || !both_end_users {
        return Err(lang.forbidden());
    }
    let now = visit.now;
    // Tickets change their requester without their `updated_at` moving: no trigger hears of it.
    for ticket in world.tickets.values_mut().filter(|ticket| ticket.requester_id == loser) {
        ticket.requester_id = winner;
    }
    let (phone, shared) = (world.users[&loser].phone.clone(), world.users[&loser].shared_phone);
    let moved: Vec<u64> = world.identities_of(loser).map(|identity| identity.id).collect();
    for id in moved {
        if let Some(identity) = world.identities.get_mut(&id) {
            identity.user_id = winner;
            identity.primary = false;
        }
    }
    let takes_email = world.users[&winner].email.is_none();
    let email = world.users[&loser].email.clone().filter(|_| takes_email);
    if let Some(user) = world.users.get_mut(&winner) {
        if let Some(email) = email {
            user.email = Some(email);
        }
        if user.phone.is_none() && phone.is_some() {
            (user.phone, user.shared_phone) = (phone, shared);
        }
    }
    if let Some(user) = world.users.get_mut(&loser) {
        user.name = "Permanently Deleted User".to_owned();
        (user.email, user.phone, user.shared_phone) = (None, None, None);
        user.external_id = None;
        user.active = false;
    }
    for id in [loser, winner] {
        world.touch_user(id, now);
    }
    let shown = world.user_json(&world.users[&winner]);
    Ok(Answer::json(200, json!({"user": shown})))
}

/// `GET /user_fields`.
pub(super) fn fields(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ids = (1..=world.user_fields.len() as u64).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown = page.ids.iter().filter_map(|id| {
        let field = world.user_fields.get(usize::try_from(id - 1).ok()?)?;
        let title = field["title"].as_str().or(field["key"].as_str())?;
        Some(json!({
            "url": format!("{}/api/v2/user_fields/{id}.json", world.url), "id": id, "type": field["type"],
            "key": field["key"], "title": title, "raw_title": title, "description": "", "raw_description": "",
            "position": id, "active": true, "system": false, "regexp_for_validation": null,
            "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
        }))
    });
    let shown = shown.collect();
    frame.insert("user_fields".to_owned(), Value::Array(shown));
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /incremental/users/cursor`.
pub(super) fn export(world: &mut World, visit: &Visit<'_>) -> Outcome {
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
    beside(world, visit, &ids, &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

fn write_cursor(place: (i64, u64)) -> String {
    super::code64::encode(format!("{}||{}|", place.0, place.1).as_bytes())
}

fn read_cursor(text: &str) -> Option<(i64, u64)> {
    let plain = String::from_utf8(super::code64::decode(text)?).ok()?;
    let (time, id) = plain.strip_suffix('|')?.split_once("||")?;
    Some((time.parse().ok()?, id.parse().ok()?))
}

/// Stores what nothing acts upon. Values of unknown user fields are dropped.
fn take_plain(world: &mut World, id: u64, wish: &Value) {
    let known: Vec<String> =
        world.user_fields.iter().filter_map(|field| field["key"].as_str().map(str::to_owned)).collect();
    let Some(user) = world.users.get_mut(&id) else { return };
    for key in PLAIN {
        if let Some(value) = wish.get(key) {
            user.plain.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(Value::Object(fields)) = wish.get("user_fields") {
        for (key, value) in fields.iter().filter(|(key, _)| known.contains(key)) {
            user.user_fields.insert(key.clone(), value.clone());
        }
    }
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
