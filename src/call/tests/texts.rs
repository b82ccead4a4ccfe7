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
