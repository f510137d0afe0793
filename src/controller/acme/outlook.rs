//! What operators are told of orders: events, figures, and the condition that says which hosts have no certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::core::certificates::acme::{Issued, IssuedCertificate, Wanted};
use crate::core::event::{CertificateRef, Event};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::observe::readiness::Readiness;
use crate::process::clock;
use crate::tls::certificates::issued_name;

/// The condition's name.
const CONDITION: &str = "certificates";

/// Why no certificate can be had for a name that stands for many, and what to do.
const WILDCARD: &str = "a wildcard can be proved by neither HTTP-01 nor TLS-ALPN-01; put a certificate for it into a folder of \
                        --certs, or name the hosts one by one";

/// What was told. Kept by the loop that orders.
pub(super) struct RenewalStatus<'a> {
    emitter: &'a Emitter,
    metrics: &'a Metrics,
    readiness: &'a Readiness,
    /// Why hosts were issued nothing at the last try.
    failures: BTreeMap<Arc<str>, Arc<str>>,
    /// The host whose order is under way.
    ordered: Option<Arc<str>>,
    /// The wildcards that were complained about.
    wildcards: BTreeSet<Arc<str>>,
    shown: bool,
}

impl<'a> RenewalStatus<'a> {
    pub(super) fn new(
        emitter: &'a Emitter,
        metrics: &'a Metrics,
        readiness: &'a Readiness,
    ) -> Self {
        Self {
            emitter,
            metrics,
            readiness,
            failures: BTreeMap::new(),
            ordered: None,
            wildcards: BTreeSet::new(),
            shown: true,
        }
    }

    /// Shows how things stand.
    pub(super) fn show(&mut self, wanted: &Wanted, issued: &Issued) {
        self.shown = true;
        self.failures.retain(|host, _| wanted.hosts.contains(host));
        for name in wanted.wildcards.difference(&self.wildcards) {
            self.emitter.emit(Event::CertificateNotIssued {
                host: format!("*.{name}").into(),
                reason: WILDCARD.into(),
                seconds: None,
            });
        }
        self.wildcards.clone_from(&wanted.wildcards);
        let lacking = wanted.lacking(issued, clock::now());
        let metrics = self.metrics.acme();
        metrics.hosts(
            wanted.hosts.len() - lacking.len(),
            lacking.len(),
            wanted.wildcards.len(),
        );
        let hosts = lacking.iter().map(|host| match self.failures.get(host) {
            _ if self.ordered.as_ref() == Some(host) => format!("{host}: ordered now"),
            Some(reason) => format!("{host}: {reason}"),
            None => format!("{host}: ordered soon"),
        });
        let wildcards = wanted.wildcards.iter();
        let wildcards = wildcards.map(|name| format!("*.{name}: {WILDCARD}"));
        let complaints: Vec<_> = hosts.chain(wildcards).collect();
        self.readiness.inform(
            CONDITION,
            match &*complaints {
                [] => Ok(()),
                [only] => Err(only.clone()),
                [first, ..] => Err(format!(
                    "{} names have no certificate; the first is {first}",
                    complaints.len()
                )),
            },
        );
    }

    /// Notes that a host's order begins.
    pub(super) fn orders(&mut self, host: &Arc<str>) {
        self.ordered = Some(host.clone());
    }

    /// Shows nothing: another controller orders.
    pub(super) fn hide(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.failures.clear();
            self.ordered = None;
            self.metrics.acme().hosts(0, 0, 0);
            self.readiness.inform(CONDITION, Ok(()));
        }
    }

    /// Tells that a host was given its certificate.
    pub(super) fn issued(&mut self, certificate: &IssuedCertificate) {
        let host = &certificate.host;
        self.failures.remove(host);
        self.ordered = None;
        self.emitter.emit(Event::CertificateIssued(CertificateRef {
            file: issued_name(host).into(),
            names: vec![host.clone()],
            not_after: certificate.not_after,
        }));
    }

    /// Tells that a host was given none.
    pub(super) fn failed(&mut self, host: &Arc<str>, reason: &Arc<str>, wait: Duration) {
        self.failures.insert(host.clone(), reason.clone());
        self.ordered = None;
        self.emitter.emit(Event::CertificateNotIssued {
            host: host.clone(),
            reason: reason.clone(),
            seconds: Some(wait.as_secs()),
        });
    }
}
