//! Zendesk: tickets, screen pops, users.

use crate::call::{E164, PersonId, Urgency, Work};
use crate::crm::{CrmError, Login, PeoplePage, PersonRecord, Resolve, Roster};
use crate::delivery::{Attempt, Delivered, DeliveryError};

/// The client of one Zendesk account.
pub struct Zendesk {}

macro_rules! later {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl Zendesk {
            $(/// See the door.
            pub async fn $name(&self, $($arg: $ty),*) -> $ret { $(let _ = $arg;)* unimplemented!() })*
        }
    };
}
later! {
    deliver(work: &Work, attempt: Attempt, resolve: &dyn Resolve) -> Result<Delivered, DeliveryError>;
    login() -> Result<Login, CrmError>;
    roster() -> Result<Roster, CrmError>;
    default_user(email: &str, name: &str) -> Result<PersonId, CrmError>;
    search(number: E164, urgency: Urgency) -> Result<Vec<PersonRecord>, CrmError>;
    export_people(cursor: Option<&str>) -> Result<PeoplePage, CrmError>;
}
