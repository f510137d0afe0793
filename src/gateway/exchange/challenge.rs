//! Proves to an ACME server that a host is ours: by the file that it asks for, or by the certificate.
//!
//! # Design notes
//!
//! What is expected is asked for here when a request looks like a proof, and not carried to where requests are decided: a path
//! is compared, and nothing else happens where it is another. The certificate of a proof is made when it is asked for. It costs
//! what a handshake costs, and can be had only while a proof of this host is expected.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use ring::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::core::certificates::acme::{self, Challenge, WELL_KNOWN};

/// The protocol of a proof by a certificate (RFC 8737, section 6.1).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// What ACME servers are about to ask, by all who know of it. Written by the own controller and by who follows others.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<[watch::Receiver<Arc<[Challenge]>>]>);

impl Challenges {
    /// What is told here.
    #[must_use]
    pub fn new(told: impl IntoIterator<Item = watch::Receiver<Arc<[Challenge]>>>) -> Self {
        Self(told.into_iter().collect())
    }

    /// What the file under a path holds, if one is expected there.
    pub(crate) fn file(&self, path: &str) -> Option<Arc<str>> {
        if !path.starts_with(WELL_KNOWN) {
            return None;
        }
        let mut told = self.0.iter();
        told.find_map(|open| acme::file(&open.borrow(), path).cloned())
    }

    /// How to open a connection that is to prove whose a host is; none where this is not asked for, or not expected.
    pub(crate) fn proof(
        &self,
        hello: &ClientHello<'_>,
        host: Option<&str>,
    ) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        let host = host?;
        let mut told = self.0.iter();
        let answer = told.find_map(|open| {
            let open = open.borrow();
            acme::by_certificate(&open, host).map(|it| it.answer.clone())
        })?;
        prove(host, &answer)
    }
}

/// A certificate that nobody vouches for, with the digest of the answer in it (RFC 8737, section 3). None for what is no name.
fn prove(host: &str, answer: &str) -> Option<Arc<ServerConfig>> {
    let mut params = CertificateParams::new([host.to_owned()]).ok()?;
    let digest = digest(&SHA256, answer.as_bytes());
    let extension = CustomExtension::new_acme_identifier(digest.as_ref());
    params.custom_extensions.push(extension);
    let key = KeyPair::generate().ok()?;
    let certificate = params.self_signed(&key).ok()?;
    let provider = Arc::new(default_provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let key = provider.key_provider.load_private_key(key.into()).ok()?;
    // Not by the way that checks the pair: that refuses a certificate whose critical extension it does not know.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Nobody comes back to such a connection.
    config.send_tls13_tickets = 0;
    Some(Arc::new(config))
}
