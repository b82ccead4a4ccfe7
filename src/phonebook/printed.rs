//! The printed book: who has which number, in as few bytes and as few places as can be.
//!
//! Among a million numbers a look-up is nothing but waiting for memory: halving a sorted array took
//! 2.2 µs on a machine where all the rest takes 0.25 µs, and a tree of cache lines 1.1 µs. So the
//! book is a hash table: a number and its owner's place stand in one cache line, id and name of the
//! owner in the next. With one number and a name of 17 bytes a person costs 45 bytes.

use super::people::Owner;
use crate::call::{E164, PersonId};

/// People and numbers, never changed.
#[derive(Debug, Default)]
pub(super) struct Printed {
    lines: Box<[Line]>,
    /// Persons one after the other: id (8 bytes), length of the name (2 bytes, the upper bit marks a
    /// placeholder), name.
    persons: Box<[u8]>,
    people: usize,
    numbers: usize,
}

/// A cache line: numbers and beside each the place of its owner in `persons`. It is filled from the
/// front; what finds it full goes into the next one.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    numbers: [u64; IN_A_LINE],
    owners: [u32; IN_A_LINE],
}

const IN_A_LINE: usize = 5;

/// A place without a number: no number is that large.
const EMPTY: u64 = u64::MAX;

/// The line where a number is looked for first.
fn home(digits: u64, lines: usize) -> usize {
    // Fibonacci hashing: neighbours are scattered; the upper bits are the good ones.
    let scattered = u128::from(digits.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    usize::try_from((scattered * lines as u128) >> 64).expect("less than `lines`")
}

impl Printed {
    /// All who have the number.
    pub(super) fn find(&self, number: E164) -> impl Iterator<Item = Record<'_>> {
        let digits = number.digits();
        let mut line = if self.lines.is_empty() { 0 } else { home(digits, self.lines.len()) };
        let mut row = 0;
        std::iter::from_fn(move || {
            loop {
                if row == IN_A_LINE {
                    (row, line) = (0, (line + 1) % self.lines.len());
                }
                let here = self.lines.get(line)?;
                let (number, owner) = (here.numbers[row], here.owners[row]);
                if number == EMPTY {
                    return None;
                }
                row += 1;
                if number == digits {
                    return Some(self.person(owner));
                }
            }
        })
    }

    /// People, and numbers (one of two persons counts twice).
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.people, self.numbers)
    }

    /// Bytes in memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + self.persons.len()
    }

    fn put(&mut self, number: u64, owner: u32) {
        let mut line = home(number, self.lines.len());
        loop {
            let here = &mut self.lines[line];
            if let Some(row) = here.numbers.iter().position(|number| *number == EMPTY) {
                (here.numbers[row], here.owners[row]) = (number, owner);
                return;
            }
            line = (line + 1) % self.lines.len();
        }
    }

    fn rows(&self) -> impl Iterator<Item = (u64, u32)> {
        let in_line = |line: &Line| line.numbers.into_iter().zip(line.owners);
        self.lines.iter().flat_map(in_line).filter(|(number, _)| *number != EMPTY)
    }

    fn person(&self, place: u32) -> Record<'_> {
        let record = &self.persons[place as usize..];
        let (id, record) = record.split_first_chunk().expect("an owner is a place in `persons`");
        let (length, record) = record.split_first_chunk().expect("a record is whole");
        let length = u16::from_le_bytes(*length);
        let name = &record[..usize::from(length & !PLACEHOLDER)];
        Record {
            id: PersonId(u64::from_le_bytes(*id)),
            name: std::str::from_utf8(name).unwrap_or_default(),
            placeholder: length & PLACEHOLDER != 0,
        }
    }

    /// All persons with their places.
    fn persons(&self) -> impl Iterator<Item = (u32, Record<'_>)> {
        let mut place = 0;
        std::iter::from_fn(move || {
            if place >= self.persons.len() {
                return None;
            }
            let this = u32::try_from(place).ok()?;
            let record = self.person(this);
            place += RECORD + record.name.len();
            Some((this, record))
        })
    }
}

/// A person in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) id: PersonId,
    pub(super) name: &'a str,
    pub(super) placeholder: bool,
}

/// The bit of a name's length that marks a placeholder.
const PLACEHOLDER: u16 = 1 << 15;

/// Bytes of a record without the name.
const RECORD: usize = 10;

/// Where a book is set before it is printed. Each person comes once.
#[derive(Default)]
pub(super) struct Press {
    rows: Vec<(u64, u32)>,
    persons: Vec<u8>,
    people: usize,
}

impl Press {
    /// Sets one person.
    pub(super) fn add(&mut self, owner: &Owner, numbers: impl Iterator<Item = E164>) {
        let Owner { person, placeholder } = owner;
        let record = Record { id: person.id, name: &person.name, placeholder: *placeholder };
        if let Some(place) = self.set(record) {
            self.rows.extend(numbers.map(|number| (number.digits(), place)));
        }
    }

