//! How calls end, and what is settled after them.

use super::*;

fn waiting(rest: &[Line]) -> Vec<Line> {
    let mut story = vec![(0, arrives(MAX), ""), (0, joins("support"), "look up"), (0, found(7), "")];
    story.extend_from_slice(rest);
    story
}

fn dial_fails(by: EndedBy, last_dial: DialResult) -> Act {
    hears(Event::HungUp { by: Some(by), last_dial: Some(last_dial), estimated: false })
}

#[test]
fn a_caller_who_gives_up_makes_no_ticket() {
    tell(&house(), &waiting(&[(1, rings("201"), ""), (9, caller_hangs_up(), "closed abandoned")]));
}

#[test]
fn a_caller_who_gives_up_while_the_search_runs_makes_no_ticket() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (3, caller_hangs_up(), "closed abandoned"),
            (5, found(7), ""),
        ],
    );
}

#[test]
fn a_call_that_the_pbx_gives_up_is_unanswered() {
    tell(&house(), &waiting(&[(1, rings("201"), ""), (60, hangs_up(EndedBy::Pbx), "closed unanswered")]));
}

#[test]
fn a_phone_that_refuses_makes_a_busy_call_and_another_one_may_still_answer() {
    let to_phones: &[Line] = &[(0, arrives(MAX), ""), (0, reaches("610"), "look up"), (0, found(7), "")];
    let busy = [(2, refuses("201"), ""), (3, dial_fails(EndedBy::Pbx, DialResult::Busy), "closed busy")];
    tell(&house(), &[to_phones, &busy].concat());
    let answered = [
        (2, refuses("201"), ""),
        (5, answers("202"), "1 ticket person 7 at 202"),
        (6, stands(1), ""),
        (9, dial_fails(EndedBy::Called, DialResult::Busy), "closed answered"),
    ];
    tell(&house(), &[to_phones, &answered].concat());
}

#[test]
fn a_busy_agent_in_a_queue_does_not_make_the_call_busy() {
    let end = dial_fails(EndedBy::Caller, DialResult::Busy);
    tell(&house(), &waiting(&[(2, refuses("201"), ""), (9, end, "closed abandoned")]));
}

#[test]
fn a_call_to_a_voice_mailbox_makes_no_ticket() {
    let mailbox = (20, hears(Event::ReachedVoicemail), "");
    tell(&house(), &waiting(&[mailbox, (40, caller_hangs_up(), "closed voicemail")]));
}

#[test]
fn a_call_that_vanished_while_nobody_listened_is_ended_by_estimate() {
    let gone = || hears(Event::HungUp { by: None, last_dial: None, estimated: true });
    tell(&house(), &waiting(&[(30, gone(), "closed abandoned")]));
    let told = tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (30, gone(), "ended answered"),
            (60, Act::Waits, "closed"),
        ]),
    );
    assert!(matches!(told.call.phase, Phase::Closed { estimated: true, .. }), "{:?}", told.call.phase);
}

#[test]
fn a_refused_ticket_is_not_owed_again_and_does_not_keep_the_call() {
    let told = tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, Act::Refuses(1), ""),
            (20, answers("203"), ""),
            (40, caller_hangs_up(), "ended answered"),
            (70, Act::Waits, "closed"),
        ]),
    );
    assert!(told.lines.iter().any(|line| line.why == "the CRM says no"), "{:?}", told.lines);
}

#[test]
fn a_refused_pop_is_not_owed_again() {
    tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (20, answers("203"), "2 pop 203; 3 change of 203"),
            (21, Act::Refuses(2), ""),
            (22, changed(3), ""),
            (40, caller_hangs_up(), "ended answered"),
            (70, Act::Waits, "closed"),
        ]),
    );
}

#[test]
fn a_refused_correction_is_not_owed_again() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (1, answers("201"), "1 ticket default at 201"),
            (2, stands(1), ""),
            (3, found(7), "2 change to person 7"),
            (4, Act::Refuses(2), ""),
            (9, answers("203"), "3 pop 203; 4 change of 203"),
            (9, popped(3, "203"), ""),
            (9, changed(4), ""),
            (20, caller_hangs_up(), "ended answered"),
            (50, Act::Waits, "5 person number +493023125111"),
            (51, filed(5, Filed::Nobody), "closed"),
        ],
    );
}

