//! TLS to the engine as Docker's own client does it: ca.pem alone is trusted, and cert.pem is shown.
//!
//! rustls is taken from Pingora, so that the process holds one copy of it with one provider of cryptography (ring).

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use pingora::tls::{
    ClientConfig, ClientTlsStream, RootCertStore, ServerName, TlsConnector,
    install_default_crypto_provider, load_ca_file_into_store, load_certs_and_key_files,
};
use tokio::net::TcpStream;

use super::Error;
use super::error::{one_line, plain};

/// Opens TLS on connections to one engine.
pub(super) struct Connector(TlsConnector);

impl Connector {
    /// Reads ca.pem, cert.pem and key.pem from `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let refuse = |path: &Path, reason: String| Error::ReadCertificates {
            path: path.to_owned(),
            reason: one_line(&reason),
        };
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.join(name));
        for path in [&ca, &cert, &key] {
            File::open(path).map_err(|error| refuse(path, plain(&error)))?;
        }
        let mut roots = RootCertStore::empty();
        load_ca_file_into_store(&ca, &mut roots).map_err(|error| refuse(&ca, error.to_string()))?;
        if roots.is_empty() {
            return Err(refuse(&ca, "it holds no certificate".to_owned()));
        }
        let (chain, private) =
            load_certs_and_key_files(&cert.to_string_lossy(), &key.to_string_lossy())
                .map_err(|error| refuse(folder, error.to_string()))?
                .ok_or_else(|| {
                    let reason = "cert.pem holds no certificate, or key.pem no key";
                    refuse(folder, reason.to_owned())
                })?;
        install_default_crypto_provider();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private)
            .map_err(|error| refuse(folder, error.to_string()))?;
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Opens TLS on `stream` to the engine called `name`, which its certificate must name.
    pub(super) async fn connect(
        &self,
        name: &str,
        stream: TcpStream,
    ) -> io::Result<ClientTlsStream<TcpStream>> {
        let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        self.0.connect(server, stream).await
    }
}
