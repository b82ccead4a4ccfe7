//! What is said in a ticket, and the audits that keep what was changed.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/> and
//! recordings of audits.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::exchange::{Answer, Outcome, stamp};
use super::paging::{self, Ways};
use super::routes::Visit;
use super::tickets;
use super::world::World;

/// Longer comments are cut without a word.
const LONGEST: usize = 64 * 1024;

/// Who speaks where.
#[derive(Debug)]
pub(super) struct Speaker {
    /// The author unless the comment names one.
    pub author: u64,
    /// The ticket's or the API's channel.
    pub via: Value,
    /// Visibility when the comment says nothing.
    pub public: bool,
}

/// No text at all, neither plain nor HTML.
pub(super) fn is_blank(comment: &Value) -> bool {
    ["body", "html_body"].iter().all(|key| comment[*key].as_str().is_none_or(|text| text.trim().is_empty()))
}

/// Every upload token is there and not used up.
pub(super) fn check_uploads(world: &World, comment: &Value) -> Result<(), Answer> {
    let tokens = comment["uploads"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for token in tokens {
        let open =
            world.uploads.iter().any(|upload| upload["token"] == token && upload["attached_to"].is_null());
        if !open {
            return Err(world.switches.lang.invalid(
                "base",
                Some("InvalidValue"),
                "Attachment: token is not valid",
                "Anhang: Token ist ungültig",
            ));
        }
    }
    Ok(())
}

/// Adds a comment, a voice comment or both; returns their audit events.
pub(super) fn say(
    world: &mut World,
    ticket: u64,
    comment: &Value,
    voice: &Value,
    speaker: &Speaker,
    now: Timestamp,
) -> Vec<Value> {
    let mut said = Vec::new();
    if voice["type"] == "TpeVoiceComment" {
        // Made by `calls`; no client can send one, the file has no such key in `voice_comment`.
        said.push(voice.clone());
    } else if !voice.is_null() {
        said.push(voice_comment(world, voice, speaker, now));
    }
    if !is_blank(comment) {
        said.push(plain_comment(world, ticket, comment, speaker, now));
    }
    if let Some(ticket) = world.tickets.get_mut(&ticket) {
        ticket.comments.extend(said.iter().cloned());
    }
    said
}

fn plain_comment(world: &mut World, ticket: u64, wish: &Value, speaker: &Speaker, now: Timestamp) -> Value {
    let (body, html) = match (wish["html_body"].as_str(), wish["body"].as_str()) {
        (Some(html), _) if !html.trim().is_empty() => {
            let html = without_scripts(html);
            (cut(&text_of(&html)), cut(&html))
        }
        (_, body) => {
            let body = cut(body.unwrap_or_default());
            let paragraphs: String = body
                .split("\n\n")
                .map(|part| format!("<p dir=\"auto\">{}</p>", escape(part.trim()).replace('\n', "<br>")))
                .collect();
            (body, paragraphs)
        }
    };
    let mut attachments = Vec::new();
    for token in wish["uploads"].as_array().into_iter().flatten() {
        for upload in world.uploads.iter_mut().filter(|upload| upload["token"] == *token) {
            upload["attached_to"] = json!(ticket);
            attachments.extend(upload["attachments"].as_array().cloned().unwrap_or_default());
        }
    }
    json!({
        "id": world.fresh_id(),
        "type": "Comment",
        "author_id": wish["author_id"].as_u64().unwrap_or(speaker.author),
        "body": body,
        "html_body": format!("<div class=\"zd-comment\" dir=\"auto\">{html}</div>"),
        "plain_body": body,
        "public": wish["public"].as_bool().unwrap_or(speaker.public),
        "attachments": attachments,
        "audit_id": null,
        "via": speaker.via,
        "created_at": stamp(now),
        "metadata": {"system": {"client": null, "ip_address": "127.0.0.1"}, "custom": {}},
    })
}

fn voice_comment(world: &mut World, wish: &Value, speaker: &Speaker, now: Timestamp) -> Value {
    let text = |key: &str| wish[key].as_str().unwrap_or_default();
    let body = format!(
        "Call from: {}\nCall to: {}\nTime of call: {}\nLength of phone call: {} seconds",
        text("from"),
        text("to"),
        text("started_at"),
        wish["call_duration"].as_i64().unwrap_or_default(),
    );
    json!({
        "id": world.fresh_id(),
        "type": "VoiceComment",
        "author_id": wish["answered_by_id"].as_u64().unwrap_or(speaker.author),
        "body": body,
        "html_body": html(&body),
        "plain_body": body,
        "public": wish["public"].as_bool().unwrap_or(speaker.public),
        "data": wish,
        "formatted_from": text("from"),
        "formatted_to": text("to"),
        "transcription_visible": false,
        "trusted": true,
        "attachments": [],
        "audit_id": null,
        "via": speaker.via,
        "created_at": stamp(now),
        "metadata": {"system": {}, "custom": {}},
    })
}

/// A plain text as the HTML of a comment, one paragraph.
pub(super) fn html(body: &str) -> String {
    let text = escape(body).replace('\n', "<br>");
    format!("<div class=\"zd-comment\" dir=\"auto\"><p dir=\"auto\">{text}</p></div>")
}

/// Writes the audit of a change: what was said, then each field that differs.
pub(super) fn audit(
    world: &mut World,
    ticket: u64,
    author: u64,
    said: Vec<Value>,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    now: Timestamp,
) -> Value {
    let audit_id = world.fresh_id();
    let mut events = Vec::new();
    for mut comment in said {
        comment["audit_id"] = json!(audit_id);
        let id = &comment["id"];
        let stored = world.tickets.get_mut(&ticket).into_iter().flat_map(|ticket| &mut ticket.comments);
        for stored in stored.filter(|stored| stored["id"] == *id) {
            stored["audit_id"] = json!(audit_id);
        }
        if let Value::Object(event) = &mut comment {
            event.remove("created_at");
            event.remove("via");
            event.remove("metadata");
        }
        events.push(comment);
    }
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(value)) {
        let id = world.fresh_id();
        events.push(if before.is_empty() {
            json!({"id": id, "type": "Create", "value": value, "field_name": name})
        } else {
            let old = before.get(name);
            json!({"id": id, "type": "Change", "value": value, "field_name": name, "previous_value": old})
        });
    }
    let system = json!({"client": null, "ip_address": "127.0.0.1", "location": null, "latitude": null, "longitude": null});
    let audit = json!({
        "id": audit_id,
        "ticket_id": ticket,
        "created_at": stamp(now),
        "author_id": author,
        "metadata": {"system": system, "custom": {}},
        "events": events,
        "via": world.via(),
    });
    if let Some(ticket) = world.tickets.get_mut(&ticket) {
        ticket.audits.push(audit.clone());
    }
    audit
}

