//! What the house did itself and the CRM does not tell yet.
//!
//! A CRM's search index is a minute late and its export withholds the last minute (Zendesk,
//! "Incremental exports"), so a number that we wrote to a person, or a person we saw deleted, is
//! remembered here until the CRM must have told it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::people::Owner;
use crate::call::{E164, PersonId};

/// How much later than our own deed a page of the export must have been asked for, to know better
/// than we do: the minute it withholds, and one for the clocks.
const EXPORT_IS_LATE: SignedDuration = SignedDuration::from_mins(2);

/// After this time even what the export never told (a second direct line is not in it) is asked
/// anew.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Own knowledge.
#[derive(Debug, Default)]
pub(super) struct Own {
    learned: HashMap<E164, Vec<Learned>>,
    forgotten: HashMap<PersonId, Timestamp>,
}

/// A number that we know a person has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) owner: Owner,
    pub(super) at: Timestamp,
}

impl Own {
    /// We know that this person has this number.
    pub(super) fn learn(&mut self, number: E164, learned: Learned) {
        self.forgotten.remove(&learned.owner.person.id);
        let of_number = self.learned.entry(number).or_default();
        of_number.retain(|other| other.owner.person.id != learned.owner.person.id);
        of_number.push(learned);
    }

    /// We know that this person is gone.
    pub(super) fn forget(&mut self, id: PersonId, now: Timestamp) {
        self.forgotten.insert(id, now);
        self.drop_learned(|_, learned| learned.owner.person.id == id);
    }

    /// Who has the number, as far as we did it ourselves.
    pub(super) fn find(&self, number: E164) -> impl Iterator<Item = &Owner> {
        self.learned.get(&number).into_iter().flatten().map(|learned| &learned.owner)
    }

    /// Whether we know that the person is gone.
    pub(super) fn is_forgotten(&self, id: PersonId) -> bool {
        !self.forgotten.is_empty() && self.forgotten.contains_key(&id)
    }

    /// The export, asked at `asked`, tells these numbers of the person (none: not usable). Returns
    /// what need not be remembered any more.
    pub(super) fn exported(
        &mut self,
        id: PersonId,
        numbers: &[E164],
        asked: Timestamp,
    ) -> Vec<(E164, PersonId)> {
        let knows_better = |at: Timestamp| asked.duration_since(at) >= EXPORT_IS_LATE;
        if !numbers.is_empty() && self.forgotten.get(&id).is_some_and(|at| knows_better(*at)) {
            self.forgotten.remove(&id);
        }
        self.drop_learned(|number, learned| {
            learned.owner.person.id == id && (numbers.contains(&number) || knows_better(learned.at))
        })
    }

    /// Drops what is too old.
    pub(super) fn age(&mut self, now: Timestamp) -> Vec<(E164, PersonId)> {
        let too_old = |at: Timestamp| now.duration_since(at) >= REMEMBERED;
        self.forgotten.retain(|_, at| !too_old(*at));
        self.drop_learned(|_, learned| too_old(learned.at))
    }

    fn drop_learned(&mut self, gone: impl Fn(E164, &Learned) -> bool) -> Vec<(E164, PersonId)> {
        let mut dropped = Vec::new();
        self.learned.retain(|number, of_number| {
            of_number.retain(|learned| {
                let gone = gone(*number, learned);
                if gone {
                    dropped.push((*number, learned.owner.person.id));
                }
                !gone
            });
            !of_number.is_empty()
        });
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Person;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn learned(id: u64, seconds: i64) -> Learned {
        let person = Person { id: PersonId(id), name: "Caller".to_owned() };
        Learned { owner: Owner { person, placeholder: false }, at: at(seconds) }
    }

    fn ids(own: &Own, number: E164) -> Vec<u64> {
        own.find(number).map(|owner| owner.person.id.0).collect()
    }

    #[test]
    fn a_page_that_is_too_early_to_know_does_not_take_a_learned_number_away() {
        let number = E164::from_digits(493_023_125).unwrap();
        let other = E164::from_digits(493_099_999).unwrap();
        let mut own = Own::default();
        own.learn(number, learned(7, 0));
        assert_eq!(own.exported(PersonId(7), &[other], at(60)), []);
        assert_eq!(own.exported(PersonId(8), &[other], at(600)), [], "another person's page says nothing");
        assert_eq!(ids(&own, number), [7]);
        assert_eq!(own.exported(PersonId(7), &[other], at(120)), [(number, PersonId(7))]);
        assert_eq!(ids(&own, number), [0; 0]);
    }

    #[test]
    fn what_the_export_confirms_or_a_day_has_passed_over_is_not_remembered() {
        let number = E164::from_digits(493_023_125).unwrap();
        let mut own = Own::default();
        own.learn(number, learned(7, 0));
        assert_eq!(own.exported(PersonId(7), &[number], at(1)), [(number, PersonId(7))]);
        own.learn(number, learned(7, 0));
        own.learn(number, learned(7, 10));
        assert_eq!(own.age(at(86_400)), []);
        assert_eq!(own.age(at(86_410)), [(number, PersonId(7))]);
    }

    #[test]
    fn a_forgotten_person_stays_so_until_the_export_must_know() {
        let number = E164::from_digits(493_023_125).unwrap();
        let mut own = Own::default();
        own.learn(number, learned(7, 0));
        own.forget(PersonId(7), at(10));
        assert_eq!(ids(&own, number), [0; 0]);
        own.exported(PersonId(7), &[number], at(60));
        assert!(own.is_forgotten(PersonId(7)));
        own.exported(PersonId(7), &[], at(600));
        assert!(own.is_forgotten(PersonId(7)), "the export says it too");
        own.exported(PersonId(7), &[number], at(130));
        assert!(!own.is_forgotten(PersonId(7)), "restored in the CRM");
        own.forget(PersonId(7), at(200));
        own.learn(number, learned(7, 201));
        assert!(!own.is_forgotten(PersonId(7)), "we wrote to it, so it is there");
    }
}
