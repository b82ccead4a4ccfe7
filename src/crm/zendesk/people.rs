//! Persons as the phone book wants them: the search for a number, and the export of all.
//!
//! Search finds the digits of `phone` whatever stands between them, but does not know that `030 …`
//! and `+49 30 …` are the same, so a suffix is searched and the phone book compares. Source: "Retrieving
//! the Zendesk user ID of a caller" in the partner guide, and the incremental export's page.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::Zendesk;
use super::errand::{Ask, Errand};
use super::failure::Failure;
use super::filing;
use super::options::PhoneField;
use crate::call::{E164, Person, PersonId};
use crate::clock;
use crate::crm::{PeoplePage, PersonRecord, ReadNumbers};

/// Digits of a number that are searched: enough to be rare, few enough to be written everywhere.
const SUFFIX: usize = 9;
/// Exports that Zendesk allows in a minute.
const EXPORTS: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Users on one page of the export, the most that is allowed.
const PAGE: &str = "1000";

/// A user as Zendesk shows it; only what is needed here. Everything may be null.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct UserRecord {
    pub id: u64,
    pub name: Option<String>,
    pub email: Option<String>,
    pub role: Option<String>,
    pub external_id: Option<String>,
    pub phone: Option<String>,
    #[serde(default)]
    pub user_fields: Option<HashMap<String, Value>>,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default)]
    pub suspended: bool,
}

fn yes() -> bool {
    true
}

/// `{"users": […]}`, with the identities beside them where they were asked for.
#[derive(Debug, Deserialize)]
pub(super) struct UserList {
    pub users: Vec<UserRecord>,
    identities: Option<Vec<IdentityRecord>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IdentityList {
    pub identities: Vec<IdentityRecord>,
}

/// A way to reach a user: an address, a direct line.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct IdentityRecord {
    #[serde(default)]
    pub id: u64,
    pub user_id: Option<u64>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ExportPage {
    #[serde(flatten)]
    list: UserList,
    after_cursor: Option<String>,
    #[serde(default)]
    end_of_stream: bool,
}

impl UserRecord {
    pub fn person(&self) -> Person {
        Person { id: PersonId(self.id), name: self.name.clone().unwrap_or_default() }
    }

