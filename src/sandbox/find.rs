//! Search: the query language, and an index that is behind the database.
//!
//! Source: <https://support.zendesk.com/hc/en-us/articles/4408886879258> and the partner guide
//! "Retrieving the Zendesk user ID of a caller". National forms of a number are not bridged: only
//! a suffix with a wildcard finds them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::exchange::{Answer, Outcome};
use super::paging::{self, Ways};
use super::people;
use super::routes::Visit;
use super::world::{Ticket, User, World};

/// Words a query may have.
const MOST_WORDS: usize = 64;

/// One word of a query.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    /// `phone:…` has the key `phone`.
    key: Option<String>,
    text: String,
    negated: bool,
}

fn words(query: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let (mut end, mut quoted) = (rest.len(), false);
        for (place, letter) in rest.char_indices() {
            match letter {
                '"' => quoted = !quoted,
                _ if letter.is_whitespace() && !quoted => {
                    end = place;
                    break;
                }
                _ => {}
            }
        }
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        let (negated, word) = match word.strip_prefix('-') {
            Some(word) => (true, word),
            None => (false, word),
        };
        let bare = |text: &str| text.trim_matches('"').to_owned();
        words.push(match word.split_once(':') {
            Some((key, text)) if !key.is_empty() && !key.contains('"') => {
                Word { key: Some(key.to_lowercase()), text: bare(text), negated }
            }
            _ => Word { key: None, text: bare(word), negated },
        });
    }
    words
}

/// Different keywords are joined by AND, the same keyword by OR; negated words must not fit.
fn matches(words: &[Word], fits: impl Fn(&Word) -> bool) -> bool {
    words.iter().all(|word| {
        if word.negated {
            return !fits(word);
        }
        match &word.key {
            None => fits(word),
            Some(key) => {
                words.iter().any(|other| !other.negated && other.key.as_ref() == Some(key) && fits(other))
            }
        }
    })
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A number as the index holds it: its digits, whatever stood between them.
fn number_fits(pattern: &str, stored: &str) -> bool {
    let (wanted, stored) = (digits(pattern), digits(stored));
    if wanted.is_empty() {
        return false;
    }
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => stored.contains(&wanted),
        (true, false) => stored.ends_with(&wanted),
        (false, true) => stored.starts_with(&wanted),
        (false, false) => stored == wanted,
    }
}

/// A value or one of its words fits, with wildcards at either end.
fn text_fits(pattern: &str, stored: &str) -> bool {
    let (wanted, stored) = (pattern.trim_matches('*').to_lowercase(), stored.to_lowercase());
    if wanted.is_empty() {
        return pattern == "*" && !stored.is_empty();
    }
    let one = |text: &str| match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => text.contains(&wanted),
        (true, false) => text.ends_with(&wanted),
        (false, true) => text.starts_with(&wanted),
        (false, false) => text == wanted,
    };
    one(&stored)
        || stored.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()).any(one)
}

fn value_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// Whether the user, as the index has it, fits a word. `partial` is how `/users/search` reads free words.
fn user_fits(world: &World, user: &User, lines: &[String], word: &Word, partial: bool) -> bool {
    let number_lines: &[String] = if world.switches.search_identities { lines } else { &[] };
    let Some(key) = &word.key else {
        // Wildcards work with a keyword only.
        if word.text.is_empty() || word.text.contains('*') {
            return false;
        }
        let plain = |key: &str| user.plain.get(key).map(value_text).unwrap_or_default();
        let texts = [
            user.name.clone(),
            user.email.clone().unwrap_or_default(),
            user.external_id.clone().unwrap_or_default(),
            plain("notes"),
            plain("details"),
        ];
        let fields = user.user_fields.values().map(value_text);
        let pattern = if partial { format!("{}*", word.text) } else { word.text.clone() };
        return texts.into_iter().chain(fields).any(|text| {
            // A phrase fits as it stands; a word fits a whole word, or its beginning.
            text_fits(&pattern, &text)
                || word.text.contains(' ') && text.to_lowercase().contains(&word.text.to_lowercase())
        }) || user.phone.iter().chain(number_lines).any(|line| number_fits(&word.text, line));
    };
    match key.as_str() {
        "role" => match word.text.as_str() {
            "end-user" | "enduser" => user.role.word() == "end-user",
            other => user.role.word() == other,
        },
        "type" => word.text == "user",
        "phone" if word.text == "none" => user.phone.is_none(),
        "phone" => user.phone.iter().chain(number_lines).any(|line| number_fits(&word.text, line)),
        "email" => {
            let addresses = user.email.iter().chain(lines.iter().filter(|line| line.contains('@')));
            addresses.into_iter().any(|address| text_fits(&word.text, address))
        }
        "name" => text_fits(&word.text, &user.name),
        "external_id" => user.external_id.as_deref() == Some(word.text.as_str()),
        "notes" | "details" => {
            text_fits(&word.text, &user.plain.get(key).map(value_text).unwrap_or_default())
        }
        "tags" => {
            let tags = user.plain.get("tags").and_then(Value::as_array);
            tags.into_iter().flatten().any(|tag| tag == word.text.as_str())
        }
        "suspended" => word.text == user.suspended.to_string(),
        field => user
            .user_fields
            .get(field)
            .map(value_text)
            .is_some_and(|value| text_fits(&word.text, &value) || number_fits(&word.text, &value)),
    }
}

