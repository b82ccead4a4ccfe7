//! Copies to an SMB share, against Samba's own `smbclient put` in the same run, by one Samba on this machine.
//!
//! `ringdesk archive now` also reads every copy back, hashes both sides, names it and has the server write it to its disk;
//! `smbclient` does none of it. What both write is removed between the rounds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringdesk::clock;

use crate::samba::{PASSWORD, Samba, user};
use crate::support::report::Report;
use crate::support::{folder, house, process};

const ROUNDS: usize = 5;

/// One set of files.
#[derive(Debug)]
pub struct Measured {
    /// What they are.
    pub what: &'static str,
    /// Seconds of `ringdesk archive now`, sorted.
    pub ringdesk: Vec<f64>,
    /// Seconds of `smbclient put`, sorted.
    pub smbclient: Vec<f64>,
    /// The most resident memory of `ringdesk archive now`, in MB.
    pub memory: f64,
}

/// Measures and reports.
pub fn run(report: &mut Report) {
    let mut samba = Samba::start();
    let all = [("200 × 1 MB", 200, 1_000_000), ("1 × 500 MB", 1, 500_000_000), ("1 × 1 MB", 1, 1_000_000)]
        .map(|(what, count, bytes)| measure(&samba, what, count, bytes));
    samba.kill();
    report.archive(&all);
}

fn measure(samba: &Samba, what: &'static str, count: usize, bytes: usize) -> Measured {
    let home = folder("archive");
    let spool = home.join("recordings");
    fs::create_dir(&spool).unwrap();
    for number in 0..count {
        let noise: Vec<u8> = (0..bytes / 8).flat_map(|_| fastrand::u64(..).to_le_bytes()).collect();
        fs::write(spool.join(format!("2026-11-26_101502_{number:03}_201.wav")), noise).unwrap();
    }
    let config = write_private(&home.join("ringdesk.toml"), &config_text(samba, &home));
    let login = format!("username = {}\npassword = {PASSWORD}\n", user());
    let login = write_private(&home.join("login"), &login);
    let (mut ringdesk, mut smbclient, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let (seconds, most) = archive_now(&config);
        ringdesk.push(seconds);
        memory = memory.max(most);
        taken(samba, &spool, count);
        smbclient.push(put(samba, &login, &spool));
        taken(samba, &spool, count);
    }
    ringdesk.sort_by(f64::total_cmp);
    smbclient.sort_by(f64::total_cmp);
    fs::remove_dir_all(home).unwrap();
    Measured { what, ringdesk, smbclient, memory }
}

fn config_text(samba: &Samba, home: &Path) -> String {
    let text = house::config_text(1, "http://127.0.0.1:1", home);
    format!(
        "{text}\n[archive.smb]\nhost = '127.0.0.1'\nport = {}\nshare = 'calls'\nusername = '{}'\npassword = '{PASSWORD}'\n",
        samba.port,
        user()
    )
}

fn write_private(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

fn archive_now(config: &Path) -> (f64, f64) {
    let begun = clock::instant();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(["archive", "now", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0.0_f64;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return (begun.elapsed().as_secs_f64(), most);
        }
        // The peak so far; a process that has just ended has none.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        if status.contains("VmHWM") {
            most = most.max(process::megabytes_in(&status, "VmHWM"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn put(samba: &Samba, login: &Path, spool: &Path) -> f64 {
    let begun = clock::instant();
    let status = Command::new("smbclient")
        .args(["//127.0.0.1/calls", "-p", &samba.port.to_string(), "-A"])
        .arg(login)
        .args(["-c", &format!("prompt off; lcd \"{}\"; mput *", spool.display())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("smbclient is there (tests/archive/install.sh)");
    assert!(status.success());
    begun.elapsed().as_secs_f64()
}

/// Sees that all is there, byte for byte, and takes it away.
fn taken(samba: &Samba, spool: &Path, count: usize) {
    let mut seen = 0;
    let shelf = samba.path("calls");
    let copies = shelf.join("RecordedCalls");
    let from = if copies.is_dir() { copies } else { shelf };
    for entry in fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        let same = fs::read(&path).unwrap() == fs::read(spool.join(path.file_name().unwrap())).unwrap();
        assert!(same, "{}", path.display());
        fs::remove_file(path).unwrap();
        seen += 1;
    }
    assert_eq!(seen, count);
    if from.ends_with("RecordedCalls") {
        fs::remove_dir(from).unwrap();
    }
}
