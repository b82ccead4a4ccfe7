//! Who has which number, in memory: a printed book and the slips that change it.
//!
//! The printed book is five arrays in order (numbers, owners, ids, ends of names, names) and is
//! found by halving: about 40 bytes a number at a million people with one number each, names
//! included, and a fraction of a microsecond a look-up. Changes lie on slips beside it, which hide
//! the printed person; when there are many, the book is printed anew.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::{E164, Person, PersonId};

/// People and their numbers.
#[derive(Debug, Default)]
pub(super) struct People {
    printed: Arc<Printed>,
    slips: HashMap<PersonId, Slip>,
    slip_numbers: HashMap<E164, Vec<PersonId>>,
    /// Counts slips, so that those written while the book is being printed stay.
    writings: u64,
}

/// What is new about one person.
#[derive(Clone, Debug)]
struct Slip {
    /// `None`: the person is gone.
    entry: Option<(Box<str>, Box<[E164]>)>,
    writing: u64,
}

/// The printed book. Rows of `numbers` and `owners` belong together, those of `ids` and
/// `name_ends` too; an owner is a row of `ids`.
#[derive(Debug, Default)]
struct Printed {
    numbers: Box<[u64]>,
    owners: Box<[u32]>,
    ids: Box<[u64]>,
    name_ends: Box<[u32]>,
    names: Box<str>,
}

/// All that is needed to print the book away from the lock.
pub(super) struct Manuscript {
    printed: Arc<Printed>,
    slips: HashMap<PersonId, Slip>,
    writings: u64,
}

/// A freshly printed book and the last slip that is in it.
pub(super) struct Print {
    printed: Printed,
    writings: u64,
}

impl People {
    /// Everybody who has the number, by id.
    pub(super) fn find(&self, number: E164) -> Vec<Person> {
        let mut found = Vec::new();
        for row in self.printed.rows(number) {
            let (id, name) = self.printed.person(self.printed.owners[row]);
            if !self.slips.contains_key(&id) {
                found.push(Person { id, name: name.to_owned() });
            }
        }
        for id in self.slip_numbers.get(&number).into_iter().flatten() {
            if let Some(Slip { entry: Some((name, _)), .. }) = self.slips.get(id) {
                found.push(Person { id: *id, name: name.to_string() });
            }
        }
        if found.len() > 1 {
            found.sort_unstable_by_key(|person| person.id);
        }
        found
    }

    /// Puts a person in with these numbers, instead of what was there. Without numbers the person
    /// vanishes.
    pub(super) fn put(&mut self, person: &Person, numbers: &[E164]) {
        self.take_slip(person.id);
        if numbers.is_empty() {
            self.hide(person.id);
            return;
        }
        for number in numbers {
            let ids = self.slip_numbers.entry(*number).or_default();
            if !ids.contains(&person.id) {
                ids.push(person.id);
            }
        }
        let entry = Some((person.name.as_str().into(), numbers.into()));
        self.writings += 1;
        self.slips.insert(person.id, Slip { entry, writing: self.writings });
    }

    /// Takes a person out.
    pub(super) fn remove(&mut self, id: PersonId) {
        self.take_slip(id);
        self.hide(id);
    }

    fn hide(&mut self, id: PersonId) {
        // Also where the printed book has no such person: it may be in the print that is under way.
        self.writings += 1;
        self.slips.insert(id, Slip { entry: None, writing: self.writings });
    }

    fn take_slip(&mut self, id: PersonId) {
        let Some(Slip { entry: Some((_, numbers)), .. }) = self.slips.remove(&id) else {
            return;
        };
        for number in &numbers {
            if let Some(ids) = self.slip_numbers.get_mut(number) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.slip_numbers.remove(number);
                }
            }
        }
    }

    /// Whether there are so many slips that the book should be printed anew: more than a thirtieth
    /// of it, or a tenth of that when nothing else is to be done (`at_rest`).
    pub(super) fn wants_printing(&self, at_rest: bool) -> bool {
        let slips = self.slips.len();
        if at_rest {
            slips > 256.max(self.printed.ids.len() / 300)
        } else {
            slips > 4096.max(self.printed.ids.len() / 30)
        }
    }

    /// What [`Manuscript::print`] needs.
    pub(super) fn manuscript(&self) -> Manuscript {
        Manuscript { printed: Arc::clone(&self.printed), slips: self.slips.clone(), writings: self.writings }
    }

    /// Puts a new print in place. Slips written since its manuscript stay.
    pub(super) fn replace(&mut self, print: Print) {
        self.printed = Arc::new(print.printed);
        self.slips.retain(|_, slip| slip.writing > print.writings);
        self.slips.shrink_to(1024);
        let slips = &self.slips;
        self.slip_numbers.retain(|_, ids| {
            ids.retain(|id| slips.contains_key(id));
            !ids.is_empty()
        });
        self.slip_numbers.shrink_to(1024);
    }

    /// People and numbers, a number of two persons counted twice.
    pub(super) fn counts(&self) -> (usize, usize) {
        let mut people = self.printed.ids.len();
        let mut numbers = self.printed.numbers.len();
        if self.slips.is_empty() {
            return (people, numbers);
        }
        let hidden: Vec<bool> =
            self.printed.ids.iter().map(|id| self.slips.contains_key(&PersonId(*id))).collect();
        people -= hidden.iter().filter(|hidden| **hidden).count();
        numbers -= self.printed.owners.iter().filter(|owner| hidden[**owner as usize]).count();
        for slip in self.slips.values() {
            if let Some((_, of_person)) = &slip.entry {
                people += 1;
                numbers += of_person.len();
            }
        }
        (people, numbers)
    }

    /// Bytes of the printed book; slips are few and not counted.
    #[cfg(test)]
    pub(super) fn printed_bytes(&self) -> usize {
        let Printed { numbers, owners, ids, name_ends, names } = &*self.printed;
        size_of_val(&**numbers)
            + size_of_val(&**owners)
            + size_of_val(&**ids)
            + size_of_val(&**name_ends)
            + names.len()
    }
}

