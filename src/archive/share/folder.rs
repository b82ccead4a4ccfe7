//! A folder that the admin mounted: NFS, SMB by the kernel, a second disk, anything.
//!
//! Where nothing is mounted, the folder is an empty one on the machine's own disk, and copies would fill that
//! disk and be lost from sight at the next mount. So the folder itself must be a mount point (statx(2),
//! `STATX_ATTR_MOUNT_ROOT`, Linux 5.8) unless the admin says otherwise.

use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};

use super::{Share, ShareError, Source, Step, Told, within};
use crate::archive::kept::Sum;
use crate::archive::names::discreet;
use crate::archive::plan::Listed;

/// A mounted folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    limit: Duration,
    must_be_mounted: bool,
}

impl Folder {
    /// The folder, which must be there. A step takes at most `limit`: a network mount whose server is gone
    /// blocks for ever.
    ///
    /// # Errors
    /// [`ShareError::NotMounted`], or when the folder is not there.
    pub async fn open(root: &Path, must_be_mounted: bool, limit: Duration) -> Result<Self, ShareError> {
        let folder = Self { root: root.to_owned(), limit, must_be_mounted };
        folder.is_still_there("looking at the folder").await?;
        Ok(folder)
    }

    /// A mount that went away in mid-run must not let the rest fall on the machine's own disk.
    async fn is_still_there(&self, doing: &'static str) -> Result<(), ShareError> {
        let (root, must_be_mounted) = (self.root.clone(), self.must_be_mounted);
        self.blocking(doing, String::new(), move || {
            if must_be_mounted && !is_mount_point(&root)? {
                return Ok(Err(ShareError::NotMounted { folder: root.display().to_string() }));
            }
            match std::fs::metadata(&root)?.is_dir() {
                true => Ok(Ok(())),
                false => Err(ErrorKind::NotADirectory.into()),
            }
        })
        .await?
    }

    async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: String,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, ShareError> {
        let shown = path.clone();
        let work = async {
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|failed| Err(io::Error::other(failed)))
                .map_err(|error| self.trouble(doing, &path, error))
        };
        within(self.limit, &self.name(), || format!("{doing} {}", discreet(&shown)), work).await
    }

    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn trouble(&self, doing: &str, path: &str, error: io::Error) -> ShareError {
        let place =
            if path.is_empty() { self.name() } else { self.at(&discreet(path)).display().to_string() };
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                ShareError::Denied { doing: format!("{doing} {place}") }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ShareError::Full { share: self.name() },
            ErrorKind::AlreadyExists => ShareError::Exists { path: place },
            ErrorKind::InvalidFilename => ShareError::Name { path: place },
            // ESTALE, EHOSTDOWN, EIO and their kin: what a network mount says when its server is gone.
            ErrorKind::StaleNetworkFileHandle | ErrorKind::HostUnreachable | ErrorKind::TimedOut => {
                ShareError::Gone { share: self.name(), source: error.into() }
            }
            _ => ShareError::Other { doing: format!("{doing} {place}"), source: error.into() },
        }
    }

    async fn write(
        &self,
        source: &mut Source,
        path: &str,
        from: u64,
        told: Told<'_>,
    ) -> Result<u64, ShareError> {
        const DOING: &str = "writing";
        self.is_still_there(DOING).await?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(from == 0).mode(0o640);
        let place = self.at(path);
        let file = self.blocking(DOING, path.to_owned(), move || options.open(place)).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(super::PIECE);
        self.limited(path, file.seek(SeekFrom::Start(from))).await?;
        let mut there = from;
        loop {
            let piece = source.next().await.map_err(|source| ShareError::Home { source })?;
            if piece.is_empty() {
                break;
            }
            self.limited(path, file.write_all(piece)).await?;
            there += piece.len() as u64;
            told(there);
        }
        self.limited(path, file.flush()).await?;
        self.limited(path, file.sync_all()).await?;
        Ok(there)
    }

    async fn limited<T>(
        &self,
        path: &str,
        work: impl Future<Output = io::Result<T>>,
    ) -> Result<T, ShareError> {
        let work = async { work.await.map_err(|error| self.trouble("writing", path, error)) };
        within(self.limit, &self.name(), || format!("writing {path}"), work).await
    }

    async fn read(&self, path: &str) -> Result<(u64, Sum), ShareError> {
        let work = async {
            let failed = |error| self.trouble("reading back", path, error);
            let mut source = Source::open(&self.at(path)).await.map_err(failed)?;
            loop {
                let next = async { source.next().await.map(<[u8]>::len).map_err(failed) };
                if within(self.limit, &self.name(), || format!("reading back {path}"), next).await? == 0 {
                    return Ok(source.sum());
                }
            }
        };
        work.await
    }
}

impl Share for Folder {
    fn list<'a>(&'a mut self, folder: &'a str) -> Step<'a, Option<Vec<Listed>>> {
        let place = self.at(folder);
        Box::pin(self.blocking("listing", folder.to_owned(), move || match list(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }))
    }

    fn make_folder<'a>(&'a mut self, folder: &'a str) -> Step<'a, ()> {
        let place = self.at(folder);
        Box::pin(async move {
            self.is_still_there("making the folder").await?;
            self.blocking("making the folder", folder.to_owned(), move || match std::fs::create_dir(&place) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => Ok(()),
                made => made,
            })
            .await
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
        let (old, new) = (self.at(from), self.at(to));
        Box::pin(self.blocking("naming", to.to_owned(), move || {
            rename_without_replacing(&old, &new)?;
            sync_folder(&new)
        }))
    }

    fn remove<'a>(&'a mut self, path: &'a str) -> Step<'a, ()> {
        let place = self.at(path);
        Box::pin(self.blocking("deleting", path.to_owned(), move || match std::fs::remove_file(place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }))
    }

    fn free(&mut self) -> Step<'_, Option<u64>> {
        let root = self.root.clone();
        Box::pin(self.blocking("asking for free space", String::new(), move || {
            let found = rustix::fs::statvfs(&root)?;
            // Some network file systems tell nothing.
            Ok((found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize)))
        }))
    }
}

fn is_mount_point(path: &Path) -> io::Result<bool> {
    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::TYPE)?;
    if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // An older kernel: another device than the folder above.
    use std::os::unix::fs::MetadataExt as _;
    let (own, above) = (std::fs::metadata(path)?, std::fs::metadata(path.join(".."))?);
    Ok(own.dev() != above.dev() || own.ino() == above.ino())
}

fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is no text is none of ours, and none that a recording could get.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let about = match entry.metadata() {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        found.push(Listed {
            name,
            bytes: if about.is_dir() { 0 } else { about.len() },
            is_folder: about.is_dir(),
            modified: about.modified().ok().and_then(|time| Timestamp::try_from(time).ok()),
            sha256: None,
        });
    }
    Ok(found)
}

fn rename_without_replacing(old: &Path, new: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(CWD, old, CWD, new, RenameFlags::NOREPLACE) {
        // NFS and older FUSE file systems know no such flag. A second name for the file is as good; only where
        // there are none (SMB by an old kernel) a moment stays between the look and the renaming.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match std::fs::hard_link(old, new) {
            Ok(()) => std::fs::remove_file(old),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Err(_) if new.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(old, new),
        },
        done => Ok(done?),
    }
}

/// The name is on the disk too. Some file systems cannot sync a folder.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    match std::fs::File::open(folder)?.sync_all() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}
