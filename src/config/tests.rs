//! The whole config: what must work, and what every mistake looks like to the admin.

use std::path::Path;
use std::time::Duration;

use super::reader::Presence;
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
    assert_eq!(config.groups[0].wrap_up, Duration::from_secs(30));
    assert_eq!(config.groups[1].ticket, config.ticket);
    assert_eq!(config.listed_agents[0].email.as_str(), "anna.weber@example.com");
    assert_eq!(config.journal.url.to_string(), "sqlite:/var/lib/ringdesk/journal.db");
    assert_eq!(config.web.listen.unwrap().to_string(), "127.0.0.1:8980");
}

#[test]
fn the_commented_file_is_equal_to_the_defaults() {
    let shown = parse(COMMENTED).unwrap();
    let agent = "[[agent]]\nextension = '201'\nemail = 'anna.weber@example.com'\n";
    let built_in = parse(&format!("{LEAST}{agent}")).unwrap();
    assert_eq!(shown, built_in);
}

/// Lines of the commented file as (table, key, whether it is commented out).
fn shown_keys() -> Vec<(String, String, bool)> {
    let (mut keys, mut table, mut in_text) = (Vec::new(), String::new(), false);
    for line in COMMENTED.lines() {
        if in_text {
            in_text = !line.contains("\"\"\"");
        } else if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
        } else {
            let bare = line.strip_prefix('#').unwrap_or(line);
            if let Some((key, value)) = bare.split_once(" = ")
                && bare.starts_with(|c: char| c.is_ascii_lowercase())
            {
                keys.push((table.clone(), key.to_owned(), line.starts_with('#')));
                in_text = value.trim() == "\"\"\"";
            }
        }
    }
    keys
}

#[test]
fn the_commented_file_shows_every_key_and_each_default_uncommented() {
    let (shown, known) = (shown_keys(), known_keys());
    assert!(known.len() > 60, "{}", known.len());
    for key in &known {
        let line = shown.iter().find(|(table, name, _)| *table == key.table && name == key.key);
        let (_, _, commented) = line.unwrap_or_else(|| panic!("{}.{} is not shown", key.table, key.key));
        assert!(!commented || key.presence == Presence::Optional || key.secret, "{}.{}", key.table, key.key);
    }
    for (table, name, _) in &shown {
        assert!(
            known.iter().any(|key| key.table == *table && key.key == name),
            "{table}.{name} is shown, but nobody reads it"
        );
    }
}

