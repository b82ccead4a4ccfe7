//! `mode = "observe"`, and the CRM of a dry run: everything is done at once, and nothing is done.

use crate::call::{Event, Standing, Task, TicketId, TicketStanding, Work};
use crate::delivery::Delivered;

/// What would be told if the work were done.
pub fn pretend(work: &Work) -> Delivered {
    let event = match &work.task {
        Task::CreateTicket(draft) => Event::TicketStands(TicketStanding {
            ticket: TicketId::NONE,
            requester: Standing::AsDrafted,
            popped: draft.pop.as_ref().map(|agent| agent.extension.clone()),
            pops_possible: true,
        }),
        Task::UpdateTicket { .. } => Event::TicketUpdated,
        Task::PopScreen { agent, .. } => Event::ScreenPopped { extension: agent.extension.clone() },
    };
    Delivered { event, note: "only observed: nothing was sent".to_owned() }
}
