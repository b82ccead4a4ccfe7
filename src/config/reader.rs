//! What all tables of one reading share: the mistakes and warnings found so far, and what must not be
//! shown of the file.
//!
//! A table is read by [`Section`], key by key; a key says at once what it is when it is missing
//! ([`Slot`](super::slot::Slot)). Mistakes are collected, so that one look at the file finds all of
//! them. Written by hand and not derived with serde, because serde stops at the first mistake and
//! cannot tell a key's path together with its place.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::document::{Document, Place};
use super::environment::Environment;
use super::error::{Finding, Position};
use super::secret::Secrets;
use super::section::Section;
use super::tree::{Table, Value};

/// Longest value that is shown in an error, in characters.
const SHOWN_LENGTH: usize = 60;

/// What all sections of one reading share.
pub(super) struct Reader<'r> {
    pub document: &'r Document,
    pub environment: &'r Environment,
    pub secrets: Secrets,
    mistakes: RefCell<Vec<(Place, Finding)>>,
    warnings: RefCell<Vec<(Place, Finding)>>,
    /// Bytes of the file that are never shown.
    masks: RefCell<Vec<Range<usize>>>,
    /// Set when an empty file is read to learn which keys there are.
    pub known: Option<RefCell<Vec<KnownKey>>>,
    /// Whether a secret stands in the file itself.
    pub secret_in_file: Cell<bool>,
}

/// A key that the config has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownKey {
    /// The table, such as `pbx.ami`; empty for the top.
    pub table: String,
    pub key: &'static str,
    pub presence: Presence,
    pub secret: bool,
}

/// What a key is when it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Default,
    Optional,
    Required,
}

impl<'r> Reader<'r> {
    pub fn new(document: &'r Document, environment: &'r Environment, secrets: Secrets) -> Self {
        Self {
            document,
            environment,
            secrets,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            masks: RefCell::default(),
            known: None,
            secret_in_file: Cell::new(false),
        }
    }

    /// A reader that only learns which keys there are.
    pub fn learning(document: &'r Document, environment: &'r Environment) -> Self {
        Self { known: Some(RefCell::default()), ..Self::new(document, environment, Secrets::IfReadable) }
    }

    pub fn into_known(self) -> Vec<KnownKey> {
        self.known.map(RefCell::into_inner).unwrap_or_default()
    }

    /// The whole file as a section.
    pub fn top(&'r self, table: Table) -> Section<'r> {
        Section::new(self, String::new(), Place::Whole, table)
    }

    pub fn mistake(&self, place: &Place, key: impl Into<String>, message: impl Into<String>) {
        self.note(&self.mistakes, place, key.into(), message.into());
    }

    pub fn warning(&self, place: &Place, key: impl Into<String>, message: impl Into<String>) {
        self.note(&self.warnings, place, key.into(), message.into());
    }

    /// Never shows the value at this place.
    pub fn mask(&self, place: &Place) {
        if let Place::File(span) = place {
            self.masks.borrow_mut().push(span.clone());
        }
    }

    /// The place as it is told. What is masked later is shown: for lines without secrets only.
    pub fn position(&self, place: &Place) -> Position {
        position(self.document, place, &self.masks.borrow())
    }

    /// How many mistakes were found so far.
    pub fn mistakes_so_far(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// All mistakes and all warnings, in the order of the file.
    pub fn into_findings(self) -> (Vec<Finding>, Vec<Finding>) {
        let masks = self.masks.take();
        let document = self.document;
        let sorted = |notes: Vec<(Place, Finding)>| {
            let mut notes = notes;
            notes.sort_by_key(|(place, _)| match place {
                Place::Whole => (0, 0),
                Place::File(span) => (1, span.start),
                Place::Variable(_) => (2, 0),
            });
            let mut notes: Vec<Finding> = notes
                .into_iter()
                .map(|(place, note)| Finding { position: position(document, &place, &masks), ..note })
                .collect();
            notes.dedup();
            notes
        };
        (sorted(self.mistakes.take()), sorted(self.warnings.take()))
    }

    fn note(&self, notes: &RefCell<Vec<(Place, Finding)>>, place: &Place, key: String, message: String) {
        // The position is made at the end, when all masks are known.
        let position = Position::File(self.document.path.clone());
        notes.borrow_mut().push((place.clone(), Finding { position, key, message }));
    }

    pub fn learn(&self, table: &str, key: &'static str, presence: Presence, secret: bool) {
        if let Some(known) = &self.known {
            known.borrow_mut().push(KnownKey { table: table.to_owned(), key, presence, secret });
        }
    }
}

/// The place as it is told.
pub(super) fn position(document: &Document, place: &Place, masks: &[Range<usize>]) -> Position {
    match place {
        Place::Whole => Position::File(document.path.clone()),
        Place::Variable(name) => Position::Variable(name.clone()),
        Place::File(span) => {
            let (line, column) = document.line_and_column(span.start);
            let quote = document.quote(span, masks);
            Position::Line { file: document.path.clone(), line, column, quote }
        }
    }
}

/// Whether a text, or one in a list, has a password in it, as `scheme://user:password@host` has.
pub(super) fn holds_login(value: &Value) -> bool {
    match value {
        Value::Text(text) | Value::Variable(text) => login_in(text).is_some(),
        Value::List(items) => items.iter().any(|item| holds_login(&item.value)),
        _ => false,
    }
}

/// How many bytes of the text are a log-in: up to an `@` with a colon before it, without blanks between.
fn login_in(text: &str) -> Option<usize> {
    let at = text.rfind('@')?;
    let word = text[..at].rsplit(char::is_whitespace).next()?;
    word.contains(':').then_some(at)
}

/// A value for a sentence: in quotes, on one line, not endless, without a password.
pub(super) fn shown(text: &str) -> String {
    let (start, text) = match login_in(text) {
        Some(at) => ("…", &text[at..]),
        None => ("", text),
    };
    let cut: String = text.chars().take(SHOWN_LENGTH).collect();
    let end = if cut.len() < text.len() { "…" } else { "" };
    format!("{:?}", format!("{start}{cut}{end}"))
}
