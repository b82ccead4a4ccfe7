//! The TCP line of one connection, so that a fault can reset it or cut an answer short.
//!
//! A reset must reach the client as RST, not as FIN: the socket is closed with a linger time of
//! zero, from inside the write that would have carried the answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The grip on a line, given to whoever answers on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Grip>);

#[derive(Debug, Default)]
struct Grip {
    reset: AtomicBool,
    /// Bytes at the end of the next write that are not sent; the line ends with them.
    withhold: AtomicUsize,
    cut: AtomicBool,
}

impl Line {
    /// The next thing the client hears is a reset.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    /// The next answer lacks its last `bytes` bytes, then the line ends.
    pub(super) fn cut(&self, bytes: usize) {
        self.0.withhold.store(bytes, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

/// The door: accepts lines, or resets each at once while the house is down.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) is_down: Box<dyn Fn() -> bool + Send>,
}

impl Listener for Door {
    type Io = Plug;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Plug, SocketAddr) {
        loop {
            // axum's own accept waits out a lack of file descriptors.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if (self.is_down)() {
                let _ = stream.set_zero_linger();
                continue;
            }
            let _ = stream.set_nodelay(true);
            return (Plug { stream, line: Line::default() }, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Our end of a line.
pub(super) struct Plug {
    stream: TcpStream,
    line: Line,
}

impl Plug {
    fn check(&self) -> io::Result<()> {
        if self.line.0.reset.load(Ordering::Acquire) {
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.line.0.cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl AsyncRead for Plug {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plug {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let withhold = self.line.0.withhold.load(Ordering::Acquire);
        if withhold == 0 {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        let keep = buf.len().saturating_sub(withhold).max(1);
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..keep]))?;
        if written == keep {
            self.line.0.cut.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
