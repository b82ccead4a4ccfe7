//! Calls as stories: each line of a table is a moment, what happens, and what the call wants done.
//!
//! Every story is told four times: as it is; with everything heard and delivered twice; with the call
//! written down and read back after each line; and with a restart after each line.

mod after;
mod any_order;
mod callers;
mod ends;
mod facts;
mod missed;
mod recorded;
mod restarts;
mod texts;
mod ways;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::number::{Caller, ReadNumber};
use super::*;

/// A caller of whom the tests say that person 7 has the number.
const MAX: &str = "+493023125111";

// ── The house ───────────────────────────────────────────────────────────────────────────────────

struct Digits;

impl ReadNumber for Digits {
    fn read(&self, sent: &str) -> Caller {
        match (sent, sent.parse::<E164>(), sent.parse::<Extension>()) {
            ("" | "anonymous", ..) => Caller::Withheld,
            (_, Ok(number), _) => Caller::Number(number),
            (_, _, Ok(extension)) if sent.len() == 3 => Caller::Internal(extension),
            _ => Caller::Unreadable(sent.to_owned()),
        }
    }
}

fn template(text: &str) -> Template {
    Template::compile(text, Field::OF_TICKETS).unwrap()
}

/// Queue `support` and the number …605 keep calls for 30 s, queue `backoffice` and ring group 610 not at all.
/// 201 to 204 are known to the CRM, 205 is not.
fn house() -> Rules {
    let texts = Arc::new(Texts {
        subject: template("Call from {caller_name|caller_number}"),
        comment: template("{caller_number} {caller_name}\nAnswered by {agent_name|agent_extension}"),
        public: false,
        tags: vec!["telephone".to_owned()],
        priority: None,
        missed_subject: template("Missed: {caller_name|caller_number}"),
        missed_comment: template("{caller_number} called"),
    });
    let mut groups = Groups::default();
    for (way, name, wrap_up) in [
        (Way::Queue("support".to_owned()), "support", 30),
        (Way::Queue("backoffice".to_owned()), "backoffice", 0),
        (Way::Extension(ext("610")), "sales", 0),
        (Way::Did("+493023125605".to_owned()), "hotline", 30),
    ] {
        let wrap_up = SignedDuration::from_secs(wrap_up);
        let (name, crm_group) = (name.to_owned(), name.to_uppercase());
        let texts = Arc::clone(&texts);
        let group = Group {
            name,
            crm_group,
            wrap_up,
            reuse_within: SignedDuration::ZERO,
            missed: Missed::default(),
            recording: None,
            message: None,
            texts,
        };
        groups.add(way, Arc::new(group));
    }
    let agent = |extension: &str, email: Option<&str>| Agent {
        extension: ext(extension),
        email: email.map(str::to_owned),
        name: Some(format!("Agent {extension}")),
    };
    let mut agents = HashMap::new();
    for extension in ["201", "202", "203", "204"] {
        agents.insert(ext(extension), agent(extension, Some(&format!("{extension}@example.com"))));
    }
    agents.insert(ext("205"), agent("205", None));
    let presentation_timeout = SignedDuration::from_secs(1);
    Rules {
        numbers: Arc::new(Digits),
        groups,
        agents,
        unknown: UnknownCaller::DefaultUser,
        presentation_timeout,
        always_default_agent: false,
        fields: Arc::default(),
        remove_placeholders: false,
        records: false,
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn house_of_new_users() -> Rules {
    let name = Template::compile("{caller_name|number}", Field::OF_NEW_USERS).unwrap();
    Rules { unknown: UnknownCaller::NewUser { name }, ..house() }
}

fn ext(text: &str) -> Extension {
    text.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_292_763 + second).unwrap()
}

// ── What happens ────────────────────────────────────────────────────────────────────────────────

#[derive(Clone, Debug)]
enum Act {
    /// The call is told.
    Hears(Event),
    /// The phone book must search.
    Searches,
    /// The exit takes this piece of work as it is owed now, and sends it.
    Sends(u32),
    /// The exit has done this piece of work.
    Does(u32, Event),
    /// The exit will never do it.
    Refuses(u32),
    /// Time passes.
    Waits,
    /// The daemon dies; the next one goes on from the last state that had to be durable.
    Dies,
}

fn hears(event: Event) -> Act {
    Act::Hears(event)
}

fn arrives_at(number: &str, dialled: &str) -> Act {
    hears(Event::Arrived {
        direction: Direction::Inbound,
        number: number.to_owned(),
        name: Some("Max Muster".to_owned()),
        dialled: dialled.to_owned(),
        presentation_asked: false,
    })
}

fn arrives(number: &str) -> Act {
    arrives_at(number, "+493023125600")
}

/// It arrives, and the PBX is asked whether the number may be shown.
fn arrives_asking(number: &str) -> Act {
    let Act::Hears(Event::Arrived { direction, number, name, dialled, .. }) = arrives(number) else {
        unreachable!("just made")
    };
    hears(Event::Arrived { direction, number, name, dialled, presentation_asked: true })
}

fn hidden() -> Act {
    hears(Event::PresentationKnown { withheld: true })
}

fn shown() -> Act {
    hears(Event::PresentationKnown { withheld: false })
}

fn joins(queue: &str) -> Act {
    hears(Event::JoinedQueue { queue: queue.to_owned() })
}

fn reaches(extension: &str) -> Act {
    hears(Event::ReachedExtension { extension: ext(extension) })
}

fn rings(extension: &str) -> Act {
    hears(Event::Rang { extension: ext(extension) })
}

fn refuses(extension: &str) -> Act {
    hears(Event::Refused { extension: ext(extension) })
}

fn answers(extension: &str) -> Act {
    hears(Event::Answered { extension: ext(extension) })
}

fn picks_up(by: &str, from: &str) -> Act {
    hears(Event::PickedUp { by: ext(by), from: Some(ext(from)) })
}

fn sends_on(from: &str, to: &str) -> Act {
    hears(Event::Transferred { kind: TransferKind::Blind, from: ext(from), to: Some(to.to_owned()) })
}

fn hands_over(from: &str, to: &str) -> Act {
    hears(Event::Transferred { kind: TransferKind::Attended, from: ext(from), to: Some(to.to_owned()) })
}

fn holds(by: &str) -> Act {
    hears(Event::Held { by: Some(ext(by)) })
}

fn resumes() -> Act {
    hears(Event::Resumed)
}

fn parks() -> Act {
    hears(Event::Parked { space: Some("701".to_owned()) })
}

fn hangs_up(by: EndedBy) -> Act {
    hears(Event::HungUp { by: Some(by), last_dial: None, estimated: false })
}

fn caller_hangs_up() -> Act {
    hangs_up(EndedBy::Caller)
}

fn person(id: u64) -> Person {
    Person { id: PersonId(id), name: format!("Person {id}") }
}

fn found(id: u64) -> Act {
    hears(Event::CallerIdentified(Identified::One(person(id))))
}

fn found_several() -> Act {
    hears(Event::CallerIdentified(Identified::Several(vec![person(7), person(8)])))
}

fn found_nobody() -> Act {
    hears(Event::CallerIdentified(Identified::Nobody))
}

fn finds_nothing_out() -> Act {
    hears(Event::CallerIdentified(Identified::Failed))
}

/// The ticket stands as it was drafted; the story fills in for whom it was opened.
fn stands(seq: u32) -> Act {
    stands_as(seq, Standing::AsDrafted, true)
}

fn stands_as(seq: u32, requester: Standing, pops_possible: bool) -> Act {
    let ticket = TicketId(35_436);
    Act::Does(
        seq,
        Event::TicketStands(TicketStanding { ticket, requester, popped: None, pops_possible, reused: false }),
    )
}

fn changed(seq: u32) -> Act {
    Act::Does(seq, Event::TicketUpdated)
}

fn popped(seq: u32, extension: &str) -> Act {
    Act::Does(seq, Event::ScreenPopped { extension: ext(extension) })
}

fn filed(seq: u32, number: Filed) -> Act {
    let updated = PersonUpdated { number: Some(number), placeholder_removed: false };
    Act::Does(seq, Event::PersonUpdated(updated))
}

// ── The telling ─────────────────────────────────────────────────────────────────────────────────

type Line = (i64, Act, &'static str);

/// How a story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Plain,
    EverythingTwice,
    ReadBack,
    Restarted,
}

struct Told {
    call: Call,
    /// The last state that had to be durable, if there was any.
    durable: Option<Call>,
    rules: Rules,
    /// Work as it was owed last.
    owed: BTreeMap<u32, Work>,
    /// Work as it was sent.
    sent: BTreeMap<u32, Work>,
    lines: Vec<StoryLine>,
}

impl Told {
    fn new(rules: Rules) -> Self {
        let call = Call::new("main/1795292763.0".parse().unwrap(), at(0));
        Self { call, durable: None, rules, owed: BTreeMap::new(), sent: BTreeMap::new(), lines: vec![] }
    }

    /// The CRM opens the ticket for whom the draft says, unless the act says otherwise.
    fn done(&self, seq: u32, event: &Event) -> (Work, Event) {
        let work = self.sent.get(&seq).or_else(|| self.owed.get(&seq)).expect("it is owed").clone();
        let mut event = event.clone();
        if let (Task::CreateTicket(draft), Event::TicketStands(standing)) = (&work.task, &mut event) {
            standing.popped =
                draft.pop.as_ref().filter(|_| standing.pops_possible).map(|agent| agent.extension.clone());
        }
        (work, event)
    }

    fn act(&mut self, second: i64, act: &Act) -> Step {
        let (now, rules) = (at(second), self.rules.clone());
        let step = match act {
            Act::Hears(event) => self.call.on(event, now, &rules),
            Act::Searches => self.call.search_begins(now, &rules),
            Act::Sends(seq) => {
                let work = self.owed.get(seq).expect("it is owed").clone();
                self.sent.insert(*seq, work);
                Step::default()
            }
            Act::Does(seq, event) => {
                let (work, event) = self.done(*seq, event);
                self.call.delivered(&work, &event, now, &rules)
            }
            Act::Refuses(seq) => {
                let work = self.owed[seq].clone();
                self.call.refused(&work, "the CRM says no", now, &rules)
            }
            Act::Waits => self.call.on_time(now, &rules),
            Act::Dies => {
                let kept = self.durable.clone().expect("nothing was durable: the PBX is asked what is up");
                self.call = read_back(&kept);
                self.call.resume(now, &rules)
            }
        };
        if step.durable {
            self.durable = Some(self.call.clone());
        }
        for effect in &step.effects {
            if let Effect::Owe(work) = effect {
                self.owed.insert(work.seq, work.clone());
            }
        }
        self.lines.extend(step.story.clone());
        step
    }
}

fn read_back(call: &Call) -> Call {
    let text = serde_json::to_string(call).unwrap();
    let back: Call = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, call);
    back
}

