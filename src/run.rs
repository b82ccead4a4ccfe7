//! The daemon: its parts put together, started, reloaded and stopped in order.
//!
//! Start: lock and journal first, so that a second daemon never logs in to the PBX; then the exits,
//! the desk and, last, the entrances. Stop: entrances, desk, exits. Nothing is decided here.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::assembly;
use crate::call::{CallId, RecordingOrder, Rules, SourceName, Task, Work};
use crate::causes;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Mode, Source};
use crate::crm::{Crm, CrmError, LineError, Login};
use crate::delivery::{Attempt, Delivered, DeliveryError};
use crate::desk::{Desk, DeskState, Recovery, TellPbx};
use crate::directory::Directory;
use crate::dispatch::{Dispatch, Load, Order, Orders, Owed};
use crate::journal::{AfterCommit, Journal, JournalError};
use crate::lifecycle::Lifecycle;
use crate::observe;
use crate::pbx;
use crate::pbx::ami::counters::Counters;
use crate::pbx::ami::driver::{Driver, LinkState};
use crate::pbx::ami::translate::Translate;
use crate::phonebook::{Normaliser, PhoneBook, RulesError, StoreError};
use crate::rules;
use crate::status::{CrmLogin, PbxView, Status};
use crate::web;

/// What may wait between the sources and the desk: the sources stop translating then, not reading.
const INPUTS: usize = 64;

/// What may wait between the dispatcher and the desk.
const OUTCOMES: usize = 64;

/// Recordings that are fetched or uploaded at once. None is urgent, and each may be large.
const RECORDINGS_IN_FLIGHT: usize = 2;

/// How long the exits may go on with what is in hand when the daemon stops. With the rest below 15 s.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// How long work waits after the start for agents and groups to be matched: what an earlier life owes
/// would go out without them. A CRM that does not tell them in this time gets its tickets all the same.
const FIRST_MATCH: Duration = Duration::from_secs(10);

/// How often the log-in of the CRM is tried while it does not answer.
const LOGIN_EVERY: Duration = Duration::from_secs(15);

/// How often old calls are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

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
        let voice_known = voice_fact(&config, &journal, &clock).await;
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
        let first_rules = Arc::new(rules::rules(&config, &numbers, Some(&directory.house())));
        let (rules_tx, rules_rx) = watch::channel(first_rules);
        let (orders_tx, orders_rx, recording_orders) = Orders::new();
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
        let max_in_flight = assembly::max_in_flight(&config);
        let dispatch = Dispatch::new(deliver, clock.clone(), max_in_flight);
        exits.spawn(dispatch.run(orders_rx, outcomes_tx.clone(), load_tx, exits.clone(), exits.stopping()));
        let (recordings_tx, recordings_rx) = watch::channel(Load::default());
        let deliver = recording_deliverer(crm.clone(), directory.clone(), observing);
        let dispatch = Dispatch::new(deliver, clock.clone(), RECORDINGS_IN_FLIGHT);
        let (lifecycle, stopping) = (exits.clone(), exits.stopping());
        exits.spawn(dispatch.run(recording_orders, outcomes_tx, recordings_tx, lifecycle, stopping));
        exits.spawn(phonebook.clone().run(exits.stopping()));
        exits.spawn(directory.clone().run(exits.stopping()));
        exits.spawn(log_in(crm.clone(), crm_login_tx.clone(), exits.stopping()));
        exits.spawn(remember_voice(
            config.clone(),
            crm.clone(),
            journal.clone(),
            clock.clone(),
            voice_known,
            exits.stopping(),
        ));
        exits.spawn(tend(journal.clone(), exits.stopping()));
        exits.spawn(prune(journal.clone(), config.journal.keep, clock.clone(), exits.stopping()));

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
            if config.groups.iter().any(|group| group.record) {
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
            let archive = Archive::new(settings, assembly::kept_recordings(&config), clock.clone());
            let state = archive.state();
            exits.spawn(archive.run(exits.stopping()));
            state
        });

        let (config_tx, config_rx) = watch::channel(Arc::new(config.clone()));
        exits.spawn(keep_rules(
            config_rx.clone(),
            Arc::clone(&numbers),
            directory.clone(),
            rules_tx,
            exits.stopping(),
        ));
        let (refused_tx, refused_rx) = watch::channel(None);
        let status = Status {
            config: config_rx,
            reload_refused: refused_rx,
            pbx,
            desk: desk_state_rx,
            load: load_rx,
            recordings: recordings_rx,
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
            let crm = assembly::crm(&config, None, clock)?;
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

type Delivery = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

fn deliverer(crm: Crm, directory: Directory, observing: bool) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    let latest = tokio::time::Instant::now() + FIRST_MATCH;
    move |work, attempt| {
        let (crm, directory) = (crm.clone(), directory.clone());
        Box::pin(async move {
            if observing {
                return Ok(observe::pretend(&work));
            }
            let _ = tokio::time::timeout_at(latest, directory.first_read()).await;
            crm.deliver(&work, attempt, &directory).await
        })
    }
}

