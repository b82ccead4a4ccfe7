//! Everything the account holds, in memory.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::auth::Access;
use super::exchange::{Answer, stamp};
use super::faults::{Faults, Switches};
use super::limits::Limits;

/// Requests kept for `/_sandbox/state`; the oldest go first.
const KEPT_REQUESTS: usize = 200_000;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    EndUser,
    Agent,
    Admin,
}

impl Role {
    /// As Zendesk writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::EndUser => "end-user",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }

    /// From Zendesk's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::EndUser, Self::Agent, Self::Admin].into_iter().find(|role| role.word() == word)
    }
}

/// A user. Identities stand apart, in [`World::identities`].
#[derive(Clone, Debug)]
pub(super) struct User {
    pub id: u64,
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    pub phone: Option<String>,
    pub shared_phone: Option<bool>,
    pub external_id: Option<String>,
    pub active: bool,
    pub suspended: bool,
    pub verified: bool,
    pub default_group_id: Option<u64>,
    pub user_fields: BTreeMap<String, Value>,
    /// Attributes that nothing here acts upon: alias, notes, details, tags, time_zone, …
    pub plain: Map<String, Value>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A way to reach a user.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub id: u64,
    pub user_id: u64,
    pub kind: String,
    pub value: String,
    pub verified: bool,
    pub primary: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub id: u64,
    pub name: String,
    pub description: String,
    pub is_public: bool,
    pub default: bool,
    pub deleted: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub id: u64,
    pub user_id: u64,
    pub group_id: u64,
    pub default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A ticket with all that hangs on it.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub id: u64,
    pub external_id: Option<String>,
    pub via: Value,
    pub subject: Option<String>,
    pub description: String,
    pub status: String,
    pub priority: Option<String>,
    pub kind: Option<String>,
    pub requester_id: u64,
    pub submitter_id: u64,
    pub assignee_id: Option<u64>,
    pub group_id: Option<u64>,
    pub organization_id: Option<u64>,
    pub due_at: Option<String>,
    pub tags: Vec<String>,
    pub is_public: bool,
    pub followup_ids: Vec<u64>,
    pub comments: Vec<Value>,
    pub audits: Vec<Value>,
    pub deleted: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An OAuth client of the account.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub secret: String,
    pub user_id: u64,
    /// Words the client may ask for; empty: any.
    pub scopes: Vec<String>,
}

/// An OAuth token that was given out.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub id: u64,
    pub user_id: u64,
    pub access: Access,
    pub issued: Timestamp,
    pub ends: Timestamp,
}

/// An answer kept under an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub body: Vec<u8>,
    pub answer: Answer,
    pub at: Timestamp,
}

/// Numbers for `/_sandbox/state`.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub requests: u64,
    pub tokens_issued: u64,
    pub idempotency_hits: u64,
    pub faults: BTreeMap<String, u64>,
}

/// The account.
#[derive(Debug, Default)]
pub(super) struct World {
    /// `http://127.0.0.1:…`, without a slash at the end.
    pub url: String,
    pub switches: Switches,
    pub faults: Faults,
    pub limits: Limits,
    pub users: BTreeMap<u64, User>,
    pub identities: BTreeMap<u64, Identity>,
    pub groups: BTreeMap<u64, Group>,
    pub memberships: BTreeMap<u64, Membership>,
    pub tickets: BTreeMap<u64, Ticket>,
    /// `key`, `type` and `title` of each.
    pub user_fields: Vec<Value>,
    pub uploads: Vec<Value>,
    pub api_tokens: HashSet<String>,
    pub clients: BTreeMap<String, Client>,
    pub tokens: HashMap<String, Token>,
    pub pops: Vec<Value>,
    pub requests: VecDeque<Value>,
    pub warnings: Vec<Value>,
    pub counters: Counters,
    pub idempotency: HashMap<(u64, String), Kept>,
    pub in_flight: HashSet<(u64, String)>,
    /// What search knows of each user, with the time from when on it knows it.
    pub index: HashMap<u64, VecDeque<(Timestamp, User, Vec<String>)>>,
    /// The last id given to anything but a ticket.
    pub last_id: u64,
    /// The last ticket id given.
    pub last_ticket: u64,
    /// Requests dropped from the list.
    pub first_request: u64,
}

impl World {
    /// An id never used before. Above 2^53, so that a client that reads ids as floats is caught.
    pub fn fresh_id(&mut self) -> u64 {
        const FIRST: u64 = (1 << 53) + 10_001;
        self.last_id = (self.last_id + 2).max(FIRST);
        self.last_id
    }

    /// Writes a request down and returns its place.
    pub fn note_request(&mut self, request: Value) -> u64 {
        self.counters.requests += 1;
        self.requests.push_back(request);
        if self.requests.len() > KEPT_REQUESTS {
            self.requests.pop_front();
            self.first_request += 1;
        }
        self.first_request + self.requests.len() as u64 - 1
    }