/// Tells the story in every way; gives the end of the plain one.
fn tell(rules: &Rules, story: &[Line]) -> Told {
    for telling in [Telling::EverythingTwice, Telling::ReadBack, Telling::Restarted] {
        tell_as(telling, rules, story);
    }
    tell_as(Telling::Plain, rules, story)
}

fn tell_as(telling: Telling, rules: &Rules, story: &[Line]) -> Told {
    let mut told = Told::new(rules.clone());
    for (second, act, expected) in story {
        let before = told.call.phase.clone();
        let step = told.act(*second, act);
        let seen = wants(&before, &told.call, &step);
        assert_eq!(seen, *expected, "{telling:?}, at {second} s: {act:?}");
        match (telling, act) {
            (
                Telling::EverythingTwice,
                Act::Hears(Event::CallerIdentified(Identified::Failed)) | Act::Dies,
            ) => {}
            (Telling::EverythingTwice, _) => {
                let again = told.act(*second, act);
                assert_eq!(again.effects, [], "a second time, at {second} s: {act:?}");
            }
            (Telling::ReadBack, _) => told.call = read_back(&told.call),
            (Telling::Restarted, _) => restart(&mut told, *second),
            (Telling::Plain, _) => {}
        }
    }
    told
}

/// A restart asks again what was asked, and owes nothing anew.
fn restart(told: &mut Told, second: i64) {
    if matches!(told.call.presentation, Presentation::Asked { .. }) {
        // The question died with the connection; `restarts` tells what becomes of it.
        return;
    }
    let asked = told.call.lookup == Lookup::Asked;
    let pending = asked || told.call.lookup == Lookup::Searching;
    told.call = read_back(&told.call);
    let mut step = told.call.resume(at(second), &told.rules);
    // What the PBX was told and did not confirm, it is told again.
    let unconfirmed = |order: &Effect| matches!(order, Effect::Record(RecordingOrder::Start { .. }));
    step.effects.retain(|effect| !(unconfirmed(effect) && told.call.recorded.files.is_empty()));
    let looks_up = matches!(step.effects.as_slice(), [Effect::LookUpCaller { .. }]);
    let expected = pending && told.call.open() && told.call.watched();
    assert!(looks_up == expected && step.effects.len() == usize::from(expected), "{:?}", step.effects);
    if looks_up && !asked {
        assert_eq!(told.call.search_begins(at(second), &told.rules).effects, []);
    }
}

