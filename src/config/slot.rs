//! What stands at a key, and what it means when nothing does.

use super::document::Place;
use super::reader::{Presence, Reader};
use super::section::Section;

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

impl<'r, T> Slot<'r, T> {
    /// What was found at a key of the section.
    pub fn new(
        section: &Section<'r>,
        key: &'static str,
        secret: bool,
        found: Option<Option<Spot<T>>>,
    ) -> Self {
        let (table, header) = (section.path.clone(), section.place.clone());
        Self { reader: section.reader, table, key, header, secret, found }
    }

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
            let path = self.path();
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
        let key = self.path();
        self.found.flatten().unwrap_or(Spot { value: default, place: self.header, key })
    }

    fn path(&self) -> String {
        if self.table.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.table, self.key) }
    }

    fn learn(&self, presence: Presence) {
        self.reader.learn(&self.table, self.key, presence, self.secret);
    }
}
