//! Packets that nobody should send: counted, at most complained about, and then a good question is answered as before.

use hickory_server::proto::op::{Edns, ResponseCode};
use hickory_server::proto::rr::RecordType;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};

use super::client::{addresses, ask_on, by_tcp, by_udp, question, response};
use super::server::{Server, gateways};
use super::upstream::{Upstream, answer, packet};

/// Bytes of any kind, and good questions with a few bytes changed, cut off or added.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let good = (0..4usize).prop_map(|which| {
        let name = ["a.local.", "b.c.local.", "www.example.com.", "."][which];
        let mut message = question(name, RecordType::A);
        if which % 2 == 0 {
            message.set_edns(Edns::new());
        }
        packet(&message)
    });
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5);
    let tail = proptest::collection::vec(any::<u8>(), 0..8);
    let changed = (good, changes, any::<prop::sample::Index>(), tail).prop_map(
        |(mut packet, changes, cut, tail)| {
            for (place, byte) in changes {
                let place = place.index(packet.len());
                packet[place] = byte;
            }
            if tail.len() % 2 == 0 {
                packet.truncate(cut.index(packet.len() + 1));
            }
            [packet, tail].concat()
        },
    );
    let noise = proptest::collection::vec(any::<u8>(), 0..600);
    prop_oneof![3 => changed, 1 => noise]
}

fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::default();
    let strategy = hostile();
    let packet = |_| strategy.new_tree(&mut runner).expect("a packet").current();
    (0..count).map(packet).collect()
}

#[tokio::test]
async fn no_packet_stops_it() {
    // What looks like a question for others is forwarded, and there it gets nonsense for an answer.
    let upstream = Upstream::start(|_, asked| {
        let good = packet(&answer(asked, &[7]));
        let cut = good[..good.len() / 2].to_vec();
        vec![b"nonsense".to_vec(), cut, good]
    });
    let server = Server::start_with(
        |config| config.forward = vec![upstream.address],
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let asked = question("a.local.", RecordType::A);
    let packets = packets(4000);
    for some in packets.chunks(50) {
        for packet in some {
            socket.send_to(packet, server.address).await.expect("sent");
        }
        // From another socket: among the answers to nonsense there may be one with the same id.
        let answer = by_udp(server.address, &asked).await;
        assert_eq!(addresses(&answer), ["10.0.0.1"]);
    }
    for some in packets.chunks(200) {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        for packet in some {
            let length = u16::try_from(packet.len()).expect("a short packet");
            let framed = [&length.to_be_bytes()[..], packet].concat();
            // It closes where it has nothing to say.
            let _ = stream.write_all(&framed).await;
        }
        drop(stream);
        assert_eq!(
            addresses(&by_tcp(server.address, &asked).await),
            ["10.0.0.1"]
        );
    }
    assert!(
        server.count("malformed") > 500,
        "{}",
        server.count("malformed")
    );
    server.stop().await.expect("it ran to the end");
}

#[tokio::test]
async fn what_is_no_question_is_complained_about_or_passed_over() {
    let server = Server::start(&["a.local"], gateways(&[("n1", "10.0.0.1")])).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let asked = question("a.local.", RecordType::A);
    // Answers, which two servers could send each other for ever, and what has no id to answer to.
    let mute = [packet(&response(asked.id)), vec![], vec![1; 11]];
    for packet in &mute {
        socket.send_to(packet, server.address).await.expect("sent");
    }
    // Were there an answer to any of them, it would come first.
    let answer = ask_on(&socket, server.address, &asked).await;
    assert_eq!(addresses(&answer), ["10.0.0.1"]);
    let mut two = asked.clone();
    two.add_queries(question("b.local.", RecordType::A).queries);
    let answer = ask_on(&socket, server.address, &two).await;
    assert_eq!(answer.response_code, ResponseCode::FormErr);
    assert!(answer.queries.is_empty());
    assert_eq!(server.count("malformed"), 4);
}
