//! A recording as it is read for copying: in pieces, counted and hashed on the way.

use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::archive::kept::Sum;

/// How much is read at once. Small enough for an old machine, large enough that hand-overs do not count.
pub const PIECE: usize = 512 * 1024;

/// Buffers up to this size are used again without being given back to the kernel in between, in bytes: some pieces on
/// their way at once.
const KEPT: usize = 4 * 1024 * 1024;

/// Lets the allocator keep freed buffers of pieces: with fresh pages for each of them a copy takes twice as long.
///
/// glibc gives large buffers back at once, and raises the limit for "large" when one is freed (mallopt(3),
/// `M_MMAP_THRESHOLD`, "dynamic"). Elsewhere this does nothing. The process keeps up to twice that size.
pub(in crate::archive) fn keep_buffers() {
    let mut buffer: Vec<u8> = Vec::with_capacity(KEPT);
    std::hint::black_box(buffer.as_mut_ptr());
}

/// A recording that is being read.
#[derive(Debug)]
pub struct Source {
    file: File,
    piece: Vec<u8>,
    hash: Sha256,
    read: u64,
}

impl Source {
    /// Opens a recording.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        file.set_max_buf_size(PIECE);
        Ok(Self { file, piece: vec![0; PIECE], hash: Sha256::new(), read: 0 })
    }

    /// Reads the first bytes for the hash alone.
    ///
    /// # Errors
    /// When it cannot be read or is shorter.
    pub async fn skip(&mut self, bytes: u64) -> io::Result<()> {
        while self.read < bytes {
            let most = usize::try_from(bytes - self.read).unwrap_or(PIECE);
            if self.read_some(most).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The next piece; empty at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn next(&mut self) -> io::Result<&[u8]> {
        let count = self.read_some(PIECE).await?;
        Ok(&self.piece[..count])
    }

    async fn read_some(&mut self, most: usize) -> io::Result<usize> {
        let count = self.file.read(&mut self.piece[..most.min(PIECE)]).await?;
        self.hash.update(&self.piece[..count]);
        self.read += count as u64;
        Ok(count)
    }

    /// Length and hash of what was read.
    pub fn sum(&self) -> (u64, Sum) {
        (self.read, self.hash.clone().finalize().into())
    }
}
