//! The legs of all calls: channels, the bridges they stand in, the Local channels between them.
//!
//! A leg belongs to one call. Asterisk's Linkedid says to which only at birth: consultations, pick-ups
//! and retrievals start with an id of their own and join later. So calls are joined when their legs
//! meet in a bridge, and a Linkedid is never looked at again.

use rustc_hash::FxHashMap;

use super::channel::{Kind, local_pair};

/// A number for a call inside this connection's translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u32);

/// One channel of the PBX.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its name; changes by `Rename`.
    pub name: Box<str>,
    /// What is at its far end.
    pub kind: Kind,
    /// The call it belongs to; `None` for helpers.
    pub call: Option<CallKey>,
    /// The bridge it stands in.
    pub bridge: Option<Box<str>>,
    /// Where it is in the dialplan.
    pub exten: Box<str>,
}

/// All legs.
#[derive(Clone, Debug, Default)]
pub struct Legs {
    by_id: FxHashMap<Box<str>, Leg>,
    bridges: FxHashMap<Box<str>, Vec<Box<str>>>,
    locals: FxHashMap<Box<str>, [Option<Box<str>>; 2]>,
}

impl Legs {
    /// The leg with this Uniqueid.
    pub fn get(&self, id: &str) -> Option<&Leg> {
        self.by_id.get(id)
    }

    /// The leg with this Uniqueid, to change it.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Leg> {
        self.by_id.get_mut(id)
    }

    /// The leg with this name.
    pub fn named(&self, name: &str) -> Option<&Leg> {
        self.by_id.values().find(|leg| *leg.name == *name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All Uniqueids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(AsRef::as_ref)
    }

    /// Adds a leg.
    pub fn add(&mut self, id: &str, leg: Leg) {
        if let Some((pair, half)) = local_pair(&leg.name) {
            self.locals.entry(pair.into()).or_default()[half] = Some(id.into());
        }
        self.by_id.insert(id.into(), leg);
    }

    /// Takes a leg out, from its bridge too.
    pub fn remove(&mut self, id: &str) -> Option<Leg> {
        self.leave(id);
        let leg = self.by_id.remove(id)?;
        if let Some((pair, half)) = local_pair(&leg.name)
            && let Some(halves) = self.locals.get_mut(pair)
        {
            halves[half] = None;
            if halves.iter().all(Option::is_none) {
                self.locals.remove(pair);
            }
        }
        Some(leg)
    }

    /// Puts a leg into a bridge; it leaves the one it stood in.
    pub fn enter(&mut self, id: &str, bridge: &str) {
        self.leave(id);
        let Some(leg) = self.by_id.get_mut(id) else { return };
        leg.bridge = Some(bridge.into());
        self.bridges.entry(bridge.into()).or_default().push(id.into());
    }

    /// Takes a leg out of its bridge.
    pub fn leave(&mut self, id: &str) {
        let Some(bridge) = self.by_id.get_mut(id).and_then(|leg| leg.bridge.take()) else { return };
        if let Some(members) = self.bridges.get_mut(&bridge) {
            members.retain(|member| **member != *id);
            if members.is_empty() {
                self.bridges.remove(&bridge);
            }
        }
    }

    /// Empties all bridges: before the PBX is asked anew who stands where.
    pub fn leave_all(&mut self) {
        self.bridges.clear();
        for leg in self.by_id.values_mut() {
            leg.bridge = None;
        }
    }

    /// The parties that hear this leg: all phones and lines in its bridge, and through Local channels
    /// in the bridges behind, in the order in which they came in.
    pub fn hears<'a>(&'a self, id: &str, found: &mut Vec<&'a str>) {
        found.clear();
        let Some(first) = self.by_id.get(id).and_then(|leg| leg.bridge.as_deref()) else { return };
        let mut bridges = vec![first];
        let mut next = 0;
        while let Some(bridge) = bridges.get(next).copied() {
            next += 1;
            for member in self.bridges.get(bridge).into_iter().flatten() {
                if **member == *id {
                    continue;
                }
                let Some(leg) = self.by_id.get(member) else { continue };
                match leg.kind {
                    Kind::Phone(_) | Kind::Line => found.push(member),
                    Kind::Nobody => {}
                    Kind::Local => {
                        let behind = self.other_half(&leg.name).and_then(|leg| leg.bridge.as_deref());
                        if let Some(behind) = behind.filter(|behind| !bridges.contains(behind)) {
                            bridges.push(behind);
                        }
                    }
                }
            }
        }
    }

    /// The Uniqueid of the other half of a Local channel.
    pub fn other_half_id(&self, name: &str) -> Option<&str> {
        let (pair, half) = local_pair(name)?;
        self.locals.get(pair)?[1 - half].as_deref()
    }

    fn other_half(&self, name: &str) -> Option<&Leg> {
        self.by_id.get(self.other_half_id(name)?)
    }

    /// Gives all legs of one call to another.
    pub fn hand_over(&mut self, from: CallKey, to: CallKey) {
        for leg in self.by_id.values_mut().filter(|leg| leg.call == Some(from)) {
            leg.call = Some(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(name: &str, kind: Kind) -> Leg {
        Leg { name: name.into(), kind, call: None, bridge: None, exten: "".into() }
    }

    fn hears<'a>(legs: &'a Legs, id: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        legs.hears(id, &mut found);
        found
    }

    #[test]
    fn parties_hear_each_other_through_local_channels() {
        let phone = |text: &str| Kind::Phone(text.parse().unwrap());
        let mut legs = Legs::default();
        legs.add("1", leg("PJSIP/trunk-1", Kind::Line));
        legs.add("2", leg("Local/201@a-1;1", Kind::Local));
        legs.add("3", leg("Local/201@a-1;2", Kind::Local));
        legs.add("4", leg("PJSIP/201-1", phone("201")));
        legs.enter("1", "outer");
        legs.enter("2", "outer");
        legs.enter("3", "inner");
        assert_eq!(hears(&legs, "1"), [""; 0]);
        legs.enter("4", "inner");
        assert_eq!(hears(&legs, "1"), ["4"]);
        assert_eq!(hears(&legs, "4"), ["1"]);
        legs.remove("3");
        assert_eq!(hears(&legs, "1"), [""; 0]);
    }

    #[test]
    fn a_leg_stands_in_one_bridge_only() {
        let mut legs = Legs::default();
        legs.add("1", leg("PJSIP/trunk-1", Kind::Line));
        legs.add("2", leg("PJSIP/trunk-2", Kind::Line));
        legs.enter("1", "a");
        legs.enter("2", "a");
        legs.enter("1", "b");
        assert_eq!(hears(&legs, "2"), [""; 0]);
        legs.remove("1");
        legs.remove("2");
        assert!(legs.bridges.is_empty() && legs.locals.is_empty());
    }
}
