//! What Linux tells about a process.

use std::fs;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux that Rust runs on (man 5 proc).
const TICKS: f64 = 100.0;

/// Seconds of processor time, user and system, of all threads.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name in brackets may hold blanks.
    let (_, rest) = stat.rsplit_once(')').expect("the form of stat");
    let field = |nr: usize| rest.split_whitespace().nth(nr).and_then(|text| text.parse::<f64>().ok());
    (field(11).expect("utime") + field(12).expect("stime")) / TICKS
}

/// A size of `/proc/PID/status` in MB of a million bytes, such as `VmRSS`.
pub fn megabytes(pid: u32, key: &str) -> f64 {
    megabytes_in(&fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs"), key)
}

/// The same of a status that was read.
pub fn megabytes_in(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.expect("the form of status") * 1024.0 / 1e6
}