    /// Adds to a request written down earlier.
    pub fn amend_request(&mut self, place: u64, key: &str, value: Value) {
        let place = place.checked_sub(self.first_request).and_then(|place| usize::try_from(place).ok());
        if let Some(Value::Object(request)) = place.and_then(|place| self.requests.get_mut(place)) {
            request.insert(key.to_owned(), value);
        }
    }

    /// Writes down that a client sent what it should not.
    pub fn warn(&mut self, kind: &str, method: &str, path: &str, what: &[String], now: Timestamp) {
        if !what.is_empty() {
            let at = stamp(now);
            let warning = json!({"kind": kind, "method": method, "path": path, "keys": what, "at": at});
            self.warnings.push(warning);
        }
    }

    /// The user's identities in order of their ids.
    pub fn identities_of(&self, user: u64) -> impl Iterator<Item = &Identity> {
        self.identities.values().filter(move |identity| identity.user_id == user)
    }

    /// Adds an identity; the caller has checked that it may be.
    pub fn add_identity(
        &mut self,
        user_id: u64,
        kind: &str,
        value: &str,
        verified: bool,
        now: Timestamp,
    ) -> u64 {
        let id = self.fresh_id();
        let primary = !self.identities_of(user_id).any(|other| other.kind == kind && other.primary);
        let (kind, value) = (kind.to_owned(), value.to_owned());
        let identity =
            Identity { id, user_id, kind, value, verified, primary, created_at: now, updated_at: now };
        self.identities.insert(id, identity);
        id
    }

    /// The group is one of the user's.
    pub fn is_member(&self, user: u64, group: u64) -> bool {
        self.memberships.values().any(|m| m.user_id == user && m.group_id == group)
    }

    /// Tells search about a change of a user, after the index delay.
    pub fn index_user(&mut self, id: u64, now: Timestamp) {
        let delay = SignedDuration::try_from(self.switches.index_delay).unwrap_or_default();
        self.index_user_from(id, now.checked_add(delay).unwrap_or(now), now);
    }

    /// Tells search about a user from this time on.
    pub fn index_user_from(&mut self, id: u64, from: Timestamp, now: Timestamp) {
        let Some(user) = self.users.get(&id).cloned() else { return };
        let lines: Vec<String> = self
            .identities_of(id)
            .filter(|identity| matches!(identity.kind.as_str(), "phone_number" | "email"))
            .map(|identity| identity.value.clone())
            .collect();
        let states = self.index.entry(id).or_default();
        states.push_back((from, user, lines));
        while states.len() > 1 && states[1].0 <= now {
            states.pop_front();
        }
    }

    /// The user as search sees it now, with the values of its identities.
    pub fn indexed(&self, id: u64, now: Timestamp) -> Option<(&User, &[String])> {
        let states = self.index.get(&id)?;
        let state = states.iter().rev().find(|(from, ..)| *from <= now)?;
        Some((&state.1, &state.2))
    }

    /// A user changed: the stamp moves and search will hear of it.
    pub fn touch_user(&mut self, id: u64, now: Timestamp) {
        if let Some(user) = self.users.get_mut(&id) {
            user.updated_at = now;
        }
        self.index_user(id, now);
    }

    /// Everything, for `/_sandbox/state`.
    pub fn state(&self) -> Value {
        let users: Vec<Value> = self
            .users
            .values()
            .map(|user| {
                let mut shown = self.user_json(user);
                let own = self.identities_of(user.id).map(|identity| self.identity_json(identity));
                shown["identities"] = Value::Array(own.collect());
                shown
            })
            .collect();
        let tickets: Vec<Value> = self
            .tickets
            .values()
            .map(|ticket| {
                let mut shown = self.ticket_json(ticket);
                shown["comments"] = Value::Array(ticket.comments.clone());
                shown["audits"] = Value::Array(ticket.audits.clone());
                shown["deleted"] = json!(ticket.deleted);
                shown
            })
            .collect();
        let counters = &self.counters;
        json!({
            "users": users,
            "groups": self.groups.values().map(|group| self.group_json(group)).collect::<Vec<_>>(),
            "group_memberships": self.memberships.values().map(|m| self.membership_json(m)).collect::<Vec<_>>(),
            "tickets": tickets,
            "uploads": self.uploads,
            "screen_pops": self.pops,
            "requests": self.requests,
            "warnings": self.warnings,
            "faults": self.faults.names(),
            "counters": {
                "requests": counters.requests,
                "tickets": self.tickets.len(),
                "users": self.users.len(),
                "screen_pops": self.pops.len(),
                "tokens_issued": counters.tokens_issued,
                "idempotency_hits": counters.idempotency_hits,
                "rate_limited": self.limits.refused,
                "warnings": self.warnings.len(),
                "faults": counters.faults,
            },
        })
    }

