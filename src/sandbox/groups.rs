//! Groups and who is in them.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/groups/groups/>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::{Answer, Outcome};
use super::paging::{self, Ways};
use super::people;
use super::routes::Visit;
use super::world::{Group, Membership, Role, World};

/// Makes the user a member; returns the membership's id.
pub(super) fn join(world: &mut World, user_id: u64, group_id: u64, default: bool, now: Timestamp) -> u64 {
    let id = world.fresh_id();
    let default = default || !world.memberships.values().any(|m| m.user_id == user_id && m.default);
    if default {
        for other in world.memberships.values_mut().filter(|m| m.user_id == user_id) {
            other.default = false;
        }
        if let Some(user) = world.users.get_mut(&user_id) {
            user.default_group_id = Some(group_id);
        }
    }
    let membership = Membership { id, user_id, group_id, default, created_at: now, updated_at: now };
    world.memberships.insert(id, membership);
    id
}

fn groups_page(world: &World, visit: &Visit<'_>, ids: Vec<u64>) -> Outcome {
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown = page.ids.iter().filter_map(|id| world.groups.get(id));
    frame.insert("groups".to_owned(), shown.map(|group| world.group_json(group)).collect());
    Ok(Answer::json(200, Value::Object(frame)))
}

fn keep_deleted(visit: &Visit<'_>) -> bool {
    visit.ask.param("exclude_deleted") != Some("true")
}

/// `GET /groups`: deleted ones are in it unless `exclude_deleted=true`.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let kept = world.groups.values().filter(|group| keep_deleted(visit) || !group.deleted);
    let ids = kept.map(|group| group.id).collect();
    groups_page(world, visit, ids)
}

/// `GET /groups/assignable`.
pub(super) fn assignable(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let kept = world.groups.values().filter(|group| !group.deleted && group.is_public);
    let ids = kept.map(|group| group.id).collect();
    groups_page(world, visit, ids)
}

/// `GET /users/{id}/groups`.
pub(super) fn of_user(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = visit.number(0);
    world.users.get(&user).ok_or_else(|| world.switches.lang.not_found())?;
    let kept = world
        .groups
        .values()
        .filter(|group| world.is_member(user, group.id) && (keep_deleted(visit) || !group.deleted));
    let ids = kept.map(|group| group.id).collect();
    groups_page(world, visit, ids)
}

/// `GET /groups/count`.
pub(super) fn count(world: &mut World, visit: &Visit<'_>) -> Outcome {
    Ok(visit.count(world.groups.values().filter(|group| !group.deleted).count()))
}

/// `GET /groups/{id}`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let group = world.groups.get(&visit.number(0)).ok_or_else(|| world.switches.lang.not_found())?;
    Ok(Answer::json(200, json!({"group": world.group_json(group)})))
}

/// `POST /groups`.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let wish = &visit.body["group"];
    let name = wish["name"].as_str().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(people::name_too_short(world.switches.lang));
    }
    let id = world.fresh_id();
    let group = Group {
        id,
        name,
        description: wish["description"].as_str().unwrap_or_default().to_owned(),
        is_public: wish["is_public"].as_bool().unwrap_or(true),
        default: false,
        deleted: false,
        created_at: visit.now,
        updated_at: visit.now,
    };
    let answer = Answer::json(201, json!({"group": world.group_json(&group)}))
        .with("location", format!("{}/api/v2/groups/{id}.json", world.url));
    world.groups.insert(id, group);
    Ok(answer)
}

/// `PUT /groups/{id}`.
pub(super) fn update(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let id = visit.number(0);
    let wish = &visit.body["group"];
    let group = world.groups.get_mut(&id).filter(|group| !group.deleted).ok_or_else(|| lang.not_found())?;
    if let Some(name) = wish["name"].as_str() {
        if name.trim().is_empty() {
            return Err(people::name_too_short(lang));
        }
        group.name = name.trim().to_owned();
    }
    if let Some(description) = wish["description"].as_str() {
        group.description = description.to_owned();
    }
    if let Some(public) = wish["is_public"].as_bool() {
        group.is_public = public;
    }
    group.updated_at = visit.now;
    Ok(Answer::json(200, json!({"group": world.group_json(&world.groups[&id])})))
}

