//! After a gap: what the PBX says is up is compared with what is known.
//!
//! `Status` and `CoreShowChannels` list the channels that are up (`Status` alone tells the number
//! dialled first, as `DNID`); a leg that is in no list is gone, and with a caller's leg its call.
//! Calls that came and went in the gap left nothing in AMI.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::channel::{Hints, Kind};
use super::message::Message;
use super::translate::{Birth, Translate, caller_name};
use crate::call::{Event, Heard};

/// A comparison under way.
#[derive(Clone, Debug, Default)]
pub struct Resync {
    /// Legs that were listed or born since it began.
    pub(super) seen: HashSet<Box<str>>,
    listed: FxHashMap<Box<str>, Listed>,
}

#[derive(Clone, Debug)]
struct Listed {
    name: String,
    kind: Kind,
    link: String,
    bridge: Option<String>,
    exten: String,
    queue: Option<String>,
    rings: bool,
    number: String,
    caller_name: Option<String>,
    dialled: Option<String>,
}

impl Translate {
    /// A new connection is logged in; the lists follow.
    pub fn resync_begins(&mut self) {
        self.resync = Some(Resync::default());
    }

    /// The lists have ended, whatever came of them. When no list was whole nothing is compared.
    pub fn resync_ends(&mut self, whole: bool, now: Timestamp, out: &mut Vec<Heard>) {
        if whole {
            self.list_complete(now, out);
        }
        self.resync = None;
    }

    pub(super) fn listed(&mut self, message: &Message<'_>) {
        let (Some(id), Some(name)) = (message.text("Uniqueid"), message.text("Channel")) else { return };
        let link = message.text("Linkedid").unwrap_or_else(|| id.clone()).into_owned();
        let context = message.text("Context").filter(|_| *link == *id);
        let number = message.known("CallerIDNum");
        let kind = self.rules.kind(&name, Hints { context: context.as_deref(), number: number.as_deref() });
        let Some(resync) = &mut self.resync else { return };
        resync.seen.insert(id.as_ref().into());
        let in_queue = message.get("Application") == Some(b"Queue");
        let data = message.known("ApplicationData").or_else(|| message.known("Data")).filter(|_| in_queue);
        let queue = data.and_then(|data| data.split(',').next().map(str::to_owned));
        let bridge = message.known("BridgeId").map(Cow::into_owned);
        let item = Listed {
            name: name.into_owned(),
            kind,
            link,
            bridge,
            exten: message.text("Exten").unwrap_or_default().into_owned(),
            queue,
            rings: message.get("ChannelState") == Some(b"5"),
            number: number.unwrap_or_default().into_owned(),
            caller_name: caller_name(message),
            dialled: message.known("DNID").map(Cow::into_owned),
        };
        match resync.listed.entry(id.as_ref().into()) {
            Entry::Vacant(entry) => {
                entry.insert(item);
            }
            Entry::Occupied(mut entry) => {
                // The other list of the same channel: what only one of them tells is kept.
                let known = entry.get_mut();
                known.dialled = known.dialled.take().or(item.dialled);
                known.bridge = item.bridge;
                known.queue = item.queue.or(known.queue.take());
                known.exten = item.exten;
                known.rings = item.rings;
            }
        }
    }

    /// The list of channels is whole.
    pub(super) fn list_complete(&mut self, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(resync) = self.resync.take() else { return };
        let gone: Vec<String> =
            self.legs.ids().filter(|id| !resync.seen.contains(*id)).map(str::to_owned).collect();
        for id in gone {
            self.remove_leg(&id, true, now, out);
        }
        // First channels first, then by age: a call must exist before its legs come.
        let mut listed: Vec<_> = resync.listed.into_iter().collect();
        listed.sort_by_cached_key(|(id, item)| (*item.link != **id, age(id)));
        self.legs.leave_all();
        for (id, item) in &listed {
            if self.legs.get(id).is_none() {
                self.add_listed(id, item, now, out);
            }
            if let Some(bridge) = &item.bridge {
                self.legs.enter(id, bridge);
            }
        }
        for (id, item) in &listed {
            let Some(key) = self.call_of(id) else { continue };
            if *self.calls[&key].near == **id {
                self.announce(key, now, out);
            }
            if let Some(queue) = &item.queue {
                self.tell(key, Event::JoinedQueue { queue: queue.clone() }, now, out);
            }
            self.reached(id, &item.exten, now, out);
            if let (Kind::Phone(extension), true) = (&item.kind, item.rings) {
                self.tell(key, Event::Rang { extension: extension.clone() }, now, out);
            }
        }
        for (id, _) in &listed {
            self.met(id, now, out);
        }
    }

    fn add_listed(&mut self, id: &str, item: &Listed, now: Timestamp, out: &mut Vec<Heard>) {
        let birth = Birth {
            id,
            link: &item.link,
            name: &item.name,
            kind: item.kind.clone(),
            number: item.number.clone(),
            caller_name: item.caller_name.clone(),
            dialled: item.dialled.as_deref().unwrap_or(&item.exten),
            exten: &item.exten,
        };
        self.add_leg(birth, now, out);
    }
}

/// The age of a channel by its Uniqueid, `[system-]epoch.counter`.
fn age(id: &str) -> (u64, u64) {
    let tail = id.rsplit('-').next().unwrap_or(id);
    let (epoch, counter) = tail.split_once('.').unwrap_or((tail, "0"));
    (epoch.parse().unwrap_or(u64::MAX), counter.parse().unwrap_or(u64::MAX))
}
