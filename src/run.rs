//! The daemon: its parts put together, started, reloaded and stopped in order.
//!
//! Start: lock and journal first, so that a second daemon never logs in to the PBX; then the exits,
//! the desk and, last, the entrances. Stop: entrances, desk, exits. Nothing is decided here.

mod chores;
mod exits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::archive::Archive;
use crate::assembly;
use crate::causes;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Mode, Source};
use crate::crm::{Crm, CrmError, LineError, Login};
use crate::desk::{Desk, DeskState, Recovery};
use crate::directory::Directory;
use crate::dispatch::{Dispatch, Load, Order, Orders, Owed};
use crate::journal::{AfterCommit, Journal, JournalError};
use crate::kept::KeptRecordings;
use crate::lifecycle::Lifecycle;
use crate::pbx;
use crate::pbx::ami::counters::Counters;
use crate::pbx::ami::driver::{Driver, LinkState};
use crate::pbx::ami::translate::Translate;
use crate::phonebook::{PhoneBook, RulesError, StoreError};
use crate::recording::{Keeper, Room, Shelf, Wake, room};
use crate::rules;
use crate::status::{CrmLogin, PbxView, Status};
use crate::web;

use exits::{PbxOrders, deliverer, keeping_deliverer, upload_deliverer};

/// What may wait between the sources and the desk: the sources stop translating then, not reading.
const INPUTS: usize = 64;

/// What may wait between the dispatcher and the desk.
const OUTCOMES: usize = 64;

/// Recordings that are fetched at once. A look takes a moment, but a copy of an hour's call some seconds.
const KEPT_AT_ONCE: usize = 4;

/// Recordings that are uploaded at once. None is urgent, and each may be large.
const UPLOADED_AT_ONCE: usize = 2;

