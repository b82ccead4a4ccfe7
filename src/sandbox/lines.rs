//! Phone numbers and other identities: direct lines, shared numbers, secondary addresses.
//!
//! Two stores stand side by side: `phone`, one string, and identities of type `phone_number`, whose
//! values are unique over all users. Which of them a number lands in is the table of
//! <https://developer.zendesk.com/api-reference/ticketing/users/users/#phone-number>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::{Answer, Outcome};
use super::paging::{self, Ways};
use super::routes::Visit;
use super::world::World;

/// What an update wants of `phone`.
#[derive(Debug)]
pub(super) enum Taken {
    /// `""` or null.
    Cleared,
    /// This number.
    Number(String),
}

/// The number as it will be stored. With validation on only E.164 passes; a missing plus is added.
pub(super) fn checked_phone(world: &World, phone: &str, field: &str) -> Result<String, Answer> {
    let phone = phone.trim();
    if !world.switches.validate_phones {
        return Ok(phone.to_owned());
    }
    let number = format!("+{}", phone.strip_prefix('+').unwrap_or(phone));
    let (line, extension) = number[1..].split_once('x').unwrap_or((&number[1..], "1"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let valid = digits(line) && digits(extension) && (7..=15).contains(&line.len()) && !line.starts_with('0');
    if valid {
        return Ok(number);
    }
    Err(world.switches.lang.invalid(
        field,
        Some("InvalidValue"),
        &format!("Phone: {phone} is not a valid phone number"),
        &format!("Telefon: {phone} ist keine gültige Telefonnummer"),
    ))
}

/// Somebody other than `own` has this number, as `phone` or as a direct line.
fn known_elsewhere(world: &World, own: u64, number: &str) -> bool {
    let as_phone = world
        .users
        .values()
        .any(|user| user.id != own && user.active && user.phone.as_deref() == Some(number));
    as_phone || line_of(world, number).is_some_and(|user| user != own)
}

/// The user whose direct line this is.
fn line_of(world: &World, number: &str) -> Option<u64> {
    let mut lines = world.identities.values().filter(|line| line.kind == "phone_number");
    lines.find(|line| line.value == number).map(|line| line.user_id)
}

/// This number is somebody's direct line.
pub(super) fn is_line(world: &World, number: &str) -> bool {
    line_of(world, number).is_some()
}

/// A second number of somebody with a direct line becomes an identity and so must be unique.
pub(super) fn check_second_line(
    world: &World,
    user: u64,
    number: &str,
    shared: Option<bool>,
) -> Result<(), Answer> {
    let has_line = world.users.get(&user).is_some_and(|user| user.shared_phone == Some(false));
    match has_line && shared != Some(true) && line_of(world, number).is_some_and(|other| other != user) {
        true => Err(duplicate(world, "phone", "Phone", "Telefon", number)),
        false => Ok(()),
    }
}

/// Puts a number where the table wants it. The caller has checked it.
pub(super) fn set_phone(world: &mut World, id: u64, number: &str, shared: Option<bool>, now: Timestamp) {
    let elsewhere = known_elsewhere(world, id, number);
    let mine = world.identities_of(id).any(|line| line.kind == "phone_number" && line.value == number);
    let Some(user) = world.users.get_mut(&id) else { return };
    if user.phone.as_deref() == Some(number) && shared.is_none_or(|shared| user.shared_phone == Some(shared))
    {
        return;
    }
    if shared == Some(true) {
        user.phone = Some(number.to_owned());
        user.shared_phone = Some(true);
        return;
    }
    let has_line = user.phone.is_some() && user.shared_phone == Some(false);
    if has_line {
        // Secondary: `phone` stays as it was, and the answer is 200 all the same.
        if !mine {
            world.add_identity(id, "phone_number", number, false, now);
        }
        return;
    }
    user.phone = Some(number.to_owned());
    user.shared_phone = Some(elsewhere);
    if !elsewhere && !mine {
        world.add_identity(id, "phone_number", number, false, now);
    }
}

/// Clears `phone`; a direct line stays among the identities.
pub(super) fn clear_phone(world: &mut World, id: u64) {
    if let Some(user) = world.users.get_mut(&id) {
        (user.phone, user.shared_phone) = (None, None);
    }
}

/// An address is well formed and nobody else's.
pub(super) fn check_email(world: &World, email: &str, own: Option<u64>) -> Result<(), Answer> {
    let lang = world.switches.lang;
    let well_formed = email.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !email.contains(char::is_whitespace)
    });
    if !well_formed {
        return Err(lang.invalid(
            "email",
            Some("InvalidFormat"),
            &format!("Email: {email} is not properly formatted"),
            &format!("E-Mail: {email} ist nicht richtig formatiert"),
        ));
    }
    let taken = world.identities.values().any(|identity| {
        identity.kind == "email"
            && Some(identity.user_id) != own
            && identity.value.eq_ignore_ascii_case(email)
    });
    match taken {
        true => Err(duplicate(world, "email", "Email", "E-Mail", email)),
        false => Ok(()),
    }
}

