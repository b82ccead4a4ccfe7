//! The wire between the daemon and the exchange's manager interface, which the test can cut.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A forwarder to one port of this machine. What the exchange said is kept, to be looked at when a
/// test fails.
pub struct Link {
    port: u16,
    whole: watch::Sender<bool>,
    heard: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// Forwards to `target`.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, state) = watch::channel(true);
        let heard = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(listener, target, state, Arc::clone(&heard)));
        Self { port, whole, heard, _tasks: tasks }
    }

    /// Where the daemon connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes the connections, in both directions. New ones are closed at once.
    pub fn cut(&self) {
        self.heard.lock().unwrap().extend(b"--- cut\r\n");
        self.whole.send_replace(false);
    }

    /// Lets connections pass again.
    pub fn mend(&self) {
        self.heard.lock().unwrap().extend(b"--- mended\r\n");
        self.whole.send_replace(true);
    }

    /// Everything that the exchange said, all connections after each other.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

async fn forward(
    listener: TcpListener,
    target: u16,
    whole: watch::Receiver<bool>,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let mut wires = JoinSet::new();
    loop {
        let (daemon, _) = listener.accept().await.unwrap();
        // Dropped, and so closed, while the wire is cut.
        if *whole.borrow() {
            wires.spawn(wire(daemon, target, whole.clone(), Arc::clone(&heard)));
        }
        while wires.try_join_next().is_some() {}
    }
}

async fn wire(
    mut daemon: TcpStream,
    target: u16,
    mut whole: watch::Receiver<bool>,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let Ok(mut exchange) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let (mut from_daemon, mut to_daemon) = daemon.split();
    let (mut from_exchange, mut to_exchange) = exchange.split();
    let talk = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from_exchange.read(&mut buffer).await {
            heard.lock().unwrap().extend(&buffer[..count]);
            if to_daemon.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_daemon, &mut to_exchange) => {}
        () = talk => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
