//! Records as the API shows them, key by key as recorded.

use serde_json::{Map, Value, json};

use super::exchange::stamp;
use super::world::{Group, Identity, Membership, Role, Ticket, User, World};

impl World {
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
            .filter(|field| field.active)
            .filter_map(|field| field.key.as_deref())
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
        let value = |id: u64| ticket.custom_fields.get(&id).cloned().unwrap_or(Value::Null);
        let active = self.ticket_fields.iter().filter(|field| field.active);
        let fields: Vec<Value> =
            active.map(|field| json!({"id": field.id, "value": value(field.id)})).collect();
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
            "custom_fields": fields,
            "satisfaction_rating": null,
            "sharing_agreement_ids": [],
            "custom_status_id": null,
            "fields": fields,
            "followup_ids": ticket.followup_ids,
            "ticket_form_id": null,
            "brand_id": null,
            "allow_channelback": false,
            "allow_attachments": true,
            "from_messaging_channel": false,
        })
    }
}
