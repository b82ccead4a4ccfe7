//! The ways a call takes through the house: the ticket goes along.

use super::*;

/// Max calls `support`, 201 answers at 5 s, and the ticket stands.
fn answered(rest: &[Line]) -> Vec<Line> {
    let mut story = vec![
        (0, arrives(MAX), ""),
        (0, joins("support"), "look up"),
        (0, found(7), ""),
        (1, rings("201"), ""),
        (5, answers("201"), "1 ticket person 7 at 201"),
        (6, stands(1), ""),
    ];
    story.extend_from_slice(rest);
    story
}

#[test]
fn a_blind_transfer_takes_the_ticket_along() {
    let told = tell(
        &house(),
        &answered(&[
            (20, sends_on("201", "203"), ""),
            (25, answers("203"), "2 pop 203; 3 change of 203"),
            (25, popped(2, "203"), ""),
            (26, changed(3), ""),
            (40, caller_hangs_up(), "ended answered"),
            (70, Act::Waits, "closed"),
        ]),
    );
    assert_eq!((told.call.answered_by, told.call.last_agent), (Some(ext("201")), Some(ext("203"))));
    assert_eq!(told.call.transfers.len(), 1);
}

#[test]
fn an_attended_transfer_takes_the_ticket_along() {
    tell(
        &house(),
        &answered(&[
            (20, holds("201"), ""),
            (30, hands_over("201", "202"), ""),
            (30, answers("202"), "2 pop 202; 3 change of 202"),
            (31, popped(2, "202"), ""),
            (31, changed(3), ""),
        ]),
    );
}

#[test]
fn a_consultation_that_comes_back_changes_nothing() {
    let told = tell(
        &house(),
        &answered(&[
            (20, holds("201"), ""),
            (30, resumes(), ""),
            (30, answers("201"), ""),
            (40, caller_hangs_up(), "ended answered"),
            (70, Act::Waits, "closed"),
        ]),
    );
    assert!(told.call.held);
}

#[test]
fn the_consultation_itself_ends_as_a_part_of_the_call_and_makes_no_ticket() {
    let inside = hears(Event::Arrived {
        direction: Direction::Internal,
        number: "201".to_owned(),
        name: None,
        dialled: "202".to_owned(),
        presentation_asked: false,
    });
    let into: CallId = "main/1795292763.9".parse().unwrap();
    let told = tell(
        &house(),
        &[
            (0, inside, ""),
            (0, joins("support"), ""),
            (5, answers("202"), ""),
            (9, hears(Event::Absorbed { into: into.clone() }), "closed answered"),
            (9, caller_hangs_up(), ""),
        ],
    );
    assert_eq!(told.call.absorbed_into, Some(into));
}

#[test]
fn a_blind_transfer_that_nobody_takes_comes_back_without_a_second_pop() {
    tell(
        &house(),
        &answered(&[
            (20, sends_on("201", "203"), ""),
            (40, answers("201"), ""),
            (50, caller_hangs_up(), "ended answered"),
        ]),
    );
}

#[test]
fn a_call_that_is_sent_there_and_back_opens_again_at_the_first_agent() {
    tell(
        &house(),
        &answered(&[
            (20, sends_on("201", "203"), ""),
            (25, answers("203"), "2 pop 203; 3 change of 203"),
            (25, popped(2, "203"), ""),
            (25, changed(3), ""),
            (30, sends_on("203", "201"), ""),
            (35, answers("201"), "4 pop 201; 5 change of 201"),
            (35, popped(4, "201"), ""),
            (35, changed(5), ""),
        ]),
    );
}

#[test]
fn a_transfer_before_the_ticket_was_sent_changes_only_the_draft() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (20, sends_on("201", "203"), ""),
            (25, answers("203"), "1 ticket person 7 at 203"),
            (26, stands(1), ""),
            (40, caller_hangs_up(), "ended answered"),
            (70, Act::Waits, "closed"),
        ],
    );
}

