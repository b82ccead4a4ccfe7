//! One table, read key by key: every key is asked for by name and type.
//!
//! What was not asked for is unknown and refused when the [`Section`] is dropped.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::Place;
use super::reader::{Presence, Reader, holds_login, shown};
use super::slot::{Slot, Spot};
use super::tree::{Entry, Node, Table, Value};
use super::{duration, nearest};

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
    /// Mistakes that were found before this table was read.
    mistakes_before: usize,
}

impl<'r> Section<'r> {
    /// A table whose header stands at `place`.
    pub fn new(reader: &'r Reader<'r>, path: String, place: Place, table: Table) -> Self {
        let mistakes_before = reader.mistakes_so_far();
        Self { reader, path, place, table, asked: Vec::new(), noun: "key", mistakes_before }
    }

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

    /// Whether a mistake was found since this table is read.
    pub fn has_mistakes(&self) -> bool {
        self.reader.mistakes_so_far() > self.mistakes_before
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
        Slot::new(self, key, false, found)
    }

    /// A slot whose value was found by other means.
    pub fn secret_slot<T>(&self, key: &'static str, found: Option<Option<Spot<T>>>) -> Slot<'r, T> {
        Slot::new(self, key, true, found)
    }

    fn inner(&self, path: String, place: Place, table: Table) -> Section<'r> {
        Section::new(self.reader, path, place, table)
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
