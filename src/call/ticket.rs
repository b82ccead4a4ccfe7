//! What the call wants of its ticket, compared with what stands.
//!
//! Nothing is sent event by event: after each step the wish is compared with what is owed and with
//! what stands, and only the difference becomes work. So a chatty call makes few requests, and a
//! call that comes back from the journal goes on by the same comparison.

use jiff::Timestamp;

use super::event::{Event, Identified};
use super::number::Caller;
use super::rules::{Rules, UnknownCaller};
use super::state::{Call, Lookup, Phase, Presentation, Standing, Step, Ticket};
use super::template::Field;
use super::work::{
    Agent, Effect, Requester, Standing as Made, Task, TicketChange, TicketDraft, TicketStanding, Work,
};

/// A call that is over does not wait for a search that failed so often: 6 min by the pauses between.
const LOOKUPS_AFTER_THE_CALL: u32 = 10;

impl Call {
    /// The exit has done a piece of work of this call.
    pub fn delivered(&mut self, work: &Work, event: &Event, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step { durable: true, ..Step::default() };
        match (&work.task, event) {
            (Task::CreateTicket(draft), Event::TicketStands(made)) => {
                self.ticket_stands(work.seq, draft, made, now, &mut step)
            }
            (Task::UpdateTicket { change, .. }, Event::TicketUpdated) => {
                if let Ticket::Stands(standing) = &mut self.ticket
                    && standing.change_owed == Some(work.seq)
                {
                    standing.change_owed = None;
                    standing.apply(change);
                    step.tell(now, "the ticket is changed", "");
                }
            }
            (Task::PopScreen { agent, .. }, Event::ScreenPopped { .. }) => {
                if let Ticket::Stands(standing) = &mut self.ticket
                    && standing.pop_owed == Some(work.seq)
                {
                    standing.pop_owed = None;
                    step.tell(now, format!("the ticket is open at {}", agent.extension), "");
                }
            }
            (_, Event::WorkRefused { reason, .. }) => return self.refused(work, reason, now, rules),
            _ => {}
        }
        self.settle(now, rules, &mut step);
        step
    }

    /// The exit will never be able to do a piece of work of this call.
    pub fn refused(&mut self, work: &Work, reason: &str, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step { durable: true, ..Step::default() };
        step.tell(now, format!("refused: {}", work.task.name()), reason);
        match (&work.task, &mut self.ticket) {
            (Task::CreateTicket(_), ticket @ Ticket::Owed { .. }) => {
                *ticket = Ticket::Refused { reason: reason.to_owned() };
            }
            (Task::UpdateTicket { change, .. }, Ticket::Stands(standing))
                if standing.change_owed == Some(work.seq) =>
            {
                standing.change_owed = None;
                standing.refused_requester.clone_from(&change.requester);
                // What was refused is not tried again: it counts as done.
                standing.apply(&TicketChange { requester: None, ..change.clone() });
            }
            (Task::PopScreen { .. }, Ticket::Stands(standing)) if standing.pop_owed == Some(work.seq) => {
                standing.pop_owed = None;
            }
            _ => {}
        }
        self.settle(now, rules, &mut step);
        step
    }

    /// Compares the wish with what is owed and stands; the difference becomes work.
    pub(super) fn settle(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        if !self.open() {
            return;
        }
        self.end_wrap_up(now, step);
        if self.watched() {
            self.look_up(step);
            if self.lookup == Lookup::Asked {
                // The phone book answers at once, or says that it must search: see `search_begins`.
                return;
            }
            if self.answered.is_some() && !matches!(self.presentation, Presentation::Asked { .. }) {
                self.want_ticket(now, rules, step);
            }
        }
        self.close_when_done(step);
    }

    fn look_up(&mut self, step: &mut Step) {
        let settled = !matches!(self.presentation, Presentation::Asked { .. });
        let worth_it = self.up() || self.answered.is_some();
        if let (Lookup::NotAsked, Some(number), true, true) =
            (&self.lookup, self.caller.e164(), settled, worth_it)
        {
            self.lookup = Lookup::Asked;
            step.effects.push(Effect::LookUpCaller { number });
        }
    }

