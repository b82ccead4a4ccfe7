//! Calls that nobody answered, and what calls of one caller do to each other.

use super::recorded::{keep, with_each_group};
use super::*;

const HOUR: i64 = 3600;

fn house_of_missed(missed: Missed) -> Rules {
    with_each_group(house(), |group| group.missed = missed)
}

fn all() -> Missed {
    let merge_within = SignedDuration::from_secs(HOUR);
    Missed { on_abandoned: true, on_voicemail: true, merge_within, solve: true }
}

/// A book with its rules, and what its calls want, as `call: wish`.
struct Board {
    book: Book,
    rules: Rules,
    owed: HashMap<(String, u32), Work>,
    wishes: Vec<String>,
}

impl Board {
    fn new(missed: Missed) -> Self {
        let rules = house_of_missed(missed);
        Self { book: Book::default(), rules, owed: HashMap::new(), wishes: Vec::new() }
    }

    fn takes(&mut self, call: &str, step: Step) {
        for (other, step) in step.others {
            self.takes(other.pbx(), step);
        }
        for effect in step.effects {
            let wish = short(&effect);
            if wish != "look up" {
                self.wishes.push(format!("{call}: {wish}"));
            }
            if let Effect::Owe(work) = effect {
                self.owed.insert((call.to_owned(), work.seq), work);
            }
        }
    }

    fn hears(&mut self, second: i64, call: &str, act: &Act) {
        let Act::Hears(event) = act else { panic!("{act:?}") };
        let id: CallId = format!("main/{call}").parse().unwrap();
        let step = self.book.on(&Heard { call: id, at: at(second), event: event.clone() }, &self.rules);
        self.takes(call, step);
    }

    fn does(&mut self, second: i64, call: &str, seq: u32, event: &Event) {
        let work = self.owed[&(call.to_owned(), seq)].clone();
        let step = self.book.delivered(&work, event, at(second), &self.rules);
        self.takes(call, step);
    }

    fn ticket(&mut self, second: i64, call: &str, ticket: u64) {
        let stands = Event::TicketStands(TicketStanding {
            ticket: TicketId(ticket),
            requester: Standing::AsDrafted,
            popped: None,
            pops_possible: false,
            reused: false,
        });
        self.does(second, call, 1, &stands);
    }

    fn waits(&mut self, second: i64) {
        for id in self.book.due(at(second)) {
            let step = self.book.on_time(&id, at(second), &self.rules);
            self.takes(id.pbx(), step);
        }
    }

    /// The caller rings at a queue and gives up after 20 s.
    fn missed_at(&mut self, second: i64, call: &str, number: &str, queue: &str) {
        for act in [arrives(number), joins(queue), found(7)] {
            self.hears(second, call, &act);
        }
        self.hears(second + 20, call, &caller_hangs_up());
    }

    fn missed(&mut self, second: i64, call: &str) {
        self.missed_at(second, call, MAX, "support");
    }

    fn answered(&mut self, second: i64, call: &str) {
        for act in [arrives(MAX), joins("support"), found(7), answers("201")] {
            self.hears(second, call, &act);
        }
    }

    fn wishes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wishes)
    }

    fn change(&self, call: &str, seq: u32) -> &TicketChange {
        match &self.owed[&(call.to_owned(), seq)].task {
            Task::UpdateTicket { change, .. } => change,
            other => panic!("{other:?}"),
        }
    }

    /// A restart: what is open is read back.
    fn restarts(&mut self, second: i64) {
        let calls: Vec<Call> = self.book.calls().filter(|call| call.open()).map(read_back).collect();
        self.book = Book::recover(calls);
        let ids: Vec<CallId> = self.book.calls().map(|call| call.id.clone()).collect();
        for id in ids {
            let step = self.book.resume(&id, at(second), &self.rules);
            self.takes(id.pbx(), step);
        }
    }
}