/// `DELETE /groups/{id}`: 204; the group stays visible with `deleted: true`.
pub(super) fn delete(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let id = visit.number(0);
    let group = world.groups.get_mut(&id).filter(|group| !group.deleted).ok_or_else(|| lang.not_found())?;
    group.deleted = true;
    group.updated_at = visit.now;
    world.memberships.retain(|_, membership| membership.group_id != id);
    Ok(Answer::empty(204))
}

/// `GET /groups/{id}/users`.
pub(super) fn users(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let group = visit.number(0);
    world.groups.get(&group).ok_or_else(|| world.switches.lang.not_found())?;
    let ids = world.users.keys().copied().filter(|&user| world.is_member(user, group)).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    Ok(people::users_answer(world, visit, page))
}

fn memberships_page(world: &World, visit: &Visit<'_>, keep: impl Fn(&Membership) -> bool) -> Outcome {
    let ids = world.memberships.values().filter(|m| keep(m)).map(|m| m.id).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let shown: Vec<&Membership> = page.ids.iter().filter_map(|id| world.memberships.get(id)).collect();
    for word in visit.ask.param("include").unwrap_or_default().split(',') {
        let beside: Vec<Value> = match word {
            "users" => {
                let theirs = world.users.values().filter(|user| shown.iter().any(|m| m.user_id == user.id));
                theirs.map(|user| world.user_json(user)).collect()
            }
            "groups" => {
                let theirs =
                    world.groups.values().filter(|group| shown.iter().any(|m| m.group_id == group.id));
                theirs.map(|group| world.group_json(group)).collect()
            }
            _ => continue,
        };
        frame.insert(word.to_owned(), Value::Array(beside));
    }
    let shown = shown.into_iter().map(|membership| world.membership_json(membership)).collect();
    frame.insert("group_memberships".to_owned(), shown);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /group_memberships` and `/group_memberships/assignable`.
pub(super) fn memberships(world: &mut World, visit: &Visit<'_>) -> Outcome {
    memberships_page(world, visit, |_| true)
}

/// `GET /groups/{id}/memberships`.
pub(super) fn memberships_of_group(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let group = visit.number(0);
    world.groups.get(&group).ok_or_else(|| world.switches.lang.not_found())?;
    memberships_page(world, visit, |membership| membership.group_id == group)
}

/// `GET /users/{id}/group_memberships`.
pub(super) fn memberships_of_user(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = visit.number(0);
    world.users.get(&user).ok_or_else(|| world.switches.lang.not_found())?;
    memberships_page(world, visit, |membership| membership.user_id == user)
}

/// `GET /group_memberships/{id}`.
pub(super) fn show_membership(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let membership =
        world.memberships.get(&visit.number(0)).ok_or_else(|| world.switches.lang.not_found())?;
    Ok(Answer::json(200, json!({"group_membership": world.membership_json(membership)})))
}

/// `POST /group_memberships`.
pub(super) fn create_membership(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let wish = &visit.body["group_membership"];
    let id = |key: &str| wish[key].as_u64().unwrap_or_default();
    let (user, group) = (id("user_id"), id("group_id"));
    if !world.users.get(&user).is_some_and(|user| user.active && user.role != Role::EndUser) {
        return Err(lang.invalid("user", Some("InvalidValue"), "User is invalid", "Benutzer ist ungültig"));
    }
    if world.groups.get(&group).is_none_or(|group| group.deleted) {
        return Err(lang.invalid("group", Some("InvalidValue"), "Group is invalid", "Gruppe ist ungültig"));
    }
    if world.is_member(user, group) {
        let (english, german) = ("User is already a member", "Benutzer ist bereits Mitglied");
        return Err(lang.invalid("user_id", Some("DuplicateValue"), english, german));
    }
    let id = join(world, user, group, wish["default"] == true, visit.now);
    let shown = world.membership_json(&world.memberships[&id]);
    let place = format!("{}/api/v2/group_memberships/{id}.json", world.url);
    Ok(Answer::json(201, json!({"group_membership": shown})).with("location", place))
}

/// `DELETE /group_memberships/{id}`.
pub(super) fn delete_membership(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let gone = world.memberships.remove(&visit.number(0));
    gone.map(|_| Answer::empty(204)).ok_or_else(|| world.switches.lang.not_found())
}