    fn want_ticket(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        match &self.ticket {
            Ticket::None => {
                let (draft, why) = self.draft(now, rules);
                self.seq += 1;
                step.tell(now, format!("a ticket for {} is owed", requester_text(&draft.requester)), why);
                self.owe_ticket(self.seq, draft, step);
            }
            Ticket::Owed { seq, draft: owed } => {
                let (draft, why) = self.draft(now, rules);
                if **owed != draft {
                    if owed.requester != draft.requester {
                        step.tell(
                            now,
                            format!("the ticket will be for {}", requester_text(&draft.requester)),
                            why,
                        );
                    }
                    self.owe_ticket(*seq, draft, step);
                }
            }
            Ticket::Stands(_) => {
                self.want_pop(rules, step);
                self.want_change(now, rules, step);
            }
            Ticket::Refused { .. } => {}
        }
    }

    fn owe_ticket(&mut self, seq: u32, draft: TicketDraft, step: &mut Step) {
        let draft = Box::new(draft);
        self.ticket = Ticket::Owed { seq, draft: draft.clone() };
        step.effects.push(Effect::Owe(self.work(seq, Task::CreateTicket(draft))));
        step.durable = true;
    }

    fn work(&self, seq: u32, task: Task) -> Work {
        Work { call: self.id.clone(), seq, task, worth_until: None }
    }

    fn want_pop(&mut self, rules: &Rules, step: &mut Step) {
        let Some(agent) = self.last_agent.as_ref().map(|extension| rules.agent(extension)) else { return };
        let worth_it = self.pop_worth_it() && agent.email.is_some();
        let Ticket::Stands(standing) = &mut self.ticket else { return };
        if !worth_it || !standing.pops_possible || standing.pop_owed.is_some() {
            return;
        }
        if standing.popped.as_ref() != Some(&agent.extension) {
            self.seq += 1;
            let ticket = standing.ticket;
            standing.popped = Some(agent.extension.clone());
            standing.pop_owed = Some(self.seq);
            step.effects.push(Effect::Owe(self.work(self.seq, Task::PopScreen { ticket, agent })));
            step.durable = true;
        }
    }

    fn want_change(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        let (wish, why) = self.requester(rules);
        let assignee = self
            .last_agent
            .as_ref()
            .map(|extension| rules.agent(extension))
            .filter(|agent| agent.email.is_some());
        let candidates = self.candidates();
        let known = matches!(self.lookup, Lookup::Known(_)) || self.caller == Caller::Withheld;
        let Ticket::Stands(standing) = &mut self.ticket else { return };
        if standing.change_owed.is_some() {
            return;
        }
        let mut change = TicketChange::default();
        // Only the default user makes room: a person on the ticket was found by us or set by an
        // agent. A number that turned out to be hidden takes the person away again.
        let makes_room = standing.requester == Requester::DefaultUser || wish == Requester::DefaultUser;
        if known
            && makes_room
            && wish != standing.requester
            && standing.refused_requester.as_ref() != Some(&wish)
        {
            step.tell(now, format!("the ticket is corrected to {}", requester_text(&wish)), why);
            change.requester = Some(wish);
        }
        if let Some(agent) = assignee
            && standing.assignee.as_ref() != Some(&agent.extension)
        {
            step.tell(
                now,
                format!("the ticket goes to {}", agent.extension),
                "that agent speaks with the caller now",
            );
            change.assignee = Some(agent);
        }
        if !candidates.is_empty() && !standing.candidates_told {
            change.comment = Some(format!("Several persons have this number:\n{candidates}"));
        }
        if change != TicketChange::default() {
            self.seq += 1;
            let ticket = standing.ticket;
            standing.change_owed = Some(self.seq);
            step.effects.push(Effect::Owe(self.work(self.seq, Task::UpdateTicket { ticket, change })));
            step.durable = true;
        }
    }

    fn ticket_stands(
        &mut self,
        seq: u32,
        sent: &TicketDraft,
        made: &TicketStanding,
        now: Timestamp,
        step: &mut Step,
    ) {
        if !matches!(&self.ticket, Ticket::Owed { seq: owed, .. } if *owed == seq) {
            return;
        }
        let mut refused_requester = None;
        let requester = match &made.requester {
            Made::AsDrafted => sent.requester.clone(),
            Made::DefaultUserInstead => {
                step.tell(now, "the ticket is for the default user", "the CRM refused the person found");
                refused_requester = Some(sent.requester.clone());
                Requester::DefaultUser
            }
            Made::NewUser(_) => sent.requester.clone(),
        };
        let popped = made.popped.clone();
        step.tell(now, format!("ticket {} stands", made.ticket), "");
        match &popped {
            Some(extension) => step.tell(now, format!("the ticket is open at {extension}"), ""),
            None if !made.pops_possible && sent.pop.is_some() => {
                step.tell(
                    now,
                    "the ticket opens for nobody",
                    "the CRM's plan cannot open tickets on screens",
                );
            }
            None => {}
        }
        self.ticket = Ticket::Stands(Standing {
            ticket: made.ticket,
            requester,
            assignee: sent.assignee.as_ref().map(|agent| agent.extension.clone()),
            popped,
            pop_owed: None,
            pops_possible: made.pops_possible,
            change_owed: None,
            candidates_told: sent.tells_candidates,
            refused_requester,
        });
    }

