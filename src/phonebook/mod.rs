//! Phone book: number to person.
//!
//! `sent` and `normaliser` decide what a number is; `people` (over `printed`) and `own` who has it; `store` is the
//! file, `mirror` the task that fills it, `ask` what is asked of the CRM. The house talks to
//! [`PhoneBook`] and, for reading numbers, to [`Normaliser`]. Agents, suspended and deleted persons
//! are never in it; whose screen a ticket opens on is the directory's matter.

mod ask;
mod book;
mod mirror;
mod normaliser;
mod own;
mod people;
mod printed;
mod sent;
mod store;

pub use book::{BookRules, BookStatus, PhoneBook, Several};
pub use normaliser::{Normaliser, NumberRules, RulesError};
pub use store::StoreError;
