//! The least that anybody must do who promises what we promise: read a line, make a record durable,
//! send a request over a connection that stands. Nothing else; blocking, no run time, no parsing.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;

/// Connections to the CRM. At 50 calls a second and 20 ms an answer, one is always busy.
const CONNECTIONS: usize = 8;

/// The size of a record: what the journal writes for an answered call, as text.
const RECORD: usize = 2048;

/// Reads lines with a Uniqueid each from `pbx` until it closes.
pub fn run(pbx: &str, crm: &str, file: &Path) {
    let pbx = TcpStream::connect(pbx).expect("the PBX listens");
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("a file for the records");
    let (idle, next) = mpsc::channel();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(crm).expect("the CRM listens");
        stream.set_nodelay(true).expect("a TCP option");
        idle.send(stream).expect("the receiver is here");
    }
    for line in BufReader::new(pbx).lines() {
        let Ok(id) = line else { return };
        let mut record = id.clone().into_bytes();
        record.resize(RECORD, b'.');
        file.write_all(&record).expect("the disk has room");
        file.sync_data().expect("the disk works");
        let body = format!(r#"{{"ticket":{{"external_id":"ringdesk:main/{id}"}},"display_to_agent":1}}"#);
        let request = format!(
            "POST /api/v2/channels/voice/tickets HTTP/1.1\r\nhost: crm\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = next.recv().expect("connections come back");
        stream.write_all(request.as_bytes()).expect("the CRM takes it");
        let idle = idle.clone();
        std::thread::spawn(move || {
            let mut answer = [0; 4096];
            if stream.read(&mut answer).is_ok_and(|count| count > 0) {
                let _ = idle.send(stream);
            }
        });
    }
}