#[test]
fn a_caller_who_gives_up_gets_a_ticket_for_the_default_agent_where_the_house_wants_it() {
    let mut board = Board::new(all());
    board.missed(0, "1.1");
    assert_eq!(board.wishes(), ["1.1: 1 ticket person 7"]);
    let Task::CreateTicket(draft) = &board.owed[&("1.1".to_owned(), 1)].task else { panic!() };
    assert!(draft.for_default_agent && draft.assignee.is_none() && draft.pop.is_none(), "{draft:?}");
    assert_eq!(draft.author, Some(Author::DefaultAgent));
    assert_eq!((&*draft.subject, draft.group.as_deref()), ("Missed: Max Muster", Some("SUPPORT")));
    board.ticket(21, "1.1", 35_436);
    board.waits(20 + HOUR);
    assert_eq!(board.wishes(), [""; 0]);
    assert_eq!(board.book.sweep().len(), 1, "it is closed");
}

#[test]
fn only_what_the_house_wants_gets_a_ticket() {
    let voicemail = hears(Event::ReachedVoicemail);
    let only = |on_abandoned, on_voicemail| Missed { on_abandoned, on_voicemail, ..all() };
    for (missed, tickets) in
        [(Missed::default(), 0), (only(true, false), 1), (only(false, true), 1), (only(true, true), 2)]
    {
        let mut board = Board::new(missed);
        board.missed(0, "1.1");
        for act in [arrives("+493023125222"), joins("support"), found_nobody(), voicemail.clone()] {
            board.hears(1, "1.2", &act);
        }
        board.hears(30, "1.2", &caller_hangs_up());
        assert_eq!(board.wishes().len(), tickets, "{missed:?}");
    }
}

#[test]
fn further_attempts_of_the_caller_go_into_the_ticket_of_the_first() {
    for restarts in [false, true] {
        let mut board = Board::new(all());
        board.missed(0, "1.1");
        // Once before the ticket stands, once after, once while a comment is under way.
        board.missed(60, "1.2");
        assert_eq!(board.wishes(), ["1.1: 1 ticket person 7"]);
        if restarts {
            board.restarts(85);
        }
        board.ticket(90, "1.1", 35_436);
        assert_eq!(board.wishes(), ["1.1: 2 change with comment"]);
        board.missed(100, "1.3");
        board.missed(200, "1.4");
        if restarts {
            board.restarts(230);
        }
        assert_eq!(board.wishes(), [""; 0]);
        board.does(250, "1.1", 2, &Event::TicketUpdated);
        assert_eq!(board.wishes(), ["1.1: 3 change with comment"]);
        let comment = board.change("1.1", 3).comment.clone().unwrap();
        assert_eq!(comment.matches("waited 20 s").count(), 2, "{comment}");
        board.does(251, "1.1", 3, &Event::TicketUpdated);
        assert_eq!(board.wishes(), [""; 0]);
        let open: Vec<&str> =
            board.book.calls().filter(|call| call.open()).map(|call| call.id.pbx()).collect();
        assert_eq!(open, ["1.1"], "the others are done with");
    }
}

#[test]
fn what_is_not_the_same_caller_the_same_group_or_the_same_hour_has_its_own_ticket() {
    let mut board = Board::new(all());
    board.missed(0, "1.1");
    board.missed_at(60, "1.2", "+493023125222", "support");
    board.missed_at(60, "1.3", MAX, "backoffice");
    board.missed_at(60, "1.4", "anonymous", "support");
    board.missed_at(60, "1.5", "anonymous", "support");
    assert_eq!(board.wishes().len(), 5);
    board.waits(20 + HOUR);
    board.ticket(21 + HOUR, "1.1", 1);
    board.missed(25 + HOUR, "1.6");
    assert_eq!(board.wishes(), ["1.6: 1 ticket person 7"]);
}