/// How long the exits may go on with what is in hand when the daemon stops. With the rest below 15 s.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// The daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kept phone book cannot be used.
    #[error(transparent)]
    PhoneBook(#[from] StoreError),
    /// Country and area code make no rules for numbers.
    #[error(transparent)]
    Numbers(#[from] RulesError),
    /// The CRM's client cannot be made.
    #[error(transparent)]
    Crm(#[from] LineError),
    /// The status page's port cannot be opened.
    #[error("cannot listen at {listen} for the status page: set another address in `[web] listen`")]
    Web {
        /// The address.
        listen: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A new config is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is wrong in itself.
    #[error("the config is wrong and the old one stays in force")]
    Config(#[from] ConfigError),
    /// Country and area code make no rules for numbers.
    #[error("the rules for numbers cannot be used, and the old settings go on")]
    Numbers(#[from] RulesError),
    /// The CRM's client cannot be made.
    #[error("the new log-in of the CRM cannot be used, and the old settings go on")]
    Client(#[from] LineError),
    /// The CRM does not know who we would be.
    #[error("the new log-in of the CRM is refused, and the old settings go on")]
    Refused(#[source] CrmError),
    /// The CRM does not answer.
    #[error(
        "the new log-in of the CRM cannot be proven now, and the old settings go on: reload again when the CRM answers"
    )]
    Unproven(#[source] CrmError),
}

/// A config that may be taken over.
pub struct Proven {
    config: Config,
    /// The client with the new log-in, and who we are by it.
    login: Option<(Crm, Login)>,
}

impl Proven {
    /// How much the log is to say.
    pub fn log_level(&self) -> tracing::Level {
        self.config.log.level
    }
}

/// What only tests set.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Called after each commit of the journal.
    pub after_commit: Option<AfterCommit>,
}

/// A running daemon.
pub struct Daemon {
    entrances: Lifecycle,
    desk: Lifecycle,
    exits: Lifecycle,
    config: watch::Sender<Arc<Config>>,
    crm_login: watch::Sender<CrmLogin>,
    reload_refused: watch::Sender<Option<String>>,
    clock: Clock,
    status: Status,
    web: Option<std::net::SocketAddr>,
    journal: Journal,
    _lock: crate::journal::Lock,
}

impl Daemon {
    /// Starts everything. The sources connect by themselves; [`Daemon::status`] tells when it is ready.
    ///
    /// # Errors
    /// See [`RunError`]. A PBX or a CRM that does not answer is no error.
    pub async fn start(config: Config, clock: Clock, hooks: Hooks) -> Result<Self, RunError> {
        let (journal, lock) =
            Journal::open(&assembly::journal_path(&config), clock.clone(), hooks.after_commit).await?;
        let numbers = Arc::new(rules::normaliser(&config)?);
        let recovered = journal.load().await?;
        for lost in &recovered.unreadable {
            tracing::error!(
                key = lost.key,
                reason = lost.reason,
                "an entry of the journal cannot be read and is left where it is"
            );
        }
        let voice_known = chores::voice_fact(&config, &journal, &clock).await;
        let crm = assembly::crm(&config, &numbers, voice_known, clock.clone())?;
        let phonebook = PhoneBook::open(
            &assembly::phonebook_path(&config),
            Arc::clone(&numbers),
            assembly::book_rules(&config),
            crm.clone(),
            clock.clone(),
        )
        .await?;
        let directory = Directory::new(assembly::house_rules(&config), crm.clone(), clock.clone());

        let (entrances, desk, exits) = (Lifecycle::new(), Lifecycle::new(), Lifecycle::new());
        let (room_tx, room_rx) = watch::channel(Room::default());
        let first_rules = Arc::new(rules::rules(&config, &numbers, Some(&directory.house()), true));
        let (rules_tx, rules_rx) = watch::channel(first_rules);
        let (orders_tx, ends) = Orders::new();
        let (outcomes_tx, outcomes_rx) = mpsc::channel(OUTCOMES);
        let (inputs_tx, inputs_rx) = mpsc::channel(INPUTS);
        let (load_tx, load_rx) = watch::channel(Load::default());
        let (desk_state_tx, desk_state_rx) = watch::channel(DeskState::default());
        let (crm_login_tx, crm_login_rx) = watch::channel(CrmLogin::Unknown);

        let now = clock.now();
        for owed in recovered.owed {
            let work = Arc::new(owed.work);
            let order = Order::Owe(Owed { work, attempts: owed.attempts, due: now, recovered: true });
            orders_tx.send(order);
        }
        let observing = config.mode == Mode::Observe;
        if observing {
            tracing::warn!(
                "mode = \"observe\": what would be done is written down (`ringdesk calls`); nothing is sent to the CRM"
            );
        }
        let deliver = deliverer(crm.clone(), directory.clone(), observing);
        let dispatch = Dispatch::new(deliver, clock.clone(), assembly::max_in_flight(&config));
        let (outcomes, lifecycle) = (outcomes_tx.clone(), exits.clone());
        exits.spawn(dispatch.run(ends.crm, outcomes, load_tx, lifecycle, exits.stopping()));

        let (wake, shelf) = (Wake::new(), Shelf::new(assembly::recordings_path(&config)));
        let keeper = Keeper::new(
            assembly::places(&config),
            shelf.clone(),
            config.recording.delete_source,
            wake.clone(),
            clock.clone(),
        );
        let (keeping_tx, keeping_rx) = watch::channel(Load::default());
        let dispatch = Dispatch::new(keeping_deliverer(keeper, observing), clock.clone(), KEPT_AT_ONCE)
            .called("the disk of recordings");
        let (outcomes, lifecycle) = (outcomes_tx.clone(), exits.clone());
        exits.spawn(dispatch.run(ends.keeping, outcomes, keeping_tx, lifecycle, exits.stopping()));
        let (uploads_tx, uploads_rx) = watch::channel(Load::default());
        let deliver = upload_deliverer(
            crm.clone(),
            directory.clone(),
            shelf.clone(),
            assembly::sound(&config),
            observing,
        );
        let dispatch =
            Dispatch::new(deliver, clock.clone(), UPLOADED_AT_ONCE).called("the CRM, for uploads,");
        let lifecycle = exits.clone();
        exits.spawn(dispatch.run(ends.uploads, outcomes_tx, uploads_tx, lifecycle, exits.stopping()));
        let hurry = orders_tx.clone();
        exits.spawn(wake.run(move || hurry.send(Order::Hurry), exits.stopping()));
        if config.records() && !observing {
            let least = u64::from(config.recording.min_free_mb) * 1_000_000;
            let folders = assembly::recording_folders(&config);
            exits.spawn(room::watch(folders, least, room_tx, exits.stopping()));
        }
        if !observing {
            exits.spawn(chores::tidy(
                config.recording.clone(),
                shelf,
                journal.clone(),
                clock.clone(),
                exits.stopping(),
            ));
        }
        exits.spawn(phonebook.clone().run(exits.stopping()));
        exits.spawn(directory.clone().run(exits.stopping()));
        exits.spawn(chores::log_in(crm.clone(), crm_login_tx.clone(), exits.stopping()));
        exits.spawn(chores::remember_voice(
            config.clone(),
            crm.clone(),
            journal.clone(),
            clock.clone(),
            voice_known,
            exits.stopping(),
        ));
        exits.spawn(chores::tend(journal.clone(), exits.stopping()));
        exits.spawn(chores::prune(journal.clone(), config.journal.keep, clock.clone(), exits.stopping()));

        let (mut pbx, mut pbx_orders) = (Vec::new(), BTreeMap::new());
        for source in &config.sources {
            let Source::Ami(ami) = source;
            let counters = Arc::new(Counters::default());
            let (state_tx, state_rx) =
                watch::channel(LinkState::Down { reason: "not connected yet".to_owned() });
            let channels = rules::channel_rules(&config, ami);
            let translate = Translate::new(ami.name.clone(), channels, ami.ask_presentation)
                .with_variables(&ami.variables);
            let mut driver = Driver::new(
                ami.clone(),
                translate,
                inputs_tx.clone(),
                Arc::clone(&counters),
                state_tx,
                clock.clone(),
            );
            if config.records() && !observing {
                let (orders, taken) = pbx::orders();
                pbx_orders.insert(ami.name.clone(), orders);
                driver = driver.with_orders(taken);
            }
            entrances.spawn(driver.run(entrances.clone(), entrances.stopping()));
            pbx.push(PbxView { name: ami.name.clone(), state: state_rx, counters });
        }
        drop(inputs_tx);

        let parts = Desk {
            journal: journal.clone(),
            phonebook: phonebook.clone(),
            directory: directory.clone(),
            rules: rules_rx,
            inputs: inputs_rx,
            outcomes: outcomes_rx,
            orders: orders_tx,
            pbx: Arc::new(PbxOrders(pbx_orders)),
            state: desk_state_tx,
            clock: clock.clone(),
        };
        desk.spawn(parts.run(Recovery { calls: recovered.calls }, exits.clone(), desk.stopping()));

        // What is only observed copies nothing.
        let archive = assembly::archive(&config).filter(|_| !observing).map(|settings| {
            let kept = KeptRecordings::new(assembly::recordings_path(&config), journal.clone());
            let archive = Archive::new(settings, kept, clock.clone());
            let state = archive.state();
            exits.spawn(archive.run(exits.stopping()));
            state
        });

        let (config_tx, config_rx) = watch::channel(Arc::new(config.clone()));
        exits.spawn(chores::keep_rules(
            config_rx.clone(),
            Arc::clone(&numbers),
            directory.clone(),
            room_rx.clone(),
            rules_tx,
            exits.stopping(),
        ));
        exits.spawn(chores::check_fields(
            config_rx.clone(),
            crm.clone(),
            crm_login_rx.clone(),
            exits.stopping(),
        ));
        let (refused_tx, refused_rx) = watch::channel(None);
        let status = Status {
            config: config_rx,
            reload_refused: refused_rx,
            pbx,
            desk: desk_state_rx,
            load: load_rx,
            keeping: keeping_rx,
            uploads: uploads_rx,
            room: room_rx,
            crm_login: crm_login_rx,
            directory,
            phonebook: phonebook.status(),
            archive,
            crm,
            clock: clock.clone(),
            started: now,
        };
        let web = match config.web.listen {
            Some(listen) => {
                let server = web::bind(listen).await.map_err(|source| RunError::Web { listen, source })?;
                let address = server.address();
                exits.spawn(server.run(status.clone(), journal.clone(), exits.stopping()));
                Some(address)
            }
            None => None,
        };
        Ok(Self {
            entrances,
            desk,
            exits,
            config: config_tx,
            crm_login: crm_login_tx,
            reload_refused: refused_tx,
            clock,
            status,
            web,
            journal,
            _lock: lock,
        })
    }

    /// What it looks like from outside.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Where the status page listens.
    pub fn web(&self) -> Option<std::net::SocketAddr> {
        self.web
    }

    /// The journal, to look into.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Proves what a reload would take over: a new log-in of the CRM is tried, with a client of its own.
    ///
    /// # Errors
    /// See [`ReloadError`]; nothing has changed then.
    pub fn prove(&self, config: Config) -> impl Future<Output = Result<Proven, ReloadError>> + Send + use<> {
        let (old, clock) = (Arc::clone(&self.config.borrow()), self.clock.clone());
        async move {
            if old.crm.has_same_login(&config.crm) {
                return Ok(Proven { config, login: None });
            }
            let numbers = Arc::new(rules::normaliser(&config)?);
            let crm = assembly::crm(&config, &numbers, None, clock)?;
            match crm.login().await {
                Ok(login) => Ok(Proven { config, login: Some((crm, login)) }),
                Err(error @ (CrmError::LoginRefused(_) | CrmError::Odd { .. })) => {
                    Err(ReloadError::Refused(error))
                }
                Err(error @ (CrmError::Away { .. } | CrmError::Wait(_))) => Err(ReloadError::Unproven(error)),
            }
        }
    }

    /// Says on the status page why a new config is not in force.
    pub fn reload_refused(&self, error: &ReloadError) {
        self.reload_refused.send_replace(Some(causes::in_one_line(error)));
    }

    /// Takes over what can be taken over while running; what needs a restart is named.
    pub fn reload(&self, proven: Proven) -> Vec<&'static str> {
        let Proven { config, login } = proven;
        let old = Arc::clone(&self.config.borrow());
        let restart = old.needs_restart(&config);
        // At another account this client cannot be anybody before the restart.
        if let Some((crm, login)) = login.filter(|_| old.crm.has_same_account(&config.crm)) {
            self.status.crm.take_login(&crm);
            for warning in &login.warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(user = %login.user.id, role = login.role, "the new log-in of the CRM is in force");
            self.crm_login.send_replace(CrmLogin::Proven { name: login.user.name, role: login.role });
        }
        self.reload_refused.send_replace(None);
        self.status.directory.rules_changed(assembly::house_rules(&config));
        self.config.send_replace(Arc::new(config));
        restart
    }

    /// Waits until a task ends that must not end.
    pub async fn failed(&self) {
        tokio::select! {
            () = self.entrances.stopping().cancelled_owned() => {}
            () = self.desk.stopping().cancelled_owned() => {}
            () = self.exits.stopping().cancelled_owned() => {}
        }
    }

    /// Stops: entrances first, exits last; what is in hand is finished.
    pub async fn stop(self) {
        tracing::info!("stopping: the PBX is no longer listened to");
        self.entrances.stop();
        self.entrances.ended().await;
        // The exits finish what is being sent while the desk still writes down how it ended.
        self.exits.stop();
        tracing::info!("stopping: requests in hand are finished");
        if tokio::time::timeout(LAST_REQUESTS, self.exits.ended()).await.is_err() {
            tracing::warn!("stopping: a request did not end in time; after the start it is looked for first");
        }
        self.desk.stop();
        self.desk.ended().await;
        self.journal.close().await;
        tracing::info!("stopped");
    }
}
