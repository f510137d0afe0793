//! What is parsed and validated, but has no effect in this version.
//!
//! [`PENDING`] is the whole list: whoever builds a feature removes its line, and nothing else in the parser.

use super::report::LabelFault;
use super::setting::Setting;

/// The features that are missing, with what happens instead.
const PENDING: &[(Feature, &str)] = &[(
    Feature::IdleTimeout,
    "it holds for WebSockets and grpc:// routes only, and other answers end after routing.response_timeout_seconds of silence",
)];

/// What a label can ask for and this parser knew before the rest of the program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    IdleTimeout,
}

impl Feature {
    /// What a setting that was just made asks for, beyond what is always there.
    pub(super) fn of_setting(setting: Setting) -> Option<Self> {
        match setting {
            Setting::IdleTimeout => Some(Self::IdleTimeout),
            _ => None,
        }
    }

    /// The warning that it has no effect yet; none once it is built.
    pub(super) fn missing(self) -> Option<LabelFault> {
        let (_, instead) = PENDING.iter().find(|(feature, _)| *feature == self)?;
        Some(LabelFault::warning(
            "is understood but not yet effective",
            format!("until then, {instead}"),
        ))
    }
}
