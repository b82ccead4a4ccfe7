//! The daemon as a process: `ringdesk run`, looked at from outside only.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::house::{becomes, within};
use crate::http;

/// The promise is 15 s; a machine that also builds gets a little more.
const READY: Duration = Duration::from_secs(20);

/// The promise for the stop.
const STOPPED: Duration = Duration::from_secs(15);

/// A running `ringdesk run`.
pub struct Daemon {
    child: Child,
    config: PathBuf,
    web: u16,
}

fn ringdesk() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdesk"));
    command.stdin(Stdio::null());
    command
}

impl Daemon {
    /// Starts it with the config and waits until it serves calls. `[web]` is added to the config here.
    pub async fn start(folder: &Path, config: &str) -> Self {
        let path = folder.join("ringdesk.toml");
        let path_of_log = folder.join("daemon.log");
        let text = || fs::read_to_string(&path_of_log).unwrap_or_default();
        // Between the look for a free port and its use another process may take it.
        for _ in 0..3 {
            let web = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            fs::write(&path, format!("{config}\n[web]\nlisten = \"127.0.0.1:{web}\"\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let log = File::options().create(true).append(true).open(&path_of_log).unwrap();
            // The kernel ends it with the thread that runs this test, also when that is killed.
            let child = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_ringdesk"), "run", "--config"])
                .arg(&path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut daemon = Self { child, config: path.clone(), web };
            let begun = async {
                loop {
                    if daemon.ready().await {
                        return true;
                    }
                    if let Some(status) = daemon.child.try_wait().unwrap() {
                        assert_eq!(status.code(), Some(69), "the daemon ended: {}", text());
                        return false;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            if within(READY, "the daemon is ready", begun).await {
                return daemon;
            }
        }
        panic!("no free port for the status page");
    }

    /// Whether `/readyz` says 200.
    pub async fn ready(&self) -> bool {
        http::get(self.web, "/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// `/status.json`.
    pub async fn status(&self) -> Value {
        let (status, body) = http::get(self.web, "/status.json").await.expect("the status page answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until no call is up or in wrap-up and no work is owed.
    pub async fn rests(&self) {
        becomes("the daemon has nothing left to do", async || {
            let status = self.status().await;
            let recordings = &status["recordings"];
            let busy = [
                &status["calls"]["up"],
                &status["calls"]["ended"],
                &status["crm"]["owed"],
                &recordings["waited_for"],
                &recordings["to_attach"],
            ];
            if busy.iter().all(|count| **count == 0) { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }

    /// What `ringdesk calls` lists.
    pub fn calls(&self) -> Vec<Value> {
        let output = ringdesk()
            .args(["calls", "--last", "1000", "--format", "json", "--config"])
            .arg(&self.config)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Any other command with this daemon's config: whether it went well, and what it said.
    pub fn says(&self, words: &[&str]) -> (bool, String) {
        let output = ringdesk().args(words).arg("--config").arg(&self.config).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        (output.status.success(), said.concat())
    }

    /// How the work for a call stands, as `ringdesk calls ID` tells it.
    pub fn work(&self, call: &str) -> Vec<String> {
        let output = ringdesk()
            .args(["calls", call, "--format", "json", "--config"])
            .arg(&self.config)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let story: Value = serde_json::from_slice(&output.stdout).unwrap();
        let work = story["work"].as_array().unwrap().iter();
        work.map(|work| work["how"].as_str().unwrap().to_owned()).collect()
    }

    /// The story of a call for people, to be shown when a test fails.
    pub fn story(&self, call: &str) -> String {
        let output = ringdesk().args(["calls", call, "--config"]).arg(&self.config).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// SIGTERM; it must end well.
    pub async fn stop(&mut self) {
        let status = self.end("TERM").await;
        assert_eq!(status.code(), Some(0), "SIGTERM ends the daemon well");
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.end("KILL").await;
    }

    async fn end(&mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(STOPPED, "the daemon stops", ended).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
