//! What the account holds at the beginning: a JSON file, `fixtures/sandbox/seed.json` by default.
//!
//! Everything in it may be left out. Persons are named by e-mail address or name, groups by name.
//! What is seeded counts as a day old: search and export know it at once.
//!
//! ```json
//! {
//!   "api_tokens": ["…"],
//!   "oauth_clients": [{"client_id": "…", "client_secret": "…", "user": "admin@example.com", "scopes": ["read", "write"]}],
//!   "user_fields": [{"key": "phone_2", "type": "text", "title": "Second phone"}],
//!   "ticket_fields": [{"id": 3, "type": "tagger", "title": "Outcome", "required": false, "active": true,
//!                      "custom_field_options": [{"name": "Won", "value": "won"}]},
//!                     {"type": "regexp", "title": "…", "regexp_for_validation": "…"},
//!                     {"type": "checkbox", "title": "…", "tag": "…"}],
//!   "apps": [{"id": 4, "name": "…"}],
//!   "groups": [{"id": 1, "name": "Support", "default": true, "deleted": false}],
//!   "users": [{"id": 2, "name": "…", "email": "…", "role": "agent", "phone": "…", "shared_phone_number": false,
//!              "identities": [{"type": "phone_number", "value": "…"}], "groups": ["Support"],
//!              "user_fields": {"phone_2": "…"}, "external_id": "…", "suspended": false, "active": true}],
//!   "tickets": [{"subject": "…", "comment": "…", "requester": "…", "assignee": "…", "group": "Support",
//!                "status": "open", "external_id": "…", "tags": ["…"]}]
//! }
//! ```

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Client, Group, Role, User, World};
use super::{groups, lines, tickets};

pub use super::seed_fields::{SeedApp, SeedChoice, SeedField};

const HOUSE: &str = include_str!("../../fixtures/sandbox/seed.json");

/// The contents of a new account.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Legacy API tokens that are accepted.
    pub api_tokens: Vec<String>,
    /// OAuth clients for `client_credentials`.
    pub oauth_clients: Vec<SeedClient>,
    /// Custom fields of users; each has a key.
    pub user_fields: Vec<SeedField>,
    /// Custom fields of tickets; the system's own are there anyway.
    pub ticket_fields: Vec<SeedField>,
    /// Registered apps, whose ids calls name.
    pub apps: Vec<SeedApp>,
    /// Groups.
    pub groups: Vec<SeedGroup>,
    /// Users of every role.
    pub users: Vec<SeedUser>,
    /// Tickets.
    pub tickets: Vec<SeedTicket>,
}

/// An OAuth client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedClient {
    /// Its public name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// E-mail address of the user its calls are made as.
    pub user: String,
    /// Scopes it may ask for; none: all.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedGroup {
    /// Its id; chosen when missing.
    pub id: Option<u64>,
    /// Its name; names need not be unique.
    pub name: String,
    /// New agents without a group go here.
    #[serde(default)]
    pub default: bool,
    /// Soft-deleted.
    #[serde(default)]
    pub deleted: bool,
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// The id; chosen when missing.
    pub id: Option<u64>,
    /// The name.
    pub name: String,
    /// The primary address.
    pub email: Option<String>,
    /// `end-user`, `agent` or `admin`.
    #[serde(default = "end_user")]
    pub role: String,
    /// The number shown, stored as it stands here.
    pub phone: Option<String>,
    /// Forces a shared number or a direct line; otherwise the first one with a number gets the line.
    pub shared_phone_number: Option<bool>,
    /// Further identities: `type`, `value`.
    #[serde(default)]
    pub identities: Vec<SeedIdentity>,
    /// Names of the groups of an agent; the first is the default one.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Values of user fields.
    #[serde(default)]
    pub user_fields: BTreeMap<String, Value>,
    /// An id of another system.
    pub external_id: Option<String>,
    /// Suspended.
    #[serde(default)]
    pub suspended: bool,
    /// False: soft-deleted.
    #[serde(default = "yes")]
    pub active: bool,
}

