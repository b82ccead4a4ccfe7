//! The whole config: what must work, and what every mistake looks like to the admin.

mod after;
mod commented;
mod mistakes;
mod secrets;

use std::path::Path;
use std::time::Duration;

use super::*;

/// The config that the plan promises to work, as it is there.
const PROMISED: &str = r#"
[[pbx.ami]]
name = "main"                       # part of our call ids
host = "127.0.0.1"                  # port = 5038, tls = false
username = "ringdesk"
secret = "…"                        # or secret_file = "…", or a systemd credential
[crm.zendesk]
url = "https://example.zendesk.com" # http:// is allowed for loopback addresses only
client_id = "ringdesk"
client_secret = "…"
[callers]
country = "DE"
area_code = "30"
unknown = "default_user"            # or "new_user"
default_user = "telephone@example.com"
phone_fields = ["phone", "user_fields.phone_2", "identity"]
[[group]]
queue = "support"
zendesk = "Support"                 # default: the group of the same name
wrap_up = "30s"
record = false
[[group]]
extension = "610"
name = "sales"
[[agent]]                           # beside those that the PBX itself tells
extension = "201"
email = "anna.weber@example.com"
[journal]
url = "sqlite:/var/lib/ringdesk/journal.db"   # or postgres://…
[web]
listen = "127.0.0.1:8980"
"#;

/// The least that must be written.
const LEAST: &str = r#"
[[pbx.ami]]
username = "ringdesk"
secret = "change me"
[crm.zendesk]
url = "https://example.zendesk.com"
client_id = "ringdesk"
client_secret = "change me"
[callers]
country = "DE"
default_user = "telephone@example.com"
[[group]]
queue = "support"
"#;

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = variables.iter().copied().collect();
    Config::parse(text, Path::new("/etc/ringdesk/ringdesk.toml"), &environment, Secrets::Needed)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, &[])
}

