//! Whose number it is and where it is written: the decisions alone.
//!
//! Zendesk keeps numbers in two stores, `phone` and identities of type `phone_number`, and moves them
//! between the two without a word: the first number of somebody becomes a direct line and gets an
//! identity, a number that somebody else has is shared and gets none, and a `phone` written to
//! somebody with a direct line becomes a second identity while `phone` stays as it was. So a number
//! is looked for in both before it is written, and `phone` is written only where it is empty. Source:
//! <https://developer.zendesk.com/api-reference/ticketing/users/users/#phone-number>.

use serde_json::{Map, Value};

use super::newcomer;
use super::options::PhoneField;
use super::people::{IdentityRecord, UserRecord};
use crate::call::{E164, Placeholder};
use crate::crm::ReadNumbers;

/// Digits at a number's end that a name must show to be one that was made for it.
const SHOWN: usize = 6;

/// Why nothing is ever written to this user; `None`: it may be.
pub(super) fn not_writable(user: &UserRecord) -> Option<&'static str> {
    if !user.active {
        return Some("the requester is deleted or merged away");
    }
    match user.role.as_deref() {
        Some("end-user") => {}
        Some("agent" | "admin") => return Some("the requester is an agent"),
        _ => return Some("the requester has a role that is not known"),
    }
    user.suspended.then_some("the requester is suspended")
}

/// Whether the user is still the nobody that we made: named as we named it, and without an address.
/// Somebody who was renamed, or into whom a real person was merged, is a person.
pub(super) fn is_nobody_yet(user: &UserRecord, placeholder: &Placeholder) -> bool {
    user.id == placeholder.id().0
        && user.name.as_deref().unwrap_or_default() == placeholder.person.name
        && user.email.is_none()
}

/// The same for the phone book, which does not know the name that was given: it must show the number.
/// Where the template of names has no number in it, our users count as persons.
pub(super) fn is_placeholder(user: &UserRecord, numbers: &[String], reader: &dyn ReadNumbers) -> bool {
    let Some(number) = newcomer::made_for(user) else { return false };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let whole = number.digits().to_string();
    let end = &whole[whole.len().saturating_sub(SHOWN)..];
    user.email.is_none()
        && digits(user.name.as_deref().unwrap_or_default()).contains(end)
        && numbers.iter().all(|text| reader.numbers(text).iter().all(|one| *one == number))
}

/// Whether `phone` or one of the configured fields holds the number, in whatever form.
pub(super) fn shows(
    number: E164,
    user: &UserRecord,
    fields: &[PhoneField],
    reader: &dyn ReadNumbers,
) -> bool {
    let phone = user.phone.as_deref().is_some_and(|text| reader.numbers(text).contains(&number));
    phone || fields.iter().any(|field| stands_in(number, user, field, reader))
}

/// Whether the number stands in this place; identities are not part of a user.
pub(super) fn stands_in(
    number: E164,
    user: &UserRecord,
    place: &PhoneField,
    reader: &dyn ReadNumbers,
) -> bool {
    let text = match place {
        PhoneField::Phone => user.phone.clone(),
        PhoneField::UserField(key) => user.field(key),
        PhoneField::Identity => None,
    };
    text.is_some_and(|text| reader.numbers(&text).contains(&number))
}

/// Whether it is one of the direct lines, those included that Zendesk made itself.
pub(super) fn is_line(number: E164, lines: &[IdentityRecord], reader: &dyn ReadNumbers) -> bool {
    lines.iter().any(|line| is_line_of(number, line, reader))
}

/// Whether this identity is the number.
pub(super) fn is_line_of(number: E164, line: &IdentityRecord, reader: &dyn ReadNumbers) -> bool {
    line.kind.as_deref() == Some("phone_number")
        && line.value.as_deref().is_some_and(|text| reader.numbers(text).contains(&number))
}

