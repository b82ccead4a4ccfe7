//! Whether copies could be made: connects, writes a small file, reads it back, names it, deletes it.

use std::io::Write as _;

use super::plan::joined;
use super::share::{ShareError, Source};
use super::{Settings, names};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The room that is left, where the share tells.
    pub free: Option<u64>,
    /// The folder of copies is there already.
    pub folder_is_there: bool,
}

/// Tries. The file lies in the innermost folder of ours that is there, under a name that nobody else has; no folder is
/// made.
///
/// # Errors
/// The first step that failed.
pub async fn probe(settings: &Settings) -> Result<Probe, ShareError> {
    let home = |source| ShareError::Home { source };
    let mut file = tempfile::NamedTempFile::new().map_err(home)?;
    file.write_all(b"ringdesk doctor was here\n").map_err(home)?;
    let mut share = settings.place.connect().await?;
    let root = settings.rules.root();
    let mut folder = root.clone();
    while !folder.is_empty() && share.list(&folder).await?.is_none() {
        folder = folder.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
    }
    let free = share.free().await?;
    let mark = format!("{}/{}", std::process::id(), fastrand::u64(..));
    let written = joined(&folder, &names::temporary(&mark, 0));
    let named = joined(&folder, &names::temporary(&mark, 1));
    let mut source = Source::open(file.path()).await.map_err(home)?;
    let put = share.put(&mut source, &written, 0, &mut |_| {}).await;
    let tried = async {
        put?;
        let expected = source.sum();
        if share.read_back(&written).await? != expected {
            let source = "what the share gives back is not what was written".into();
            return Err(ShareError::Other { doing: format!("writing to {}", settings.place), source });
        }
        share.rename(&written, &named).await
    };
    let tried = tried.await;
    // Also after a failure, so that nothing stays.
    let removed = match share.remove(&written).await {
        Ok(()) => share.remove(&named).await,
        failed => failed,
    };
    tried.and(removed)?;
    Ok(Probe { free, folder_is_there: folder == root })
}
