//! Who calls, and whose the ticket is.

use super::*;

#[test]
fn a_known_caller_is_answered() {
    let told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (1, rings("201"), ""),
            (1, rings("202"), ""),
            (9, answers("202"), "1 ticket person 7 at 202"),
            (10, stands(1), ""),
            (60, caller_hangs_up(), "ended answered"),
            (90, Act::Waits, "closed"),
        ],
    );
    let said: Vec<&str> = told.lines.iter().map(|line| &*line.what).collect();
    let expected = [
        "group support",
        "the caller is person 7",
        "rings at 201",
        "rings at 202",
        "202 speaks with the caller",
        "a ticket for person 7 is owed",
        "ticket 35436 stands",
        "the ticket is open at 202",
        "ended: answered",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_call_to_a_ring_group_is_looked_up_when_it_reaches_the_group() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, reaches("610"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (9, caller_hangs_up(), "closed answered"),
        ],
    );
}

#[test]
fn a_call_to_a_watched_number_is_looked_up_as_it_arrives() {
    tell(
        &house(),
        &[
            (0, arrives_at(MAX, "+493023125605"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
        ],
    );
}

#[test]
fn an_answer_before_the_search_is_corrected_while_the_ticket_is_owed() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, found(7), "1 ticket person 7 at 201"),
            (2, stands(1), ""),
        ],
    );
}

#[test]
fn an_answer_before_the_search_is_corrected_when_the_ticket_was_sent_already() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (1, Act::Sends(1), ""),
            (2, found(7), "1 ticket person 7 at 201"),
            (3, stands(1), "2 change to person 7"),
            (4, changed(2), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ],
    );
}

#[test]
fn an_answer_before_the_search_is_corrected_after_the_ticket_stands() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (9, found(7), "2 change to person 7"),
            (9, changed(2), ""),
        ],
    );
}

#[test]
fn a_search_slower_than_the_whole_call_still_corrects_the_ticket() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, caller_hangs_up(), "ended answered"),
            (33, Act::Waits, ""),
            (50, found(7), "2 change to person 7"),
            (51, changed(2), "closed"),
        ],
    );
}

#[test]
fn an_unknown_caller_is_the_default_users() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found_nobody(), ""),
            (5, answers("201"), "1 ticket default at 201"),
            (5, stands(1), ""),
        ],
    );
}

#[test]
fn an_unknown_caller_becomes_a_new_user_where_the_house_wants_it() {
    tell(
        &house_of_new_users(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found_nobody(), ""),
            (5, answers("201"), "1 ticket new Max Muster at 201"),
            (5, stands_as(1, Standing::NewUser(person(9)), true), ""),
        ],
    );
}

#[test]
fn an_unknown_caller_becomes_a_new_user_also_when_the_search_was_slow() {
    tell(
        &house_of_new_users(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, found_nobody(), "2 change to new Max Muster"),
            (3, changed(2), ""),
        ],
    );
}

#[test]
fn a_caller_who_sends_no_number_is_the_default_users_and_never_looked_up() {
    for (sent, rules) in [
        ("", house()),
        ("anonymous", house_of_new_users()),
        ("204", house()),
        ("1234567890123456789", house_of_new_users()),
    ] {
        tell(
            &rules,
            &[
                (0, arrives(sent), ""),
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
fn a_number_hidden_by_presentation_is_neither_looked_up_nor_made_a_user() {
    tell(
        &house_of_new_users(),
        &[
            (0, arrives_asking(MAX), ""),
            (0, joins("support"), ""),
            (0, hidden(), ""),
            (5, answers("201"), "1 ticket default at 201"),
            (5, stands(1), ""),
        ],
    );
}

#[test]
fn the_ticket_waits_a_moment_for_the_word_on_a_hidden_number() {
    tell(
        &house(),
        &[
            (0, arrives_asking(MAX), ""),
            (0, joins("support"), ""),
            (0, answers("201"), ""),
            (0, shown(), "look up"),
            (0, found(7), "1 ticket person 7 at 201"),
        ],
    );
}

#[test]
fn a_pbx_that_does_not_tell_in_time_lets_the_number_be_shown() {
    tell(
        &house(),
        &[
            (0, arrives_asking(MAX), ""),
            (0, joins("support"), ""),
            (0, answers("201"), ""),
            (1, Act::Waits, "look up"),
            (1, found(7), "1 ticket person 7 at 201"),
            (1, stands(1), ""),
            // It tells after all: the person is taken away again.
            (2, hidden(), "2 change to default"),
            (2, changed(2), ""),
        ],
    );
}

#[test]
fn a_number_of_several_persons_is_the_default_users_with_their_names() {
    let told = tell(
        &house_of_new_users(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found_several(), ""),
            (5, answers("201"), "1 ticket default at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "2 person number +493023125111"),
            (40, filed(2, Filed::Nobody), "closed"),
        ],
    );
    let Task::CreateTicket(draft) = &told.owed[&1].task else { panic!("{:?}", told.owed) };
    assert!(draft.tells_candidates, "{draft:?}");
}

#[test]
fn several_persons_found_late_are_named_in_a_comment() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, found_several(), "2 change with comment"),
            (3, changed(2), ""),
        ],
    );
}

#[test]
fn a_look_up_that_fails_is_tried_again_with_growing_pauses() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, finds_nothing_out(), ""),
            (2, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (2, Act::Waits, ""),
            (3, Act::Waits, "look up"),
            (3, Act::Searches, ""),
            (4, finds_nothing_out(), ""),
            (7, Act::Waits, ""),
            (8, Act::Waits, "look up"),
            (8, Act::Searches, ""),
            (9, found(7), "2 change to person 7"),
            (9, changed(2), ""),
        ],
    );
}

#[test]
fn a_look_up_that_never_succeeds_lets_the_call_go_in_the_end() {
    let mut told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, caller_hangs_up(), "ended answered"),
            (33, Act::Waits, ""),
        ],
    );
    let mut now = 33;
    for failures in 1..=10 {
        assert!(told.call.open(), "after {failures} failures");
        told.act(now, &finds_nothing_out());
        let Some(due) = told.call.due() else { break };
        now = due.duration_since(at(0)).as_secs();
        told.act(now, &Act::Waits);
        told.act(now, &Act::Searches);
    }
    told.act(now, &filed(2, Filed::Nobody));
    assert!(!told.call.open(), "{:?}", told.call);
    assert!((200..400).contains(&now), "after {now} s");
}

#[test]
fn a_person_whom_the_crm_refuses_is_not_tried_twice() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands_as(1, Standing::DefaultUserInstead, true), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "2 person number +493023125111"),
            (40, filed(2, Filed::Nobody), "closed"),
        ],
    );
}
