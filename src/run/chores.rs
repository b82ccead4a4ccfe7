//! What runs beside the calls: the log-in, the rules of the moment, what is remembered and what is forgotten.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::assembly;
use crate::call::Rules;
use crate::causes;
use crate::clock::Clock;
use crate::config::{Config, Recording};
use crate::crm::{Crm, CrmError};
use crate::directory::Directory;
use crate::fields;
use crate::journal::Journal;
use crate::phonebook::Normaliser;
use crate::recording::{Room, Shelf, tidy};
use crate::rules;
use crate::status::CrmLogin;

/// How often the log-in of the CRM is tried while it does not answer.
const LOGIN_EVERY: Duration = Duration::from_secs(15);

/// How long after a failure the fields are asked for again; nothing waits for the answer.
const FIELDS_AGAIN: Duration = Duration::from_secs(5 * 60);

/// How often recordings are looked for that need not be kept any longer.
const TIDY_EVERY: Duration = Duration::from_secs(15 * 60);

/// How often old calls are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

pub(super) async fn voice_fact(config: &Config, journal: &Journal, clock: &Clock) -> Option<bool> {
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

pub(super) async fn remember_voice(
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

pub(super) async fn log_in(crm: Crm, state: watch::Sender<CrmLogin>, stop: CancellationToken) {
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

pub(super) async fn keep_rules(
    mut config: watch::Receiver<Arc<Config>>,
    numbers: Arc<Normaliser>,
    directory: Directory,
    mut room: watch::Receiver<Room>,
    rules: watch::Sender<Arc<Rules>>,
    stop: CancellationToken,
) {
    let mut house = directory.watch();
    let (mut looked_at, mut enough) = (true, true);
    loop {
        tokio::select! {
            changed = config.changed() => if changed.is_err() { pending().await },
            changed = house.changed() => if changed.is_err() { pending().await },
            // Nobody looks at the disks where nothing is recorded.
            changed = room.changed(), if looked_at => {
                looked_at = changed.is_ok();
                // How much is free changes all the time.
                if room.borrow_and_update().enough == enough {
                    continue;
                }
            }
            () = stop.cancelled() => return,
        }
        let (config, house) =
            (Arc::clone(&config.borrow_and_update()), Arc::clone(&house.borrow_and_update()));
        enough = room.borrow_and_update().enough;
        rules.send_replace(Arc::new(rules::rules(&config, &numbers, Some(&house), enough)));
    }
}

pub(super) async fn tend(journal: Journal, stop: CancellationToken) {
    journal.tend(stop).await;
}

pub(super) async fn prune(journal: Journal, keep: Duration, clock: Clock, stop: CancellationToken) {
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

/// Deletes recordings that are too old, and the PBX's copies of what is kept.
pub(super) async fn tidy(
    rules: Recording,
    shelf: Shelf,
    journal: Journal,
    clock: Clock,
    stop: CancellationToken,
) {
    let keep = Duration::from_secs(u64::from(rules.keep_days) * 24 * 3600);
    loop {
        let (now, shelf) = (clock.now().into(), shelf.clone());
        match journal.kept().await {
            Ok(rows) => {
                let tidied = tokio::task::spawn_blocking(move || {
                    let open = rows.iter().filter(|row| !row.closed).flat_map(|row| &row.files);
                    let needed = open.map(|file| file.name.clone()).collect();
                    let closed = rows.iter().filter(|row| row.closed).flat_map(|row| &row.files);
                    if rules.delete_source {
                        tidy::sources(&shelf, closed);
                    }
                    tidy::old_files(&shelf, keep, &needed, now)
                });
                if let Err(error) = tidied.await.map_err(std::io::Error::other).and_then(|tidied| tidied) {
                    tracing::warn!(%error, "old recordings cannot be looked for");
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = causes::in_one_line(&error),
                    "what is recorded cannot be read from the journal"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TIDY_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Says which `[[field]]` cannot be written, at the start and after each reload. A wrong one stops nothing.
pub(super) async fn check_fields(
    mut config: watch::Receiver<Arc<Config>>,
    crm: Crm,
    mut login: watch::Receiver<CrmLogin>,
    stop: CancellationToken,
) {
    let check = async {
        // Before it, each request would be refused.
        if login.wait_for(|login| matches!(login, CrmLogin::Proven { .. })).await.is_err() {
            pending::<()>().await;
        }
        loop {
            let now = Arc::clone(&config.borrow_and_update());
            loop {
                match fields::check(&now, &crm).await {
                    Ok(findings) => {
                        for finding in findings {
                            tracing::warn!("a field cannot be written: {finding}");
                        }
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(error = causes::in_one_line(&error), "the fields cannot be checked");
                        tokio::time::sleep(FIELDS_AGAIN).await;
                    }
                }
            }
            if config.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = check => {}
        () = stop.cancelled() => {}
    }
}
