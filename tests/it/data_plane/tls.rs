//! TLS as clients see it: real handshakes with certificates that an authority of the test vouches for.

mod certificates;
mod clients;
mod handshakes;
mod http2;
mod names;
mod passage;
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::gateway::Config;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error, HandshakeKind, SupportedProtocolVersion, version};

use super::client::Client;
use super::edge::Edge;
use super::service::Service;
use crate::authority::{Authority, Pair};
use crate::bounded::bounded;
use crate::folder::Folder;

/// A gateway that serves TLS, the folder of its certificates, and who vouches for them.
struct Secure {
    edge: Edge,
    folder: Folder,
    authority: Authority,
}

/// A client's side of a handshake that succeeded.
struct Opened {
    client: Client,
    certificate: CertificateDer<'static>,
    protocol: Option<Vec<u8>>,
    /// Whether the session is one of an earlier connection.
    resumed: bool,
}

impl Secure {
    /// One whose folder holds certificates for these names, each in files of the given name.
    async fn start(certificates: &[(&str, &[&str])], services: &[Service]) -> Self {
        Self::start_with(|_| {}, certificates, services).await
    }

    async fn start_with(
        change: impl FnOnce(&mut Config),
        certificates: &[(&str, &[&str])],
        services: &[Service],
    ) -> Self {
        let (folder, authority) = (Folder::new(), Authority::new("the test"));
        for (file, names) in certificates {
            authority.vouch(names).write(folder.path(), file);
        }
        let edge = Edge::secure(folder.path(), change, services).await;
        Self {
            edge,
            folder,
            authority,
        }
    }

    fn address(&self) -> SocketAddr {
        self.edge.public_tls.expect("a listener for TLS")
    }

    /// A client that trusts the authority and asks for a name, or says why there is no connection.
    async fn try_open(&self, name: &str) -> Result<Opened, Error> {
        open(self.address(), name, self.trusting(&version::TLS13)).await
    }

    async fn open(&self, name: &str) -> Opened {
        let opened = self.try_open(name).await;
        opened.unwrap_or_else(|error| panic!("no TLS for {name}: {error}"))
    }

    /// A client's connection for a name.
    async fn client(&self, name: &str) -> Client {
        self.open(name).await.client
    }

    /// What a client without a certificate speaks that trusts the authority.
    fn trusting(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(self.authority.roots())
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config
    }

    /// The same that shows a certificate.
    fn showing(&self, version: &'static SupportedProtocolVersion, pair: &Pair) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(self.authority.roots())
            .with_client_auth_cert(vec![pair.der()], pair.key_der())
            .expect("a pair");
        config.resumption = Resumption::disabled();
        config
    }

    /// The next event of this kind.
    async fn event(&self, kind: &str) -> Event {
        loop {
            let event = self.edge.event().await;
            if event.kind() == kind {
                return event;
            }
        }
    }

    /// Waits until a line stands in the metrics.
    async fn shows(&self, line: &str) {
        let shown = async {
            while !self
                .edge
                .metrics
                .render(None)
                .contains(&format!("{line}\n"))
            {
                tokio::task::yield_now().await;
            }
        };
        bounded(shown).await;
    }

    /// Waits until handshakes that failed for this reason are so many.
    async fn refused(&self, reason: &str, count: usize) {
        let name = "hiveway_tls_handshakes_refused_total";
        self.shows(&format!("{name}{{reason=\"{reason}\"}} {count}"))
            .await;
    }

    /// Waits until clients for a name, who may refuse what is shown before, are shown this certificate.
    async fn serves(&self, name: &str, pair: &Pair) {
        let served = async {
            loop {
                match self.try_open(name).await {
                    Ok(opened) if opened.certificate == pair.der() => return,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        bounded(served).await;
    }
}

/// Opens TLS. In TLS 1.3 a client does not know yet whether its own certificate is accepted.
async fn open(address: SocketAddr, name: &str, config: ClientConfig) -> Result<Opened, Error> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let stream = bounded(TcpStream::connect(address)).await;
    let stream = stream.expect("a listener");
    let stream = bounded(connector.connect(name, stream)).await;
    let stream = stream.map_err(|error| {
        let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
        inner
            .cloned()
            .unwrap_or_else(|| panic!("no TLS at all: {error}"))
    })?;
    let session = stream.get_ref().1;
    let certificates = session.peer_certificates().expect("a certificate");
    Ok(Opened {
        certificate: certificates[0].clone(),
        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        client: Client::on(stream),
    })
}

/// Checks nothing of names: for certificates that are not for the name that was asked for.
fn any_name(authority: &Authority) -> Arc<dyn ServerCertVerifier> {
    let provider = Arc::new(default_provider());
    let roots = Arc::new(authority.roots());
    let inner = WebPkiServerVerifier::builder_with_provider(roots, provider);
    Arc::new(clients::AnyName(inner.build().expect("an authority")))
}
