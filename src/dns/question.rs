//! A packet that asks: read from bytes that anyone may have sent.

use hickory_server::proto::op::{Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::Name;
use hickory_server::proto::serialize::binary::{BinDecodable as _, BinDecoder};

use super::message::{Extension, Question};
use super::reply;

/// Why a packet is no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is too short to be answered, or an answer itself, and answering those would make two servers talk for ever.
    Mute,
    /// It is a request of a kind that is not served, or cannot be read to its end; this says so.
    Told(ResponseCode, Vec<u8>),
}

impl Question {
    /// Reads a packet. It costs little to be wrong: no more is read than is needed to answer.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Unread> {
        let mut decoder = BinDecoder::new(packet);
        let header = Header::read(&mut decoder).map_err(|_| Unread::Mute)?;
        if header.message_type == MessageType::Response {
            return Err(Unread::Mute);
        }
        let told = |code| Unread::Told(code, reply::bare(&header.metadata, code));
        let malformed = |_| told(ResponseCode::FormErr);
        if header.op_code != OpCode::Query {
            return Err(told(ResponseCode::NotImp));
        }
        if header.counts.queries != 1 {
            return Err(told(ResponseCode::FormErr));
        }
        let query = Query::read(&mut decoder).map_err(|_| told(ResponseCode::FormErr))?;
        let mut records = |count: u16, additional| {
            Message::read_records(&mut decoder, count.into(), additional, OpCode::Query)
        };
        records(header.counts.answers, false).map_err(malformed)?;
        records(header.counts.authorities, false).map_err(malformed)?;
        let (_, edns, _) = records(header.counts.additionals, true).map_err(malformed)?;
        Ok(Self {
            id: header.id,
            recursion_desired: header.recursion_desired,
            checking_disabled: header.checking_disabled,
            name: normal(&query.name),
            query,
            edns: edns.map(|edns| Extension {
                version: edns.version(),
                payload: edns.max_payload(),
                dnssec_ok: edns.flags().dnssec_ok,
            }),
        })
    }
}

/// Lower case, without a trailing dot. A byte that no host name holds becomes a question mark, which no host name holds
/// either; so a dot inside of a label is not mistaken for one between two.
fn normal(name: &Name) -> String {
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(*byte),
            b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
    }
    text
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::op::Edns;
    use hickory_server::proto::rr::RecordType;
    use proptest::prelude::*;

    use super::*;
    use crate::core::routing::names::RecordKind;
    use crate::dns::Transport;

    fn packet(labels: &[&[u8]], kind: RecordType, change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let name = Name::from_labels(labels.iter().copied()).expect("a name");
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name, kind));
        change(&mut message);
        message.to_vec().expect("it can be written")
    }

    fn plain(labels: &[&[u8]]) -> Vec<u8> {
        packet(labels, RecordType::A, |_| {})
    }

    #[test]
    fn a_question_is_read_whole() {
        let packet = packet(&[b"Shop", b"LOCAL"], RecordType::AAAA, |message| {
            let mut edns = Edns::new();
            edns.set_max_payload(4096).set_dnssec_ok(true);
            message.set_edns(edns);
        });
        let name = Name::from_labels([b"Shop" as &[u8], b"LOCAL"]).expect("a name");
        let question = Question::read(&packet).expect("a question");
        assert!(question.query.name.eq_case(&name));
        let expected = Question {
            id: 7,
            recursion_desired: true,
            checking_disabled: false,
            query: Query::query(name, RecordType::AAAA),
            edns: Some(Extension {
                version: 0,
                payload: 4096,
                dnssec_ok: true,
            }),
            name: "shop.local".to_owned(),
        };
        assert_eq!(question, expected);
        assert_eq!(question.kind(), RecordKind::Aaaa);
        assert_eq!(question.limit(Transport::Udp), 1232);
        assert_eq!(question.limit(Transport::Tcp), 65535);
    }

    #[test]
    fn labels_keep_apart() {
        for (labels, expected, local) in [
            (&[b"a" as &[u8], b"local"] as &[&[u8]], "a.local", true),
            (&[b"a.local"], "a?local", false),
            (&[b"a.shop", b"local"], "a?shop.local", true),
            (&[b"a\\", b"\xff\0", b"local"], "a?.??.local", true),
            (&[b"local", b"com"], "local.com", false),
            (&[], "", false),
        ] {
            let question = Question::read(&plain(labels)).expect("a question");
            assert_eq!(
                (&*question.name, question.is_local()),
                (expected, local),
                "{labels:?}"
            );
        }
    }

    #[test]
    fn what_is_no_question_is_told_so_or_nothing() {
        let good = plain(&[b"a", b"local"]);
        let change = |place: usize, byte: u8| {
            let mut packet = good.clone();
            packet[place] = byte;
            packet
        };
        let told = |bytes: [u8; 4], code| {
            let mut reply = vec![0, 7];
            reply.extend(&bytes[..2]);
            reply.extend([0; 8]);
            Unread::Told(code, reply)
        };
        for (packet, expected) in [
            (vec![], Unread::Mute),
            (good[..11].to_vec(), Unread::Mute),
            (change(2, 0x81), Unread::Mute),
            // An update.
            (change(2, 0x29), told([0xa9, 4, 0, 0], ResponseCode::NotImp)),
            (
                good[..12].to_vec(),
                told([0x81, 1, 0, 0], ResponseCode::FormErr),
            ),
            (
                good[..20].to_vec(),
                told([0x81, 1, 0, 0], ResponseCode::FormErr),
            ),
            // No question, two questions, an answer and an additional record that are missing.
            (change(5, 0), told([0x81, 1, 0, 0], ResponseCode::FormErr)),
            (change(5, 2), told([0x81, 1, 0, 0], ResponseCode::FormErr)),
            (change(7, 1), told([0x81, 1, 0, 0], ResponseCode::FormErr)),
            (change(11, 1), told([0x81, 1, 0, 0], ResponseCode::FormErr)),
            // A name that points to itself.
            (
                change(12, 0xc0),
                told([0x81, 1, 0, 0], ResponseCode::FormErr),
            ),
        ] {
            assert_eq!(Question::read(&packet), Err(expected), "{packet:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_packet_panics_and_a_complaint_is_no_longer_than_its_cause(
            packet in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            if let Err(Unread::Told(_, reply)) = Question::read(&packet) {
                prop_assert!(reply.len() <= packet.len());
                // Only a query is answered, and the response has its identifier.
                prop_assert_eq!(&reply[..2], &packet[..2]);
                prop_assert_eq!((packet[2] & 0x80, reply[2] & 0x80), (0, 0x80));
            }
        }

        #[test]
        fn no_change_of_a_good_packet_panics(
            changes in proptest::collection::vec((0usize..45, any::<u8>()), 0..6),
            length in 0usize..45,
        ) {
            let mut packet = packet(&[b"shop", b"local"], RecordType::A, |message| {
                message.set_edns(Edns::new());
            });
            for (place, byte) in changes {
                if let Some(target) = packet.get_mut(place) {
                    *target = byte;
                }
            }
            packet.truncate(length);
            let _ = Question::read(&packet);
        }
    }
}
