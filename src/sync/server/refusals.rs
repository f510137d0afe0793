//! Tells of peers that hold another secret, each once a while: they come back every few seconds.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::event::Event;
use crate::observe::event_log::Emitter;
use crate::sync::transport::Error;

/// From one event about a peer to the next.
const SILENT: Duration = Duration::from_secs(600);
/// How many peers are remembered. More than that are an attack, and counted only.
const REMEMBERED: usize = 256;

pub(super) struct Refusals {
    emitter: Emitter,
    told: Mutex<BTreeMap<IpAddr, Instant>>,
}

impl Refusals {
    pub(super) fn new(emitter: Emitter) -> Self {
        Self {
            emitter,
            told: Mutex::default(),
        }
    }

    /// Tells of it, unless that was done lately.
    pub(super) fn tell(&self, peer: SocketAddr, error: &Error) {
        let now = Instant::now();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.retain(|_, at| now.duration_since(*at) < SILENT);
            if told.contains_key(&peer.ip()) || told.len() >= REMEMBERED {
                return;
            }
            told.insert(peer.ip(), now);
        }
        self.emitter.emit(Event::PeerRefused {
            peer: peer.ip().to_string().into(),
            reason: error.to_string().into(),
        });
    }
}
