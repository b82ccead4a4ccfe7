//! A CRM that takes voice tickets in 20 ms and notes when each request came. Everything else a daemon asks
//! for (log-in, people, groups) goes on to the sandbox.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringdesk::clock;

/// What Zendesk takes for a ticket, or a little less.
const TAKES: Duration = Duration::from_millis(20);

const TICKETS: &str = "POST /api/v2/channels/voice/tickets";

/// The CRM's front.
pub struct Front {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What came.
#[derive(Clone, Default)]
pub struct Log {
    /// When the first byte of the request for a ticket came, by Uniqueid.
    pub tickets: HashMap<String, Vec<Instant>>,
    /// All requests by method and path, without ids.
    pub requests: BTreeMap<String, usize>,
}

impl Front {
    /// Listens; `behind` is the sandbox.
    pub fn start(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let _ = serve(stream, behind, &log);
                });
            }
        });
        Self { address, log }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since the last time.
    pub fn take_log(&self) -> Log {
        std::mem::take(&mut lock(&self.log))
    }

    /// How many tickets came since the log was taken.
    pub fn tickets(&self) -> usize {
        lock(&self.log).tickets.len()
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, behind: SocketAddr, log: &Mutex<Log>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    let mut tickets = 0u64;
    loop {
        let mut came = None;
        let length = loop {
            if let Some(length) = whole(&bytes) {
                break length;
            }
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            came.get_or_insert_with(clock::instant);
            bytes.extend_from_slice(&piece[..count]);
        };
        let request: Vec<u8> = bytes.drain(..length).collect();
        let came = came.unwrap_or_else(clock::instant);
        let text = String::from_utf8_lossy(&request);
        let line: Vec<&str> = text.lines().next().unwrap_or_default().split([' ', '?']).take(2).collect();
        let line = line.join(" ");
        let line = line.trim_end_matches(".json");
        let is_ticket = line == TICKETS;
        {
            let mut log = lock(log);
            *log.requests.entry(without_ids(line)).or_default() += 1;
            if is_ticket {
                log.tickets.entry(uniqueid(&text)).or_default().push(came);
            }
        }
        if is_ticket {
            std::thread::sleep(TAKES);
            tickets += 1;
            let external = text.split(r#""external_id":""#).nth(1).and_then(|rest| rest.split('"').next());
            let body = format!(
                r#"{{"ticket":{{"id":{tickets},"external_id":"{}","status":"open"}}}}"#,
                external.unwrap_or_default()
            );
            let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: ";
            stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes())?;
        } else {
            stream.write_all(&forward(&request, behind)?)?;
        }
    }
}

/// The length of the request at the beginning, when it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length = head + length.unwrap_or(0usize);
    (bytes.len() >= length).then_some(length)
}

/// Behind the last slash of our external id: `ringdesk:main/1795292763.0`.
fn uniqueid(text: &str) -> String {
    let external = text.split(r#""external_id":""#).nth(1).and_then(|rest| rest.split('"').next());
    external.and_then(|id| id.rsplit(['/', ':']).next()).unwrap_or_default().to_owned()
}

fn without_ids(line: &str) -> String {
    let part = |part: &str| if part.parse::<u64>().is_ok() { "ID".to_owned() } else { part.to_owned() };
    line.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Over a connection of its own, whose end is the end of the answer; ours stays.
fn forward(request: &[u8], behind: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(behind)?;
    let line = request.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    stream.write_all(&request[..line])?;
    stream.write_all(b"connection: close\r\n")?;
    stream.write_all(&request[line..])?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let _ = stream.shutdown(Shutdown::Both);
    let close = b"connection: close\r\n";
    if let Some(at) = answer.windows(close.len()).position(|window| window == close) {
        answer.drain(at..at + close.len());
    }
    Ok(answer)
}
