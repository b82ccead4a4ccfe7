//! Taking a copy away from the share: that of one recording, and no other file.

use super::kept::KeptFile;
use super::names;
use super::plan::{Rules, joined};
use super::share::{Share, ShareError};

/// Deletes the copies of a recording, finished or under way; says how many there were. A file of the same name that
/// is another one stays.
///
/// # Errors
/// See [`ShareError`].
pub async fn forget(share: &mut dyn Share, rules: &Rules, file: &KeptFile) -> Result<usize, ShareError> {
    let (folder, name) = rules.place_of(file);
    let Some(listed) = share.list(&folder).await? else { return Ok(0) };
    let mut deleted = 0;
    for found in listed.into_iter().filter(|found| !found.is_folder) {
        let path = joined(&folder, &found.name);
        let under_way = found.name == names::temporary(&joined(&folder, &name), file.bytes);
        let may_be_it = found.bytes == file.bytes && is_numbered(&found.name, &name);
        let is_it = match file.sha256 {
            Some(sum) if may_be_it => share.read_back(&path).await?.1 == sum,
            _ => false,
        };
        if under_way || is_it {
            share.remove(&path).await?;
            tracing::info!(
                path = names::discreet(&path),
                "the copy of a forgotten recording was deleted from the share"
            );
            deleted += usize::from(is_it);
        }
    }
    Ok(deleted)
}

/// Whether the one is the other, or the other with a number.
fn is_numbered(one: &str, other: &str) -> bool {
    one == other || {
        let number = one.rfind(" (").and_then(|at| one[at + 2..].split(')').next()?.parse().ok());
        number.is_some_and(|number: usize| names::numbered(other, number) == one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_namesakes_are_known() {
        for (one, other, expected) in [
            ("call.wav", "call.wav", true),
            ("call (2).wav", "call.wav", true),
            ("call (x).wav", "call.wav", false),
            ("call (2) (3).wav", "call (2).wav", true),
            ("other (2).wav", "call.wav", false),
        ] {
            assert_eq!(is_numbered(one, other), expected, "{one} {other}");
        }
    }
}
