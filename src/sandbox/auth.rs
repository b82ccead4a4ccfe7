//! Who is asking: OAuth tokens, legacy API tokens, and what each may do.
//!
//! Sources: the vendor's pages on OAuth grant types and on the end of API tokens; the two answers
//! of `users/me` to strangers were measured by third parties.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::code64;
use super::exchange::{Answer, Ask, Lang, Outcome, stamp};
use super::world::{Role, Token, World};

/// Shortest and longest lifetime a client may ask for, in seconds.
const LIFETIMES: std::ops::RangeInclusive<u64> = 300..=172_800;
/// Lifetime when nothing is asked, in seconds.
const LIFETIME: u64 = 1800;
/// Resources that narrow scopes exist for.
const RESOURCES: [&str; 9] = [
    "tickets",
    "users",
    "organizations",
    "groups",
    "ticket_attachments",
    "webhooks",
    "triggers",
    "account_settings",
    "brands",
];

/// What a log-in may touch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Access(Vec<String>);

impl Access {
    /// Everything.
    pub fn all() -> Self {
        Self(Vec::new())
    }

    /// Whether reading or writing this resource is allowed. Resources without a narrow scope of
    /// their own want the broad one.
    pub fn allows(&self, resource: &str, writes: bool) -> bool {
        let word = if writes { "write" } else { "read" };
        let narrow = format!("{resource}:{word}");
        self.0.is_empty() || self.0.iter().any(|scope| scope == word || *scope == narrow)
    }
}

/// A caller who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The user the call is made as.
    pub user_id: u64,
    /// Its role.
    pub role: Role,
    /// The scopes of the token.
    pub access: Access,
}

/// What the `Authorization` header proves.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// No header.
    Nobody,
    /// Basic with something else than an API token: passwords are gone for good.
    WrongPassword,
    /// Basic with an API token that is not one.
    WrongToken,
    /// A bearer that is not valid, any more or at all.
    WrongBearer,
    /// Logged in.
    Caller(Caller),
}

/// Reads the `Authorization` header.
pub(super) fn identify(world: &World, ask: &Ask, now: Timestamp) -> Who {
    let Some(header) = ask.header("authorization") else { return Who::Nobody };
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return match world.tokens.get(rest.trim()) {
            Some(token)
                if now < token.ends && world.switches.revoke_before.is_none_or(|t| t < token.issued) =>
            {
                caller(world, token.user_id, token.access.clone()).map_or(Who::WrongBearer, Who::Caller)
            }
            _ => Who::WrongBearer,
        };
    }
    let decoded = code64::decode(rest.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else {
        return Who::WrongPassword;
    };
    let Some(email) = name.strip_suffix("/token") else { return Who::WrongPassword };
    if !world.switches.api_tokens || !world.api_tokens.contains(password) {
        return Who::WrongToken;
    }
    let user = world.users.values().find(|user| {
        user.role != Role::EndUser
            && user.verified
            && user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email))
    });
    let caller = user.and_then(|user| caller(world, user.id, Access::all()));
    caller.map_or(Who::WrongToken, Who::Caller)
}

fn caller(world: &World, user_id: u64, access: Access) -> Option<Caller> {
    let user = world.users.get(&user_id).filter(|user| user.active && !user.suspended)?;
    Some(Caller { user_id, role: user.role, access })
}

/// The caller, or the refusal that an ordinary endpoint gives.
pub(super) fn admit(who: Who, lang: Lang) -> Result<Caller, Answer> {
    match who {
        Who::Caller(caller) => Ok(caller),
        Who::WrongBearer => Err(expired(lang)),
        Who::Nobody | Who::WrongPassword | Who::WrongToken => Err(unknown()),
    }
}

fn unknown() -> Answer {
    // The text is the code here, and so is not translated.
    Answer::json(401, json!({"error": "Couldn't authenticate you"}))
        .with("www-authenticate", "Basic realm=\"Web Password\"")
}