    /// What stands in the custom field with this key, as text; `None` when it is empty.
    pub fn field(&self, key: &str) -> Option<String> {
        text(self.user_fields.as_ref()?.get(key)?).filter(|text| !text.trim().is_empty())
    }
}

/// Searches persons who may have this number: first by phone, then by each further field.
pub(super) async fn search(errand: &Errand<'_>, number: E164) -> Result<Vec<PersonRecord>, Failure> {
    let fields = &errand.zendesk.phone_fields;
    let suffix = suffix(number);
    let mut keys = Vec::new();
    // Direct lines are found by the same key.
    if fields.iter().any(|field| matches!(field, PhoneField::Phone | PhoneField::Identity)) {
        keys.push("phone");
    }
    keys.extend(fields.iter().filter_map(|field| match field {
        PhoneField::UserField(key) => Some(key.as_str()),
        PhoneField::Phone | PhoneField::Identity => None,
    }));
    for key in keys {
        let mut ask = Ask::get("/users/search", &[])
            .query("query", format!("role:end-user {key}:*{suffix}"))
            .query("per_page", "100");
        if fields.contains(&PhoneField::Identity) {
            ask = ask.query("include", "identities");
        }
        let answer = errand.ask(&ask).await?;
        let mut found = answer.read::<UserList>()?;
        if found.users.is_empty() {
            continue;
        }
        if fields.contains(&PhoneField::Identity) && found.identities.is_none() {
            found.identities = Some(lines_of(errand, &found.users, &suffix).await?);
        }
        return Ok(records(found, fields, &*errand.zendesk.numbers));
    }
    Ok(Vec::new())
}

/// The direct lines of those hits whose number does not show yet why they are hits. Only when
/// Zendesk does not send identities beside the users.
async fn lines_of(
    errand: &Errand<'_>,
    users: &[UserRecord],
    suffix: &str,
) -> Result<Vec<IdentityRecord>, Failure> {
    const MOST: usize = 5;
    let shows = |user: &&UserRecord| {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let fields = user.user_fields.iter().flatten().filter_map(|(_, value)| value.as_str());
        user.phone.as_deref().into_iter().chain(fields).any(|text| digits(text).ends_with(suffix))
    };
    let mut lines = Vec::new();
    for user in users.iter().filter(|user| !shows(user)).take(MOST) {
        let ask = Ask::get("/users/{}/identities", &[user.id]).query("page[size]", "100");
        let answer = errand.ask(&ask).await?;
        lines.extend(answer.read::<IdentityList>()?.identities.into_iter().map(|mut line| {
            line.user_id = Some(user.id);
            line
        }));
    }
    Ok(lines)
}

/// One page of everybody, changed or new since the cursor.
pub(super) async fn export(errand: &Errand<'_>, cursor: Option<&str>) -> Result<PeoplePage, Failure> {
    let fields = &errand.zendesk.phone_fields;
    pace(errand.zendesk)?;
    let mut ask = Ask::get("/incremental/users/cursor", &[]).query("per_page", PAGE);
    ask = match cursor {
        Some(cursor) => ask.query("cursor", cursor),
        // Nothing is older than that.
        None => ask.query("start_time", "1"),
    };
    if fields.contains(&PhoneField::Identity) {
        ask = ask.query("include", "identities");
    }
    let page: ExportPage = errand.ask(&ask).await?.read()?;
    // An account without a single change says nothing new: the old place stays.
    let after = page.after_cursor.or_else(|| cursor.map(str::to_owned));
    // Without a place to go on there is no more.
    let end = page.end_of_stream || after.is_none();
    Ok(PeoplePage { people: records(page.list, fields, &*errand.zendesk.numbers), cursor: after, end })
}

/// Keeps to ten exports a minute: a refused one would stop the whole account, calls included.
fn pace(zendesk: &Zendesk) -> Result<(), Failure> {
    let now = clock::instant();
    let mut asked = zendesk.exports.lock().unwrap_or_else(PoisonError::into_inner);
    while asked.front().is_some_and(|&then| now.duration_since(then) >= MINUTE) {
        asked.pop_front();
    }
    if asked.len() >= EXPORTS
        && let Some(&oldest) = asked.front()
    {
        zendesk.counters.wait();
        return Err(Failure::wait(MINUTE.saturating_sub(now.duration_since(oldest))));
    }
    asked.push_back(now);
    Ok(())
}

fn records(list: UserList, fields: &[PhoneField], reader: &dyn ReadNumbers) -> Vec<PersonRecord> {
    let mut lines: HashMap<u64, Vec<String>> = HashMap::new();
    for identity in list.identities.into_iter().flatten() {
        if let (Some(user), Some("phone_number"), Some(value)) =
            (identity.user_id, identity.kind.as_deref(), identity.value)
        {
            lines.entry(user).or_default().push(value);
        }
    }
    let record = |user: UserRecord| {
        let mut numbers: Vec<String> = Vec::new();
        for field in fields {
            let found: Vec<String> = match field {
                PhoneField::Phone => user.phone.iter().cloned().collect(),
                PhoneField::UserField(key) => {
                    user.user_fields.iter().filter_map(|fields| text(fields.get(key)?)).collect()
                }
                PhoneField::Identity => lines.get(&user.id).cloned().unwrap_or_default(),
            };
            let new = found.into_iter().filter(|number| !number.trim().is_empty());
            for number in new {
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
        }
        let usable = user.active && !user.suspended && user.role.as_deref() == Some("end-user");
        let placeholder = filing::is_placeholder(&user, &numbers, reader);
        PersonRecord { person: user.person(), numbers, usable, placeholder }
    };
    list.users.into_iter().map(record).collect()
}

/// Numbers are kept as text mostly, but a field of whole numbers is possible too.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The last digits of a number, never those of the country: `030 …` does not hold them.
fn suffix(number: E164) -> String {
    let digits = number.digits().to_string();
    let national = &digits[country_digits(&digits).min(digits.len() - 1)..];
    national[national.len().saturating_sub(SUFFIX)..].to_owned()
}

/// How many digits the country code has (ITU-T E.164, list of assigned codes): those that are not
/// one or two digits long have three.
fn country_digits(digits: &str) -> usize {
    const TWO: [&str; 45] = [
        "20", "27", "28", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
        "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
        "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes().first() {
        Some(b'1' | b'7') => 1,
        _ if digits.get(..2).is_some_and(|two| TWO.contains(&two)) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No number is read here: nobody carries our mark.
    #[derive(Debug)]
    struct Unread;

    impl ReadNumbers for Unread {
        fn numbers(&self, text: &str) -> Vec<E164> {
            panic!("{text}")
        }
    }

    #[test]
    fn the_suffix_never_holds_digits_of_the_country() {
        let table = [
            ("+493023125111", "023125111"),
            ("+4930123456", "30123456"),
            ("+15551234567", "551234567"),
            ("+35312345678", "12345678"),
            ("+4912", "12"),
            ("+3531", "1"),
            ("+390612345", "0612345"),
        ];
        for (number, expected) in table {
            assert_eq!(suffix(number.parse().unwrap()), expected, "{number}");
        }
    }

    #[test]
    fn a_record_has_the_numbers_of_the_configured_fields_in_their_order() {
        let list = r#"{"users": [
            {"id": 9007199254743101, "name": "Petra", "role": "end-user", "phone": "+4930", "active": true,
             "suspended": false, "user_fields": {"phone_2": "030 1", "mobile": null, "pager": 17}},
            {"id": 2, "name": null, "role": "agent", "phone": "", "user_fields": null},
            {"id": 3, "role": "end-user", "active": false, "phone": "+4931"}],
          "identities": [{"user_id": 9007199254743101, "type": "phone_number", "value": "+4930"},
             {"user_id": 9007199254743101, "type": "email", "value": "a@b"},
             {"user_id": 9007199254743101, "type": "phone_number", "value": "+4939"}]}"#;
        let fields: Vec<PhoneField> = ["user_fields.phone_2", "identity", "phone", "user_fields.pager"]
            .map(|field| field.parse().unwrap())
            .to_vec();
        let found = records(serde_json::from_str(list).unwrap(), &fields, &Unread);
        assert_eq!(found[0].person, Person { id: PersonId(9_007_199_254_743_101), name: "Petra".to_owned() });
        assert_eq!(found[0].numbers, ["030 1", "+4930", "+4939", "17"]);
        assert_eq!(found.iter().map(|one| one.usable).collect::<Vec<_>>(), [true, false, false]);
        assert!(found[1].numbers.is_empty());
    }
}
