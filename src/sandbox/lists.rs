//! Tickets shown: one, lists, those of a requester, and the counts beside a user.
//!
//! Lists by `external_id` come straight from the database; lists of a user's tickets were reported to
//! lag writes by half a minute and more, which the switch `list_delay` plays.

use serde_json::{Map, Value, json};

use super::exchange::{Answer, Outcome};
use super::paging::{self, Ways};
use super::people;
use super::routes::Visit;
use super::tickets::present;
use super::world::{Ticket, World};

/// The statuses in the order lists are sorted by.
const STATUSES: [&str; 6] = ["new", "open", "pending", "hold", "solved", "closed"];

/// `GET /tickets/{id}`.
pub(super) fn show(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ticket = present(world, visit.number(0))?;
    let mut frame = Map::new();
    frame.insert("ticket".to_owned(), world.ticket_json(ticket));
    beside(world, visit, &[ticket], &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /tickets`, also by `external_id`: straight from the database, without index delay.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let wanted = visit.ask.param("external_id");
    let kept = world.tickets.values().filter(|ticket| {
        !ticket.deleted && wanted.is_none_or(|wanted| ticket.external_id.as_deref() == Some(wanted))
    });
    page(world, visit, kept.collect())
}

/// `GET /tickets/show_many?ids=`.
pub(super) fn show_many(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let Some(text) = visit.ask.param("ids") else { return Err(visit.lacks(lang, "ids")) };
    let ids: Vec<u64> = text.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    if ids.len() > 100 {
        return Err(lang.shape_a(
            400,
            "TooManyValues",
            "Parameter ids cannot specify more than 100 values",
            "Der Parameter ids darf höchstens 100 Werte haben",
        ));
    }
    let shown = ids.into_iter().filter_map(|id| present(world, id).ok());
    page(world, visit, shown.collect())
}

/// `GET /users/{id}/tickets/requested`.
pub(super) fn requested(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = people::shown(world, visit.number(0))?.id;
    let known = world.tickets.keys().filter_map(|&id| world.listed(id, visit.now));
    let theirs = known.filter(|ticket| ticket.requester_id == user && !ticket.deleted);
    page(world, visit, theirs.collect())
}

/// `GET /users/{id}/related`: counts alone. Nobody is in copy and there are no organizations.
pub(super) fn related(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let user = people::shown(world, visit.number(0))?.id;
    let count = |fits: &dyn Fn(&Ticket) -> bool| {
        world.tickets.values().filter(|ticket| !ticket.deleted && fits(ticket)).count()
    };
    Ok(Answer::json(
        200,
        json!({"user_related": {
            "assigned_tickets": count(&|ticket| ticket.assignee_id == Some(user)),
            "requested_tickets": count(&|ticket| ticket.requester_id == user),
            "ccd_tickets": 0,
            "organization_subscriptions": 0,
        }}),
    ))
}

/// `GET /tickets/count`.
pub(super) fn count(world: &mut World, visit: &Visit<'_>) -> Outcome {
    Ok(visit.count(world.tickets.values().filter(|ticket| !ticket.deleted).count()))
}

fn page(world: &World, visit: &Visit<'_>, mut tickets: Vec<&Ticket>) -> Outcome {
    sort(world, visit, &mut tickets)?;
    let ids = tickets.iter().map(|ticket| ticket.id).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    tickets.retain(|ticket| page.ids.contains(&ticket.id));
    let mut frame = page.frame;
    frame.insert("tickets".to_owned(), tickets.iter().map(|ticket| world.ticket_json(ticket)).collect());
    beside(world, visit, &tickets, &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// Sorts as the request wants: `sort_by` and `sort_order` with offset paging, and without a word not at
/// all with a cursor, which has `sort` with few keys (measured by a third party).
fn sort(world: &World, visit: &Visit<'_>, tickets: &mut [&Ticket]) -> Result<(), Answer> {
    let ask = visit.ask;
    let by_cursor = ask.query.iter().any(|(name, _)| name.starts_with("page["));
    let (key, falls) = if by_cursor {
        let Some(sort) = ask.param("sort") else { return Ok(()) };
        let key = sort.strip_prefix('-').unwrap_or(sort);
        if !matches!(key, "updated_at" | "id" | "status") {
            return Err(world.switches.lang.bad_paging(
                "InvalidPaginationParameter",
                "sort is not valid",
                "sort ist nicht gültig",
            ));
        }
        (key, sort.starts_with('-'))
    } else {
        let Some(key) = ask.param("sort_by") else { return Ok(()) };
        (key, ask.param("sort_order") == Some("desc"))
    };
    let name = |id: Option<u64>| {
        let user = id.and_then(|id| world.users.get(&id));
        user.map(|user| user.name.to_lowercase()).unwrap_or_default()
    };
    // Ids break ties; the later change comes later within the same second, too.
    match key {
        "id" => tickets.sort_by_key(|ticket| ticket.id),
        "created_at" => tickets.sort_by_key(|ticket| (ticket.created_at, ticket.id)),
        "updated_at" => tickets.sort_by_key(|ticket| (ticket.updated_at, ticket.id)),
        "subject" => tickets.sort_by_key(|ticket| (ticket.subject.clone(), ticket.id)),
        "status" => {
            let rank = |ticket: &Ticket| STATUSES.iter().position(|status| *status == ticket.status);
            tickets.sort_by_key(|ticket| (rank(ticket), ticket.id));
        }
        "group" => tickets.sort_by_key(|ticket| {
            let group = ticket.group_id.and_then(|id| world.groups.get(&id));
            (group.map(|group| group.name.to_lowercase()), ticket.id)
        }),
        "requester" | "requester.name" => {
            tickets.sort_by_key(|ticket| (name(Some(ticket.requester_id)), ticket.id));
        }
        "assignee" | "assignee.name" => tickets.sort_by_key(|ticket| (name(ticket.assignee_id), ticket.id)),
        _ => return Err(world.switches.lang.wrong_type("sort_by", "one of the listed values")),
    }
    if falls {
        tickets.reverse();
    }
    Ok(())
}

/// Side-loads: `include=users,groups`.
fn beside(world: &World, visit: &Visit<'_>, tickets: &[&Ticket], frame: &mut Map<String, Value>) {
    for word in visit.ask.param("include").unwrap_or_default().split(',') {
        let records: Vec<Value> = match word.trim() {
            "users" => {
                let named = |id: u64| {
                    tickets
                        .iter()
                        .any(|t| t.requester_id == id || t.submitter_id == id || t.assignee_id == Some(id))
                };
                world.users.values().filter(|user| named(user.id)).map(|user| world.user_json(user)).collect()
            }
            "groups" => {
                let named = |id: u64| tickets.iter().any(|ticket| ticket.group_id == Some(id));
                world.groups.values().filter(|group| named(group.id)).map(|g| world.group_json(g)).collect()
            }
            _ => continue,
        };
        frame.insert(word.trim().to_owned(), Value::Array(records));
    }
}
