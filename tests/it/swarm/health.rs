//! Containers that fail: slowly, by their probes, and at once.

use std::time::{Duration, SystemTime};

use hiveway::core::model::snapshot::EndpointState;
use hiveway::tools::demo::load::Summary;

use super::load::Load;
use super::service::{SETTLE_BOUND, Service};
use super::stage::{HOST, Turn};
use crate::docker::docker;

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn failed_probe_removes_a_container_in_time_without_errors() {
    let stage = Turn::take().await;
    let labels = [
        ("hiveway.routing.port_80", HOST),
        ("hiveway.probe.url", "http://container/health"),
        ("hiveway.probe.interval_seconds", "1"),
        ("hiveway.probe.timeout_seconds", "1"),
        ("hiveway.probe.fall", "2"),
    ];
    let in_time = 2 * Duration::from_secs(1) + Duration::from_secs(1);
    let service = Service::create(&stage, "failing", 2, &labels, &[]).await;
    let containers = service.settled(2).await;
    let victim = &containers[0];
    let loads = Load::start_all(&stage).await;

    let began = SystemTime::now();
    docker(["kill", "--signal", "USR1", victim]).await;
    service
        .becomes(victim, EndpointState::Failing, SETTLE_BOUND)
        .await;
    // By the time of Hiveway's own account, which is not held up by how often this test looks.
    let log = stage.hiveway.log_since(began).await;
    let told = format!("{} container {}", service.name, &victim[..12]);
    let failed = log
        .iter()
        .find(|line| line.contains(&told) && line.contains(" failed its probes: "));
    let Some(failed) = failed else {
        stage.fail(&format!("not told: {log:#?}")).await
    };
    let at = humantime::parse_rfc3339(failed.split(' ').next().unwrap()).unwrap();
    let took = at.duration_since(began).unwrap();
    eprintln!("out of rotation after {took:?}: {failed}");
    assert!(
        took <= in_time,
        "out of rotation only after {took:?}: {failed}"
    );

    // While it is out it answers nothing, and the other answers everything.
    let answered = |summary: &Summary| summary.served_by[&victim[..12]];
    let before = loads[0].summary_now().await;
    loads[0].reaches(before.requests + 300).await;
    let after = loads[0].summary_now().await;
    assert_eq!(answered(&after), answered(&before));

    service
        .becomes(victim, EndpointState::Ready, SETTLE_BOUND)
        .await;
    let back = loads[0].summary_now().await;
    loads[0].reaches(back.requests + 300).await;
    let later = loads[0].summary_now().await;
    assert!(answered(&later) > answered(&back), "{back:?} {later:?}");
    Load::end_flawless(&stage, loads).await;
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn a_container_killed_under_load_costs_no_get_an_error() {
    let stage = Turn::take().await;
    let labels = [("hiveway.routing.port_80", HOST)];
    // Swarm starts another in place of the killed one, here at once.
    let flags = ["--restart-delay", "0s"];
    let service = Service::create(&stage, "killed", 3, &labels, &flags).await;
    let mut containers = service.settled(3).await;
    let loads = Load::start_all(&stage).await;
    for _ in 0..2 {
        let victim = containers[0].clone();
        docker(["kill", "--signal", "KILL", &victim]).await;
        // While Hiveway does not know of it yet, nothing else would change.
        let gone = async || {
            let endpoints = stage.hiveway.endpoints(&service.name).await?;
            match endpoints.iter().any(|(id, _)| *id == victim) {
                true => Err(format!("{endpoints:?}")),
                false => Ok(()),
            }
        };
        stage
            .eventually("the killed container is gone", SETTLE_BOUND, gone)
            .await;
        containers = service.settled(3).await;
        assert!(!containers.contains(&victim));
    }
    Load::end_flawless(&stage, loads).await;
}
