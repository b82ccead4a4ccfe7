//! The connection to the PBX: TCP, and TLS where the config wants it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::tls::{self, TlsError};
use crate::config;
use crate::pbx::reconnect::Why;

/// A connection that bytes go through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to a PBX.
pub struct Link {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// Nobody can listen: it is encrypted or does not leave the machine.
    pub private: bool,
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The name is not known.
    #[error("cannot find the address of `{host}`: check `host`")]
    Address {
        /// The name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody listens, or the way is closed.
    #[error(
        "cannot connect: check that the PBX runs and that `enabled`, `bindaddr` and `port` in manager.conf fit"
    )]
    Connect(#[source] std::io::Error),
    /// It took too long.
    #[error("no connection within {} s: check `host`, `port` and the firewall", .0.as_secs_f32())]
    TimedOut(Duration),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The handshake failed.
    #[error("{reason}")]
    Handshake {
        /// What it was and what to do.
        reason: String,
        /// A person must change something first.
        lasting: bool,
    },
}

impl LinkError {
    /// How soon another try is worth it.
    pub fn why(&self) -> Why {
        match self {
            Self::Address { .. } | Self::Connect(_) | Self::TimedOut(_) => Why::Lost,
            Self::Handshake { lasting: false, .. } => Why::Lost,
            Self::Handshake { .. } | Self::Tls(_) => Why::WrongPeer,
        }
    }
}

/// Connects within `ami.connect_timeout`.
///
/// # Errors
///
/// When there is no connection in time, or the PBX cannot prove who it is.
pub async fn connect(ami: &config::Ami) -> Result<Link, LinkError> {
    let limit = ami.connect_timeout;
    timeout(limit, connect_patiently(ami)).await.unwrap_or(Err(LinkError::TimedOut(limit)))
}

async fn connect_patiently(ami: &config::Ami) -> Result<Link, LinkError> {
    let host = ami.host.as_str();
    let no_address = |source| LinkError::Address { host: host.to_owned(), source };
    let mut last_error = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in lookup_host((host, ami.port)).await.map_err(no_address)? {
        match connect_to(address).await {
            Ok(stream) => return secure(stream, address, ami).await,
            Err(error) => last_error = error,
        }
    }
    Err(LinkError::Connect(last_error))
}

async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The pings find a dead link sooner; this one also works while nobody looks.
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn secure(stream: TcpStream, address: SocketAddr, ami: &config::Ami) -> Result<Link, LinkError> {
    let Some(tls) = &ami.tls else {
        return Ok(Link { stream: Box::new(stream), private: address.ip().is_loopback() });
    };
    let (connector, name) = tls::connector(tls, &ami.host)?;
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Link { stream: Box::new(stream), private: true }),
        Err(error) => {
            let (reason, lasting) = tls::explain(&error);
            Err(LinkError::Handshake { reason, lasting })
        }
    }
}
