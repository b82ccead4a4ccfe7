//! Reads a table key by key. Mistakes are collected, so that one look at the file finds all of them.
//!
//! Every key is asked for by name and type, and says at once what it is when it is missing
//! ([`Slot::or`], [`Slot::optional`], [`Slot::required`]). What was not asked for is unknown and
//! refused when the [`Section`] is dropped. Written by hand and not derived with serde, because serde
//! stops at the first mistake and cannot tell a key's path together with its place.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::document::{Document, Place};
use super::environment::Environment;
use super::error::{Finding, Position};
use super::secret::Secrets;
use super::tree::{Entry, Node, Table, Value};
use super::{duration, nearest};

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
    known: Option<RefCell<Vec<KnownKey>>>,
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
        Section {
            reader: self,
            path: String::new(),
            place: Place::Whole,
            table,
            asked: Vec::new(),
            noun: "key",
        }
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

    fn learn(&self, table: &str, key: &'static str, presence: Presence, secret: bool) {
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

/// One table.
pub(super) struct Section<'r> {
    pub reader: &'r Reader<'r>,
    /// Its name, such as `pbx.ami`; empty for the whole file.
    pub path: String,
    /// Its header.
    pub place: Place,
    table: Table,
    asked: Vec<&'static str>,
    noun: &'static str,
}

/// A value, its place and its key's path.
#[derive(Clone, Debug)]
pub(super) struct Spot<T> {
    pub value: T,
    pub place: Place,
    pub key: String,
}

/// What stands at a key: nothing, something wrong (already told), or a value.
#[must_use]
pub(super) struct Slot<'r, T> {
    reader: &'r Reader<'r>,
    table: String,
    key: &'static str,
    header: Place,
    secret: bool,
    found: Option<Option<Spot<T>>>,
}

impl<'r> Section<'r> {
    /// What the names in this table are called in errors, where they are no keys.
    pub fn names_are(&mut self, noun: &'static str) {
        self.noun = noun;
    }

