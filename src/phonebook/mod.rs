//! Phone book: number to person.

mod normaliser;
mod own;
mod people;
mod sent;
mod store;

pub use normaliser::{Normaliser, NumberRules, RulesError};
pub use store::StoreError;
