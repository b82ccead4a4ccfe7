//! After a gap: what the PBX says is up is compared with what is known.
//!
//! `Status` and `CoreShowChannels` list the channels that are up (`Status` alone tells the number
//! dialled first, as `DNID`, and FreePBX's ring group, as the variable `NODEST`); a leg that is in no
//! list is gone, and with a caller's leg its call. Calls that came and went in the gap left nothing in
//! AMI.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::channel::{Hints, Kind};
use super::message::Message;
use super::translate::{Birth, Translate, caller_name};
use crate::call::{Event, Extension, Heard};

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
    ring_group: Option<Extension>,
    /// Names and values of the variables that were asked for.
    variables: Vec<(Vec<u8>, Vec<u8>)>,
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
        } else {
            self.starts_are_lost(now, out);
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
            ring_group: ring_group(message),
            variables: variables(message),
        };
        match resync.listed.entry(id.as_ref().into()) {
            Entry::Vacant(entry) => {
                entry.insert(item);
            }
            Entry::Occupied(mut entry) => {
                // The other list of the same channel: what only one of them tells is kept.
                let known = entry.get_mut();
                known.dialled = known.dialled.take().or(item.dialled);
                known.ring_group = known.ring_group.take().or(item.ring_group);
                known.variables.extend(item.variables);
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
            for (name, value) in &item.variables {
                self.variable_listed(id, name, value, now, out);
            }
            self.recordings_listed(id, &item.variables, now, out);
            if let Some(queue) = &item.queue {
                self.tell(key, Event::JoinedQueue { queue: queue.clone() }, now, out);
            }
            self.reached(id, &item.exten, now, out);
            if let (Some(extension), true) = (&item.ring_group, *self.calls[&key].near == **id) {
                self.tell(key, Event::ReachedExtension { extension: extension.clone() }, now, out);
            }
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

/// What `Status` tells of the variables that it was asked for. `channelvars` are looked at with each event.
fn variables(message: &Message<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let told = message.get_all("Variable").filter_map(|variable| {
        let equals = variable.iter().position(|byte| *byte == b'=')?;
        Some((variable[..equals].to_vec(), variable[equals + 1..].to_vec()))
    });
    told.collect()
}

/// FreePBX's `NODEST`, as `Status` tells it when it is asked for (seen in 16.28 and 22.10), or either list with
/// `channelvars = NODEST`.
fn ring_group(message: &Message<'_>) -> Option<Extension> {
    let mut variables = message.get_all("Variable").chain(message.get_all("ChanVariable"));
    let number = variables.find_map(|variable| variable.strip_prefix(b"NODEST="))?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// The age of a channel by its Uniqueid, `[system-]epoch.counter`.
fn age(id: &str) -> (u64, u64) {
    let tail = id.rsplit('-').next().unwrap_or(id);
    let (epoch, counter) = tail.split_once('.').unwrap_or((tail, "0"));
    (epoch.parse().unwrap_or(u64::MAX), counter.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::channel::ChannelRules;
    use super::super::frame::Framer;
    use super::*;

    /// What 22.10 said after a gap in which a ring group of FreePBX's dialplan rang and 202 answered.
    const LISTS: &str = "Event: Status\r\nChannel: PJSIP/trunk-00000030\r\nChannelState: 6\r\n\
        CallerIDNum: +493023125111\r\nCallerIDName: Ulrich Lang\r\nContext: macro-dial\r\nExten: s\r\n\
        Uniqueid: 1795660929.78\r\nLinkedid: 1795660929.78\r\nDNID: +493023125610\r\n\
        BridgeID: dfc30e9d\r\nApplication: Dial\r\nVariable: NODEST=610\r\n\r\n\
        Event: Status\r\nChannel: PJSIP/202-00000032\r\nChannelState: 6\r\n\
        CallerIDNum: 202\r\nCallerIDName: Bernd Lange\r\nContext: from-internal\r\nExten: \r\n\
        Uniqueid: 1795660929.80\r\nLinkedid: 1795660929.78\r\nDNID: \r\n\
        BridgeID: dfc30e9d\r\nApplication: AppDial\r\nVariable: NODEST=610\r\n\r\n\
        Event: CoreShowChannelsComplete\r\nListItems: 2\r\n\r\n";

    #[test]
    fn a_ring_group_of_freepbx_that_was_answered_in_a_gap_is_known_by_its_variable_as_are_those_of_the_config()
     {
        let rules = ChannelRules { internal_digits: 6, ..ChannelRules::default() };
        let mut translate = Translate::new("main".to_owned().try_into().unwrap(), rules, false)
            .with_variables(&["crm_id".to_owned(), "language".to_owned()]);
        translate.resync_begins();
        let mut framer = Framer::new();
        // Asked for with the ring group; the other leg inherited it before it was corrected.
        let lists = LISTS.replacen(
            "NODEST=610\r\n",
            "NODEST=610\r\nVariable: CRM_ID=K-1\r\nVariable: language=(null)\r\n",
            1,
        );
        let lists = lists.replace("NODEST=610\r\n\r\n", "NODEST=610\r\nVariable: CRM_ID=K-0\r\n\r\n");
        framer.push(lists.as_bytes());
        let mut heard = Vec::new();
        let now = Timestamp::from_second(1_795_660_933).unwrap();
        while let Some(message) = framer.take() {
            translate.on_message(&message, now, &mut heard);
        }
        translate.resync_ends(true, now, &mut heard);
        let events: Vec<_> = heard.into_iter().map(|heard| heard.event).collect();
        let reached = Event::ReachedExtension { extension: "610".parse().unwrap() };
        let answered = Event::Answered { extension: "202".parse().unwrap() };
        assert!(
            matches!(&events[0], Event::Arrived { dialled, .. } if dialled == "+493023125610"),
            "{events:?}"
        );
        let variable = Event::Variable { name: "crm_id".to_owned(), value: "K-1".to_owned() };
        assert_eq!(events[1..], [variable, reached, answered]);
    }
}
