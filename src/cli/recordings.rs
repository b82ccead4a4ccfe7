//! `ringdesk recordings`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{ConfigFile, Exit, Format, complain, print};
use crate::archive::diary::RunLock;
use crate::archive::forget::forget;
use crate::archive::{DiaryFile, KeptFile, Settings};
use crate::call::{CallId, KeptRecording, RecordingAttachment, Task, Work};
use crate::clock::{self, Clock};
use crate::config::{Config, Environment, Secrets};
use crate::journal::{Journal, JournalError, KeptRow};
use crate::recording::Shelf;
use crate::{assembly, causes, kept, rules};

/// How long a run of the archive is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// List kept recordings, verify them, or forget those of a call everywhere
///
/// `list` and `verify` change nothing; the daemon may run meanwhile. `forget` deletes what was recorded of one call: here,
/// where the PBX put it if that was noted, on the archive's share, and from the ticket in Zendesk. It cannot be undone.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is to be done
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// The recordings that the journal knows, oldest first
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "text here would be shown as the command's own")]
        config: ConfigFile,
        /// How they are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Read all kept files and compare them with their hashes in the journal
    Verify {
        #[command(flatten)]
        #[expect(missing_docs, reason = "text here would be shown as the command's own")]
        config: ConfigFile,
    },
    /// Delete the recordings of one call, wherever they are
    Forget {
        /// The call as in the log and in the ticket, such as main/1795292763.0
        #[arg(value_name = "CALL")]
        call: CallId,
        #[command(flatten)]
        #[expect(missing_docs, reason = "text here would be shown as the command's own")]
        config: ConfigFile,
    },
}

/// Does it.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let (path, secrets) = match &args.action {
        Action::List { config, .. } | Action::Verify { config } => (&config.path, Secrets::IfReadable),
        Action::Forget { config, .. } => (&config.path, Secrets::Needed),
    };
    let config = match Config::load_with(path, environment, secrets) {
        Ok(config) => config,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Software;
        }
    };
    let rows = match runtime.block_on(kept_rows(&config)) {
        Ok(rows) => rows,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Io;
        }
    };
    let shelf = Shelf::new(assembly::recordings_path(&config));
    let exit = match &args.action {
        Action::List { format, .. } => list(&rows, &shelf, *format),
        Action::Verify { .. } => verify(&rows, &shelf, &config),
        Action::Forget { call, .. } => match rows.iter().find(|row| row.call == *call) {
            Some(row) if !row.closed => {
                complain(&format!(
                    "{call} is not over, or something of it is still owed (`ringdesk calls {call}`): try again later"
                ));
                Exit::Unavailable
            }
            Some(row) => runtime.block_on(forget_everywhere(row, &shelf, &config)),
            None => {
                complain(&format!(
                    "no recording of {call} is known: `ringdesk recordings list` has those that are"
                ));
                Exit::Data
            }
        },
    };
    // A share that hangs keeps a thread for ever; nobody waits for it.
    runtime.shutdown_background();
    exit
}

async fn kept_rows(config: &Config) -> Result<Vec<KeptRow>, JournalError> {
    let journal = Journal::open_read_only(&assembly::journal_path(config)).await?;
    let rows = journal.kept().await;
    journal.close().await;
    rows
}

fn list(rows: &[KeptRow], shelf: &Shelf, format: Format) -> Exit {
    let mut text = String::new();
    for row in rows {
        for file in &row.files {
            let here = shelf.path(&file.name).is_file();
            match format {
                Format::Json => {
                    let _ = writeln!(text, "{}", json_of(row, file, here));
                }
                Format::Text => {
                    let ticket = row.ticket.map(|ticket| format!(", ticket {ticket}")).unwrap_or_default();
                    let attached = if row.attached.is_some() { " (attached)" } else { "" };
                    let gone = if here { "" } else { ", not here any more" };
                    let _ = writeln!(
                        text,
                        "{}  {}  {}  {} kB, {} s{ticket}{attached}{gone}",
                        row.started.strftime("%Y-%m-%d %H:%M:%S"),
                        row.call,
                        file.name,
                        file.bytes.div_ceil(1_000),
                        file.seconds.map_or_else(|| "?".to_owned(), |seconds| seconds.to_string()),
                    );
                }
            }
        }
    }
    if text.is_empty() && format == Format::Text {
        text.push_str("no recording is kept yet\n");
    }
    print(&text)
}

fn json_of(row: &KeptRow, file: &KeptRecording, here: bool) -> Value {
    json!({
        "call": row.call, "started": row.started, "group": row.group, "ticket": row.ticket,
        "attached": row.attached.is_some(), "file": file.name, "bytes": file.bytes, "seconds": file.seconds,
        "sha256": file.sha256, "here": here,
    })
}

fn verify(rows: &[KeptRow], shelf: &Shelf, config: &Config) -> Exit {
    let keep = SignedDuration::from_hours(24 * i64::from(config.recording.keep_days));
    let (mut right, mut aged, mut wrong) = (0, 0, 0);
    let forgotten = shelf.forgotten();
    for row in rows {
        for file in &row.files {
            let problem = match shelf.look(&file.name) {
                Ok(Some((bytes, sum))) if (bytes, &sum) == (file.bytes, &file.sha256) => {
                    right += 1;
                    continue;
                }
                Ok(Some(_)) => "it is not what was recorded".to_owned(),
                Ok(None) if forgotten.contains(&file.sha256) => {
                    aged += 1;
                    continue;
                }
                Ok(None) if Clock::system().now().duration_since(row.started) > keep => {
                    aged += 1;
                    continue;
                }
                Ok(None) => "it is not here".to_owned(),
                Err(error) => format!("it cannot be read: {error}"),
            };
            wrong += 1;
            complain(&format!("{} {}: {problem}", row.call, file.name));
        }
    }
    print(&format!(
        "{right} files are as they were recorded, {aged} forgotten or deleted in time, {wrong} wrong or missing\n"
    ));
    if wrong == 0 { Exit::Done } else { Exit::Data }
}

