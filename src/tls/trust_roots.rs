//! Whose word is taken for who is at the other end of TLS: a server that is asked, or a client.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A client of servers that the authorities in a file vouch for, or else those that browsers trust.
///
/// # Errors
///
/// What is wrong with the file.
pub(crate) fn client(root: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match root {
        Some(path) => parse(&std::fs::read(path).map_err(|error| error.to_string())?)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks all versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The authorities in a text.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn parse(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("it holds no certificate".to_owned()),
        false => Ok(roots),
    }
}
