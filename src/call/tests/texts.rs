//! What tickets say.

use super::*;

/// The draft of a call from this number, with this word of the phone book.
fn draft(rules: &Rules, acts: &[Act]) -> TicketDraft {
    let mut told = Told::new(rules.clone());
    for act in acts {
        told.act(0, act);
    }
    match &told.owed[&1].task {
        Task::CreateTicket(draft) => (**draft).clone(),
        task => panic!("{task:?}"),
    }
}

#[test]
fn a_ticket_names_its_call_group_and_agent() {
    let draft = draft(&house(), &[arrives(MAX), joins("support"), found(7), answers("201")]);
    assert!(draft.external_id.contains("main/1795292763.0"), "{draft:?}");
    assert_eq!(draft.group.as_deref(), Some("SUPPORT"));
    assert_eq!(draft.subject, "Call from Max Muster");
    assert_eq!(draft.comment, format!("{MAX} Max Muster\nAnswered by Agent 201"));
    assert_eq!((draft.public, draft.tags, draft.priority), (false, vec!["telephone".to_owned()], None));
}

#[test]
fn an_unknown_callers_number_can_be_read_whatever_the_template_says() {
    let mut rules = house();
    let mut texts =
        Texts { comment: template("{group}"), ..Texts::clone(&rules.groups.named("support").unwrap().texts) };
    texts.subject = template("{group}");
    let group = Group { texts: Arc::new(texts), ..Group::clone(rules.groups.named("support").unwrap()) };
    rules.groups = Groups::default();
    rules.groups.add(Way::Queue("support".to_owned()), Arc::new(group));

    let unknown = draft(&rules, &[arrives(MAX), joins("support"), found_nobody(), answers("201")]);
    assert_eq!(unknown.comment, format!("support\nCaller: {MAX}"));
    let several = draft(&rules, &[arrives(MAX), joins("support"), found_several(), answers("201")]);
    for told in [MAX, "Person 7 (user 7)", "Person 8 (user 8)"] {
        assert!(several.comment.contains(told), "{}", several.comment);
    }
    let known = draft(&rules, &[arrives(MAX), joins("support"), found(7), answers("201")]);
    assert_eq!(known.comment, "support", "the person's number is the person's affair");
}

#[test]
fn a_hidden_number_is_nowhere_in_the_ticket_nor_is_the_name() {
    let acts = [arrives_asking(MAX), joins("support"), hidden(), answers("201")];
    let text = format!("{:?}", draft(&house(), &acts));
    assert!(!text.contains(MAX) && !text.contains("Muster"), "{text}");
    assert!(text.contains("withheld"), "{text}");
}

/// What the call says for each placeholder that has a value, after these acts, each a minute after the other.
fn told_by(acts: &[Act]) -> Vec<String> {
    let mut told = Told::new(house());
    for (minute, act) in (0..).zip(acts) {
        told.act(minute * 60, act);
    }
    let agent = told.call.last_agent.as_ref().map(|extension| told.rules.agent(extension));
    let fields = Field::OF_FIELDS.iter().cloned().chain([Field::Variable("crm_id".to_owned())]);
    fields
        .filter_map(|field| {
            let name = field.name();
            Some(format!("{name} {}", told.call.value(field, agent.as_ref(), "")?))
        })
        .collect()
}

#[test]
fn a_call_that_is_over_has_a_value_for_every_placeholder() {
    let variable = hears(Event::Variable { name: "crm_id".to_owned(), value: "K-17".to_owned() });
    let recorded = hears(Event::RecordingStarted { file: "in-600.wav".to_owned() });
    let acts = [
        arrives(MAX),
        joins("support"),
        variable,
        found(7),
        answers("201"),
        recorded,
        stands(1),
        caller_hangs_up(),
    ];
    assert_eq!(
        told_by(&acts),
        [
            &format!("caller_number {MAX}"),
            "caller_name Max Muster",
            "person Person 7",
            "contact_id 7",
            "dialled +493023125600",
            "group support",
            "agent_name Agent 201",
            "agent_extension 201",
            "agent_email 201@example.com",
            "direction inbound",
            "started 2026-11-21 20:26:03 UTC",
            "answered 2026-11-21 20:30:03 UTC",
            "ended 2026-11-21 20:33:03 UTC",
            "duration 00:03:00",
            "duration_seconds 180",
            "waiting 00:04:00",
            "waiting_seconds 240",
            "outcome answered",
            "hung_up_by caller",
            "call_id main/1795292763.0",
            "linked_id 1795292763.0",
            "source main",
            "ticket 35436",
            "recording in-600.wav",
            "var.crm_id K-17",
        ]
    );
}

#[test]
fn what_is_not_known_yet_is_empty_and_a_missed_call_was_waiting_until_its_end() {
    let has = |words: &[String], name: &str| words.iter().any(|word| word.starts_with(&format!("{name} ")));
    let ringing = told_by(&[arrives(MAX), joins("support"), rings("201")]);
    for name in ["answered", "ended", "duration", "waiting", "outcome", "ticket", "agent_email", "contact_id"]
    {
        assert!(!has(&ringing, name), "{name}: {ringing:?}");
    }
    let missed = told_by(&[arrives(MAX), joins("support"), rings("201"), hangs_up(EndedBy::Pbx)]);
    for word in ["waiting 00:03:00", "waiting_seconds 180", "outcome unanswered", "hung_up_by pbx"] {
        assert!(missed.contains(&word.to_owned()), "{word}: {missed:?}");
    }
    assert!(!has(&missed, "duration") && !has(&missed, "answered"), "{missed:?}");
    // Exchanges name recordings after the number.
    let recorded = hears(Event::RecordingStarted { file: format!("in-600-{MAX}.wav") });
    let hidden = told_by(&[arrives_asking(MAX), hidden(), joins("support"), answers("201"), recorded]);
    assert!(!hidden.iter().any(|word| word.contains(MAX)), "{hidden:?}");
}