#[test]
fn every_commented_key_works_when_it_is_uncommented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ringdesk.toml");
    // Of keys that shut each other out, the others are taken away.
    let rivals = [
        ("secret_file", "secret"),
        ("secret_credential", "secret"),
        ("client_secret_file", "client_secret"),
        ("client_secret_credential", "client_secret"),
        ("extension", "queue"),
        ("did", "queue"),
        ("priority", ""),
    ];
    let mut tried = 0;
    for (table, key, _) in shown_keys().into_iter().filter(|(_, _, commented)| *commented) {
        let mut text = String::new();
        let mut here = "";
        let mut found = false;
        for line in COMMENTED.lines() {
            if line.starts_with('[') {
                here = line.trim_matches(['[', ']']);
            }
            let name = line.split(" = ").next().unwrap_or("");
            let rival = rivals.iter().any(|(one, other)| *one == key && *other == name);
            if here != table {
                text.push_str(line);
            } else if name.strip_prefix('#') == Some(key.as_str()) && !found {
                found = true;
                text.push_str(&line[1..]);
            } else if key.starts_with("api_token") || key == "email" {
                // The old way in: both its keys, and none of the new way.
                if name == "#email" || (key == "email" && name == "#api_token") {
                    text.push_str(&line[1..]);
                } else if !name.starts_with("client_") {
                    text.push_str(line);
                }
            } else if table == "pbx.ami" && name == "tls" {
                text.push_str("tls = true");
            } else if table == "pbx.ami" && name == "port" {
            } else if !rival {
                text.push_str(line);
            }
            text.push('\n');
        }
        let text = text.replace("/etc/ringdesk/", "");
        for name in [
            "ami.secret",
            "zendesk.secret",
            "zendesk.token",
            "ami",
            "zendesk",
            "zendesk-token",
            "agents.csv",
            "pbx-ca.pem",
        ] {
            std::fs::write(folder.path().join(name), "hush\n").unwrap();
        }
        let environment = [("CREDENTIALS_DIRECTORY", folder.path())].into_iter().collect();
        if let Err(error) = Config::parse(&text, &file, &environment, Secrets::Needed) {
            panic!("{table}.{key}: {error}");
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn a_mistake_is_told_with_place_value_and_way_out() {
    assert_eq!(
        error_of(&changed("wrap_up = \"30s\"", "wrap_up = \"30\"")),
        "/etc/ringdesk/ringdesk.toml:20:11: group.wrap_up: \"30\" is no duration: write a whole number with its \
         unit ms, s, m, h or d, such as \"250ms\", \"30s\", \"5m\" or \"4h\", from 0ms to 24h\n   \
         |\n20 | wrap_up = \"30\"\n   |           ^^^^"
    );
}

/// One changed line and what the error must say of it.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    // (old, new, LINE:COLUMN: key, words)
    ("username = \"ringdesk\"", "usrname = \"ringdesk\"", "5:1: pbx.ami.usrname", "did you mean `username`?"),
    (
        "username = \"ringdesk\"",
        "",
        "2:1: pbx.ami.username",
        "this key is missing: write username = \"ringdesk\"",
    ),
    ("username = \"ringdesk\"", "username = \"a\\r\\nb\"", "5:12: pbx.ami.username", "line break"),
    (
        "name = \"main\"",
        "name = \"Main PBX\"",
        "3:8: pbx.ami.name",
        "`Main PBX` is not a source's name: write 1 to 32",
    ),
    ("host = \"127.0.0.1\"", "host = \"10.0.0.5:5038\"", "4:8: pbx.ami.host", "the port has its own key"),
    (
        "host = \"127.0.0.1\"",
        "port = 70000",
        "4:8: pbx.ami.port",
        "70000 is not allowed: write a TCP port, a whole number from 1 to 65535",
    ),
    ("host = \"127.0.0.1\"", "port = \"5038\"", "4:8: pbx.ami.port", "\"5038\" is text"),
    ("host = \"127.0.0.1\"", "port = 5038.5", "4:8: pbx.ami.port", "a number with a point"),
    ("host = \"127.0.0.1\"", "port = 99999999999999999999", "4:8: pbx.ami.port", "too large"),
    ("host = \"127.0.0.1\"", "tls = \"yes\"", "4:7: pbx.ami.tls", "this is text: write true or false"),
    (
        "host = \"127.0.0.1\"",
        "ca_file = \"/nowhere.pem\"",
        "4:11: pbx.ami.ca_file",
        "cannot read /nowhere.pem",
    ),
    ("host = \"127.0.0.1\"", "pin_sha256 = \"ab:cd\"", "4:14: pbx.ami.pin_sha256", "64 hexadecimal digits"),
    (
        "host = \"127.0.0.1\"",
        "tls_server_name = \"pbx\"",
        "4:19: pbx.ami.tls_server_name",
        "without `tls = true`",
    ),
    (
        "host = \"127.0.0.1\"",
        "ping_deadline = \"30s\"",
        "4:17: pbx.ami.ping_deadline",
        "(30s) is longer than ping_every (20s)",
    ),
    (
        "host = \"127.0.0.1\"",
        "ping_every = \"5s\"",
        "4:14: pbx.ami.ping_every",
        "ping_deadline (10s) is longer than ping_every (5s)",
    ),
    (
        "host = \"127.0.0.1\"",
        "presentation_timeout = \"5s\"",
        "4:24: pbx.ami.presentation_timeout",
        "out of range",
    ),
    ("host = \"127.0.0.1\"", "connect_timeout = 10", "4:19: pbx.ami.connect_timeout", "10 has no unit"),
    (
        "host = \"127.0.0.1\"",
        "trunks = [\"PJSIP/a-*\", \"b c\"]",
        "4:24: pbx.ami.trunks",
        "\"b c\" is no pattern",
    ),
    ("host = \"127.0.0.1\"", "trunks = \"PJSIP/a-*\"", "4:10: pbx.ami.trunks", "write a list"),
    (
        "secret = \"…\"                        #",
        "secret_credential = \"ami\" #",
        "6:21: pbx.ami.secret_credential",
        "LoadCredential=ami:/path",
    ),
    (
        "secret = \"…\"                        #",
        "secret_credential = \"../x\" #",
        "6:21: pbx.ami.secret_credential",
        "no credential's name",
    ),
    (
        "secret = \"…\"                        #",
        "secret_file = \"/no/such\" #",
        "6:15: pbx.ami.secret_file",
        "cannot read /no/such",
    ),
    (
        "secret = \"…\"                        #",
        "secret_file = 'x'\nsecret_credential = 'y' #",
        "7:1: pbx.ami.secret_credential",
        "`secret_file` is set as well: keep one",
    ),
    ("secret = \"…\"                        #", "#", "2:1: pbx.ami.secret", "this key is missing"),
    ("[[pbx.ami]]", "[[pbx.sip]]", "2:7: pbx.sip", "unknown kind of PBX: known is `ami`"),
    (
        "[[pbx.ami]]",
        "[pbx.ami]",
        "2:1: pbx.ami",
        "this is a table: write each one as a table of its own, [[pbx.ami]]",
    ),
    ("[crm.zendesk]", "[crm.zendsek]", "7:6: crm.zendsek", "unknown kind of CRM: did you mean `zendesk`?"),
    ("https://example.zendesk.com", "http://example.zendesk.com", "8:7: crm.zendesk.url", "is not encrypted"),
    ("https://example.zendesk.com", "example.zendesk.com", "8:7: crm.zendesk.url", "is no URL"),
    (
        "https://example.zendesk.com",
        "https://example.zendesk.com/agent",
        "8:7: crm.zendesk.url",
        "has a path",
    ),
    ("https://example.zendesk.com", "ftp://example.zendesk.com", "8:7: crm.zendesk.url", "neither https"),
    ("client_id = \"ringdesk\"", "", "7:1: crm.zendesk", "no way to log in"),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"ringdesk\"\nemail = \"a@b.c\"",
        "10:9: crm.zendesk",
        "two ways to log in",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\napi_token_file = \"/no\"",
        "7:1: crm.zendesk",
        "two ways to log in",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\nrequest_timeout = \"36s\"",
        "10:19: crm.zendesk.request_timeout",
        "together must be less than 40s",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\nvoice = \"on\"",
        "10:9: crm.zendesk.voice",
        "write \"auto\" or \"off\"",
    ),
    ("country = \"DE\"", "country = \"UK\"", "12:11: callers.country", "the United Kingdom is \"GB\""),
    (
        "country = \"DE\"",
        "country = 49",
        "12:11: callers.country",
        "49 is a number: write text in quotes, \"49\"",
    ),
    (
        "area_code = \"30\"",
        "area_code = \"Berlin\"",
        "13:13: callers.area_code",
        "\"Berlin\" is no area code",
    ),
    ("area_code = \"30\"", "strip_prefix = \"0-\"", "13:16: callers.strip_prefix", "at most four digits"),
    (
        "area_code = \"30\"",
        "new_user_name = \"{nummer}\"",
        "13:17: callers.new_user_name",
        "write {number}, {caller_name}",
    ),
    (
        "unknown = \"default_user\"",
        "unknown = \"nobody\"",
        "14:11: callers.unknown",
        "write \"default_user\" or \"new_user\"",
    ),
    (
        "default_user = \"telephone@example.com\"",
        "default_user = \"telephone\"",
        "15:16: callers.default_user",
        "no e-mail address",
    ),
    ("\"user_fields.phone_2\"", "\"phone_2\"", "16:26: callers.phone_fields", "\"user_fields.phone_2\""),
    ("\"user_fields.phone_2\"", "\"phone\"", "16:16: callers.phone_fields", "\"phone\" is named twice"),
    ("queue = \"support\"", "", "17:1: group", "write one of queue"),
    (
        "queue = \"support\"",
        "queue = \"support\"\ndid = \"+4930\"",
        "19:7: group",
        "one of queue, extension and did",
    ),
    ("extension = \"610\"", "queue = \"support\"", "23:9: group.queue", "two groups have the queue support"),
    (
        "extension = \"610\"",
        "extension = 610",
        "23:13: group.extension",
        "610 is a number: write text in quotes, \"610\"",
    ),
    ("extension = \"610\"", "did = \"sales\"", "23:7: group.did", "no number dialled from outside"),
    (
        "record = false",
        "comment = \"\"\"\nx\n{caler}\"\"\"",
        "21:11: group.comment",
        "there is no placeholder `{caler}`",
    ),
    ("record = false", "priority = \"highest\"", "21:12: group.priority", "\"urgent\""),
    ("record = false", "tags = [\"a b\"]", "21:9: group.tags", "\"a b\" is no tag"),
    ("email = \"anna.weber@example.com\"", "", "25:1: agent.email", "this key is missing"),
    (
        "[journal]",
        "[[agent]]\nextension='201'\nemail='b@c.d'\n[journal]",
        "29:11: agent.extension",
        "two agents have the extension",
    ),
    ("sqlite:/var/lib/ringdesk/journal.db", "/var/lib/journal.db", "29:7: journal.url", "write \"sqlite:\""),
    ("sqlite:/var/lib/ringdesk/journal.db", "postgres://u:hush@h/d", "29:7: journal.url", "in SQLite only"),
    ("listen = \"127.0.0.1:8980\"", "listen = \"8980\"", "31:10: web.listen", "\"[::1]:8980\""),
    ("listen = \"127.0.0.1:8980\"", "[database]", "31:2: database", "unknown key"),
    ("listen = \"127.0.0.1:8980\"", "[log]\nlevel = \"loud\"", "32:9: log.level", "\"trace\""),
];

