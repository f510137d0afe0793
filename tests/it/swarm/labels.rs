//! Labels that cannot be read, and services without a container or without existence.

use super::load::Load;
use super::service::{SETTLE_BOUND, Service};
use super::stage::{HOST, Stage, Turn};

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn service_with_bad_labels_is_logged_and_others_still_serve() {
    let stage = Turn::take().await;
    let good = Service::create(&stage, "good", 1, &[("hiveway.routing.port_80", HOST)], &[]).await;
    let good_containers = good.settled(1).await;
    let loads = Load::start_all(&stage).await;
    let half = format!("{HOST}/health; http://{HOST}:8080/x");
    let labels = [
        ("aliyun.routing.port_80", &*half),
        ("aliyun.routing.port_99999", HOST),
        ("hiveway.probe.intervall_seconds", "2"),
        ("hiveway.scale", "many"),
    ];
    let bad = Service::create(&stage, "bad", 1, &labels, &[]).await;
    let bad_containers = bad.settled(1).await;

    // The service, the key, the value, and the reason with the remedy, in one line each.
    let log = stage.hiveway.log().await;
    for words in [
        &["routing.port_80", "8080", "port"][..],
        &["routing.port_99999", "99999", "65535"],
        &[
            "probe.intervall_seconds",
            "did you mean",
            "probe.interval_seconds",
        ],
        &["scale", "many", "number"],
    ] {
        let line = log
            .iter()
            .find(|line| line.contains(&bad.name) && words.iter().all(|word| line.contains(word)));
        let Some(line) = line else {
            stage.fail(&format!("no line with {words:?}")).await
        };
        eprintln!("{line}");
    }
    let of_good = format!("service {}", good.name);
    assert!(
        !log.iter()
            .any(|line| line.contains(&of_good) && line.contains("label")),
        "{log:#?}"
    );

    // The one item that can be read is served, and nothing else of the neighbour's changed.
    assert_eq!(served_by(&stage, "/health").await, bad_containers[0][..12]);
    assert_eq!(served_by(&stage, "/").await, good_containers[0][..12]);
    assert_eq!(bad.replicas().await, Ok(1));
    let summaries = Load::end_flawless(&stage, loads).await;
    for summary in summaries {
        assert_eq!(
            summary.served_by.into_keys().collect::<Vec<_>>(),
            [&good_containers[0][..12]]
        );
    }
}

async fn served_by(stage: &Stage, path: &str) -> String {
    let answer = stage.hiveway.get(path).await.unwrap();
    assert_eq!(answer.status, 200);
    answer.served_by().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn empty_service_is_503_and_a_removed_one_is_404() {
    let stage = Turn::take().await;
    let service = Service::create(
        &stage,
        "leaving",
        1,
        &[("hiveway.routing.port_80", HOST)],
        &[],
    )
    .await;
    service.settled(1).await;
    served_by(&stage, "/").await;

    let answers = async |status: u16, reason: &str| {
        let look = async || {
            let answer = stage
                .hiveway
                .get("/")
                .await
                .map_err(|failure| failure.to_string())?;
            let found = (answer.status.as_u16(), answer.header("x-hiveway-reason"));
            match found == (status, Some(reason)) {
                true => Ok(answer),
                false => Err(format!("{found:?}")),
            }
        };
        let what = format!("{HOST} is answered {status} {reason}");
        stage.eventually(&what, SETTLE_BOUND, look).await
    };
    service.scale(0).await;
    let answer = answers(503, "no-endpoint").await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    let name = &service.name;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(
        body,
        format!("service {name} has no endpoint in rotation\n")
    );

    drop(service);
    let answer = answers(404, "no-route").await;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(body, format!("no service claims {HOST}/\n"));
}
