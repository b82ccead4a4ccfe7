//! The child process that speaks libsmbclient: one request a line on standard input, one answer a line on standard output.
//!
//! The password comes in the first request, so that it stands in no command line and no environment. The data of
//! a file follows its request as bare bytes. It ends with its input. Reads no file of this machine but Samba's
//! own settings.

use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use pavao::{
    SmbClient, SmbCredentials, SmbDialect, SmbDirentType, SmbEncryptionLevel, SmbError, SmbFile, SmbMode,
    SmbOpenOptions, SmbOptions,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::PIECE;
use crate::archive::plan::Listed;

/// Begins each line of ours; the library may write others.
pub const ANSWER: &str = "ringdesk: ";

/// How much is hashed for one answer.
const PART: u64 = 8 * 1024 * 1024;

/// What the child is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the steps of `Share`, each with its own arguments")]
pub enum Request {
    Connect {
        host: String,
        port: u16,
        share: String,
        username: String,
        domain: String,
        password: String,
        require_encryption: bool,
        timeout_ms: u32,
    },
    List {
        path: String,
    },
    MakeFolder {
        path: String,
    },
    Open {
        path: String,
        from: u64,
    },
    Data {
        bytes: usize,
    },
    Close,
    OpenToRead {
        path: String,
    },
    HashSome,
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    Free,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done; the result.
    Done(Value),
    /// It failed.
    Failed(Failure),
}

/// Why it failed.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The number, where there is one.
    errno: Option<i32>,
    text: String,
}

impl Failure {
    /// The number, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        self.errno.map(Errno::from_raw_os_error)
    }
}

/// What lies in a folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    name: String,
    bytes: u64,
    is_folder: bool,
    modified: Option<Timestamp>,
}

impl Found {
    /// In the words of the plan.
    pub fn into_listed(self) -> Listed {
        let Self { name, bytes, is_folder, modified } = self;
        Listed { name, bytes, is_folder, modified, sha256: None }
    }
}

/// Serves requests until the input ends.
///
/// # Errors
/// When input or output break.
pub fn serve() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let first = serde_json::from_str(&line)?;
    // Overwritten as well as one can: nothing else needs the password.
    line.clear();
    let client = match connect(first) {
        Ok(client) => client,
        Err(failure) => return answer(Err(failure)),
    };
    answer(Ok(Value::Null))?;
    let mut open = None;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let request = serde_json::from_str(&line)?;
        let mut data = Vec::new();
        if let Request::Data { bytes } = request {
            data.resize(bytes.min(PIECE), 0);
            input.read_exact(&mut data)?;
        }
        answer(step(&client, &mut open, request, &data))?;
    }
}

fn answer(result: Result<Value, Failure>) -> io::Result<()> {
    let answer = result.map_or_else(Answer::Failed, Answer::Done);
    let mut output = io::stdout().lock();
    writeln!(output, "{ANSWER}{}", json!(answer))?;
    output.flush()
}

fn connect(request: Request) -> Result<SmbClient, Failure> {
    let Request::Connect { host, port, share, username, domain, password, require_encryption, timeout_ms } =
        request
    else {
        return Err(failed("the first request must be the connection"));
    };
    let has_tickets = std::env::var_os("KRB5CCNAME").is_some();
    let options = SmbOptions::default()
        .min_protocol(SmbDialect::Smb202)
        .no_auto_anonymous_login(true)
        .use_kerberos(has_tickets)
        .use_ccache(has_tickets)
        .fallback_after_kerberos(true)
        .encryption_level(if require_encryption {
            SmbEncryptionLevel::Require
        } else {
            SmbEncryptionLevel::None
        });
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let credentials = SmbCredentials::default()
        .server(format!("smb://{host}:{port}"))
        .share(encoded(&format!("/{share}")))
        .username(username)
        .workgroup(domain)
        .password(password);
    let client = SmbClient::new(credentials, options)?;
    client.set_timeout(Duration::from_millis(timeout_ms.into()))?;
    // Nothing is connected until something is asked for.
    client.stat("/")?;
    Ok(client)
}

/// A file that is open: its path, and what was read of it.
struct Open<'c> {
    path: String,
    file: SmbFile<'c>,
    hash: Sha256,
    read: u64,
}