    /// The path of a key of this table.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The table of this name; `None` when there is none.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'r>> {
        let path = self.path_of(key);
        let Some(entry) = self.ask(key) else {
            return self.learning().then(|| self.inner(path, Place::Whole, Table::new()));
        };
        match entry.node.value {
            Value::Table(table) => Some(self.inner(path, entry.node.place, table)),
            other => {
                self.refuse_kind(&entry.node.place, &path, &other, &format!("write it as a table, [{path}]"));
                None
            }
        }
    }

    /// The tables of this name, in order.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'r>> {
        let path = self.path_of(key);
        let way_out = format!("write each one as a table of its own, [[{path}]]");
        let Some(entry) = self.ask(key) else {
            return if self.learning() {
                vec![self.inner(path, Place::Whole, Table::new())]
            } else {
                Vec::new()
            };
        };
        let items = match entry.node.value {
            Value::List(items) => items,
            other => {
                self.refuse_kind(&entry.node.place, &path, &other, &way_out);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for item in items {
            match item.value {
                Value::Table(table) => sections.push(self.inner(path.clone(), item.place, table)),
                other => self.refuse_kind(&item.place, &path, &other, &way_out),
            }
        }
        sections
    }

    /// Text that `parse` understands. Its error is the whole sentence, with value and way out.
    pub fn parsed<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Slot<'r, T> {
        self.slot(key, |section, path, node| match &node.value {
            Value::Text(text) | Value::Variable(text) => section.told(path, &node.place, parse(text.trim())),
            other => section.refuse_unquoted(&node.place, path, other),
        })
    }

    /// Text as it is: nothing is cut, several lines are allowed.
    pub fn verbatim<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Slot<'r, T> {
        self.slot(key, |section, path, node| match &node.value {
            Value::Text(text) | Value::Variable(text) => section.told(path, &node.place, parse(text)),
            other => section.refuse_unquoted(&node.place, path, other),
        })
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Slot<'r, T> {
        self.parsed(key, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let allowed: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("{} is not one of its words: write {}", shown(text), allowed.join(" or "))
            })
        })
    }

    /// A duration with its unit.
    pub fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Slot<'r, Duration> {
        self.slot(key, |section, path, node| {
            let text = match &node.value {
                Value::Text(text) | Value::Variable(text) => text.trim(),
                Value::Whole(Some(number)) => {
                    let message = format!("{number} has no unit: {}", duration::allowed(&range));
                    section.reader.mistake(&node.place, path, message);
                    return None;
                }
                other => {
                    section.refuse_kind(&node.place, path, other, &duration::allowed(&range));
                    return None;
                }
            };
            let found = duration::parse(text).filter(|duration| range.contains(duration)).ok_or_else(|| {
                let wrong = if duration::parse(text).is_some() { "out of range" } else { "no duration" };
                format!("{} is {wrong}: {}", shown(text), duration::allowed(&range))
            });
            section.told(path, &node.place, found)
        })
    }

    /// A whole number of `what`.
    pub fn whole<T>(&mut self, key: &'static str, what: &str, range: RangeInclusive<T>) -> Slot<'r, T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        self.slot(key, |section, path, node| {
            let way_out = format!("write {what}, a whole number from {} to {}", range.start(), range.end());
            let number = match &node.value {
                Value::Whole(number) => *number,
                Value::Variable(text) => text.trim().parse().ok(),
                Value::Text(text) => {
                    let message = format!("{} is text: {way_out}, without quotes", shown(text));
                    section.reader.mistake(&node.place, path, message);
                    return None;
                }
                other => {
                    section.refuse_kind(&node.place, path, other, &way_out);
                    return None;
                }
            };
            let found =
                number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
            let found = found.ok_or_else(|| match (&node.value, number) {
                (Value::Variable(text), _) => format!("{} is not allowed: {way_out}", shown(text)),
                (_, Some(number)) => format!("{number} is not allowed: {way_out}"),
                (_, None) => format!("the number is too large: {way_out}"),
            });
            section.told(path, &node.place, found)
        })
    }

    /// True or false.
    pub fn flag(&mut self, key: &'static str) -> Slot<'r, bool> {
        self.slot(key, |section, path, node| {
            let way_out = "write true or false, without quotes";
            match &node.value {
                Value::Flag(flag) => Some(*flag),
                Value::Variable(text) => {
                    let found = text.trim().parse();
                    section.told(
                        path,
                        &node.place,
                        found.map_err(|_| format!("{} is not allowed: {way_out}", shown(text))),
                    )
                }
                other => {
                    section.refuse_kind(&node.place, path, other, way_out);
                    None
                }
            }
        })
    }

    /// A list of texts, each of which `parse` understands; in a variable with commas between them.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Slot<'r, Vec<T>> {
        self.slot(key, |section, path, node| {
            let items: Vec<(String, &Place)> = match &node.value {
                Value::Variable(text) => text
                    .split(',')
                    .map(|item| (item.trim().to_owned(), &node.place))
                    .filter(|(item, _)| !item.is_empty())
                    .collect(),
                Value::List(items) => items
                    .iter()
                    .filter_map(|item| match &item.value {
                        Value::Text(text) => Some((text.trim().to_owned(), &item.place)),
                        other => section.refuse_unquoted(&item.place, path, other),
                    })
                    .collect(),
                other => {
                    section.refuse_kind(&node.place, path, other, "write a list, such as [\"a\", \"b\"]");
                    return None;
                }
            };
            Some(
                items
                    .into_iter()
                    .filter_map(|(item, place)| section.told(path, place, parse(&item)))
                    .collect(),
            )
        })
    }

    /// Takes the key's entry out and remembers that it is known.
    pub fn ask(&mut self, key: &'static str) -> Option<Entry> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// Remembers a key that no [`Slot`] is made for.
    pub fn learn(&self, key: &'static str, presence: Presence, secret: bool) {
        self.reader.learn(&self.path, key, presence, secret);
    }

    /// True while only the keys are learnt.
    pub fn learning(&self) -> bool {
        self.reader.known.is_some()
    }

    /// Whether the table has this name.
    pub fn gives(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether there are names that nobody asked for.
    pub fn has_unknown(&self) -> bool {
        !self.table.is_empty()
    }

    /// A mistake of the table as a whole.
    pub fn mistake(&self, message: impl Into<String>) {
        self.reader.mistake(&self.place, self.path.clone(), message);
    }

    fn slot<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Self, &str, &Node) -> Option<T>,
    ) -> Slot<'r, T> {
        let path = self.path_of(key);
        let found = self.ask(key).map(|entry| {
            if holds_login(&entry.node.value) {
                self.reader.mask(&entry.node.place);
            }
            let value = read(self, &path, &entry.node)?;
            Some(Spot { value, place: entry.node.place, key: path })
        });
        Slot {
            reader: self.reader,
            table: self.path.clone(),
            key,
            header: self.place.clone(),
            secret: false,
            found,
        }
    }

    /// A slot whose value was found by other means.
    pub fn secret_slot<T>(&self, key: &'static str, found: Option<Option<Spot<T>>>) -> Slot<'r, T> {
        Slot {
            reader: self.reader,
            table: self.path.clone(),
            key,
            header: self.place.clone(),
            secret: true,
            found,
        }
    }

    fn inner(&self, path: String, place: Place, table: Table) -> Section<'r> {
        Section { reader: self.reader, path, place, table, asked: Vec::new(), noun: "key" }
    }

    fn told<T>(&self, path: &str, place: &Place, found: Result<T, String>) -> Option<T> {
        found.map_err(|message| self.reader.mistake(place, path, message)).ok()
    }

    fn refuse_kind(&self, place: &Place, path: &str, value: &Value, way_out: &str) {
        self.reader.mistake(place, path, format!("this is {}: {way_out}", value.kind()));
    }

    fn refuse_unquoted<T>(&self, place: &Place, path: &str, value: &Value) -> Option<T> {
        let written = match value {
            Value::Whole(Some(number)) => Some(number.to_string()),
            Value::Flag(flag) => Some(flag.to_string()),
            _ => None,
        };
        match written {
            Some(text) => {
                let message = format!("{text} is {}: write text in quotes, \"{text}\"", value.kind());
                self.reader.mistake(place, path, message);
            }
            None => self.refuse_kind(place, path, value, "write text in quotes"),
        }
        None
    }
}