#[test]
fn a_pop_that_is_still_owed_after_the_wrap_up_is_withdrawn() {
    let told = tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (20, answers("203"), "2 pop 203; 3 change of 203"),
            (21, changed(3), ""),
            (30, caller_hangs_up(), "ended answered"),
            (59, Act::Waits, ""),
            (60, Act::Waits, "withdraw 2; closed"),
            (61, popped(2, "203"), ""),
        ]),
    );
    assert!(told.lines.iter().any(|line| line.what == "the screen pop is dropped"), "{:?}", told.lines);
}

#[test]
fn a_ticket_that_could_not_be_made_in_time_is_made_without_a_pop() {
    tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (30, caller_hangs_up(), "ended answered"),
            (60, Act::Waits, "1 ticket person 7 of (\"201\") pop None"),
            (600, stands(1), "closed"),
        ]),
    );
}

#[test]
fn a_ticket_that_stands_after_the_end_is_still_corrected() {
    tell(
        &house(),
        &[
            (0, arrives(MAX), ""),
            (0, joins("support"), "look up"),
            (0, Act::Searches, ""),
            (5, answers("201"), "1 ticket default at 201"),
            (5, Act::Sends(1), ""),
            (6, found(7), "1 ticket person 7 at 201"),
            (7, answers("203"), "1 ticket person 7 at 203"),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "1 ticket person 7 of (\"203\") pop None"),
            (600, stands(1), "2 change to person 7 of 203"),
            (601, changed(2), "closed"),
        ],
    );
}

#[test]
fn what_is_settled_in_an_odd_order_closes_the_call_with_the_last_of_it() {
    tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands(1), ""),
            (20, answers("203"), "2 pop 203; 3 change of 203"),
            (30, caller_hangs_up(), "ended answered"),
            (31, changed(3), ""),
            (31, changed(3), ""),
            (32, stands(1), ""),
            (33, popped(2, "203"), ""),
            (34, popped(2, "203"), ""),
            (60, Act::Waits, "closed"),
            (61, stands(1), ""),
        ]),
    );
}

#[test]
fn without_pops_in_the_crms_plan_none_is_owed() {
    let told = tell(
        &house(),
        &waiting(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (6, stands_as(1, Standing::AsDrafted, false), ""),
            (20, answers("203"), "2 change of 203"),
            (21, changed(2), ""),
        ]),
    );
    assert!(told.lines.iter().any(|line| line.what == "the ticket opens for nobody"), "{:?}", told.lines);
}

#[test]
fn a_call_shorter_than_the_word_on_its_number_still_gets_its_ticket() {
    tell(
        &house(),
        &[
            (0, arrives_asking(MAX), ""),
            (0, reaches("610"), ""),
            (0, answers("201"), ""),
            (0, caller_hangs_up(), "ended answered"),
            (1, Act::Waits, "look up"),
            (1, found(7), "1 ticket person 7 of (\"201\") pop None"),
            (2, stands(1), "closed"),
        ],
    );
}

/// What is answered for a ticket that was only observed: see [`TicketId::NONE`].
fn pretended_ticket() -> Event {
    Event::TicketStands(TicketStanding {
        ticket: TicketId::NONE,
        requester: Standing::AsDrafted,
        popped: None,
        pops_possible: true,
        reused: false,
    })
}

#[test]
fn observed_work_that_is_only_pretended_walks_the_same_way() {
    let mut told = Told::new(house());
    for act in [arrives(MAX), joins("support"), found(7), answers("201")] {
        told.act(5, &act);
    }
    let step = told.act(6, &Act::Does(1, pretended_ticket()));
    assert_eq!(step.effects, []);
    told.act(9, &caller_hangs_up());
    told.act(39, &Act::Waits);
    assert!(!told.call.open());
}

#[test]
fn a_clock_that_is_set_does_not_cut_the_wrap_up_short() {
    let mut told = Told::new(house());
    for act in [arrives(MAX), joins("support"), found(7), answers("201"), stands(1), caller_hangs_up()] {
        told.act(5, &act);
    }
    assert_eq!(told.call.due(), Some(at(35)));
    told.call.clock_jumped(SignedDuration::from_hours(1));
    assert_eq!(told.call.due(), Some(at(35 + 3600)));
}
