//! `ringdesk replay`

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{ConfigFile, Exit, Format, complain, print};
use crate::causes;
use crate::config::{Config, Environment, Secrets};
use crate::replay::{Replay, Replayed, replay};

/// Show the calls of recorded PBX connections and what would be done
///
/// Reads the bytes of AMI connections as if the PBX sent them now, and tells every call: who called, who
/// answered, what the daemon would do. No network is used and nothing is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "text here would hide the command's own")]
    pub config: ConfigFile,
    /// "json" writes one object a line for each call, in the order of their start
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// What a PBX sent; several files are connections one after the other to the same PBX
    #[arg(value_name = "CAPTURE", required = true)]
    pub captures: Vec<PathBuf>,
}

/// Replays.
pub fn execute(args: &Args, environment: &Environment) -> Exit {
    let config = match Config::load_with(&args.config.path, environment, Secrets::IfReadable) {
        Ok(config) => config,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    let mut connections = Vec::new();
    for path in &args.captures {
        match std::fs::read(path) {
            Ok(bytes) => connections.push(bytes),
            Err(error) => {
                complain(&format!("{} cannot be read: {error}", path.display()));
                return Exit::NoInput;
            }
        }
    }
    let replay = match replay(&config, &connections) {
        Ok(replay) => replay,
        Err(error) => {
            complain(&causes::in_lines(&error));
            return Exit::Config;
        }
    };
    if replay.too_long > 0 {
        complain(&format!("{} lines or messages are left out: they are too long", replay.too_long));
    }
    let text = match args.format {
        Format::Json => json(&replay),
        Format::Text => text(&replay),
    };
    let printed = print(&text);
    if replay.messages == 0 && printed == Exit::Done {
        complain("no AMI event in it: is it what an Asterisk sent on its manager port?");
        return Exit::Data;
    }
    printed
}

fn json(replay: &Replay) -> String {
    replay.calls.iter().fold(String::new(), |mut text, call| {
        let line = serde_json::to_string(call).expect("a replayed call has only text keys");
        let _ = writeln!(text, "{line}");
        text
    })
}

fn text(replay: &Replay) -> String {
    let mut text = String::new();
    for call in &replay.calls {
        let _ = writeln!(text, "{}", line(call));
        if !call.effects.is_empty() {
            let _ = writeln!(text, "    would: {}", call.effects.join(", "));
        }
    }
    let watched = replay.calls.iter().filter(|call| call.summary.watched).count();
    let _ = writeln!(
        text,
        "{} calls, {watched} of them watched; {} events, {} broken lines",
        replay.calls.len(),
        replay.messages,
        replay.broken_lines
    );
    text
}

fn line(call: &Replayed) -> String {
    let summary = &call.summary;
    let caller = match (&summary.caller_e164, summary.caller_withheld) {
        (Some(number), _) => number.as_str(),
        (None, true) => "withheld",
        (None, false) => summary.caller.as_str(),
    };
    let group = summary.group.as_deref().unwrap_or("no group");
    let answered = match (&summary.answered_by, &summary.last_agent) {
        (Some(first), Some(last)) if first != last => format!("answered by {first}, then {last}"),
        (Some(first), _) => format!("answered by {first}"),
        (None, _) => match summary.outcome {
            Some(outcome) => serde_json::to_value(outcome)
                .ok()
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default(),
            None => "still up".to_owned(),
        },
    };
    format!("{}  {caller} to {} ({group}): {answered}", summary.pbx_call_id, summary.dialled)
}