impl Printed {
    /// The rows of a number.
    fn rows(&self, number: E164) -> std::ops::Range<usize> {
        let digits = number.digits();
        let first = self.numbers.partition_point(|other| *other < digits);
        let many = self.numbers[first..].iter().take_while(|other| **other == digits).count();
        first..first + many
    }

    fn person(&self, row: u32) -> (PersonId, &str) {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.name_ends[row - 1] as usize };
        (PersonId(self.ids[row]), &self.names[start..self.name_ends[row] as usize])
    }
}

impl Manuscript {
    /// Prints the book: the old one without the people who have slips, and the slips.
    pub(super) fn print(self) -> Print {
        let mut slips: Vec<(PersonId, Option<(Box<str>, Box<[E164]>)>)> =
            self.slips.into_iter().map(|(id, slip)| (id, slip.entry)).collect();
        slips.sort_unstable_by_key(|(id, _)| *id);

        let mut press = Press::default();
        let mut new_rows = vec![GONE; self.printed.ids.len()];
        let mut slips = slips.into_iter().peekable();
        for (row, new_row) in (0u32..).zip(&mut new_rows) {
            let (id, name) = self.printed.person(row);
            while let Some((slip_id, entry)) = slips.next_if(|(slip_id, _)| *slip_id < id) {
                press.add_slip(slip_id, entry);
            }
            if let Some((slip_id, entry)) = slips.next_if(|(slip_id, _)| *slip_id == id) {
                press.add_slip(slip_id, entry);
            } else {
                *new_row = press.add(id, name, std::iter::empty());
            }
        }
        for (id, entry) in slips {
            press.add_slip(id, entry);
        }
        for (number, owner) in self.printed.numbers.iter().zip(&self.printed.owners) {
            let row = new_rows[*owner as usize];
            if row != GONE {
                press.rows.push((*number, row));
            }
        }
        Print { printed: press.print(), writings: self.writings }
    }
}

const GONE: u32 = u32::MAX;

/// Where a book is set before it is printed. People must come in order of their ids, each once.
#[derive(Default)]
pub(super) struct Press {
    rows: Vec<(u64, u32)>,
    ids: Vec<u64>,
    name_ends: Vec<u32>,
    names: String,
}

impl Press {
    /// Sets one person; returns the row.
    pub(super) fn add(&mut self, id: PersonId, name: &str, numbers: impl Iterator<Item = E164>) -> u32 {
        let row = u32::try_from(self.ids.len()).expect("fewer people than there are on earth");
        // All names together stay below 4 GiB; what is beyond is left out, not the person.
        let end = u32::try_from(self.names.len() + name.len());
        if end.is_ok() {
            self.names.push_str(name);
        }
        self.ids.push(id.0);
        self.name_ends.push(end.unwrap_or(self.names.len() as u32));
        self.rows.extend(numbers.map(|number| (number.digits(), row)));
        row
    }

    fn add_slip(&mut self, id: PersonId, entry: Option<(Box<str>, Box<[E164]>)>) {
        if let Some((name, numbers)) = entry {
            self.add(id, &name, numbers.iter().copied());
        }
    }

    /// The first book, without slips: the start from the file.
    pub(super) fn first_print(self) -> Print {
        Print { printed: self.print(), writings: 0 }
    }

