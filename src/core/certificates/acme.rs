//! Certificates from an ACME server: which hosts need one, when it is renewed, and which of two is the newer.
//!
//! # Design notes
//!
//! A certificate that was issued stands until a newer one for its host is known, whoever tells of it. So what two controllers
//! know is joined without asking which of them is right: in any order, and as often as it is told, it comes to the same. A
//! controller that has lost its disk, or begins to lead a moment after another did, therefore takes nothing from anybody.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Certificate, PrivatePem};
use crate::core::model::Timestamp;
use crate::core::model::route::{HostPattern, Scheme};
use crate::core::model::snapshot::Snapshot;

pub use self::ledger::{Failure, Next, RenewalState};

/// How long a certificate that has ended is still shown where there is no newer one: clients say what is wrong with it, which
/// they cannot of a handshake that is refused.
const SHOWN_AFTER_ITS_END: u64 = 30 * 24 * 60 * 60 * 1000;

/// A certificate for one host, with its key. Made by the leading controller, kept by all controllers, and shown by gateways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The host, a normalised name.
    pub host: Arc<str>,
    /// The directory of the server that issued it.
    pub directory: Arc<str>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// The certificate, those that vouch for it, and the key.
    pub pem: PrivatePem,
}

/// The certificates that are known, by host.
pub type Issued = BTreeMap<Arc<str>, Arc<IssuedCertificate>>;

impl IssuedCertificate {
    /// Whether it takes the place of another for the same host.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let order = |it: &Self| (it.not_before, it.not_after);
        // Two of one moment are told apart by anything, as long as everybody does it in the same way.
        (order(self), self.pem.expose()) > (order(other), other.pem.expose())
    }

    /// When it is renewed: after two thirds of its time, or up to a thirtieth earlier, which spreads hosts whose certificates
    /// were issued together.
    #[must_use]
    pub fn renewal(&self) -> Timestamp {
        let lifetime = self.not_after.0.saturating_sub(self.not_before.0);
        let seed = self.host.bytes().fold(self.not_before.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        // 0 to 255 of the hash's upper bits.
        let share = u64::from((seed >> 32) as u8);
        let early = lifetime / 30 * share / 255;
        Timestamp(self.not_before.0 + lifetime / 3 * 2 - early)
    }
}

/// Takes in what is newer; true where anything was.
pub fn join(known: &mut Issued, more: &Issued) -> bool {
    let mut news = false;
    for (host, certificate) in more {
        let newer = known
            .get(host)
            .is_none_or(|it| certificate.is_newer_than(it));
        if newer {
            known.insert(host.clone(), certificate.clone());
            news = true;
        }
    }
    news
}

/// Forgets what ended long ago; true where anything did.
pub fn forget_ended(known: &mut Issued, now: Timestamp) -> bool {
    let before = known.len();
    known.retain(|_, it| it.not_after.0.saturating_add(SHOWN_AFTER_ITS_END) > now.0);
    known.len() < before
}

/// What has to be told to somebody who was told `before`.
#[must_use]
pub fn news(before: &Issued, now: &Issued) -> Vec<Arc<IssuedCertificate>> {
    let new = now
        .iter()
        .filter(|(host, it)| before.get(*host) != Some(*it));
    new.map(|(_, it)| it.clone()).collect()
}

/// By what an ACME server asks a host to prove who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeKind {
    /// By a file on port 80 (RFC 8555, section 8.3).
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// A proof that is expected from a host now. Written by the leading controller, answered by every gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// By what it is proved.
    pub kind: ChallengeKind,
    /// The host, a normalised name.
    pub host: Arc<str>,
    /// The last part of the path that is asked for.
    pub token: Arc<str>,
    /// The key authorization: what the file holds, or what the certificate holds the digest of. It is no secret.
    pub answer: Arc<str>,
}

/// The path of the files of HTTP-01, without the token.
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// What the file under a path holds, if the path is that of an open challenge. The host that was asked for does not matter: a
/// token is beyond guessing, and so is what it stands for.
#[must_use]
pub fn file<'a>(challenges: &'a [Challenge], path: &str) -> Option<&'a Arc<str>> {
    let token = path.strip_prefix(WELL_KNOWN)?;
    let asked = |it: &&Challenge| it.kind == ChallengeKind::Http01 && *it.token == *token;
    challenges.iter().find(asked).map(|it| &it.answer)
}

/// The challenge that a host has to answer by a certificate.
#[must_use]
pub fn by_certificate<'a>(challenges: &'a [Challenge], host: &str) -> Option<&'a Challenge> {
    let mut all = challenges.iter();
    all.find(|it| it.kind == ChallengeKind::TlsAlpn01 && *it.host == *host)
}

/// The hosts whose routes ask for TLS and can be reached from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those that a certificate can be had for.
    pub hosts: BTreeSet<Arc<str>>,
    /// Names that stand for many (`*.example.com` is `example.com` here), which neither kind of challenge can prove.
    pub wildcards: BTreeSet<Arc<str>>,
}

impl Wanted {
    /// Those of a snapshot: of routes that are served by TLS only.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut wanted = Self::default();
        for (key, claims) in &snapshot.routes {
            let asks = claims.iter().any(|it| it.scheme == Scheme::Https);
            if !asks || key.host.is_local() {
                continue;
            }
            match &key.host {
                HostPattern::Exact(host) => wanted.hosts.insert(host.clone()),
                HostPattern::Under(name) => wanted.wildcards.insert(name.clone()),
            };
        }
        wanted
    }

    /// Without what certificates of other origin stand for while they are valid.
    #[must_use]
    pub fn without(mut self, own: &[Certificate], now: Timestamp) -> Self {
        let valid = || own.iter().filter(|it| it.is_valid(now));
        self.hosts.retain(|host| !valid().any(|it| it.covers(host)));
        // Whether a wildcard's certificate is there shows in any name that it stands for.
        self.wildcards
            .retain(|name| !valid().any(|it| it.covers(&format!("any.{name}"))));
        self
    }

    /// Those that have no certificate that is valid.
    #[must_use]
    pub fn lacking(&self, issued: &Issued, now: Timestamp) -> Vec<Arc<str>> {
        let valid = |host: &Arc<str>| issued.get(host).is_some_and(|it| now < it.not_after);
        self.hosts.iter().filter(|it| !valid(it)).cloned().collect()
    }
}

/// The longer of two waits, where either may be none.
fn longer(wait: Duration, asked: Option<Duration>) -> Duration {
    asked.map_or(wait, |asked| wait.max(asked))
}