/// Users that fit, as the index has them, by id.
fn users(world: &World, words: &[Word], partial: bool, now: Timestamp) -> Vec<u64> {
    let fits = |id: &u64| {
        world.indexed(*id, now).is_some_and(|(user, lines)| {
            user.active && matches(words, |word| user_fits(world, user, lines, word, partial))
        })
    };
    let mut ids: Vec<u64> = world.index.keys().copied().filter(fits).collect();
    ids.sort_unstable();
    ids
}

fn ticket_fits(ticket: &Ticket, word: &Word) -> bool {
    let Some(key) = &word.key else {
        return ticket.subject.iter().chain([&ticket.description]).any(|text| text_fits(&word.text, text));
    };
    let id_fits = |id: Option<u64>| match word.text.as_str() {
        "none" => id.is_none(),
        text => id.is_some_and(|id| id.to_string() == text),
    };
    match key.as_str() {
        "type" => word.text == "ticket" || ticket.kind.as_deref() == Some(word.text.as_str()),
        "status" => ticket.status == word.text,
        "external_id" => ticket.external_id.as_deref() == Some(word.text.as_str()),
        "tags" => ticket.tags.contains(&word.text),
        "subject" => ticket.subject.as_deref().is_some_and(|subject| text_fits(&word.text, subject)),
        "requester" => id_fits(Some(ticket.requester_id)),
        "assignee" => id_fits(ticket.assignee_id),
        "group" => id_fits(ticket.group_id),
        _ => false,
    }
}

fn read(world: &World, visit: &Visit<'_>) -> Result<Vec<Word>, Answer> {
    let lang = world.switches.lang;
    let query = visit.ask.param("query").unwrap_or_default();
    let words = words(query);
    if words.len() > MOST_WORDS {
        return Err(lang.shape_a(
            422,
            "invalid",
            "Query has too many words",
            "Die Abfrage hat zu viele Wörter",
        ));
    }
    Ok(words)
}

