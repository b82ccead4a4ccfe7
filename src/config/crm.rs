//! `[crm.…]`: where tickets go. The kind is the table's name.

use std::time::Duration;

use url::{Host, Url};

use super::duration;
use super::reader::shown;
use super::secret::{self, Secret};
use super::section::Section;
use super::values::{self, Email};

/// The CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crm {
    /// Zendesk.
    Zendesk(Zendesk),
}

/// A Zendesk account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zendesk {
    /// The root of the account, such as `https://example.zendesk.com/`; plain http for loopback only.
    pub url: Url,
    /// How we log in.
    pub login: ZendeskLogin,
    /// Who owns what is done without an agent; `None`: our log-in.
    pub default_agent: Option<Email>,
    /// Who does when the default agent is suspended or gone.
    pub deputy_agent: Option<Email>,
    /// Nothing is written in the names of agents.
    pub always_default_agent: bool,
    /// The app whose calls our call records are; `None`: no records.
    pub calls_app_id: Option<u64>,
    /// Whether tickets may be opened on screens.
    pub voice: Voice,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long connecting may take; both together stay below 40 s.
    pub connect_timeout: Duration,
    /// How many requests we allow ourselves in a minute.
    pub requests_per_minute: u32,
    /// How many requests may be under way at once.
    pub max_in_flight: u32,
}

impl Crm {
    /// Whether both are the same account.
    pub fn has_same_account(&self, other: &Self) -> bool {
        let (Self::Zendesk(one), Self::Zendesk(other)) = (self, other);
        one.url == other.url
    }

    /// Whether both log in at the same account in the same way.
    pub fn has_same_login(&self, other: &Self) -> bool {
        let (Self::Zendesk(one), Self::Zendesk(others)) = (self, other);
        self.has_same_account(other) && one.login == others.login
    }

    /// Whether both are asked in the same way. What else is different is looked up for each call; the
    /// log-in is taken over when it is proven.
    pub(super) fn has_same_client(&self, other: &Self) -> bool {
        let (Self::Zendesk(one), Self::Zendesk(other)) = (self, other);
        let client = |zendesk: &Zendesk| Zendesk {
            login: one.login.clone(),
            default_agent: None,
            deputy_agent: None,
            always_default_agent: false,
            ..zendesk.clone()
        };
        client(one) == client(other)
    }
}

/// How we log in to Zendesk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZendeskLogin {
    /// OAuth, grant `client_credentials`.
    OAuth {
        /// The unique identifier of the OAuth client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The scopes, parted by blanks.
        scope: String,
    },
    /// An API token of an agent; Zendesk accepts it until 2027-04-30.
    Token {
        /// The agent.
        email: Email,
        /// The token.
        api_token: Secret,
    },
}

/// Whether the voice endpoint (Talk Partner Edition) is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Until it says that the account has none.
    Auto,
    /// Never: plain tickets, nothing opens by itself.
    Off,
}

const SECOND: Duration = Duration::from_secs(1);
/// Zendesk gives a request up after 60 s; whoever waits as long cannot tell what became of it.
const LONGEST_REQUEST: Duration = Duration::from_secs(40);

pub(super) fn read(section: Option<Section<'_>>) -> Option<Crm> {
    let mut crm = section?;
    crm.names_are("kind of CRM");
    match crm.section("zendesk") {
        Some(mut table) => zendesk(&mut table).map(Crm::Zendesk),
        None => {
            if crm.has_unknown() {
                return None; // A kind we do not know; that is told.
            }
            crm.mistake("no CRM is named: write a table [crm.zendesk]");
            None
        }
    }
}

fn zendesk(table: &mut Section<'_>) -> Option<Zendesk> {
    let url = table.parsed("url", account).required("\"https://example.zendesk.com\"");
    let login = login(table);
    let voice = table.one_of("voice", &[("auto", Voice::Auto), ("off", Voice::Off)]).or(Voice::Auto);
    let (default_agent, deputy_agent) = default_agents(table);
    let request = table.duration("request_timeout", SECOND..=39 * SECOND).spot_or(15 * SECOND);
    let connect = table.duration("connect_timeout", SECOND..=39 * SECOND).spot_or(5 * SECOND);
    if request.value + connect.value >= LONGEST_REQUEST {
        let written = if request.place == table.place { &connect } else { &request };
        let message = format!(
            "request_timeout ({}) and connect_timeout ({}) together must be less than {}",
            duration::written(request.value),
            duration::written(connect.value),
            duration::written(LONGEST_REQUEST)
        );
        table.reader.mistake(&written.place, written.key.clone(), message);
    }
    Some(Zendesk {
        default_agent,
        deputy_agent,
        always_default_agent: table.flag("always_default_agent").or(false),
        calls_app_id: table.whole("calls_app_id", "the id of an app", 1..=i64::MAX as u64).optional(),
        requests_per_minute: table.whole("requests_per_minute", "requests", 10..=10_000).or(200),
        max_in_flight: table.whole("max_in_flight", "requests", 1..=64).or(4),
        url: url?,
        login: login?,
        voice,
        request_timeout: request.value,
        connect_timeout: connect.value,
    })
}

