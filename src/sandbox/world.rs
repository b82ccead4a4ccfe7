//! Everything the account holds, in memory.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::auth::Access;
use super::calls::Call;
use super::exchange::{Answer, moment};
use super::faults::Faults;
use super::fields::Field;
use super::limits::Limits;
use super::switches::Switches;

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
    /// Merged away: deleted for good soon.
    pub merged_away: bool,
    pub suspended: bool,
    pub verified: bool,
    pub default_group_id: Option<u64>,
    pub user_fields: BTreeMap<String, Value>,
    /// Attributes that nothing here acts upon: alias, notes, details, tags, time_zone, …
    pub plain: Map<String, Value>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl User {
    /// A user with nothing but a name.
    pub fn fresh(id: u64, name: String, role: Role, now: Timestamp) -> Self {
        Self {
            id,
            name,
            email: None,
            role,
            phone: None,
            shared_phone: None,
            external_id: None,
            active: true,
            merged_away: false,
            suspended: false,
            verified: false,
            default_group_id: None,
            user_fields: BTreeMap::new(),
            plain: Map::new(),
            created_at: now,
            updated_at: now,
        }
    }
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
    /// Values of custom fields that were ever set, by the field's id.
    pub custom_fields: BTreeMap<u64, Value>,
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
    /// Custom fields of tickets, in the order of their positions.
    pub ticket_fields: Vec<Field>,
    /// Custom fields of users, likewise.
    pub user_fields: Vec<Field>,
    /// Registered apps and their names, for calls.
    pub apps: BTreeMap<u64, String>,
    pub calls: BTreeMap<u64, Call>,
    pub uploads: Vec<Value>,
    /// Name, length and SHA-256 of each uploaded file, by its id: the bytes are not kept.
    pub attachment_sums: BTreeMap<u64, Value>,
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
    /// Tickets as lists show them, without comments, with the time from when on they do.
    pub listed: HashMap<u64, VecDeque<(Timestamp, Ticket)>>,
    /// True while somebody works in the browser, see `by_hand`.
    pub by_hand: bool,
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
            let at = moment(now);
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

    /// Tells the lists about a change of a ticket, after their delay.
    pub fn list_ticket(&mut self, id: u64, now: Timestamp) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let shown = Ticket { comments: Vec::new(), audits: Vec::new(), ..ticket.clone() };
        let delay = SignedDuration::try_from(self.switches.list_delay).unwrap_or_default();
        let states = self.listed.entry(id).or_default();
        states.push_back((now.checked_add(delay).unwrap_or(now), shown));
        while states.len() > 1 && states[1].0 <= now {
            states.pop_front();
        }
    }

    /// A ticket as lists show it now; `None` when they have not heard of it.
    pub fn listed(&self, id: u64, now: Timestamp) -> Option<&Ticket> {
        self.listed.get(&id)?.iter().rev().find(|(from, _)| *from <= now).map(|(_, ticket)| ticket)
    }

    /// Where changes come from at this moment, as `via` says it.
    pub fn via(&self) -> Value {
        let channel = if self.by_hand { "web" } else { "api" };
        json!({"channel": channel, "source": {"from": {}, "to": {}, "rel": null}})
    }
}
