//! HEART: one pure state machine for every call.
//!
//! Events in, effects out; time is an argument. Names nothing of the house and no run time: the live
//! daemon, `ringdesk replay`, recovery after a crash and the simulations all step the same function.

mod after;
mod book;
mod caller;
mod draft;
mod end;
mod event;
mod field;
mod follow_up;
mod id;
mod missed;
mod number;
mod recorded;
mod recording;
mod rules;
mod state;
mod step;
mod summary;
mod template;
mod ticket;
mod work;

pub use after::{Author, CallRecord, FieldValue, Filed, PersonUpdate, PersonUpdated, Placeholder, RecordId};
pub use book::Book;
pub use event::{
    DialResult, Direction, EndedBy, Event, Heard, Identified, Person, PersonId, TicketId, TransferKind,
};
pub use field::Field;
pub use follow_up::{After, Once};
pub use id::{CallId, Extension, IdError, SourceName};
pub use missed::{Attempt, Joined, MissedAs, Reached};
pub use number::{Caller, E164, NumberError, ReadNumber};
pub use recorded::Recorded;
pub use recording::{KeptRecording, RecordingAttachment, RecordingOrder, RecordingSought};
pub use rules::{
    FieldRule, FieldTarget, Group, Groups, KeepRules, Missed, RecordingRules, RecordingWay, Rules, Texts,
    UnknownCaller, Way,
};
pub use state::{
    Call, Lookup, Outcome, Phase, Presentation, SNAPSHOT_VERSION, Step, StoryLine, Ticket, Transfer,
};
pub use summary::{Summary, TransferSummary};
pub use template::{Template, TemplateError};
pub use work::{
    Agent, Effect, Exit, Requester, Standing, Task, TicketChange, TicketDraft, TicketStanding, Urgency, Work,
};

#[cfg(test)]
mod tests;
