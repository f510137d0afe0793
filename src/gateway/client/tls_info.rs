//! How a TLS connection was opened: the certificate that was served, and the name that the client asked for.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use crate::core::certificates::Certificate;

/// A certificate with the configuration that serves it.
pub(crate) struct Identity {
    pub(crate) certificate: Certificate,
    pub(crate) config: Arc<ServerConfig>,
}

/// How a TLS connection was opened.
#[derive(Clone)]
pub(crate) struct TlsInfo {
    pub(crate) identity: Arc<Identity>,
    /// The name that the client asked for.
    pub(crate) asked: Option<Arc<str>>,
}

impl TlsInfo {
    /// Whether requests for a normalised host belong on this connection.
    pub(crate) fn answers_for(&self, host: &str) -> bool {
        let certificate = &self.identity.certificate;
        certificate.answers_for(self.asked.as_deref(), host)
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured")
            .field("certificate", &self.identity.certificate.file)
            .field("asked", &self.asked)
            .finish()
    }
}
