//! Which certificate answers for which name, which may take another's place, and when its end is told of.

pub mod acme;
mod index;
mod name;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::model::Timestamp;

pub use self::index::CertificateIndex;
pub use self::name::CertificateName;

/// What is known of a certificate that can be used. Written by who reads it, compared and chosen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The file that it came from.
    pub file: Arc<str>,
    /// The names that it is for, as it says itself.
    pub names: Arc<[CertificateName]>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Whether it answers where no other does: its file is named `default`.
    pub fallback: bool,
}

impl Certificate {
    /// Whether it is for this host, a normalised name.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// Whether a request for `host` belongs on a connection that was opened with this certificate by a client that `asked`
    /// for a name. The fallback was accepted for whatever the client asked for.
    #[must_use]
    pub fn answers_for(&self, asked: Option<&str>, host: &str) -> bool {
        self.covers(host) || self.fallback && asked.is_none_or(|asked| asked == host)
    }

    /// Whether it is valid at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// Where it stands among those that are for the same name; the least is used. One that is valid goes before one that is
    /// not, then their origin counts, and what ends later goes before what ends sooner.
    #[must_use]
    pub fn precedence(&self, origin: Origin, now: Timestamp) -> impl Ord + use<> {
        let late = std::cmp::Reverse(self.not_after);
        (!self.is_valid(now), origin, late, self.file.clone())
    }
}

/// Where a certificate comes from; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A folder of this process.
    Own,
    /// A folder of the controller that is followed.
    Given,
    /// An ACME server.
    Issued,
}

/// Why a certificate that can be read does not take the place of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It ended, and the one before it does not end sooner.
    #[error("it ended on {}; put a newer one in its place", date(*.0))]
    Over(Timestamp),
    /// It begins later. It is used from then on.
    #[error("it is valid from {} only, and will be used from then on", date(*.0))]
    Early(Timestamp),
}

/// Whether a certificate takes the place of the one before it. Where there is none before it, anything is better than nothing:
/// clients that are shown a certificate that has ended say so.
///
/// # Errors
///
/// [`Unfit`] where it does not.
pub fn succeed(
    before: Option<&Certificate>,
    next: &Certificate,
    now: Timestamp,
) -> Result<(), Unfit> {
    match before {
        None => Ok(()),
        Some(before) if next.not_after <= now && next.not_after <= before.not_after => {
            Err(Unfit::Over(next.not_after))
        }
        Some(_) if next.not_before > now => Err(Unfit::Early(next.not_before)),
        Some(_) => Ok(()),
    }
}

/// How much of a certificate's time is left. Each is told of once. One that is issued for days, as by many ACME servers, is
/// renewed with less left than others have when they are told of: of it, the share that is left counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// Enough.
    #[default]
    Ample,
    /// Less than fourteen days and a quarter of its time: what renews it has failed for a while.
    Fortnight,
    /// Less than three days and a tenth of its time: somebody has to do something.
    Days,
    /// None.
    Over,
}

/// A day, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

impl Term {
    /// What is left at this time.
    #[must_use]
    pub fn of(certificate: &Certificate, now: Timestamp) -> Self {
        let Certificate {
            not_before,
            not_after,
            ..
        } = certificate;
        let whole = not_after.0.saturating_sub(not_before.0);
        match not_after.0.saturating_sub(now.0) {
            0 => Self::Over,
            left if left < (3 * DAY).min(whole / 10) => Self::Days,
            left if left < (14 * DAY).min(whole / 4) => Self::Fortnight,
            _ => Self::Ample,
        }
    }
}

/// Whole days from now to then; none when then is past.
#[must_use]
pub fn days_left(then: Timestamp, now: Timestamp) -> Option<u64> {
    let left = then.0.saturating_sub(now.0);
    (left > 0).then_some(left / DAY)
}

/// A moment as people read it, by UTC.
#[must_use]
pub fn date(moment: Timestamp) -> String {
    // The last that can be written; certificates cannot say more either.
    const LAST: u64 = 253_402_300_799;
    let seconds = Duration::from_secs((moment.0 / 1000).min(LAST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds).to_string()
}

/// A certificate with its key, as a controller gives it to gateways on other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenCertificate {
    /// The file that the controller read.
    pub file: Arc<str>,
    /// The certificate, those that vouch for it, and the key.
    pub pem: PrivatePem,
}

/// PEM with a private key in it. It is shown nowhere but on the encrypted channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivatePem(Arc<str>);

impl PrivatePem {
    /// Wraps it up.
    #[must_use]
    pub fn new(pem: &str) -> Self {
        Self(pem.into())
    }

    /// What it holds, for whoever reads keys out of it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Never shown, in no log line and no panic.
impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem")
    }
}
