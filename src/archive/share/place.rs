//! The places that a share can be at, and the way to each.

use std::path::PathBuf;
use std::time::Duration;

use super::folder::Folder;
use super::smb2::{Smb, Smb2};
use super::{Share, ShareError};

/// Where a share is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A mounted folder.
    Folder {
        /// The folder.
        path: PathBuf,
        /// It must be a mount point.
        must_be_mounted: bool,
        /// How long a step may take.
        limit: Duration,
    },
    /// An SMB share.
    Smb(Smb, SmbClient),
}

/// The client of an SMB share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmbClient {
    /// The crate `smb2`.
    Smb2,
    /// Samba's libsmbclient, where it was built in.
    Libsmbclient,
}

impl Place {
    /// Connects.
    ///
    /// # Errors
    /// Why that is not possible.
    pub async fn connect(&self) -> Result<Box<dyn Share>, ShareError> {
        Ok(match self {
            Self::Folder { path, must_be_mounted, limit } => {
                Box::new(Folder::open(path, *must_be_mounted, *limit).await?)
            }
            Self::Smb(smb, SmbClient::Smb2) => Box::new(Smb2::connect(smb).await?),
            #[cfg(feature = "libsmbclient")]
            Self::Smb(smb, SmbClient::Libsmbclient) => {
                Box::new(super::libsmbclient::Libsmbclient::connect(smb).await?)
            }
            #[cfg(not(feature = "libsmbclient"))]
            Self::Smb(smb, SmbClient::Libsmbclient) => {
                return Err(ShareError::Other {
                    doing: format!("opening {}", smb.name()),
                    source: "this ringdesk was built without libsmbclient".into(),
                });
            }
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { path, .. } => write!(f, "{}", path.display()),
            Self::Smb(smb, _) => f.write_str(&smb.name()),
        }
    }
}
