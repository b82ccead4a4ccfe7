//! Which request goes where, and the checks that every one must pass first.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth::{self, Caller, Who};
use super::exchange::{Answer, Ask, Lang, Outcome, stamp};
use super::world::{Role, World};
use super::{comments, find, groups, idempotency, lines, openapi, people, tickets, uploads, voice};

/// A request that has passed the door.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    /// The request.
    pub ask: &'a Ask,
    /// Who asks.
    pub caller: Caller,
    /// The body, without what the OpenAPI file does not know.
    pub body: Value,
    /// The time.
    pub now: Timestamp,
    numbers: Vec<u64>,
    /// Path parameters that are no numbers.
    pub words: Vec<String>,
}

impl Visit<'_> {
    /// The path's n-th id.
    pub fn number(&self, place: usize) -> u64 {
        self.numbers.get(place).copied().unwrap_or_default()
    }

    /// The answer of the count endpoints.
    pub fn count(&self, value: usize) -> Answer {
        Answer::json(200, json!({"count": {"value": value, "refreshed_at": stamp(self.now)}}))
    }

    /// 400: a parameter that must be there is not.
    pub fn lacks(&self, lang: Lang, name: &str) -> Answer {
        lacks(lang, name)
    }
}

fn lacks(lang: Lang, name: &str) -> Answer {
    lang.shape_a(
        400,
        "RequiredParameterMissing",
        &format!("Required parameter {name} is missing"),
        &format!("Der Parameter {name} fehlt"),
    )
}