/// What a step wants, in the short form of the tables.
fn wants(before: &Phase, call: &Call, step: &Step) -> String {
    let mut words: Vec<String> = step.effects.iter().map(short).collect();
    let ended = matches!(before, Phase::Ringing | Phase::Talking);
    match &call.phase {
        Phase::Ended { outcome, .. } if ended => words.push(format!("ended {outcome:?}").to_lowercase()),
        Phase::Closed { outcome, .. } if ended => words.push(format!("closed {outcome:?}").to_lowercase()),
        Phase::Closed { .. } if matches!(before, Phase::Ended { .. }) => words.push("closed".to_owned()),
        _ => {}
    }
    words.join("; ")
}

fn short(effect: &Effect) -> String {
    let requester = |requester: &Requester| match requester {
        Requester::Person(id) => format!("person {id}"),
        Requester::DefaultUser => "default".to_owned(),
        Requester::NewUser { name, .. } => format!("new {name}"),
    };
    match effect {
        Effect::LookUpCaller { .. } => "look up".to_owned(),
        Effect::Record(order) => format!("{order:?}").split(' ').next().unwrap().to_lowercase(),
        Effect::Withdraw { key, .. } => format!("withdraw {}", key.rsplit_once('#').unwrap().1),
        Effect::Owe(Work { seq, task: Task::PopScreen { agent, .. }, .. }) => {
            format!("{seq} pop {}", agent.extension)
        }
        Effect::Owe(Work { seq, task: Task::CreateTicket(draft), .. }) => {
            let mut text = format!("{seq} ticket {}", requester(&draft.requester));
            let agent = |agent: &Option<Agent>| agent.as_ref().map(|agent| agent.extension.to_string());
            match (agent(&draft.assignee), agent(&draft.pop)) {
                (assignee, pop) if assignee == pop => {
                    text += &pop.map(|pop| format!(" at {pop}")).unwrap_or_default()
                }
                (assignee, pop) => text += &format!(" of {assignee:?} pop {pop:?}").replace("Some", ""),
            }
            text
        }
        Effect::Owe(Work { seq, task: Task::UpdateTicket { change, .. }, .. }) => {
            let parts = [
                change.requester.as_ref().map(|wish| format!(" to {}", requester(wish))),
                change.assignee.as_ref().map(|agent| format!(" of {}", agent.extension)),
                change.group.as_ref().map(|group| format!(" in {group}")),
                change.comment.as_ref().map(|_| " with comment".to_owned()),
            ];
            format!("{seq} change{}", parts.into_iter().flatten().collect::<String>())
        }
        Effect::Owe(Work { seq, task: Task::UpdatePerson(update), .. }) => {
            let number = update.number.map(|number| format!(" number {number}"));
            format!("{seq} person{}", number.unwrap_or_default())
        }
        Effect::Owe(Work { seq, task: Task::KeepRecording(_), .. }) => format!("{seq} keep"),
        Effect::Owe(Work { seq, task: Task::AttachRecording(_), .. }) => format!("{seq} attach"),
        Effect::Owe(Work { seq, task: Task::RecordCall(_), .. }) => format!("{seq} record"),
        Effect::Owe(Work { seq, task: Task::CompleteRecord { record, address }, .. }) => {
            format!("{seq} complete {record} by {address}")
        }
        Effect::Owe(Work { seq, task: Task::ShowRecord { record, .. }, .. }) => {
            format!("{seq} show {record}")
        }
    }
}
