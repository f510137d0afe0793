//! The time of day, by which Docker says when tasks started.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::model::Timestamp;

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
