//! What a process reports of itself: metrics, the event log, the access log, traces, logging and readiness.

pub mod access_log;
pub mod event_log;
pub mod logging;
pub mod metrics;
pub mod otlp;
pub mod readiness;
