//! A certificate and its key, read from PEM and proven to belong together.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{SectionKind, SliceIter};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::folder::{Found, Kind};
use crate::core::certificates::{Certificate, CertificateName, GivenCertificate, PrivatePem};
use crate::core::model::Timestamp;

/// A certificate that can be used.
pub struct Loaded {
    /// What is known of it.
    pub certificate: Certificate,
    /// Itself, those that vouch for it, and its key.
    pub key: Arc<CertifiedKey>,
    pem: PrivatePem,
}

impl Loaded {
    /// Reads one that is in no file; `name` is what people know it by.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where it cannot be used.
    pub fn parse(name: &str, pem: &PrivatePem) -> Result<Self, Refusal> {
        read(&[Found::in_memory(name, pem)])
    }

    /// The same for a gateway on another node.
    #[must_use]
    pub fn give(&self) -> GivenCertificate {
        GivenCertificate {
            file: self.certificate.file.clone(),
            pem: self.pem.clone(),
        }
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.certificate).finish()
    }
}

/// Why files do not make a certificate that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A file cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Read {
        /// The file.
        file: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// It is not PEM.
    #[error("{file} is broken: {reason}; it has to hold PEM, which begins with -----BEGIN")]
    Parse {
        /// The file.
        file: Arc<str>,
        /// What is wrong.
        reason: String,
    },
    /// The key needs a passphrase.
    #[error(
        "the key in {0} is protected by a passphrase, and nobody is there to type it; write it without: openssl pkey \
         -in OLD.key -out NEW.key"
    )]
    Encrypted(Arc<str>),
    /// There is a key only.
    #[error("there is no certificate for the key; put it beside it as {0}.crt or {0}.pem")]
    NoCertificate(Arc<str>),
    /// There is a certificate only.
    #[error(
        "there is no key for the certificate; put it beside it as {0}.key, or into the same file"
    )]
    NoKey(Arc<str>),
    /// There is more than one of what there should be one of.
    #[error("{what} are in {first} and in {second}; keep them in one of the two")]
    Twice {
        /// Of what.
        what: &'static str,
        /// Where it is.
        first: Arc<str>,
        /// Where it is again.
        second: Arc<str>,
    },
    /// The key is of a kind that cannot be used.
    #[error(
        "the key cannot be used: {0}; use ECDSA P-256, P-384, Ed25519, or RSA of 2048 bits and more"
    )]
    Key(String),
    /// The key belongs to another certificate in the file.
    #[error(
        "the key belongs to certificate {0} of the file; put that one first, and those that vouch for it behind it"
    )]
    Order(usize),
    /// The key belongs to another certificate.
    #[error("the certificate does not match its key; put the key that it was made with beside it")]
    Mismatch,
    /// The certificate is none.
    #[error("the certificate cannot be read: {0}; make it anew")]
    Certificate(String),
    /// The certificate names nobody.
    #[error(
        "the certificate names no host (it has no DNS name among its subject alternative names); make it anew with the \
         names that it is for, or name the file default.pem to use it where no other certificate answers"
    )]
    Nameless,
}

