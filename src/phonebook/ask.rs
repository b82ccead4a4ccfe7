//! What the phone book asks the CRM.

use std::pin::Pin;

use crate::call::{E164, Urgency};
use crate::crm::{Crm, CrmError, PeoplePage, PersonRecord};

pub(super) type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, CrmError>> + Send + 'a>>;

/// The two questions. A trait, because the tests answer them too.
pub(super) trait AskCrm: Send + Sync {
    /// Persons who may have this number.
    fn search(&self, number: E164) -> Asked<'_, Vec<PersonRecord>>;
    /// One page of everybody.
    fn page<'a>(&'a self, cursor: Option<&'a str>) -> Asked<'a, PeoplePage>;
}

impl AskCrm for Crm {
    fn search(&self, number: E164) -> Asked<'_, Vec<PersonRecord>> {
        Box::pin(Crm::search(self, number, Urgency::LookUp))
    }

    fn page<'a>(&'a self, cursor: Option<&'a str>) -> Asked<'a, PeoplePage> {
        Box::pin(self.export_people(cursor))
    }
}
