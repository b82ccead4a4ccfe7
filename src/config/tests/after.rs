//! What follows a call.

use super::*;
use crate::call::{Field, FieldTarget, Template};

fn with(more: &str) -> Config {
    parse(&format!("{LEAST}{more}")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn nothing_follows_a_call_where_nobody_asks_for_it() {
    let config = parse(LEAST).unwrap();
    let ticket = &config.ticket;
    assert!(!ticket.on_abandoned && !ticket.on_voicemail && !ticket.solve_missed);
    assert_eq!((ticket.reuse_open_ticket, ticket.merge_missed_within), (None, Duration::from_secs(3_600)));
    assert!(!config.callers.remove_placeholders);
    let Crm::Zendesk(zendesk) = &config.crm;
    assert_eq!((&zendesk.default_agent, &zendesk.deputy_agent), (&None, &None));
    assert!(!zendesk.always_default_agent && zendesk.calls_app_id.is_none());
    assert!(config.fields.is_empty() && config.shown.is_empty());
}

#[test]
fn a_group_has_its_own_way_with_missed_calls_where_it_says_so() {
    let config = with(
        "on_abandoned = false\nreuse_open_ticket = \"0s\"\nmissed_subject = \"Ring {caller_number}\"\n\
         [ticket]\non_abandoned = true\non_voicemail = true\nmerge_missed_within = \"0s\"\n\
         solve_missed = true\nreuse_open_ticket = \"2h\"\n[[group]]\nqueue = \"sales\"\n",
    );
    let [support, sales] = config.groups.as_slice() else { panic!("{:?}", config.groups) };
    assert_eq!(sales.ticket, config.ticket);
    assert_eq!(sales.ticket.reuse_open_ticket, Some(Duration::from_secs(7_200)));
    assert!(sales.ticket.on_abandoned && sales.ticket.on_voicemail && sales.ticket.solve_missed);
    assert!(!support.ticket.on_abandoned && support.ticket.on_voicemail);
    assert_eq!(support.ticket.merge_missed_within, Duration::ZERO);
    assert_eq!(support.ticket.reuse_open_ticket, Some(Duration::ZERO), "off, although [ticket] has it");
    assert_eq!(support.ticket.missed_comment, config.ticket.missed_comment);
    assert_ne!(support.ticket.missed_subject, config.ticket.missed_subject);
}

#[test]
fn the_built_in_texts_tell_whom_to_call_back() {
    let ticket = parse(LEAST).unwrap().ticket;
    let known = |field| {
        let value = match field {
            Field::CallerNumber => "+493023125111",
            Field::Started => "2026-11-22 08:14:03 UTC",
            Field::Dialled => "600",
            Field::Group => "support",
            Field::Waiting => "00:01:30",
            Field::Outcome => "abandoned",
            Field::CallId => "main/1795292763.0",
            _ => return None,
        };
        Some(value.to_owned())
    };
    assert_eq!(ticket.missed_subject.render_line(known).unwrap(), "Missed call from +493023125111");
    assert_eq!(
        ticket.missed_comment.render(known),
        "Nobody answered a call at 2026-11-22 08:14:03 UTC\nNumber to call back: +493023125111\nNumber dialled: 600\n\
         Group: support\nWaited: 00:01:30\nEnded: abandoned\n\nCall main/1795292763.0"
    );
}

#[test]
fn a_field_knows_its_line_and_a_channel_variable_must_be_asked_for() {
    let asked = LEAST.replace("username =", "variables = [\"__CRM_ID\"]\nusername =");
    let text = format!(
        "{asked}[[field]]\nticket = \"Waiting time\"\nvalue = \"{{waiting_seconds}}\"\n\
         [[field]]\nuser = \"user_fields.crm\"\nvalue = \"{{var.Crm_Id}}\"\n\
         [[field]]\ntag = \"CALL_{{outcome}}\"\n[[field]]\ntag = \"from_{{group}}\"\n"
    );
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let targets: Vec<_> = config.fields.iter().map(|field| field.target.clone()).collect();
    let (ticket, person) = ("Waiting time".to_owned(), "crm".to_owned());
    assert_eq!(
        targets,
        [FieldTarget::Ticket(ticket), FieldTarget::Person(person), FieldTarget::Tag, FieldTarget::Tag]
    );
    let variable = Template::compile_with("{var.crm_id}", &[], &["crm_id".to_owned()]).unwrap();
    assert_eq!(config.fields[1].value, variable);
    let places: Vec<_> = config.fields.iter().map(|field| field.finding("wrong").to_string()).collect();
    let line = |part: &str| text.lines().position(|line| line.contains(part)).unwrap() + 1;
    let first = line("ticket = \"Waiting");
    assert_eq!(
        places[0],
        format!(
            "/etc/ringdesk/ringdesk.toml:{first}:10: field.ticket: wrong\n   |\n{first} | ticket = \"Waiting time\"\n   \
             |          ^^^^^^^^^^^^^^"
        )
    );
    assert!(places[1].contains(&format!(":{}:8: field.user: ", line("user_fields.crm"))), "{}", places[1]);
    assert!(places[3].contains(&format!(":{}:7: field.tag: ", line("from_{group}"))), "{}", places[3]);

    // That something else is wrong with the PBX does not make its variables unknown.
    let error = error_of(&text.replace("secret = \"change me\"\n[crm", "[crm"));
    assert!(error.contains("pbx.ami.secret: this key is missing") && !error.contains("crm_id"), "{error}");
}

#[test]
fn there_are_at_most_fifty_fields_and_five_lines_to_show() {
    let fields = |count: usize| {
        let field = |number| format!("[[field]]\nuser = \"f{number}\"\nvalue = \"{{ticket}}\"\n");
        (0..count).map(field).collect::<String>()
    };
    let show = |count: usize| "[[show]]\nlabel = \"x\"\nticket = \"Product\"\n".repeat(count);
    let config = with(&format!("{}{}", fields(50), show(5)));
    assert_eq!((config.fields.len(), config.shown.len()), (50, 5));
    let shown = Shown { label: "x".to_owned(), of: ShownOf::Ticket("Product".to_owned()) };
    assert_eq!(config.shown[0], shown);
    for (text, words) in
        [(fields(52), "more than 50 [[field]] tables"), (show(7), "more than 5 [[show]] tables")]
    {
        let error = error_of(&format!("{LEAST}{text}"));
        assert!(error.contains(words) && !error.contains("mistakes"), "{error}");
    }
}

#[test]
fn who_does_what_nobody_does_changes_without_a_restart() {
    let old = with("");
    let table: &[(&str, &[&str])] = &[
        ("default_agent = \"a@example.com\"\ndeputy_agent = \"b@example.com\"\n", &[]),
        ("always_default_agent = true\n", &[]),
        ("calls_app_id = 17\n", &["crm"]),
    ];
    for (keys, expected) in table {
        let new = parse(&LEAST.replace("[callers]", &format!("{keys}[callers]"))).unwrap();
        assert_eq!(old.needs_restart(&new), *expected, "{keys}");
    }
    let fields = with("[[field]]\ntag = \"x_{outcome}\"\n[ticket]\non_abandoned = true\n");
    assert_eq!(old.needs_restart(&fields), [""; 0]);
    assert_eq!(old.needs_restart(&with("[[show]]\nlabel = \"x\"\nuser = \"y\"\n")), ["show"]);
}
