//! An SMB 2 or 3 share by the crate `smb2`, which is Rust throughout.
//!
//! Measured with 0.39.0 against Samba 4.17 and 4.25 (2026-11): signs, keeps passwords out of its log, tells wrong
//! password, missing share, read-only and full apart. It says at the negotiation that it cannot encrypt although it
//! can, so a share that demands encryption answers ACCESS_DENIED; [`ShareError::Refused`] says what to do.
//!
//! Connections are made anew for each run and never revived in the middle: what is half written is compared and
//! continued by the next attempt, by the same way as after a crash.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use smb2::{ClientConfig, Error, ErrorKind, SmbClient, Tree};

use super::{Share, ShareError, Source, Step, Told, within};
use crate::archive::kept::Sum;
use crate::archive::names::discreet;
use crate::archive::plan::Listed;

/// Where an SMB share is and who we are there.
#[derive(Clone, Debug)]
pub struct Smb {
    /// Name or address of the server, without brackets.
    pub host: String,
    /// TCP port, 445 as a rule.
    pub port: u16,
    /// The share's name.
    pub share: String,
    /// The user, without a domain.
    pub username: String,
    /// The user's domain; empty: the server's own users.
    pub domain: String,
    /// The password.
    pub password: SecretString,
    /// Nothing goes over the wire in clear.
    pub require_encryption: bool,
    /// How long a step may take.
    pub limit: Duration,
}

impl Smb {
    /// As people write it: `//nas/calls`.
    pub fn name(&self) -> String {
        format!("//{}/{}", self.host, self.share)
    }
}

/// The statuses that have no kind of their own (MS-ERREF 2.3.1).
const QUOTA_EXCEEDED: u32 = 0xC000_0044;
const MEDIA_WRITE_PROTECTED: u32 = 0xC000_00A2;

/// A connected share.
pub struct Smb2 {
    client: SmbClient,
    tree: Tree,
    name: String,
    limit: Duration,
}

impl Smb2 {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Tells wrong password, guest, missing share, a refused share and a server that is away apart.
    pub async fn connect(smb: &Smb) -> Result<Self, ShareError> {
        let host = if smb.host.contains(':') { format!("[{}]", smb.host) } else { smb.host.clone() };
        let config = ClientConfig {
            addr: format!("{host}:{}", smb.port),
            timeout: smb.limit,
            response_timeout: Some(smb.limit),
            username: smb.username.clone(),
            password: smb.password.expose_secret().to_owned(),
            domain: smb.domain.clone(),
            // Recordings do not get smaller by it, and the server has other things to do.
            compression: false,
            ..ClientConfig::default()
        };
        let name = smb.name();
        let (limit, user) = (smb.limit, smb.username.clone());
        let login = async {
            SmbClient::connect(config).await.map_err(|error| match error.kind() {
                ErrorKind::AuthRequired | ErrorKind::AccessDenied => {
                    ShareError::Login { share: name.clone(), user: user.clone() }
                }
                ErrorKind::GuestSessionRefused => {
                    ShareError::Guest { share: name.clone(), user: user.clone() }
                }
                _ => trouble(error, &name, "logging in to", &name, limit),
            })
        };
        let mut client = within(limit, &name, || "logging in".to_owned(), login).await?;
        let open = async {
            client.connect_share(&smb.share).await.map_err(|error| match error.kind() {
                ErrorKind::AccessDenied => ShareError::Refused { share: name.clone(), user: user.clone() },
                ErrorKind::NotFound => ShareError::NoShare { share: name.clone() },
                _ => trouble(error, &name, "opening", &name, limit),
            })
        };
        let tree = within(limit, &name, || "opening the share".to_owned(), open).await?;
        Ok(Self { client, tree, name, limit })
    }

    async fn write(
        &mut self,
        source: &mut Source,
        path: &str,
        from: u64,
        told: Told<'_>,
    ) -> Result<u64, ShareError> {
        let (name, limit) = (self.name.clone(), self.limit);
        let step = Steps { name: &name, limit, doing: "writing", path };
        let mut writer = match from {
            0 => step.take(self.client.create_file_writer(&self.tree, path)).await?,
            _ => step.take(self.client.create_file_writer_at(&self.tree, path, from)).await?,
        };
        loop {
            let piece = source.next().await.map_err(|source| ShareError::Home { source })?;
            if piece.is_empty() {
                break;
            }
            step.take(writer.write_chunk(piece)).await?;
            told(from + writer.bytes_written());
        }
        // Flushes and closes; counts only what the server acknowledged.
        let written = step.take(writer.finish()).await?;
        told(from + written);
        Ok(from + written)
    }

