//! `mode = "observe"`, and the CRM of a dry run: everything is done at once, and nothing is done.

use crate::call::{Event, PersonUpdated, RecordId, Standing, Task, TicketId, TicketStanding, Work};
use crate::delivery::Delivered;

/// What would be told if the work were done.
pub fn pretend(work: &Work) -> Delivered {
    let event = match &work.task {
        Task::CreateTicket(draft) => Event::TicketStands(TicketStanding {
            ticket: TicketId::NONE,
            requester: Standing::AsDrafted,
            popped: draft.pop.as_ref().map(|agent| agent.extension.clone()),
            pops_possible: true,
            reused: false,
        }),
        Task::UpdateTicket { .. } => Event::TicketUpdated,
        Task::UpdatePerson(_) => {
            Event::PersonUpdated(PersonUpdated { number: None, placeholder_removed: false })
        }
        Task::RecordCall(_) => Event::CallRecorded { record: RecordId(0) },
        Task::ShowRecord { .. } => Event::RecordShown,
        Task::KeepRecording(_) => Event::RecordingKept { files: Vec::new() },
        Task::AttachRecording(_) => Event::RecordingAttached { address: None },
        Task::CompleteRecord { .. } => Event::RecordCompleted,
        Task::PopScreen { agent, .. } => Event::ScreenPopped { extension: agent.extension.clone() },
    };
    Delivered { event, note: "only observed: nothing was sent".to_owned() }
}