/// Adds an address; the first one is the primary one.
pub(super) fn add_email(world: &mut World, id: u64, email: &str, verified: bool, now: Timestamp) {
    let email = email.to_lowercase();
    world.add_identity(id, "email", &email, verified, now);
    if let Some(user) = world.users.get_mut(&id)
        && user.email.is_none()
    {
        user.email = Some(email);
    }
}

/// An identity's value is usable and nobody's.
pub(super) fn check_identity(
    world: &World,
    kind: &str,
    value: &str,
    own: Option<u64>,
    field: &str,
) -> Result<String, Answer> {
    if value.trim().is_empty() {
        let (english, german) = ("Value: cannot be blank", "Wert: darf nicht leer sein");
        return Err(world.switches.lang.invalid(field, Some("BlankValue"), english, german));
    }
    if kind == "email" {
        check_email(world, value, None).map_err(|_| duplicate(world, field, "Value", "Wert", value))?;
        return Ok(value.to_lowercase());
    }
    let value = match kind {
        "phone_number" => checked_phone(world, value, field)?,
        _ => value.to_owned(),
    };
    let taken = world
        .identities
        .values()
        .any(|identity| identity.kind == kind && identity.value == value && Some(identity.id) != own);
    match taken {
        true => Err(duplicate(world, field, "Value", "Wert", &value)),
        false => Ok(value),
    }
}

fn duplicate(world: &World, field: &str, english: &str, german: &str, value: &str) -> Answer {
    world.switches.lang.invalid(
        field,
        Some("DuplicateValue"),
        &format!("{english}: {value} is already being used by another user"),
        &format!("{german}: {value} wird bereits von einem anderen Benutzer verwendet"),
    )
}

