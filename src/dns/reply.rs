//! What is said in answer to a question, as bytes that fit what the client takes.

use std::net::IpAddr;

use hickory_server::proto::op::{Edns, Message, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, SOA};
use hickory_server::proto::rr::{Name, RData, Record};

use super::message::{LONGEST_PACKET, Question};

/// How long clients may keep an address, in seconds. A gateway that has left refuses connections, which clients notice
/// at once; this is how long they go on trying it. Longer than the burst of look-ups that a page or a pool makes.
const TIME_TO_LIVE: u32 = 5;

/// How long clients may keep that there is nothing, in seconds: a new route should not wait for who asked too early.
const NEGATIVE_TIME_TO_LIVE: u32 = 1;

/// For those who transfer zones, which nobody can do here, in seconds.
const ZONE_TIMES: i32 = 5;

/// The beginning of every answer: the client's id, question and extension.
pub(super) fn to(question: &Question) -> Message {
    let mut message = Message::response(question.id, OpCode::Query);
    message.metadata.recursion_desired = question.recursion_desired;
    message.metadata.checking_disabled = question.checking_disabled;
    message.add_query(question.query.clone());
    if let Some(asked) = question.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(LONGEST_PACKET)
            .set_dnssec_ok(asked.dnssec_ok);
        message.set_edns(edns);
    }
    message
}

/// The name has these addresses.
pub(super) fn addresses(question: &Question, addresses: &[IpAddr]) -> Message {
    let mut message = to(question);
    message.metadata.authoritative = true;
    message.add_answers(addresses.iter().map(|address| {
        let data = match address {
            IpAddr::V4(address) => RData::A(A(*address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
        };
        Record::from_rdata(question.query.name.clone(), TIME_TO_LIVE, data)
    }));
    message
}

/// There is no such name, or nothing of the kind that was asked for.
pub(super) fn nothing(question: &Question, code: ResponseCode, serial: u32) -> Message {
    let mut message = to(question);
    message.metadata.authoritative = true;
    message.metadata.response_code = code;
    let zone = || Name::from_labels([b"local" as &[u8]]).expect("a label of five letters");
    let authority = SOA::new(
        zone(),
        zone(),
        serial,
        ZONE_TIMES,
        ZONE_TIMES,
        ZONE_TIMES,
        NEGATIVE_TIME_TO_LIVE,
    );
    let record = Record::from_rdata(zone(), NEGATIVE_TIME_TO_LIVE, RData::SOA(authority));
    message.add_authority(record);
    message
}

/// Nothing is said about the name, for this reason.
pub(super) fn error(question: &Question, code: ResponseCode) -> Message {
    let mut message = to(question);
    message.metadata.response_code = code;
    message
}

/// The answer is too long for a packet: the client should ask by TCP.
pub(super) fn truncated(question: &Question) -> Message {
    let mut message = to(question);
    message.metadata.truncation = true;
    message
}

/// The bytes of a message, without its records where they are more than the client takes.
pub(super) fn write(message: &Message, limit: usize) -> Vec<u8> {
    let bytes = message.to_vec().unwrap_or_default();
    if !bytes.is_empty() && bytes.len() <= limit {
        return bytes;
    }
    message.truncate().to_vec().unwrap_or_default()
}

/// Just a header: for a request whose question cannot be read.
pub(super) fn bare(request: &Metadata, code: ResponseCode) -> Vec<u8> {
    let mut message = Message::error_msg(request.id, request.op_code, code);
    message.metadata.recursion_desired = request.recursion_desired;
    message.to_vec().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::op::{MessageType, Query};
    use hickory_server::proto::rr::RecordType;

    use super::*;
    use crate::core::routing::names::MOST_ADDRESSES;
    use crate::dns::Transport;

    fn question(name: &Name, edns: Option<u16>) -> Question {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name.clone(), RecordType::AAAA));
        if let Some(payload) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        Question::read(&message.to_vec().expect("it can be written")).expect("a question")
    }

    #[test]
    fn the_longest_answer_of_our_own_fits_the_shortest_packet() {
        let label = "a".repeat(63);
        let labels = [&*label, &*label, &*label, &label[..55], "local"];
        let name = Name::from_labels(labels).expect("the longest name");
        assert_eq!(name.to_ascii().len(), 254, "with its last dot");
        for edns in [None, Some(512)] {
            let question = question(&name, edns);
            let all = ["fd00::1".parse().expect("an address"); MOST_ADDRESSES];
            let message = addresses(&question, &all);
            let bytes = write(&message, question.limit(Transport::Udp));
            assert!(bytes.len() <= 512, "{}", bytes.len());
            let read = Message::from_vec(&bytes).expect("a message");
            assert_eq!((read.answers.len(), read.truncation), (8, false));
        }
    }

    #[test]
    fn what_does_not_fit_loses_its_records_and_says_so() {
        let name = Name::from_labels(["a", "local"]).expect("a name");
        let question = question(&name, None);
        let many = ["fd00::1".parse().expect("an address"); 20];
        let message = addresses(&question, &many);
        let bytes = write(&message, question.limit(Transport::Udp));
        let read = Message::from_vec(&bytes).expect("a message");
        assert!(read.truncation && read.answers.is_empty());
        assert_eq!(read.queries.first(), Some(&question.query));
        let bytes = write(&message, question.limit(Transport::Tcp));
        let read = Message::from_vec(&bytes).expect("a message");
        assert_eq!((read.answers.len(), read.truncation), (20, false));
    }
}
