//! The keys that set one thing, and what their values set.

use super::report::LabelFault;
use super::seconds::{ANY, POSITIVE, TENTH};
use super::{balance, boolean, encoding, number, probe_url, quotes, redirect, seconds};
use crate::core::model::Mode;
use crate::core::model::route::{Check, ServiceSpec};

/// The most replicas that `scale` may ask for; what is greater is taken for a slip of the pen.
const MOST_REPLICAS: u64 = 10_000;

/// The most seconds that `routing.hsts_seconds` may ask for: two years, which is what lists of such sites ask for at most.
const LONGEST_HSTS: u32 = 2 * 365 * 24 * 60 * 60;
/// The most requests a second that a limit may be; above it there is none worth the name.
const MOST_REQUESTS: u32 = 1_000_000;

/// A key that sets one thing. The order is the one in which labels are read: `probe.url` before `probe.cmd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    SessionSticky,
    Balance,
    Weight,
    Network,
    StripPrefix,
    Retries,
    ConnectTimeout,
    ResponseTimeout,
    IdleTimeout,
    MaxInFlight,
    Hold,
    SlowStart,
    Hsts,
    Redirect,
    AllowCidrs,
    RateLimit,
    BasicAuth,
    MaxBodyBytes,
    Compress,
    ProbeUrl,
    ProbeCommand,
    ProbeInitialDelay,
    ProbeTimeout,
    ProbeInterval,
    ProbeRise,
    ProbeFall,
    Scale,
}

impl Setting {
    /// All settings, by their keys without a prefix.
    pub(super) const NAMES: [(&'static str, Self); 27] = [
        ("routing.session_sticky", Self::SessionSticky),
        ("routing.balance", Self::Balance),
        ("routing.weight", Self::Weight),
        ("routing.network", Self::Network),
        ("routing.strip_prefix", Self::StripPrefix),
        ("routing.retries", Self::Retries),
        ("routing.connect_timeout_seconds", Self::ConnectTimeout),
        ("routing.response_timeout_seconds", Self::ResponseTimeout),
        ("routing.idle_timeout_seconds", Self::IdleTimeout),
        ("routing.max_in_flight", Self::MaxInFlight),
        ("routing.hold_seconds", Self::Hold),
        ("routing.slow_start_seconds", Self::SlowStart),
        ("routing.hsts_seconds", Self::Hsts),
        ("routing.redirect", Self::Redirect),
        ("routing.allow_cidrs", Self::AllowCidrs),
        ("routing.rate_limit", Self::RateLimit),
        ("routing.basic_auth", Self::BasicAuth),
        ("routing.max_body_bytes", Self::MaxBodyBytes),
        ("routing.compress", Self::Compress),
        ("probe.url", Self::ProbeUrl),
        ("probe.cmd", Self::ProbeCommand),
        ("probe.initial_delay_seconds", Self::ProbeInitialDelay),
        ("probe.timeout_seconds", Self::ProbeTimeout),
        ("probe.interval_seconds", Self::ProbeInterval),
        ("probe.rise", Self::ProbeRise),
        ("probe.fall", Self::ProbeFall),
        ("scale", Self::Scale),
    ];

    /// The setting of this key, which has no prefix.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (_, setting) = Self::NAMES.iter().find(|(known, _)| *known == name)?;
        Some(*setting)
    }

