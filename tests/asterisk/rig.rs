//! The exchange: one Asterisk of `tests/rig`, its telephones and its callers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

/// How long one scenario may take. The longest takes 20 s.
const SCENARIO: Duration = Duration::from_secs(90);

/// A running Asterisk. Its guard ends it when this process ends, however it ends.
pub struct Rig {
    folder: PathBuf,
    ami_port: u16,
}

fn rig() -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/rig"));
    command.stdin(Stdio::null());
    command
}

/// Whether this version can be started; if not, what is missing and the way out.
pub fn has(version: &str) -> Result<(), String> {
    let sentence = |said: &str| format!("{}\nthe rig is made by: tests/rig/install.sh", said.trim());
    let output = rig().args(["has", version]).output().map_err(|error| sentence(&error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(sentence(&said)) }
}

impl Rig {
    /// Starts an Asterisk on free ports, its files in `folder`.
    pub fn start(folder: &Path, version: &str, options: &[&str]) -> Self {
        let output = rig()
            .arg("start")
            .arg(folder)
            .args(["--version", version, "--watch", &std::process::id().to_string()])
            .args(options)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "Asterisk {version} does not start: {said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let ami_port = text.lines().find_map(|line| line.strip_prefix("AMI_PORT=")).unwrap().parse().unwrap();
        Self { folder: folder.to_owned(), ami_port }
    }

    /// Where all its files lie: recordings in `spool/monitor`, messages in `spool/voicemail`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port of its manager interface.
    pub fn ami_port(&self) -> u16 {
        self.ami_port
    }

    /// Has a scenario of `rig list` played; returns at once.
    pub fn play(&self, scenario: &str, options: &[&str]) -> Play {
        let mut child = tokio::process::Command::from(rig())
            .arg("call")
            .arg(&self.folder)
            .arg(scenario)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let hand = child.stdin.take().unwrap();
        Play { scenario: scenario.to_owned(), child, lines, hand }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = rig().arg("stop").arg(&self.folder).output();
    }
}

/// A scenario that is being played.
pub struct Play {
    scenario: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    hand: ChildStdin,
}

impl Play {
    /// Waits for a step. It goes no further until [`Play::go_on`].
    pub async fn reaches(&mut self, step: &str) {
        let line = timeout(SCENARIO, self.lines.next_line()).await.expect("the next step comes in time");
        match line.unwrap() {
            Some(line) => {
                let said: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(said["step"], step, "{}", self.scenario);
            }
            None => panic!("before `{step}` ended {}", self.complaint().await),
        }
    }

    /// Lets the scenario go on.
    pub async fn go_on(&mut self) {
        self.hand.write_all(b"\n").await.unwrap();
    }

    /// Waits for the end; what the telephones know of each call.
    pub async fn truths(mut self) -> Vec<Truth> {
        let mut truths = Vec::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                truths.push(Truth(serde_json::from_str(&line).unwrap()));
            }
        };
        timeout(SCENARIO, reading).await.expect("a scenario ends");
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "{}", self.complaint().await);
        assert!(!truths.is_empty(), "{} told of no call", self.scenario);
        truths
    }

    async fn complaint(&mut self) -> String {
        let mut text = format!("{}: ", self.scenario);
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text).await;
        }
        text
    }
}

/// What the telephones of one call know.
#[derive(Clone, Debug)]
pub struct Truth(Value);

impl Truth {
    /// The Uniqueid of the caller's channel.
    pub fn uniqueid(&self) -> &str {
        self.0["uniqueid"].as_str().unwrap()
    }

    /// `answered`, `abandoned`, `unanswered`, ….
    pub fn outcome(&self) -> &str {
        self.0["outcome"].as_str().unwrap()
    }

    /// The extension that answered first.
    pub fn answered_by(&self) -> Option<&str> {
        self.0["answered_by"].as_str()
    }

    /// The extension that spoke with the caller last.
    pub fn last_agent(&self) -> Option<&str> {
        self.0["last_agent"].as_str().or(self.answered_by())
    }

    /// The caller's number as it may be known: `None` when it is withheld.
    pub fn number(&self) -> Option<&str> {
        self.0["number_e164"].as_str()
    }
}
