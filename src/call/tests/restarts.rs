//! The daemon dies and the next one goes on from what was durable.

use super::*;

#[test]
fn a_restart_before_the_answer_asks_again_who_calls() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (1, rings("201"), ""),
            (3, Act::Dies, "look up"),
            (3, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
        ],
    );
}

#[test]
fn a_restart_with_the_ticket_owed_keeps_the_same_key() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, Act::Dies, ""),
            (7, stands(1), ""),
            (9, Act::Dies, ""),
            (20, answers("203"), "2 pop 203; 3 change of 203"),
            (20, Act::Dies, ""),
            (21, popped(2, "203"), ""),
            (21, changed(3), ""),
            (30, caller_hangs_up(), "ended answered"),
            (31, Act::Dies, ""),
            (60, Act::Waits, "closed"),
        ],
    );
}

#[test]
fn a_restart_while_the_search_runs_makes_the_correction_all_the_same() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, Act::Dies, "look up"),
            (3, found(7), "2 change to person 7"),
            (4, Act::Dies, ""),
            (5, changed(2), ""),
        ],
    );
}

#[test]
fn a_restart_after_the_wrap_up_closes_what_owes_nothing() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, found(7), ""),
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (500, Act::Dies, "closed"),
        ],
    );
}

#[test]
fn a_restart_while_the_pbx_is_asked_about_a_hidden_number_waits_for_it_no_longer() {
    tell(
        &house(),
        &[
            (0, arrives_asking(MAX), ""),
            (0, joins("support"), ""),
            (0, answers("201"), ""),
            (0, Act::Dies, ""),
            (0, Act::Waits, "look up"),
            (0, found(7), "1 ticket person 7 at 201"),
        ],
    );
}
