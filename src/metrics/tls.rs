//! What is counted of TLS: certificates, and handshakes that came to nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{IntCounter, IntCounterVec, Registry};

use super::counters;
use super::family::{family, gauge};
use crate::core::certificates::Certificate;

/// The figures of TLS.
pub struct TlsMetrics {
    refused: IntCounterVec,
    certificates: Mutex<Certificates>,
    /// The file of clients' authorities, while what it holds cannot be used.
    authorities: Mutex<Option<Arc<str>>>,
}

#[derive(Clone, Default)]
struct Certificates {
    in_use: BTreeSet<CertificateFigure>,
    refused: BTreeSet<Arc<str>>,
}

/// What is shown of a certificate in use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateFigure {
    file: Arc<str>,
    names: String,
    /// Both in milliseconds since the Unix epoch.
    not_before: u64,
    not_after: u64,
}

impl CertificateFigure {
    /// That of a certificate.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        let names: Vec<_> = certificate.names.iter().map(ToString::to_string).collect();
        Self {
            file: certificate.file.clone(),
            names: names.join(","),
            not_before: certificate.not_before.0,
            not_after: certificate.not_after.0,
        }
    }
}

impl TlsMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            refused: counters(
                registry,
                "hiveway_tls_handshakes_refused_total",
                "TLS handshakes with clients that came to nothing, by reason.",
                &["reason"],
            ),
            certificates: Mutex::default(),
            authorities: Mutex::default(),
        }
    }

    /// Counts handshakes that came to nothing for this reason. To be resolved once and kept.
    #[must_use]
    pub fn refused(&self, reason: &'static str) -> IntCounter {
        self.refused.with_label_values(&[reason])
    }

    /// Replaces what is shown of certificates: those in use, and the files whose content is not.
    pub fn certificates(&self, in_use: BTreeSet<CertificateFigure>, refused: BTreeSet<Arc<str>>) {
        let mut certificates = self
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *certificates = Certificates { in_use, refused };
    }

    /// Replaces the file of clients' authorities that is shown as refused.
    pub fn authorities(&self, refused: Option<Arc<str>>) {
        let lock = self.authorities.lock();
        *lock.unwrap_or_else(PoisonError::into_inner) = refused;
    }

    pub(super) fn families(&self) -> [MetricFamily; 3] {
        let lock = self.certificates.lock();
        let certificates = lock.unwrap_or_else(PoisonError::into_inner).clone();
        let moments = |pick: fn(&CertificateFigure) -> u64| {
            let all = certificates.in_use.iter();
            all.map(move |it| {
                let labels = [("file", &*it.file), ("names", &*it.names)];
                gauge(&labels, pick(it) as f64 / 1e3)
            })
        };
        let lock = self.authorities.lock();
        let authorities = lock.unwrap_or_else(PoisonError::into_inner).clone();
        let refused = certificates.refused.iter().chain(&authorities);
        [
            family(
                "hiveway_certificate_not_after_seconds",
                "When a certificate in use ends, in seconds since the Unix epoch.",
                MetricType::GAUGE,
                moments(|it| it.not_after),
            ),
            family(
                "hiveway_certificate_not_before_seconds",
                "When the time of a certificate in use began, in seconds since the Unix epoch.",
                MetricType::GAUGE,
                moments(|it| it.not_before),
            ),
            family(
                "hiveway_certificate_refused",
                "1 for each file that cannot be used as a certificate.",
                MetricType::GAUGE,
                refused.map(|file| gauge(&[("file", &**file)], 1.0)),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::certificates::CertificateName;
    use crate::core::model::Timestamp;
    use crate::metrics::tests::{metrics, samples};

    #[test]
    fn certificates_are_those_in_use_now() {
        let certificate = Certificate {
            file: "/certs/shop.crt".into(),
            names: ["shop.test", "*.shop.test"]
                .map(|name| CertificateName::parse(name).expect("a name"))
                .into(),
            not_before: Timestamp(1_700_000_000_000),
            not_after: Timestamp(1_800_000_000_000),
            fallback: false,
        };
        let metrics = metrics();
        let figures = BTreeSet::from([CertificateFigure::of(&certificate)]);
        metrics
            .tls()
            .certificates(figures, BTreeSet::from(["/certs/bad.crt".into()]));
        assert_eq!(
            samples(&metrics.render(None), "hiveway_certificate"),
            [
                r#"hiveway_certificate_not_after_seconds{file="/certs/shop.crt",names="shop.test,*.shop.test"} 1800000000"#,
                r#"hiveway_certificate_not_before_seconds{file="/certs/shop.crt",names="shop.test,*.shop.test"} 1700000000"#,
                r#"hiveway_certificate_refused{file="/certs/bad.crt"} 1"#,
            ]
        );
        metrics.tls().certificates(BTreeSet::new(), BTreeSet::new());
        assert_eq!(
            samples(&metrics.render(None), "hiveway_certificate"),
            [""; 0]
        );
    }
}
