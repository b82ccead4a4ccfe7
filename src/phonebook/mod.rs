//! Phone book: number to person.

mod normaliser;
mod sent;

pub use normaliser::{Normaliser, NumberRules, RulesError};
