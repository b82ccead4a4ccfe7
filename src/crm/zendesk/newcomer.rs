//! Users that we make: one for each unknown number, and the default user.
//!
//! A user made a moment ago cannot be found by search, whose index is about a minute behind. So each
//! user of ours carries an `external_id`, by which `users/show_many` finds it in the database at
//! once, and which Zendesk accepts only once.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Zendesk;
use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::people::{UserList, UserRecord};
use crate::call::{E164, Person, PersonId};

/// The `external_id` of the default user, where we made it.
pub(super) const DEFAULT_USER: &str = "ringdesk:default-user";

/// What the `external_id` of a user made for a number begins with; the number follows.
const MARK: &str = "ringdesk:";

#[derive(Debug, Deserialize)]
pub(super) struct OneUser {
    pub user: UserRecord,
}

/// The number that the user was made for, where it was made by us.
pub(super) fn made_for(user: &UserRecord) -> Option<E164> {
    user.external_id.as_deref()?.strip_prefix(MARK)?.parse().ok()
}

/// The user of a number that nobody has: found by our id, or made. `None`: Zendesk refuses to make it.
///
/// Two calls at once from one number make one user: the second waits for the first.
pub(super) async fn person_of(
    zendesk: &Zendesk,
    number: E164,
    name: &str,
    errand: &Errand<'_>,
) -> Result<Option<Person>, Failure> {
    let made = zendesk
        .newcomers
        .try_get_with(number, async { find_or_make(errand, number, name).await.map_err(Some)?.ok_or(None) });
    match made.await {
        Ok(person) => Ok(Some(person)),
        Err(error) => match Arc::unwrap_or_clone(error) {
            Some(failure) => Err(failure),
            None => Ok(None),
        },
    }
}

async fn find_or_make(errand: &Errand<'_>, number: E164, name: &str) -> Result<Option<Person>, Failure> {
    let external_id = format!("{MARK}{number}");
    match by_external_id(errand, &external_id).await {
        Ok(Some(found)) => return Ok(Some(found.person())),
        Ok(None) => {}
        // Without the look no user is made, but the call has its ticket.
        Err(Failure::Refused(reason)) => return Ok(stand_in(&reason)),
        Err(failure) => return Err(failure),
    }
    let mut user = json!({
        "name": name,
        "phone": number.to_string(),
        "external_id": external_id,
        "skip_verify_email": true,
    });
    let mut answer = make(errand, &user).await?;
    let complaint = answer.complaint();
    let about_number = ["phone", "value", "identities", "base"].iter().any(|field| complaint.about(field));
    if answer.status == 422 && !complaint.about("external_id") && about_number {
        // The account checks numbers, and this one does not please it. It must not be lost.
        if let Some(user) = user.as_object_mut() {
            user.remove("phone");
            user.insert("notes".to_owned(), json!(format!("Telephone: {number}")));
        }
        errand.zendesk.counters.retry();
        answer = make(errand, &user).await?;
    }
    match answer.status {
        _ if answer.ok() => Ok(Some(answer.read::<OneUser>()?.user.person())),
        // Somebody else was quicker: another host of ours.
        422 if answer.complaint().about("external_id") => {
            Ok(by_external_id(errand, &external_id).await?.map(|user| user.person()))
        }
        _ => Ok(stand_in(&answer.reason())),
    }
}

fn stand_in(reason: &str) -> Option<Person> {
    tracing::warn!(reason, "Zendesk makes no user for an unknown number: the default user stands in");
    None
}

/// Finds the default user, or makes it.
pub(super) async fn default_user(errand: &Errand<'_>, email: &str, name: &str) -> Result<PersonId, Failure> {
    if let Some(found) = by_email(errand, email).await? {
        return Ok(found);
    }
    let mut user = json!({
        "name": name,
        "email": email,
        "external_id": DEFAULT_USER,
        "skip_verify_email": true,
    });
    let mut answer = make(errand, &user).await?;
    if answer.status == 422 {
        let complaint = answer.complaint();
        // One we made before: the search does not know it yet, or it has another address now.
        if let Some(found) = by_external_id(errand, DEFAULT_USER).await?
            && found.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email))
        {
            return Ok(PersonId(found.id));
        }
        if complaint.about("external_id") && !complaint.about("email") {
            if let Some(user) = user.as_object_mut() {
                user.remove("external_id");
            }
            errand.zendesk.counters.retry();
            answer = make(errand, &user).await?;
        }
    }
    if answer.ok() {
        return Ok(PersonId(answer.read::<OneUser>()?.user.id));
    }
    if answer.complaint().has_detail("DuplicateValue") {
        if let Some(found) = by_email(errand, email).await? {
            return Ok(found);
        }
        return Err(Failure::away(
            false,
            "the default user was made by somebody a moment ago and cannot be found yet",
        ));
    }
    Err(Failure::Refused(answer.reason()))
}

pub(super) async fn by_email(errand: &Errand<'_>, email: &str) -> Result<Option<PersonId>, Failure> {
    let query = format!("email:\"{}\"", email.replace(['"', '\\'], ""));
    let answer = errand.ask(&Ask::get("/users/search", &[]).query("query", query)).await?;
    let found =
        answer.read::<UserList>()?.users.into_iter().find(|user| {
            user.active && user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email))
        });
    match found {
        Some(user) if user.suspended => Err(Failure::Odd {
            unclear: false,
            reason: "the default user is suspended, tickets for it would be refused: lift the suspension in Zendesk"
                .to_owned(),
        }),
        found => Ok(found.map(|user| PersonId(user.id))),
    }
}

async fn by_external_id(errand: &Errand<'_>, external_id: &str) -> Result<Option<UserRecord>, Failure> {
    let answer = errand.ask(&Ask::get("/users/show_many", &[]).query("external_ids", external_id)).await?;
    let found = answer.read::<UserList>()?.users;
    let ours = |user: &UserRecord| {
        user.active && user.external_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(external_id))
    };
    Ok(found.into_iter().find(ours))
}

async fn make(errand: &Errand<'_>, user: &Value) -> Result<super::failure::Answer, Failure> {
    errand.ask(&Ask::post("/users", &[]).body(&json!({"user": user}))).await
}