/// An identity.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedIdentity {
    /// `email`, `phone_number`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The value.
    pub value: String,
}

/// A ticket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedTicket {
    /// The subject.
    pub subject: String,
    /// The first comment.
    pub comment: String,
    /// E-mail address or name of the requester.
    pub requester: String,
    /// E-mail address or name of the agent.
    pub assignee: Option<String>,
    /// Name of the group.
    pub group: Option<String>,
    /// The status.
    pub status: Option<String>,
    /// An id of another system.
    pub external_id: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

fn end_user() -> String {
    "end-user".to_owned()
}

pub(super) fn yes() -> bool {
    true
}

/// A seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("cannot read the seed {path}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The JSON is not a seed; the text has line and column.
    #[error("the seed is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A name in it leads nowhere.
    #[error("the seed names {what} `{name}`, which it does not hold")]
    Unknown {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something in it is refused by the account's own rules.
    #[error("the seed's ticket `{subject}` is refused: {reason}")]
    Refused {
        /// The ticket.
        subject: String,
        /// The answer the API would give.
        reason: String,
    },
}

impl Seed {
    /// The house of the recorded calls: four agents, five groups, their callers.
    pub fn house() -> Self {
        HOUSE.parse().expect("the seed of the house is valid, a test fills a world with it")
    }

    /// Reads a seed file.
    ///
    /// # Errors
    /// When it cannot be read or is no seed.
    pub fn read(path: &std::path::Path) -> Result<Self, SeedError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SeedError::Read { path: path.to_owned(), source })?;
        text.parse()
    }

    /// Fills an empty account.
    pub(super) fn fill(&self, world: &mut World, now: Timestamp) -> Result<(), SeedError> {
        let then = now.checked_sub(24.hours()).unwrap_or(now);
        world.api_tokens.extend(self.api_tokens.iter().cloned());
        world.apps.extend(self.apps.iter().map(|app| (app.id, app.name.clone())));
        for field in &self.user_fields {
            let field = field.define(world)?;
            world.user_fields.push(field);
        }
        for field in &self.ticket_fields {
            let field = field.define(world)?;
            world.ticket_fields.push(field);
        }
        for group in &self.groups {
            let id = group.id.unwrap_or_else(|| world.fresh_id());
            let (name, default, deleted) = (group.name.clone(), group.default, group.deleted);
            let (created_at, updated_at, description) = (then, then, String::new());
            let group =
                Group { id, name, description, is_public: true, default, deleted, created_at, updated_at };
            world.groups.insert(id, group);
        }
        for user in &self.users {
            add_user(world, user, then)?;
        }
        for client in &self.oauth_clients {
            let user_id = person(world, &client.user)?;
            let (secret, scopes) = (client.client_secret.clone(), client.scopes.clone());
            world.clients.insert(client.client_id.clone(), Client { secret, user_id, scopes });
        }
        let ids: Vec<u64> = world.users.keys().copied().collect();
        for id in ids {
            world.index_user_from(id, then, now);
        }
        for ticket in &self.tickets {
            add_ticket(world, ticket, then)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        Ok(serde_json::from_str(text)?)
    }
}

fn add_user(world: &mut World, seed: &SeedUser, then: Timestamp) -> Result<(), SeedError> {
    let id = seed.id.unwrap_or_else(|| world.fresh_id());
    let role = Role::parse(&seed.role)
        .ok_or_else(|| SeedError::Unknown { what: "the role", name: seed.role.clone() })?;
    let mut user = User::fresh(id, seed.name.clone(), role, then);
    user.external_id.clone_from(&seed.external_id);
    user.active = seed.active;
    user.suspended = seed.suspended;
    user.verified = role != Role::EndUser;
    user.user_fields.clone_from(&seed.user_fields);
    world.users.insert(id, user);
    if let Some(email) = &seed.email {
        lines::add_email(world, id, email, role != Role::EndUser, then);
    }
    if let Some(phone) = &seed.phone {
        lines::set_phone(world, id, phone, seed.shared_phone_number, then);
    }
    for identity in &seed.identities {
        world.add_identity(id, &identity.kind, &identity.value, true, then);
    }
    if !seed.active {
        // As after a deletion: the record stays, its identities are free again.
        world.identities.retain(|_, identity| identity.user_id != id);
    }
    for name in &seed.groups {
        let group = group(world, name)?;
        groups::join(world, id, group, false, then);
    }
    Ok(())
}

