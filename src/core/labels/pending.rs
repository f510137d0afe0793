//! What is parsed and validated, but has no effect in this version.
//!
//! [`PENDING`] is the whole list: whoever builds a feature removes its line, and nothing else in the parser.

use super::report::Fault;
use super::setting::Setting;
use crate::core::route::{Balance, Scheme, ServiceSpec};

/// The features that are missing, with what happens instead.
const PENDING: &[(Feature, &str)] = &[
    (
        Feature::Balance,
        "endpoints are chosen in turn, as by round_robin",
    ),
    (
        Feature::StripPrefix,
        "the path reaches the service unchanged",
    ),
    (
        Feature::MaxInFlight,
        "requests per endpoint are not limited",
    ),
    (
        Feature::Hold,
        "a request that finds no endpoint in rotation is answered 503 at once",
    ),
    (
        Feature::IdleTimeout,
        "it holds for WebSockets and grpc:// routes only, and other answers end after routing.response_timeout_seconds of silence",
    ),
    (
        Feature::Tls,
        "TLS is not served: plain requests get a 308 to https, but for \
         those that a proxy in --trusted-proxies marks with X-Forwarded-Proto: https, which are served",
    ),
];

/// What a label can ask for and this parser knew before the rest of the program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    Balance,
    StripPrefix,
    MaxInFlight,
    Hold,
    IdleTimeout,
    Tls,
}

impl Feature {
    /// What a setting that was just made asks for, beyond what is always there.
    pub(super) fn of_setting(setting: Setting, spec: &ServiceSpec) -> Option<Self> {
        let policy = &spec.policy;
        match setting {
            Setting::Balance if policy.balance != Balance::RoundRobin => Some(Self::Balance),
            Setting::StripPrefix if policy.strip_prefix => Some(Self::StripPrefix),
            Setting::MaxInFlight => Some(Self::MaxInFlight),
            Setting::Hold if !policy.hold.is_zero() => Some(Self::Hold),
            Setting::IdleTimeout => Some(Self::IdleTimeout),
            _ => None,
        }
    }

    /// What a route of this scheme asks for, beyond what is always there.
    pub(super) fn of_scheme(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Any | Scheme::Http | Scheme::Grpc => None,
            Scheme::Https => Some(Self::Tls),
        }
    }

    /// The warning that it has no effect yet; none once it is built.
    pub(super) fn missing(self) -> Option<Fault> {
        let (_, instead) = PENDING.iter().find(|(feature, _)| *feature == self)?;
        Some(Fault::warning(
            "is understood but not yet effective",
            format!("until then, {instead}"),
        ))
    }
}
