//! What the PBX itself tells about its users and queues: the owners of mailboxes
//! (`VoicemailUsersList`) and the queues (`QueueStatus`).

use super::message::Message;
use super::session::{List, Outcome};
use crate::call::{Agent, Extension};

/// Users, and queues with their wrap-up time in seconds.
pub(super) type UsersAndQueues = (Vec<Agent>, Vec<(String, Option<u32>)>);

/// Gathers the items of the two lists until both have ended.
#[derive(Debug, Default)]
pub(super) struct House {
    agents: Vec<Agent>,
    queues: Vec<(String, Option<u32>)>,
    mailboxes_ended: Option<Outcome>,
    queues_ended: Option<Outcome>,
}

impl House {
    /// Both lists are asked for anew.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    pub(super) fn on_item(&mut self, list: List, item: &Message<'_>) {
        match list {
            List::Mailboxes => self.agents.extend(mailbox_owner(item)),
            List::Queues => self.on_queue_item(item),
            List::Channels | List::Status => {}
        }
    }

    /// Notes the end of a list and gives out what was gathered after the second one. A list that
    /// was refused counts as empty; after a time-out nothing is told, so that what was known stays.
    pub(super) fn on_end(&mut self, list: List, outcome: Outcome) -> Option<UsersAndQueues> {
        match list {
            List::Mailboxes => self.mailboxes_ended = Some(outcome),
            List::Queues => self.queues_ended = Some(outcome),
            List::Channels | List::Status => return None,
        }
        let (mailboxes, queues) = (self.mailboxes_ended?, self.queues_ended?);
        let house = std::mem::take(self);
        (mailboxes != Outcome::TimedOut && queues != Outcome::TimedOut)
            .then_some((house.agents, house.queues))
    }

    fn on_queue_item(&mut self, item: &Message<'_>) {
        let Some(name) = item.known("Queue") else { return };
        let index = self.queues.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.queues.push((name.into_owned(), None));
            self.queues.len() - 1
        });
        // Only members have it (16 and later), and 0 when the queue's own time counts.
        let wrap_up = item.number("Wrapuptime").filter(|seconds| *seconds > 0);
        let longest = &mut self.queues[index].1;
        *longest = (*longest).max(wrap_up);
    }
}

/// The owner of a mailbox. `None` where the mailbox is no extension (`VoiceMailbox: sales box`).
fn mailbox_owner(item: &Message<'_>) -> Option<Agent> {
    let extension: Extension = item.known("VoiceMailbox")?.parse().ok()?;
    // Newer versions take several addresses, with a bar between them; the first is the owner's.
    let email = item.known("Email").and_then(|all| {
        let first = all.split(['|', ',', ' ']).find(|one| one.contains('@'))?;
        Some(first.to_lowercase())
    });
    let name = item.known("Fullname").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Some(Agent { extension, email, name })
}
