//! Decides what becomes of a packet: answered from what is known, refused, dropped, or asked of others.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::{DNSClass, RecordType};
use prometheus::IntCounter;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::core::routing::names::{Answer, Names};
use crate::core::routing::rate_limit::RateLimit;
use crate::observe::metrics::Metrics;

use super::forward::Forwarder;
use super::message::Question;
use super::question::Unread;
use super::{Limits, Transport, reply};

/// Shared by everything that receives packets.
#[derive(Debug)]
pub(super) struct Resolver {
    /// None before the first snapshot.
    known: ArcSwapOption<Known>,
    /// Draws the tickets by which gateways take turns.
    ticket: AtomicUsize,
    clients: Mutex<RateLimit<IpAddr>>,
    forwarder: Option<Forwarder>,
    counters: Counters,
    started: Instant,
}

#[derive(Debug)]
struct Known {
    names: Names,
    serial: u32,
}

/// What becomes of a packet.
pub(super) enum Verdict {
    /// This is sent.
    Reply(Vec<u8>),
    /// Nothing is sent.
    Silence,
    /// Others have to be asked first, see [`Resolver::forward`].
    Forward(Question, OwnedSemaphorePermit),
}

#[derive(Debug)]
struct Counters {
    answered: IntCounter,
    no_name: IntCounter,
    no_data: IntCounter,
    forwarded: IntCounter,
    refused: IntCounter,
    limited: IntCounter,
    malformed: IntCounter,
    failed: IntCounter,
}

impl Resolver {
    pub(super) fn new(forwarder: Option<Forwarder>, limits: &Limits, metrics: &Metrics) -> Self {
        Self {
            known: ArcSwapOption::empty(),
            ticket: AtomicUsize::new(0),
            clients: Mutex::new(RateLimit::new(limits.rate, limits.clients)),
            forwarder,
            counters: Counters {
                answered: metrics.dns_queries("answered"),
                no_name: metrics.dns_queries("no_name"),
                no_data: metrics.dns_queries("no_data"),
                forwarded: metrics.dns_queries("forwarded"),
                refused: metrics.dns_queries("refused"),
                limited: metrics.dns_queries("limited"),
                malformed: metrics.dns_queries("malformed"),
                failed: metrics.dns_queries("failed"),
            },
            started: Instant::now(),
        }
    }

    /// Answers by these names from now on. The serial number may wrap around.
    pub(super) fn learn(&self, names: Names, serial: u64) {
        let serial = serial as u32;
        self.known.store(Some(Arc::new(Known { names, serial })));
    }

    /// Decides without waiting for anything.
    pub(super) fn decide(&self, packet: &[u8], client: IpAddr, transport: Transport) -> Verdict {
        let admitted = self.admit(client);
        if !admitted && transport == Transport::Udp {
            // Who is told no asks again, and a forged sender would be told what it never asked.
            self.counters.limited.inc();
            return Verdict::Silence;
        }
        let question = match Question::read(packet) {
            Ok(question) => question,
            Err(Unread::Mute) => {
                self.counters.malformed.inc();
                return Verdict::Silence;
            }
            Err(Unread::Told(code, reply)) => {
                match code {
                    ResponseCode::NotImp => self.counters.refused.inc(),
                    _ => self.counters.malformed.inc(),
                }
                return Verdict::Reply(reply);
            }
        };
        let (message, counter) = if !admitted {
            let message = reply::error(&question, ResponseCode::Refused);
            (message, &self.counters.limited)
        } else if let Some(code) = unserved(&question) {
            (reply::error(&question, code), &self.counters.refused)
        } else if question.is_local() {
            self.answer(&question)
        } else {
            match self.forwarder.as_ref().map(Forwarder::permit) {
                Some(Some(permit)) => return Verdict::Forward(question, permit),
                // As many wait already as may.
                Some(None) => self.failed(&question),
                None => {
                    let message = reply::error(&question, ResponseCode::Refused);
                    (message, &self.counters.refused)
                }
            }
        };
        counter.inc();
        let mut message = message;
        message.metadata.recursion_available = self.forwarder.is_some();
        Verdict::Reply(reply::write(&message, question.limit(transport)))
    }

    fn admit(&self, client: IpAddr) -> bool {
        let now = self.started.elapsed();
        let mut clients = self
            .clients
            .lock()
            .expect("nothing panics while it holds the clients");
        clients.admit(client.to_canonical(), now)
    }

    /// About a `.local` name.
    fn answer(&self, question: &Question) -> (hickory_server::proto::op::Message, &IntCounter) {
        let known = self.known.load();
        let Some(known) = &*known else {
            // That a name does not exist would be remembered; this makes clients ask again.
            return self.failed(question);
        };
        let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
        let answer = known.names.answer(&question.name, question.kind(), ticket);
        let nothing = |code| reply::nothing(question, code, known.serial);
        match answer {
            Answer::Addresses(addresses) => (
                reply::addresses(question, &addresses),
                &self.counters.answered,
            ),
            Answer::NoData => (nothing(ResponseCode::NoError), &self.counters.no_data),
            // Nothing else is asked of the names, but were it, this would be the answer.
            Answer::NoSuchName | Answer::NotOurs => {
                (nothing(ResponseCode::NXDomain), &self.counters.no_name)
            }
        }
    }

    fn failed(&self, question: &Question) -> (hickory_server::proto::op::Message, &IntCounter) {
        let message = reply::error(question, ResponseCode::ServFail);
        (message, &self.counters.failed)
    }

    /// Asks others, and returns what to send.
    pub(super) async fn forward(
        &self,
        question: Question,
        permit: OwnedSemaphorePermit,
        transport: Transport,
    ) -> Vec<u8> {
        let answer = match &self.forwarder {
            Some(forwarder) => forwarder.ask(&question, transport).await,
            None => None,
        };
        drop(permit);
        match answer {
            Some(answer) => {
                self.counters.forwarded.inc();
                answer
            }
            None => {
                let (mut message, counter) = self.failed(&question);
                message.metadata.recursion_available = true;
                counter.inc();
                reply::write(&message, question.limit(transport))
            }
        }
    }
}

/// Why a question is not for us, whatever its name: other classes than the internet's, versions of EDNS that are yet to
/// come, transfers of whole zones.
fn unserved(question: &Question) -> Option<ResponseCode> {
    if question.edns.is_some_and(|edns| edns.version > 0) {
        return Some(ResponseCode::BADVERS);
    }
    let transfer = matches!(
        question.query.query_type,
        RecordType::AXFR | RecordType::IXFR
    );
    let refused = transfer || question.query.query_class != DNSClass::IN;
    refused.then_some(ResponseCode::Refused)
}
