//! The limit of open files: one client cannot use it up, and the instance goes on for everybody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::process::Process;
use super::scene::{Scene, container};
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

/// The soft limit that many systems start processes with.
const FILES: u32 = 1024;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

/// Connections to the task of this test and their clients' ends are in this process, too.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may be raised to the hard one");
}

/// A task that never answers requests for `/slow`, upgrades those for `/socket` and answers all others.
struct Task {
    address: SocketAddr,
    held: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl Task {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
        socket.bind(any).expect("a free port");
        let listener = socket.listen(4096).expect("a bound socket");
        let address = listener.local_addr().expect("a bound socket");
        let held = Arc::new(AtomicUsize::new(0));
        let counter = held.clone();
        let mut running = JoinSet::new();
        running.spawn(async move { serve(listener, counter).await });
        Self {
            address,
            held,
            _running: running,
        }
    }

    fn service(&self) -> Value {
        let port = self.address.port();
        json!({
            "name": "web",
            "labels": {
                format!("hiveway.routing.port_{port}"): "web.test",
                "hiveway.probe.url": format!("http://container:{port}/"),
            },
            "tasks": [{ "container": container("web"), "address": self.address.ip() }],
        })
    }
}

async fn serve(listener: TcpListener, held: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let held = held.clone();
        connections.spawn(async move {
            let mut head = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut head).await {
                let answer = match &head[..count] {
                    slow if slow.starts_with(b"GET /slow") => {
                        held.fetch_add(1, Ordering::Relaxed);
                        // Until the gateway closes it.
                        let _ = stream.read(&mut head).await;
                        held.fetch_sub(1, Ordering::Relaxed);
                        return;
                    }
                    socket if socket.starts_with(b"GET /socket") => {
                        held.fetch_add(1, Ordering::Relaxed);
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\n\r\n"
                    }
                    _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
    }
}

async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind((from, 0).into()).expect("a free port");
    bounded(socket.connect(to)).await.expect("a listener")
}

/// Asks by HTTP/1 and returns the status, or what was there instead within two seconds.
async fn ask(from: Ipv4Addr, to: SocketAddr) -> Result<String, String> {
    let asked = async {
        let mut stream = connect_from(from, to).await;
        let request = "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = timeout(Duration::from_secs(2), asked).await;
    let answer = answer.map_err(|_| "no answer in two seconds".to_owned())?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(answer),
        false => Err(answer),
    }
}

/// Another client is served, and the admin listener answers.
async fn assert_alive(scene: &Scene) {
    for _ in 0..20 {
        ask(OTHER, scene.internal).await.expect("it is served");
    }
    let ready = scene.told("/ready").await;
    assert!(ready.contains("\"ready\":true"), "{ready}");
}

/// A connection of HTTP/2 with this number of requests that are not answered.
async fn slow_streams(to: SocketAddr, count: usize, running: &mut JoinSet<()>) {
    let stream = connect_from(ATTACKER, to).await;
    let opening = h2::client::handshake(stream);
    let (send, connection): (SendRequest<Bytes>, _) = bounded(opening).await.expect("HTTP/2");
    running.spawn(async move {
        let _ = connection.await;
    });
    running.spawn(async move {
        let mut answers = Vec::new();
        for _ in 0..count {
            let request = http::Request::get("http://web.test/slow").body(());
            let Ok(mut ready) = send.clone().ready().await else {
                return;
            };
            let sent = ready.send_request(request.expect("a request"), true);
            answers.extend(sent.map(|(answer, _)| answer));
        }
        for answer in answers {
            let _ = answer.await;
        }
        std::future::pending::<()>().await;
    });
}

/// Waits until the task has this number of requests, and the gateway has refused or held back others.
async fn saturated(scene: &Scene) {
    let reached = async || {
        let metrics = scene.told("/metrics").await;
        let refused = metrics
            .lines()
            .any(|line| line.contains("reason=\"max-task-connections"));
        if refused { Ok(()) } else { Err(metrics) }
    };
    let bound = Duration::from_secs(20);
    let reached = eventually("requests are refused", bound, reached).await;
    reached.expect("a bound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_leaves_open_files_to_others() {
    raise_own_limit();
    let task = Task::start().await;
    let scene = Scene::start_limited(FILES, &[task.service()], &[]).await;
    let mut attack = JoinSet::new();
    for _ in 0..12 {
        slow_streams(scene.internal, 100, &mut attack).await;
    }
    saturated(&scene).await;
    assert_alive(&scene).await;
    assert!(task.held.load(Ordering::Relaxed) > 100);
    let open = scene.open_files();
    assert!(open < FILES as usize - 128, "{open} files are open");
    drop(attack);
    scene.end().await;
}

#[tokio::test]
async fn flags_that_need_more_open_files_are_reported_at_startup() {
    let folder = Folder::with("inventory.json", r#"{ "services": [] }"#);
    let file = folder.file("inventory.json");
    let arguments = format!(
        "--inventory {file} --listen-internal 127.0.0.1:0 --admin 127.0.0.1:0 --threads 2 \
         --max-connections 5000 --max-task-connections 3000 --log-format json"
    );
    let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
    let mut process = Process::start_limited(FILES, arguments, []);
    let line = process.line_with("--max-task-connections").await;
    for told in [
        "the limit of 1024 open files",
        "420 and 252 are in force",
        "raise the limit to 9",
        "ulimits.nofile",
    ] {
        assert!(line.contains(told), "{told} in {line}");
    }
    process.listens().await;
    process.terminate();
    assert_eq!(process.ended().await.code, 0);
}