/// `GET /users/{id}/identities`.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = present(world, visit)?;
    let kinds = visit.ask.params("type");
    let mine = world.identities_of(user).filter(|own| kinds.is_empty() || kinds.contains(&own.kind.as_str()));
    let ids = mine.map(|identity| identity.id).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown = page.ids.iter().filter_map(|id| world.identities.get(id));
    frame.insert("identities".to_owned(), shown.map(|identity| world.identity_json(identity)).collect());
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /users/{id}/identities/{id}`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = owned(world, visit)?;
    Ok(Answer::json(200, json!({"identity": world.identity_json(&world.identities[&id])})))
}

/// `POST /users/{id}/identities`.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = present(world, visit)?;
    let wish = &visit.body["identity"];
    let kind = wish["type"].as_str().unwrap_or_default();
    if kind.is_empty() {
        let (english, german) = ("Type: cannot be blank", "Typ: darf nicht leer sein");
        return Err(world.switches.lang.invalid("type", Some("BlankValue"), english, german));
    }
    let value = wish["value"].as_str().unwrap_or_default();
    let value = check_identity(world, kind, value, None, "value")?;
    let id = if kind == "email" {
        add_email(world, user, &value, wish["verified"] == true, visit.now);
        world.last_id
    } else {
        world.add_identity(user, kind, &value, wish["verified"] == true, visit.now)
    };
    if kind == "phone_number"
        && let Some(user) = world.users.get_mut(&user)
        && user.phone.is_none()
    {
        // The first line is also the number shown.
        (user.phone, user.shared_phone) = (Some(value), Some(false));
    }
    world.touch_user(user, visit.now);
    let place = format!("{}/api/v2/users/{user}/identities/{id}.json", world.url);
    let shown = world.identity_json(&world.identities[&id]);
    Ok(Answer::json(201, json!({"identity": shown})).with("location", place))
}

/// `PUT /users/{id}/identities/{id}`.
pub(super) fn update(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = owned(world, visit)?;
    let wish = &visit.body["identity"];
    let kind = world.identities[&id].kind.clone();
    let value = match wish["value"].as_str() {
        Some(value) if value != world.identities[&id].value => {
            Some(check_identity(world, &kind, value, Some(id), "value")?)
        }
        _ => None,
    };
    let user = visit.number(0);
    if let Some(identity) = world.identities.get_mut(&id) {
        let before = identity.value.clone();
        if let Some(verified) = wish["verified"].as_bool() {
            identity.verified = verified;
        }
        identity.updated_at = visit.now;
        if let Some(value) = value {
            identity.value.clone_from(&value);
            if let Some(user) = world.users.get_mut(&user) {
                let shown = if kind == "email" { &mut user.email } else { &mut user.phone };
                if shown.as_deref() == Some(before.as_str()) {
                    *shown = Some(value);
                }
            }
        }
    }
    world.touch_user(user, visit.now);
    Ok(Answer::json(200, json!({"identity": world.identity_json(&world.identities[&id])})))
}

/// `PUT /users/{id}/identities/{id}/make_primary`: 200 with the whole list.
pub(super) fn make_primary(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = owned(world, visit)?;
    let user = visit.number(0);
    let (kind, value) = (world.identities[&id].kind.clone(), world.identities[&id].value.clone());
    for identity in world.identities.values_mut().filter(|own| own.user_id == user && own.kind == kind) {
        identity.primary = identity.id == id;
    }
    if let Some(user) = world.users.get_mut(&user) {
        match kind.as_str() {
            "email" => user.email = Some(value),
            "phone_number" => (user.phone, user.shared_phone) = (Some(value), Some(false)),
            _ => {}
        }
    }
    world.touch_user(user, visit.now);
    list(world, visit)
}

/// `DELETE /users/{id}/identities/{id}`: 204. `phone` keeps the number.
pub(super) fn delete(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let id = owned(world, visit)?;
    let user = visit.number(0);
    let gone = world.identities.remove(&id);
    if let (Some(gone), Some(user)) = (gone, world.users.get_mut(&user)) {
        match gone.kind.as_str() {
            "email" if user.email.as_deref() == Some(gone.value.as_str()) => user.email = None,
            "phone_number" if user.phone.as_deref() == Some(gone.value.as_str()) => {
                user.shared_phone = Some(true);
            }
            _ => {}
        }
    }
    world.touch_user(user, visit.now);
    Ok(Answer::empty(204))
}

fn present(world: &World, visit: &Visit<'_>) -> Result<u64, Answer> {
    let user = world.users.get(&visit.number(0)).filter(|user| user.active);
    user.map(|user| user.id).ok_or_else(|| world.switches.lang.not_found())
}

fn owned(world: &World, visit: &Visit<'_>) -> Result<u64, Answer> {
    let user = present(world, visit)?;
    let identity = world.identities.get(&visit.number(1)).filter(|identity| identity.user_id == user);
    identity.map(|identity| identity.id).ok_or_else(|| world.switches.lang.not_found())
}
