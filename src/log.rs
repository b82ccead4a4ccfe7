//! The log: where its lines go, in which form, and how much of them.
//!
//! Lines go to standard error or to the journal of systemd, which keeps their fields
//! (`RINGDESK_CALL_ID=…`; sd_journal_print(3), systemd.journal-fields(7)). The level can be changed
//! while the daemon runs. Libraries are held at warnings whatever our own level is: at debug some of
//! them print requests with their headers.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{Environment, Log, LogFormat};

/// The variable that overrules the level of the config, in the syntax of tracing's `EnvFilter`.
const VARIABLE: &str = "RINGDESK_LOG";

/// The running log.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    overruled: bool,
}

impl LogHandle {
    /// Changes the level. `RINGDESK_LOG` goes on overruling it, when it is set.
    pub fn set_level(&self, level: Level) {
        if !self.overruled {
            // It fails only when the log itself is gone, and then there is nobody to tell.
            let _ = self.filter.reload(filter_of(level));
        }
    }
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RINGDESK_LOG` is no filter.
    #[error(
        "environment variable {VARIABLE}: `{value}` is no filter: write a level or a list such as \"info,ringdesk::pbx=debug\""
    )]
    Filter {
        /// What it is.
        value: String,
        /// What the parser says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// `format = "journald"`, and nobody is there.
    #[error("cannot reach the journal of systemd: write format = \"text\" in [log]")]
    Journald(#[source] io::Error),
    /// There is a log already.
    #[error("a log is running already")]
    Twice,
}

/// Starts the log of this process.
///
/// # Errors
/// See [`LogError`].
pub fn start(log: &Log, environment: &Environment) -> Result<LogHandle, LogError> {
    let form = form(log.format, environment.get("JOURNAL_STREAM"), stderr_identity());
    let colours = io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let (subscriber, handle) = build(log.level, form, colours, io::stderr, environment)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(handle)
}

/// What the lines look like in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    /// The journal must be there.
    Journald,
    /// The journal was found; should it not answer, text will do.
    JournaldOrText,
}

fn build<W>(
    level: Level,
    form: Form,
    colours: bool,
    writer: W,
    environment: &Environment,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let over = environment.get(VARIABLE).map(str::to_owned);
    let filter = match &over {
        None => filter_of(level),
        Some(value) => EnvFilter::builder()
            .parse(value)
            .map_err(|source| LogError::Filter { value: value.clone(), source })?,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let lines = lines(form, colours, writer)?;
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    Ok((subscriber, LogHandle { filter: handle, overruled: over.is_some() }))
}

/// Our own lines from `level` on, warnings of everybody else.
fn filter_of(level: Level) -> EnvFilter {
    EnvFilter::new(format!("{},ringdesk={level}", level.min(Level::WARN)))
}

fn lines<S, W>(form: Form, colours: bool, writer: W) -> Result<Box<dyn Layer<S> + Send + Sync>, LogError>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let text = |writer| tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(writer).boxed();
    let journald =
        || tracing_journald::layer().map(|layer| layer.with_field_prefix(Some("RINGDESK".to_owned())));
    Ok(match form {
        Form::Text => text(writer),
        Form::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
        Form::Journald => journald().map_err(LogError::Journald)?.boxed(),
        Form::JournaldOrText => journald().map(Layer::boxed).unwrap_or_else(|_| text(writer)),
    })
}

/// systemd sets `JOURNAL_STREAM` to device and inode of the standard error that it made. They must be
/// compared, because children inherit the variable and may have another standard error
/// (systemd.exec(5)).
fn form(wanted: LogFormat, journal_stream: Option<&str>, stderr: Option<(u64, u64)>) -> Form {
    match wanted {
        LogFormat::Text => Form::Text,
        LogFormat::Json => Form::Json,
        LogFormat::Journald => Form::Journald,
        LogFormat::Auto => {
            let stream = journal_stream.and_then(|text| {
                let (device, inode) = text.split_once(':')?;
                Some((device.parse().ok()?, inode.parse().ok()?))
            });
            if stream.is_some() && stream == stderr { Form::JournaldOrText } else { Form::Text }
        }
    }
}

fn stderr_identity() -> Option<(u64, u64)> {
    let found = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(
        level: Level,
        form: Form,
        variables: &[(&str, &str)],
        story: impl FnOnce(&LogHandle),
    ) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let environment = variables.iter().copied().collect();
        let (subscriber, handle) = build(level, form, false, move || writer.clone(), &environment).unwrap();
        tracing::subscriber::with_default(subscriber, || story(&handle));
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    fn speak(_: &LogHandle) {
        tracing::debug!("one");
        tracing::info!(call.id = "main/1.0", "two");
        tracing::info!(target: "sqlx::query", "three");
        tracing::warn!(target: "sqlx::query", "four");
    }

    #[test]
    fn libraries_are_held_at_warnings() {
        let words = |text: &str| {
            ["one", "two", "three", "four"]
                .into_iter()
                .filter(|word| text.contains(*word))
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&written(Level::INFO, Form::Text, &[], speak)), ["two", "four"]);
        assert_eq!(words(&written(Level::TRACE, Form::Text, &[], speak)), ["one", "two", "four"]);
        assert_eq!(words(&written(Level::ERROR, Form::Text, &[], speak)), Vec::<&str>::new());
        let over = [("RINGDESK_LOG", "sqlx=info")];
        assert_eq!(words(&written(Level::TRACE, Form::Text, &over, speak)), ["three", "four"]);
    }

    #[test]
    fn the_level_changes_while_it_runs_unless_the_variable_holds_it() {
        let story = |handle: &LogHandle| {
            tracing::debug!("before");
            handle.set_level(Level::DEBUG);
            tracing::debug!("after");
        };
        let text = written(Level::INFO, Form::Text, &[], story);
        assert!(!text.contains("before") && text.contains("after"), "{text}");
        let text = written(Level::INFO, Form::Text, &[("RINGDESK_LOG", "info")], story);
        assert_eq!(text, "");
    }

    #[test]
    fn json_lines_have_their_fields() {
        let text = written(Level::INFO, Form::Json, &[], |_| tracing::info!(call.id = "main/1.0", "rang"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["call.id"], &line["message"]), (&"main/1.0".into(), &"rang".into()));
    }

    #[test]
    fn the_journal_is_used_when_it_is_really_our_standard_error() {
        let ours = Some((8, 4711));
        let table = [
            (LogFormat::Auto, Some("8:4711"), Form::JournaldOrText),
            (LogFormat::Auto, Some("8:4712"), Form::Text),
            (LogFormat::Auto, Some("x"), Form::Text),
            (LogFormat::Auto, None, Form::Text),
            (LogFormat::Text, Some("8:4711"), Form::Text),
            (LogFormat::Json, Some("8:4711"), Form::Json),
            (LogFormat::Journald, None, Form::Journald),
        ];
        for (wanted, stream, expected) in table {
            assert_eq!(form(wanted, stream, ours), expected, "{wanted:?} {stream:?}");
        }
        assert_eq!(form(LogFormat::Auto, None, None), Form::Text);
        assert!(stderr_identity().is_some());
    }

    #[test]
    fn a_wrong_filter_is_told() {
        let environment = [(VARIABLE, "ringdesk=loud")].into_iter().collect();
        let error =
            build(Level::INFO, Form::Text, false, io::stderr, &environment).err().unwrap().to_string();
        assert!(error.contains("RINGDESK_LOG") && error.contains("ringdesk=loud"), "{error}");
    }
}
