//! What the PBX itself tells about its users and queues: the owners of mailboxes
//! (`VoicemailUsersList`) and the queues (`QueueStatus`).
//!
//! A queue's own wrap-up time is in neither: `QueueMember` has only what was set for that member, and 0 otherwise
//! (16.28, 22.10, with `wrapuptime = 5`). So each queue is looked up in queues.conf by the function `AST_CONFIG`,
//! which needs no more than the right to ask; queues that are not in that file (realtime) are not known there.

use std::collections::BTreeMap;

use super::message::Message;
use super::session::{List, Outcome};
use crate::call::{Agent, Extension};

/// How many queues are asked for their wrap-up time.
const QUEUES: usize = 500;

/// Users, and queues with their wrap-up time in seconds.
pub(super) type UsersAndQueues = (Vec<Agent>, Vec<(String, Option<u32>)>);

/// Gathers the items of the two lists until both have ended.
#[derive(Debug, Default)]
pub(super) struct House {
    agents: Vec<Agent>,
    queues: Vec<(String, Option<u32>)>,
    mailboxes_ended: Option<Outcome>,
    queues_ended: Option<Outcome>,
    /// What was told last, to be told again when the wrap-up times are known.
    told: Option<UsersAndQueues>,
    /// The wrap-up times that queues.conf has, in seconds.
    in_file: BTreeMap<String, u32>,
    asked: usize,
    changed: bool,
}

impl House {
    /// Both lists are asked for anew.
    pub(super) fn begin(&mut self) {
        *self = Self { in_file: std::mem::take(&mut self.in_file), ..Self::default() };
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
        self.mailboxes_ended = None;
        let (agents, queues_told) = (std::mem::take(&mut self.agents), std::mem::take(&mut self.queues));
        if mailboxes == Outcome::TimedOut || queues == Outcome::TimedOut {
            return None;
        }
        self.told = Some((agents, queues_told));
        self.completed()
    }

    /// The queues whose wrap-up time is to be asked, after their list.
    pub(super) fn queues_to_ask(&mut self) -> Vec<String> {
        // What is written between commas and brackets must not have any of its own.
        let askable =
            |name: &&String| name.len() <= 80 && !name.contains([',', '(', ')', '"', '\\', '$', '{']);
        let names = self.told.iter().flat_map(|(_, queues)| queues.iter().map(|(name, _)| name));
        let asked: Vec<String> = names.filter(askable).take(QUEUES).cloned().collect();
        self.asked = asked.len();
        asked
    }

    /// The PBX answered for a queue, or did not. Gives out everything once more with the last answer, if that
    /// changes anything.
    pub(super) fn on_wrap_up(&mut self, queue: &str, seconds: Option<u32>) -> Option<UsersAndQueues> {
        self.asked = self.asked.saturating_sub(1);
        let seconds = seconds.filter(|seconds| *seconds > 0);
        let known = match seconds {
            Some(seconds) => self.in_file.insert(queue.to_owned(), seconds),
            None => self.in_file.remove(queue),
        };
        self.changed |= known != seconds;
        (self.asked == 0 && std::mem::take(&mut self.changed)).then(|| self.completed()).flatten()
    }

    fn completed(&self) -> Option<UsersAndQueues> {
        let (agents, queues) = self.told.as_ref()?;
        let own = |name: &String| self.in_file.get(name).copied();
        let queues = queues.iter().map(|(name, of_members)| (name.clone(), own(name).or(*of_members)));
        Some((agents.clone(), queues.collect()))
    }

    fn on_queue_item(&mut self, item: &Message<'_>) {
        let Some(name) = item.known("Queue") else { return };
        let index = self.queues.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.queues.push((name.into_owned(), None));
            self.queues.len() - 1
        });
        // 0 when the queue's own time counts for the member.
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
