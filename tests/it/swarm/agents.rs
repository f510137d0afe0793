//! What only the engine of a container's node knows: how a command in it ends, and that it was sent a signal.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use hiveway::core::model::snapshot::EndpointState;

use super::load::Load;
use super::service::{SETTLE_BOUND, Service};
use super::stage::{HOST, Stage, Turn};
use crate::docker::docker;

/// The shell and the programs of this machine, for an image that has none; its own program is in `/usr/bin`.
const PROGRAMS: [&str; 6] = [
    "--mount",
    "type=bind,src=/bin,dst=/bin,readonly",
    "--mount",
    "type=bind,src=/lib,dst=/lib,readonly",
    "--mount",
    "type=bind,src=/lib64,dst=/lib64,readonly",
];

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn failed_command_probe_removes_a_container_without_errors() {
    let stage = Turn::take().await;
    let labels = [
        ("hiveway.routing.port_80", HOST),
        (
            "hiveway.probe.cmd",
            "if test -e /ill; then echo the doctor is out; exit 7; fi",
        ),
        ("hiveway.probe.interval_seconds", "1"),
    ];
    let service = Service::create(&stage, "commanded", 2, &labels, &PROGRAMS).await;
    let containers = service.settled(2).await;
    let victim = &containers[0];
    let loads = Load::start_all(&stage).await;

    let began = SystemTime::now();
    docker(["exec", "--user", "0", victim, "/bin/touch", "/ill"]).await;
    service
        .becomes(victim, EndpointState::Failing, SETTLE_BOUND)
        .await;
    let words = " failed its probes: probe.cmd exited 7: the doctor is out";
    told(&stage, &service, victim, words, began).await;
    let answered = async || {
        let summary = loads[0].summary_now().await;
        (summary.requests, summary.served_by[&victim[..12]])
    };
    let (requests, before) = answered().await;
    loads[0].reaches(requests + 300).await;
    assert_eq!(answered().await.1, before);

    docker(["exec", "--user", "0", victim, "/bin/rm", "/ill"]).await;
    service
        .becomes(victim, EndpointState::Ready, SETTLE_BOUND)
        .await;
    let (requests, before) = answered().await;
    loads[0].reaches(requests + 300).await;
    assert!(answered().await.1 > before);
    Load::end_flawless(&stage, loads).await;
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn a_container_that_is_sent_a_signal_drains_at_once() {
    let stage = Turn::take().await;
    let labels = [("hiveway.routing.port_80", HOST)];
    let flags = ["--restart-delay", "0s"];
    let service = Service::create(&stage, "signalled", 2, &labels, &flags).await;
    let containers = service.settled(2).await;
    let victim = &containers[0];
    let loads = Load::start_all(&stage).await;

    // Some of these go to the victim, which has to answer them before it ends.
    let slow = join_all((0..10).map(|_| stage.hiveway.get("/slow?ms=4000")));
    let kill = async {
        let began = SystemTime::now();
        docker(["kill", "--signal", "TERM", victim]).await;
        service
            .becomes(victim, EndpointState::Draining, SETTLE_BOUND)
            .await;
        began
    };
    let (answers, began) = tokio::join!(slow, kill);
    for answer in answers {
        assert_eq!(answer.unwrap().status, 200);
    }
    let words = " gets no new requests: its container was sent a signal to end";
    let took = told(&stage, &service, victim, words, began).await;
    assert!(took < Duration::from_secs(1), "only after {took:?}");

    // Swarm starts another in its place.
    let replaced = service.settled(2).await;
    assert!(!replaced.contains(victim));
    Load::end_flawless(&stage, loads).await;
}

/// By Hiveway's own account, how long after `began` it said this of a container.
async fn told(
    stage: &Stage,
    service: &Service<'_>,
    container: &str,
    words: &str,
    began: SystemTime,
) -> Duration {
    let log = stage.hiveway.log_since(began).await;
    let of_it = format!("{} container {}", service.name, &container[..12]);
    let line = log
        .iter()
        .find(|line| line.contains(&of_it) && line.contains(words));
    let Some(line) = line else {
        stage
            .fail(&format!("{words:?} is not told: {log:#?}"))
            .await
    };
    let at = humantime::parse_rfc3339(line.split(' ').next().unwrap()).unwrap();
    let took = at.duration_since(began).unwrap();
    eprintln!("after {took:?}: {line}");
    took
}
