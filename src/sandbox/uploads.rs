//! Files on their way into a comment.
//!
//! Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket-attachments/> and
//! recordings. The bytes themselves are not kept, only their number and their hash.

use jiff::ToSpan;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::exchange::{Answer, Outcome, stamp};
use super::routes::Visit;
use super::world::World;

/// Largest file, in bytes.
const LARGEST: usize = 50 * 1024 * 1024;

/// `POST /uploads?filename=[&token=]` with the raw bytes.
pub(super) fn create(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let lang = world.switches.lang;
    let Some(name) = visit.ask.param("filename").filter(|name| !name.is_empty()) else {
        return Err(visit.lacks(lang, "filename"));
    };
    if visit.ask.body.len() > LARGEST {
        return Err(Answer::empty(413));
    }
    let kind = visit.ask.header("content-type").unwrap_or("application/octet-stream").to_owned();
    let id = world.fresh_id();
    let digits: String = Sha256::digest(&visit.ask.body).iter().map(|byte| format!("{byte:02x}")).collect();
    world.attachment_sums.insert(id, json!({"name": name, "bytes": visit.ask.body.len(), "sha256": digits}));
    let secret = format!("upload{id:x}{:016x}", fastrand::u64(..));
    let address = format!("{}/attachments/token/{secret}/?name={name}", world.url);
    let attachment = json!({
        "url": format!("{}/api/v2/attachments/{id}.json", world.url),
        "id": id,
        "file_name": name,
        "content_url": address,
        "mapped_content_url": address,
        "content_type": kind,
        "size": visit.ask.body.len(),
        "width": null,
        "height": null,
        "inline": false,
        "deleted": false,
        "malware_access_override": false,
        "malware_scan_result": "not_scanned",
        "thumbnails": [],
    });
    let ends = visit.now.checked_add(72.hours()).unwrap_or(visit.now);
    let token = match visit.ask.param("token") {
        None => {
            world.uploads.push(json!({
                "token": secret, "expires_at": stamp(ends), "attachments": [attachment], "attached_to": null,
            }));
            secret
        }
        Some(token) => {
            let open = |upload: &&mut Value| upload["token"] == token && upload["attached_to"].is_null();
            let upload = world.uploads.iter_mut().find(open).ok_or_else(|| lang.not_found())?;
            if let Some(files) = upload["attachments"].as_array_mut() {
                files.push(attachment.clone());
            }
            token.to_owned()
        }
    };
    let upload = world.uploads.iter().find(|upload| upload["token"] == *token).cloned().unwrap_or_default();
    let body = json!({"upload": {"token": token, "expires_at": upload["expires_at"],
        "attachments": upload["attachments"], "attachment": attachment}});
    Ok(Answer::json(201, body).with("location", format!("{}/api/v2/attachments/{id}.json", world.url)))
}

/// `DELETE /uploads/{token}`: 204.
pub(super) fn delete(world: &mut World, visit: &Visit<'_>) -> Outcome {
    let token = visit.words.first().cloned().unwrap_or_default();
    let open = |upload: &Value| upload["token"] == *token && upload["attached_to"].is_null();
    let before = world.uploads.len();
    world.uploads.retain(|upload| !open(upload));
    match world.uploads.len() < before {
        true => Ok(Answer::empty(204)),
        false => Err(world.switches.lang.not_found()),
    }
}
