//! Which request goes where, and the checks that every one must pass first.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth::{self, Caller};
use super::exchange::{Answer, Ask, Lang, Outcome, stamp};
use super::world::{Role, World};
use super::{
    bodies, calls, comments, definitions, export, farewell, find, groups, idempotency, lines, lists, openapi,
    people, redactions, tickets, uploads, voice,
};

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
        bodies::lacks(lang, name)
    }
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
    route("DELETE", "/api/v2/users/{user_id}", Admin, "users", farewell::delete),
    route("PUT", "/api/v2/users/{user_id}/merge", Admin, "users", farewell::merge),
    route("GET", "/api/v2/users/{user_id}/related", Agent, "users", lists::related),
    route("GET", "/api/v2/users/{user_id}/tickets/requested", Agent, "tickets", lists::requested),
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
    route("GET", "/api/v2/user_fields", Agent, "users", definitions::of_users),
    route("GET", "/api/v2/incremental/users/cursor", Admin, "users", export::users),
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
    route("GET", "/api/v2/tickets", Agent, "tickets", lists::list),
    route("POST", "/api/v2/tickets", Agent, "tickets", tickets::create),
    route("GET", "/api/v2/tickets/count", Agent, "tickets", lists::count),
    route("GET", "/api/v2/tickets/show_many", Agent, "tickets", lists::show_many),
    route("GET", "/api/v2/tickets/{ticket_id}", Agent, "tickets", lists::show),
    route("PUT", "/api/v2/tickets/{ticket_id}", Agent, "tickets", tickets::update),
    route("DELETE", "/api/v2/tickets/{ticket_id}", Admin, "tickets", tickets::delete),
    route("GET", "/api/v2/tickets/{ticket_id}/comments", Agent, "tickets", comments::list),
    route(
        "PUT",
        "/api/v2/tickets/{ticket_id}/comments/{comment_id}/attachments/{attachment_id}/redact",
        Agent,
        "tickets",
        redactions::attachment,
    ),
    route("PUT", "/api/v2/comment_redactions/{ticket_comment_id}", Agent, "tickets", redactions::comment),
    route("GET", "/api/v2/tickets/{ticket_id}/audits", Agent, "tickets", comments::audits),
    route("GET", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::show_tags),
    route("POST", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("PUT", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("DELETE", "/api/v2/tickets/{ticket_id}/tags", Agent, "tickets", tickets::change_tags),
    route("GET", "/api/v2/ticket_fields", Agent, "", definitions::of_tickets),
    route("GET", "/api/v2/ticket_fields/{ticket_field_id}", Agent, "", definitions::of_ticket),
    route("POST", "/api/v2/calls", Agent, "", calls::create),
    route("GET", "/api/v2/calls/{call_id}", Agent, "", calls::show),
    route("PATCH", "/api/v2/calls/{call_id}", Agent, "", calls::update),
    route("POST", "/api/v2/calls/{call_id}/comments", Agent, "", calls::comment),
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
        _ => auth::admit(who, lang).and_then(|caller| admitted(world, ask, caller, &segments, now)),
    };
    let mut answer = outcome.unwrap_or_else(|refusal| refusal);
    answer.headers.extend(headers);
    answer
}

/// Does one request whose log-in needs no proof.
pub(super) fn perform_as(world: &mut World, ask: &Ask, caller: Caller, now: Timestamp) -> Answer {
    admitted(world, ask, caller, &segments(&ask.path), now).unwrap_or_else(|refusal| refusal)
}

fn admitted(world: &mut World, ask: &Ask, caller: Caller, segments: &[String], now: Timestamp) -> Outcome {
    let lang = world.switches.lang;
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
    let voice =
        ["/api/v2/channels/voice/", "/api/v2/calls"].iter().any(|way| route.template.starts_with(way));
    if voice && let Some(refusal) = voice::refused(world) {
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
    let (body, warning) = bodies::checked(world, ask, route.template, now)?;

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

    proptest::proptest! {
        #[test]
        fn no_request_panics(
            method in "GET|POST|PUT|PATCH|DELETE",
            place in 0..ROUTES.len(),
            id in "[0-9]{1,20}|[a-z%+]{1,5}",
            query in "(query|page|per_page|page.after.|cursor|ids|include)=\\PC{0,40}",
            body in "\\PC{0,60}|[{]\"(ticket|user|identity|group|tags|call|comment|title)\":(null|5|\\[\\]|[{]\"(name|phone|comment|tags|requester)\":(null|5|\"[+*x]{0,3}\"|[{][}])[}])[}]",
        ) {
            let now = Timestamp::from_second(1_795_000_000).unwrap();
            let mut world = World::default();
            world.api_tokens.insert("t".to_owned());
            crate::sandbox::Seed::house().fill(&mut world, now).unwrap();
            let mut headers = axum::http::HeaderMap::new();
            let login = super::super::code64::encode(b"ringdesk@example.com/token:sandbox-api-token");
            headers.insert("authorization", format!("Basic {login}").parse().unwrap());
            headers.insert("content-type", "application/json".parse().unwrap());
            let template = ROUTES[place].template.replace("{ticket_id}", "1");
            let path: Vec<&str> =
                template.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part }).collect();
            let ask = Ask {
                method,
                path: path.join("/"),
                query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
                query_text: query,
                headers,
                body: body.into_bytes(),
            };
            let answer = perform(&mut world, &ask, now);
            proptest::prop_assert!((200..500).contains(&answer.status));
            proptest::prop_assert_ne!(answer.status, 401);
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