fn default_agents(table: &mut Section<'_>) -> (Option<Email>, Option<Email>) {
    let first = table.parsed("default_agent", Email::parse);
    let first_given = first.is_given();
    let first = first.optional();
    let deputy = table.parsed("deputy_agent", Email::parse).optional_spot();
    if let Some(deputy) = &deputy {
        if !first_given {
            let message = "there is no default_agent whose deputy this could be: call it default_agent";
            table.reader.mistake(&deputy.place, deputy.key.clone(), message);
        } else if first.as_ref() == Some(&deputy.value) {
            let message = "this is the default_agent already: name another agent, or leave the key out";
            table.reader.mistake(&deputy.place, deputy.key.clone(), message);
        }
    }
    (first, deputy.map(|spot| spot.value))
}

fn login(table: &mut Section<'_>) -> Option<ZendeskLogin> {
    let client_id = table.parsed("client_id", |text| values::line(text, 200)).optional_spot();
    let client_secret =
        secret::read(table, ["client_secret", "client_secret_file", "client_secret_credential"]);
    let scope = table.parsed("scope", |text| values::line(text, 500)).or("read write".to_owned());
    let email = table.parsed("email", Email::parse).optional_spot();
    let api_token = secret::read(table, ["api_token", "api_token_file", "api_token_credential"]);

    let oauth = client_id.is_some() || client_secret.is_given();
    let token = email.is_some() || api_token.is_given();
    match (oauth, token) {
        (true, true) => {
            let place = email.as_ref().map(|spot| spot.place.clone()).or_else(|| api_token.place());
            let place = place.unwrap_or_else(|| table.place.clone());
            let message = "there are two ways to log in: keep client_id and client_secret (OAuth), \
                           or email and api_token";
            table.reader.mistake(&place, table.path.clone(), message);
            None
        }
        (_, false) => {
            let client_id = match client_id {
                Some(spot) => Some(spot.value),
                None => {
                    table.mistake(
                        "there is no way to log in: write client_id and client_secret of an OAuth client \
                         (Admin Center, Apps and integrations, APIs, OAuth clients)",
                    );
                    None
                }
            };
            let client_secret = if client_id.is_some() || client_secret.is_given() || table.learning() {
                client_secret.required("\"…\", or client_secret_file or client_secret_credential")
            } else {
                None
            };
            api_token.optional();
            Some(ZendeskLogin::OAuth { client_id: client_id?, client_secret: client_secret?, scope })
        }
        (false, true) => {
            let email = match email {
                Some(spot) => Some(spot.value),
                None => {
                    table.mistake(
                        "`email` is missing: write the e-mail address of the agent whose api_token it is",
                    );
                    None
                }
            };
            let api_token = api_token.required("\"…\", or api_token_file or api_token_credential");
            Some(ZendeskLogin::Token { email: email?, api_token: api_token? })
        }
    }
}

fn account(text: &str) -> Result<Url, String> {
    let refuse = |why: &str| {
        let value = shown(text);
        format!("{value} {why}: write the address of the account, such as \"https://example.zendesk.com\"")
    };
    let mut url = Url::parse(text).map_err(|_| refuse("is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("has a user name in it"));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(refuse("names no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err(refuse(
                "is not encrypted (http:// is allowed for this machine's own addresses only)",
            ));
        }
        _ => return Err(refuse("is neither https:// nor http://")),
    }
    // Copied out of a browser there often is a path.
    let path = url.path().trim_end_matches('/');
    if !(path.is_empty() || path == "/api/v2") || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a path behind the host"));
    }
    url.set_path("/");
    Ok(url)
}