/// Where the number may be written, in the admin's order: places that are there and empty. What is
/// written into a field for another reason leaves no room there.
pub(super) fn free_places(
    user: &UserRecord,
    fields: &[PhoneField],
    taken: &Map<String, Value>,
) -> Vec<PhoneField> {
    let is_free = |place: &&PhoneField| match place {
        PhoneField::Phone => user.phone.as_deref().is_none_or(|text| text.trim().is_empty()),
        // Zendesk shows every active field, null when it is empty, and drops the others without a word.
        PhoneField::UserField(key) => {
            let shown = user.user_fields.as_ref().and_then(|fields| fields.get(key));
            let empty =
                |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            shown.is_some_and(empty) && !taken.contains_key(key)
        }
        // Somebody may have any number of them.
        PhoneField::Identity => true,
    };
    fields.iter().filter(is_free).cloned().collect()
}

/// Why a user who is nobody yet is not removed all the same; `None`: it is empty.
pub(super) fn why_kept(
    user: &UserRecord,
    placeholder: &Placeholder,
    number: E164,
    lines: &[IdentityRecord],
    tickets: u64,
    reader: &dyn ReadNumbers,
) -> Option<&'static str> {
    if newcomer::made_for(user) != Some(number) {
        return Some("it does not carry our mark");
    } else if !is_nobody_yet(user, placeholder) || not_writable(user).is_some() {
        return Some("it is somebody by now");
    } else if tickets > 0 {
        return Some("it has tickets");
    }
    let other = lines.iter().any(|line| !is_line_of(number, line, reader));
    other.then_some("it has other numbers or addresses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Person, PersonId};
    use crate::phonebook::{Normaliser, NumberRules};
    use serde_json::json;

    const NUMBER: &str = "+4930555123";

    fn reader() -> Normaliser {
        Normaliser::new(NumberRules {
            country: "DE".to_owned(),
            area_code: Some("30".to_owned()),
            strip_prefix: String::new(),
            internal_digits: 4,
        })
        .unwrap()
    }

    fn number() -> E164 {
        NUMBER.parse().unwrap()
    }

    fn user(parts: Value) -> UserRecord {
        let mut user = json!({"id": 7, "name": "Petra", "role": "end-user", "active": true, "suspended": false,
            "email": "petra@example.org", "phone": null, "user_fields": {"phone_2": null, "mobile": null}});
        for (key, value) in parts.as_object().unwrap() {
            user[key] = value.clone();
        }
        serde_json::from_value(user).unwrap()
    }

    fn order(names: &[&str]) -> Vec<PhoneField> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn line(kind: &str, value: &str) -> IdentityRecord {
        serde_json::from_value(json!({"id": 1, "user_id": 7, "type": kind, "value": value})).unwrap()
    }

    fn placeholder() -> Placeholder {
        let name = format!("Caller {NUMBER}");
        Placeholder { person: Person { id: PersonId(7), name }, remove: true }
    }

    fn made() -> Value {
        json!({"name": format!("Caller {NUMBER}"), "email": null, "phone": NUMBER,
            "external_id": format!("ringdesk:{NUMBER}")})
    }

    fn with(mut base: Value, parts: Value) -> Value {
        for (key, value) in parts.as_object().unwrap() {
            base[key] = value.clone();
        }
        base
    }

    #[test]
    fn only_living_end_users_are_written_to() {
        for (parts, may) in [
            (json!({}), true),
            (json!({"role": "agent"}), false),
            (json!({"role": "admin"}), false),
            (json!({"role": null}), false),
            (json!({"suspended": true}), false),
            (json!({"active": false}), false),
        ] {
            assert_eq!(not_writable(&user(parts.clone())).is_none(), may, "{parts}");
        }
    }

    #[test]
    fn a_number_is_recognised_in_every_form_and_place() {
        let fields = order(&["user_fields.phone_2", "identity"]);
        for (parts, has) in [
            (json!({"phone": NUMBER}), true),
            (json!({"phone": "030 / 555-123"}), true),
            (json!({"phone": "0049 (0)30 555 123"}), true),
            (json!({"phone": "030 999999; 030 555123"}), true),
            (json!({"user_fields": {"phone_2": "555123"}}), true),
            // A field that is not configured is none of ours, `phone` always is one.
            (json!({"user_fields": {"fax": NUMBER, "phone_2": null}}), false),
            (json!({"phone": "030 555124"}), false),
            (json!({"phone": "see notes"}), false),
            (json!({}), false),
        ] {
            assert_eq!(shows(number(), &user(parts.clone()), &fields, &reader()), has, "{parts}");
        }
        assert!(is_line(number(), &[line("email", "a@b.c"), line("phone_number", "030555123")], &reader()));
        for other in [line("agent_forwarding", NUMBER), line("phone_number", "+4930555124")] {
            assert!(!is_line(number(), &[other], &reader()));
        }
    }

    #[test]
    fn the_free_places_come_in_the_admins_order() {
        let all = ["phone", "user_fields.phone_2", "user_fields.mobile", "identity"];
        for (parts, wanted, free) in [
            (json!({}), &all[..], &all[..]),
            (json!({"phone": "+4930999"}), &all[..], &all[1..]),
            (json!({"phone": "ask Petra"}), &all[..], &all[1..]),
            (json!({"phone": "  "}), &["identity", "phone"], &["identity", "phone"]),
            (
                json!({"phone": "+4930999", "user_fields": {"phone_2": "", "mobile": 17}}),
                &all[..],
                &[all[1], all[3]],
            ),
            (
                json!({"phone": "+4930999", "user_fields": {"phone_2": "x"}}),
                &["phone", "user_fields.phone_2"],
                &[],
            ),
            // A field that the account does not have swallows what is written to it.
            (json!({"user_fields": {}}), &["user_fields.phone_2"], &[]),
            (json!({"user_fields": null}), &["user_fields.phone_2"], &[]),
        ] {
            let found = free_places(&user(parts.clone()), &order(wanted), &Map::new());
            assert_eq!(found, order(free), "{parts}");
        }
        let taken = Map::from_iter([("phone_2".to_owned(), json!("for another reason"))]);
        let found =
            free_places(&user(json!({})), &order(&["user_fields.phone_2", "user_fields.mobile"]), &taken);
        assert_eq!(found, order(&["user_fields.mobile"]));
    }

    #[test]
    fn whoever_was_renamed_or_got_an_address_is_nobody_no_more() {
        for (parts, nobody) in [
            (made(), true),
            (with(made(), json!({"name": "Petra Sommer"})), false),
            (with(made(), json!({"email": "petra@example.org"})), false),
            (with(made(), json!({"id": 8})), false),
        ] {
            assert_eq!(is_nobody_yet(&user(parts.clone()), &placeholder()), nobody, "{parts}");
        }
    }

    #[test]
    fn the_phone_book_knows_a_placeholder_by_its_mark_and_its_name() {
        let own = [NUMBER.to_owned(), "030 555123".to_owned()];
        let two = [NUMBER.to_owned(), "+4930999999".to_owned()];
        for (parts, numbers, is) in [
            (made(), &own, true),
            (with(made(), json!({"name": "Anruf +49 30 555 123"})), &own, true),
            (with(made(), json!({"name": "Petra Sommer"})), &own, false),
            (with(made(), json!({"email": "petra@example.org"})), &own, false),
            (with(made(), json!({"external_id": null})), &own, false),
            (with(made(), json!({"external_id": "ringdesk:default-user"})), &own, false),
            // A real person was merged into it.
            (made(), &two, false),
        ] {
            assert_eq!(is_placeholder(&user(parts.clone()), numbers, &reader()), is, "{parts}");
        }
    }

    #[test]
    fn only_an_empty_placeholder_is_removed() {
        let own = [line("phone_number", NUMBER)];
        let more = [line("phone_number", NUMBER), line("phone_number", "+4930999999")];
        let address = [line("email", "petra@example.org")];
        for (parts, lines, tickets, removed) in [
            (made(), &own[..], 0, true),
            (made(), &[], 0, true),
            (made(), &own, 1, false),
            (made(), &more, 0, false),
            (made(), &address, 0, false),
            (with(made(), json!({"name": "Petra"})), &own, 0, false),
            (with(made(), json!({"role": "agent"})), &own, 0, false),
            (with(made(), json!({"external_id": "ringdesk:+4930999999"})), &own, 0, false),
            (with(made(), json!({"external_id": null})), &own, 0, false),
        ] {
            let why = why_kept(&user(parts.clone()), &placeholder(), number(), lines, tickets, &reader());
            assert_eq!(why.is_none(), removed, "{parts} {why:?}");
        }
    }
}
