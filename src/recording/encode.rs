//! Smaller sound by `ffmpeg`, a child process with limits. It is optional: without it files go as they are.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// What recordings are attached as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As the PBX wrote them.
    AsItIs,
    /// MP3.
    Mp3,
    /// Opus in Ogg.
    Opus,
}

impl Format {
    /// The ending of its files.
    pub fn ending(self) -> Option<&'static str> {
        match self {
            Self::AsItIs => None,
            Self::Mp3 => Some("mp3"),
            Self::Opus => Some("opus"),
        }
    }

    /// Enough for speech, in kbit/s: telephones pass on 3.4 kHz.
    pub fn usual_rate(self) -> u32 {
        match self {
            Self::AsItIs | Self::Mp3 => 32,
            Self::Opus => 24,
        }
    }
}

/// Encodes at least a hundred times as fast as it plays; a machine that is busy gets twenty times that.
const LIMIT: Duration = Duration::from_secs(600);

/// More memory is not needed for sound, in bytes.
const MEMORY: u64 = 1 << 30;

/// More is no recording that fits anywhere, in bytes.
const LARGEST: u64 = 2_000_000_000;

/// So much of what it says is kept.
const SAID: u64 = 4_096;

/// Below the calls, which run with 0.
const NICE: i32 = 15;

/// `ffmpeg`.
#[derive(Clone, Debug)]
pub struct Encoder {
    program: PathBuf,
    limit: Duration,
}

/// There is no encoded file.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The program is not there.
    #[error("{} is not there: install ffmpeg, or set format = \"wav\" in [recording]", .0.display())]
    NoProgram(PathBuf),
    /// It cannot be started or its file not be used.
    #[error("ffmpeg cannot be used")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("ffmpeg did not end within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// It says no.
    #[error("ffmpeg failed ({status}): {said}")]
    Failed {
        /// How it ended.
        status: String,
        /// Its last line, without names of files.
        said: String,
    },
}

impl Encoder {
    /// The encoder by this program, a name or a path.
    pub fn new(program: PathBuf) -> Self {
        Self { program, limit: LIMIT }
    }

    /// Writes `source` to `target` in this format; gives its length in bytes. When it fails, there is no target.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub async fn encode(
        &self,
        source: &Path,
        target: &Path,
        format: Format,
        kbit: u32,
    ) -> Result<u64, EncodeError> {
        let (codec, container) = match format {
            Format::Opus => ("libopus", "ogg"),
            Format::AsItIs | Format::Mp3 => ("libmp3lame", "mp3"),
        };
        let (rate, file) = (format!("{kbit}k"), |path: &Path| {
            // With its protocol the name cannot be taken for an option or an address.
            let mut name = std::ffi::OsString::from("file:");
            name.push(path);
            name
        });
        let mut command = Command::new(&self.program);
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file", "-i"])
            .arg(file(source))
            .args(["-vn", "-sn", "-dn", "-map_metadata", "-1", "-map", "0:a:0", "-ac", "1", "-threads", "1"])
            .args(["-c:a", codec, "-b:a", &rate, "-f", container, "-y"])
            .arg(file(target));
        let done = self.run(&mut command).await;
        let made = done.and_then(|_| {
            std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o600))?;
            match target.metadata()?.len() {
                0 => {
                    Err(EncodeError::Failed { status: "0".to_owned(), said: "its file is empty".to_owned() })
                }
                bytes => Ok(bytes),
            }
        });
        if made.is_err() {
            let _ = std::fs::remove_file(target);
        }
        made
    }

    /// The program's first line about itself, which proves that it is there.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub async fn version(&self) -> Result<String, EncodeError> {
        let mut command = Command::new(&self.program);
        command.arg("-version");
        let said = self.run(&mut command).await?;
        Ok(said.lines().next().unwrap_or_default().chars().take(80).collect())
    }

    async fn run(&self, command: &mut Command) -> Result<String, EncodeError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = match spawn(command).await {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(EncodeError::NoProgram(self.program.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        hold_down(&child);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ends = async {
            let (out, err, status) = tokio::join!(read_some(out), read_some(err), child.wait());
            Ok::<_, io::Error>((out, err, status?))
        };
        let (out, err, status) =
            tokio::time::timeout(self.limit, ends).await.map_err(|_| EncodeError::TooSlow(self.limit))??;
        if status.success() {
            return Ok(out);
        }
        let last = err.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(EncodeError::Failed { status: status.to_string(), said: without_paths(last) })
    }
}

/// A program that was written just now may be held open by another child of ours for a moment.
async fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..20 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            spawned => return spawned,
        }
    }
    command.spawn()
}

