//! What is wanted of the CRM when the call is over: the number at its owner, fields, the CRM's record.
//!
//! Each is owed once. That it is owed stands in the state, so a restart neither forgets nor repeats it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::after::{
    Author, CallRecord, FieldValue, Filed, PersonUpdate, PersonUpdated, Placeholder, RecordId,
};
use super::event::{EndedBy, TicketId};
use super::missed::{Attempt, Joined, MissedAs, Reached};
use super::number::E164;
use super::rules::{FieldTarget, Rules};
use super::state::{Call, Outcome, Phase, Standing, Step, Ticket};
use super::work::{Effect, Requester, Task};

/// What follows the call, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct After {
    /// Number and fields of the ticket's requester.
    pub person: Once,
    /// The CRM's record of the call.
    pub record: Once,
    /// The id of that record.
    pub record_id: Option<RecordId>,
    /// That the record is shown in the ticket.
    pub shown: Once,
    /// That it leads to the recording.
    pub completed: Once,
    /// What became of it as a missed call.
    pub missed: MissedAs,
    /// The ticket of the earlier call that it went into.
    pub joined: Joined,
    /// Further attempts of the same caller.
    pub attempts: Vec<Attempt>,
    /// So many of them are told in the ticket, or will be by work that is owed.
    pub attempts_told: usize,
    /// Somebody spoke with the caller later.
    pub reached: Option<Reached>,
    /// That is told in the ticket, or will be.
    pub reached_told: bool,
}

/// Something that is done once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Once {
    /// Not owed yet.
    #[default]
    NotYet,
    /// Owed, by the work of this sequence number.
    Owed(u32),
    /// Done, or refused for good.
    Done,
}

impl Once {
    pub(super) fn owed(self) -> bool {
        matches!(self, Self::Owed(_))
    }

    /// Work of this number is done or refused.
    pub(super) fn settled(&mut self, seq: u32) {
        if *self == Self::Owed(seq) {
            *self = Self::Done;
        }
    }
}

/// The end of a call.
struct End {
    at: Timestamp,
    outcome: Outcome,
    by: Option<EndedBy>,
    wrapped_up: bool,
}

impl After {
    /// Something is still owed.
    pub(super) fn owes(&self) -> bool {
        [self.person, self.record, self.shown, self.completed].into_iter().any(Once::owed)
    }

    /// Work of this number is done or refused.
    pub(super) fn settled(&mut self, seq: u32) {
        for once in [&mut self.person, &mut self.record, &mut self.shown, &mut self.completed] {
            once.settled(seq);
        }
    }
}

impl Call {
    /// In whose name something is written into the ticket now.
    pub(super) fn author(&self, rules: &Rules) -> Author {
        match &self.last_agent {
            Some(extension) if !rules.always_default_agent => {
                let agent = rules.agent(extension);
                if agent.email.is_some() { Author::Agent(agent) } else { Author::DefaultAgent }
            }
            _ => Author::DefaultAgent,
        }
    }

    /// Whether the wrap-up time is over.
    pub(super) fn wrapped_up(&self) -> bool {
        matches!(self.phase, Phase::Ended { wrapped_up: true, .. })
    }

    fn end(&self) -> Option<End> {
        match self.phase {
            Phase::Ended { at, outcome, by, wrapped_up, .. } => Some(End { at, outcome, by, wrapped_up }),
            Phase::Ringing | Phase::Talking | Phase::Closed { .. } => None,
        }
    }

    /// Owes what follows the call, as far as its time has come.
    pub(super) fn want_after(&mut self, now: Timestamp, rules: &Rules, step: &mut Step) {
        let (Ticket::Stands(standing), Some(end)) = (&self.ticket, self.end()) else { return };
        let changes = standing.change_owed.is_some();
        let (ticket, records) = (standing.ticket, rules.records && standing.pops_possible);
        if ticket == TicketId::NONE {
            return;
        }
        if records && self.after.record == Once::NotYet {
            let record = self.record(ticket, &end, now, rules);
            self.after.record = self.owe(Task::RecordCall(Box::new(record)), step);
        }
        if let (Some(record), Once::NotYet) = (self.after.record_id, self.after.shown) {
            let title = self.draft(now, rules).0.subject;
            self.after.shown = self.owe(Task::ShowRecord { ticket, record, title }, step);
        }
        if let (Some(record), Some(address), Once::NotYet) =
            (self.after.record_id, &self.recorded.address, self.after.completed)
        {
            let task = Task::CompleteRecord { record, address: address.clone() };
            self.after.completed = self.owe(task, step);
        }
        // A correction of the requester goes before, also one that is still to come.
        let settled = !changes && !self.may_be_corrected();
        if end.wrapped_up && settled && self.after.person == Once::NotYet {
            self.want_person(ticket, now, rules, step);
        }
    }

