//! Tasks: small servers on addresses of loopback that keep what they received.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::bounded::bounded;
use crate::pause::pause;

use super::message::Head;
use super::wire::Wire;

/// What a task does with requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    /// Answers each with its container's id.
    Answer,
    /// The same, after a while.
    Slow(Duration),
    /// Answers each with these bytes.
    Say(&'static str),
    /// Closes the connection when a head has arrived.
    Close,
    /// Resets it.
    Reset,
    /// Sends these bytes and closes it.
    Begin(&'static str),
    /// Never answers.
    Hang,
    /// Hands each to the test.
    Hand,
    /// Refuses connections.
    Refuse,
}

/// A request that a task received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
}

/// A request whose head has arrived, for the test to go on with.
pub(super) struct Exchange {
    pub(super) head: Head,
    pub(super) wire: Wire,
}

/// A task.
pub(super) struct Origin {
    pub(super) container: String,
    pub(super) address: SocketAddr,
    requests: watch::Sender<Vec<Request>>,
    bytes: watch::Sender<Vec<u8>>,
    hand: mpsc::Sender<Exchange>,
    handed: Mutex<mpsc::Receiver<Exchange>>,
    running: JoinSet<()>,
    /// Holds the port of a task that refuses.
    reserved: Option<TcpSocket>,
}

/// Tasks of one service: they listen on one port, each on its own address.
pub(super) async fn origins<const N: usize>(behaviours: [Behaviour; N]) -> [Origin; N] {
    let sockets = loop {
        let mut sockets: Vec<TcpSocket> = Vec::new();
        for last in 0..N {
            let port = sockets.first().map_or(0, |first| {
                first.local_addr().expect("a bound socket").port()
            });
            let last = u8::try_from(last + 2).expect("a few tasks");
            let socket = TcpSocket::new_v4().expect("a socket");
            // Without a connection in its way from an earlier test.
            socket.set_reuseaddr(true).expect("an option");
            if socket
                .bind((Ipv4Addr::new(127, 0, 0, last), port).into())
                .is_err()
            {
                break;
            }
            sockets.push(socket);
        }
        if let Ok(sockets) = <[TcpSocket; N]>::try_from(sockets) {
            break sockets;
        }
    };
    let mut behaviours = behaviours.into_iter();
    sockets.map(|socket| Origin::start(socket, behaviours.next().expect("one each")))
}

impl Origin {
    /// A task on a bound socket.
    pub(super) fn start(socket: TcpSocket, behaviour: Behaviour) -> Self {
        let address = socket.local_addr().expect("a bound socket");
        let [.., last] = Ipv4Addr::from_bits(match address {
            SocketAddr::V4(address) => address.ip().to_bits(),
            SocketAddr::V6(_) => unreachable!("only IPv4 is bound"),
        })
        .octets();
        // Unlike that of every other task in the test, and 64 digits as Docker's are.
        let container = format!("{:04x}{last:02x}", address.port()).repeat(11)[..64].to_owned();
        let (hand, handed) = mpsc::channel(16);
        let mut origin = Self {
            container,
            address,
            requests: watch::Sender::default(),
            bytes: watch::Sender::default(),
            hand,
            handed: Mutex::new(handed),
            running: JoinSet::new(),
            reserved: Some(socket),
        };
        origin.listen(behaviour);
        origin
    }

    /// Listens from now on, if it has not before and does not go on refusing.
    pub(super) fn listen(&mut self, behaviour: Behaviour) {
        if let Behaviour::Refuse = behaviour {
            return;
        }
        let socket = self.reserved.take().expect("it did not listen before");
        let listener = socket.listen(1024).expect("a bound socket");
        let task = Task {
            behaviour,
            container: self.container.clone(),
            requests: self.requests.clone(),
            bytes: self.bytes.clone(),
            hand: self.hand.clone(),
        };
        self.running.spawn(task.run(listener));
    }

    /// The requests so far, as soon as there are so many of them.
    pub(super) async fn received(&self, count: usize) -> Vec<Request> {
        let mut requests = self.requests.subscribe();
        let reached = bounded(requests.wait_for(|all| all.len() >= count)).await;
        reached.expect("the sender lives").clone()
    }

    /// The requests up to now.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// Every byte up to now, as text.
    pub(super) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.bytes.borrow()).into_owned()
    }

    /// The next request, to go on with by hand.
    pub(super) async fn handed(&self) -> Exchange {
        let next = async { self.handed.lock().await.recv().await };
        bounded(next).await.expect("the task runs")
    }

    /// Closes the listener and every connection, as a crash would.
    pub(super) async fn crash(&mut self) {
        self.running.shutdown().await;
    }
}

/// What runs of a task.
#[derive(Clone)]
struct Task {
    behaviour: Behaviour,
    container: String,
    requests: watch::Sender<Vec<Request>>,
    bytes: watch::Sender<Vec<u8>>,
    hand: mpsc::Sender<Exchange>,
}

impl Task {
    async fn run(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted.expect("a connection");
                    let wire = Wire::recorded(stream, self.bytes.clone());
                    connections.spawn(self.clone().serve(wire));
                }
                Some(ended) = connections.join_next() => ended.expect("a task does not panic"),
            }
        }
    }

    async fn serve(self, mut wire: Wire) {
        while let Some(head) = wire.head().await {
            let mut request = Request {
                head,
                body: Vec::new(),
            };
            match self.behaviour {
                Behaviour::Answer | Behaviour::Slow(_) | Behaviour::Say(_) => {
                    let Some(body) = wire.body(request.head.request_framing()).await else {
                        return;
                    };
                    request.body = body;
                    if let Behaviour::Slow(after) = self.behaviour {
                        pause(after).await;
                    }
                    let answer = self.answer(&request);
                    self.record(request);
                    if wire.send(answer).await.is_err() {
                        return;
                    }
                }
                Behaviour::Close => return self.record(request),
                Behaviour::Reset => {
                    wire.reset_when_dropped();
                    return self.record(request);
                }
                Behaviour::Begin(answer) => {
                    self.record(request);
                    // Who has left before needs no answer.
                    let _ = wire.send(answer).await;
                    return;
                }
                Behaviour::Hang => {
                    self.record(request);
                    wire.rest().await;
                    return;
                }
                Behaviour::Hand => {
                    let head = request.head.clone();
                    self.record(request);
                    // A test that has ended takes no more.
                    let _ = self.hand.send(Exchange { head, wire }).await;
                    return;
                }
                Behaviour::Refuse => unreachable!("it does not listen"),
            }
        }
    }

    fn answer(&self, request: &Request) -> String {
        let body = match self.behaviour {
            Behaviour::Say(answer) => return answer.to_owned(),
            _ if request.head.first.starts_with("HEAD ") => "",
            _ => &self.container,
        };
        let length = self.container.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    fn record(&self, request: Request) {
        self.requests.send_modify(|all| all.push(request));
    }
}