    /// Sets everybody of an older book who is not hidden.
    pub(super) fn add_all(&mut self, book: &Printed, is_hidden: impl Fn(PersonId) -> bool) {
        // Both columns are in order, because persons are copied in order.
        let mut moved: Vec<(u32, u32)> = Vec::with_capacity(book.people);
        for (old, record) in book.persons() {
            if !is_hidden(record.id)
                && let Some(new) = self.set(record)
            {
                moved.push((old, new));
            }
        }
        for (number, owner) in book.rows() {
            if let Ok(at) = moved.binary_search_by_key(&owner, |(old, _)| *old) {
                self.rows.push((number, moved[at].1));
            }
        }
    }

    /// `None` when 4 GiB are full, which takes a hundred million people.
    fn set(&mut self, Record { id, name, placeholder }: Record<'_>) -> Option<u32> {
        let place = u32::try_from(self.persons.len()).ok()?;
        let mut end = name.len().min(usize::from(PLACEHOLDER - 1));
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = &name[..end];
        self.persons.extend(id.0.to_le_bytes());
        let mark = if placeholder { PLACEHOLDER } else { 0 };
        self.persons.extend((u16::try_from(end).ok()? | mark).to_le_bytes());
        self.persons.extend(name.as_bytes());
        self.people += 1;
        Some(place)
    }

    /// Prints.
    pub(super) fn print(mut self) -> Printed {
        self.rows.sort_unstable();
        self.rows.dedup();
        // 3.5 numbers in a line of 5 on average: few overflow, and at least one place is empty, so
        // that every search ends.
        let lines = if self.rows.is_empty() { 0 } else { self.rows.len() * 2 / 7 + 1 };
        let mut printed = Printed {
            lines: vec![Line { numbers: [EMPTY; IN_A_LINE], owners: [0; IN_A_LINE] }; lines]
                .into_boxed_slice(),
            persons: self.persons.into_boxed_slice(),
            people: self.people,
            numbers: self.rows.len(),
        };
        for (number, owner) in self.rows {
            printed.put(number, owner);
        }
        printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Person;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    fn person(id: u64, name: &str) -> Owner {
        Owner { person: Person { id: PersonId(id), name: name.to_owned() }, placeholder: id % 2 == 1 }
    }

    #[test]
    fn a_million_numbers_stay_below_64_bytes_each() {
        // Names of 17 bytes, as long as German ones are on average.
        let mut press = Press::default();
        for id in 0..1_000_000 {
            let numbers = [number(493_000_000_000 + id * 7)].into_iter();
            press.add(&person(6_000_000_000_000 + id, "Katharina Müller"), numbers);
        }
        let book = press.print();
        let bytes = book.bytes() as f64 / 1e6;
        assert!(bytes < 47.0, "{bytes} bytes a number");
        // Slips are printed before they weigh: one costs at most 400 bytes, and there are at most
        // 1 in 300 of them when the mirror is at rest.
        assert!(bytes + 400.0 / 300.0 < 64.0);
        assert_eq!(book.find(number(493_000_000_000 + 999_999 * 7)).count(), 1);
        assert_eq!(book.find(number(493_000_000_001)).count(), 0);
    }

    #[test]
    fn every_number_is_found_and_no_other_in_books_of_every_size() {
        for size in (0..40).chain([255, 256, 257, 4095, 4096, 4097, 5000]) {
            let mut press = Press::default();
            // Every second number belongs to two persons.
            let of = |id: u64| 4_930_000 + 2 * (id - id % 3 / 2);
            let mut count = std::collections::HashMap::new();
            for id in 0..size {
                press.add(&person(id, "P"), [number(of(id))].into_iter());
                *count.entry(of(id)).or_insert(0) += 1;
            }
            let book = press.print();
            for digits in 4_930_000 - 1..4_930_000 + 2 * size + 2 {
                let expected = count.get(&digits).copied().unwrap_or_default();
                assert_eq!(book.find(number(digits)).count(), expected, "{digits} in {size}");
            }
        }
    }

    #[test]
    fn a_number_of_very_many_persons_is_found_over_the_ends_of_lines() {
        let mut press = Press::default();
        for id in 0..100 {
            press.add(&person(id, ""), [number(4930100 + id % 2)].into_iter());
        }
        let book = press.print();
        assert_eq!(book.find(number(4930100)).count(), 50);
        assert_eq!(book.find(number(4930101)).count(), 50);
    }

    #[test]
    fn a_name_that_is_far_too_long_is_cut_between_letters() {
        let mut press = Press::default();
        press.add(&person(1, &format!("x{}", "ü".repeat(40_000))), [number(4930100)].into_iter());
        press.add(&person(2, "Next"), [number(4930101)].into_iter());
        let book = press.print();
        let long = book.find(number(4930100)).next().unwrap();
        assert_eq!((long.id, long.name.len(), long.placeholder), (PersonId(1), 32_767, true));
        let next = Record { id: PersonId(2), name: "Next", placeholder: false };
        assert_eq!(book.find(number(4930101)).next(), Some(next));
    }
}