    async fn read(&mut self, path: &str) -> Result<(u64, Sum), ShareError> {
        let (name, limit) = (self.name.clone(), self.limit);
        let step = Steps { name: &name, limit, doing: "reading back", path };
        let mut download = step.take(self.client.download(&self.tree, path)).await?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        loop {
            let next = async { download.next_chunk().await.transpose() };
            let Some(piece) = step.take(next).await? else {
                return Ok((bytes, hash.finalize().into()));
            };
            hash.update(&piece);
            bytes += piece.len() as u64;
        }
    }
}

impl Share for Smb2 {
    fn list<'a>(&'a mut self, folder: &'a str) -> Step<'a, Option<Vec<Listed>>> {
        Box::pin(async move {
            let (name, limit) = (self.name.clone(), self.limit);
            let step = Steps { name: &name, limit, doing: "listing", path: folder };
            let list = async {
                match self.client.list_directory(&mut self.tree, folder).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    found => found.map(Some),
                }
            };
            let found = step.take(list).await?;
            Ok(found.map(|entries| entries.into_iter().filter_map(listed).collect()))
        })
    }

    fn make_folder<'a>(&'a mut self, folder: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let (name, limit) = (self.name.clone(), self.limit);
            let step = Steps { name: &name, limit, doing: "making the folder", path: folder };
            match step.take(self.client.create_directory(&self.tree, folder)).await {
                Err(ShareError::Exists { .. }) => Ok(()),
                made => made,
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
            let (name, limit) = (self.name.clone(), self.limit);
            // Without further options an existing file is an error: one step at the server, nothing in between.
            let step = Steps { name: &name, limit, doing: "naming", path: to };
            step.take(self.client.rename(&self.tree, from, to)).await
        })
    }

    fn remove<'a>(&'a mut self, path: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let (name, limit) = (self.name.clone(), self.limit);
            let remove = async {
                match self.client.delete_file(&self.tree, path).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    done => done,
                }
            };
            Steps { name: &name, limit, doing: "deleting", path }.take(remove).await
        })
    }

    fn free(&mut self) -> Step<'_, Option<u64>> {
        Box::pin(async move {
            let (name, limit) = (self.name.clone(), self.limit);
            let step = Steps { name: &name, limit, doing: "asking for free space", path: "" };
            let found = step.take(self.client.fs_info(&mut self.tree)).await?;
            Ok((found.total_bytes > 0).then_some(found.free_bytes))
        })
    }
}

/// Steps at one path: limited in time, with their errors translated.
struct Steps<'a> {
    name: &'a str,
    limit: Duration,
    doing: &'static str,
    path: &'a str,
}

impl Steps<'_> {
    async fn take<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, ShareError> {
        let place = || match self.path {
            "" => self.name.to_owned(),
            path => format!("{}/{}", self.name, discreet(path)),
        };
        let work =
            async { work.await.map_err(|error| trouble(error, self.name, self.doing, &place(), self.limit)) };
        within(self.limit, self.name, || format!("{} {}", self.doing, place()), work).await
    }
}

fn trouble(error: Error, share: &str, doing: &str, place: &str, limit: Duration) -> ShareError {
    let share = share.to_owned();
    let doing = format!("{doing} {place}");
    match (error.kind(), error.status().map(|status| status.0)) {
        (ErrorKind::AccessDenied, _) | (_, Some(MEDIA_WRITE_PROTECTED)) => ShareError::Denied { doing },
        (ErrorKind::DiskFull, _) | (_, Some(QUOTA_EXCEEDED)) => ShareError::Full { share },
        (ErrorKind::AlreadyExists, _) => ShareError::Exists { path: place.to_owned() },
        (ErrorKind::InvalidName, _) => ShareError::Name { path: place.to_owned() },
        (ErrorKind::TimedOut, _) => ShareError::Silent { share, doing, limit },
        (ErrorKind::ConnectionLost | ErrorKind::Io | ErrorKind::SessionExpired, _) => {
            ShareError::Gone { share, source: error.into() }
        }
        _ => ShareError::Other { doing, source: error.into() },
    }
}

fn listed(entry: smb2::DirectoryEntry) -> Option<Listed> {
    if entry.name == "." || entry.name == ".." {
        return None;
    }
    Some(Listed {
        bytes: if entry.is_directory { 0 } else { entry.size },
        is_folder: entry.is_directory,
        modified: entry.modified.to_system_time().and_then(|time| Timestamp::try_from(time).ok()),
        sha256: None,
        name: entry.name,
    })
}