fn add_ticket(world: &mut World, seed: &SeedTicket, then: Timestamp) -> Result<(), SeedError> {
    let mut wish = json!({
        "subject": seed.subject,
        "comment": {"body": seed.comment, "public": false},
        "requester_id": person(world, &seed.requester)?,
        "tags": seed.tags,
    });
    if let Some(name) = &seed.assignee {
        wish["assignee_id"] = json!(person(world, name)?);
    }
    if let Some(name) = &seed.group {
        wish["group_id"] = json!(group(world, name)?);
    }
    if let Some(status) = &seed.status {
        wish["status"] = json!(status);
    }
    if let Some(external) = &seed.external_id {
        wish["external_id"] = json!(external);
    }
    let author = wish["requester_id"].as_u64().unwrap_or_default();
    let via = json!({"channel": "web", "source": {"from": {}, "to": {}, "rel": null}});
    match tickets::file(world, &wish, author, via, then) {
        Ok(_) => Ok(()),
        Err(answer) => {
            Err(SeedError::Refused { subject: seed.subject.clone(), reason: format!("{:?}", answer.content) })
        }
    }
}

fn person(world: &World, name: &str) -> Result<u64, SeedError> {
    let fits = |user: &&User| user.email.as_deref() == Some(name) || user.name == name;
    let user = world.users.values().find(fits);
    user.map(|user| user.id).ok_or_else(|| SeedError::Unknown { what: "the person", name: name.to_owned() })
}

fn group(world: &World, name: &str) -> Result<u64, SeedError> {
    let group = world.groups.values().find(|group| group.name == name && !group.deleted);
    group.map(|group| group.id).ok_or_else(|| SeedError::Unknown { what: "the group", name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_fills_an_account() {
        let mut world = World::default();
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        Seed::house().fill(&mut world, now).unwrap();
        let by_name = |name: &str| world.users.values().find(|user| user.name == name).unwrap();
        for name in ["Anna Weber", "Bernd Lange", "Jörg Müller", "Dana Özdemir"] {
            assert_eq!(by_name(name).role, Role::Agent, "{name}");
        }
        assert_eq!(by_name("Rolf Becker").phone.as_deref(), Some("030 23125-113"));
        assert_eq!(by_name("Petra Sommer").shared_phone, Some(false));
        assert!(world.users.keys().any(|&id| id > 1 << 53));
        let names: Vec<&str> = world.groups.values().map(|group| group.name.as_str()).collect();
        for name in ["Support", "Sales", "Backoffice", "Helpdesk", "Hotline"] {
            assert!(names.contains(&name), "{name}");
        }
        let shared = world.users.values().filter(|user| user.shared_phone == Some(true)).count();
        assert!(shared >= 1, "somebody shares a number with somebody's direct line");
    }

    #[test]
    fn a_seed_with_a_wrong_name_says_which() {
        let seed: Seed =
            r#"{"users": [{"name": "A", "role": "agent", "groups": ["Nowhere"]}]}"#.parse().unwrap();
        let error = seed.fill(&mut World::default(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.to_string(), "the seed names the group `Nowhere`, which it does not hold");
        let error = r#"{"user": []}"#.parse::<Seed>().unwrap_err();
        assert!(error.to_string().contains("unknown field `user`"), "{error}");
    }
}