/// Keeps the wish's `metadata` with its audit and comments, as `metadata.custom`.
pub(super) fn mark(world: &mut World, ticket: u64, mut audit: Value, metadata: &Value) -> Value {
    if audit.is_null() || !metadata.is_object() {
        return audit;
    }
    audit["metadata"]["custom"] = metadata.clone();
    if let Some(ticket) = world.tickets.get_mut(&ticket) {
        let stored = ticket.audits.iter_mut().filter(|stored| stored["id"] == audit["id"]);
        let said = ticket.comments.iter_mut().filter(|comment| comment["audit_id"] == audit["id"]);
        for record in stored.chain(said) {
            record["metadata"]["custom"] = metadata.clone();
        }
    }
    audit
}

/// `GET /tickets/{id}/comments`.
pub(super) fn list(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ticket = tickets::present(world, visit.number(0))?;
    let mut comments: Vec<&Value> = ticket.comments.iter().collect();
    let newest_first =
        visit.ask.param("sort") == Some("-created_at") || visit.ask.param("sort_order") == Some("desc");
    if newest_first {
        comments.reverse();
    }
    records(world, visit, "comments", &comments)
}

/// `GET /tickets/{id}/audits`.
pub(super) fn audits(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let ticket = tickets::present(world, visit.number(0))?;
    let audits: Vec<&Value> = ticket.audits.iter().collect();
    records(world, visit, "audits", &audits)
}

fn records(world: &World, visit: &Visit<'_>, name: &str, records: &[&Value]) -> Outcome {
    let ids = records.iter().filter_map(|record| record["id"].as_u64()).collect();
    let page = paging::page(visit.ask, &world.url, world.switches.lang, ids, Ways::Both)?;
    let mut frame = page.frame;
    let on_page =
        records.iter().filter(|record| record["id"].as_u64().is_some_and(|id| page.ids.contains(&id)));
    frame.insert(name.to_owned(), on_page.map(|record| (*record).clone()).collect());
    Ok(Answer::json(200, Value::Object(frame)))
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// HTML without script, style and iframe elements.
fn without_scripts(html: &str) -> String {
    let mut rest = html.to_owned();
    for name in ["script", "style", "iframe"] {
        let (open, close) = (format!("<{name}"), format!("</{name}>"));
        // ASCII lowering keeps every byte position.
        while let Some(begin) = rest.to_ascii_lowercase().find(&open) {
            let end = rest.to_ascii_lowercase()[begin..].find(&close);
            let end = end.map_or(rest.len(), |end| begin + end + close.len());
            rest.replace_range(begin..end, "");
        }
    }
    rest
}

/// The text a reader sees of some HTML.
fn text_of(html: &str) -> String {
    let (mut text, mut in_tag) = (String::new(), false);
    for letter in html.chars() {
        match letter {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                if !text.ends_with(['\n', ' ']) {
                    text.push(' ');
                }
            }
            _ if in_tag => {}
            _ => text.push(letter),
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_stripped_and_html_becomes_text() {
        let html = without_scripts("<p>Call &lt;3</p><SCRIPT>steal()</script><b>end</b><iframe src=x>");
        assert_eq!(html, "<p>Call &lt;3</p><b>end</b>");
        assert_eq!(text_of(&html), "Call <3 end");
    }

    #[test]
    fn a_long_comment_is_cut_at_a_whole_letter() {
        let text = "ä".repeat(LONGEST);
        let cut = cut(&text);
        assert_eq!(cut.len(), LONGEST);
        assert!(cut.chars().all(|letter| letter == 'ä'));
    }
}
