//! What follows an answered call: the number at its owner, fields, the record of the call.

use super::*;

fn field(target: FieldTarget, value: &str) -> FieldRule {
    FieldRule { target, value: template(value) }
}

fn house_with(fields: impl IntoIterator<Item = FieldRule>) -> Rules {
    Rules { fields: fields.into_iter().collect(), ..house() }
}

/// An unknown caller speaks with 201 from second 5 to 9; ticket 35436 is the default user's.
fn unknown_caller(rest: &[Line]) -> Vec<Line> {
    let mut story = vec![
        (0, arrives(MAX), ""),
        (0, joins("support"), "look up"),
        (0, found_nobody(), ""),
        (5, answers("201"), "1 ticket default at 201"),
        (5, stands(1), ""),
        (9, caller_hangs_up(), "ended answered"),
    ];
    story.extend_from_slice(rest);
    story
}

fn told_of(told: &Told, what: &str) -> usize {
    told.lines.iter().filter(|line| line.what.contains(what)).count()
}

#[test]
fn after_the_wrap_up_time_the_number_of_an_unknown_caller_looks_for_its_owner_once() {
    let written = Filed::Written { person: person(9), place: "phone".to_owned() };
    let told = tell(
        &house(),
        &unknown_caller(&[
            (38, Act::Waits, ""),
            (39, Act::Waits, "2 person number +493023125111"),
            (40, filed(2, written), "closed"),
        ]),
    );
    assert_eq!(told_of(&told, "the number is written to person 9"), 1, "{:?}", told.lines);
}

#[test]
fn a_number_that_its_person_has_already_is_not_looked_after() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ],
    );
}

#[test]
fn withheld_and_internal_numbers_are_written_to_nobody() {
    for number in ["anonymous", "205"] {
        tell(
            &house(),
            &[
                (0, arrives(number), ""),
                (0, joins("support"), ""),
                (5, answers("201"), "1 ticket default at 201"),
                (5, stands(1), ""),
                (9, caller_hangs_up(), "ended answered"),
                (39, Act::Waits, "closed"),
            ],
        );
    }
}

#[test]
fn a_user_made_for_the_number_is_named_to_whoever_looks_for_the_owner() {
    for remove in [false, true] {
        let rules = Rules { remove_placeholders: remove, ..house_of_new_users() };
        let told = tell(
            &rules,
            &[
                (0, arrives(MAX), ""),
                (0, joins("support"), "look up"),
                (0, found_nobody(), ""),
                (5, answers("201"), "1 ticket new Max Muster at 201"),
                (5, stands_as(1, Standing::NewUser(person(12)), true), ""),
                (9, caller_hangs_up(), "ended answered"),
                (39, Act::Waits, "2 person number +493023125111"),
                (40, filed(2, Filed::HadIt { person: person(12) }), "closed"),
            ],
        );
        let Task::UpdatePerson(update) = &told.owed[&2].task else { panic!("{:?}", told.owed) };
        assert_eq!(update.placeholder, Some(Placeholder { person: person(12), remove }));
        assert_eq!(update.ticket, TicketId(35_436));
    }
}

#[test]
fn the_number_waits_for_a_search_that_is_slower_than_the_wrap_up_time() {
    let slow = [
        (0, arrives(MAX), ""),
        (0, joins("support"), "look up"),
        (0, Act::Searches, ""),
        (5, answers("201"), "1 ticket default at 201"),
        (5, stands(1), ""),
        (9, caller_hangs_up(), "ended answered"),
        (39, Act::Waits, ""),
    ];
    let with = |rest: &[Line]| [&slow[..], rest].concat();
    tell(&house(), &with(&[(50, found(7), "2 change to person 7"), (51, changed(2), "closed")]));
    tell(
        &house(),
        &with(&[
            (50, found_nobody(), "2 person number +493023125111"),
            (51, filed(2, Filed::Nobody), "closed"),
        ]),
    );
}

#[test]
fn what_can_never_be_written_does_not_keep_the_call() {
    let told = tell(
        &house(),
        &unknown_caller(&[
            (39, Act::Waits, "2 person number +493023125111"),
            (40, Act::Refuses(2), "closed"),
        ]),
    );
    assert_eq!(told_of(&told, "refused: update_person"), 1, "{:?}", told.lines);
}

#[test]
fn every_end_of_a_number_is_told_with_its_reason() {
    for (end, words) in [
        (Filed::HadIt { person: person(9) }, "person 9 has the number already"),
        (Filed::NoRoom { person: person(9) }, "the number is not written to person 9"),
        (Filed::Nobody, "the number has no owner yet"),
        (Filed::NotWritable { reason: "an agent".to_owned() }, "the number is not written"),
        (Filed::TicketGone, "the number has no owner yet"),
    ] {
        let told = tell(
            &house(),
            &unknown_caller(&[
                (39, Act::Waits, "2 person number +493023125111"),
                (40, filed(2, end.clone()), "closed"),
            ]),
        );
        let line = told.lines.iter().find(|line| line.what == words);
        assert!(
            line.is_some_and(|line| matches!(end, Filed::HadIt { .. }) || !line.why.is_empty()),
            "{:?}",
            told.lines
        );
    }
}