#[test]
fn a_transfer_while_the_ticket_is_being_sent_is_made_up_for() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, Act::Sends(1), ""),
            (25, answers("203"), "1 ticket person 7 at 203"),
            (26, stands(1), "2 pop 203; 3 change of 203"),
            (26, popped(2, "203"), ""),
            (26, changed(3), ""),
        ],
    );
}

#[test]
fn transfers_faster_than_the_crm_end_at_the_last_agent() {
    tell(
        &house(),
        &answered(&[
            (25, answers("203"), "2 pop 203; 3 change of 203"),
            (26, answers("204"), ""),
            (27, answers("202"), ""),
            (40, popped(2, "203"), "4 pop 202"),
            (41, changed(3), "5 change of 202"),
            (42, popped(4, "202"), ""),
            (42, changed(5), ""),
        ]),
    );
}

#[test]
fn a_call_picked_up_elsewhere_is_the_ticket_of_who_took_it() {
    let told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, reaches("610"), "look up"),
            (0, found(7), ""),
            (1, rings("201"), ""),
            (4, picks_up("203", "201"), ""),
            (4, answers("203"), "1 ticket person 7 at 203"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "closed answered"),
        ],
    );
    assert!(told.lines.iter().any(|line| line.what == "203 picks the call up from 201"), "{:?}", told.lines);
}

#[test]
fn a_parked_call_opens_at_the_agent_who_takes_it_back() {
    let told = tell(
        &house(),
        &answered(&[
            (20, parks(), ""),
            (50, answers("202"), "2 pop 202; 3 change of 202"),
            (50, popped(2, "202"), ""),
            (50, changed(3), ""),
        ]),
    );
    assert!(told.call.parked);
}

#[test]
fn a_call_that_overflows_to_a_second_queue_stays_with_the_group_that_was_called() {
    let told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (6, joins("backoffice"), ""),
            (8, answers("204"), "1 ticket person 7 at 204"),
            (9, stands(1), ""),
            (20, caller_hangs_up(), "ended answered"),
            (50, Act::Waits, "closed"),
        ],
    );
    assert_eq!(told.call.group.as_deref(), Some("support"));
}

#[test]
fn two_phones_that_answer_at_once_make_one_ticket_of_the_later_one() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, reaches("610"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, answers("202"), "1 ticket person 7 at 202"),
            (6, stands(1), ""),
        ],
    );
}

#[test]
fn an_agent_whom_the_crm_does_not_know_gets_a_ticket_that_opens_for_nobody() {
    for extension in ["205", "299"] {
        tell(
            &house(),
            &[
                (0, arrives(MAX), ""),
                (0, joins("support"), "look up"),
                (0, found(7), ""),
                (5, answers(extension), "1 ticket person 7"),
                (6, stands(1), ""),
                (20, answers("201"), "2 pop 201; 3 change of 201"),
                (20, popped(2, "201"), ""),
                (20, changed(3), ""),
                // Nobody to give it to: it stays where it was.
                (30, answers(extension), ""),
                (40, caller_hangs_up(), "ended answered"),
                (70, Act::Waits, "closed"),
            ],
        );
    }
}

#[test]
fn a_call_to_a_group_that_nobody_watches_asks_for_nothing() {
    let told = tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("helpdesk"), ""),
            (1, rings("201"), ""),
            (5, answers("201"), ""),
            (20, sends_on("201", "203"), ""),
            (25, answers("203"), ""),
            (40, caller_hangs_up(), "closed answered"),
        ],
    );
    assert!(told.durable.is_none(), "nothing of it is written down");
}

#[test]
fn a_call_to_the_outside_is_no_customers_call_even_from_a_watched_queue() {
    let outbound = hears(Event::Arrived {
        direction: Direction::Outbound,
        number: "201".to_owned(),
        name: None,
        dialled: MAX.to_owned(),
        presentation_asked: false,
    });
    let told = tell(
        &house(),
        &[
            (0, outbound, ""),
            (0, joins("support"), ""),
            (9, hears(Event::FarEndAnswered), ""),
            (20, caller_hangs_up(), "ended answered"),
        ],
    );
    assert!(told.durable.is_none(), "nothing of it is written down");
}
