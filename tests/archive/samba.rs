//! An own Samba on a free port: its shares, its user, its death.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringdesk::archive::share::smb2::Smb;
use ringdesk::archive::{Place, SmbClient};

pub const PASSWORD: &str = "Zebra % 4+1 \"x\"";

/// A Samba with the shares `calls`, `readonly`, `encrypted`, `nobody` (for nobody), `small` (says that it is full)
/// and `full` (a file system of 2 MB where this machine allows to make one).
pub struct Samba {
    folder: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
    pub has_full: bool,
}

impl Samba {
    pub fn start() -> Self {
        // The tests' own program has no command `archive-worker`.
        #[cfg(feature = "libsmbclient")]
        ringdesk::archive::share::libsmbclient::worker_is(env!("CARGO_BIN_EXE_ringdesk").into());
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut samba = Self { folder: tempfile::tempdir().unwrap(), port, child: None, has_full: false };
        for share in ["calls", "readonly", "encrypted", "nobody", "small", "full", "state"] {
            fs::create_dir(samba.path(share)).unwrap();
        }
        samba.has_full = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(samba.path("full"))
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        fs::write(samba.config(), samba.config_text()).unwrap();
        let mut add = Command::new("pdbedit")
            .arg("-s")
            .arg(samba.config())
            .args(["-a", "-t", "-u", &user()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pdbedit is there (tests/archive/install.sh)");
        add.stdin.take().unwrap().write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes()).unwrap();
        let added = add.wait_with_output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        samba.rise();
        samba
    }

    fn config(&self) -> PathBuf {
        self.path("smb.conf")
    }

    fn config_text(&self) -> String {
        let state = self.path("state");
        let state = state.display();
        let mut text = format!(
            "[global]\nworkgroup = RIG\nserver role = standalone server\nsmb ports = {}\ninterfaces = lo\n\
             bind interfaces only = yes\nprivate dir = {state}\nlock directory = {state}\nstate directory = {state}\n\
             cache directory = {state}\npid directory = {state}\nncalrpc dir = {state}/rpc\n\
             passdb backend = tdbsam:{state}/passdb.tdb\nlog file = {state}/log\nload printers = no\n\
             disable spoolss = yes\nmap to guest = bad user\nguest account = {}\nserver min protocol = SMB2\n\
             server multi channel support = no\n",
            self.port,
            user()
        );
        let mut share = |name: &str, more: &str| {
            let path = self.path(name);
            text.push_str(&format!(
                "[{name}]\npath = {}\nread only = no\nguest ok = yes\n{more}\n",
                path.display()
            ));
        };
        share("calls", "");
        share("readonly", "read only = yes");
        share("encrypted", "server smb encrypt = required");
        share("nobody", "valid users = daemon");
        let room = self.path("room");
        // 1 MB is free, in blocks of 1024 bytes.
        fs::write(&room, "#!/bin/sh\necho 2000 1000 1024\n").unwrap();
        fs::set_permissions(&room, fs::Permissions::from_mode(0o755)).unwrap();
        share("small", &format!("dfree command = {}", room.display()));
        share("full", "");
        text
    }

    /// Starts smbd and waits until it listens.
    pub fn rise(&mut self) {
        let child = Command::new("smbd")
            .arg("-s")
            .arg(self.config())
            .args(["-F", "--no-process-group"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("smbd is there (tests/archive/install.sh)");
        self.child = Some(child);
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "smbd does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All its processes die at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
            child.wait().unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn smb(&self, share: &str) -> Smb {
        Smb {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            share: share.to_owned(),
            username: user(),
            domain: String::new(),
            password: PASSWORD.to_owned().into(),
            require_encryption: false,
            limit: Duration::from_secs(10),
        }
    }

    pub fn place(&self, share: &str, client: SmbClient) -> Place {
        Place::Smb(self.smb(share), client)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("state/log")).unwrap_or_default()
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.kill();
        if self.has_full {
            let _ = Command::new("umount").arg("-l").arg(self.path("full")).status();
        }
    }
}

/// Samba's user must be one of the system: ourselves.
pub fn user() -> String {
    let told = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

/// The clients that are built in.
pub fn clients() -> Vec<SmbClient> {
    let mut clients = vec![SmbClient::Smb2];
    if cfg!(feature = "libsmbclient") {
        clients.push(SmbClient::Libsmbclient);
    }
    clients
}

/// All files below a folder with their content, without those of a hidden kind.
pub fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}
