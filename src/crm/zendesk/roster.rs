//! Who we are, and who the agents and groups are.

use serde::Deserialize;

use super::errand::{Ask, Errand};
use super::failure::Failure;
use crate::call::PersonId;
use crate::crm::{CrmAgent, CrmError, CrmGroup, Login, Ownership, Roster};

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

/// An agent or admin.
#[derive(Debug, Deserialize)]
struct AgentRecord {
    id: u64,
    name: Option<String>,
    email: Option<String>,
    role: Option<String>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    suspended: bool,
    /// 0 custom role, 1 light agent, 2 chats only, 3 chats only with a seat in Support, 4 admin, 5 billing.
    role_type: Option<u64>,
    /// Which tickets the agent sees; null: all.
    ticket_restriction: Option<String>,
    /// Null: no group. The outer `None` is an answer without the key.
    #[serde(default, deserialize_with = "given")]
    default_group_id: Option<Option<u64>>,
}

fn yes() -> bool {
    true
}

fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Debug, Deserialize)]
struct UserPage {
    users: Vec<AgentRecord>,
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
    let user = CrmAgent {
        id: PersonId(id),
        name: user.name.unwrap_or_default(),
        email: user.email,
        owns: Ownership::default(),
    };
    Ok(Login { user, role, warnings })
}

/// Reads all agents and groups.
pub(super) async fn roster(errand: &Errand<'_>) -> Result<Roster, Failure> {
    let mut roster = Roster::default();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = Ask::get("/users", &[]).query("role[]", "agent").query("role[]", "admin");
        let page: UserPage = errand.ask(&on_page(ask, cursor.as_deref())).await?.read()?;
        roster.agents.extend(page.users.into_iter().filter(AgentRecord::works).map(CrmAgent::from));
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

impl AgentRecord {
    fn works(&self) -> bool {
        self.active && !self.suspended && matches!(self.role.as_deref(), Some("agent" | "admin"))
    }

    fn owns(&self) -> Ownership {
        match (self.role_type, self.default_group_id, &self.ticket_restriction) {
            (Some(1..=3), _, _) => Ownership::NoLicence,
            (_, Some(None), _) => Ownership::NoGroup,
            (_, _, Some(_)) => Ownership::Some,
            (_, _, None) => Ownership::All,
        }
    }
}

impl From<AgentRecord> for CrmAgent {
    fn from(agent: AgentRecord) -> Self {
        let owns = agent.owns();
        Self { id: PersonId(agent.id), name: agent.name.unwrap_or_default(), email: agent.email, owns }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_own_tickets_is_read_from_the_user() {
        let table = [
            (r#""role_type":4,"ticket_restriction":null,"default_group_id":7"#, Ownership::All),
            (r#""role_type":null,"default_group_id":7"#, Ownership::All),
            ("\"x\":1", Ownership::All),
            (r#""role_type":1,"ticket_restriction":null,"default_group_id":7"#, Ownership::NoLicence),
            (r#""role_type":2,"ticket_restriction":null,"default_group_id":null"#, Ownership::NoLicence),
            (r#""role_type":0,"ticket_restriction":"groups","default_group_id":7"#, Ownership::Some),
            (r#""role_type":4,"ticket_restriction":null,"default_group_id":null"#, Ownership::NoGroup),
        ];
        for (keys, owns) in table {
            let text = format!(r#"{{"id":1,"name":"A","email":"a@example.com","role":"agent",{keys}}}"#);
            let agent: AgentRecord = serde_json::from_str(&text).unwrap();
            assert!(agent.works());
            assert_eq!(CrmAgent::from(agent).owns, owns, "{keys}");
        }
        for text in
            [r#"{"id":1,"role":"agent","suspended":true}"#, r#"{"id":1,"role":"end-user","active":true}"#]
        {
            assert!(!serde_json::from_str::<AgentRecord>(text).unwrap().works(), "{text}");
        }
    }
}