    /// The ticket as it shall be made now, and why its requester is who it is.
    fn draft(&self, now: Timestamp, rules: &Rules) -> (TicketDraft, &'static str) {
        let (requester, why) = self.requester(rules);
        let group = self.group.as_deref().and_then(|name| rules.groups.named(name));
        let agent = self.last_agent.as_ref().map(|extension| rules.agent(extension));
        let candidates = self.candidates();
        let value = |field| self.value(field, agent.as_ref(), &candidates);
        let assignee = agent.clone().filter(|agent| agent.email.is_some());
        let (subject, comment) = match group {
            Some(group) => (group.texts.subject.render_line(value), group.texts.comment.render(value)),
            None => (None, String::new()),
        };
        let number = self.caller.e164();
        let mut comment = comment;
        // Promise: an unknown caller's number can be read in the ticket, whatever the template says.
        if let (Some(number), false) = (number, matches!(requester, Requester::Person(_)))
            && !comment.contains(&number.to_string())
        {
            comment.push_str(&format!("\nCaller: {number}"));
        }
        if !candidates.is_empty() && !comment.contains(&candidates) {
            comment.push_str(&format!("\nSeveral persons have this number:\n{candidates}"));
        }
        let texts = group.map(|group| group.texts.as_ref());
        let draft = TicketDraft {
            external_id: format!("ringdesk:{}", self.id),
            requester,
            group: group.map(|group| group.crm_group.clone()),
            subject: subject.unwrap_or_else(|| "Call".to_owned()),
            comment: if comment.trim().is_empty() { format!("Call {}", self.id) } else { comment },
            public: texts.is_some_and(|texts| texts.public),
            tags: texts.map(|texts| texts.tags.clone()).unwrap_or_default(),
            priority: texts.and_then(|texts| texts.priority.clone()),
            pop: assignee.clone().filter(|_| self.pop_worth_it_at(now)),
            assignee,
            tells_candidates: !candidates.is_empty(),
        };
        (draft, why)
    }

    /// Who the ticket is for, and why.
    fn requester(&self, rules: &Rules) -> (Requester, &'static str) {
        let number = match &self.caller {
            Caller::Withheld => return (Requester::DefaultUser, "the number is withheld"),
            Caller::Internal(_) => {
                return (Requester::DefaultUser, "the number is an extension of the house");
            }
            Caller::Unreadable(_) => return (Requester::DefaultUser, "what was sent is no telephone number"),
            Caller::Number(number) => *number,
        };
        match &self.lookup {
            Lookup::Known(Identified::One(person)) => {
                (Requester::Person(person.id), "the number is theirs alone")
            }
            // A further user with the same number would only make the next call harder.
            Lookup::Known(Identified::Several(_)) => {
                (Requester::DefaultUser, "several persons have the number")
            }
            Lookup::Known(Identified::Nobody) => match &rules.unknown {
                UnknownCaller::DefaultUser => (Requester::DefaultUser, "nobody has the number"),
                UnknownCaller::NewUser { name } => {
                    let value = |field| match field {
                        Field::Number => Some(number.to_string()),
                        Field::CallerName => self.caller_name.clone(),
                        _ => None,
                    };
                    let name = name.render_line(value).unwrap_or_else(|| number.to_string());
                    (
                        Requester::NewUser { number, name },
                        "nobody has the number, and unknown callers become new users",
                    )
                }
            },
            Lookup::Known(Identified::Failed) | Lookup::Failed { .. } => {
                (Requester::DefaultUser, "the caller could not be looked up yet")
            }
            Lookup::NotAsked | Lookup::Asked | Lookup::Searching => (
                Requester::DefaultUser,
                "the agent was quicker than the search; it is corrected when the answer comes",
            ),
        }
    }