/// Limits of the child; where the system refuses them it runs without.
fn hold_down(child: &Child) {
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else { return };
    let _ = setpriority_process(Some(pid), NICE);
    for (resource, most) in [
        (Resource::As, MEMORY),
        (Resource::Fsize, LARGEST),
        (Resource::Cpu, LIMIT.as_secs()),
        (Resource::Core, 0),
    ] {
        let _ = prlimit(Some(pid), resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

/// The beginning of what it says; the rest is read and dropped, so that it never waits for us.
async fn read_some(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut said = Vec::new();
    let _ = (&mut pipe).take(SAID).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}

/// Names of files may hold callers' numbers.
fn without_paths(line: &str) -> String {
    let words = line.split_whitespace().map(|word| if word.contains('/') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A program of a few lines in the place of ffmpeg. `$in` and `$out` are the files.
    pub fn fake(folder: &Path, lines: &str) -> Encoder {
        let program = folder.join("ffmpeg");
        let read = r#"out=; in=; for arg; do [ "$before" = -i ] && in=${arg#file:}; out=${arg#file:}; before=$arg; done"#;
        std::fs::write(&program, format!("#!/bin/sh\n{read}\n{lines}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Encoder::new(program)
    }

    async fn encodes(lines: &str, limit: Duration) -> (Result<u64, EncodeError>, bool, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("-in +4930.wav"), folder.path().join("out.mp3"));
        std::fs::write(&source, "0123456789").unwrap();
        let encoder = Encoder { limit, ..fake(folder.path(), lines) };
        let made = encoder.encode(&source, &target, Format::Mp3, 32).await;
        (made, target.exists(), folder)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_the_program_makes_is_the_target() {
        let (made, there, folder) = encodes(r#"head -c 4 "$in" > "$out""#, LONG).await;
        assert!(matches!(made, Ok(4)) && there, "{made:?}");
        let mode = std::fs::metadata(folder.path().join("out.mp3")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn whatever_goes_wrong_there_is_no_target_and_no_number_in_the_error() {
        let failed = r#"echo x > "$out"; seq 1 20000 >&2; echo "/spool/+4930.wav: Invalid data" >&2; exit 3"#;
        let (made, there, _folder) = encodes(failed, LONG).await;
        let error = made.unwrap_err().to_string();
        assert!(!there && error.contains("exit status: 3") && !error.contains("4930"), "{error}");

        let (made, there, _folder) = encodes(r#": > "$out""#, LONG).await;
        assert!(!there && made.unwrap_err().to_string().contains("its file is empty"));

        let (made, there, _folder) =
            encodes(r#"echo x > "$out"; sleep 60"#, Duration::from_millis(300)).await;
        assert!(!there && matches!(made, Err(EncodeError::TooSlow(_))), "{made:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_with_the_way_out() {
        let error = Encoder::new("/nowhere/ffmpeg".into()).version().await.unwrap_err().to_string();
        assert!(error.contains("install ffmpeg"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let version = fake(folder.path(), "echo ffmpeg version 7").version().await.unwrap();
        assert_eq!(version, "ffmpeg version 7");
    }

    #[tokio::test]
    async fn the_child_has_limits() {
        let (made, _, folder) = encodes(r#"(ulimit -v; ulimit -c) > "$out"; nice >> "$out""#, LONG).await;
        made.unwrap();
        // They are set while it starts, so only that it runs on with them is certain; the last line mostly is.
        let said = std::fs::read_to_string(folder.path().join("out.mp3")).unwrap();
        assert_eq!(said.lines().count(), 3, "{said}");
    }
}
