//! What one client may take, so that something is left for the others.

use std::time::Duration;

use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::RecordType;
use hiveway::core::routing::rate_limit::Rate;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};

use crate::bounded::bounded;

use super::client::{addresses, ask_on, by_tcp, by_udp, question, receive, send};
use super::server::{Server, gateways};
use super::upstream::Upstream;

#[tokio::test]
async fn who_asks_too_often_gets_no_answer_and_nobody_else_notices() {
    let server = Server::start_with(
        |config| {
            // One token comes back in longer than any test takes.
            config.limits.rate = Rate {
                per_second: 1,
                burst: 400,
            };
        },
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let asked = question("a.local.", RecordType::A);
    let packet = asked.to_vec().expect("it can be written");
    let greedy = UdpSocket::bind("127.0.0.2:0").await.expect("a free port");
    let modest = UdpSocket::bind("127.0.0.3:0").await.expect("a free port");
    for _ in 0..50 {
        for _ in 0..20 {
            greedy.send_to(&packet, server.address).await.expect("sent");
        }
        // Its answer comes after whatever there is to say about the packets before.
        let answer = ask_on(&modest, server.address, &asked).await;
        assert_eq!(addresses(&answer), ["10.0.0.1"]);
    }
    let answers = server.count("answered") - 50;
    assert!((400..500).contains(&answers), "{answers} answers");
    assert_eq!(server.count("limited"), 1000 - answers);
}

#[tokio::test]
async fn by_tcp_the_limit_is_said() {
    let server = Server::start_with(
        |config| {
            config.limits.rate = Rate {
                per_second: 1,
                burst: 1,
            };
        },
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let asked = question("a.local.", RecordType::A);
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let mut codes = Vec::new();
    while !codes.contains(&ResponseCode::Refused) {
        send(&mut stream, &asked).await;
        codes.push(receive(&mut stream).await.expect("an answer").response_code);
    }
    assert_eq!(codes[0], ResponseCode::NoError);
    assert_eq!(server.count("limited"), 1);
}

#[tokio::test]
async fn several_questions_share_a_connection_until_it_is_idle() {
    let server = Server::start_with(
        |config| config.limits.idle = Duration::from_millis(200),
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let questions = ["a.local.", "b.local."].map(|name| question(name, RecordType::A));
    for question in &questions {
        send(&mut stream, question).await;
    }
    for question in &questions {
        let answer = receive(&mut stream).await.expect("an answer");
        assert_eq!(answer.id, question.id);
    }
    assert!(receive(&mut stream).await.is_none(), "it is closed");
    // Dripping is idling.
    let mut slow = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    slow.write_all(&[0, 40, 1, 2, 3]).await.expect("it is sent");
    assert!(receive(&mut slow).await.is_none(), "it is closed");
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let server = Server::start_with(
        |config| config.limits.connections = 1,
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let asked = question("a.local.", RecordType::A);
    let mut first = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    send(&mut first, &asked).await;
    receive(&mut first).await.expect("an answer");
    let mut second = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    send(&mut second, &asked).await;
    // By UDP the answer comes at once, and none by the second connection.
    by_udp(server.address, &asked).await;
    assert_eq!(server.count("answered"), 2);
    drop(first);
    let answer = receive(&mut second).await.expect("its turn has come");
    assert_eq!(addresses(&answer), ["10.0.0.1"]);
}

#[tokio::test]
async fn so_many_questions_wait_for_others_and_no_more() {
    let upstream = Upstream::silent();
    let server = Server::start_with(
        |config| {
            config.forward = vec![upstream.address];
            config.limits.forwards = 2;
        },
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let waiting = question("slow.example.com.", RecordType::A).to_vec();
    let waiting = waiting.expect("it can be written");
    for _ in 0..2 {
        socket
            .send_to(&waiting, server.address)
            .await
            .expect("sent");
    }
    let asked = question("www.example.com.", RecordType::A);
    let answer = bounded(ask_on(&socket, server.address, &asked)).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert_eq!(server.count("failed"), 1);
    // Those who ask for what is known do not wait in the same queue.
    let asked = question("a.local.", RecordType::A);
    assert_eq!(
        addresses(&by_udp(server.address, &asked).await),
        ["10.0.0.1"]
    );
    assert_eq!(
        addresses(&by_tcp(server.address, &asked).await),
        ["10.0.0.1"]
    );
    server
        .stop()
        .await
        .expect("whoever waits does not hold it up");
}
