//! Another resolver, as good or bad as a test wants it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use hickory_server::proto::op::{Message, ResponseCode};
use hickory_server::proto::rr::rdata::A;
use hickory_server::proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::client::response;

/// How a question came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Udp,
    Tcp,
}

/// What it answers: any number of packets.
type Behaviour = dyn Fn(By, &Message) -> Vec<Vec<u8>> + Send + Sync;

/// It listens on UDP and TCP, and remembers what it was asked.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<(By, Message)>>>,
    _running: JoinSet<()>,
}

impl Upstream {
    pub(super) fn start(
        behaviour: impl Fn(By, &Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp, address) = sockets();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let behaviour: Arc<Behaviour> = Arc::new({
            let asked = asked.clone();
            move |by, message: &Message| {
                let mut asked = asked.lock().expect("no test panics here");
                asked.push((by, message.clone()));
                drop(asked);
                behaviour(by, message)
            }
        });
        let mut running = JoinSet::new();
        running.spawn(serve_udp(udp, behaviour.clone()));
        running.spawn(serve_tcp(tcp, behaviour));
        Self {
            address,
            asked,
            _running: running,
        }
    }

    /// One that never says anything.
    pub(super) fn silent() -> Self {
        Self::start(|_, _| Vec::new())
    }

    /// One that answers everything with this address.
    pub(super) fn honest(last: u8) -> Self {
        Self::start(move |_, asked| vec![packet(&answer(asked, &[last]))])
    }

    /// One that answers everything with this code.
    pub(super) fn failing(code: ResponseCode) -> Self {
        Self::start(move |_, asked| {
            let mut failure = answer(asked, &[]);
            failure.metadata.response_code = code;
            vec![packet(&failure)]
        })
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<(By, Message)> {
        self.asked.lock().expect("no test panics here").clone()
    }
}

/// An answer with the addresses 192.0.2.N.
pub(super) fn answer(asked: &Message, last: &[u8]) -> Message {
    let mut message = response(asked.id);
    message.metadata.recursion_available = true;
    message.add_queries(asked.queries.clone());
    message.add_answers(last.iter().map(|last| {
        let data = RData::A(A([192, 0, 2, *last].into()));
        Record::from_rdata(asked.queries[0].name.clone(), 60, data)
    }));
    message.edns.clone_from(&asked.edns);
    message
}

pub(super) fn packet(message: &Message) -> Vec<u8> {
    message.to_vec().expect("it can be written")
}

/// Both on one port.
fn sockets() -> (tokio::net::UdpSocket, TcpListener, SocketAddr) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = udp.local_addr().expect("a bound address");
        let Ok(tcp) = std::net::TcpListener::bind(address) else {
            continue;
        };
        udp.set_nonblocking(true).expect("a socket");
        tcp.set_nonblocking(true).expect("a socket");
        let udp = tokio::net::UdpSocket::from_std(udp).expect("a socket");
        let tcp = TcpListener::from_std(tcp).expect("a socket");
        return (udp, tcp, address);
    }
}

async fn serve_udp(socket: tokio::net::UdpSocket, behaviour: Arc<Behaviour>) {
    let mut buffer = vec![0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.expect("a question");
        let asked = Message::from_vec(&buffer[..length]).expect("a message");
        for packet in behaviour(By::Udp, &asked) {
            socket.send_to(&packet, client).await.expect("it is sent");
        }
    }
}

async fn serve_tcp(listener: TcpListener, behaviour: Arc<Behaviour>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let behaviour = behaviour.clone();
        connections.spawn(async move { converse(stream, &behaviour).await });
    }
}

/// Ends, without a word, when the other side does.
async fn converse(mut stream: TcpStream, behaviour: &Arc<Behaviour>) -> Option<()> {
    loop {
        let length = stream.read_u16().await.ok()?;
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await.ok()?;
        let asked = Message::from_vec(&bytes).expect("a message");
        for packet in behaviour(By::Tcp, &asked) {
            let length = u16::try_from(packet.len()).expect("a short message");
            stream.write_all(&length.to_be_bytes()).await.ok()?;
            stream.write_all(&packet).await.ok()?;
        }
    }
}
