//! The rules of calls, made of the config and of what the directory knows.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::call::{
    Agent, Caller, FieldRule, Group, Groups, KeepRules, Missed, ReadNumber, RecordingRules, Rules, Template,
    Texts, UnknownCaller, Way,
};
use crate::config::{self, Config, FieldMapping, ReachedBy};
use crate::directory::House;
use crate::pbx::ami::channel::ChannelRules;
use crate::phonebook::{Normaliser, NumberRules, RulesError};

/// The normaliser of the config.
///
/// # Errors
/// When country and area code make no rules for numbers.
pub fn normaliser(config: &Config) -> Result<Normaliser, RulesError> {
    let callers = &config.callers;
    Normaliser::new(NumberRules {
        country: callers.country.to_string(),
        area_code: callers.area_code.clone(),
        strip_prefix: callers.strip_prefix.clone(),
        internal_digits: callers.internal_digits,
    })
}

/// The rules of the moment. Without a house the agents are those of the config. `room`: there is room on the disk
/// for recordings.
pub fn rules(config: &Config, numbers: &Arc<Normaliser>, house: Option<&House>, room: bool) -> Rules {
    let listed = config.listed_agents.iter().map(|agent| Agent {
        extension: agent.extension.clone(),
        email: Some(agent.email.as_str().to_lowercase()),
        name: agent.name.clone(),
    });
    let agents: Vec<Agent> = match house {
        Some(house) => house.matching.agents.iter().map(|matched| matched.agent.clone()).collect(),
        None => listed.collect(),
    };
    let config::Crm::Zendesk(zendesk) = &config.crm;
    Rules {
        numbers: Arc::clone(numbers) as Arc<dyn ReadNumber>,
        groups: groups(config, numbers, house, room),
        agents: agents.into_iter().map(|agent| (agent.extension.clone(), agent)).collect(),
        unknown: match config.callers.unknown {
            config::UnknownCaller::DefaultUser => UnknownCaller::DefaultUser,
            config::UnknownCaller::NewUser => {
                UnknownCaller::NewUser { name: config.callers.new_user_name.clone() }
            }
        },
        presentation_timeout: config.sources.first().map_or(SignedDuration::ZERO, |source| match source {
            config::Source::Ami(ami) => signed(ami.presentation_timeout),
        }),
        always_default_agent: zendesk.always_default_agent,
        fields: config.fields.iter().map(field).collect(),
        remove_placeholders: config.callers.remove_placeholders,
        records: zendesk.calls_app_id.is_some(),
        zone: config.recording.zone.clone().unwrap_or_else(TimeZone::system),
    }
}

fn field(mapping: &FieldMapping) -> FieldRule {
    FieldRule { target: mapping.target.clone(), value: mapping.value.clone() }
}

fn groups(config: &Config, numbers: &Normaliser, house: Option<&House>, room: bool) -> Groups {
    let mut groups = Groups::default();
    for group in &config.groups {
        let way = match &group.reached_by {
            ReachedBy::Queue(queue) => Way::Queue(queue.clone()),
            ReachedBy::Extension(extension) => Way::Extension(extension.clone()),
            ReachedBy::Did(did) => Way::Did(match numbers.read(did.as_str()) {
                Caller::Number(number) => number.to_string(),
                _ => did.as_str().to_owned(),
            }),
        };
        let ticket = &group.ticket;
        let texts = Texts {
            subject: ticket.subject.clone(),
            comment: ticket.comment.clone(),
            missed_subject: ticket.missed_subject.clone(),
            missed_comment: ticket.missed_comment.clone(),
            public: ticket.public,
            tags: ticket.tags.clone(),
            priority: ticket.priority.map(|priority| priority.as_str().to_owned()),
        };
        let group = Group {
            name: group.name.clone(),
            crm_group: group.crm_group.clone(),
            wrap_up: wrap_up(group, house),
            reuse_within: ticket.reuse_open_ticket.map_or(SignedDuration::ZERO, signed),
            missed: Missed {
                on_abandoned: ticket.on_abandoned,
                on_voicemail: ticket.on_voicemail,
                merge_within: signed(ticket.merge_missed_within),
                solve: ticket.solve_missed,
            },
            recording: group.record.then(|| {
                Arc::new(RecordingRules {
                    way: config.recording.by,
                    file: config.recording.file.clone(),
                    room,
                    keep: keep(&config.recording, &config.recording.comment),
                })
            }),
            message: (config.recording.voicemail && ticket.on_voicemail)
                .then(|| Arc::new(keep(&config.recording, &config.recording.voicemail_comment))),
            texts: Arc::new(texts),
        };
        groups.add(way, Arc::new(group));
    }
    groups
}