fn error_of(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// The promised config with one line changed; an empty `new` takes it away.
fn changed(old: &str, new: &str) -> String {
    assert_eq!(PROMISED.matches(old).count(), 1, "{old}");
    PROMISED.replace(old, new)
}

#[test]
fn the_promised_config_works() {
    let config = parse(PROMISED).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.mode, Mode::Run);
    let [Source::Ami(ami)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    assert_eq!((ami.name.as_str(), ami.host.as_str(), ami.port), ("main", "127.0.0.1", 5038));
    assert_eq!((ami.secret.expose(), &ami.tls), ("…", &None));
    let Crm::Zendesk(zendesk) = &config.crm;
    assert_eq!(zendesk.url.as_str(), "https://example.zendesk.com/");
    assert!(matches!(&zendesk.login, ZendeskLogin::OAuth { client_id, scope, .. }
        if client_id == "ringdesk" && scope == "read write"));
    assert_eq!(config.callers.country.as_str(), "DE");
    assert_eq!(config.callers.area_code.as_deref(), Some("30"));
    let fields: Vec<_> = config.callers.phone_fields.iter().map(ToString::to_string).collect();
    assert_eq!(fields, ["phone", "user_fields.phone_2", "identity"]);
    let groups: Vec<_> = config
        .groups
        .iter()
        .map(|group| format!("{}: {} → {}", group.reached_by, group.name, group.crm_group))
        .collect();
    assert_eq!(groups, ["queue support: support → Support", "extension 610: sales → sales"]);
    assert_eq!(config.groups[0].wrap_up, Some(Duration::from_secs(30)));
    assert_eq!(config.groups[1].wrap_up, None);
    assert_eq!(config.groups[1].ticket, config.ticket);
    assert_eq!(config.listed_agents[0].email.as_str(), "anna.weber@example.com");
    assert_eq!(config.journal.url.to_string(), "sqlite:/var/lib/ringdesk/journal.db");
    assert_eq!(config.web.listen.unwrap().to_string(), "127.0.0.1:8980");
}

#[test]
fn what_people_write_out_of_habit_is_understood() {
    let table = [
        ("https://example.zendesk.com", "https://example.zendesk.com/api/v2/"),
        ("https://example.zendesk.com", "http://127.0.0.1:4711"),
        ("https://example.zendesk.com", "http://[::1]:4711/"),
        ("https://example.zendesk.com", "http://localhost:4711"),
        ("area_code = \"30\"", "area_code = \"(030)\""),
        ("area_code = \"30\"", "area_code = \"\""),
        ("extension = \"610\"", "did = \"+49 (30) 23125-100\""),
        ("sqlite:/var/lib/ringdesk/journal.db", "sqlite:///var/lib/ringdesk/journal.db?mode=rwc"),
        ("listen = \"127.0.0.1:8980\"", "listen = \"\""),
        ("email = \"anna.weber@example.com\"", "email = \" Anna.Weber@Example.com\""),
    ];
    for (old, new) in table {
        parse(&changed(old, new)).unwrap_or_else(|error| panic!("{error}"));
    }
    parse(&format!("\u{feff}{}", PROMISED.replace('\n', "\r\n"))).unwrap();
    let token = changed("client_id = \"ringdesk\"", "email = \"admin@example.com\"")
        .replace("client_secret", "api_token");
    assert!(matches!(
        parse(&token).unwrap().crm,
        Crm::Zendesk(Zendesk { login: ZendeskLogin::Token { .. }, .. })
    ));
}

#[test]
fn a_group_has_its_own_texts_where_it_says_so() {
    let text =
        changed("name = \"sales\"", "tags = [\"Sales\"]\nsubject = \"Sales: {person}\"\npriority = \"high\"");
    let config = parse(&format!("{text}\n[ticket]\ntags = [\"phone\"]\npublic = true\n")).unwrap();
    let [support, sales] = config.groups.as_slice() else { panic!() };
    assert_eq!(support.ticket, config.ticket);
    assert_eq!(
        (support.ticket.tags.as_slice(), support.ticket.public),
        (["phone".to_owned()].as_slice(), true)
    );
    assert_eq!((sales.ticket.tags.as_slice(), sales.ticket.public), (["sales".to_owned()].as_slice(), true));
    assert_eq!(sales.ticket.priority.map(Priority::as_str), Some("high"));
    assert_eq!(sales.ticket.comment, config.ticket.comment);
    assert_ne!(sales.ticket.subject, config.ticket.subject);
}

#[test]
fn the_built_in_texts_tell_an_agent_who_called() {
    use crate::call::Field;
    let ticket = parse(LEAST).unwrap().ticket;
    let known = |field| {
        let value = match field {
            Field::CallerNumber => "+49 30 23125111",
            Field::Person => "Erika Mustermann",
            Field::Dialled => "600",
            Field::Group => "support",
            Field::AgentName => "Bernd Lange",
            Field::Answered => "2026-11-22T09:14:03+01:00",
            Field::CallId => "main/1795292763.0",
            _ => return None,
        };
        Some(value.to_owned())
    };
    assert_eq!(ticket.subject.render_line(known).unwrap(), "Call from Erika Mustermann");
    assert_eq!(
        ticket.comment.render(known),
        "Call from +49 30 23125111 at 2026-11-22T09:14:03+01:00\nKnown as: Erika Mustermann\n\
         Number dialled: 600\nGroup: support\nAnswered by: Bernd Lange\n\nCall main/1795292763.0"
    );
    let several = |field| match field {
        Field::Candidates => Some("Erika (17), Max (18)".to_owned()),
        Field::Person => None,
        _ => known(field),
    };
    assert_eq!(ticket.subject.render_line(several).unwrap(), "Call from +49 30 23125111");
    assert!(ticket.comment.render(several).contains(
        "\n\nSeveral people have this number, please choose the requester: Erika (17), Max (18)\n\n"
    ));
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let old = parse(PROMISED).unwrap();
    let table: &[(&str, &str, &[&str])] = &[
        ("wrap_up = \"30s\"", "wrap_up = \"1m\"", &[]),
        ("name = \"sales\"", "name = \"Sales\"", &[]),
        ("email = \"anna.weber@example.com\"", "email = \"a@example.com\"", &[]),
        ("unknown = \"default_user\"", "unknown = \"new_user\"", &[]),
        ("[journal]", "[log]\nlevel = \"debug\"\n[ticket]\nsubject = \"x\"\n[journal]", &[]),
        ("[journal]", "[log]\nformat = \"json\"\n[journal]", &["log.format"]),
        ("country = \"DE\"", "country = \"AT\"", &["callers.country"]),
        ("host = \"127.0.0.1\"", "host = \"::1\"", &["pbx"]),
        ("client_secret = \"…\"", "client_secret = \"new\"", &[]),
        ("https://example.", "https://example2.", &["crm"]),
        ("journal.db", "other.db", &["journal"]),
        ("8980", "8981", &["web"]),
    ];
    for (was, now, expected) in table {
        let new = parse(&changed(was, now)).unwrap();
        assert_eq!(old.needs_restart(&new), *expected, "{now}");
    }
}

#[test]
fn channel_variables_are_named_as_in_the_dialplan() {
    let with = |names: &str| {
        parse(&LEAST.replace("username = ", &format!("variables = [{names}]\nusername = ")))
            .map_err(|error| error.to_string())
    };
    let Source::Ami(ami) = &with("\"CRM_ID\", \"__Language\", \"CDR(did)\"").unwrap().sources[0];
    assert_eq!(ami.variables, ["CRM_ID", "Language", "CDR(did)"]);
    for wrong in ["${CRM_ID}", "a,b", "a=b", "a b", "", "_"] {
        let error = with(&format!("\"{wrong}\"")).unwrap_err();
        assert!(error.contains("pbx.ami.variables"), "{error}");
    }
}
