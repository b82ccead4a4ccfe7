//! The account as `/_sandbox/state` shows it.

use serde_json::{Value, json};

use super::world::World;

impl World {
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
        json!({
            "users": users,
            "groups": self.groups.values().map(|group| self.group_json(group)).collect::<Vec<_>>(),
            "group_memberships": self.memberships.values().map(|m| self.membership_json(m)).collect::<Vec<_>>(),
            "tickets": tickets,
            "calls": self.calls.values().map(|call| call.state_json()).collect::<Vec<_>>(),
            "uploads": self.uploads,
            "attachment_sums": self.attachment_sums,
            "screen_pops": self.pops,
            "requests": self.requests,
            "warnings": self.warnings,
            "faults": self.faults.names(),
            "counters": self.counters_json(),
        })
    }

    /// The numbers of the state alone.
    pub fn counters_json(&self) -> Value {
        let counters = &self.counters;
        json!({
            "requests": counters.requests,
            "tickets": self.tickets.len(),
            "users": self.users.len(),
            "calls": self.calls.len(),
            "screen_pops": self.pops.len(),
            "tokens_issued": counters.tokens_issued,
            "idempotency_hits": counters.idempotency_hits,
            "rate_limited": self.limits.refused,
            "warnings": self.warnings.len(),
            "faults": counters.faults,
        })
    }
}
