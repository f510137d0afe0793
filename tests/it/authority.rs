//! An authority that vouches for certificates, made for one test.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate for these names that is valid for a year.
    pub(crate) fn vouch(&self, names: &[&str]) -> Pair {
        self.vouch_within(names, past(DAY), ahead(365 * DAY))
    }

    /// One that is valid between these moments.
    pub(crate) fn vouch_within(&self, names: &[&str], from: Duration, until: Duration) -> Pair {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("host names");
        let epoch = date_time_ymd(1970, 1, 1);
        (params.not_before, params.not_after) = (epoch + from, epoch + until);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server at the loopback address that it vouches for.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let own = self.vouch(&["127.0.0.1"]);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.der()], own.key_der())
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }

    /// What a client that trusts it alone trusts.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        roots
    }
}

impl Pair {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }

    /// Both in one text.
    pub(crate) fn combined(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }

    /// Puts NAME.crt and NAME.key there, each at once, so that nobody reads half a file.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        for (extension, text) in [("crt", &self.certificate), ("key", &self.key)] {
            let path = folder.join(format!("{name}.{extension}"));
            let next = path.with_extension("next");
            std::fs::write(&next, text).expect("a writable folder");
            std::fs::rename(&next, &path).expect("a writable folder");
        }
    }
}

/// This long before now, since the Unix epoch.
pub(crate) fn past(time: Duration) -> Duration {
    now() - time
}

/// This long after now, since the Unix epoch.
pub(crate) fn ahead(time: Duration) -> Duration {
    now() + time
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock that is set")
}