#[test]
fn every_mistake_has_its_place_and_its_words() {
    for (old, new, place, words) in MISTAKES {
        let error = error_of(&changed(old, new));
        let expected = format!("/etc/ringdesk/ringdesk.toml:{place}: ");
        let found = error.split("\n\n").any(|one| one.starts_with(&expected) && one.contains(words));
        assert!(found, "{new}: expected {expected}…{words}…, but:\n{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = changed("country = \"DE\"", "country = \"XX\"")
        .replace("secret = \"…\"  ", "secret = \"\"  ")
        .replace("queue = \"support\"", "queue = 5")
        .replace("listen =", "lisen =");
    let error = error_of(&text);
    let places: Vec<_> =
        error.split("\n\n").map(|one| one.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        [
            "/etc/ringdesk/ringdesk.toml:6:10 pbx.ami.secret",
            "/etc/ringdesk/ringdesk.toml:12:11 callers.country",
            "/etc/ringdesk/ringdesk.toml:18:9 group.queue",
            "/etc/ringdesk/ringdesk.toml:31:1 web.lisen",
            "4 mistakes"
        ],
        "{error}"
    );
}

#[test]
fn a_missing_table_is_told() {
    for (header, key) in [("[[pbx.ami]]", "pbx"), ("[crm.zendesk]", "crm"), ("[callers]", "callers")] {
        let rest: String = LEAST
            .split_inclusive("\n[")
            .collect::<String>()
            .split("\n[")
            .filter(|table| !table.is_empty() && !format!("[{table}").starts_with(header))
            .map(|table| format!("[{table}\n"))
            .collect();
        let error = error_of(&rest);
        let expected = format!("/etc/ringdesk/ringdesk.toml: {key}: this table is missing: write {header}");
        assert_eq!(error, expected);
    }
    assert!(error_of("").contains("3 mistakes"));
}

#[test]
fn text_that_is_no_toml_is_told_line_by_line() {
    let error = error_of("mode = run\n[log\nlevel = \"info\"\n");
    assert!(error.starts_with("/etc/ringdesk/ringdesk.toml:1:8: this is no TOML: "), "{error}");
    assert!(error.contains("1 | mode = run") && error.contains(":2:5: "), "{error}");
    let error = error_of("mode = 'run'\nmode = 'run'\n");
    assert!(error.contains(":2:1: `mode` is there twice: keep one"), "{error}");
}

#[test]
fn no_error_shows_a_secret() {
    // Each line is wrong in another way and holds the word "hush".
    let wrong = [
        "secret = \"hush\\n\"",
        "secret = \"hush",
        "secret = hush",
        "secret = 'hush' host = 'x'",
        "secrt = \"hush\"",
        "passwort = \"hush\"",
        "secret = [\"hush\"]",
        "secret = { text = \"hush\" }",
        "host = 'x' secret = 'hush'",
        "secret = \"a\nhush\"",
        "host = \"http://user:hush@pbx\" x",
        "zugang = { secret = \"hush\", x = [{ y = \"hush\" }] }",
        "[pbx.ami.x]\nsecret = \"hush\"\n[[pbx.ami.y]]\nsecret = \"hush\"",
    ];
    for line in wrong {
        let text = PROMISED.replace("secret = \"…\"                        #", &format!("{line} #"));
        let error = parse(&text).expect_err(line);
        assert!(!format!("{error} {error:?}").contains("hush"), "{line}:\n{error}");
    }
    for (old, new) in [
        ("https://example.zendesk.com", "https://u:hush@example.zendesk.com"),
        ("sqlite:/var/lib/ringdesk/journal.db", "postgres://u:hush@h/d"),
        ("host = \"127.0.0.1\"", "host = \"user:hush@pbx\""),
        ("host = \"127.0.0.1\"", "trunks = [\"a\", \"user:hush@pbx x\"]"),
    ] {
        let text = changed(old, new);
        assert!(!error_of(&text).contains("hush"), "{}", error_of(&text));
    }
    for name in
        ["RINGDESK__PBX__AMI__0__SECRET", "RINGDESK__PBX__AMI__0__SECRT", "RINGDESK__PBX__AMI__7__SECRET"]
    {
        let error = parse_with(PROMISED, &[(name, "hush\nhush")]).unwrap_err().to_string();
        assert!(!error.contains("hush") && error.contains(name), "{error}");
    }
    let config = parse(&PROMISED.replace("\"…\"", "\"hush\"")).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn variables_go_over_the_file_with_the_type_of_their_key() {
    let config = parse_with(
        PROMISED,
        &[
            ("RINGDESK__PBX__AMI__0__SECRET", "00123"),
            ("RINGDESK__PBX__AMI__0__PORT", "5040"),
            ("RINGDESK__PBX__AMI__0__EVENT_FILTER", "false"),
            ("RINGDESK__PBX__AMI__0__TRUNKS", "PJSIP/a-*, PJSIP/b-*"),
            ("RINGDESK__PBX__AMI__1__NAME", "branch"),
            ("RINGDESK__PBX__AMI__1__USERNAME", "true"),
            ("RINGDESK__PBX__AMI__1__SECRET", "1e3"),
            ("RINGDESK__CRM__ZENDESK__CLIENT_SECRET", " with blanks "),
            ("RINGDESK__GROUP__1__WRAP_UP", "1m"),
            ("RINGDESK__LOG__LEVEL", "debug"),
            ("RINGDESK__WEB__LISTEN", ""),
        ],
    )
    .unwrap();
    let [Source::Ami(main), Source::Ami(branch)] = config.sources.as_slice() else { panic!() };
    assert_eq!((main.secret.expose(), main.port, main.event_filter), ("00123", 5040, false));
    assert_eq!(main.trunks.len(), 2);
    assert_eq!(
        (branch.name.as_str(), branch.username.as_str(), branch.secret.expose()),
        ("branch", "true", "1e3")
    );
    let Crm::Zendesk(Zendesk { login: ZendeskLogin::OAuth { client_secret, .. }, .. }) = &config.crm else {
        panic!()
    };
    assert_eq!(client_secret.expose(), " with blanks ");
    assert_eq!(config.groups[1].wrap_up, Duration::from_secs(60));
    assert_eq!((config.log.level, config.web.listen), (tracing::Level::DEBUG, None));
}

#[test]
fn a_wrong_variable_is_named() {
    let table = [
        ("RINGDESK__PBX__AMI__0__PORT", "many", "pbx.ami.port: \"many\" is not allowed: write a TCP port"),
        ("RINGDESK__PBX__AMI__0__TLS", "yes", "pbx.ami.tls: \"yes\" is not allowed: write true or false"),
        ("RINGDESK__GROUP__0__WRAP_UP", "30", "group.wrap_up: \"30\" is no duration"),
        ("RINGDESK__GROUP__0__WRAPUP", "30s", "group.wrapup: unknown key: did you mean `wrap_up`?"),
        ("RINGDESK__CRM__SALESFORCE__URL", "x", "crm.salesforce: unknown kind of CRM: known is `zendesk`"),
        ("RINGDESK__TICKET", "x", "ticket: this is text: write it as a table, [ticket]"),
        ("RINGDESK__PBX__AMI__0__NAME__X", "x", "a name in it is a key of the file, not a table"),
    ];
    for (name, value, expected) in table {
        let error = parse_with(PROMISED, &[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("environment variable {name}: {expected}")), "{error}");
    }
}

#[test]
fn a_secret_comes_from_text_file_or_credential_and_a_variable_beats_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("ami.secret");
    std::fs::write(&secret, "from file\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(folder.path().join("token"), "from systemd").unwrap();
    let text = PROMISED
        .replace("secret = \"…\"                        #", "secret_file = \"ami.secret\" #")
        .replace("client_secret = \"…\"", "client_secret_credential = \"token\"");
    let load = |variables: &[(&str, &str)], secrets| {
        let environment = variables.iter().copied().collect();
        Config::parse(&text, &folder.path().join("ringdesk.toml"), &environment, secrets)
    };
    let secrets_of = |config: &Config| {
        let [Source::Ami(ami)] = config.sources.as_slice() else { panic!() };
        let Crm::Zendesk(Zendesk { login: ZendeskLogin::OAuth { client_secret, .. }, .. }) = &config.crm
        else {
            panic!()
        };
        (ami.secret.expose().to_owned(), client_secret.expose().to_owned())
    };
    let directory = ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());

    let config = load(&[directory], Secrets::Needed).unwrap();
    assert_eq!(secrets_of(&config), ("from file".to_owned(), "from systemd".to_owned()));
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.message.ends_with("is open to others (0644): chmod 0640"), "{warning}");
    assert!(warning.to_string().contains(":6:15: pbx.ami.secret_file: "), "{warning}");

    let config = load(&[directory, ("RINGDESK__PBX__AMI__0__SECRET", "over it")], Secrets::Needed).unwrap();
    assert_eq!(secrets_of(&config).0, "over it");

    // Outside the service there are no credentials: `check` goes on and says so.
    assert!(load(&[], Secrets::Needed).unwrap_err().to_string().contains("LoadCredential=token:"));
    let config = load(&[], Secrets::IfReadable).unwrap();
    assert_eq!(secrets_of(&config).1, "");
    assert!(config.warnings.iter().any(|warning| warning.message.contains("not looked at")));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warned = |text: &str, words: &str| {
        let config = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{words}: {warnings:?}");
    };
    warned(&LEAST.replace("[[group]]\nqueue = \"support\"\n", ""), "no call is watched");
    warned(&changed("127.0.0.1:8980", "[::]:8980"), "31:10: web.listen: [::]:8980 can be reached");
    warned(&changed("record = false", "record = true"), "not part of this version");
    warned(&changed("name = \"sales\"", "name = \"Support\""), "two groups are called");
    warned(
        &changed("[journal]", "[agents]\ncsv_file = \"nowhere.csv\"\n[journal]"),
        "cannot read /etc/ringdesk/nowhere.csv",
    );
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
        ("client_secret = \"…\"", "client_secret = \"new\"", &["crm"]),
        ("journal.db", "other.db", &["journal"]),
        ("8980", "8981", &["web"]),
    ];
    for (was, now, expected) in table {
        let new = parse(&changed(was, now)).unwrap();
        assert_eq!(old.needs_restart(&new), *expected, "{now}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ringdesk.toml");
    let load = || Config::load(&file, &Environment::empty());

    assert!(load().unwrap_err().to_string().starts_with("cannot read "));
    std::fs::write(&file, b"mode = \"run\"\n# caf\xe9\n").unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("ringdesk.toml:2: not UTF-8 text"), "{error}");
    std::fs::write(&file, vec![b'#'; LARGEST as usize + 1]).unwrap();
    assert!(load().unwrap_err().to_string().contains("this is no config"));

    std::fs::write(&file, PROMISED).unwrap();
    for (permissions, warned) in [(0o640, false), (0o600, false), (0o644, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(permissions)).unwrap();
        let warnings = load().unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{permissions:o} {warnings:?}");
    }
    // Without a secret in it, everybody may read it.
    std::fs::write(folder.path().join("s"), "x").unwrap();
    std::fs::set_permissions(folder.path().join("s"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, PROMISED.replace("secret = \"…\"", "secret_file = \"s\"")).unwrap();
    assert_eq!(load().unwrap().warnings, []);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(at in 0..PROMISED.len(), cut in 0..40_usize, put in "[ -~\n\u{fc}]{0,6}") {
        let start = PROMISED.floor_char_boundary(at);
        let end = PROMISED.floor_char_boundary((at + cut).min(PROMISED.len()));
        let text = format!("{}{put}{}", &PROMISED[..start], &PROMISED[end..]);
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}
