//! The program as its admin meets it: signals, a second daemon, wrong secrets, a full disk.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ringdesk::sandbox::{Options, Seed, SeedClient};
use serde_json::Value;

use crate::house::*;

const QUEUE: &str = "ast22/a-queue-caller-hangs-up";
const SHORT: Duration = Duration::from_millis(200);

/// `ringdesk run` with the house's config, its log in a file.
struct Program {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
    name: String,
}

impl Program {
    fn start(house: &House, name: &str, change: impl Fn(String) -> String) -> Self {
        let port = free_port();
        let text = change(house.config_text()).replace("127.0.0.1:0\"", &format!("127.0.0.1:{port}\""));
        let file = house.folder.path().join(format!("{name}.toml"));
        write_private(&file, &text);
        let log = house.folder.path().join(format!("{name}.log"));
        let out = std::fs::File::create(&log).unwrap();
        // A write beyond a limit of the process shall fail, as on a full disk, and not kill it.
        let child = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_ringdesk"),
                "run",
                "--config",
            ])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, port, log, name: name.to_owned() }
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn serves(&mut self) {
        let begun = Instant::now();
        while self.get("/readyz").await.is_none_or(|(status, _)| status != 200) {
            assert!(begun.elapsed() < Duration::from_secs(15), "{} is not ready:\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    async fn says(&self, what: &str) {
        until(&format!("{what} in the log of {}", self.name), || self.log().contains(what)).await;
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    async fn ends(&mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "{} does not end:\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No secret, no caller's number and no panic may be in the output.
    fn is_discreet(&self) {
        let log = self.log();
        for word in ["open sesame", "sandbox-secret", "23125111", "panicked", "Bearer"] {
            assert!(!log.contains(word), "{word} in:\n{log}");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn write_private(file: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn as_it_is(text: String) -> String {
    text
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_hand_and_the_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new().await;
    let mut program = Program::start(&house, "first", as_it_is);
    program.serves().await;
    house.sandbox.set_fault("slow_answer", "2s").unwrap();
    house.board.play(&Tape::of(QUEUE, SHORT).0.cut_behind(&["Event: BridgeEnter", "NumChannels: 2"]).0).await;
    until("the request", || !house.tickets().is_empty()).await;
    program.signal("TERM");
    let status = program.ends(Duration::from_secs(15)).await;
    assert_eq!(status.code(), Some(0), "{}", program.log());
    program.is_discreet();
    for entry in std::fs::read_dir(house.folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().contains(".db") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
    }
    // What was in hand is known: the next daemon asks for nothing.
    house.sandbox.set_fault("slow_answer", "off").unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(["calls", "--format", "json", "--config"])
        .arg(house.folder.path().join("first.toml"))
        .output()
        .unwrap();
    let row: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(row["ticket"], house.tickets()[0].id, "{row}");
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_never_logs_in() {
    let house = House::new().await;
    let mut first = Program::start(&house, "first", as_it_is);
    first.serves().await;
    let logins = house.board.logins();
    let mut second = Program::start(&house, "second", as_it_is);
    let status = second.ends(Duration::from_secs(8)).await;
    assert!(!status.success());
    assert!(second.log().contains("journal.db"), "{}", second.log());
    assert_eq!(house.board.logins(), logins);
    assert_eq!(first.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn sighup_takes_the_new_config_and_refuses_a_wrong_one() {
    let house = House::new().await;
    let without_support =
        |text: String| text.replace("[[group]]\nqueue = \"support\"\nwrap_up = \"1s\"\n", "");
    let mut program = Program::start(&house, "first", without_support);
    program.serves().await;
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;

    let file = house.folder.path().join("first.toml");
    let port = program.port;
    let text = house.config_text().replace("127.0.0.1:0\"", &format!("127.0.0.1:{port}\""));
    std::fs::write(&file, text.replace("wrap_up = \"1s\"", "wrap_up = \"soon\"")).unwrap();
    program.signal("HUP");
    program.says("the old one stays in force").await;
    assert!(program.log().contains("first.toml:") && program.log().contains("soon"), "{}", program.log());

    std::fs::write(&file, text).unwrap();
    program.signal("HUP");
    program.says("is in force").await;
    house.board.play(&Tape::of(QUEUE, SHORT).0.with("1795292763.", "1795299999.")).await;
    until("a ticket", || house.tickets().len() == 1).await;
    assert_eq!(house.tickets()[0].call, "1795299999.0", "the call before was nobody's");
    program.is_discreet();
}

#[tokio::test]
async fn a_new_login_is_proven_before_a_reload_takes_it() {
    let mut seed = Seed::house();
    seed.oauth_clients.push(SeedClient {
        client_id: "second".to_owned(),
        client_secret: "sandbox-secret-2".to_owned(),
        user: ANNA.to_owned(),
        ..seed.oauth_clients[0].clone()
    });
    let house = House::with(Options { seed, ..Options::default() }).await;
    let mut program = Program::start(&house, "first", as_it_is);
    program.serves().await;
    let file = house.folder.path().join("first.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = text.replace("[ticket]", "[ticket]\nsubject = \"The other text\"");
    let stands = async |program: &Program| -> Value {
        serde_json::from_str(&program.get("/status.json").await.unwrap().1).unwrap()
    };
    let refused = "the new log-in of the CRM is refused, and the old settings go on";
    let login = |id: &str, secret: &str| {
        other.replace("id = \"ringdesk\"", &format!("id = \"{id}\"")).replace("sandbox-secret", secret)
    };

    std::fs::write(&file, login("ringdesk", "not the right one")).unwrap();
    program.signal("HUP");
    program.says(refused).await;
    assert!(program.log().contains("check client_id, client_secret and scope"), "{}", program.log());
    let status = stands(&program).await;
    assert!(status["reload_refused"].as_str().unwrap().contains(refused), "{status}");
    assert_eq!(status["crm"]["login"], "proven", "the old one is");
    assert!(program.get("/").await.unwrap().1.contains("the old settings go on"));

    std::fs::write(&file, login("ringdesk", "")).unwrap();
    program.signal("HUP");
    program.says("client_secret: it is empty").await;

    house.sandbox.set_fault("503", "always").unwrap();
    std::fs::write(&file, login("second", "sandbox-secret-2")).unwrap();
    program.signal("HUP");
    program.says("cannot be proven now, and the old settings go on").await;
    house.sandbox.set_fault("503", "off").unwrap();

    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    until("a ticket", || house.tickets().len() == 1).await;
    assert_ne!(house.tickets()[0].subject, "The other text", "nothing of a refused file is in force");

    program.signal("HUP");
    program.says("the new log-in of the CRM is in force").await;
    program.says("is in force").await;
    let status = stands(&program).await;
    assert_eq!((&status["reload_refused"], &status["crm"]["login"]), (&Value::Null, &"proven".into()));
    assert_eq!(status["crm"]["detail"], "Anna Weber (agent)", "{status}");
    house.board.play(&Tape::of(QUEUE, SHORT).0.with("1795292763.", "1795299999.")).await;
    until("a ticket", || house.tickets().len() == 2).await;
    assert_eq!(house.tickets()[1].subject, "The other text");
    assert!(!program.log().contains("not the right one"));
    program.is_discreet();
}

#[tokio::test]
async fn a_wrong_secret_of_zendesk_is_said_with_the_way_out_and_calls_are_kept() {
    let house = House::new().await;
    let program = Program::start(&house, "first", |text| text.replace("sandbox-secret", "not the right one"));
    program.says("the CRM cannot be used").await;
    until("a log-in at the PBX", || house.board.logins() == 1).await;
    let (status, text) = program.get("/readyz").await.unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(program.log().contains("client_secret"), "{}", program.log());
    assert!(!program.log().contains("not the right one"));
    program.is_discreet();
}

#[tokio::test]
async fn without_the_pbx_it_stays_and_is_not_ready() {
    let house = House::new().await;
    house.board.cut();
    let mut program = Program::start(&house, "first", as_it_is);
    program.says("agents and groups are matched").await;
    let (status, text) = program.get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(text.contains("PBX main"), "{text}");
    house.board.mend();
    program.serves().await;
}

#[tokio::test]
async fn a_full_disk_holds_the_call_and_loses_nothing() {
    let house = House::new().await;
    let mut program = Program::start(&house, "first", as_it_is);
    program.serves().await;
    // No file may grow: what a write meets on a full disk, without filling one. The soft limit comes back.
    let limit = |bytes: &str| {
        let pid = program.child.id().to_string();
        let done = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
            .status()
            .unwrap();
        assert!(done.success(), "prlimit");
    };
    limit("4096");
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    let begun = Instant::now();
    loop {
        let (status, text) = program.get("/readyz").await.unwrap();
        if status == 503 && text.contains("journal") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.tickets(), [], "nothing goes out before it is written down");
    limit("unlimited");
    until("the ticket", || house.tickets().len() == 1).await;
    program.serves().await;
    program.is_discreet();
}

#[tokio::test]
async fn health_metrics_status_and_page_are_served_and_tell_no_numbers() {
    let house = House::with(Options::default()).await;
    let mut program = Program::start(&house, "first", as_it_is);
    program.serves().await;
    house.board.play(&Tape::of(QUEUE, SHORT).0).await;
    until("a ticket", || house.tickets().len() == 1).await;
    for path in ["/", "/healthz", "/readyz", "/metrics", "/status.json"] {
        let (status, text) = program.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains("23125111") || path == "/", "{path}: {text}");
    }
    let metrics = program.get("/metrics").await.unwrap().1;
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
    assert!(metrics.contains("ringdesk_tickets_total 1"), "{metrics}");
}

#[tokio::test]
async fn who_cannot_own_what_is_done_without_an_agent_is_said_by_doctor_and_status() {
    let house = House {
        zendesk: "default_agent = \"gone@example.com\"\ndeputy_agent = \"anna.weber@example.com\"",
        ..House::new().await
    };
    let stands_in = "default_agent gone@example.com is no active agent: until then deputy_agent anna.weber@example.com stands in";
    let file = house.folder.path().join("doctor.toml");
    write_private(&file, &house.config_text());
    let told = tokio::process::Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(["doctor", "--config"])
        .arg(&file)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains(&format!("warning  {stands_in}\n")), "{text}");
    assert!(text.contains("ok       deputy_agent: anna.weber@example.com can own tickets\n"), "{text}");

    let daemon = house.daemon().await;
    let directory = daemon.status().snapshot().directory;
    assert!(directory.default_agent && directory.problems.contains(&stands_in.to_owned()), "{directory:?}");
    daemon.stop().await;
}
