//! The key pair that a secret stands for, and TLS between two who have the same.

use std::io;
use std::sync::Arc;

use ring::hkdf::{HKDF_SHA256, Salt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use tokio_rustls::rustls::crypto::ring::{default_provider, sign};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::AlwaysResolvesServerRawPublicKeys;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName,
    Error, PeerIncompatible, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Secret;

/// What comes before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Speaks TLS with whoever holds the same secret, and with nobody else. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    client: TlsConnector,
    server: TlsAcceptor,
}

impl Identity {
    /// The identity that a secret stands for; the same on every machine.
    #[must_use]
    pub fn derive(secret: &Secret) -> Self {
        let mut key = PKCS8_PREFIX.to_vec();
        key.extend(seed(secret.bytes()));
        let key = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(key))
            .expect("any 32 bytes are an Ed25519 seed");
        let public = key.public_key().expect("ring knows the public half");
        let public = public.into_owned();
        let shown = CertificateDer::from(public.to_vec());
        let certified = Arc::new(CertifiedKey::new(vec![shown], key));
        let provider = Arc::new(default_provider());
        let same = Arc::new(SameKey {
            public,
            algorithms: provider.signature_verification_algorithms,
        });
        Self {
            client: TlsConnector::from(Arc::new(client(&provider, &same, &certified))),
            server: TlsAcceptor::from(Arc::new(server(&provider, &same, &certified))),
        }
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let nobody = ServerName::try_from("hiveway").expect("a name");
        Ok(self.client.connect(nobody, stream).await?.into())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(self.server.accept(stream).await?.into())
    }
}

/// Whether TLS failed because the peer holds another secret: it showed another key, or refused ours.
pub(super) fn is_another_secret(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
                | Error::AlertReceived(AlertDescription::AccessDenied)
        )
    )
}

fn seed(secret: &[u8]) -> [u8; 32] {
    let mut seed = [0; 32];
    Salt::new(HKDF_SHA256, b"hiveway control channel, version 1")
        .extract(secret)
        .expand(&[b"ed25519 seed"], HKDF_SHA256)
        .and_then(|key| key.fill(&mut seed))
        .expect("SHA-256 gives 32 bytes");
    seed
}

fn client(
    provider: &Arc<CryptoProvider>,
    same: &Arc<SameKey>,
    certified: &Arc<CertifiedKey>,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("ring speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(same.clone())
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            certified.clone(),
        )));
    // Connections live for days; each proves anew that it knows the secret.
    config.resumption = Resumption::disabled();
    config
}

fn server(
    provider: &Arc<CryptoProvider>,
    same: &Arc<SameKey>,
    certified: &Arc<CertifiedKey>,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("ring speaks TLS 1.3")
        .with_client_cert_verifier(same.clone())
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            certified.clone(),
        )));
    config.send_tls13_tickets = 0;
    config
}

/// Accepts a peer that proves to hold our own key.
#[derive(Debug)]
struct SameKey {
    public: SubjectPublicKeyInfoDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SameKey {
    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        match shown.as_ref() == self.public.as_ref() {
            true => Ok(()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify(
        &self,
        message: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &self.public, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for SameKey {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for SameKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
