//! From the answer of an agent to the request for the ticket, through the real process `ringdesk run`: a
//! PBX that says what a real Asterisk said, 50 calls a second, 10 000 people in the phone book, a CRM that
//! takes 20 ms. Beside it, before and after, the floor program on the same disk with the same CRM.
//!
//! The same run tells the processor time of a call, the resident memory, and the requests of a call.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ringdesk::clock;
use ringdesk::sandbox::{Options, Sandbox, Seed, SeedUser};
use serde_json::json;

use crate::support::crm::Front;
use crate::support::report::Report;
use crate::support::sample::Sample;
use crate::support::stream::{QUEUE_CALL, Template};
use crate::support::{folder, house, pbx, process};

/// Calls a second.
const RATE: u64 = 50;
/// Calls of the daemon's run: a minute.
const CALLS: u64 = 60 * RATE;
/// Calls of each of the two runs of the floor.
const FLOOR_CALLS: u64 = 15 * RATE;
/// People with a number.
const PEOPLE: u64 = 10_000;
/// As in the recording: the phones ring for 1.2 s, and they talk for 3 s. Not multiples of the 20 ms between
/// two calls: else the answer of one would always share the commit of another's ring.
const RINGS: Duration = Duration::from_millis(1207);
const TALKS: Duration = Duration::from_millis(3006);
/// The default wrap-up time, in which a call is kept, and a little more.
const WRAP_UP: Duration = Duration::from_secs(31);
/// The first calls are not counted: connections are made, memory is touched for the first time.
const WARM_UP: u64 = 2 * RATE;
/// The export gives nine thousand people in a minute; the rest comes in the next one.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was measured.
pub struct Measured {
    /// From the answer to the request.
    pub ringdesk: Sample,
    /// From the line to the request.
    pub floor: Sample,
    /// Milliseconds of processor time a call.
    pub cpu: f64,
    /// AMI events a call.
    pub events: usize,
    /// Resident megabytes: before the first call, and the most while calls came.
    pub memory: [f64; 2],
    /// Requests a call.
    pub requests: f64,
    /// Calls.
    pub calls: u64,
    /// Calls without a ticket, and with two.
    pub wrong: [usize; 2],
}

/// Measures and reports.
pub fn run(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { seed: seed(), ..Options::default() }.with("limits", "off");
    let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
    let behind: SocketAddr = sandbox.url().strip_prefix("http://").unwrap().parse().unwrap();
    let crm = Front::start(behind);
    let folder = folder("answer");
    let mut floor = floor(1, &crm, &folder);
    let mut measured = daemon(&crm, &folder);
    floor.extend(self::floor(2, &crm, &folder));
    floor.into_iter().for_each(|duration| measured.floor.push(duration));
    report.answer(&measured);
    runtime.block_on(sandbox.stop());
    fs::remove_dir_all(folder).unwrap();
}

fn seed() -> Seed {
    let mut seed = Seed::house();
    seed.users.retain(|user| user.role != "end-user");
    seed.tickets.clear();
    seed.users.extend((0..PEOPLE).map(|n| {
        let user = json!({"name": format!("Katharina Müller {n}"), "phone": caller(n)});
        serde_json::from_value::<SeedUser>(user).unwrap()
    }));
    seed
}

/// The number of the person who calls for the `n`th time; as long as the recorded one.
fn caller(n: u64) -> String {
    format!("+4930{}", 23_000_000 + n % PEOPLE)
}

// ── The floor ───────────────────────────────────────────────────────────────────────────────────

fn floor(round: u64, crm: &Front, folder: &Path) -> Vec<Duration> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("floor")
        .args([listener.local_addr().unwrap().to_string(), crm.address().to_string()])
        .arg(folder.join("floor"))
        .spawn()
        .unwrap();
    let (mut line, _) = listener.accept().unwrap();
    line.set_nodelay(true).unwrap();
    let mut said = Vec::new();
    let begin = clock::instant() + Duration::from_millis(200);
    for n in 0..FLOOR_CALLS {
        let id = format!("floor.{round}.{n}");
        sleep_until(begin + Duration::from_secs(n) / u32::try_from(RATE).unwrap());
        let now = clock::instant();
        line.write_all(format!("{id}\n").as_bytes()).unwrap();
        said.push((id, now));
    }
    assert!(in_time(|| crm.tickets() as u64 >= FLOOR_CALLS), "the floor's requests do not come");
    drop(line);
    child.wait().unwrap();
    let log = crm.take_log();
    let counted = said.iter().skip(usize::try_from(WARM_UP).unwrap());
    counted.map(|(id, then)| log.tickets[id][0].duration_since(*then)).collect()
}

// ── The daemon ──────────────────────────────────────────────────────────────────────────────────