fn step<'c>(
    client: &'c SmbClient,
    open: &mut Option<Open<'c>>,
    request: Request,
    data: &[u8],
) -> Result<Value, Failure> {
    match request {
        Request::Connect { .. } => Err(failed("it is connected already")),
        Request::List { path } => list(client, &path),
        Request::MakeFolder { path } => {
            client.mkdir(place(&path), SmbMode::from(0o755))?;
            Ok(Value::Null)
        }
        Request::Open { path, from } => {
            let options = SmbOpenOptions::default().write(true).create(true).truncate(from == 0).mode(0o644);
            let mut file = client.open_with(place(&path), options)?;
            file.seek(SeekFrom::Start(from))?;
            *open = Some(Open { path, file, hash: Sha256::new(), read: 0 });
            Ok(Value::Null)
        }
        Request::Data { .. } => {
            opened(open)?.file.write_all(data)?;
            Ok(Value::Null)
        }
        Request::Close => {
            let Open { path, file, .. } = open.take().ok_or_else(|| failed("no file is open"))?;
            drop(file);
            Ok(json!(client.stat(place(&path))?.size))
        }
        Request::OpenToRead { path } => {
            let file = client.open_with(place(&path), SmbOpenOptions::default().read(true))?;
            *open = Some(Open { path, file, hash: Sha256::new(), read: 0 });
            Ok(Value::Null)
        }
        Request::HashSome => {
            let reading = opened(open)?;
            let (mut piece, until) = (vec![0; PIECE], reading.read + PART);
            while reading.read < until {
                let count = reading.file.read(&mut piece)?;
                if count == 0 {
                    let sum: [u8; 32] = reading.hash.clone().finalize().into();
                    let found = json!((reading.read, sum));
                    *open = None;
                    return Ok(found);
                }
                reading.hash.update(&piece[..count]);
                reading.read += count as u64;
            }
            Ok(Value::Null)
        }
        Request::Rename { from, to } => {
            // The library would delete a file of that name.
            match client.stat(place(&to)) {
                Ok(_) => return Err(Errno::EXIST.into()),
                Err(SmbError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            client.rename(place(&from), place(&to))?;
            Ok(Value::Null)
        }
        Request::Remove { path } => match client.unlink(place(&path)) {
            Err(SmbError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
            done => done.map(|()| Value::Null).map_err(Failure::from),
        },
        Request::Free => {
            let found = client.statvfs("/")?;
            // The fragment size counts sectors of an allocation unit here, not bytes (libsmbclient(3) is silent).
            let unit = found.bsize.saturating_mul(found.frsize.max(1));
            Ok(json!((found.blocks > 0).then(|| found.bavail.saturating_mul(unit))))
        }
    }
}

fn opened<'o, 'c>(open: &'o mut Option<Open<'c>>) -> Result<&'o mut Open<'c>, Failure> {
    open.as_mut().ok_or_else(|| failed("no file is open"))
}

fn list(client: &SmbClient, path: &str) -> Result<Value, Failure> {
    // A listing loses the reason of its failure.
    match client.stat(place(path)) {
        Ok(_) => {}
        Err(SmbError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(error.into()),
    }
    let found: Vec<Found> = client
        .list_dirplus(place(path))?
        .into_iter()
        .map(|entry| {
            let is_folder = entry.get_type() == SmbDirentType::Dir;
            Found {
                bytes: if is_folder { 0 } else { entry.size },
                is_folder,
                modified: Timestamp::try_from(entry.mtime).ok(),
                name: entry.name,
            }
        })
        .collect();
    Ok(json!(found))
}

fn place(path: &str) -> String {
    format!("/{}", encoded(path))
}

/// A path as it stands in a URL: the library decodes `%41` and cuts at `#`.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn failed(text: &str) -> Failure {
    Failure { errno: None, text: text.to_owned() }
}

impl From<SmbError> for Failure {
    fn from(error: SmbError) -> Self {
        match error {
            SmbError::Io(error) => error.into(),
            other => failed(&other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_in_a_url() {
        assert_eq!(encoded("/a%41b/c#d?e ü+.wav"), "/a%2541b/c%23d%3Fe%20%C3%BC%2B.wav");
    }

    #[test]
    fn requests_and_answers_are_lines() {
        let request = json!(Request::Open { path: "a\nb".to_owned(), from: 7 }).to_string();
        assert_eq!(request, r#"{"open":{"from":7,"path":"a\nb"}}"#);
        let failure = Failure::from(Errno::NOSPC);
        let line = json!(Answer::Failed(failure)).to_string();
        let Answer::Failed(back) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!(back.errno(), Some(Errno::NOSPC));
    }
}
