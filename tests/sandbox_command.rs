//! `ringdesk sandbox` as a process: its first line, its ends and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

fn sandbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringdesk"));
    command.arg("sandbox").args(arguments).stdin(Stdio::null());
    command
}

/// Ends the process when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process and its address, `127.0.0.1:PORT`.
fn started(arguments: &[&str]) -> (Running, String) {
    let mut running = Running(sandbox(arguments).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("http://").expect("the first line is the URL").to_owned();
    (running, address)
}

fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = sandbox(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn either_signal_ends_it_with_success_although_a_client_is_in_the_middle_of_a_request() {
    for name in ["INT", "TERM"] {
        let (mut running, address) = started(&["--fault", "hang@/groups=always"]);
        let mut silent = TcpStream::connect(&address).unwrap();
        silent.write_all(b"POST /api/v2/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").unwrap();
        let mut hanging = TcpStream::connect(&address).unwrap();
        hanging.write_all(b"GET /api/v2/groups HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        // Both lines are open before this one, which is answered.
        let mut asked = TcpStream::connect(&address).unwrap();
        asked.write_all(b"GET /_sandbox/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

        let id = running.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        assert_eq!(running.0.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn what_is_wrong_is_told_with_a_way_out_and_an_exit_code() {
    let (code, text) = ended(&["--fault", "status=503"]);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("there is no fault `status`: see `ringdesk sandbox --help`"), "{text}");

    let (code, text) = ended(&["--seed", "no/such/seed.json"]);
    assert_eq!(code, Some(66), "{text}");
    assert!(text.contains("cannot read the seed no/such/seed.json\n  because: "), "{text}");

    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (code, text) = ended(&["--seed", seed]);
    assert_eq!(code, Some(65), "{text}");
    assert!(text.contains("the seed is not valid"), "{text}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = ended(&["--listen", &address]);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains(&format!("cannot listen at {address}")), "{text}");
}
