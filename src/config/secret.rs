//! Secrets: written in the file, in a file of their own, or handed over by systemd.
//!
//! Source of the third way: systemd.exec(5), `LoadCredential=` and `$CREDENTIALS_DIRECTORY`.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::document::Place;
use super::reader::{Presence, Reader, shown};
use super::section::Section;
use super::slot::{Slot, Spot};
use super::tree::{Entry, Value};

/// Larger files are no secrets but mistakes.
const LARGEST: u64 = 64 * 1024;

/// A password, token or key. Prints as `[REDACTED]` and is overwritten in memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself. Look at it only where it is sent.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Both come from the same admin's config, so the time it takes tells nobody anything.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Whether secrets must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// The daemon cannot do without.
    Needed,
    /// Where one cannot be read here (systemd hands it to the service alone, or its file is not
    /// readable for this user), it is empty and a warning says so: `check`, `replay`.
    IfReadable,
}

/// Reads a secret that stands at exactly one of three keys: the text, a file, a systemd credential.
///
/// A key from the environment beats those of the file, so that a secret can be put over any file.
pub(super) fn read<'r>(section: &mut Section<'r>, keys: [&'static str; 3]) -> Slot<'r, Secret> {
    for key in &keys[1..] {
        section.learn(key, Presence::Optional, false);
    }
    let mut given: Vec<(&'static str, Entry)> =
        keys.iter().filter_map(|key| Some((*key, section.ask(key)?))).collect();
    if let Some((_, entry)) = given.iter().find(|(key, _)| *key == keys[0]) {
        section.reader.mask(&entry.node.place);
        section
            .reader
            .secret_in_file
            .set(matches!(entry.key, Place::File(_)) || section.reader.secret_in_file.get());
    }
    if given.iter().any(|(_, entry)| matches!(entry.key, Place::Variable(_))) {
        given.retain(|(_, entry)| matches!(entry.key, Place::Variable(_)));
    }
    if let [.., (first, _), (second, entry)] = given.as_slice() {
        let message = format!("`{first}` is set as well: keep one of the two");
        section.reader.mistake(&entry.key, section.path_of(second), message);
        return section.secret_slot(keys[0], Some(None));
    }
    let found = given.pop().map(|(key, entry)| {
        let path = section.path_of(key);
        let (Value::Text(text) | Value::Variable(text)) = &entry.node.value else {
            let message = format!("this is {}: write text in quotes", entry.node.value.kind());
            section.reader.mistake(&entry.node.place, path, message);
            return None;
        };
        let value = if key == keys[0] {
            fault_in(text).map_or_else(
                || Some(text.as_str().into()),
                |fault| {
                    section.reader.mistake(
                        &entry.node.place,
                        path.clone(),
                        format!("{fault}: write the secret itself"),
                    );
                    None
                },
            )
        } else if key == keys[1] {
            from_file(section.reader, &entry.node.place, &path, &section.reader.document.resolve(text))
        } else {
            from_credential(section.reader, &entry.node.place, &path, text)
        };
        Some(Spot { value: value?, place: entry.node.place, key: path })
    });
    section.secret_slot(keys[0], found)
}

fn from_credential(reader: &Reader<'_>, place: &Place, path: &str, name: &str) -> Option<Secret> {
    if name.is_empty() || name == ".." || name.contains('/') {
        let message =
            format!("{} is no credential's name: write the name given to LoadCredential=", shown(name));
        reader.mistake(place, path, message);
        return None;
    }
    match reader.environment.get("CREDENTIALS_DIRECTORY") {
        Some(folder) => from_file(reader, place, path, &Path::new(folder).join(name)),
        None if reader.secrets == Secrets::IfReadable => {
            reader.warning(place, path, "not looked at: only the service gets its credentials from systemd");
            Some("".into())
        }
        None => {
            let way_out = format!(
                "there are no credentials ($CREDENTIALS_DIRECTORY is not set): write \
                 LoadCredential={name}:/path/of/the/file in the systemd unit"
            );
            reader.mistake(place, path, way_out);
            None
        }
    }
}

fn from_file(reader: &Reader<'_>, place: &Place, path: &str, file: &Path) -> Option<Secret> {
    let found = match read_file(file) {
        Ok(found) => found,
        Err(error)
            if reader.secrets == Secrets::IfReadable && error.kind() == ErrorKind::PermissionDenied =>
        {
            reader.warning(place, path, format!("not looked at: this user may not read {}", file.display()));
            return Some("".into());
        }
        Err(error) => {
            let message = format!("cannot read {}: {error}: let the service's user read it", file.display());
            reader.mistake(place, path, message);
            return None;
        }
    };
    // Credentials are made by systemd, which knows their permissions best.
    if let Some(permissions) = found.open_to_others.filter(|_| !path.ends_with("_credential")) {
        reader.warning(
            place,
            path,
            format!("{} is open to others ({permissions:04o}): chmod 0640", file.display()),
        );
    }
    if let Some(fault) = fault_in(&found.text) {
        reader.mistake(place, path, format!("{}: {fault}", file.display()));
        return None;
    }
    Some(found.text.into())
}

/// Says why text cannot be a secret, without showing it. `None`: it can.
fn fault_in(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty: write the secret")
    } else if text.chars().any(char::is_control) {
        // A line break would end the line of the PBX's protocol or the HTTP header it is sent in.
        Some("it holds a line break or another control character: only one line break at the end is cut")
    } else {
        None
    }
}

/// A secret read from a file.
struct SecretFile {
    text: String,
    /// Others than owner and group may read it, or others than the owner may write it.
    open_to_others: Option<u32>,
}

/// Reads a secret's file and cuts one line break at its end.
fn read_file(path: &Path) -> std::io::Result<SecretFile> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(std::io::Error::other("this is no file"));
    }
    let mut text = String::new();
    if file.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(std::io::Error::other("this is too large for a secret"));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(SecretFile { text, open_to_others: open_to_others(&found) })
}

/// The permissions of a file that is more open than 0640.
pub(super) fn open_to_others(found: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let permissions = found.mode() & 0o777;
    (permissions & 0o037 != 0).then_some(permissions)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, permissions: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(permissions)).unwrap();
        file
    }

    #[test]
    fn one_line_break_at_the_end_is_cut() {
        for (text, expected) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), ("\n", "")] {
            assert_eq!(read_file(file(text, 0o600).path()).unwrap().text, expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_open_to_others_is_noticed() {
        for (permissions, open) in
            [(0o640, false), (0o400, false), (0o440, false), (0o644, true), (0o660, true), (0o604, true)]
        {
            let found = read_file(file("x", permissions).path()).unwrap().open_to_others;
            assert_eq!(found, open.then_some(permissions), "{permissions:o}");
        }
    }

    #[test]
    fn what_is_no_small_file_is_no_secret() {
        assert!(read_file(Path::new("/")).is_err());
        assert!(read_file(Path::new("/nowhere/at/all")).is_err());
        assert!(read_file(file(&"x".repeat(70_000), 0o600).path()).is_err());
        assert!(read_file(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::from("hush");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[REDACTED] Some([REDACTED])");
        assert_eq!(secret, Secret::from("hush".to_owned()));
        assert_ne!(secret, Secret::from("hash"));
    }

    #[test]
    fn control_characters_and_nothing_are_no_secret() {
        for (text, allowed) in [("a b'\"\\ü", true), ("", false), ("a\nb", false), ("a\0", false)] {
            assert_eq!(fault_in(text).is_none(), allowed, "{text:?}");
        }
    }
}
