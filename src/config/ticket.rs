//! `[ticket]`: how tickets look. A `[[group]]` may have its own.

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

const PRIORITIES: &[(&str, Priority)] = &[
    ("low", Priority::Low),
    ("normal", Priority::Normal),
    ("high", Priority::High),
    ("urgent", Priority::Urgent),
];

impl Default for Ticket {
    fn default() -> Self {
        Self {
            subject: template(SUBJECT).expect("the built-in subject compiles"),
            comment: template(COMMENT).expect("the built-in comment compiles"),
            tags: vec!["ringdesk".to_owned()],
            priority: None,
            public: false,
        }
    }
}

impl Ticket {
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        Self {
            subject: section.verbatim("subject", template).or(default.subject),
            comment: section.verbatim("comment", template).or(default.comment),
            tags: section.list("tags", tag).or(default.tags),
            priority: section.one_of("priority", PRIORITIES).optional(),
            public: section.flag("public").or(default.public),
        }
    }

    /// This look with what a group's table says otherwise.
    pub(super) fn with(&self, section: &mut Section<'_>) -> Self {
        Self {
            subject: section.verbatim("subject", template).optional().unwrap_or_else(|| self.subject.clone()),
            comment: section.verbatim("comment", template).optional().unwrap_or_else(|| self.comment.clone()),
            tags: section.list("tags", tag).optional().unwrap_or_else(|| self.tags.clone()),
            priority: section.one_of("priority", PRIORITIES).optional().or(self.priority),
            public: section.flag("public").optional().unwrap_or(self.public),
        }
    }
}

fn template(text: &str) -> Result<Template, String> {
    Template::compile(text, Field::OF_TICKETS).map_err(|error| error.to_string())
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