#[test]
fn a_later_answered_call_solves_the_ticket_and_names_its_own() {
    let mut board = Board::new(all());
    board.missed(0, "1.1");
    board.ticket(21, "1.1", 35_436);
    board.answered(600, "1.2");
    assert_eq!(board.wishes(), ["1.1: 1 ticket person 7", "1.2: 1 ticket person 7 at 201"]);
    board.ticket(601, "1.2", 35_440);
    assert_eq!(board.wishes(), ["1.1: 2 change with comment"]);
    let change = board.change("1.1", 2);
    assert!(change.solve && change.comment.as_deref().unwrap().contains("#35440"), "{change:?}");
    // What comes after that is a new matter.
    board.missed(700, "1.3");
    assert_eq!(board.wishes(), ["1.3: 1 ticket person 7"]);
}

#[test]
fn an_agent_who_calls_back_and_reaches_the_caller_solves_the_ticket() {
    let calls_back = hears(Event::Arrived {
        direction: Direction::Outbound,
        number: "201".to_owned(),
        name: None,
        dialled: MAX.to_owned(),
        presentation_asked: false,
    });
    for solve in [true, false] {
        let mut board = Board::new(Missed { solve, ..all() });
        board.missed(0, "1.1");
        board.ticket(21, "1.1", 35_436);
        board.wishes();
        board.hears(300, "1.2", &calls_back);
        assert_eq!(board.wishes(), [""; 0], "it only rings");
        board.hears(310, "1.2", &hears(Event::FarEndAnswered));
        assert_eq!(board.wishes().len(), usize::from(solve));
        if solve {
            assert!(board.change("1.1", 2).solve);
        }
    }
}

#[test]
fn a_missed_call_waits_for_the_phone_book_but_not_for_ever() {
    let mut board = Board::new(all());
    for act in [arrives(MAX), joins("support")] {
        board.hears(0, "1.1", &act);
    }
    let id: CallId = "main/1.1".parse().unwrap();
    let step = board.book.search_begins(&id, at(0), &board.rules);
    board.takes("1.1", step);
    board.hears(3, "1.1", &caller_hangs_up());
    assert_eq!(board.wishes(), [""; 0]);
    let mut late = Board::new(all());
    std::mem::swap(&mut late.book, &mut board.book);
    late.hears(4, "1.1", &finds_nothing_out());
    assert_eq!(late.wishes(), ["1.1: 1 ticket default"]);
    late.hears(9, "1.1", &found(7));
    assert_eq!(late.wishes(), ["1.1: 1 ticket person 7"]);
}

#[test]
fn when_the_time_for_further_attempts_is_over_the_number_looks_for_its_owner() {
    let mut board = Board::new(all());
    for act in [arrives(MAX), joins("support"), found_nobody()] {
        board.hears(0, "1.1", &act);
    }
    board.hears(20, "1.1", &caller_hangs_up());
    board.ticket(21, "1.1", 35_436);
    assert_eq!(board.wishes(), ["1.1: 1 ticket default"]);
    board.waits(20 + HOUR);
    assert_eq!(board.wishes(), ["1.1: 2 person number +493023125111"]);
}

#[test]
fn without_a_time_for_further_attempts_every_missed_call_has_its_own_ticket() {
    let mut board = Board::new(Missed { merge_within: SignedDuration::ZERO, ..all() });
    board.missed(0, "1.1");
    board.missed(60, "1.2");
    assert_eq!(board.wishes(), ["1.1: 1 ticket person 7", "1.2: 1 ticket person 7"]);
    for call in ["1.1", "1.2"] {
        board.ticket(90, call, 35_436);
    }
    assert_eq!(board.book.sweep().len(), 2);
}

// ── Messages in the mailbox ─────────────────────────────────────────────────────────────────────

const MESSAGE: &str = "/var/spool/asterisk/voicemail/default/201/INBOX/msg0000";

impl Board {
    fn with_messages() -> Self {
        let message = Some(Arc::new(keep()));
        let board = Self::new(all());
        let rules = with_each_group(board.rules, |group| group.message.clone_from(&message));
        Self { rules, ..board }
    }

