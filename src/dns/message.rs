//! A question of DNS, apart from the packet that it came in: what its answer repeats and respects.

use hickory_server::proto::op::Query;
use hickory_server::proto::rr::RecordType;

use crate::core::model::route;
use crate::core::routing::names::RecordKind;

use super::Transport;

/// The longest packet by UDP, both ways. It crosses any network that IPv6 can use in one piece (RFC 9715).
pub(super) const LONGEST_PACKET: u16 = 1232;

/// What every client takes by UDP (RFC 1035, 4.2.1).
const SHORTEST_LIMIT: u16 = 512;

/// One question, and what its answer has to repeat or respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Chosen by the client; never shown to another resolver.
    pub(super) id: u16,
    pub(super) recursion_desired: bool,
    pub(super) checking_disabled: bool,
    /// As the client wrote it, in its letters' case.
    pub(super) query: Query,
    pub(super) edns: Option<Extension>,
    /// The name as [`Names`](crate::core::routing::names::Names) wants it.
    pub(super) name: String,
}

/// What an EDNS client said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) version: u8,
    /// What it takes by UDP, in bytes.
    pub(super) payload: u16,
    pub(super) dnssec_ok: bool,
}

impl Question {
    pub(super) fn is_local(&self) -> bool {
        route::is_local(&self.name)
    }

    pub(super) fn kind(&self) -> RecordKind {
        match self.query.query_type {
            RecordType::A => RecordKind::A,
            RecordType::AAAA => RecordKind::Aaaa,
            _ => RecordKind::Other,
        }
    }

    /// The longest answer that the client takes, in bytes.
    pub(super) fn limit(&self, transport: Transport) -> usize {
        match transport {
            Transport::Udp => self.payload().into(),
            Transport::Tcp => u16::MAX.into(),
        }
    }

    /// The longest answer by UDP that both sides take, in bytes.
    pub(super) fn payload(&self) -> u16 {
        self.edns.map_or(SHORTEST_LIMIT, |edns| {
            edns.payload.clamp(SHORTEST_LIMIT, LONGEST_PACKET)
        })
    }
}