fn expired(lang: Lang) -> Answer {
    let text = lang.say(
        "The access token provided is expired, revoked, malformed or invalid for other reasons.",
        "Das Zugriffstoken ist abgelaufen, widerrufen, fehlerhaft oder aus anderen Gründen ungültig.",
    );
    Answer::json(401, json!({"error": "invalid_token", "error_description": text}))
        .with("www-authenticate", "Bearer realm=\"Zendesk\", error=\"invalid_token\"")
}

/// 403 for a bearer without the scope.
pub(super) fn lacks_scope(lang: Lang, writes: bool) -> Answer {
    let word = if writes { "write" } else { "read" };
    let text = match lang {
        Lang::English => format!("You are missing the following required scopes: {word}"),
        Lang::German => format!("Ihnen fehlen folgende Berechtigungsbereiche: {word}"),
    };
    Answer::json(403, json!({"error": "Forbidden", "description": text}))
}

/// `GET /api/v2/users/me`: strangers get 200, too.
pub(super) fn me(world: &World, who: Who) -> Outcome {
    let lang = world.switches.lang;
    match who {
        Who::Caller(caller) => {
            if !caller.access.allows("users", false) {
                return Err(lacks_scope(lang, false));
            }
            let mut user = world.user_json(&world.users[&caller.user_id]);
            user["authenticity_token"] = json!("c2FuZGJveA==");
            Ok(Answer::json(200, json!({"user": user})))
        }
        Who::WrongToken if !world.switches.wrong_token_me_anonymous => Err(unknown()),
        Who::WrongBearer => Err(expired(lang)),
        Who::Nobody | Who::WrongPassword | Who::WrongToken => Ok(Answer::json(
            200,
            json!({"user": {
                "id": null, "url": null, "name": lang.say("Anonymous user", "Anonymer Benutzer"),
                "email": "invalid@example.com", "created_at": null, "updated_at": null,
                "time_zone": "Berlin", "iana_time_zone": "Europe/Berlin", "phone": null,
                "shared_phone_number": null, "photo": null, "locale_id": 1, "locale": "en-US",
                "organization_id": null, "role": "end-user", "verified": false,
                "authenticity_token": "c2FuZGJveA==",
            }}),
        )),
    }
}

