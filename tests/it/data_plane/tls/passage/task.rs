//! Tasks that speak TLS with certificates of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConnection, ServerConfig};

use crate::authority::Authority;

/// A task that greets each client with its own name, says again what it hears, and `bye` when the client has ended.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) certificate: CertificateDer<'static>,
    running: JoinSet<()>,
}

/// Tasks of one service on one port, each on its own address and with a certificate for a name.
pub(super) async fn tasks<const N: usize>(authority: &Authority, names: [&str; N]) -> [Task; N] {
    let listeners = loop {
        let mut listeners: Vec<TcpListener> = Vec::new();
        for last in 0..N {
            let port = listeners.first().map_or(0, |first| {
                first.local_addr().expect("a bound socket").port()
            });
            let last = u8::try_from(last + 2).expect("a few tasks");
            match TcpListener::bind((Ipv4Addr::new(127, 0, 6, last), port)).await {
                Ok(listener) => listeners.push(listener),
                Err(_) => break,
            }
        }
        if let Ok(listeners) = <[TcpListener; N]>::try_from(listeners) {
            break listeners;
        }
    };
    let mut names = names.into_iter();
    listeners.map(|listener| Task::start(authority, names.next().expect("one each"), listener))
}

impl Task {
    fn start(authority: &Authority, name: &str, listener: TcpListener) -> Self {
        let pair = authority.vouch(&[name]);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![pair.der()], pair.key_der())
            .expect("a pair");
        let address = listener.local_addr().expect("a bound socket");
        let own = format!("task at {address}");
        let mut running = JoinSet::new();
        running.spawn(run(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            own.clone(),
        ));
        Self {
            name: own,
            address,
            certificate: pair.der(),
            running,
        }
    }

    /// Closes the listener and every connection.
    pub(super) async fn crash(&mut self) {
        self.running.shutdown().await;
    }
}

async fn run(listener: TcpListener, acceptor: TlsAcceptor, name: String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                connections.spawn(serve(acceptor.clone(), stream, name.clone()));
            }
            Some(ended) = connections.join_next() => ended.expect("a task does not panic"),
        }
    }
}

/// Serves one client, as long as it likes.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream, name: String) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut heard = vec![0; 16 * 1024];
    let mut says = format!("{name}\n").into_bytes();
    loop {
        if stream.write_all(&says).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        match stream.read(&mut heard).await {
            Ok(0) => break,
            Ok(count) => says = heard[..count].to_vec(),
            Err(_) => return,
        }
    }
    // A client that is gone by now need not be told.
    let _ = stream.write_all(b"bye").await;
    let _ = stream.shutdown().await;
}

/// A client's first message for a name, in one record.
pub(super) fn hello(name: &str) -> Vec<u8> {
    let config = super::client(&Authority::new("nobody"));
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a vector");
    bytes
}
