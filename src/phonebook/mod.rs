//! Phone book: number to person.
