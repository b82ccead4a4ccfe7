//! An SMB share by Samba's libsmbclient, which runs in a child process of ours ([`worker`](super::worker)).
//!
//! For shares that demand encryption, and for DFS and Kerberos (tried when the service has a ticket cache, that is
//! `$KRB5CCNAME` is set). In a process of its own, because its calls block, one lock serves all of them, and a
//! server that hangs cannot be left in any other way than by the death of the process: the time limit kills it.
//!
//! What it does less well than `smb2` (measured with pavao 0.3.1): a wrong password and a user who may not use the share
//! look alike; an unknown user that the server lets in as a guest is not noticed; renaming looks before it
//! leaps, because libsmbclient deletes a file whose name it is told to take; nothing is flushed to the server's
//! disk, so the read-back is all that proves a copy.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::smb2::Smb;
use super::worker::{ANSWER, Answer, Failure, Found, Request};
use super::{Share, ShareError, Source, Step, Told, within};
use crate::archive::kept::Sum;
use crate::archive::names::discreet;
use crate::archive::plan::Listed;

/// The program with the command `archive-worker`; our own when nothing was set.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// What only tests set, whose own program is another one.
pub fn worker_is(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// What the child is given of our environment: where Kerberos has its tickets.
const ENVIRONMENT: [&str; 3] = ["KRB5CCNAME", "KRB5_CONFIG", "KRB5_KTNAME"];

/// A connected share.
pub struct Libsmbclient {
    _child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    name: String,
    limit: Duration,
}

impl Libsmbclient {
    /// Starts the child, connects and logs in.
    ///
    /// # Errors
    /// Tells a refused user, a missing share and a server that is away apart.
    pub async fn connect(smb: &Smb) -> Result<Self, ShareError> {
        let name = smb.name();
        let other = |source: std::io::Error| ShareError::Other {
            doing: format!("starting the client of {name}"),
            source: source.into(),
        };
        let program = PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok).map_err(other)?;
        let kept = ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .arg("archive-worker")
            // No settings of this machine's users: the folder is not there.
            .env_clear()
            .env("HOME", "/nonexistent")
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(other)?;
        let requests = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut share = Self { _child: child, requests, answers, name: name.clone(), limit: smb.limit };
        let request = Request::Connect {
            host: smb.host.clone(),
            port: smb.port,
            share: smb.share.clone(),
            username: smb.username.clone(),
            domain: smb.domain.clone(),
            password: smb.password.expose_secret().to_owned(),
            require_encryption: smb.require_encryption,
            timeout_ms: u32::try_from(smb.limit.as_millis()).unwrap_or(u32::MAX),
        };
        let answer = share.ask(&request, &[], "logging in to", "").await?;
        let user = || smb.username.clone();
        match answer {
            Answer::Done(_) => Ok(share),
            Answer::Failed(failure) => Err(match failure.errno() {
                Some(Errno::ACCESS | Errno::PERM) => ShareError::Login { share: name, user: user() },
                Some(Errno::NOENT) => ShareError::NoShare { share: name },
                _ => share.trouble(failure, "logging in to", ""),
            }),
        }
    }

    /// Asks and translates a failure.
    async fn take(
        &mut self,
        request: &Request,
        bytes: &[u8],
        doing: &'static str,
        path: &str,
    ) -> Result<Value, ShareError> {
        match self.ask(request, bytes, doing, path).await? {
            Answer::Done(value) => Ok(value),
            Answer::Failed(failure) => Err(self.trouble(failure, doing, path)),
        }
    }

    async fn ask(
        &mut self,
        request: &Request,
        bytes: &[u8],
        doing: &'static str,
        path: &str,
    ) -> Result<Answer, ShareError> {
        let line = json!(request).to_string();
        let (requests, answers) = (&mut self.requests, &mut self.answers);
        let name = self.name.clone();
        let exchange = async {
            requests.write_all(line.as_bytes()).await?;
            requests.write_all(b"\n").await?;
            requests.write_all(bytes).await?;
            requests.flush().await?;
            let mut line = String::new();
            loop {
                line.clear();
                if answers.read_line(&mut line).await? == 0 {
                    return Err(std::io::Error::other("its client ended"));
                }
                // The library writes what it thinks between our lines.
                if let Some(answer) = line.strip_prefix(ANSWER) {
                    return Ok(serde_json::from_str::<Answer>(answer)?);
                }
            }
        };
        let exchange = async {
            exchange.await.map_err(|source: std::io::Error| ShareError::Gone {
                share: name.clone(),
                source: source.into(),
            })
        };
        let doing = || format!("{doing} {}", discreet(path));
        within(self.limit, &name, doing, exchange).await
    }

    fn trouble(&self, failure: Failure, doing: &str, path: &str) -> ShareError {
        let place = match path {
            "" => self.name.clone(),
            path => format!("{}/{}", self.name, discreet(path)),
        };
        let (share, doing) = (self.name.clone(), format!("{doing} {place}"));
        match failure.errno() {
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => ShareError::Denied { doing },
            Some(Errno::NOSPC | Errno::DQUOT) => ShareError::Full { share },
            Some(Errno::EXIST) => ShareError::Exists { path: place },
            Some(Errno::NAMETOOLONG) => ShareError::Name { path: place },
            Some(Errno::TIMEDOUT) => ShareError::Silent { share, doing, limit: self.limit },
            Some(
                Errno::CONNREFUSED
                | Errno::CONNRESET
                | Errno::CONNABORTED
                | Errno::NOTCONN
                | Errno::PIPE
                | Errno::IO
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::NODEV,
            ) => ShareError::Gone { share, source: failure.into() },
            _ => ShareError::Other { doing, source: failure.into() },
        }
    }

    async fn write(
        &mut self,
        source: &mut Source,
        path: &str,
        from: u64,
        told: Told<'_>,
    ) -> Result<u64, ShareError> {
        const DOING: &str = "writing";
        self.take(&Request::Open { path: path.to_owned(), from }, &[], DOING, path).await?;
        let mut there = from;
        loop {
            let piece = source.next().await.map_err(|source| ShareError::Home { source })?;
            if piece.is_empty() {
                break;
            }
            self.take(&Request::Data { bytes: piece.len() }, piece, DOING, path).await?;
            there += piece.len() as u64;
            told(there);
        }
        // What it says is the size that the server has then; the pieces were counted one by one.
        let size = self.take(&Request::Close, &[], DOING, path).await?;
        Ok(if size.as_u64() == Some(there) { there } else { size.as_u64().unwrap_or(0) })
    }

    async fn read(&mut self, path: &str) -> Result<(u64, Sum), ShareError> {
        const DOING: &str = "reading back";
        self.take(&Request::OpenToRead { path: path.to_owned() }, &[], DOING, path).await?;
        loop {
            // In parts, so that each is within the limit.
            let found = self.take(&Request::HashSome, &[], DOING, path).await?;
            if let Ok(Some((bytes, sum))) = serde_json::from_value::<Option<(u64, Sum)>>(found) {
                return Ok((bytes, sum));
            }
        }
    }
}