    /// Its key, without a prefix.
    pub(super) fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, setting)| *setting == self);
        named.expect("NAMES has all settings").0
    }

    /// Sets what the value says, or leaves the spec as it is. A suggestion in the fault is a value that is accepted.
    pub(super) fn apply(
        self,
        value: &str,
        mode: Mode,
        spec: &mut ServiceSpec,
    ) -> Result<(), LabelFault> {
        let accepts = |value: &str| self.set(value, mode, &mut ServiceSpec::default()).is_ok();
        self.set(value, mode, spec)
            .map_err(|fault| quotes::blame(fault.suggesting_only(accepts), value, accepts))
    }

    fn set(self, value: &str, mode: Mode, spec: &mut ServiceSpec) -> Result<(), LabelFault> {
        let ServiceSpec { policy, probe, .. } = spec;
        match self {
            Self::SessionSticky => policy.sticky = boolean::parse(value)?,
            Self::Balance => policy.balance = balance::parse(value)?,
            Self::Weight => policy.weight = number::parse(value, 0..=100)?,
            Self::Network => spec.network = Some(network(value)?.into()),
            Self::StripPrefix => policy.strip_prefix = boolean::parse(value)?,
            Self::Retries => policy.retries = number::parse(value, 0..=5)?,
            Self::ConnectTimeout => policy.connect_timeout = seconds::parse(value, POSITIVE)?,
            Self::ResponseTimeout => policy.response_timeout = seconds::parse(value, POSITIVE)?,
            Self::IdleTimeout => policy.idle_timeout = seconds::parse(value, POSITIVE)?,
            Self::MaxInFlight => policy.max_in_flight = Some(number::parse(value, 1..=u32::MAX)?),
            Self::Hold => policy.hold = seconds::parse(value, ANY)?,
            Self::SlowStart => policy.slow_start = seconds::parse(value, ANY)?,
            Self::Hsts => policy.hsts_seconds = Some(number::parse(value, 0..=LONGEST_HSTS)?),
            Self::Redirect => {
                let redirect = redirect::parse(value)?;
                policy.middleware_mut().redirect = Some(redirect);
            }
            Self::RateLimit => {
                let rate = number::parse(value, 1..=MOST_REQUESTS)?;
                policy.middleware_mut().rate_limit = Some(rate);
            }
            Self::MaxBodyBytes => {
                let most = number::parse(value, 0..=u64::MAX)?;
                policy.middleware_mut().max_body_bytes = Some(most);
            }
            Self::Compress => {
                let encodings = encoding::parse(value)?;
                policy.middleware_mut().compress = encodings;
            }
            // Lists, whose items stand or fall one by one: they are read by `middleware::read_list`.
            Self::AllowCidrs | Self::BasicAuth => {}
            Self::ProbeUrl => probe.check = probe_url::parse(value)?,
            Self::ProbeCommand => probe.check = command(value, &probe.check)?,
            Self::ProbeInitialDelay => probe.initial_delay = seconds::parse(value, ANY)?,
            Self::ProbeTimeout => probe.timeout = seconds::parse(value, POSITIVE)?,
            Self::ProbeInterval => probe.interval = seconds::parse(value, TENTH)?,
            Self::ProbeRise => probe.rise = number::parse(value, 1..=10)?,
            Self::ProbeFall => probe.fall = number::parse(value, 1..=10)?,
            Self::Scale => spec.scale = Some(scale(value, mode)?),
        }
        Ok(())
    }
}

fn network(value: &str) -> Result<&str, LabelFault> {
    let name = value.trim();
    let odd = |character: char| character.is_whitespace() || character.is_control();
    if name.is_empty() || name.contains(odd) {
        return Err(LabelFault::error(
            "is no network's name",
            "write one name as `docker network ls` shows it",
        ));
    }
    Ok(name)
}

/// A command is the check unless a URL was read before it.
fn command(value: &str, check: &Check) -> Result<Check, LabelFault> {
    let command = value.trim();
    if command.is_empty() {
        return Err(LabelFault::error(
            "is empty",
            "write a command for the container's shell",
        ));
    }
    if *check != Check::Connect {
        return Err(LabelFault::error(
            "stands beside probe.url, which is used",
            "keep one of the two",
        ));
    }
    Ok(Check::Command(command.into()))
}

fn scale(value: &str, mode: Mode) -> Result<u64, LabelFault> {
    match mode {
        Mode::Replicated { .. } => number::parse(value, 0..=MOST_REPLICAS),
        Mode::Global => Err(LabelFault::error(
            "cannot scale a global service, which runs one task on every node",
            "remove the label, or write `deploy.mode: replicated`",
        )),
        Mode::Job => Err(LabelFault::error(
            "cannot scale a job, whose tasks run to their end",
            "remove the label",
        )),
    }
}
