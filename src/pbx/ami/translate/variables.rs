//! Channel variables: what a dialplan leaves on a channel for others to read.
//!
//! Sources: `channelvars` of manager.conf puts those that it lists on each event of a channel, as
//! `ChanVariable: NAME=value`, empty while the channel has none; the class `dialplan` tells each one as it
//! is set (`VarSet`); both with the escapes of C. `Status` tells those that it is asked for, without escapes
//! and with `(null)` for none. All seen in 16.28 and 22.10. Asterisk sets `VM_MESSAGEFILE` when a message is in a mailbox.
//! Deliberately absent: that a variable was cleared. `channelvars` does not tell it from one that never
//! was, and FreePBX clears its own as soon as the call goes on; the last value stays.

use jiff::Timestamp;

use super::super::legs::CallKey;
use super::super::message::{Message, Of, decode, without_c_escapes};
use super::Translate;
use crate::call::{Event, Heard};

/// The variable that names a message left in a mailbox.
const MESSAGE_FILE: &str = "vm_messagefile";

/// How much of a value is handed on, in characters; the call keeps less.
const LONGEST: usize = 4096;

/// One variable of a call.
#[derive(Clone, Debug)]
pub(in super::super) struct Variable {
    name: Box<str>,
    value: String,
    /// It stands on the caller's channel, which knows better than an agent's leg or a Local channel.
    of_caller: bool,
    told: bool,
}

impl Translate {
    /// Looks at what `channelvars` adds to an event.
    pub(super) fn channel_variables(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        for (of, name, value) in message.channel_variables() {
            if value.is_empty() || self.name_if_wanted(name).is_none() {
                continue;
            }
            let id = match of {
                Of::Channel => message.text("Uniqueid"),
                Of::Dialled => message.text("DestUniqueid"),
            };
            if let Some(id) = id {
                self.variable(&id, name, &without_c_escapes(&decode(value)), now, out);
            }
        }
    }

    /// The PBX says that a variable is set.
    pub(super) fn variable_set(&mut self, message: &Message<'_>, now: Timestamp, out: &mut Vec<Heard>) {
        let (Some(name), Some(value)) = (message.get("Variable"), message.get("Value")) else { return };
        if self.name_if_wanted(name).is_some()
            && let Some(id) = message.text("Uniqueid")
        {
            self.variable(&id, name, &without_c_escapes(&decode(value)), now, out);
        }
    }

    /// A list tells what a leg has.
    pub(in super::super) fn variable_listed(
        &mut self,
        leg: &str,
        name: &[u8],
        value: &[u8],
        now: Timestamp,
        out: &mut Vec<Heard>,
    ) {
        if value != b"(null)" {
            self.variable(leg, name, &decode(value), now, out);
        }
    }

    /// A leg has this variable.
    fn variable(&mut self, leg: &str, name: &[u8], value: &str, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(name) = self.name_if_wanted(name) else { return };
        let value = clean(value);
        let Some(key) = self.call_of(leg) else { return };
        // `DELETED` and the like are no file.
        if value.is_empty() || *name == *MESSAGE_FILE && !value.starts_with('/') {
            return;
        }
        let of_caller = self.is_near(key, leg);
        let Some(call) = self.calls.get_mut(&key) else { return };
        match call.variables.iter_mut().find(|known| known.name == name) {
            None => call.variables.push(Variable { name, value, of_caller, told: false }),
            Some(known) if known.of_caller && !of_caller => return,
            Some(known) => {
                known.told &= known.value == value;
                known.value = value;
                known.of_caller = of_caller;
            }
        }
        self.tell_variables(key, now, out);
    }

    /// Tells what changed, of a call that is announced.
    pub(super) fn tell_variables(&mut self, key: CallKey, now: Timestamp, out: &mut Vec<Heard>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.announced) else { return };
        for variable in call.variables.iter_mut().filter(|variable| !variable.told) {
            variable.told = true;
            let (name, value) = (&variable.name, variable.value.clone());
            if **name == *MESSAGE_FILE {
                // The length stands only in a file beside the message.
                let event = Event::VoicemailLeft { file: value.clone(), seconds: None };
                out.push(Heard { call: call.id.clone(), at: now, event });
            }
            if self.wanted.contains(name) {
                let event = Event::Variable { name: name.to_string(), value };
                out.push(Heard { call: call.id.clone(), at: now, event });
            }
        }
    }

    /// The name as it is told, lower-case and without the underscores that let dialled channels inherit it.
    fn name_if_wanted(&self, name: &[u8]) -> Option<Box<str>> {
        let name = name.strip_prefix(b"_").unwrap_or(name);
        let name = name.strip_prefix(b"_").unwrap_or(name);
        if name.eq_ignore_ascii_case(MESSAGE_FILE.as_bytes()) {
            return Some(MESSAGE_FILE.into());
        }
        self.wanted.iter().find(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name)).cloned()
    }
}

fn clean(value: &str) -> String {
    let plain = value.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests;
