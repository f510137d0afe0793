//! Which certificate a client that connects by TLS is shown, and until when that is valid.

use std::net::IpAddr;

use super::trace::Trace;
use super::{Asked, Known, Outcome, Verdict};
use crate::core::certificates::{Certificate, CertificateIndex, date};

impl Trace {
    /// Adds the step of the certificate that is shown. Returns the outcome where there is none.
    pub(super) fn certificate(&mut self, asked: &Asked, known: &Known) -> Option<Outcome> {
        let certificates = known.certificates.as_deref()?;
        let index = CertificateIndex::of(certificates.iter().map(|it| (it, it)));
        let Some(certificate) = index.find(server_name(&asked.host)).copied() else {
            let says = lacks(&asked.host);
            self.say("certificate", Verdict::Stops, says.clone());
            return Some(Outcome::closed("unknown-name", says));
        };
        let (verdict, says) = shown(certificate, asked, known);
        self.say("certificate", verdict, says);
        if known.asks_certificates {
            let says = "a client without a certificate of an authority in --client-ca is refused";
            self.say("certificate", Verdict::Note, says);
        }
        None
    }

    /// Adds a step where a redirect to TLS leads to a handshake that fails.
    pub(super) fn redirected(&mut self, asked: &Asked, known: &Known) {
        let Some(certificates) = known.certificates.as_deref() else {
            return;
        };
        let index = CertificateIndex::of(certificates.iter().map(|it| (it, ())));
        if known.listens_tls() && index.find(server_name(&asked.host)).is_none() {
            let says = format!("the redirect leads to nothing: {}", lacks(&asked.host));
            self.say("certificate", Verdict::Note, says);
        }
    }
}

fn lacks(host: &str) -> String {
    format!(
        "no certificate is for {host}, and none is named default: the handshake fails (unrecognized_name)"
    )
}

/// The name that a client asks for. An address is not one (RFC 6066, section 3).
fn server_name(host: &str) -> Option<&str> {
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    (!is_address).then_some(host)
}

fn shown(certificate: &Certificate, asked: &Asked, known: &Known) -> (Verdict, String) {
    let Certificate {
        file,
        not_before,
        not_after,
        ..
    } = certificate;
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    let what = format!("{file} for {}", names.join(", "));
    if !certificate.covers(&asked.host) {
        let says = format!(
            "no certificate is for {}: clients are shown the default, {what}, valid until {}, which they refuse as a rule",
            asked.host,
            date(*not_after)
        );
        return (Verdict::Note, says);
    }
    if certificate.is_valid(known.now) {
        let says = format!("{what}, valid until {}", date(*not_after));
        return (Verdict::Passes, says);
    }
    let says = match known.now < *not_before {
        true => format!(
            "{what}, valid from {} only: clients refuse it",
            date(*not_before)
        ),
        false => format!(
            "{what}, which ended on {}: clients refuse it",
            date(*not_after)
        ),
    };
    (Verdict::Note, says)
}
