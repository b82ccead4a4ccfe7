//! `[web]`: the status page, health and metrics.

use std::net::SocketAddr;

use super::section::Section;
use super::values;

/// The small web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Where it listens; `None`: not at all.
    pub listen: Option<SocketAddr>,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 8980))) }
    }
}

impl Web {
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let default = Self::default();
        let Some(mut section) = section else {
            return default;
        };
        let listen = section.parsed("listen", values::listen).spot_or(default.listen);
        if let Some(address) = listen.value.filter(|address| !address.ip().is_loopback()) {
            let message = format!(
                "{address} can be reached from other machines, and the page has no log-in: let a \
                 firewall or proxy guard it"
            );
            section.reader.warning(&listen.place, listen.key, message);
        }
        Self { listen: listen.value }
    }
}