    fn print(mut self) -> Printed {
        self.rows.sort_unstable();
        self.rows.dedup();
        Printed {
            numbers: self.rows.iter().map(|(number, _)| *number).collect(),
            owners: self.rows.iter().map(|(_, owner)| *owner).collect(),
            ids: self.ids.into_boxed_slice(),
            name_ends: self.name_ends.into_boxed_slice(),
            names: self.names.into_boxed_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    fn person(id: u64, name: &str) -> Person {
        Person { id: PersonId(id), name: name.to_owned() }
    }

    fn print(people: &mut People) {
        let print = people.manuscript().print();
        people.replace(print);
    }

    #[test]
    fn a_person_who_changes_numbers_loses_the_old_ones() {
        let mut people = People::default();
        people.put(&person(7, "Weber"), &[number(4930111), number(4930222)]);
        for printed_between in [false, true] {
            if printed_between {
                print(&mut people);
            }
            people.put(&person(7, "Weber-Klein"), &[number(4930333)]);
            assert_eq!(people.find(number(4930111)), []);
            assert_eq!(people.find(number(4930333)), [person(7, "Weber-Klein")]);
            assert_eq!(people.counts(), (1, 1));
            people.put(&person(7, "Weber"), &[number(4930111), number(4930222)]);
        }
        people.remove(PersonId(7));
        assert_eq!(people.find(number(4930111)), []);
        assert_eq!(people.counts(), (0, 0));
    }

    #[test]
    fn two_persons_with_one_number_are_both_found_wherever_they_stand() {
        let mut people = People::default();
        people.put(&person(9, "Zoe"), &[number(4930111)]);
        print(&mut people);
        people.put(&person(3, "Adam"), &[number(4930111)]);
        assert_eq!(people.find(number(4930111)), [person(3, "Adam"), person(9, "Zoe")]);
        print(&mut people);
        assert_eq!(people.find(number(4930111)), [person(3, "Adam"), person(9, "Zoe")]);
    }

    #[test]
    fn a_slip_written_while_the_book_is_printed_stays() {
        let mut people = People::default();
        people.put(&person(1, "Anna"), &[number(4930111)]);
        people.put(&person(2, "Ben"), &[number(4930222)]);
        let manuscript = people.manuscript();
        people.remove(PersonId(1));
        people.put(&person(3, "Cem"), &[number(4930333)]);
        people.replace(manuscript.print());
        assert_eq!(people.find(number(4930111)), []);
        assert_eq!(people.find(number(4930222)), [person(2, "Ben")]);
        assert_eq!(people.find(number(4930333)), [person(3, "Cem")]);
        assert_eq!(people.counts(), (2, 2));
    }

    #[test]
    fn a_million_numbers_stay_below_64_bytes_each() {
        // Names of 17 bytes, as long as German ones are on average.
        let mut press = Press::default();
        for id in 0..1_000_000 {
            let numbers = [number(493_000_000_000 + id * 7)].into_iter();
            press.add(PersonId(6_000_000_000_000 + id), "Katharina Müller", numbers);
        }
        let mut people = People::default();
        people.replace(press.first_print());
        let bytes = people.printed_bytes() as f64 / 1e6;
        assert!(bytes < 48.0, "{bytes} bytes a number");
        // Slips are printed before they weigh: one costs at most 200 bytes, and there are at most
        // 1 in 300 of them when the mirror is at rest.
        assert!(bytes + 200.0 / 300.0 < 64.0);
        assert_eq!(people.find(number(493_000_000_000 + 999_999 * 7)).len(), 1);
        assert_eq!(people.find(number(493_000_000_001)), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64, Vec<u64>),
        Remove(u64),
        Print,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..12, prop::collection::vec(4930100u64..4930110, 0..4)).prop_map(|(id, n)| Step::Put(id, n)),
            1 => (0u64..12).prop_map(Step::Remove),
            1 => Just(Step::Print),
        ]
    }

    proptest! {
        #[test]
        fn the_book_always_says_what_a_plain_table_says(steps in prop::collection::vec(step(), 0..60)) {
            let mut people = People::default();
            let mut table: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put(id, numbers) => {
                        let of_person: Vec<E164> = numbers.iter().copied().map(number).collect();
                        people.put(&person(id, &format!("P{id}")), &of_person);
                        table.insert(id, numbers);
                    }
                    Step::Remove(id) => {
                        people.remove(PersonId(id));
                        table.remove(&id);
                    }
                    Step::Print => print(&mut people),
                }
                table.retain(|_, numbers| !numbers.is_empty());
                for digits in 4930100..4930110 {
                    let expected: Vec<Person> = table
                        .iter()
                        .filter(|(_, numbers)| numbers.contains(&digits))
                        .map(|(id, _)| person(*id, &format!("P{id}")))
                        .collect();
                    prop_assert_eq!(people.find(number(digits)), expected);
                }
                prop_assert_eq!(people.counts().0, table.len());
            }
        }
    }
}
