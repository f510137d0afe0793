//! What bounds connections that are passed on: their beginnings, their number, their silence, and who may have one.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use hiveway::gateway::{Config, ListenerName};

use super::super::super::client::Client;
use super::super::super::dead_client::{assert_probed, assert_task_probed};
use super::task::{hello, tasks};
use super::{Stage, db, greeting};
use crate::authority::Authority;
use crate::bounded::bounded;
use crate::pause::pause;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_message_may_come_in_any_pieces_but_not_for_ever() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let stage = Stage::start(authority, &[db().at(task.address)]).await;
    let message = hello("db.test");
    let records = message[5..].chunks(7).flat_map(|part| {
        let length = u8::try_from(part.len()).expect("a short part");
        [&[22, 3, 1, 0, length][..], part].concat()
    });
    let records: Vec<u8> = records.collect();
    for bytes in [message, records] {
        let mut client = Client::connect(stage.secure.address()).await;
        for byte in bytes {
            client.send([byte]).await;
        }
        // The task answers with a message of its own handshake.
        assert_eq!(bounded(client.wire.exactly(1)).await, Some(vec![22]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_drips_is_huge_or_is_no_tls_is_cut_off_and_counted() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let hasty = |config: &mut Config| {
        let tls = config.tls.as_mut().expect("TLS");
        tls.limits.handshake = Duration::from_millis(300);
    };
    let stage = Stage::start_with(authority, hasty, &[db().at(task.address)]).await;
    let mut dripping = Client::connect(stage.secure.address()).await;
    let drip = async {
        for byte in hello("db.test") {
            if dripping.wire.send([byte]).await.is_err() {
                return true;
            }
            pause(Duration::from_millis(20)).await;
        }
        false
    };
    assert!(bounded(drip).await, "the whole message was waited for");
    stage.secure.refused("timeout", 1).await;
    // A message that says that it has 60 000 bytes, in records of the greatest length.
    let mut huge = Client::connect(stage.secure.address()).await;
    let first = [&[22, 3, 1, 0x40, 0][..], &[1, 0, 0xea, 0x60], &[0; 0x3ffc]].concat();
    // It is closed while this is sent, or afterwards.
    let _ = bounded(huge.wire.send(first)).await;
    bounded(huge.wire.rest()).await;
    stage.secure.refused("hello-too-large", 1).await;
    let mut plain = Client::connect(stage.secure.address()).await;
    plain.send("GET / HTTP/1.1\r\nHost: db.test\r\n\r\n").await;
    bounded(plain.wire.rest()).await;
    stage.secure.refused("malformed", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed_and_one_that_speaks_is_not() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let idle = Duration::from_millis(400);
    let service = db().at(task.address).policy(|it| it.idle_timeout = idle);
    let stage = Stage::start(authority, &[service]).await;
    let mut client = stage.open("db.test").await.client;
    greeting(&mut client).await;
    for _ in 0..8 {
        // Well within the idle time, and longer than it in sum.
        pause(idle / 4).await;
        assert_eq!(super::echo(&mut client, "tick").await, "tick");
    }
    assert_eq!(bounded(client.wire.rest()).await, b"");
    stage.ended("db", "idle", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_probes_both_sides_of_a_silent_connection() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let stage = Stage::start(authority, &[db().at(task.address)]).await;
    let mut client = stage.open("db.test").await.client;
    greeting(&mut client).await;
    assert_probed(stage.secure.address(), client.wire.address()).await;
    assert_task_probed(task.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_in_flight_counts_connections() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let service = db()
        .at(task.address)
        .policy(|it| it.max_in_flight = Some(1));
    let stage = Stage::start(authority, &[service]).await;
    let mut first = stage.open("db.test").await.client;
    greeting(&mut first).await;
    assert_eq!(stage.refused("db.test").await, "");
    stage.ended("db", "overloaded", 1).await;
    drop(first);
    stage
        .secure
        .shows("hiveway_tcp_connections{service=\"db\"} 0")
        .await;
    assert_eq!(stage.asks("db.test").await, task.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_as_many_connections_as_it_may_have_at_all() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let few = |config: &mut Config| config.limits.connections_per_client = NonZeroUsize::new(2);
    let stage = Stage::start_with(authority, few, &[db().at(task.address)]).await;
    let from: IpAddr = [127, 0, 7, 7].into();
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect_from(from, stage.secure.address()).await;
        client.send(hello("db.test")).await;
        assert_eq!(bounded(client.wire.exactly(1)).await, Some(vec![22]));
        open.push(client);
    }
    let mut third = Client::connect_from(from, stage.secure.address()).await;
    assert_eq!(bounded(third.wire.rest()).await, b"");
    let reason = "max-connections-per-client";
    assert_eq!(
        stage.secure.edge.metrics.refused_connections(reason).get(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_proxy_names_the_client_and_denied_ones_are_closed() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let trusting = |config: &mut Config| {
        config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
        config.proxy_protocol = vec![ListenerName::PublicTls];
    };
    let allowed = vec!["203.0.113.0/24".parse().expect("a network")];
    let service = db()
        .at(task.address)
        .middleware(|it| it.allow = Some(allowed));
    let stage = Stage::start_with(authority, trusting, &[service]).await;
    let proxy: SocketAddr = ([127, 0, 9, 1], 0).into();
    for (client, closed) in [("203.0.113.9", false), ("198.51.100.9", true)] {
        let address = stage.secure.address();
        let mut wire = Client::connect_from(proxy.ip(), address).await;
        wire.send(format!("PROXY TCP4 {client} 10.0.0.1 5000 443\r\n"))
            .await;
        wire.send(hello("db.test")).await;
        let first = bounded(wire.wire.exactly(1)).await;
        assert_eq!(first.is_none(), closed, "{client}");
    }
    stage.ended("db", "not-allowed", 1).await;
    // Nobody else is asked: this connection begins with its client's own address.
    assert_eq!(stage.refused("db.test").await, "");
    stage.ended("db", "not-allowed", 2).await;
}
