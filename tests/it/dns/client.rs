//! Asks by UDP and TCP.

use std::net::SocketAddr;

use hickory_server::proto::op::{Message, MessageType, OpCode, Query};
use hickory_server::proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::bounded::bounded;

/// A question as a stub resolver asks it.
pub(super) fn question(name: &str, kind: RecordType) -> Message {
    let name = Name::from_ascii(name).expect("a name");
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    message
}

pub(super) async fn by_udp(server: SocketAddr, asked: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    ask_on(&socket, server, asked).await
}

pub(super) async fn ask_on(socket: &UdpSocket, server: SocketAddr, asked: &Message) -> Message {
    let packet = asked.to_vec().expect("it can be written");
    socket.send_to(&packet, server).await.expect("it is sent");
    let mut buffer = vec![0; 65536];
    loop {
        let (length, from) = bounded(socket.recv_from(&mut buffer))
            .await
            .expect("an answer");
        assert_eq!(from, server);
        let answer = Message::from_vec(&buffer[..length]).expect("a message");
        if answer.id == asked.id {
            assert_eq!(answer.message_type, MessageType::Response);
            let limit = asked
                .edns
                .as_ref()
                .map_or(512, |it| it.max_payload().min(1232));
            assert!(length <= limit.into(), "{length} bytes for {limit}");
            return answer;
        }
    }
}

pub(super) async fn by_tcp(server: SocketAddr, asked: &Message) -> Message {
    let mut stream = TcpStream::connect(server).await.expect("it listens");
    send(&mut stream, asked).await;
    receive(&mut stream).await.expect("an answer")
}

pub(super) async fn send(stream: &mut TcpStream, message: &Message) {
    let bytes = message.to_vec().expect("it can be written");
    let length = u16::try_from(bytes.len()).expect("a short message");
    let framed = [&length.to_be_bytes()[..], &bytes].concat();
    bounded(stream.write_all(&framed))
        .await
        .expect("it is sent");
}

/// The next message; none when the connection is closed.
pub(super) async fn receive(stream: &mut TcpStream) -> Option<Message> {
    bounded(async {
        let length = stream.read_u16().await.ok()?;
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await.ok()?;
        Some(Message::from_vec(&bytes).expect("a message"))
    })
    .await
}

/// The addresses in an answer, in their order.
pub(super) fn addresses(answer: &Message) -> Vec<String> {
    let address = |data: &RData| match data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        other => panic!("no address: {other:?}"),
    };
    answer.answers.iter().map(|it| address(&it.data)).collect()
}

/// A whole message with an opcode that is none of a question's.
pub(super) fn response(id: u16) -> Message {
    Message::response(id, OpCode::Query)
}