#[test]
fn fields_and_tags_go_in_one_change_when_the_wrap_up_time_is_over_and_empty_ones_are_left_out() {
    let rules = house_with([
        field(FieldTarget::Ticket("Line".to_owned()), "{dialled}"),
        field(FieldTarget::Ticket("Person".to_owned()), "{person}"),
        field(FieldTarget::Tag, "from_{direction}"),
        field(FieldTarget::Tag, "{person}"),
    ]);
    let told = tell(
        &rules,
        &unknown_caller(&[
            (39, Act::Waits, "2 change"),
            (40, changed(2), "3 person number +493023125111"),
            (41, filed(3, Filed::Nobody), "closed"),
        ]),
    );
    let Task::UpdateTicket { change, .. } = &told.owed[&2].task else { panic!("{:?}", told.owed) };
    let line = FieldValue { field: "Line".to_owned(), value: "+493023125600".to_owned() };
    assert_eq!((&change.fields, &change.tags), (&vec![line], &vec!["from_inbound".to_owned()]));
    assert_eq!(change.comment, None);
}

#[test]
fn refused_fields_are_not_tried_again_and_hold_nothing_up() {
    let rules = house_with([field(FieldTarget::Ticket("Line".to_owned()), "{dialled}")]);
    tell(
        &rules,
        &unknown_caller(&[
            (39, Act::Waits, "2 change"),
            (40, Act::Refuses(2), "3 person number +493023125111"),
            (41, filed(3, Filed::Nobody), "closed"),
        ]),
    );
}

#[test]
fn a_person_who_was_found_gets_fields_and_no_number() {
    let rules = house_with([field(FieldTarget::Person("last_call".to_owned()), "{started}")]);
    let told = tell(
        &rules,
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "2 person"),
            (
                40,
                Act::Does(
                    2,
                    Event::PersonUpdated(PersonUpdated { number: None, placeholder_removed: false }),
                ),
                "closed",
            ),
        ],
    );
    let Task::UpdatePerson(update) = &told.owed[&2].task else { panic!("{:?}", told.owed) };
    assert_eq!((update.number, update.fields.len()), (None, 1));
}

#[test]
fn the_record_of_a_call_is_made_at_its_end_and_shown_when_its_id_is_known() {
    let rules = Rules { records: true, ..house() };
    let record = || Act::Does(2, Event::CallRecorded { record: RecordId(77) });
    let told = tell(
        &rules,
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "2 record; ended answered"),
            (10, record(), "3 show 77"),
            (11, Act::Does(3, Event::RecordShown), ""),
            (39, Act::Waits, "closed"),
        ],
    );
    let Task::RecordCall(record) = &told.owed[&2].task else { panic!("{:?}", told.owed) };
    assert_eq!((record.ended.duration_since(at(9)).as_secs(), record.outcome), (0, Outcome::Answered));
    assert_eq!(record.agent.as_ref().map(|agent| agent.extension.to_string()).as_deref(), Some("201"));
}

#[test]
fn without_pops_in_the_crms_plan_there_is_no_record_either() {
    let rules = Rules { records: true, ..house() };
    tell(
        &rules,
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands_as(1, Standing::AsDrafted, false), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ],
    );
}

#[test]
fn an_older_ticket_that_takes_the_call_keeps_its_agent() {
    let reused = Event::TicketStands(TicketStanding {
        ticket: TicketId(35_000),
        requester: Standing::AsDrafted,
        popped: None,
        pops_possible: true,
        reused: true,
    });
    let told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, Act::Does(1, reused), ""),
            (8, answers("203"), "2 pop 203"),
            (8, popped(2, "203"), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ],
    );
    assert_eq!(told_of(&told, "ticket 35000 takes the call"), 1, "{:?}", told.lines);
}

#[test]
fn tickets_are_written_in_the_name_of_the_agent_who_spoke_unless_the_house_forbids_it() {
    for (always, extension, author) in
        [(false, "201", Some("201")), (false, "205", None), (true, "201", None)]
    {
        let rules = Rules { always_default_agent: always, ..house() };
        let mut told = Told::new(rules);
        for act in [arrives(MAX), joins("support"), found(7), answers(extension)] {
            told.act(5, &act);
        }
        let Task::CreateTicket(draft) = &told.owed[&1].task else { panic!("{:?}", told.owed) };
        let named = match draft.author.as_ref().unwrap() {
            Author::Agent(agent) => Some(agent.extension.to_string()),
            Author::DefaultAgent => None,
        };
        assert_eq!(named.as_deref(), author, "{always} {extension}");
        assert!(!draft.for_default_agent);
    }
}

#[test]
fn the_longest_story_changes_its_ticket_four_times_at_most() {
    let rules = house_with([
        field(FieldTarget::Ticket("Line".to_owned()), "{dialled}"),
        field(FieldTarget::Tag, "from_{direction}"),
    ]);
    let told = tell(
        &rules,
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, found(7), "2 change to person 7"),
            // While the first change is under way, the call is sent on twice.
            (4, answers("202"), "3 pop 202"),
            (5, popped(3, "202"), ""),
            (6, answers("203"), "4 pop 203"),
            (7, popped(4, "203"), ""),
            (8, changed(2), "5 change of 203"),
            (8, changed(5), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "6 change"),
            (40, changed(6), "closed"),
        ],
    );
    let updates = told.owed.values().filter(|work| matches!(work.task, Task::UpdateTicket { .. })).count();
    assert_eq!(updates, 3);
}
