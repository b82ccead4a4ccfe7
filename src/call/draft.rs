//! What the ticket says, and who it is for.

use jiff::Timestamp;

use super::event::{Direction, EndedBy, Identified, Person, TicketId};
use super::field::Field;
use super::missed::MissedAs;
use super::number::Caller;
use super::rules::{Rules, UnknownCaller};
use super::state::{Call, Lookup, Outcome, Phase, Ticket};
use super::template::Template;
use super::work::{Agent, Requester, TicketDraft};

impl Call {
    /// The ticket as it shall be made now, and why its requester is who it is.
    pub(super) fn draft(&self, now: Timestamp, rules: &Rules) -> (TicketDraft, &'static str) {
        let (requester, why) = self.requester(rules);
        let group = self.group.as_deref().and_then(|name| rules.groups.named(name));
        let agent = self.last_agent.as_ref().map(|extension| rules.agent(extension));
        let candidates = self.candidates();
        let value = |field| self.value(field, agent.as_ref(), &candidates);
        let assignee = agent.clone().filter(|agent| agent.email.is_some());
        let missed = self.after.missed != MissedAs::NotMissed;
        let (subject, comment) = match group {
            Some(group) if missed => {
                (group.texts.missed_subject.render_line(value), group.texts.missed_comment.render(value))
            }
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
            author: Some(self.author(rules)),
            for_default_agent: missed,
            reuse_within: group
                .map_or(0, |group| group.reuse_within.as_secs().try_into().unwrap_or(u32::MAX)),
        };
        (draft, why)
    }

    /// Who the ticket is for, and why.
    pub(super) fn requester(&self, rules: &Rules) -> (Requester, &'static str) {
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

    /// One line made of a template; `None` when it is empty.
    pub(super) fn text(&self, template: &Template, rules: &Rules) -> Option<String> {
        let agent = self.last_agent.as_ref().map(|extension| rules.agent(extension));
        let candidates = self.candidates();
        template.render_line(|field| self.value(field, agent.as_ref(), &candidates))
    }

    /// A path or a file's name made of a template; `None` when it is empty.
    pub(super) fn path(&self, template: &Template, rules: &Rules) -> Option<String> {
        let agent = self.last_agent.as_ref().map(|extension| rules.agent(extension));
        template.render_path(|field| {
            let began = |form: &str| {
                let local = self.started.to_zoned(rules.zone.clone());
                local.strftime(form).to_string()
            };
            match field {
                Field::Year => Some(began("%Y")),
                Field::Month => Some(began("%m")),
                Field::Day => Some(began("%d")),
                Field::Time => Some(began("%H%M%S")),
                field => self.value(field, agent.as_ref(), ""),
            }
        })
    }

    pub(super) fn candidates(&self) -> String {
        match &self.lookup {
            Lookup::Known(Identified::Several(people)) => people
                .iter()
                .map(|person| format!("{} (user {})", person.name.replace(char::is_control, " "), person.id))
                .collect::<Vec<_>>()
                .join("\n"),
            _ => String::new(),
        }
    }

    /// The value of a placeholder in the admin's templates, which clean it; `None` while it is not known.
    pub(super) fn value(&self, field: Field, agent: Option<&Agent>, candidates: &str) -> Option<String> {
        let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        Some(match field {
            Field::CallerNumber | Field::Number => match &self.caller {
                Caller::Number(number) => number.to_string(),
                Caller::Withheld => "withheld".to_owned(),
                Caller::Internal(extension) => extension.to_string(),
                Caller::Unreadable(sent) => sent.clone(),
            },
            Field::CallerName => self.caller_name.clone()?,
            Field::Person => self.person()?.name.clone(),
            Field::ContactId => self.person()?.id.to_string(),
            Field::Dialled => self.dialled.clone(),
            Field::Group => self.group.clone()?,
            Field::AgentName => agent?.name.clone()?,
            Field::AgentExtension => agent?.extension.to_string(),
            Field::AgentEmail => agent?.email.clone()?,
            Field::Direction => match self.direction {
                Direction::Inbound => "inbound".to_owned(),
                Direction::Outbound => "outbound".to_owned(),
                Direction::Internal => "internal".to_owned(),
            },
            Field::Started => time(self.started),
            Field::Answered => time(self.answered?),
            Field::Ended => time(self.ended()?.0),
            Field::Duration => hours(self.talked()?),
            Field::DurationSeconds => self.talked()?.to_string(),
            Field::Waiting => hours(self.waited()?),
            Field::WaitingSeconds => self.waited()?.to_string(),
            Field::Outcome => self.ended()?.1.as_str().to_owned(),
            Field::HungUpBy => self.ended()?.2?.as_str().to_owned(),
            Field::Candidates => candidates.to_owned(),
            Field::CallId => self.id.to_string(),
            Field::LinkedId => self.absorbed_into.as_ref().unwrap_or(&self.id).pbx().to_owned(),
            Field::Source => self.id.source().to_string(),
            Field::Ticket => match &self.ticket {
                Ticket::Stands(standing) if standing.ticket != TicketId::NONE => standing.ticket.to_string(),
                _ => return None,
            },
            // Exchanges name recordings after the caller's number.
            Field::Recording if self.caller == Caller::Withheld => return None,
            Field::Recording => self.recording.clone().or_else(|| self.voicemail_file.clone())?,
            Field::Variable(name) => self.variables.get(&name)?.clone(),
            // Only in paths.
            Field::Year | Field::Month | Field::Day | Field::Time => return None,
        })
    }

    /// The person that the phone book found.
    fn person(&self) -> Option<&Person> {
        match &self.lookup {
            Lookup::Known(Identified::One(person)) => Some(person),
            _ => None,
        }
    }

    /// When it ended, as what, and who ended it.
    fn ended(&self) -> Option<(Timestamp, Outcome, Option<EndedBy>)> {
        match &self.phase {
            Phase::Ended { at, outcome, by, .. } | Phase::Closed { at, outcome, by, .. } => {
                Some((*at, *outcome, *by))
            }
            Phase::Ringing | Phase::Talking => None,
        }
    }

    /// How long was spoken, in seconds, once the call has ended.
    fn talked(&self) -> Option<i64> {
        Some(self.ended()?.0.duration_since(self.answered?).as_secs().max(0))
    }

    /// How long the caller waited for an answer, in seconds; without one until the end.
    fn waited(&self) -> Option<i64> {
        let until = self.answered.or_else(|| Some(self.ended()?.0))?;
        Some(until.duration_since(self.started).as_secs().max(0))
    }
}

/// Seconds as `hh:mm:ss`.
fn hours(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The requester in words for stories.
pub(super) fn requester_text(requester: &Requester) -> String {
    match requester {
        Requester::Person(id) => format!("person {id}"),
        Requester::DefaultUser => "the default user".to_owned(),
        Requester::NewUser { .. } => "a new user".to_owned(),
    }
}
