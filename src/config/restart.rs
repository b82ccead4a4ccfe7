//! What a changed config asks for: most is taken over live, some needs a restart.

use super::{Config, Recording};

impl Config {
    /// Whether any call is recorded by our word or looked for.
    pub fn records(&self) -> bool {
        self.groups.iter().any(|group| group.record)
    }

    /// The tables and keys that are different in `new` and cannot be taken over by a running daemon.
    ///
    /// Taken over live: groups, agents, the texts of tickets, fields, the default agents, the
    /// log-in of the CRM, the level of the log, and what becomes of unknown callers. The rest holds connections, files or kept numbers.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (old_callers, new_callers) = (&self.callers, &new.callers);
        let changes = [
            ("mode", self.mode != new.mode),
            ("log.format", self.log.format != new.log.format),
            ("pbx", self.sources != new.sources),
            ("crm", !self.crm.has_same_client(&new.crm)),
            ("show", self.shown != new.shown),
            // The kept phone book was read by these.
            ("callers.country", old_callers.country != new_callers.country),
            ("callers.area_code", old_callers.area_code != new_callers.area_code),
            ("callers.strip_prefix", old_callers.strip_prefix != new_callers.strip_prefix),
            ("callers.internal_digits", old_callers.internal_digits != new_callers.internal_digits),
            ("callers.phone_fields", old_callers.phone_fields != new_callers.phone_fields),
            ("callers.refresh", old_callers.refresh != new_callers.refresh),
            ("callers.keep_found", old_callers.keep_found != new_callers.keep_found),
            ("callers.keep_not_found", old_callers.keep_not_found != new_callers.keep_not_found),
            ("callers.search_timeout", old_callers.search_timeout != new_callers.search_timeout),
            ("journal", self.journal != new.journal),
            ("web", self.web != new.web),
            ("recording", !self.recording.keeps_as(&new.recording)),
            // The way to the PBX is made at the start, for those who need it.
            ("group.record", self.records() != new.records()),
            ("archive", self.archive != new.archive),
        ];
        changes.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}

impl Recording {
    /// Whether whoever keeps and attaches recordings can go on: the rest is taken over with the next call.
    fn keeps_as(&self, new: &Self) -> bool {
        let fixed = |of: &Self| {
            (
                of.path_map.clone(),
                of.delete_source,
                of.keep_days,
                of.min_free_mb,
                of.format,
                of.ffmpeg.clone(),
            )
        };
        fixed(self) == fixed(new)
    }
}
