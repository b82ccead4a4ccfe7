//! Users who go: deleted, or merged into another one.
//!
//! Sources: <https://developer.zendesk.com/api-reference/ticketing/users/users/> and
//! <https://support.zendesk.com/hc/en-us/articles/4408887695898>. Not published, and so a switch each:
//! what a merged-away user looks like, and whether somebody with a phone number alone can be the winner.

use serde_json::json;

use super::exchange::{Answer, Outcome};
use super::lines;
use super::routes::Visit;
use super::world::{Role, World};

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
    if world.users[&winner].email.is_none() && !world.switches.merge_phone_only {
        return Err(lang.invalid(
            "base",
            None,
            "User must have an email address",
            "Der Benutzer muss eine E-Mail-Adresse haben",
        ));
    }
    let now = visit.now;
    // Tickets change their requester without their `updated_at` moving: no trigger hears of it.
    let theirs: Vec<u64> =
        world.tickets.values().filter(|ticket| ticket.requester_id == loser).map(|t| t.id).collect();
    for id in theirs {
        if let Some(ticket) = world.tickets.get_mut(&id) {
            ticket.requester_id = winner;
        }
        world.list_ticket(id, now);
    }
    take_lines(world, loser, winner, visit);
    if let Some(user) = world.users.get_mut(&loser) {
        user.name = "Permanently Deleted User".to_owned();
        (user.email, user.phone, user.shared_phone) = (None, None, None);
        user.external_id = None;
        user.user_fields.clear();
        user.plain.clear();
        (user.active, user.merged_away) = (false, true);
    }
    for id in [loser, winner] {
        world.touch_user(id, now);
    }
    let shown = world.user_json(&world.users[&winner]);
    Ok(Answer::json(200, json!({"user": shown})))
}

/// Numbers and addresses go to the winner, whose own stay in front. Everything else of the loser is lost.
fn take_lines(world: &mut World, loser: u64, winner: u64, visit: &Visit<'_>) {
    let (phone, shared) = (world.users[&loser].phone.clone(), world.users[&loser].shared_phone);
    let moved: Vec<u64> = world.identities_of(loser).map(|identity| identity.id).collect();
    for id in moved {
        let kind = world.identities[&id].kind.clone();
        let first = !world.identities_of(winner).any(|own| own.kind == kind && own.primary);
        if let Some(identity) = world.identities.get_mut(&id) {
            identity.user_id = winner;
            identity.primary = first && identity.primary;
        }
    }
    let email = world.users[&loser].email.clone();
    if let Some(user) = world.users.get_mut(&winner)
        && user.email.is_none()
    {
        user.email = email;
    }
    let Some(phone) = phone else { return };
    let Some(user) = world.users.get_mut(&winner) else { return };
    if user.phone.is_none() {
        (user.phone, user.shared_phone) = (Some(phone), shared);
    } else if user.phone.as_deref() != Some(phone.as_str()) && !lines::is_line(world, &phone) {
        // A shared number becomes a line of its own when nobody has it as one.
        world.add_identity(winner, "phone_number", &phone, false, visit.now);
    }
}