type Run = fn(&mut World, &Visit<'_>) -> Outcome;

struct Route {
    method: &'static str,
    template: &'static str,
    /// The least role.
    role: Role,
    /// The word of the narrow scopes.
    resource: &'static str,
    run: Run,
}

const fn route(
    method: &'static str,
    template: &'static str,
    role: Role,
    resource: &'static str,
    run: Run,
) -> Route {
    Route { method, template, role, resource, run }
}

use Role::{Admin, Agent};

/// Literal paths stand before those with parameters.
const ROUTES: &[Route] = &[
    route("GET", "/api/v2/users", Agent, "users", people::list),
    route("POST", "/api/v2/users", Admin, "users", people::create),
    route("GET", "/api/v2/users/count", Agent, "users", people::count),
    route("GET", "/api/v2/users/search", Agent, "users", find::search_users),
    route("GET", "/api/v2/users/show_many", Agent, "users", people::show_many),
    route("GET", "/api/v2/users/{user_id}", Agent, "users", people::show),
    route("PUT", "/api/v2/users/{user_id}", Admin, "users", people::update),
    route("DELETE", "/api/v2/users/{user_id}", Admin, "users", people::delete),
    route("PUT", "/api/v2/users/{user_id}/merge", Admin, "users", people::merge),
    route("GET", "/api/v2/users/{user_id}/groups", Agent, "groups", groups::of_user),
    route("GET", "/api/v2/users/{user_id}/group_memberships", Agent, "groups", groups::memberships_of_user),
    route("GET", "/api/v2/users/{user_id}/identities", Agent, "users", lines::list),
    route("POST", "/api/v2/users/{user_id}/identities", Agent, "users", lines::create),
    route("GET", "/api/v2/users/{user_id}/identities/{user_identity_id}", Agent, "users", lines::show),
    route("PUT", "/api/v2/users/{user_id}/identities/{user_identity_id}", Agent, "users", lines::update),
    route("DELETE", "/api/v2/users/{user_id}/identities/{user_identity_id}", Agent, "users", lines::delete),
    route(
        "PUT",
        "/api/v2/users/{user_id}/identities/{user_identity_id}/make_primary",
        Agent,
        "users",
        lines::make_primary,
    ),
    route("GET", "/api/v2/user_fields", Agent, "users", people::fields),
    route("GET", "/api/v2/incremental/users/cursor", Admin, "users", people::export),
    route("GET", "/api/v2/groups", Agent, "groups", groups::list),
    route("POST", "/api/v2/groups", Admin, "groups", groups::create),
    route("GET", "/api/v2/groups/assignable", Agent, "groups", groups::assignable),
    route("GET", "/api/v2/groups/count", Agent, "groups", groups::count),
    route("GET", "/api/v2/groups/{group_id}", Agent, "groups", groups::show),
    route("PUT", "/api/v2/groups/{group_id}", Admin, "groups", groups::update),
    route("DELETE", "/api/v2/groups/{group_id}", Admin, "groups", groups::delete),
    route("GET", "/api/v2/groups/{group_id}/users", Agent, "groups", groups::users),
    route("GET", "/api/v2/groups/{group_id}/memberships", Agent, "groups", groups::memberships_of_group),
    route("GET", "/api/v2/group_memberships", Agent, "groups", groups::memberships),
    route("POST", "/api/v2/group_memberships", Admin, "groups", groups::create_membership),
    route("GET", "/api/v2/group_memberships/assignable", Agent, "groups", groups::memberships),
    route("GET", "/api/v2/group_memberships/{group_membership_id}", Agent, "groups", groups::show_membership),
    route(
        "DELETE",
        "/api/v2/group_memberships/{group_membership_id}",
        Admin,
        "groups",
        groups::delete_membership,
    ),
    route("GET", "/api/v2/search", Agent, "", find::search),
    route("GET", "/api/v2/search/count", Agent, "", find::count),
    route("GET", "/api/v2/tickets", Agent, "tickets", tickets::list),
    route("POST", "/api/v2/tickets", Agent, "tickets", tickets::create),
    route("GET", "/api/v2/tickets/count", Agent, "tickets", tickets::count),
    route("GET", "/api/v2/tickets/show_many", Agent, "tickets", tickets::show_many),
    route("GET", "/api/v2/tickets/{ticket_id}", Agent, "tickets", tickets::show),
    route("PUT", "/api/v2/tickets/{ticket_id}", Agent, "tickets", tickets::update),
    route("DELETE", "/api/v2/tickets/{ticket_id}", Admin, "tickets", tickets::delete),
    route("GET", "/api/v2/tickets/{ticket_id}/comments", Agent, "tickets", comments::list),
    route("GET", "/api/v2/tickets/{ticket_id}/audits", Agent, "tickets", comments::audits),
    route("GET", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::show_tags),
    route("POST", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("PUT", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("DELETE", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("POST", "/api/v2/channels/voice/tickets", Agent, "", voice::create),
    route(
        "POST",
        "/api/v2/channels/voice/agents/{agent_id}/tickets/{ticket_id}/display",
        Agent,
        "",
        voice::show_ticket,
    ),
    route(
        "POST",
        "/api/v2/channels/voice/agents/{agent_id}/users/{user_id}/display",
        Agent,
        "",
        voice::show_user,
    ),
    route("POST", "/api/v2/uploads", Agent, "ticket_attachments", uploads::create),
    route("DELETE", "/api/v2/uploads/{token}", Agent, "ticket_attachments", uploads::delete),
];

/// Every operation that is served, as method and path of the OpenAPI file.
pub(super) fn operations() -> Vec<(&'static str, &'static str)> {
    let special = [
        ("POST", "/oauth/tokens"),
        ("GET", "/api/v2/users/me"),
        ("GET", "/api/v2/oauth/tokens/current"),
        ("DELETE", "/api/v2/oauth/tokens/current"),
    ];
    ROUTES.iter().map(|route| (route.method, route.template)).chain(special).collect()
}

fn segments(path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".json").unwrap_or(path);
    let decode = |part: &str| {
        // A path is no form: a plus in it is a plus.
        let query = format!("x={}", part.replace('+', "%2B"));
        url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    path.split('/').skip(1).map(|part| decode(part).unwrap_or_default()).collect()
}

fn parameters(template: &str, segments: &[String]) -> Option<Vec<String>> {
    let mut parts = template.split('/').skip(1);
    let mut found = Vec::new();
    for segment in segments {
        let part = parts.next()?;
        if part.starts_with('{') {
            found.push(segment.clone());
        } else if part != segment {
            return None;
        }
    }
    parts.next().is_none().then_some(found)
}

/// Does one request, whole.
pub(super) fn perform(world: &mut World, ask: &Ask, now: Timestamp) -> Answer {
    let segments = segments(&ask.path);
    let lang = world.switches.lang;
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    if path == ["oauth", "tokens"] && ask.method == "POST" {
        return auth::token(world, ask, now).unwrap_or_else(|refusal| refusal);
    }
    if path.first() != Some(&"api") {
        return lang.no_endpoint();
    }
    let headers = match world.limits.account(&world.switches, now) {
        Ok(headers) => headers,
        Err(refusal) => return refusal,
    };
    let who = auth::identify(world, ask, now);
    let outcome = match (ask.method.as_str(), path.get(2..).unwrap_or_default()) {
        ("GET", ["users", "me"]) => auth::me(world, who),
        ("GET", ["oauth", "tokens", "current"]) => {
            auth::admit(who, lang).and_then(|_| auth::show_token(world, ask))
        }
        ("DELETE", ["oauth", "tokens", "current"]) => {
            auth::admit(who, lang).and_then(|_| auth::revoke_token(world, ask))
        }
        _ => admitted(world, ask, who, &segments, now),
    };
    let mut answer = outcome.unwrap_or_else(|refusal| refusal);
    answer.headers.extend(headers);
    answer
}

fn admitted(world: &mut World, ask: &Ask, who: Who, segments: &[String], now: Timestamp) -> Outcome {
    let lang = world.switches.lang;
    let caller = auth::admit(who, lang)?;
    let found = ROUTES.iter().find_map(|route| {
        (route.method == ask.method)
            .then(|| parameters(route.template, segments).map(|found| (route, found)))?
    });
    let Some((route, parameters)) = found else { return Err(lang.no_endpoint()) };
    let enough = match route.role {
        Role::EndUser => true,
        Role::Agent => caller.role != Role::EndUser,
        Role::Admin => caller.role == Role::Admin,
    };
    if !caller.access.allows(route.resource, ask.writes()) {
        return Err(auth::lacks_scope(lang, ask.writes()));
    }
    if !enough {
        return Err(lang.forbidden());
    }
    if route.template.starts_with("/api/v2/channels/voice/")
        && let Some(refusal) = voice::refused(world)
    {
        return Err(refusal);
    }
    let (mut numbers, mut words) = (Vec::new(), Vec::new());
    let names = route.template.split('/').filter(|part| part.starts_with('{'));
    for (name, value) in names.zip(parameters) {
        if name.ends_with("id}") {
            // The voice endpoints answer 404 to anything that is no id of theirs.
            numbers.push(match value.parse() {
                Ok(number) => number,
                Err(_) if route.template.ends_with("/display") => 0,
                Err(_) => return Err(lang.wrong_type("id", "an integer")),
            });
        } else {
            words.push(value);
        }
    }
    let strange = openapi::unknown_parameters(&ask.method, route.template, &ask.query);
    world.warn("query", &ask.method, &ask.path, &strange, now);
    let (body, warning) = checked_body(world, ask, route, now)?;

    let id = numbers.first().copied().unwrap_or_default();
    let switches = world.switches.clone();
    let headers = world.limits.endpoint(ask, route.template, id, caller.user_id, &switches, now)?;
    let visit = Visit { ask, caller, body, now, numbers, words };
    let idempotent = (route.method, route.template) == ("POST", "/api/v2/tickets");
    let outcome = match idempotent {
        true => idempotency::once(world, &visit, tickets::create),
        false => (route.run)(world, &visit),
    };
    let dress = |mut answer: Answer| {
        answer.headers.extend(headers);
        answer.headers.extend(warning.map(|text| ("x-zendesk-api-warn".to_owned(), text)));
        answer
    };
    match outcome {
        Ok(answer) => Ok(dress(answer)),
        Err(answer) => Err(dress(answer)),
    }
}

/// Reads the body and holds it against the OpenAPI file. Unknown keys are dropped with a header,
/// wrong types refused with 400, values outside their list with 422.
fn checked_body(
    world: &mut World,
    ask: &Ask,
    route: &Route,
    now: Timestamp,
) -> Result<(Value, Option<String>), Answer> {
    let lang = world.switches.lang;
    let Some(schema) = openapi::request_schema(&ask.method, route.template) else {
        return Ok((Value::Null, None));
    };
    let kind = ask.header("content-type").unwrap_or_default();
    let form = kind.starts_with("application/x-www-form-urlencoded");
    let mut body = if ask.body.is_empty() {
        json!({})
    } else if form && route.template == "/api/v2/channels/voice/tickets" {
        voice::from_form(&ask.body)
    } else if kind.starts_with("application/json") {
        serde_json::from_slice::<Value>(&ask.body).ok().filter(Value::is_object).ok_or_else(|| {
            lang.shape_a(
                400,
                "InvalidJSON",
                "The body is not valid JSON",
                "Der Inhalt ist kein gültiges JSON",
            )
        })?
    } else {
        // Without a content type it knows the server sees no parameters at all.
        json!({})
    };
    let findings = openapi::clean(schema, &mut body);
    world.warn("body", &ask.method, &ask.path, &findings.unpermitted, now);
    // The file forgets to demand the wrapper of tickets; without it nothing was sent.
    let wrapper = if route.template.ends_with("/tickets") || route.template.ends_with("{ticket_id}") {
        body.get("ticket").is_none().then_some("ticket")
    } else {
        None
    };
    if let Some(missing) = findings.missing.first().map(String::as_str).or(wrapper) {
        return Err(lacks(lang, missing));
    }
    if let Some((name, wanted)) = findings.wrong_type.first() {
        return Err(lang.wrong_type(name, wanted));
    }
    if let Some(name) = findings.not_listed.first() {
        // A bad via_id is answered by the voice endpoint itself, with an empty 422.
        let field = name.rsplit('.').next().unwrap_or(name);
        if field == "via_id" {
            return Err(Answer::empty(422));
        }
        return Err(lang.invalid(
            field,
            Some("InvalidValue"),
            &format!("{field}: is not included in the list"),
            &format!("{field}: ist kein zulässiger Wert"),
        ));
    }
    let warning = (!findings.unpermitted.is_empty()).then(|| {
        let controller = route.template.split('/').nth(3).unwrap_or_default();
        let action = if ask.method == "POST" { "create" } else { "update" };
        format!(
            "{{:allowed_parameters=>{{:controller=>\"{controller}\", :action=>\"{action}\", \
             :unpermitted_keys=>{:?}, :invalid_values=>[]}}}}",
            findings.unpermitted
        )
    });
    // Keys come from the client; a header takes visible ASCII only.
    let warning = warning
        .map(|text| text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect());
    Ok((body, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_an_operation_of_the_openapi_file() {
        let file: Value = serde_json::from_str(openapi::TEXT).unwrap();
        let operations = operations();
        assert!(operations.len() > 40);
        for (method, template) in operations {
            assert!(file["paths"][template].get(method.to_lowercase()).is_some(), "{method} {template}");
        }
    }

    #[test]
    fn no_route_hides_another() {
        for (place, route) in ROUTES.iter().enumerate() {
            let path: Vec<String> = segments(&route.template.replace(['{', '}'], ""));
            let first = ROUTES.iter().position(|other| {
                other.method == route.method && parameters(other.template, &path).is_some()
            });
            assert_eq!(first, Some(place), "{} {}", route.method, route.template);
        }
    }

    #[test]
    fn the_suffix_json_may_stand_or_not() {
        assert_eq!(segments("/api/v2/users/5.json"), segments("/api/v2/users/5"));
    }
}