/// `POST /oauth/tokens`. JSON and form bodies are taken.
pub(super) fn token(world: &mut World, ask: &Ask, now: Timestamp) -> Outcome {
    let lang = world.switches.lang;
    let body = body(ask).ok_or_else(|| {
        refused(400, "invalid_request", lang.say("The body is not valid", "Der Inhalt ist nicht gültig"))
    })?;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    match text("grant_type").as_str() {
        "client_credentials" => {}
        // Neither codes nor refresh tokens are ever issued here: only a browser could start such a chain.
        "authorization_code" | "refresh_token" => {
            return Err(refused(
                400,
                "invalid_grant",
                lang.say(
                    "The provided authorization grant is invalid, expired or revoked",
                    "Die Berechtigung ist ungültig, abgelaufen oder widerrufen",
                ),
            ));
        }
        "" => {
            return Err(refused(
                400,
                "invalid_request",
                lang.say("grant_type is missing", "grant_type fehlt"),
            ));
        }
        // Implicit and password grants were removed on 2025-02-17.
        _ => {
            return Err(refused(
                400,
                "unsupported_grant_type",
                lang.say(
                    "The grant type is not supported",
                    "Diese Art der Berechtigung wird nicht unterstützt",
                ),
            ));
        }
    }
    let client =
        world.clients.get(&text("client_id")).filter(|client| client.secret == text("client_secret"));
    let Some(client) = client.cloned() else {
        return Err(refused(
            401,
            "invalid_client",
            lang.say("Client authentication failed", "Die Anmeldung des Clients ist fehlgeschlagen"),
        ));
    };
    let scope = text("scope");
    let words: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
    let known = |word: &String| {
        matches!(word.as_str(), "read" | "write" | "impersonate")
            || word.split_once(':').is_some_and(|(resource, way)| {
                RESOURCES.contains(&resource) && matches!(way, "read" | "write")
            })
    };
    // An unknown spelling gives a token that is refused everywhere; one beyond the client's ceiling gives none.
    let beyond = |word: &String| known(word) && !client.scopes.is_empty() && !client.scopes.contains(word);
    if words.iter().any(beyond) {
        return Err(refused(
            400,
            "invalid_scope",
            lang.say("The requested scope is invalid", "Der angeforderte Bereich ist ungültig"),
        ));
    }
    let granted = if words.is_empty() { client.scopes.clone() } else { words };
    let asked = match &body["expires_in"] {
        Value::Null => None,
        Value::String(text) => Some(text.parse().unwrap_or(0)),
        value => Some(value.as_u64().unwrap_or(0)),
    };
    if asked.is_some_and(|seconds| !LIFETIMES.contains(&seconds)) {
        return Err(refused(
            400,
            "invalid_request",
            lang.say(
                "expires_in must be between 300 and 172800",
                "expires_in muss zwischen 300 und 172800 liegen",
            ),
        ));
    }
    // The switch wins over the wish: it exists to make tokens die within a test.
    let lifetime = match world.switches.token_lifetime {
        Some(lifetime) => SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX),
        None => SignedDuration::from_secs(asked.unwrap_or(LIFETIME).cast_signed()),
    };
    let id = world.fresh_id();
    let secret = format!("sandbox{id:x}{:016x}", fastrand::u64(..));
    let access = Access(granted.clone());
    let ends = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    world.tokens.retain(|_, token| now < token.ends);
    world.tokens.insert(secret.clone(), Token { id, user_id: client.user_id, access, issued: now, ends });
    world.counters.tokens_issued += 1;
    let scope = if granted.is_empty() { "read write".to_owned() } else { granted.join(" ") };
    Ok(Answer::json(
        201,
        json!({"access_token": secret, "token_type": "bearer", "scope": scope, "expires_in": lifetime.as_secs()}),
    ))
}

/// `GET /api/v2/oauth/tokens/current`.
pub(super) fn show_token(world: &World, ask: &Ask) -> Outcome {
    let (_, token) = bearer(world, ask).ok_or_else(|| world.switches.lang.not_found())?;
    Ok(Answer::json(
        200,
        json!({"token": {
            "id": token.id,
            "url": format!("{}/api/v2/oauth/tokens/{}.json", world.url, token.id),
            "user_id": token.user_id,
            "created_at": stamp(token.issued),
            "expires_at": stamp(token.ends),
            "scopes": token.access.0,
        }}),
    ))
}

/// `DELETE /api/v2/oauth/tokens/current`.
pub(super) fn revoke_token(world: &mut World, ask: &Ask) -> Outcome {
    let secret = bearer(world, ask).map(|(secret, _)| secret.to_owned());
    let secret = secret.ok_or_else(|| world.switches.lang.not_found())?;
    world.tokens.remove(&secret);
    Ok(Answer::empty(204))
}

fn bearer<'a>(world: &'a World, ask: &'a Ask) -> Option<(&'a str, &'a Token)> {
    let secret = ask.header("authorization")?.split_once(' ')?.1.trim();
    world.tokens.get(secret).map(|token| (secret, token))
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, json!({"error": error, "error_description": description}))
}

/// A body as one flat JSON object, from JSON or a form.
fn body(ask: &Ask) -> Option<Value> {
    let kind = ask.header("content-type").unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs = url::form_urlencoded::parse(&ask.body);
        return Some(Value::Object(pairs.map(|(key, value)| (key.into_owned(), value.into())).collect()));
    }
    if !kind.starts_with("application/json") {
        return None;
    }
    serde_json::from_slice(&ask.body).ok().filter(Value::is_object)
}