/// `GET /users/search?query=` or `?external_id=`.
pub(super) fn search_users(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let ids = match (visit.ask.param("external_id"), visit.ask.param("query")) {
        (Some(external), _) => {
            let mut ids: Vec<u64> = world.index.keys().copied().collect();
            ids.retain(|id| {
                world
                    .indexed(*id, visit.now)
                    .is_some_and(|(user, _)| user.active && user.external_id.as_deref() == Some(external))
            });
            ids
        }
        (None, Some(_)) => users(world, &read(world, visit)?, true, visit.now),
        (None, None) => return Err(visit.lacks(lang, "query")),
    };
    let page = paging::page(visit.ask, &world.url, lang, ids, Ways::Offset(10_000))?;
    let mut frame = page.frame;
    frame.insert("users".to_owned(), page.ids.iter().filter_map(|id| stale(world, *id, visit.now)).collect());
    people::beside(world, visit, &page.ids, &mut frame);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// The user as the index has it, which may be older than the database.
fn stale(world: &World, id: u64, now: Timestamp) -> Option<Value> {
    world.indexed(id, now).map(|(user, _)| world.user_json(user))
}

/// All hits of the unified search: users, then tickets, then groups.
fn hits(world: &World, visit: &Visit<'_>) -> Result<Vec<Value>, Answer> {
    let words = read(world, visit)?;
    let now = visit.now;
    let kind = words.iter().find(|word| word.key.as_deref() == Some("type")).map(|word| word.text.clone());
    let wants = |name: &str| kind.as_deref().is_none_or(|kind| kind == name);
    let mut hits = Vec::new();
    if wants("user") {
        hits.extend(users(world, &words, false, now).into_iter().filter_map(|id| {
            let mut user = stale(world, id, now)?;
            user["result_type"] = json!("user");
            Some(user)
        }));
    }
    if wants("ticket") {
        let known = |ticket: &&Ticket| {
            let delay = i64::try_from(world.switches.index_delay.as_millis()).unwrap_or(i64::MAX);
            ticket.created_at.as_millisecond().saturating_add(delay) <= now.as_millisecond()
        };
        let found = world.tickets.values().filter(|ticket| !ticket.deleted).filter(known);
        hits.extend(found.filter(|ticket| matches(&words, |word| ticket_fits(ticket, word))).map(|ticket| {
            let mut ticket = world.ticket_json(ticket);
            ticket["result_type"] = json!("ticket");
            ticket
        }));
    }
    if wants("group") {
        let found = world.groups.values().filter(|group| !group.deleted).filter(|group| {
            matches(&words, |word| match word.key.as_deref() {
                None | Some("name") => text_fits(&word.text, &group.name),
                Some("type") => word.text == "group",
                Some(_) => false,
            })
        });
        hits.extend(found.map(|group| {
            let mut group = world.group_json(group);
            group["result_type"] = json!("group");
            group
        }));
    }
    Ok(hits)
}

/// `GET /search?query=`.
pub(super) fn search(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    if visit.ask.param("query").is_none() {
        return Err(visit.lacks(lang, "query"));
    }
    let hits = hits(world, visit)?;
    let places = (0..hits.len() as u64).collect();
    let page = paging::page(visit.ask, &world.url, lang, places, Ways::Offset(1000))?;
    let mut frame: Map<String, Value> = page.frame;
    let on_page = page.ids.iter().filter_map(|&place| hits.get(usize::try_from(place).ok()?)).cloned();
    frame.insert("results".to_owned(), on_page.collect());
    frame.insert("facets".to_owned(), Value::Null);
    Ok(Answer::json(200, Value::Object(frame)))
}

/// `GET /search/count?query=`.
pub(super) fn count(world: &mut World, visit: &Visit<'_>) -> Outcome {
    if visit.ask.param("query").is_none() {
        return Err(visit.lacks(world.switches.lang, "query"));
    }
    Ok(Answer::json(200, json!({"count": hits(world, visit)?.len()})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_cut_into_words_with_keys_phrases_and_negations() {
        let word = |key: Option<&str>, text: &str, negated| Word {
            key: key.map(str::to_owned),
            text: text.to_owned(),
            negated,
        };
        assert_eq!(
            words("role:end-user phone:*3023125111 \"Petra Sommer\" -email:\"a b\""),
            [
                word(Some("role"), "end-user", false),
                word(Some("phone"), "*3023125111", false),
                word(None, "Petra Sommer", false),
                word(Some("email"), "a b", true),
            ]
        );
        // A plus that was not encoded has become a blank: the keyword stands alone and finds nothing.
        assert_eq!(words("phone: 493023125111")[0], word(Some("phone"), "", false));
    }

    #[test]
    fn numbers_are_compared_by_their_digits_and_wildcards_only_at_the_ends() {
        for (pattern, stored, fits) in [
            ("*493023125113", "030 23125-113", false),
            ("*3023125113", "030 23125-113", true),
            ("*5135557611", "+1 (513) 555-7611", true),
            ("+493023125111", "+493023125111", true),
            ("493023125111", "+493023125111", true),
            ("3023125111", "+493023125111", false),
            ("4930*", "+49 30 1", true),
            ("", "+49", false),
        ] {
            assert_eq!(number_fits(pattern, stored), fits, "{pattern} {stored}");
        }
    }

    #[test]
    fn the_same_keyword_is_or_and_different_ones_are_and() {
        let fits = |word: &Word| matches!(word.text.as_str(), "b" | "c");
        assert!(matches(&words("x:a x:b y:c"), fits));
        assert!(!matches(&words("x:a y:c"), fits));
        assert!(!matches(&words("x:b -y:c"), fits));
    }
}
