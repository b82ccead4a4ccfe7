//! What the call wants of its ticket, compared with what stands.
//!
//! Nothing is sent event by event: after each step the wish is compared with what is owed and with
//! what stands, and only the difference becomes work. So a chatty call makes few requests, and a
//! call that comes back from the journal goes on by the same comparison.

use jiff::Timestamp;

use super::draft::requester_text;
use super::event::{Event, TicketId};
use super::missed::Ask;
use super::number::Caller;
use super::rules::Rules;
use super::state::{Call, Lookup, Presentation, Standing, Step, Ticket};
use super::work::{
    Effect, Requester, Standing as Made, Task, TicketChange, TicketDraft, TicketStanding, Work,
};

impl Call {
    /// The exit has done a piece of work of this call.
    pub fn delivered(&mut self, work: &Work, event: &Event, now: Timestamp, rules: &Rules) -> Step {
        let mut step = Step { durable: true, ..Step::default() };
        match (&work.task, event) {
            (Task::CreateTicket(draft), Event::TicketStands(made)) => {
                self.ticket_stands(work.seq, draft, made, now, &mut step);
                if let (Some(_), Some(number)) = (self.answered, self.caller.e164()) {
                    step.ask = Some(Ask::Reached { number, ticket: Some(made.ticket) });
                } else {
                    step.ask = self.tell_attempts(Some(made.ticket));
                }
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
            (Task::UpdatePerson(_), Event::PersonUpdated(updated)) => {
                self.after.settled(work.seq);
                self.person_updated(updated, now, &mut step);
            }
            (Task::RecordCall(_), Event::CallRecorded { record }) => {
                self.after.settled(work.seq);
                self.after.record_id = Some(*record);
            }
            (Task::ShowRecord { .. }, Event::RecordShown) => self.after.settled(work.seq),
            (Task::KeepRecording(_), Event::RecordingKept { files }) => {
                self.recorded.settled(work.seq);
                self.recording_kept(files, now, &mut step);
            }
            (Task::KeepRecording(_), Event::RecordingMissing { reason }) => {
                self.recorded.settled(work.seq);
                self.recording_missing(reason, now, &mut step);
            }
            (Task::CompleteRecord { .. }, Event::RecordCompleted) => self.after.settled(work.seq),
            (Task::AttachRecording(_), Event::RecordingAttached { address }) => {
                self.recorded.settled(work.seq);
                self.recorded.address.clone_from(address);
                self.recorded.attached_by = Some(work.seq);
                step.tell(now, "the recording is attached to the ticket", "");
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
                step.ask = self.tell_attempts(None);
            }
            (Task::UpdateTicket { change, .. }, Ticket::Stands(standing))
                if standing.change_owed == Some(work.seq) =>
            {
                standing.change_owed = None;
                standing.refused_requester.clone_from(&change.requester);
                // What was refused is not tried again: it counts as done.
                standing.apply(&TicketChange { requester: None, ..TicketChange::clone(change) });
            }
            (Task::PopScreen { .. }, Ticket::Stands(standing)) if standing.pop_owed == Some(work.seq) => {
                standing.pop_owed = None;
            }
            _ => {
                self.after.settled(work.seq);
                self.recorded.settled(work.seq);
            }
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
            if !matches!(self.presentation, Presentation::Asked { .. }) {
                self.want_recording(now, rules, step);
                self.decide_missed(step);
                if self.answered.is_some() || self.wants_missed_ticket() {
                    self.want_ticket(now, rules, step);
                }
            }
        }
        if self.watched() {
            self.want_kept(rules, step);
        }
        self.close_when_done(step);
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
                self.want_after(now, rules, step);
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

    pub(super) fn work(&self, seq: u32, task: Task) -> Work {
        Work { call: self.id.clone(), seq, task }
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
        if !matches!(&self.ticket, Ticket::Stands(standing) if standing.change_owed.is_none()) {
            return;
        }
        let author = self.author(rules);
        let (news, solve) = self.news_of_missed();
        let solver = self.after.reached.as_ref().and_then(|reached| reached.agent.as_ref());
        let solver = solver.map(|extension| rules.agent(extension));
        let recording = self.news_of_recording(rules);
        let mapped = self.wrapped_up().then(|| self.mapped(rules));
        let Ticket::Stands(standing) = &mut self.ticket else { return };
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
            && !standing.reused
            && standing.assignee.as_ref() != Some(&agent.extension)
        {
            step.tell(
                now,
                format!("the ticket goes to {}", agent.extension),
                "that agent speaks with the caller now",
            );
            change.assignee = Some(agent);
        }
        let candidates = (!candidates.is_empty() && !standing.candidates_told)
            .then(|| format!("Several persons have this number:\n{candidates}"));
        standing.candidates_told |= candidates.is_some();
        let comments: Vec<String> = [candidates, news, recording].into_iter().flatten().collect();
        if !comments.is_empty() {
            change.comment = Some(comments.join("\n\n"));
            change.author = Some(author);
        }
        change.solve = solve;
        change.solver = solver.filter(|_| solve);
        if let Some((fields, tags)) = mapped.filter(|_| !standing.fields_told) {
            standing.fields_told = true;
            (change.fields, change.tags) = (fields, tags);
        }
        if change != TicketChange::default() {
            self.seq += 1;
            let ticket = standing.ticket;
            standing.change_owed = Some(self.seq);
            step.effects.push(Effect::Owe(
                self.work(self.seq, Task::UpdateTicket { ticket, change: Box::new(change) }),
            ));
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
        if made.ticket == TicketId::NONE {
            step.tell(now, "no ticket is made", "calls are only observed");
        } else if made.reused {
            let why = "the person has an open ticket of the same group";
            step.tell(now, format!("ticket {} takes the call", made.ticket), why);
        } else {
            step.tell(now, format!("ticket {} stands", made.ticket), "");
        }
        match &popped {
            _ if made.ticket == TicketId::NONE => {}
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
            placeholder: match &made.requester {
                Made::NewUser(person) => Some(person.clone()),
                Made::AsDrafted | Made::DefaultUserInstead => None,
            },
            fields_told: false,
            reused: made.reused,
        });
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
    }
}
