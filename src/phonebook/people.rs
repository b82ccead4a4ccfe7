//! Who has which number, in memory: a printed book and the slips that change it.
//!
//! Changes lie on slips beside the printed book and hide the printed person; when there are many,
//! the book is printed anew.

use std::collections::HashMap;
use std::sync::Arc;

use super::printed::{Press, Printed};
use crate::call::{E164, Person, PersonId};

/// Somebody who has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) person: Person,
    /// A user made for the number, who is nobody yet.
    pub(super) placeholder: bool,
}

/// Whoever is somebody goes before the users that were made for a number: these only stood in for
/// an owner who was not known. Among placeholders alone nobody goes before.
pub(super) fn real_before_placeholders(owners: &mut Vec<Owner>) {
    if owners.iter().any(|owner| !owner.placeholder) {
        owners.retain(|owner| !owner.placeholder);
    }
}

/// People and their numbers.
#[derive(Debug, Default)]
pub(super) struct People {
    printed: Arc<Printed>,
    slips: HashMap<PersonId, Slip>,
    slip_numbers: HashMap<E164, Vec<PersonId>>,
    /// Counts slips, so that those written while the book is being printed stay.
    writings: u64,
}

/// Name, numbers and whether it is a placeholder; `None`: the person is gone.
type Entry = Option<(Box<str>, Box<[E164]>, bool)>;

/// What is new about one person.
#[derive(Clone, Debug)]
struct Slip {
    entry: Entry,
    writing: u64,
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
    pub(super) fn find(&self, number: E164) -> Vec<Owner> {
        let mut found = Vec::new();
        let owner =
            |id, name: &str, placeholder| Owner { person: Person { id, name: name.to_owned() }, placeholder };
        for record in self.printed.find(number) {
            if self.slips.is_empty() || !self.slips.contains_key(&record.id) {
                found.push(owner(record.id, record.name, record.placeholder));
            }
        }
        for id in self.slip_numbers.get(&number).into_iter().flatten() {
            if let Some(Slip { entry: Some((name, _, placeholder)), .. }) = self.slips.get(id) {
                found.push(owner(*id, name, *placeholder));
            }
        }
        if found.len() > 1 {
            found.sort_unstable_by_key(|owner| owner.person.id);
        }
        found
    }

    /// Puts a person in with these numbers, instead of what was there. Without numbers the person
    /// vanishes.
    pub(super) fn put(&mut self, owner: &Owner, numbers: &[E164]) {
        let Owner { person, placeholder } = owner;
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
        let entry = Some((person.name.as_str().into(), numbers.into(), *placeholder));
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
        let Some(Slip { entry: Some((_, numbers, _)), .. }) = self.slips.remove(&id) else {
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
            slips > 256.max(self.printed.counts().0 / 300)
        } else {
            slips > 4096.max(self.printed.counts().0 / 30)
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
}

impl Manuscript {
    /// Prints the book: the old one without the people who have slips, and the slips.
    pub(super) fn print(self) -> Print {
        let mut press = Press::default();
        press.add_all(&self.printed, |id| self.slips.contains_key(&id));
        for (id, slip) in self.slips {
            if let Some((name, numbers, placeholder)) = slip.entry {
                let owner = Owner { person: Person { id, name: name.into() }, placeholder };
                press.add(&owner, numbers.iter().copied());
            }
        }
        Print { printed: press.print(), writings: self.writings }
    }
}

impl Print {
    /// People and numbers in the book.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.printed.counts()
    }

    /// The first book, before there were any slips.
    pub(super) fn first(press: Press) -> Self {
        Self { printed: press.print(), writings: 0 }
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

    /// Every third is a placeholder: the mark goes the same ways as the name.
    fn person(id: u64, name: &str) -> Owner {
        Owner {
            person: Person { id: PersonId(id), name: name.to_owned() },
            placeholder: id.is_multiple_of(3),
        }
    }

    #[test]
    fn somebody_goes_before_who_was_made_for_the_number() {
        let owner = |id, placeholder| Owner { placeholder, ..person(id, "P") };
        for (owners, left) in [
            (vec![], vec![]),
            (vec![owner(1, true)], vec![1]),
            (vec![owner(1, true), owner(2, true)], vec![1, 2]),
            (vec![owner(1, true), owner(2, false)], vec![2]),
            (vec![owner(1, false), owner(2, true), owner(3, false)], vec![1, 3]),
        ] {
            let mut owners = owners;
            real_before_placeholders(&mut owners);
            let ids: Vec<u64> = owners.iter().map(|owner| owner.person.id.0).collect();
            assert_eq!(ids, left);
        }
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
            people.put(&person(7, "Weber"), &[number(4930111), number(4930222)]);
        }
        people.remove(PersonId(7));
        assert_eq!(people.find(number(4930111)), []);
        assert_eq!(people.manuscript().print().counts(), (0, 0));
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
        assert_eq!(people.manuscript().print().counts(), (2, 2));
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
                    let expected: Vec<Owner> = table
                        .iter()
                        .filter(|(_, numbers)| numbers.contains(&digits))
                        .map(|(id, _)| person(*id, &format!("P{id}")))
                        .collect();
                    prop_assert_eq!(people.find(number(digits)), expected);
                }
                prop_assert_eq!(people.manuscript().print().counts().0, table.len());
            }
        }
    }
}
