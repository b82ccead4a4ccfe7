//! Secrets stay secret, wherever they come from; variables go over the file.

use super::*;

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
    assert_eq!(config.groups[1].wrap_up, Some(Duration::from_secs(60)));
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