    fn candidates(&self) -> String {
        match &self.lookup {
            Lookup::Known(Identified::Several(people)) => people
                .iter()
                .map(|person| format!("{} (user {})", person.name.replace(char::is_control, " "), person.id))
                .collect::<Vec<_>>()
                .join("\n"),
            _ => String::new(),
        }
    }

    /// The value of a placeholder in the admin's templates, which clean it.
    fn value(&self, field: Field, agent: Option<&Agent>, candidates: &str) -> Option<String> {
        let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        Some(match field {
            Field::CallerNumber | Field::Number => match &self.caller {
                Caller::Number(number) => number.to_string(),
                Caller::Withheld => "withheld".to_owned(),
                Caller::Internal(extension) => extension.to_string(),
                Caller::Unreadable(sent) => sent.clone(),
            },
            Field::CallerName => self.caller_name.clone()?,
            Field::Person => match &self.lookup {
                Lookup::Known(Identified::One(person)) => person.name.clone(),
                _ => return None,
            },
            Field::Dialled => self.dialled.clone(),
            Field::Group => self.group.clone()?,
            Field::AgentName => agent?.name.clone()?,
            Field::AgentExtension => agent?.extension.to_string(),
            Field::Direction => "inbound".to_owned(),
            Field::Started => time(self.started),
            Field::Answered => time(self.answered?),
            Field::Candidates => candidates.to_owned(),
            Field::CallId => self.id.to_string(),
            Field::Source => self.id.source().to_string(),
        })
    }

    fn pop_worth_it(&self) -> bool {
        match &self.phase {
            Phase::Talking => true,
            Phase::Ended { wrapped_up, .. } => !wrapped_up,
            Phase::Ringing | Phase::Closed { .. } => false,
        }
    }

    fn pop_worth_it_at(&self, now: Timestamp) -> bool {
        match &self.phase {
            Phase::Ended { wrap_up_until, .. } => now < *wrap_up_until,
            _ => self.pop_worth_it(),
        }
    }

    fn end_wrap_up(&mut self, now: Timestamp, step: &mut Step) {
        let Phase::Ended { wrap_up_until, wrapped_up, .. } = &mut self.phase else { return };
        if *wrapped_up || *wrap_up_until > now {
            return;
        }
        *wrapped_up = true;
        step.durable |= self.watched();
        if let Ticket::Stands(standing) = &mut self.ticket
            && let Some(seq) = standing.pop_owed.take()
        {
            let reason = "the wrap-up time is over: nobody waits for the screen pop any more";
            step.tell(now, "the screen pop is dropped", reason);
            let key = format!("{}#{seq}", self.id);
            step.effects.push(Effect::Withdraw { key, reason });
        }
    }

    /// Closes the call when its wrap-up time is over and nothing is owed.
    fn close_when_done(&mut self, step: &mut Step) {
        let Phase::Ended { at, outcome, by, estimated, wrapped_up: true, .. } = self.phase else { return };
        let owes = match &self.ticket {
            Ticket::None | Ticket::Refused { .. } => false,
            Ticket::Owed { .. } => true,
            Ticket::Stands(standing) => standing.change_owed.is_some() || standing.pop_owed.is_some(),
        };
        if !owes && !self.may_be_corrected() {
            self.close(at, outcome, by, estimated);
            step.durable |= self.watched();
        }
    }

    /// The ticket is the default user's because the search was slower than the call; the answer will
    /// still correct it.
    fn may_be_corrected(&self) -> bool {
        let Ticket::Stands(Standing { requester: Requester::DefaultUser, .. }) = &self.ticket else {
            return false;
        };
        match &self.lookup {
            Lookup::Asked | Lookup::Searching => true,
            Lookup::Failed { .. } => self.lookups_failed < LOOKUPS_AFTER_THE_CALL,
            Lookup::NotAsked | Lookup::Known(_) => false,
        }
    }
}

impl Standing {
    fn apply(&mut self, change: &TicketChange) {
        if let Some(requester) = &change.requester {
            self.requester = requester.clone();
        }
        if let Some(assignee) = &change.assignee {
            self.assignee = Some(assignee.extension.clone());
        }
        if change.comment.is_some() {
            self.candidates_told = true;
        }
    }
}

fn requester_text(requester: &Requester) -> String {
    match requester {
        Requester::Person(id) => format!("person {id}"),
        Requester::DefaultUser => "the default user".to_owned(),
        Requester::NewUser { .. } => "a new user".to_owned(),
    }
}
