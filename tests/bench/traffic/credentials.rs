//! The certificate that every proxy shows, made for the run, and clients that trust its authority alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::HOST;
use crate::client::check;
use crate::load::{Connection, Exchange, connect, first_success};

/// A certificate with an ECDSA key on P-256, and where its parts are, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Who vouches for it.
    pub(crate) authority: PathBuf,
    /// A folder with nothing but the certificate and its key.
    pub(crate) folder: PathBuf,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Both in one file.
    pub(crate) both: PathBuf,
}

impl Credentials {
    /// Makes them and writes them below a directory.
    pub(crate) fn make(directory: &Path) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new([])?;
        let name = "benchmark authority";
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([HOST.to_owned()])?;
        let certificate = params.signed_by(&key, &authority)?.pem();
        let key = key.serialize_pem();
        let folder = directory.join("certificates");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("creating {}", folder.display()))?;
        let made = Self {
            authority: directory.join("authority.pem"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
            both: directory.join("server.pem"),
            folder,
        };
        for (path, text) in [
            (&made.authority, &authority.pem()),
            (&made.certificate, &certificate),
            (&made.key, &key),
            (&made.both, &format!("{certificate}{key}")),
        ] {
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(made)
    }

    /// Asks by TLS until a right answer comes.
    pub(crate) async fn first_answer(
        &self,
        target: SocketAddr,
        within: Duration,
    ) -> anyhow::Result<()> {
        let tls = Tls::trusting(&self.authority, "http/1.1")?;
        let attempt = || async {
            let stream = tls.connect(target, 0).await?;
            check(&Connection::new(stream, HOST).ask().await?)
        };
        let answered = first_success(within, attempt).await;
        answered
            .map(drop)
            .with_context(|| format!("no right answer by TLS from {target} in {within:?}"))
    }
}

/// A client of TLS that resumes no session.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    protocol: &'static str,
}

impl Tls {
    /// One that trusts the authority in this file, and speaks this protocol inside.
    pub(crate) fn trusting(authority: &Path, protocol: &'static str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).context("reading the authority")?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![protocol.into()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            protocol,
        })
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(
        &self,
        target: SocketAddr,
        number: usize,
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = connect(target, number).await?;
        let name = ServerName::try_from(HOST).expect("the host is a name");
        let stream = self.connector.connect(name, stream).await;
        let stream = stream.context("shaking hands")?;
        let agreed = stream.get_ref().1.alpn_protocol();
        ensure!(
            agreed.is_none_or(|agreed| agreed == self.protocol.as_bytes()),
            "the proxy chose another protocol than {}",
            self.protocol
        );
        Ok(stream)
    }
}

/// Connections by TLS that are closed after one request.
pub(crate) struct Handshake {
    tls: Tls,
    target: SocketAddr,
    number: usize,
}

impl Handshake {
    pub(crate) fn new(tls: Tls, target: SocketAddr, number: usize) -> Self {
        Self {
            tls,
            target,
            number,
        }
    }
}

impl Exchange for Handshake {
    async fn exchange(&mut self) -> anyhow::Result<()> {
        let mut stream = self.tls.connect(self.target, self.number).await?;
        check(&Connection::new(&mut stream, HOST).ask().await?)?;
        // A proxy that has closed already has nothing more to be told.
        let _ = stream.shutdown().await;
        Ok(())
    }
}
