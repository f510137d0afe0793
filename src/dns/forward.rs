//! Asks other resolvers, one after another, and takes an answer only from the one that was asked, to what it was asked.
//!
//! # Design notes
//!
//! A question is written anew: with an id drawn from a secure source, from a socket of its own whose port the system
//! draws, and without what a client may have put beside it. Who wants to forge an answer has to guess both numbers, and can
//! learn neither from a client's packet. What does not match is passed over, not taken for a failure.
//!
//! Resolvers are asked in their order, from the one that answered last: one that is silent costs one question its
//! time-out, not every question.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_server::proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_server::proto::serialize::binary::{BinDecodable as _, BinDecoder};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::framing::{read_message, write_message};
use super::message::Question;
use super::{Transport, reply};

/// Longer than any answer by UDP that a resolver is allowed.
const BUFFER: usize = 4096;

/// Knows whom to ask.
#[derive(Debug)]
pub(super) struct Forwarder {
    resolvers: Vec<SocketAddr>,
    timeout: Duration,
    /// The index of the one that answered last.
    preferred: AtomicUsize,
    places: Arc<Semaphore>,
}

/// A resolver's answer, with the id of our own question.
struct Answer {
    bytes: Vec<u8>,
    code: ResponseCode,
    truncated: bool,
}

impl Forwarder {
    pub(super) fn new(resolvers: Vec<SocketAddr>, timeout: Duration, at_once: usize) -> Self {
        Self {
            resolvers,
            timeout,
            preferred: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// A place among those who wait, to be held while [`ask`](Self::ask) runs; none when all are taken.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// The answer for the client, under its own id and no longer than it takes; none when no resolver gave one.
    pub(super) async fn ask(&self, question: &Question, transport: Transport) -> Option<Vec<u8>> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut poor = None;
        for step in 0..self.resolvers.len() {
            let index = (first + step) % self.resolvers.len();
            let asked = self.ask_one(self.resolvers[index], question, transport);
            let Some(answer) = asked.await else {
                continue;
            };
            if is_poor(answer.code) {
                // Another may know more; if not, the client is told what the first one said.
                poor = poor.or(Some(answer));
                continue;
            }
            self.preferred.store(index, Ordering::Relaxed);
            return Some(for_client(answer, question, transport));
        }
        poor.map(|answer| for_client(answer, question, transport))
    }

    async fn ask_one(
        &self,
        resolver: SocketAddr,
        question: &Question,
        transport: Transport,
    ) -> Option<Answer> {
        let message = ask_anew(question);
        let packet = message.to_vec().ok()?;
        let full = async {
            let asked = by_tcp(resolver, &packet, &message);
            timeout(self.timeout, asked).await.ok()?.ok()
        };
        if transport == Transport::Tcp {
            return full.await;
        }
        let asked = by_udp(resolver, &packet, &message);
        let answer = timeout(self.timeout, asked).await.ok()?.ok()?;
        if !answer.truncated {
            return Some(answer);
        }
        // The resolver may be content with less than the client is; if not, the client has to ask by TCP itself.
        let limit = question.limit(transport);
        let full = full.await.filter(|full| full.bytes.len() <= limit);
        Some(full.unwrap_or(answer))
    }
}

/// What says more of the resolver than of the name.
fn is_poor(code: ResponseCode) -> bool {
    matches!(
        code,
        ResponseCode::ServFail | ResponseCode::Refused | ResponseCode::NotImp
    )
}

/// The same question from us.
fn ask_anew(question: &Question) -> Message {
    // It draws its id at random.
    let mut message = Message::query();
    message.metadata.recursion_desired = question.recursion_desired;
    message.metadata.checking_disabled = question.checking_disabled;
    message.add_query(question.query.clone());
    if let Some(asked) = question.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(question.payload())
            .set_dnssec_ok(asked.dnssec_ok);
        message.set_edns(edns);
    }
    message
}

fn for_client(answer: Answer, question: &Question, transport: Transport) -> Vec<u8> {
    let limit = question.limit(transport);
    if answer.bytes.len() > limit {
        let mut message = reply::truncated(question);
        message.metadata.recursion_available = true;
        return reply::write(&message, limit);
    }
    let mut bytes = answer.bytes;
    bytes[..2].copy_from_slice(&question.id.to_be_bytes());
    bytes
}

async fn by_udp(resolver: SocketAddr, packet: &[u8], asked: &Message) -> io::Result<Answer> {
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // From here on the system passes over what others send.
    socket.connect(resolver).await?;
    socket.send(packet).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = read(&buffer[..length], asked) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(resolver: SocketAddr, packet: &[u8], asked: &Message) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(resolver).await?;
    write_message(&mut stream, packet).await?;
    loop {
        let bytes = read_message(&mut stream).await?;
        if let Some(answer) = read(&bytes, asked) {
            return Ok(answer);
        }
    }
}

/// A packet as an answer to what was asked; none when it is none.
fn read(packet: &[u8], asked: &Message) -> Option<Answer> {
    let mut decoder = BinDecoder::new(packet);
    let header = Header::read(&mut decoder).ok()?;
    let is_answer = header.id == asked.id
        && header.message_type == MessageType::Response
        && header.op_code == OpCode::Query
        && header.counts.queries == 1;
    if !is_answer {
        return None;
    }
    // Names are compared without regard to case, which some resolvers change.
    let repeated = Query::read(&mut decoder).ok()?;
    (asked.queries == [repeated]).then(|| Answer {
        bytes: packet.to_vec(),
        code: header.response_code,
        truncated: header.truncation,
    })
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::rr::{Name, RecordType};

    use super::*;

    fn message(id: u16, kind: MessageType, name: &str, record: RecordType) -> Message {
        let name = Name::from_ascii(name).expect("a name");
        let mut message = Message::new(id, kind, OpCode::Query);
        message.add_query(Query::query(name, record));
        message
    }

    #[test]
    fn an_answer_has_the_id_and_the_question_of_what_was_asked() {
        let (a, query, response) = (RecordType::A, MessageType::Query, MessageType::Response);
        let asked = message(7, query, "Example.com.", a);
        for (answer, expected) in [
            (message(7, response, "Example.com.", a), true),
            (message(7, response, "example.COM.", a), true),
            (message(8, response, "example.com.", a), false),
            (message(7, query, "example.com.", a), false),
            (message(7, response, "example.org.", a), false),
            (
                message(7, response, "example.com.", RecordType::AAAA),
                false,
            ),
            (Message::response(7, OpCode::Query), false),
        ] {
            let bytes = answer.to_vec().expect("it can be written");
            assert_eq!(read(&bytes, &asked).is_some(), expected, "{answer}");
            assert!(read(&bytes[..11], &asked).is_none());
        }
    }

    #[test]
    fn a_question_is_asked_anew_under_another_id_each_time() {
        let asked = message(7, MessageType::Query, "example.com.", RecordType::A);
        let question = Question::read(&asked.to_vec().expect("bytes")).expect("a question");
        let ids: std::collections::BTreeSet<u16> =
            (0..100).map(|_| ask_anew(&question).id).collect();
        assert!(ids.len() > 90, "{ids:?}");
        let anew = ask_anew(&question);
        assert_eq!((&anew.queries, &anew.edns), (&asked.queries, &None));
    }
}
