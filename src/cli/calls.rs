//! `ringdesk calls`

use std::fmt::Write as _;

use serde_json::json;

use super::{ConfigFile, Exit, Format, complain, print};
use crate::assembly;
use crate::call::CallId;
use crate::causes;
use crate::config::{Config, Environment, Secrets};
use crate::journal::{CallRow, Journal, JournalError, OwedRow, Story, WorkStanding};

/// Tell the latest calls, or the story of one: what happened and why
///
/// Without ID the latest calls, one a line. With ID the story of one call with the reason of each decision. Reads
/// the journal; the daemon may run meanwhile.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
    /// The call as in the log and in the ticket, such as main/1795292763.0
    #[arg(value_name = "ID")]
    pub id: Option<CallId>,
    /// How many calls are listed
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "id")]
    pub last: u32,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Tells the calls.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let config = match Config::load_with(&args.config.path, environment, Secrets::IfReadable) {
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
    match runtime.block_on(tell(args, &config)) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&causes::in_lines(&error));
            Exit::Io
        }
    }
}

async fn tell(args: &Args, config: &Config) -> Result<Exit, JournalError> {
    let journal = Journal::open_read_only(&assembly::journal_path(config)).await?;
    let Some(id) = &args.id else {
        let rows = journal.list(args.last).await?;
        return Ok(print(&match args.format {
            Format::Json => rows.iter().map(|row| format!("{}\n", row_json(row))).collect::<String>(),
            Format::Text if rows.is_empty() => "no call to a watched group yet\n".to_owned(),
            Format::Text => rows.iter().map(|row| format!("{}\n", row_line(row))).collect::<String>(),
        }));
    };
    let Some(story) = journal.story(id).await? else {
        complain(&format!(
            "the journal has no call {id}: `ringdesk calls` lists those it has; calls that reach no watched group are not kept"
        ));
        return Ok(Exit::Data);
    };
    Ok(print(&match args.format {
        Format::Json => format!("{}\n", story_json(&story)),
        Format::Text => story_text(&story),
    }))
}

fn row_line(row: &CallRow) -> String {
    let ticket = row.ticket.map(|ticket| format!("ticket {ticket}")).unwrap_or_default();
    let outcome = row.outcome.as_deref().unwrap_or(if row.open { "up" } else { "" });
    format!(
        "{}  {:<28} {:<16} {:<14} {:<10} {}",
        row.started.strftime("%Y-%m-%d %H:%M:%S"),
        row.call.to_string(),
        row.caller.as_deref().unwrap_or("withheld"),
        row.group.as_deref().unwrap_or(""),
        match &row.answered_by {
            Some(agent) if outcome == "answered" => format!("by {agent}"),
            _ => outcome.to_owned(),
        },
        ticket
    )
    .trim_end()
    .to_owned()
}

fn row_json(row: &CallRow) -> serde_json::Value {
    json!({
        "call": row.call, "started": row.started, "ended": row.ended, "open": row.open,
        "direction": row.direction, "group": row.group, "caller_e164": row.caller,
        "answered_by": row.answered_by, "outcome": row.outcome, "ticket": row.ticket,
    })
}

fn story_text(story: &Story) -> String {
    let row = &story.row;
    let mut text = format!("{}\n", row_line(row));
    for line in &story.lines {
        let _ = write!(text, "  {}  {}", line.at.strftime("%H:%M:%S%.3f"), line.what);
        if !line.why.is_empty() {
            let _ = write!(text, " — {}", line.why);
        }
        text.push('\n');
    }
    for work in &story.work {
        let _ = writeln!(text, "  {}  {}", work.key, work_text(work));
    }
    text
}

fn work_text(work: &OwedRow) -> String {
    let tries = match work.attempts {
        0 => String::new(),
        1 => " after 1 failed attempt".to_owned(),
        many => format!(" after {many} failed attempts"),
    };
    let last = work.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    match &work.standing {
        WorkStanding::Owed => format!("{} is owed{tries}{last}", work.task),
        WorkStanding::Done { note, .. } => format!("{} is done{tries}: {note}", work.task),
        WorkStanding::Refused { reason, .. } => format!("{} was refused{tries}: {reason}", work.task),
        WorkStanding::Withdrawn { reason, .. } => format!("{} was given up{tries}: {reason}", work.task),
    }
}

fn story_json(story: &Story) -> serde_json::Value {
    let lines: Vec<_> =
        story.lines.iter().map(|line| json!({"at": line.at, "what": line.what, "why": line.why})).collect();
    let work: Vec<_> = story
        .work
        .iter()
        .map(|work| {
            json!({"key": work.key, "task": work.task, "attempts": work.attempts, "due": work.due,
                   "last_error": work.last_error, "how": work_text(work)})
        })
        .collect();
    json!({"call": row_json(&story.row), "story": lines, "work": work})
}
