//! What a channel's name tells: a phone, an outside line, half of a Local channel, or nobody.
//!
//! Source: Asterisk's channel drivers, `pbx-facts` 3.8 and the captures. `PJSIP/201-0000002a` is endpoint
//! `201`; an endpoint may itself have dashes, dots and `@`, so it is cut at the last dash.

use std::str::FromStr as _;

use crate::call::Extension;

/// What is at the far end of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A phone of the house.
    Phone(Extension),
    /// A line to the outside world.
    Line,
    /// One half of a Local channel: the PBX talking to itself.
    Local,
    /// A helper of the PBX (`Surrogate/…`, `Message/…`, `…<ZOMBIE>`): never a party.
    Nobody,
}

/// The admin's help for what names alone cannot tell.
#[derive(Clone, Debug, Default)]
pub struct ChannelRules {
    /// Patterns of channels that are outside lines.
    pub trunks: Vec<crate::config::Pattern>,
    /// Patterns of channels that are phones.
    pub phones: Vec<crate::config::Pattern>,
    /// Patterns of contexts in which calls from outside begin.
    pub inbound_contexts: Vec<crate::config::Pattern>,
    /// The longest extension, in digits.
    pub internal_digits: u8,
}

/// What is known of a channel besides its name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// The context it was born in; for a channel that was dialled: nothing.
    pub context: Option<&'a str>,
    /// The number it carries as its own.
    pub number: Option<&'a str>,
}

impl ChannelRules {
    /// Says what a channel is.
    pub fn kind(&self, name: &str, hints: Hints<'_>) -> Kind {
        let Some((technology, rest)) = name.split_once('/') else { return Kind::Nobody };
        if name.ends_with('>') || rest.is_empty() {
            // `SIP/201-1<ZOMBIE>`, `…<MASQ>`: what a masquerade leaves behind.
            return Kind::Nobody;
        }
        match technology {
            "Local" => return Kind::Local,
            "PJSIP" | "SIP" | "IAX2" | "SCCP" | "Skinny" | "MGCP" | "H323" | "OOH323" | "WebSocket"
            | "Motif" => {}
            "DAHDI" | "mISDN" | "CAPI" | "Dongle" | "Quectel" | "Khomp" | "ALSA" | "Console" => {
                return if matches(&self.phones, name) { self.phone(rest, hints) } else { Kind::Line };
            }
            _ => return Kind::Nobody,
        }
        let endpoint = rest.rsplit_once('-').map_or(rest, |(endpoint, _)| endpoint);
        if matches(&self.trunks, name) {
            return Kind::Line;
        }
        if matches(&self.phones, name) {
            return self.phone(endpoint, hints);
        }
        if self.is_internal(endpoint) {
            return Kind::Phone(
                extension(endpoint).unwrap_or_else(|| unreachable!("short digits are an extension")),
            );
        }
        if hints.context.is_some_and(|context| matches(&self.inbound_contexts, context)) {
            return Kind::Line;
        }
        // `SIP/anna.desk`, `PJSIP/201-mobile`: a phone shows its extension as its own number.
        match hints.number {
            Some(number) if self.is_internal(number) => self.phone(endpoint, hints),
            _ => Kind::Line,
        }
    }

    fn phone(&self, endpoint: &str, hints: Hints<'_>) -> Kind {
        let own = hints.number.filter(|number| self.is_internal(number));
        extension(own.unwrap_or(endpoint)).map_or(Kind::Line, Kind::Phone)
    }

    fn is_internal(&self, number: &str) -> bool {
        (2..=usize::from(self.internal_digits)).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    }
}

fn matches(patterns: &[crate::config::Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

fn extension(text: &str) -> Option<Extension> {
    Extension::from_str(text).ok()
}

/// The name of a Local channel without its half: `Local/201@groups-0000001a` of `…;1`.
pub fn local_pair(name: &str) -> Option<(&str, usize)> {
    match name.as_bytes() {
        [.., b';', b'1'] => Some((&name[..name.len() - 2], 0)),
        [.., b';', b'2'] => Some((&name[..name.len() - 2], 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ChannelRules {
        let pattern = |text: &str| text.parse().unwrap();
        ChannelRules {
            trunks: vec![pattern("PJSIP/30*")],
            phones: vec![pattern("DAHDI/*-1")],
            inbound_contexts: vec![pattern("from-trunk*")],
            internal_digits: 6,
        }
    }

    #[test]
    fn names_tell_phones_from_lines() {
        let phone = |text: &str| Kind::Phone(text.parse().unwrap());
        let born = |context, number| Hints { context, number };
        let cases = [
            ("PJSIP/201-0000002a", Hints::default(), phone("201")),
            ("SIP/201-0000002a", born(Some("from-internal"), Some("201")), phone("201")),
            ("PJSIP/trunk-00000000", born(Some("from-trunk"), Some("+493023125111")), Kind::Line),
            ("PJSIP/trunk-00000000", born(Some("from-trunk"), Some("201")), Kind::Line),
            ("PJSIP/4930231250-00000001", Hints::default(), Kind::Line),
            ("PJSIP/300-00000001", Hints::default(), Kind::Line),
            ("SIP/anna.desk-00000001", born(Some("internal"), Some("204")), phone("204")),
            ("PJSIP/201-mobile-00000001", born(None, Some("201")), phone("201")),
            ("DAHDI/i1/03023125111-5", Hints::default(), Kind::Line),
            ("DAHDI/3-1", born(None, Some("23")), phone("23")),
            ("Local/201@groups-00000001;1", Hints::default(), Kind::Local),
            ("Surrogate/PJSIP/201-1", Hints::default(), Kind::Nobody),
            ("SIP/201-00000001<ZOMBIE>", Hints::default(), Kind::Nobody),
            ("Message/ast_msg_queue", Hints::default(), Kind::Nobody),
            ("rubbish", Hints::default(), Kind::Nobody),
        ];
        for (name, hints, kind) in cases {
            assert_eq!(rules().kind(name, hints), kind, "{name}");
        }
    }

    #[test]
    fn the_halves_of_a_local_channel_find_each_other() {
        assert_eq!(local_pair("Local/201@a-1;1"), Some(("Local/201@a-1", 0)));
        assert_eq!(local_pair("Local/201@a-1;2"), Some(("Local/201@a-1", 1)));
        assert_eq!(local_pair("PJSIP/201-1"), None);
    }
}