    fn want_person(&mut self, ticket: TicketId, now: Timestamp, rules: &Rules, step: &mut Step) {
        let number = self.number_without_owner();
        let fields = self.field_values(rules, |target| match target {
            FieldTarget::Person(field) => Some(field.as_str()),
            FieldTarget::Ticket(_) | FieldTarget::Tag => None,
        });
        if number.is_none() && fields.is_empty() {
            self.after.person = Once::Done;
            return;
        }
        if number.is_some() {
            step.tell(
                now,
                "the ticket is read again",
                "its requester may be a person by now who lacks the number",
            );
        }
        let placeholder = match &self.ticket {
            Ticket::Stands(Standing { placeholder: Some(person), .. }) => {
                Some(Placeholder { person: person.clone(), remove: rules.remove_placeholders })
            }
            _ => None,
        };
        let update = PersonUpdate { ticket, number, placeholder, fields };
        self.after.person = self.owe(Task::UpdatePerson(Box::new(update)), step);
    }

    /// The caller's number, unless the person on the ticket was found by it.
    fn number_without_owner(&self) -> Option<E164> {
        let Ticket::Stands(standing) = &self.ticket else { return None };
        self.caller.e164().filter(|_| !matches!(standing.requester, Requester::Person(_)))
    }

    /// The values of the `[[field]]`s whose target this picks; those that are empty are left out.
    fn field_values<'a>(
        &self,
        rules: &'a Rules,
        pick: impl Fn(&'a FieldTarget) -> Option<&'a str>,
    ) -> Vec<FieldValue> {
        let picked = rules.fields.iter().filter_map(|rule| Some((pick(&rule.target)?, &rule.value)));
        picked
            .filter_map(|(field, template)| {
                let value = self.text(template, rules)?;
                Some(FieldValue { field: field.to_owned(), value })
            })
            .collect()
    }

    /// The ticket fields and tags that the config makes of the call.
    pub(super) fn mapped(&self, rules: &Rules) -> (Vec<FieldValue>, Vec<String>) {
        let fields = self.field_values(rules, |target| match target {
            FieldTarget::Ticket(field) => Some(field.as_str()),
            FieldTarget::Person(_) | FieldTarget::Tag => None,
        });
        let tags = rules.fields.iter().filter(|rule| rule.target == FieldTarget::Tag);
        (fields, tags.filter_map(|rule| self.text(&rule.value, rules)).collect())
    }

    fn record(&self, ticket: TicketId, end: &End, now: Timestamp, rules: &Rules) -> CallRecord {
        let draft = self.draft(now, rules).0;
        CallRecord {
            external_id: draft.external_id,
            ticket,
            title: draft.subject,
            direction: self.direction,
            caller: self.caller.e164(),
            dialled: self.dialled.clone(),
            agent: self.last_agent.as_ref().map(|extension| rules.agent(extension)),
            started: self.started,
            answered: self.answered,
            ended: end.at,
            outcome: end.outcome,
            by: end.by,
            recording: None,
        }
    }

    pub(super) fn owe(&mut self, task: Task, step: &mut Step) -> Once {
        self.seq += 1;
        step.effects.push(Effect::Owe(self.work(self.seq, task)));
        step.durable = true;
        Once::Owed(self.seq)
    }

    /// The exit has written the person.
    pub(super) fn person_updated(&mut self, updated: &PersonUpdated, now: Timestamp, step: &mut Step) {
        let (what, why) = match &updated.number {
            None => return,
            Some(Filed::Written { person, place }) => {
                (format!("the number is written to person {}", person.id), format!("place: {place}"))
            }
            Some(Filed::HadIt { person }) => {
                (format!("person {} has the number already", person.id), String::new())
            }
            Some(Filed::NoRoom { person }) => (
                format!("the number is not written to person {}", person.id),
                "every field for telephone numbers holds another number".to_owned(),
            ),
            Some(Filed::Nobody) => {
                ("the number has no owner yet".to_owned(), "the ticket was given to nobody".to_owned())
            }
            Some(Filed::NotWritable { reason }) => ("the number is not written".to_owned(), reason.clone()),
            Some(Filed::TicketGone) => {
                ("the number has no owner yet".to_owned(), "the ticket is gone".to_owned())
            }
        };
        step.tell(now, what, why);
        if updated.placeholder_removed {
            step.tell(now, "the empty user that was made for the number is removed", "");
        }
    }
}