/// What was not asked for is unknown.
impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (name, entry) in std::mem::take(&mut self.table) {
            let path = self.path_of(&name);
            // It may be a secret with a slip in its key.
            self.reader.mask(&entry.node.place);
            mask_inside(self.reader, &entry.node);
            let mut message = format!("unknown {}", self.noun);
            if let Some(near) = nearest::of(&name, &self.asked) {
                message.push_str(&format!(": did you mean `{near}`?"));
            }
            let mut known = self.asked.clone();
            known.sort_unstable();
            known.dedup();
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            message.push_str(match (message.ends_with('?'), known.len()) {
                (true, 1) => " Known is ",
                (true, _) => " Known are ",
                (false, 1) => ": known is ",
                (false, _) => ": known are ",
            });
            message.push_str(&known.join(", "));
            self.reader.mistake(&entry.key, path, message);
        }
    }
}

fn mask_inside(reader: &Reader<'_>, node: &Node) {
    match &node.value {
        Value::Table(table) => table.values().for_each(|entry| mask_value(reader, &entry.node)),
        Value::List(items) => items.iter().for_each(|item| mask_inside(reader, item)),
        _ => {}
    }
}

fn mask_value(reader: &Reader<'_>, node: &Node) {
    reader.mask(&node.place);
    mask_inside(reader, node);
}

impl<T> Slot<'_, T> {
    /// Whether anything stands at the key, right or wrong.
    pub fn is_given(&self) -> bool {
        self.found.is_some()
    }

    /// Where the value stands.
    pub fn place(&self) -> Option<Place> {
        self.found.as_ref()?.as_ref().map(|spot| spot.place.clone())
    }

    /// The value, or `default` when the key is missing.
    pub fn or(self, default: T) -> T {
        self.learn(Presence::Default);
        self.found.flatten().map_or(default, |spot| spot.value)
    }

    /// The value; `None` when the key is missing.
    pub fn optional(self) -> Option<T> {
        self.optional_spot().map(|spot| spot.value)
    }

    /// The value with its place; `None` when the key is missing.
    pub fn optional_spot(self) -> Option<Spot<T>> {
        self.learn(Presence::Optional);
        self.found.flatten()
    }

    /// The value. A missing key is a mistake; `example` shows what to write.
    pub fn required(self, example: &str) -> Option<T> {
        self.required_spot(example).map(|spot| spot.value)
    }

    /// The value with its place. A missing key is a mistake.
    pub fn required_spot(self, example: &str) -> Option<Spot<T>> {
        self.learn(Presence::Required);
        if self.found.is_none() {
            let path = if self.table.is_empty() {
                self.key.to_owned()
            } else {
                format!("{}.{}", self.table, self.key)
            };
            self.reader.mistake(
                &self.header,
                path,
                format!("this key is missing: write {} = {example}", self.key),
            );
        }
        self.found.flatten()
    }

    /// The value with its place, or `default`, which then has the place of the table's header.
    pub fn spot_or(self, default: T) -> Spot<T> {
        self.learn(Presence::Default);
        let key =
            if self.table.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.table, self.key) };
        self.found.flatten().unwrap_or(Spot { value: default, place: self.header, key })
    }

    fn learn(&self, presence: Presence) {
        self.reader.learn(&self.table, self.key, presence, self.secret);
    }
}

/// Whether a text, or one in a list, has a password in it, as `scheme://user:password@host` has.
fn holds_login(value: &Value) -> bool {
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
