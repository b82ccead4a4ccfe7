//! `[ticket]`: how tickets look. A `[[group]]` may have its own.

use std::time::Duration;

use crate::call::{Field, Template};

use super::reader::shown;
use super::section::Section;

/// How a ticket looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The subject.
    pub subject: Template,
    /// The first comment.
    pub comment: Template,
    /// Tags, in small letters.
    pub tags: Vec<String>,
    /// The priority; `None` leaves it to the CRM.
    pub priority: Option<Priority>,
    /// Whether the requester may read the first comment.
    pub public: bool,
    /// A caller who gave up, or whom the PBX gave up, gets a ticket.
    pub on_abandoned: bool,
    /// A caller who was sent to a voice mailbox gets a ticket.
    pub on_voicemail: bool,
    /// Further attempts within this time go into the same ticket; zero: never.
    pub merge_missed_within: Duration,
    /// A call of the same caller that is answered within that time solves the ticket.
    pub solve_missed: bool,
    /// The subject of a call that nobody answered.
    pub missed_subject: Template,
    /// The comment of a call that nobody answered.
    pub missed_comment: Template,
    /// A ticket of the same requester and group that is younger takes the call; `None` or zero: each
    /// call has its own.
    pub reuse_open_ticket: Option<Duration>,
}

/// How urgent a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Low.
    Low,
    /// Normal.
    Normal,
    /// High.
    High,
    /// Urgent.
    Urgent,
}

impl Priority {
    /// The word that the CRM knows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

const SUBJECT: &str = "Call from {person|caller_name|caller_number}";

const COMMENT: &str = "\
Call from {caller_number} at {answered|started}
Known as: {person}
Name sent with the call: {caller_name}
Number dialled: {dialled}
Group: {group}
Answered by: {agent_name|agent_extension}

Several people have this number, please choose the requester: {candidates}

Call {call_id}";

const MISSED_SUBJECT: &str = "Missed call from {person|caller_name|caller_number}";

const MISSED_COMMENT: &str = "\
Nobody answered a call at {started}
Number to call back: {caller_number}
Known as: {person}
Name sent with the call: {caller_name}
Number dialled: {dialled}
Group: {group}
Waited: {waiting}
Ended: {outcome}

Several people have this number, please choose the requester: {candidates}

Call {call_id}";

const HOUR: Duration = Duration::from_secs(3_600);

/// An older ticket is another matter.
const LONGEST_REUSE: Duration = Duration::from_secs(30 * 24 * 3_600);

const PRIORITIES: &[(&str, Priority)] = &[
    ("low", Priority::Low),
    ("normal", Priority::Normal),
    ("high", Priority::High),
    ("urgent", Priority::Urgent),
];

impl Default for Ticket {
    fn default() -> Self {
        let missed = |text| Template::compile(text, Field::OF_MISSED).expect("the built-in texts compile");
        let first = |text| Template::compile(text, Field::OF_TICKETS).expect("the built-in texts compile");
        Self {
            subject: first(SUBJECT),
            comment: first(COMMENT),
            tags: vec!["ringdesk".to_owned()],
            priority: None,
            public: false,
            on_abandoned: false,
            on_voicemail: false,
            merge_missed_within: HOUR,
            solve_missed: false,
            missed_subject: missed(MISSED_SUBJECT),
            missed_comment: missed(MISSED_COMMENT),
            reuse_open_ticket: None,
        }
    }
}

impl Ticket {
    pub(super) fn read(section: Option<Section<'_>>, variables: &[String]) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        let (first, missed) = (template(Field::OF_TICKETS, variables), template(Field::OF_MISSED, variables));
        Self {
            subject: section.verbatim("subject", &first).or(default.subject),
            comment: section.verbatim("comment", &first).or(default.comment),
            tags: section.list("tags", tag).or(default.tags),
            priority: section.one_of("priority", PRIORITIES).optional(),
            public: section.flag("public").or(default.public),
            on_abandoned: section.flag("on_abandoned").or(default.on_abandoned),
            on_voicemail: section.flag("on_voicemail").or(default.on_voicemail),
            merge_missed_within: section
                .duration("merge_missed_within", Duration::ZERO..=24 * HOUR)
                .or(default.merge_missed_within),
            solve_missed: section.flag("solve_missed").or(default.solve_missed),
            missed_subject: section.verbatim("missed_subject", &missed).or(default.missed_subject),
            missed_comment: section.verbatim("missed_comment", &missed).or(default.missed_comment),
            reuse_open_ticket: section
                .duration("reuse_open_ticket", Duration::ZERO..=LONGEST_REUSE)
                .optional(),
        }
    }

    /// This look with what a group's table says otherwise.
    pub(super) fn with(&self, section: &mut Section<'_>, variables: &[String]) -> Self {
        let (first, missed) = (template(Field::OF_TICKETS, variables), template(Field::OF_MISSED, variables));
        let own = self.clone();
        Self {
            subject: section.verbatim("subject", &first).optional().unwrap_or(own.subject),
            comment: section.verbatim("comment", &first).optional().unwrap_or(own.comment),
            tags: section.list("tags", tag).optional().unwrap_or(own.tags),
            priority: section.one_of("priority", PRIORITIES).optional().or(own.priority),
            public: section.flag("public").optional().unwrap_or(own.public),
            on_abandoned: section.flag("on_abandoned").optional().unwrap_or(own.on_abandoned),
            on_voicemail: section.flag("on_voicemail").optional().unwrap_or(own.on_voicemail),
            merge_missed_within: section
                .duration("merge_missed_within", Duration::ZERO..=24 * HOUR)
                .optional()
                .unwrap_or(own.merge_missed_within),
            solve_missed: section.flag("solve_missed").optional().unwrap_or(own.solve_missed),
            missed_subject: section
                .verbatim("missed_subject", &missed)
                .optional()
                .unwrap_or(own.missed_subject),
            missed_comment: section
                .verbatim("missed_comment", &missed)
                .optional()
                .unwrap_or(own.missed_comment),
            reuse_open_ticket: section
                .duration("reuse_open_ticket", Duration::ZERO..=LONGEST_REUSE)
                .optional()
                .or(own.reuse_open_ticket),
        }
    }
}

fn template(allowed: &[Field], variables: &[String]) -> impl Fn(&str) -> Result<Template, String> {
    |text| Template::compile_with(text, allowed, variables).map_err(|error| error.to_string())
}

fn tag(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ",\"'".contains(c);
    if text.is_empty() || text.contains(odd) || text.chars().count() > 80 {
        Err(format!(
            "{} is no tag: write one word without blanks and commas, such as \"telephone\"",
            shown(text)
        ))
    } else {
        Ok(text.to_lowercase())
    }
}
