//! What lies between two ends of a connection: it passes everything on, can be looked into, and can go dead.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes connections on to another address.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    stalled: watch::Sender<bool>,
    _running: JoinSet<()>,
}

impl Relay {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stalled = watch::Sender::new(false);
        let mut running = JoinSet::new();
        running.spawn(serve(listener, target, seen.clone(), stalled.subscribe()));
        Self {
            address,
            seen,
            stalled,
            _running: running,
        }
    }

    /// From here on nothing is passed on, and no connection ends.
    pub(super) fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Every byte that passed, in either direction.
    pub(super) fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    stalled: watch::Receiver<bool>,
) {
    let mut passing = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.expect("a connection");
        let far = TcpStream::connect(target)
            .await
            .expect("the target listens");
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        passing.spawn(pass(near_read, far_write, seen.clone(), stalled.clone()));
        passing.spawn(pass(far_read, near_write, seen.clone(), stalled.clone()));
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    seen: Arc<Mutex<Vec<u8>>>,
    mut stalled: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tokio::select! {
            biased;
            // What has gone dead neither passes anything on nor closes.
            () = until(&mut stalled) => std::future::pending().await,
            read = from.read(&mut buffer) => read,
        };
        let Ok(length @ 1..) = read else {
            return;
        };
        seen.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn until(stalled: &mut watch::Receiver<bool>) {
    let _ = stalled.wait_for(|stalled| *stalled).await.map(drop);
}
