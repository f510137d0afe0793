//! How much an event matters.

use serde::{Deserialize, Serialize};

/// How much an event matters to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For whoever looks closely.
    Debug,
    /// The story of normal work.
    Info,
    /// Something is worse than it should be; traffic goes on.
    Warning,
    /// Something is wrong that nobody but an operator can mend.
    Error,
}

impl Severity {
    /// The severity's name in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