    /// A group as the API shows it.
    pub fn group_json(&self, group: &Group) -> Value {
        json!({
            "url": format!("{}/api/v2/groups/{}.json", self.url, group.id),
            "id": group.id,
            "is_public": group.is_public,
            "name": group.name,
            "description": group.description,
            "default": group.default,
            "deleted": group.deleted,
            "created_at": stamp(group.created_at),
            "updated_at": stamp(group.updated_at),
        })
    }

    /// A membership as the API shows it.
    pub fn membership_json(&self, membership: &Membership) -> Value {
        json!({
            "url": format!("{}/api/v2/group_memberships/{}.json", self.url, membership.id),
            "id": membership.id,
            "user_id": membership.user_id,
            "group_id": membership.group_id,
            "default": membership.default,
            "created_at": stamp(membership.created_at),
            "updated_at": stamp(membership.updated_at),
        })
    }

    /// An identity as the API shows it.
    pub fn identity_json(&self, identity: &Identity) -> Value {
        json!({
            "url": format!("{}/api/v2/users/{}/identities/{}.json", self.url, identity.user_id, identity.id),
            "id": identity.id,
            "user_id": identity.user_id,
            "type": identity.kind,
            "value": identity.value,
            "verified": identity.verified,
            "primary": identity.primary,
            "created_at": stamp(identity.created_at),
            "updated_at": stamp(identity.updated_at),
            "verification_method": if identity.verified { "full" } else { "none" },
            "verified_at": identity.verified.then(|| stamp(identity.created_at)),
        })
    }

    /// A user as the API shows it, key by key as recorded.
    pub fn user_json(&self, user: &User) -> Value {
        let plain = |key: &str| user.plain.get(key).cloned().unwrap_or(Value::Null);
        let staff = user.role != Role::EndUser;
        let fields: Map<String, Value> = self
            .user_fields
            .iter()
            .filter_map(|field| field["key"].as_str())
            .map(|key| (key.to_owned(), user.user_fields.get(key).cloned().unwrap_or(Value::Null)))
            .collect();
        let tags = user.plain.get("tags").cloned().unwrap_or_else(|| json!([]));
        let zone = user.plain.get("time_zone").cloned().unwrap_or_else(|| json!("Berlin"));
        json!({
            "id": user.id,
            "url": format!("{}/api/v2/users/{}.json", self.url, user.id),
            "name": user.name,
            "email": user.email,
            "created_at": stamp(user.created_at),
            "updated_at": stamp(user.updated_at),
            "time_zone": zone,
            "iana_time_zone": "Europe/Berlin",
            "phone": user.phone,
            "shared_phone_number": user.shared_phone,
            "photo": null,
            "locale_id": 1,
            "locale": "en-US",
            "organization_id": plain("organization_id"),
            "role": user.role.word(),
            "verified": user.verified,
            "external_id": user.external_id,
            "tags": tags,
            "alias": plain("alias"),
            "active": user.active,
            "shared": false,
            "shared_agent": false,
            "last_login_at": null,
            "two_factor_auth_enabled": if staff { Value::Null } else { json!(false) },
            "signature": plain("signature"),
            "details": plain("details"),
            "notes": plain("notes"),
            "role_type": match user.role { Role::EndUser => Value::Null, Role::Agent => json!(0), Role::Admin => json!(4) },
            "custom_role_id": null,
            "moderator": staff,
            "ticket_restriction": if staff { Value::Null } else { json!("requested") },
            "only_private_comments": false,
            "restricted_agent": !staff,
            "suspended": user.suspended,
            "default_group_id": user.default_group_id,
            "report_csv": false,
            "user_fields": fields,
        })
    }

    /// A ticket as the API shows it.
    pub fn ticket_json(&self, ticket: &Ticket) -> Value {
        json!({
            "url": format!("{}/api/v2/tickets/{}.json", self.url, ticket.id),
            "id": ticket.id,
            "external_id": ticket.external_id,
            "via": ticket.via,
            "created_at": stamp(ticket.created_at),
            "updated_at": stamp(ticket.updated_at),
            "type": ticket.kind,
            "subject": ticket.subject,
            "raw_subject": ticket.subject,
            "description": ticket.description,
            "priority": ticket.priority,
            "status": ticket.status,
            "recipient": null,
            "requester_id": ticket.requester_id,
            "submitter_id": ticket.submitter_id,
            "assignee_id": ticket.assignee_id,
            "organization_id": ticket.organization_id,
            "group_id": ticket.group_id,
            "collaborator_ids": [],
            "follower_ids": [],
            "email_cc_ids": [],
            "forum_topic_id": null,
            "problem_id": null,
            "has_incidents": false,
            "is_public": ticket.is_public,
            "due_at": ticket.due_at,
            "tags": ticket.tags,
            "custom_fields": [],
            "satisfaction_rating": null,
            "sharing_agreement_ids": [],
            "custom_status_id": null,
            "fields": [],
            "followup_ids": ticket.followup_ids,
            "ticket_form_id": null,
            "brand_id": null,
            "allow_channelback": false,
            "allow_attachments": true,
            "from_messaging_channel": false,
        })
    }
}