    fn leaves_a_message(&mut self, second: i64, call: &str) {
        for act in [arrives(MAX), joins("support"), found(7), hears(Event::ReachedVoicemail)] {
            self.hears(second, call, &act);
        }
        let left = Event::VoicemailLeft { file: MESSAGE.to_owned(), seconds: None };
        self.hears(second + 10, call, &hears(left));
        self.hears(second + 10, call, &caller_hangs_up());
    }

    fn keeps(&mut self, second: i64, call: &str, seq: u32) {
        let file = KeptRecording {
            name: "x.wav".to_owned(),
            bytes: 16_044,
            sha256: "00".repeat(32),
            seconds: Some(1),
            source: None,
        };
        self.does(second, call, seq, &Event::RecordingKept { files: vec![file] });
    }

    fn attached(&self, call: &str, seq: u32) -> TicketId {
        match &self.owed[&(call.to_owned(), seq)].task {
            Task::AttachRecording(attachment) => attachment.ticket,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_goes_into_the_ticket_of_its_call() {
    let mut board = Board::with_messages();
    board.leaves_a_message(0, "1.1");
    assert_eq!(board.wishes, ["1.1: 1 ticket person 7", "1.1: 2 keep"]);
    let Task::KeepRecording(sought) = &board.owed[&("1.1".to_owned(), 2)].task else { panic!() };
    assert_eq!((&*sought.files, sought.message, sought.began), (&[MESSAGE.to_owned()][..], true, at(0)));
    // Whichever comes first.
    board.keeps(11, "1.1", 2);
    board.ticket(12, "1.1", 17);
    assert_eq!(board.wishes[2..], ["1.1: 3 attach"]);
    assert_eq!(board.attached("1.1", 3), TicketId(17));
}

#[test]
fn the_message_of_a_further_attempt_goes_into_the_earlier_ticket() {
    let mut board = Board::with_messages();
    board.leaves_a_message(0, "1.1");
    board.ticket(12, "1.1", 17);
    board.leaves_a_message(100, "1.2");
    assert_eq!(board.wishes[2..], ["1.1: 3 change with comment", "1.2: 1 keep"]);
    board.keeps(112, "1.2", 1);
    assert_eq!(board.attached("1.2", 2), TicketId(17));
    board.does(113, "1.2", 2, &Event::RecordingAttached { address: None });
    assert!(!board.book.get(&"main/1.2".parse().unwrap()).unwrap().open());
}

#[test]
fn a_message_that_the_house_does_not_want_any_more_keeps_no_call() {
    let mut board = Board::with_messages();
    board.leaves_a_message(0, "1.1");
    board.leaves_a_message(100, "1.2");
    board.keeps(112, "1.2", 1);
    let second: CallId = "main/1.2".parse().unwrap();
    assert!(board.book.get(&second).unwrap().open(), "it waits for the ticket of the first");
    board.rules = with_each_group(board.rules.clone(), |group| group.message = None);
    board.ticket(200, "1.1", 17);
    assert!(!board.book.get(&second).unwrap().open());
}

#[test]
fn a_message_waits_for_the_earlier_ticket_while_the_crm_is_away() {
    for refused in [false, true] {
        let mut board = Board::with_messages();
        board.leaves_a_message(0, "1.1");
        board.leaves_a_message(100, "1.2");
        board.keeps(112, "1.2", 1);
        let second: CallId = "main/1.2".parse().unwrap();
        assert!(board.book.get(&second).unwrap().open(), "it waits");
        if refused {
            let work = board.owed[&("1.1".to_owned(), 1)].clone();
            let step = board.book.refused(&work, "no", at(200), &board.rules);
            board.takes("1.1", step);
            assert!(!board.book.get(&second).unwrap().open(), "it waits no longer");
        } else {
            board.ticket(200, "1.1", 17);
            assert_eq!(board.attached("1.2", 2), TicketId(17));
        }
    }
}
