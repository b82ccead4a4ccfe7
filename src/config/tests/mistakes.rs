//! What every mistake looks like.

use super::*;

/// Lines of `[archive]` and what the error must say of them.
#[test]
fn mistakes_of_the_archive_are_told() {
    let smb = "[archive.smb]\nhost = 'nas'\nshare = 'calls'\nusername = 'u'\npassword = 'p'\n";
    let folder = "[archive.folder]\npath = '/mnt/nas'\n";
    let whole = |archive: &str, share: &str| format!("{PROMISED}[archive]\n{archive}\n{share}");
    let table = [
        (whole("at = ['3.30']", smb), "archive.at", "\"3.30\" is no time of the day"),
        (whole("at = []", smb), "archive.at", "no time is named"),
        (whole("cron = '61 * * * *'", smb), "archive.cron", "is no cron line"),
        (whole("at = ['03:30']\ncron = '0 3 * * *'", smb), "archive.cron", "`at` is set as well"),
        (whole("time_zone = 'Europe/Berlinn'", smb), "archive.time_zone", "is no time zone"),
        (whole("subfolder = 'a:b'", smb), "archive.subfolder", "cannot be a folder"),
        (whole("date_folders = '%H:%M'", smb), "archive.date_folders", "makes no folders"),
        (whole("keep_days = 0", smb), "archive.keep_days", "from 1 to 36500"),
        (whole("", &format!("{smb}{folder}")), "archive.smb", "keep one of the two"),
        (whole("", &smb.replace("'calls'", "'//nas/calls'")), "archive.smb.share", "is no share's name"),
        (whole("", &smb.replace("password = 'p'", "")), "archive.smb.password", "this key is missing"),
        (whole("", &smb.replace("'u'", "'D\\u'\ndomain = 'E'")), "archive.smb.domain", "has a domain in it"),
        (
            whole("", &format!("{smb}require_encryption = true\n")),
            "archive.smb.require_encryption",
            "cannot demand",
        ),
        (whole("", &folder.replace("path", "pfad")), "archive.folder.pfad", "unknown key"),
        (whole("", "[archive.ftp]\nhost = 'nas'\n"), "archive.ftp", "unknown key"),
    ];
    for (text, key, words) in table {
        let error = error_of(&text);
        assert!(error.contains(key) && error.contains(words), "{key}: {error}");
    }
    if !cfg!(feature = "libsmbclient") {
        let error = error_of(&whole("", &format!("{smb}client = 'libsmbclient'\n")));
        assert!(error.contains("archive.smb.client") && error.contains("built without"), "{error}");
    }
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
    (
        "record = false",
        "record = true",
        "21:10: group.record",
        "play an announcement on the PBX, then write consent = \"announced\" in [recording]",
    ),
    ("record = false", "priority = \"highest\"", "21:12: group.priority", "\"urgent\""),
    (
        "[journal]",
        "[recording]\nconsent = \"yes\"\n[journal]",
        "29:11: recording.consent",
        "write \"announced\"",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"/monitor/{caller_number}.wav\"\n[journal]",
        "29:8: recording.file",
        "neither {call_id} nor {linked_id}",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"/monitor/*{call_id}.wav\"\n[journal]",
        "29:8: recording.file",
        "has a `*`",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"/monitor/{call_id}.mp3\"\n[journal]",
        "29:8: recording.file",
        "does not end with a format",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"monitor/{call_id}.wav\"\n[journal]",
        "29:8: recording.file",
        "does not begin with a slash",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"/a/../{call_id}.wav\"\n[journal]",
        "29:8: recording.file",
        "leads to other folders",
    ),
    (
        "[journal]",
        "[recording]\nfile = \"/a (1)/{call_id}.wav\"\n[journal]",
        "29:8: recording.file",
        "that Asterisk reads otherwise",
    ),
    (
        "[journal]",
        "[recording]\nname = \"/{call_id}\"\n[journal]",
        "29:8: recording.name",
        "is no name of a file",
    ),
    (
        "[journal]",
        "[recording]\nattached_name = \"a/{time}\"\n[journal]",
        "29:17: recording.attached_name",
        "without slash",
    ),
    (
        "[journal]",
        "[recording]\npath_map = [\"/var/spool\"]\n[journal]",
        "29:13: recording.path_map",
        "no pair of folders",
    ),
    ("record = false", "tags = [\"a b\"]", "21:9: group.tags", "\"a b\" is no tag"),
    (
        "record = false",
        "merge_missed_within = \"25h\"",
        "21:23: group.merge_missed_within",
        "from 0ms to 24h",
    ),
    ("record = false", "reuse_open_ticket = true", "21:21: group.reuse_open_ticket", "from 0ms to 720h"),
    ("record = false", "on_abandoned = \"yes\"", "21:16: group.on_abandoned", "write true or false"),
    (
        "record = false",
        "missed_comment = \"{agent_name}\"",
        "21:18: group.missed_comment",
        "there is no placeholder `{agent_name}`",
    ),
    ("record = false", "comment = \"{ended}\"", "21:11: group.comment", "there is no placeholder `{ended}`"),
    (
        "record = false",
        "subject = \"{var.CRM_ID}\"",
        "21:11: group.subject",
        "the channel variable `crm_id` is not asked for: write it into `variables` of [[pbx.ami]]",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\ndeputy_agent = \"a@b.c\"",
        "10:16: crm.zendesk.deputy_agent",
        "call it default_agent",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\ndefault_agent = \"A@b.c\"\ndeputy_agent = \"a@B.c\"",
        "11:16: crm.zendesk.deputy_agent",
        "this is the default_agent already",
    ),
    (
        "client_id = \"ringdesk\"",
        "client_id = \"x\"\ncalls_app_id = \"17\"",
        "10:16: crm.zendesk.calls_app_id",
        "\"17\" is text: write the id of an app",
    ),
    ("[journal]", "[[field]]\nticket = 'Waiting'\n[journal]", "28:1: field.value", "this key is missing"),
    ("[journal]", "[[field]]\nvalue = '{waiting}'\n[journal]", "28:1: field", "a field is one of ticket"),
    (
        "[journal]",
        "[[field]]\nticket = 'a'\nuser = 'b'\nvalue = '{waiting}'\n[journal]",
        "28:1: field",
        "one [[field]] table for each",
    ),
    (
        "[journal]",
        "[[field]]\ntag = 'call_{outcome}'\nvalue = '{waiting}'\n[journal]",
        "30:9: field.value",
        "the tag is the value",
    ),
    ("[journal]", "[[field]]\ntag = 'call {outcome}'\n[journal]", "29:7: field.tag", "without blanks"),
    (
        "[journal]",
        "[[field]]\nuser = 'Customer number'\nvalue = '{ticket}'\n[journal]",
        "29:8: field.user",
        "\"Customer number\" is no key of a user field",
    ),
    (
        "[journal]",
        "[[field]]\nuser = 'a'\nvalue = '{candidates}'\n[journal]",
        "30:9: field.value",
        "there is no placeholder `{candidates}`",
    ),
    (
        "[journal]",
        "[[field]]\nticket = 'a'\nvalue = '{ticket}'\n[[field]]\nticket = 'A'\nvalue = '{ended}'\n[journal]",
        "32:10: field.ticket",
        "two [[field]] tables write this",
    ),
    ("[journal]", "[[show]]\nlabel = 'Product'\n[journal]", "28:1: show", "write one of user"),
    ("[journal]", "[[show]]\nuser = 'a'\n[journal]", "28:1: show.label", "this key is missing"),
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
fn what_is_probably_not_meant_is_a_warning() {
    let warned = |text: &str, words: &str| {
        let config = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{words}: {warnings:?}");
    };
    warned(&LEAST.replace("[[group]]\nqueue = \"support\"\n", ""), "no call is watched");
    warned(&changed("127.0.0.1:8980", "[::]:8980"), "31:10: web.listen: [::]:8980 can be reached");
    warned(&changed("name = \"sales\"", "name = \"Support\""), "two groups are called");
    warned(
        &changed("[journal]", "[recording]\nvoicemail = true\nkeep_days = 91\n[journal]"),
        "recordings are kept longer than calls (91 days against 90)",
    );
    warned(
        &changed("[journal]", "[agents]\ncsv_file = \"nowhere.csv\"\n[journal]"),
        "cannot read /etc/ringdesk/nowhere.csv",
    );
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