fn keep(recording: &config::Recording, comment: &Template) -> KeepRules {
    KeepRules {
        name: recording.name.clone(),
        give_up_after: signed(recording.give_up_after),
        attach: recording.attach,
        shown: recording.attached_name.clone(),
        comment: comment.clone(),
        public: recording.public,
    }
}

/// The config's time, else the queue's own, else the usual one.
fn wrap_up(group: &config::Group, house: Option<&House>) -> SignedDuration {
    let of_queue = || match &group.reached_by {
        ReachedBy::Queue(queue) => house?.wrap_up(queue),
        ReachedBy::Extension(_) | ReachedBy::Did(_) => None,
    };
    group.wrap_up.map(signed).or_else(of_queue).unwrap_or_else(|| signed(config::WRAP_UP))
}

/// How the channels of an AMI source are told apart.
pub fn channel_rules(config: &Config, ami: &config::Ami) -> ChannelRules {
    ChannelRules {
        trunks: ami.trunks.clone(),
        phones: ami.phones.clone(),
        inbound_contexts: ami.inbound_contexts.clone(),
        internal_digits: config.callers.internal_digits,
    }
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly;
    use crate::clock::Clock;
    use crate::config::{Environment, Secrets};
    use crate::directory::Directory;

    const CONFIG: &str = r#"
[[pbx.ami]]
username = "ringdesk"
secret = "none"
[crm.zendesk]
url = "http://127.0.0.1:9"
client_id = "ringdesk"
client_secret = "none"
[callers]
country = "DE"
default_user = "telephone@example.com"
[[group]]
queue = "support"
[[group]]
queue = "sales"
wrap_up = "7s"
[[group]]
extension = "610"
"#;

    #[tokio::test]
    async fn a_group_without_a_wrap_up_time_has_that_of_its_queue_as_soon_as_the_pbx_tells_it() {
        let path = std::path::Path::new("ringdesk.toml");
        let config = Config::parse(CONFIG, path, &Environment::empty(), Secrets::Needed).unwrap();
        let numbers = Arc::new(normaliser(&config).unwrap());
        let clock = Clock::standing_at(jiff::Timestamp::UNIX_EPOCH);
        let crm = assembly::crm(&config, &numbers, None, clock.clone()).unwrap();
        let directory = Directory::new(assembly::house_rules(&config), crm, clock);
        let seconds = |name: &str| {
            let rules = rules(&config, &numbers, Some(&directory.house()), true);
            rules.groups.named(name).unwrap().wrap_up.as_secs()
        };
        assert_eq!((seconds("support"), seconds("sales"), seconds("610")), (30, 7, 30));
        let told = |name: &str| (name.to_owned(), Some(SignedDuration::from_secs(15)));
        let queues = vec![told("support"), told("sales"), told("610")];
        directory.pbx_tells("main".to_owned().try_into().unwrap(), vec![], queues);
        assert_eq!((seconds("support"), seconds("sales"), seconds("610")), (15, 7, 30));
        assert_eq!(
            rules(&config, &numbers, None, true).groups.named("support").unwrap().wrap_up.as_secs(),
            30
        );
    }

    #[test]
    fn what_follows_a_call_is_as_the_config_says() {
        let path = std::path::Path::new("ringdesk.toml");
        let parse = |text: &str| Config::parse(text, path, &Environment::empty(), Secrets::Needed).unwrap();
        let rules_of = |config: &Config| rules(config, &Arc::new(normaliser(config).unwrap()), None, true);
        let nothing = rules_of(&parse(CONFIG));
        assert!(!nothing.always_default_agent && !nothing.remove_placeholders && !nothing.records);
        let support = nothing.groups.named("support").unwrap();
        assert_eq!((support.reuse_within, support.missed.on_abandoned), (SignedDuration::ZERO, false));
        let text = CONFIG
            .replace(
                "[callers]\n",
                "always_default_agent = true\ncalls_app_id = 17\n[callers]\nremove_placeholders = true\n",
            )
            .replace(
                "wrap_up = \"7s\"",
                "on_voicemail = true\nmerge_missed_within = \"5m\"\nreuse_open_ticket = \"2h\"",
            )
            + "[ticket]\nsolve_missed = true\nmissed_subject = \"{caller_number}\"\n[[field]]\ntag = \"x_{outcome}\"\n";
        let config = parse(&text);
        let all = rules_of(&config);
        assert!(all.always_default_agent && all.remove_placeholders && all.records);
        assert_eq!(all.fields.len(), 1);
        let sales = all.groups.named("sales").unwrap();
        let within = SignedDuration::from_mins(5);
        assert_eq!(
            sales.missed,
            Missed { on_abandoned: false, on_voicemail: true, merge_within: within, solve: true }
        );
        assert_eq!(sales.reuse_within, SignedDuration::from_hours(2));
        assert_eq!(sales.texts.missed_subject, config.ticket.missed_subject);
        assert_ne!(sales.texts.missed_comment, sales.texts.comment);
    }
}