fn daemon(crm: &Front, folder: &Path) -> Measured {
    let template = Template::filtered(QUEUE_CALL);
    let parts = parts(&template);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let page = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let text = house::config_text(
        listener.local_addr().unwrap().port(),
        &format!("http://{}", crm.address()),
        folder,
    );
    let text = text.replace("127.0.0.1:0\"", &format!("{page}\""));
    house::config(&text);
    let file = folder.join("ringdesk.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(["run", "--config"])
        .arg(&file)
        .stdout(File::create(folder.join("stdout")).unwrap())
        .stderr(File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (line, _) = listener.accept().unwrap();
    line.set_nodelay(true).unwrap();
    let line = Arc::new(Mutex::new(line));
    answer_actions(&line);
    let ready = || get(page, "/readyz").starts_with("HTTP/1.1 200");
    if !in_time(ready) {
        let (readyz, asked) = (get(page, "/readyz"), crm.take_log().requests);
        let _ = child.kill();
        panic!("the daemon is not ready: {readyz}\n{asked:?}");
    }
    let status = get(page, "/status.json");
    let status: serde_json::Value = serde_json::from_str(status.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    eprintln!("  phone book: {}", status["phone_book"]);

    crm.take_log();
    let cpu = process::cpu_seconds(pid);
    let mut memory = [process::megabytes(pid, "VmRSS"), 0.0];
    let mut answered: Vec<(String, Instant)> = Vec::new();
    let mut call = Vec::new();
    let begin = clock::instant() + Duration::from_millis(200);
    for (due, n, part) in timeline() {
        call.clear();
        template.write(n, Some(&caller(n)), &mut call);
        let bytes = &call[parts[part]..parts[part + 1]];
        sleep_until(begin + due);
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::instant();
        line.write_all(bytes).unwrap();
        drop(line);
        if part == 1 {
            answered.push((format!("{:010}.0", 1_000_000_000 + n * 1000), now));
        }
        if part == 2 && n % RATE == 0 {
            memory[1] = memory[1].max(process::megabytes(pid, "VmRSS"));
        }
    }
    std::thread::sleep(WRAP_UP);
    let cpu = process::cpu_seconds(pid) - cpu;
    stop(&mut child, folder);

    let log = crm.take_log();
    for (request, count) in &log.requests {
        eprintln!("  {count} × {request}");
    }
    let mut ringdesk = Sample::default();
    let mut wrong = [0, 0];
    for (index, (id, then)) in answered.iter().enumerate() {
        let came = log.tickets.get(id).map_or(&[][..], Vec::as_slice);
        wrong[0] += usize::from(came.is_empty());
        wrong[1] += usize::from(came.len() > 1);
        if let (Some(came), true) = (came.first(), index as u64 >= WARM_UP) {
            ringdesk.push(came.duration_since(*then));
        }
    }
    // The token, and the mirror's refresh, are no call's.
    let of_calls =
        log.requests.iter().filter(|(name, _)| !name.contains("/oauth/") && !name.contains("/incremental/"));
    let requests = of_calls.map(|(_, count)| count).sum::<usize>() as f64 / CALLS as f64;
    let cpu = cpu * 1e3 / CALLS as f64;
    let events = template.events();
    Measured { ringdesk, floor: Sample::default(), cpu, events, memory, requests, calls: CALLS, wrong }
}

/// Where the recording is cut: rings, is answered, hangs up. The answer begins with the word that a phone
/// has answered; the bridge in which caller and agent meet comes some messages later.
fn parts(template: &Template) -> [usize; 4] {
    let mut call = Vec::new();
    template.write(0, None, &mut call);
    let ends = template.block_ends();
    let begin_of = |wanted: &dyn Fn(&str) -> bool| {
        let mut begin = 0;
        for end in &ends {
            if wanted(&String::from_utf8_lossy(&call[begin..*end])) {
                return begin;
            }
            begin = *end;
        }
        unreachable!("the capture of an answered call")
    };
    let answer = begin_of(&|block| block.contains("Event: DialEnd") && block.contains("DialStatus: ANSWER"));
    let end = begin_of(&|block| block.contains("Event: HangupRequest"));
    assert!(answer < end);
    [0, answer, end, call.len()]
}

/// What is said when: (time, call, part).
fn timeline() -> Vec<(Duration, u64, usize)> {
    let mut all = Vec::new();
    for n in 0..CALLS {
        let begin = Duration::from_secs(n) / u32::try_from(RATE).unwrap();
        all.extend([(begin, n, 0), (begin + RINGS, n, 1), (begin + RINGS + TALKS, n, 2)]);
    }
    all.sort_unstable();
    all
}

fn answer_actions(line: &Arc<Mutex<TcpStream>>) {
    let line = Arc::clone(line);
    let reader = line.lock().unwrap_or_else(PoisonError::into_inner).try_clone().unwrap();
    std::thread::spawn(move || {
        let say = |text: &str| {
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = line.write_all(text.as_bytes());
        };
        say("Asterisk Call Manager/11.0.0\r\n");
        let mut actions = pbx::Actions::default();
        for text in BufReader::new(reader).lines().map_while(Result::ok) {
            if let Some((action, id)) = actions.line(&text) {
                say(&pbx::reply(&action, &id));
            }
        }
    });
}

fn get(page: SocketAddr, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(page) {
        let _ = stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

fn stop(child: &mut Child, folder: &Path) {
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let ended = child.wait().unwrap();
    let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    assert!(ended.success(), "ringdesk ended with {ended}: {said}");
    for line in said.lines().take(20) {
        eprintln!("  ringdesk: {line}");
    }
}

/// Waits until it is so.
fn in_time(is_so: impl Fn() -> bool) -> bool {
    let begin = clock::instant();
    while !is_so() {
        if begin.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn sleep_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(clock::instant()));
}
