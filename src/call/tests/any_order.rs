//! Whatever happens in whatever order: no panic, one ticket at most, and an end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// One draw of an act. What the exit does, it does to the first piece that is owed then.
#[derive(Clone, Debug)]
enum Draw {
    Act(Act),
    Sends,
    Does(Standing, bool),
    Refuses,
    Jumps(i64),
}

fn extension() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["201", "202", "203", "205", "299"]).prop_map(str::to_owned)
}

fn event() -> impl Strategy<Value = Event> {
    let number = prop::sample::select(vec!["", MAX, "anonymous", "204", "12345678901234567890"]);
    let dialled = prop::sample::select(vec!["", "+493023125600", "+493023125605", "610"]);
    let direction = prop::sample::select(vec![
        Direction::Inbound,
        Direction::Inbound,
        Direction::Outbound,
        Direction::Internal,
    ]);
    let arrived = (direction, number, dialled, any::<bool>()).prop_map(
        |(direction, number, dialled, presentation_asked)| Event::Arrived {
            direction,
            number: number.to_owned(),
            name: None,
            dialled: dialled.to_owned(),
            presentation_asked,
        },
    );
    let queue = prop::sample::select(vec!["support", "backoffice", "helpdesk"]);
    let identified = prop_oneof![
        (7_u64..9).prop_map(|id| Identified::One(person(id))),
        Just(Identified::Several(vec![person(7), person(8)])),
        Just(Identified::Nobody),
        Just(Identified::Failed),
    ];
    let by =
        prop::sample::select(vec![None, Some(EndedBy::Caller), Some(EndedBy::Called), Some(EndedBy::Pbx)]);
    let last_dial = prop::sample::select(vec![None, Some(DialResult::Busy), Some(DialResult::NoAnswer)]);
    prop_oneof![
        2 => arrived,
        2 => any::<bool>().prop_map(|withheld| Event::PresentationKnown { withheld }),
        4 => queue.prop_map(|queue| Event::JoinedQueue { queue: queue.to_owned() }),
        1 => Just(Event::ReachedExtension { extension: ext("610") }),
        1 => extension().prop_map(|extension| Event::Rang { extension: ext(&extension) }),
        1 => extension().prop_map(|extension| Event::Refused { extension: ext(&extension) }),
        5 => extension().prop_map(|extension| Event::Answered { extension: ext(&extension) }),
        1 => Just(Event::FarEndAnswered),
        1 => extension().prop_map(|by| Event::PickedUp { by: ext(&by), from: None }),
        2 => (extension(), extension()).prop_map(|(from, to)| {
            Event::Transferred { kind: TransferKind::Blind, from: ext(&from), to: Some(to) }
        }),
        1 => Just(Event::Held { by: None }),
        1 => Just(Event::Resumed),
        1 => Just(Event::Parked { space: None }),
        1 => Just(Event::ReachedVoicemail),
        1 => Just(Event::Variable { name: "crm_id".to_owned(), value: "K-1".to_owned() }),
        1 => Just(Event::VoicemailLeft { file: "/msg0000".to_owned(), seconds: None }),
        1 => Just(Event::RecordingStarted { file: "a.wav".to_owned() }),
        1 => Just(Event::Absorbed { into: "main/1795292763.9".parse().unwrap() }),
        1 => (by, last_dial, any::<bool>()).prop_map(|(by, last_dial, estimated)| Event::HungUp { by, last_dial, estimated }),
        4 => identified.prop_map(Event::CallerIdentified),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    let requester = prop_oneof![
        3 => Just(Standing::AsDrafted),
        1 => Just(Standing::DefaultUserInstead),
        1 => Just(Standing::NewUser(person(9))),
    ];
    prop_oneof![
        12 => event().prop_map(|event| Draw::Act(Act::Hears(event))),
        2 => Just(Draw::Act(Act::Searches)),
        2 => Just(Draw::Act(Act::Waits)),
        2 => Just(Draw::Act(Act::Dies)),
        2 => Just(Draw::Sends),
        5 => (requester, any::<bool>()).prop_map(|(requester, pops)| Draw::Does(requester, pops)),
        1 => Just(Draw::Refuses),
        1 => (-7200_i64..7200).prop_map(Draw::Jumps),
    ]
}

/// The word of the exit that this piece of work waits for.
fn word(work: &Work, requester: Standing, pops_possible: bool) -> Event {
    match &work.task {
        Task::CreateTicket(_) => {
            let ticket = TicketId(35_436);
            Event::TicketStands(TicketStanding {
                ticket,
                requester,
                popped: None,
                pops_possible,
                reused: false,
            })
        }
        Task::UpdateTicket { .. } => Event::TicketUpdated,
        Task::PopScreen { agent, .. } => Event::ScreenPopped { extension: agent.extension.clone() },
        Task::UpdatePerson(_) => {
            Event::PersonUpdated(PersonUpdated { number: None, placeholder_removed: false })
        }
        Task::RecordCall(_) => Event::CallRecorded { record: RecordId(9) },
        Task::ShowRecord { .. } => Event::RecordShown,
        Task::KeepRecording(_) => Event::RecordingKept { files: Vec::new() },
        Task::AttachRecording(_) => Event::RecordingAttached { address: None },
        Task::CompleteRecord { .. } => Event::RecordCompleted,
    }
}

/// A call that is watched closely.
struct Watched {
    told: Told,
    /// Work that was owed and neither done, refused nor withdrawn.
    open: Vec<u32>,
    /// The sequence numbers of tickets.
    tickets: Vec<u32>,
    answered: bool,
    stands: bool,
    /// What may be owed once only, and was.
    once: BTreeSet<&'static str>,
}

impl Watched {
    fn act(&mut self, second: i64, act: &Act) {
        let (was_open, last_seq) = (self.told.call.open(), self.told.call.seq);
        self.answered |= matches!(act, Act::Hears(Event::Answered { .. } | Event::FarEndAnswered));
        let step = self.told.act(second, act);
        self.told.call = read_back(&self.told.call);
        assert!(was_open || step.effects.is_empty(), "a closed call is at rest: {:?}", step.effects);
        for effect in &step.effects {
            assert!(
                matches!(effect, Effect::LookUpCaller { .. } | Effect::Record(_)) || step.durable,
                "owed before it is written down"
            );
            match effect {
                Effect::LookUpCaller { .. } | Effect::Record(_) => {}
                Effect::Withdraw { key, .. } => self.open.retain(|seq| !key.ends_with(&format!("#{seq}"))),
                Effect::Owe(work) => self.owes(work, last_seq),
            }
        }
    }

    fn owes(&mut self, work: &Work, last_seq: u32) {
        if self.open.contains(&work.seq) {
            assert!(
                matches!(work.task, Task::CreateTicket(_)),
                "only a ticket that is owed is changed: {work:?}"
            );
        } else {
            assert!(work.seq > last_seq, "the numbers go up: {work:?}");
            self.open.push(work.seq);
        }
        match &work.task {
            Task::CreateTicket(_) => {
                assert!(self.answered, "nobody spoke with the caller");
                if !self.tickets.contains(&work.seq) {
                    self.tickets.push(work.seq);
                }
            }
            _ => assert!(self.stands, "no ticket stands: {work:?}"),
        }
        let once = match &work.task {
            Task::UpdateTicket { change, .. } if !change.fields.is_empty() || !change.tags.is_empty() => {
                "fields"
            }
            Task::UpdatePerson(_)
            | Task::RecordCall(_)
            | Task::ShowRecord { .. }
            | Task::CompleteRecord { .. } => work.task.name(),
            _ => return,
        };
        assert!(self.once.insert(once), "a second time: {work:?}");
    }

    fn draw(&mut self, second: i64, draw: Draw) {
        // The work of one call is done in its order.
        let first = self.open.iter().min().copied();
        match (draw, first) {
            (Draw::Act(Act::Dies), _) if self.told.durable.is_none() => {}
            (Draw::Act(act), _) => self.act(second, &act),
            (Draw::Jumps(by), _) => self.told.call.clock_jumped(SignedDuration::from_secs(by)),
            (_, None) => {}
            (Draw::Sends, Some(seq)) => self.act(second, &Act::Sends(seq)),
            (Draw::Does(requester, pops_possible), Some(seq)) => {
                let event = word(&self.told.owed[&seq], requester, pops_possible);
                self.stands |= matches!(event, Event::TicketStands(_));
                self.finish(second, seq, &Act::Does(seq, event));
            }
            (Draw::Refuses, Some(seq)) => self.finish(second, seq, &Act::Refuses(seq)),
        }
    }

    fn finish(&mut self, second: i64, seq: u32, act: &Act) {
        self.open.retain(|open| *open != seq);
        self.act(second, act);
    }
}

proptest! {
    #[test]
    fn whatever_happens_there_is_one_ticket_at_most_and_an_end(
        new_users in any::<bool>(),
        follow_up in any::<bool>(),
        draws in prop::collection::vec((0_i64..20, draw()), 0..60),
    ) {
        let mut rules = if new_users { house_of_new_users() } else { house() };
        if follow_up {
            let rule = |target, value| FieldRule { target, value: template(value) };
            let field = rule(FieldTarget::Ticket("Line".to_owned()), "{dialled}");
            rules.fields = [field, rule(FieldTarget::Tag, "from_{agent_extension}")].into();
            rules.records = true;
        }
        let told = Told::new(rules);
        let once = BTreeSet::new();
        let mut call = Watched { told, open: vec![], tickets: vec![], answered: false, stands: false, once };
        let mut now = 0;
        for (pause, draw) in draws {
            now += pause;
            call.draw(now, draw);
        }
        // The world comes to rest: the caller hangs up, everybody answers, time passes.
        call.act(now, &caller_hangs_up());
        for _ in 0..20 {
            now += 10_000;
            call.act(now, &Act::Waits);
            if matches!(call.told.call.lookup, Lookup::Asked | Lookup::Searching) {
                call.act(now, &found(7));
            }
            while !call.open.is_empty() {
                call.draw(now, Draw::Does(Standing::AsDrafted, true));
            }
        }
        prop_assert!(call.tickets.len() <= 1, "{:?}", call.tickets);
        prop_assert!(!call.told.call.open(), "{:?}", call.told.call);
    }
}