impl Share for Libsmbclient {
    fn list<'a>(&'a mut self, folder: &'a str) -> Step<'a, Option<Vec<Listed>>> {
        Box::pin(async move {
            const DOING: &str = "listing";
            let found = self.take(&Request::List { path: folder.to_owned() }, &[], DOING, folder).await?;
            let found: Option<Vec<Found>> = serde_json::from_value(found).map_err(|error| {
                ShareError::Other { doing: format!("{DOING} {folder}"), source: error.into() }
            })?;
            Ok(found.map(|files| files.into_iter().map(Found::into_listed).collect()))
        })
    }

    fn make_folder<'a>(&'a mut self, folder: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let request = Request::MakeFolder { path: folder.to_owned() };
            match self.take(&request, &[], "making the folder", folder).await {
                Err(ShareError::Exists { .. }) => Ok(()),
                made => made.map(drop),
            }
        })
    }

    fn put<'a>(
        &'a mut self,
        source: &'a mut Source,
        path: &'a str,
        from: u64,
        told: Told<'a>,
    ) -> Step<'a, u64> {
        Box::pin(self.write(source, path, from, told))
    }

    fn read_back<'a>(&'a mut self, path: &'a str) -> Step<'a, (u64, Sum)> {
        Box::pin(self.read(path))
    }

    fn rename<'a>(&'a mut self, from: &'a str, to: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let request = Request::Rename { from: from.to_owned(), to: to.to_owned() };
            self.take(&request, &[], "naming", to).await.map(drop)
        })
    }

    fn remove<'a>(&'a mut self, path: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let request = Request::Remove { path: path.to_owned() };
            self.take(&request, &[], "deleting", path).await.map(drop)
        })
    }

    fn free(&mut self) -> Step<'_, Option<u64>> {
        Box::pin(async move {
            let free = self.take(&Request::Free, &[], "asking for free space", "").await?;
            Ok(free.as_u64())
        })
    }
}