/// What became of one place.
struct Told {
    failed: bool,
}

impl Told {
    fn done(&self, text: &str) {
        print(&format!("{text}\n"));
    }

    fn failed(&mut self, text: &str) {
        self.failed = true;
        complain(text);
    }
}

async fn forget_everywhere(row: &KeptRow, shelf: &Shelf, config: &Config) -> Exit {
    let mut told = Told { failed: false };
    forget_attachment(row, config, &mut told).await;
    // Held to the end: a run in between would copy what is still here.
    let mut no_run = None;
    if let Some(settings) = assembly::archive(config) {
        match lock(&settings).await {
            Ok(Some(lock)) => {
                no_run = Some(lock);
                forget_copies(row, shelf, &settings, &mut told).await;
            }
            Ok(None) => told.failed("the share: a run is under way (`ringdesk archive status`)"),
            Err(error) => told.failed(&format!("the share: the archive's own notes cannot be used: {error}")),
        }
    }
    // Last: the share's copies are found by the time of the file here.
    for file in &row.files {
        if let Some(source) = &file.source {
            match std::fs::remove_file(source) {
                Ok(()) => told.done("the PBX's file is deleted"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => told.failed(&format!("the PBX's file cannot be deleted: {error}")),
            }
        }
        if told.failed {
            continue;
        }
        if let Err(error) = shelf.note_forgotten(&file.sha256) {
            told.failed(&format!("it cannot be noted that the file is forgotten: {error}"));
            continue;
        }
        match shelf.remove(&file.name) {
            Ok(true) => told.done(&format!("{} is deleted here", file.name)),
            Ok(false) => told.done(&format!("{} was not here any more", file.name)),
            Err(error) => told.failed(&format!("{} cannot be deleted: {error}", file.name)),
        }
    }
    drop(no_run);
    if told.failed {
        complain("not everything is forgotten: the file here is kept until all else is; say it again later");
        return Exit::Unavailable;
    }
    Exit::Done
}

/// Waits a while for a run that is under way.
async fn lock(settings: &Settings) -> std::io::Result<Option<RunLock>> {
    let file = DiaryFile::new(settings.diary.clone());
    let begun = clock::instant();
    loop {
        let lock = file.lock()?;
        if lock.is_some() || begun.elapsed() > PATIENCE {
            return Ok(lock);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn forget_attachment(row: &KeptRow, config: &Config, told: &mut Told) {
    let (Some(ticket), Some(seq)) = (row.ticket, row.attached) else { return };
    let numbers = match rules::normaliser(config) {
        Ok(numbers) => Arc::new(numbers),
        Err(error) => return told.failed(&causes::in_lines(&error)),
    };
    let crm = match assembly::crm(config, &numbers, None, Clock::system()) {
        Ok(crm) => crm,
        Err(error) => return told.failed(&causes::in_lines(&error)),
    };
    let attachment = RecordingAttachment {
        ticket,
        files: row.files.clone(),
        name: String::new(),
        comment: String::new(),
        public: false,
    };
    let work = Work { call: row.call.clone(), seq, task: Task::AttachRecording(Box::new(attachment)) };
    match crm.redact(ticket, &work).await {
        Ok(0) => told.done(&format!("ticket {ticket} has no file of it any more")),
        Ok(count) => told.done(&format!("{count} file(s) are taken out of ticket {ticket}")),
        Err(error) => told.failed(&causes::in_lines(&error)),
    }
}

async fn forget_copies(row: &KeptRow, shelf: &Shelf, settings: &Settings, told: &mut Told) {
    let mut share = match settings.place.connect().await {
        Ok(share) => share,
        Err(error) => return told.failed(&causes::in_lines(&error)),
    };
    let mut deleted = 0;
    for file in &row.files {
        for recorded_at in times(row, file, shelf) {
            let copy = KeptFile {
                path: shelf.path(&file.name),
                name: file.name.clone(),
                bytes: file.bytes,
                sha256: kept::sum(&file.sha256),
                recorded_at,
            };
            match forget(share.as_mut(), &settings.rules, &copy).await {
                Ok(count) => deleted += count,
                Err(error) => return told.failed(&causes::in_lines(&error)),
            }
        }
    }
    told.done(&format!("{deleted} file(s) are deleted from {}", settings.place));
}

/// When it may have been recorded, which tells the folder of the copy: the file knows, else the day of the call
/// and the next.
fn times(row: &KeptRow, file: &KeptRecording, shelf: &Shelf) -> Vec<Timestamp> {
    let of_file = shelf.path(&file.name).metadata().and_then(|about| about.modified());
    match of_file.ok().and_then(|time| Timestamp::try_from(time).ok()) {
        Some(time) => vec![time],
        None => vec![row.started, row.started + SignedDuration::from_hours(24)],
    }
}
