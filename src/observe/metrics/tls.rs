//! What is counted of TLS: certificates, and handshakes that came to nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{IntCounter, IntCounterVec, Registry};

use super::counters;
use super::family::{family, gauge};
use super::room::SERVICES;
use crate::core::certificates::Certificate;

/// The number of certificates that have series of their own: those that end first, since a date
/// cannot be added up. As many as services may have.
const CERTIFICATES: usize = SERVICES;

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

    pub(super) fn families(&self) -> [MetricFamily; 4] {
        let lock = self.certificates.lock();
        let certificates = lock.unwrap_or_else(PoisonError::into_inner).clone();
        let mut soonest: Vec<_> = certificates.in_use.iter().collect();
        soonest.sort_by_key(|it| it.not_after);
        let known = soonest.len().max(certificates.refused.len());
        let left_out = known.saturating_sub(CERTIFICATES);
        soonest.truncate(CERTIFICATES);
        let moments = |pick: fn(&CertificateFigure) -> u64| {
            soonest.iter().map(move |it| {
                let labels = [("file", &*it.file), ("names", &*it.names)];
                gauge(&labels, pick(it) as f64 / 1e3)
            })
        };
        let lock = self.authorities.lock();
        let authorities = lock.unwrap_or_else(PoisonError::into_inner).clone();
        let refused = certificates.refused.iter().take(CERTIFICATES);
        let refused = refused.chain(&authorities);
        [
            family(
                "hiveway_certificate_not_after_timestamp_seconds",
                "When a certificate in use ends, in seconds since the Unix epoch.",
                MetricType::GAUGE,
                moments(|it| it.not_after),
            ),
            family(
                "hiveway_certificate_not_before_timestamp_seconds",
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
            family(
                "hiveway_metrics_certificates_left_out",
                "Certificates without series of their own; those that end first have them.",
                MetricType::GAUGE,
                std::iter::once(gauge(&[], left_out as f64)),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::certificates::CertificateName;
    use crate::core::model::Timestamp;
    use crate::observe::metrics::tests::{metrics, samples};

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
                r#"hiveway_certificate_not_after_timestamp_seconds{file="/certs/shop.crt",names="shop.test,*.shop.test"} 1800000000"#,
                r#"hiveway_certificate_not_before_timestamp_seconds{file="/certs/shop.crt",names="shop.test,*.shop.test"} 1700000000"#,
                r#"hiveway_certificate_refused{file="/certs/bad.crt"} 1"#,
            ]
        );
        metrics.tls().certificates(BTreeSet::new(), BTreeSet::new());
        assert_eq!(
            samples(&metrics.render(None), "hiveway_certificate"),
            [""; 0]
        );
    }

    #[test]
    fn of_too_many_certificates_those_are_shown_that_end_first() {
        let figure = |number: usize| CertificateFigure {
            file: format!("/certs/{number}").into(),
            names: "shop.test".to_owned(),
            not_before: 0,
            not_after: 1_000 * (10_000 - number as u64),
        };
        let metrics = metrics();
        let all = (0..CERTIFICATES + 5).map(figure).collect();
        metrics.tls().certificates(all, BTreeSet::new());
        let text = metrics.render(None);
        let shown = samples(&text, "hiveway_certificate_not_after_timestamp_seconds{");
        assert_eq!(shown.len(), CERTIFICATES);
        assert!(shown[0].contains(&format!("/certs/{}\"", CERTIFICATES + 4)));
        assert_eq!(
            samples(&text, "hiveway_metrics_certificates_left_out"),
            ["hiveway_metrics_certificates_left_out 5"]
        );
    }
}
