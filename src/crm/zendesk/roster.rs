//! Who we are, and who the agents and groups are.

use serde::Deserialize;

use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::people::UserRecord;
use crate::call::PersonId;
use crate::crm::{CrmAgent, CrmError, CrmGroup, Login, Roster};

/// Pages that are read at most: 100 000 agents are a list that does not end.
const MOST_PAGES: usize = 1000;

/// `users/me`: to strangers an anonymous user is shown, whose id is null.
#[derive(Debug, Deserialize)]
struct Myself {
    user: MyUser,
}

#[derive(Debug, Deserialize)]
struct MyUser {
    id: Option<u64>,
    name: Option<String>,
    email: Option<String>,
    role: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default)]
    has_more: bool,
    after_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct UserPage {
    users: Vec<UserRecord>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct GroupPage {
    groups: Vec<GroupRecord>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct GroupRecord {
    id: u64,
    name: Option<String>,
    #[serde(default)]
    deleted: bool,
}

/// Proves that we are logged in. A status alone proves nothing: strangers get 200 as well.
pub(super) async fn login(errand: &Errand<'_>) -> Result<Login, CrmError> {
    const WHAT: &str = "logging in to Zendesk";
    let answer = errand.ask(&Ask::get("/users/me", &[])).await.map_err(|failure| failure.asked(WHAT))?;
    let login = &errand.zendesk.login;
    if !answer.ok() {
        let mut reason = answer.reason();
        if answer.status == 404 {
            reason.push_str(": check url in [crm.zendesk]");
        }
        return Err(CrmError::Odd { what: WHAT, reason });
    }
    let Myself { user } = answer.read().map_err(|failure: Failure| failure.asked(WHAT))?;
    let (Some(id), Some(role)) = (user.id, user.role) else {
        return Err(login.refuse(login.refusal()).asked(WHAT));
    };
    if role != "agent" && role != "admin" {
        let text = format!(
            "the Zendesk user of our log-in has the role `{role}`: it must be an agent or, better, an admin"
        );
        return Err(login.refuse(text).asked(WHAT));
    }
    let mut warnings = Vec::new();
    if login.is_dated() {
        warnings.push(
            "the API token stops on 2027-04-30, and new ones cannot be made: make an OAuth client (Admin Center, \
             Apps and integrations, APIs, OAuth clients) and write client_id and client_secret into [crm.zendesk]"
                .to_owned(),
        );
    }
    if role != "admin" {
        warnings.push(
            "our Zendesk user is an agent, and only admins may export all users: the phone book stays empty and \
             each caller is searched; make the user an admin"
                .to_owned(),
        );
    }
    let user = CrmAgent { id: PersonId(id), name: user.name.unwrap_or_default(), email: user.email };
    Ok(Login { user, role, warnings })
}

/// Reads all agents and groups.
pub(super) async fn roster(errand: &Errand<'_>) -> Result<Roster, Failure> {
    let mut roster = Roster::default();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = Ask::get("/users", &[]).query("role[]", "agent").query("role[]", "admin");
        let page: UserPage = errand.ask(&on_page(ask, cursor.as_deref())).await?.read()?;
        roster.agents.extend(page.users.into_iter().filter(is_agent).map(|user| CrmAgent {
            id: PersonId(user.id),
            name: user.name.unwrap_or_default(),
            email: user.email,
        }));
        cursor = next(page.meta, cursor);
        if cursor.is_none() {
            break;
        }
    }
    for _ in 0..MOST_PAGES {
        let ask = Ask::get("/groups", &[]).query("exclude_deleted", "true");
        let page: GroupPage = errand.ask(&on_page(ask, cursor.as_deref())).await?.read()?;
        let groups = page.groups.into_iter().filter(|group| !group.deleted);
        roster
            .groups
            .extend(groups.map(|group| CrmGroup { id: group.id, name: group.name.unwrap_or_default() }));
        cursor = next(page.meta, cursor);
        if cursor.is_none() {
            break;
        }
    }
    Ok(roster)
}

fn is_agent(user: &UserRecord) -> bool {
    user.active && !user.suspended && matches!(user.role.as_deref(), Some("agent" | "admin"))
}

fn on_page(ask: Ask, cursor: Option<&str>) -> Ask {
    let ask = ask.query("page[size]", "100");
    match cursor {
        Some(cursor) => ask.query("page[after]", cursor),
        None => ask,
    }
}

/// The next page; a cursor that does not move would be asked for ever.
fn next(meta: Meta, now: Option<String>) -> Option<String> {
    meta.after_cursor.filter(|after| meta.has_more && Some(after) != now.as_ref())
}