fn recording_deliverer(
    crm: Crm,
    directory: Directory,
    observing: bool,
) -> impl Fn(Arc<Work>, Attempt) -> Delivery {
    move |work, attempt| {
        let (crm, directory) = (crm.clone(), directory.clone());
        Box::pin(async move {
            match &work.task {
                _ if observing => Ok(observe::pretend(&work)),
                Task::KeepRecording(_) => {
                    Err(DeliveryError::Refused { reason: "recordings are not kept yet".to_owned() })
                }
                _ => crm.deliver(&work, attempt, &directory).await,
            }
        })
    }
}

async fn voice_fact(config: &Config, journal: &Journal, clock: &Clock) -> Option<bool> {
    match journal.recall(&assembly::pops_key(config)).await {
        // That it works is asked again after each start; that it does not, only once a day, because
        // a plan can be changed.
        Ok(Some(day)) => (day == today(clock)).then_some(false),
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(error = causes::in_one_line(&error), "a fact cannot be read from the journal");
            None
        }
    }
}

fn today(clock: &Clock) -> String {
    clock.now().strftime("%Y-%m-%d").to_string()
}

async fn remember_voice(
    config: Config,
    crm: Crm,
    journal: Journal,
    clock: Clock,
    mut known: Option<bool>,
    stop: CancellationToken,
) {
    let key = assembly::pops_key(&config);
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = stop.cancelled() => return,
        }
        let found = crm.screen_pops();
        if found == Some(false) && known != found {
            known = found;
            if let Err(error) = journal.remember(&key, &today(&clock)).await {
                tracing::warn!(
                    error = causes::in_one_line(&error),
                    "it cannot be kept that the account has no screen pops"
                );
            }
        }
    }
}

async fn log_in(crm: Crm, state: watch::Sender<CrmLogin>, stop: CancellationToken) {
    loop {
        let wait = match crm.login().await {
            Ok(login) => {
                for warning in &login.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(user = %login.user.id, role = login.role, "logged in to the CRM");
                state.send_replace(CrmLogin::Proven { name: login.user.name, role: login.role });
                break;
            }
            Err(error) => {
                let reason = causes::in_one_line(&error);
                let failed = CrmLogin::Failed { reason: reason.clone() };
                if *state.borrow() != failed {
                    tracing::error!(
                        "the CRM cannot be used: {reason}; it is tried again, and what is owed is kept"
                    );
                    state.send_replace(failed);
                }
                match error {
                    CrmError::Wait(wait) => wait.max(Duration::from_secs(1)),
                    CrmError::LoginRefused(_) => LOGIN_EVERY * 4,
                    _ => LOGIN_EVERY,
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
    stop.cancelled().await;
}

async fn keep_rules(
    mut config: watch::Receiver<Arc<Config>>,
    numbers: Arc<Normaliser>,
    directory: Directory,
    rules: watch::Sender<Arc<Rules>>,
    stop: CancellationToken,
) {
    let mut house = directory.watch();
    loop {
        tokio::select! {
            changed = config.changed() => if changed.is_err() { pending().await },
            changed = house.changed() => if changed.is_err() { pending().await },
            () = stop.cancelled() => return,
        }
        let (config, house) =
            (Arc::clone(&config.borrow_and_update()), Arc::clone(&house.borrow_and_update()));
        rules.send_replace(Arc::new(rules::rules(&config, &numbers, Some(&house))));
    }
}

async fn tend(journal: Journal, stop: CancellationToken) {
    journal.tend(stop).await;
}

async fn prune(journal: Journal, keep: Duration, clock: Clock, stop: CancellationToken) {
    loop {
        let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
        if let Ok(oldest) = clock.now().checked_sub(keep) {
            match journal.prune(oldest).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "old calls were deleted from the journal"),
                Err(error) => {
                    tracing::warn!(error = causes::in_one_line(&error), "old calls cannot be deleted")
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PRUNE_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The ways to the PBXs, by the names of their sources.
struct PbxOrders(BTreeMap<SourceName, pbx::Orders>);

impl TellPbx for PbxOrders {
    fn tell(&self, call: &CallId, order: RecordingOrder) -> Result<(), String> {
        let orders = self.0.get(call.source()).ok_or("this source does not record")?;
        orders.give(pbx::Order { call: call.clone(), order }).map_err(|error| error.to_string())
    }
}
