//! Clients with certificates of their own, and clients that do not look at names.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme, version,
};

use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::{Secure, open};
use crate::authority::Authority;
use crate::folder::Folder;

/// Trusts an authority for any name.
#[derive(Debug)]
pub(super) struct AnyName(pub(super) Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_authorities_for_clients_only_those_that_they_vouch_for_are_served() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let (staff, stranger) = (Authority::new("staff"), Authority::new("staff"));
    let folder = Folder::with("staff.pem", &staff.pem());
    let secure = Secure::start_with(
        |config| {
            let tls = config.tls.as_mut().expect("TLS");
            tls.client_ca = Some(folder.path().join("staff.pem"));
        },
        &[("web", &["web.test"])],
        &services,
    )
    .await;
    for (count, version) in [&version::TLS13, &version::TLS12].into_iter().enumerate() {
        let pair = staff.vouch(&["alice.test"]);
        let opened = open(secure.address(), "web.test", secure.showing(version, &pair)).await;
        let mut client = opened.expect("a certificate of the right authority").client;
        assert_eq!(client.get("web.test", "/").await.body, task.container);

        // In TLS 1.3 a client learns that it is refused after its own last word.
        let refused = async |config| match open(secure.address(), "web.test", config).await {
            Ok(mut opened) => {
                let _ = opened
                    .client
                    .wire
                    .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                    .await;
                assert_eq!(opened.client.closed().await, "");
            }
            Err(Error::AlertReceived(_)) => {}
            Err(other) => panic!("{other}"),
        };
        refused(secure.trusting(version)).await;
        secure.refused("no-client-certificate", count + 1).await;
        let pair = stranger.vouch(&["mallory.test"]);
        refused(secure.showing(version, &pair)).await;
        secure.refused("bad-client-certificate", count + 1).await;
    }
    assert_eq!(task.requests().len(), 2);
    // What came by another listener never needed one.
    assert_eq!(secure.edge.get("web.test", "/").await.body, task.container);
}
