//! A client whose network is gone says nothing: no reset, no end of the connection. What it held is
//! let go.
//!
//! Every time-out of a policy is an hour here, so that what ends a connection is not one of them.

use std::net::SocketAddr;
use std::time::Duration;

use hiveway::gateway::{Config, TcpProbes};

use crate::bounded::bounded;
use crate::needs::needed;

use super::client::Client;
use super::edge::Edge;
use super::namespace::Namespace;
use super::origin::{Behaviour, origins};
use super::service::Service;

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn service() -> Service {
    Service::new("web", "web.test").policy(|policy| {
        let hour = Duration::from_secs(3600);
        policy.response_timeout = hour;
        policy.idle_timeout = hour;
    })
}

/// How an address stands in `/proc/net/tcp`.
fn shown(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            format!("{ip:08X}:{:04X}", address.port())
        }
        SocketAddr::V6(_) => panic!("{address} is not in the table of IPv4"),
    }
}

/// The time until the kernel probes the far side of a connection; none where it will not, or data
/// is under way.
fn probed_in(is_meant: impl Fn(&str, &str) -> bool) -> Option<Duration> {
    /// The kind of timer that sends probes.
    const KEEP_ALIVE: &str = "02";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table of connections");
    let columns = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut timers = columns
        .filter(|it| is_meant(it[1], it[2]))
        .map(|it| it[5].split_once(':').expect("a timer and its time"));
    let (_, left) = timers.find(|(kind, _)| *kind == KEEP_ALIVE)?;
    // In hundredths of a second (USER_HZ).
    let left = u64::from_str_radix(left, 16).expect("a number");
    Some(Duration::from_millis(left * 10))
}

/// Waits until the kernel is about to probe, and gives the time until it does.
async fn probed(is_meant: impl Fn(&str, &str) -> bool) -> Duration {
    let shown = async {
        loop {
            if let Some(left) = probed_in(&is_meant) {
                return left;
            }
            tokio::task::yield_now().await;
        }
    };
    bounded(shown).await
}

/// Checks that the kernel probes a client in time.
pub(super) async fn assert_probed(listener: SocketAddr, client: SocketAddr) {
    let (listener, client) = (shown(listener), shown(client));
    let left = probed(|near, far| (near, far) == (&*listener, &*client)).await;
    assert!(left <= TcpProbes::default().idle, "{left:?}");
}

/// Checks that the kernel probes a task soon.
pub(super) async fn assert_task_probed(task: SocketAddr) {
    let task = shown(task);
    let left = probed(|_, far| far == task).await;
    assert!(left <= Duration::from_secs(5), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_probes_silent_clients_of_plain_listeners() {
    let edge = Edge::start(&[service()]).await;
    for listener in [edge.internal, edge.public] {
        let mut client = Client::connect(listener).await;
        client.get("nobody.test", "/").await;
        assert_probed(listener, client.wire.address()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a network namespace: make test"]
async fn a_websocket_of_a_dead_client_ends_on_both_sides() {
    let namespace = needed(Namespace::make()).await;
    let [task] = origins([Behaviour::Hand]).await;
    let hasty = |config: &mut Config| {
        config.internal = Some(([0, 0, 0, 0], 0).into());
        let second = Duration::from_secs(1);
        config.limits.body_patience = second;
        config.limits.tcp_probes = TcpProbes {
            idle: second,
            interval: second,
            count: 2,
        };
    };
    let edge = Edge::start_with(hasty, &[service().endpoints([&task])]).await;

    let mut open = Vec::new();
    for _ in 0..2 {
        let to = (namespace.near, edge.internal.port()).into();
        let stream = bounded(namespace.socket().connect(to)).await;
        let mut client = Client::on(stream.expect("a listener"));
        client.send(UPGRADE).await;
        let mut exchange = task.handed().await;
        exchange.wire.send(SWITCH).await.expect("it is read");
        bounded(client.wire.head()).await.expect("an answer");
        open.push((client, exchange));
    }

    namespace.cut().await;
    let [(_, idle), (_, told)] = &mut open[..] else {
        unreachable!("two were opened");
    };
    // Data that nobody acknowledges keeps the kernel from probing.
    told.wire.send([0x81, 1, 7]).await.expect("it is taken");
    assert_eq!(bounded(told.wire.rest()).await, b"");
    assert_eq!(bounded(idle.wire.rest()).await, b"");
}
