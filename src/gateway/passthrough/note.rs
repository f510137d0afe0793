//! What is noted of a connection that is passed on, for the metrics and the access log.
//!
//! # Design notes
//!
//! The line has the fields of a request's, so that whoever reads the log need not tell two kinds apart: the method is `TCP`, the
//! protocol `TLS`, the host the name that was asked for, and the status the one that a request would have had. `reason` says
//! how the connection ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::core::model::TaskId;
use crate::core::request::origin::Origin;
use crate::observe::access_log::{AccessLog, Record};
use crate::observe::metrics::ClusterMetrics;

use super::flow::Flow;

/// One connection's.
pub(super) struct ConnectionLogEntry {
    pub(super) started: Instant,
    client: Origin,
    name: Arc<str>,
    service: Option<(Arc<str>, Arc<ClusterMetrics>)>,
    task: Option<TaskId>,
    retries: u8,
    connecting: Instant,
    connect: Option<Duration>,
    bytes: (u64, u64),
}

impl ConnectionLogEntry {
    pub(super) fn new(client: Origin, name: Arc<str>) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            client,
            name,
            service: None,
            task: None,
            retries: 0,
            connecting: now,
            connect: None,
            bytes: (0, 0),
        }
    }

    /// Where the client is.
    pub(super) fn client(&self) -> Origin {
        self.client
    }

    /// It is for this service.
    pub(super) fn is_of(&mut self, service: &Arc<str>, metrics: &Arc<ClusterMetrics>) {
        self.service = Some((service.clone(), metrics.clone()));
    }

    /// A connection to this task is asked for, after so many others.
    pub(super) fn connects(&mut self, task: &TaskId, retries: u8) {
        self.task = Some(task.clone());
        self.retries = retries;
        self.connecting = Instant::now();
    }

    pub(super) fn connected(&mut self) {
        self.connect = Some(self.connecting.elapsed());
    }

    /// So much was passed on.
    pub(super) fn carried(&mut self, flow: &Flow<'_>) {
        self.bytes = flow.bytes();
    }

    /// Counts the connection, and writes it down where the log wants it.
    pub(super) fn conclude(&self, end: &'static str, log: Option<&AccessLog>) {
        if let Some((_, metrics)) = &self.service {
            metrics.tcp.ended(end);
        }
        let status = status(end);
        let Some(log) = log.filter(|log| log.wants(status >= 499)) else {
            return;
        };
        log.write(&Record {
            time: SystemTime::now(),
            client: self.client.address(),
            user: None,
            host: &self.name,
            method: "TCP",
            path: "-",
            protocol: "TLS",
            status,
            bytes_in: self.bytes.0,
            bytes_out: self.bytes.1,
            duration: self.started.elapsed(),
            connect: self.connect,
            first_byte: None,
            service: self.service.as_ref().map(|(name, _)| &**name),
            task: self.task.as_ref().map(TaskId::as_str),
            retries: self.retries,
            reason: Some(end),
            referer: None,
            user_agent: None,
            request_id: None,
            trace_id: None,
        });
    }
}

/// The status that a request would have had.
fn status(end: &str) -> u16 {
    match end {
        "closed" | "idle" => 200,
        "not-allowed" => 403,
        "rate-limit" => 429,
        "reset" | "client-left" => 499,
        "unreachable" => 502,
        _ => 503,
    }
}