/// Reads the files of one name, at least one.
///
/// # Errors
///
/// [`Refusal`] where they hold nothing that can be used.
pub(super) fn read(files: &[Found]) -> Result<Loaded, Refusal> {
    let mut chain: Option<(Arc<str>, Vec<CertificateDer<'static>>)> = None;
    let mut key: Option<(Arc<str>, PrivateKeyDer<'static>)> = None;
    let mut pem = String::new();
    for file in files {
        let content = file.content.as_ref().map_err(|reason| Refusal::Read {
            file: file.name.clone(),
            reason: reason.clone(),
        })?;
        let (certificates, keys) = sections(file, content)?;
        let twice = |what, first: &Arc<str>| Refusal::Twice {
            what,
            first: first.clone(),
            second: file.name.clone(),
        };
        // Some write the certificate beside the key once more.
        let repeated = file.kind == Kind::Key && chain.is_some();
        if !(certificates.is_empty() || repeated) {
            match &chain {
                Some((first, _)) => return Err(twice("certificates", first)),
                None => chain = Some((file.name.clone(), certificates)),
            }
        }
        for found in keys {
            match &key {
                Some((_, known)) if *known == found => {}
                Some((first, _)) => return Err(twice("keys", first)),
                None => key = Some((file.name.clone(), found)),
            }
        }
        pem.push_str(&String::from_utf8_lossy(content));
        pem.push('\n');
    }
    let stem = || stem(&files[0].name);
    let (file, chain) = chain.ok_or_else(|| Refusal::NoCertificate(stem()))?;
    let (_, key) = key.ok_or_else(|| Refusal::NoKey(stem()))?;
    let fallback = Path::new(&*file).file_stem() == Some("default".as_ref());
    let key = certify(chain, key)?;
    Ok(Loaded {
        certificate: describe(&key.cert[0], file, fallback)?,
        key: Arc::new(key),
        pem: PrivatePem::new(&pem),
    })
}

type Sections = (Vec<CertificateDer<'static>>, Vec<PrivateKeyDer<'static>>);

fn sections(file: &Found, content: &[u8]) -> Result<Sections, Refusal> {
    let broken = |reason: String| Refusal::Parse {
        file: file.name.clone(),
        reason,
    };
    let has = |text: &[u8]| content.windows(text.len()).any(|it| it == text);
    if has(b"-----BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(Refusal::Encrypted(file.name.clone()));
    }
    if !has(b"-----BEGIN ") {
        let reason = match content.trim_ascii().is_empty() {
            true => "it is empty",
            false => "it holds no PEM",
        };
        return Err(broken(reason.to_owned()));
    }
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for section in SliceIter::<(SectionKind, Vec<u8>)>::new(content) {
        let (kind, der) = section.map_err(|error| broken(error.to_string()))?;
        match kind {
            SectionKind::Certificate => certificates.push(der.into()),
            SectionKind::PrivateKey => keys.push(PrivateKeyDer::Pkcs8(der.into())),
            SectionKind::RsaPrivateKey => keys.push(PrivateKeyDer::Pkcs1(der.into())),
            SectionKind::EcPrivateKey => keys.push(PrivateKeyDer::Sec1(der.into())),
            // Parameters and the like, which some tools write beside a key.
            _ => {}
        }
    }
    Ok((certificates, keys))
}

fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, Refusal> {
    let key = default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| Refusal::Key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    let matches = |certified: &CertifiedKey| match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        other => other,
    };
    match matches(&certified) {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            let mut behind = certified.cert[1..].iter();
            let place = behind.position(|it| {
                matches(&CertifiedKey::new(vec![it.clone()], certified.key.clone())).is_ok()
            });
            Err(place.map_or(Refusal::Mismatch, |place| Refusal::Order(place + 2)))
        }
        Err(error) => Err(Refusal::Certificate(error.to_string())),
    }
}

fn describe(der: &[u8], file: Arc<str>, fallback: bool) -> Result<Certificate, Refusal> {
    let (_, parsed) = X509Certificate::from_der(der)
        .map_err(|_| Refusal::Certificate("it is no X.509 certificate".to_owned()))?;
    let alternatives = parsed
        .subject_alternative_name()
        .map_err(|error| Refusal::Certificate(error.to_string()))?;
    let general = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    let names: Arc<[CertificateName]> = general
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => CertificateName::parse(name),
            _ => None,
        })
        .collect();
    if names.is_empty() && !fallback {
        return Err(Refusal::Nameless);
    }
    let moment = |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let validity = parsed.validity();
    Ok(Certificate {
        file,
        names,
        not_before: moment(validity.not_before.timestamp()),
        not_after: moment(validity.not_after.timestamp()),
        fallback,
    })
}

fn stem(name: &str) -> Arc<str> {
    let path = Path::new(name);
    path.with_extension("").display().to_string().into()
}
