//! Certificates from a real ACME server, ordered by a controller and shown by a gateway that follows it.

mod pebble;
mod stage;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use self::stage::{Stage, event, told};
use crate::eventually::eventually;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The value of a metric's sample.
fn sample<'a>(metrics: &'a str, name: &str) -> Option<&'a str> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()
}

#[tokio::test]
#[ignore = "needs Pebble: make test"]
async fn http_challenge_is_served_by_a_following_gateway() {
    let mut stage = Stage::start(&["https://shop.test", "plain.test"]).await;
    let pebble = stage.pebble(90 * DAY).await;
    let mut controller = stage.controller(&pebble, &[]).await;
    let issued = event(&mut controller, "certificate_issued").await;
    assert!(
        issued["message"].to_string().contains("shop.test"),
        "{issued}"
    );
    let loaded = event(&mut stage.edge, "certificate_loaded").await;
    assert!(
        loaded["message"].to_string().contains("acme:shop.test"),
        "{loaded}"
    );
    let roots = pebble.roots().await;
    let first = stage.get("shop.test", &roots).await;
    let metrics = told(&controller, "/metrics").await;
    let orders = "hiveway_acme_orders_total{result=\"issued\"}";
    assert_eq!(sample(&metrics, orders), Some("1"), "{metrics}");
    let hosts = "hiveway_acme_hosts{state=\"issued\"}";
    assert_eq!(sample(&metrics, hosts), Some("1"), "{metrics}");
    let ends = "hiveway_certificate_not_after_timestamp_seconds{file=\"acme:shop.test\",names=\"shop.test\"}";
    let metrics = told(&stage.edge, "/metrics").await;
    assert!(sample(&metrics, ends).is_some(), "{metrics}");

    // What is kept can be read by its owner alone.
    let kept = stage.kept();
    let names: Vec<_> = kept
        .iter()
        .filter_map(|it| it.file_name()?.to_str())
        .collect();
    assert!(
        names.contains(&"account.json") && names.contains(&"shop.test.pem"),
        "{names:?}"
    );
    assert_eq!(names.len(), 2, "{names:?}");
    for file in &kept {
        let mode = |path| {
            std::fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(&**file) & 0o777, 0o600, "{file:?}");
        assert_eq!(mode(file.parent().expect("a folder")) & 0o777, 0o700);
    }

    // A controller that starts again has the account and the certificate, and orders what is new only.
    controller.end().await;
    stage
        .service
        .claim(&["https://shop.test", "https://more.test"]);
    let mut controller = stage.controller(&pebble, &[]).await;
    let issued = event(&mut controller, "certificate_issued").await;
    assert!(
        issued["message"].to_string().contains("more.test"),
        "{issued}"
    );
    event(&mut stage.edge, "certificate_loaded").await;
    stage.get("more.test", &roots).await;
    assert_eq!(stage.get("shop.test", &roots).await, first);
    let log = pebble.log();
    let accounts = log.matches("accounts in memory").count();
    assert_eq!(accounts, 1, "{log}");

    // The keys are shown nowhere.
    let pem = kept
        .iter()
        .find(|it| it.extension().is_some_and(|it| it == "pem"));
    let pem = std::fs::read_to_string(pem.expect("a certificate")).expect("text");
    let key = pem.split("PRIVATE KEY-----\n").nth(1).expect("a key");
    let key = key.lines().next().expect("a line of it");
    for process in [&controller, &stage.edge] {
        for path in ["/snapshot", "/metrics", "/events", "/v1/status"] {
            assert!(!told(process, path).await.contains(key), "{path}");
        }
    }
    controller.end().await;
    stage.edge.end().await;
}

#[tokio::test]
#[ignore = "needs Pebble: make test"]
async fn tls_alpn_challenge_is_served_by_a_following_gateway() {
    let mut stage = Stage::start(&["https://shop.test"]).await;
    let pebble = stage.pebble(90 * DAY).await;
    let controller = stage
        .controller(&pebble, &["--acme-challenge", "tls-alpn-01"])
        .await;
    let loaded = event(&mut stage.edge, "certificate_loaded").await;
    assert!(
        loaded["message"].to_string().contains("acme:shop.test"),
        "{loaded}"
    );
    stage.get("shop.test", &pebble.roots().await).await;
    let metrics = told(&stage.edge, "/metrics").await;
    let proofs = "hiveway_tls_handshakes_refused_total{reason=\"acme-challenge\"}";
    assert!(sample(&metrics, proofs).is_some(), "{metrics}");
    controller.end().await;
    stage.edge.end().await;
}

#[tokio::test]
#[ignore = "needs Pebble: make test"]
async fn certificate_is_renewed_and_kept_while_the_server_is_down() {
    let mut stage = Stage::start(&["https://shop.test"]).await;
    let mut pebble = stage.pebble(Duration::from_secs(20)).await;
    let mut controller = stage.controller(&pebble, &[]).await;
    event(&mut controller, "certificate_issued").await;
    event(&mut stage.edge, "certificate_loaded").await;
    let roots = pebble.roots().await;
    let first = stage.get("shop.test", &roots).await;
    let replaced = event(&mut stage.edge, "certificate_replaced").await;
    // It is told of a moment before the listener has it.
    let look = async || match stage.get("shop.test", &roots).await {
        shown if shown != first => Ok(shown),
        _ => Err("the first".to_owned()),
    };
    let second = eventually("the second certificate", Duration::from_secs(5), look).await;
    let second = second.expect("it is shown");

    pebble.end().await;
    let failed = event(&mut controller, "certificate_not_issued").await;
    let message = failed["message"].to_string();
    assert!(
        message.contains("no certificate was issued for shop.test"),
        "{message}"
    );
    assert!(message.contains("no connection to 127.0.0.1:"), "{message}");
    assert!(message.contains("next try in"), "{message}");
    let metrics = told(&controller, "/metrics").await;
    let away = "hiveway_acme_orders_total{result=\"away\"}";
    assert_eq!(sample(&metrics, away), Some("1"), "{metrics}");
    assert_eq!(stage.get("shop.test", &roots).await, second, "{replaced}");
    controller.end().await;
    stage.edge.end().await;
}

#[tokio::test]
#[ignore = "needs Pebble: make test"]
async fn failed_validation_is_reported_with_the_servers_reason() {
    let stage = Stage::start(&["https://shop.test", "https://*.many.test"]).await;
    // It looks for files where nobody listens.
    let wanted = pebble::Wanted {
        http: pebble::free().port(),
        tls: stage.edge.address("public_tls").port(),
        validity: 90 * DAY,
    };
    let pebble = pebble::Pebble::start(wanted).await;
    let mut controller = stage.controller(&pebble, &[]).await;
    let failed = event(&mut controller, "certificate_not_issued").await;
    let message = failed["message"].to_string();
    assert!(
        message.contains("*.many.test") && message.contains("--certs"),
        "{message}"
    );
    let look = async || match told(&controller, "/ready").await {
        ready if ready.contains("the first is shop.test: ordered now") => Ok(()),
        ready => Err(ready),
    };
    let shown = eventually("the order is shown", Duration::from_secs(10), look).await;
    shown.expect("it is under way for seconds");
    let failed = event(&mut controller, "certificate_not_issued").await;
    let message = failed["message"].to_string();
    assert!(
        message.contains("for shop.test: the server says: "),
        "{message}"
    );
    let remedy = "(connection); it asks on port 80 of this name's addresses, which has to lead to --listen-public";
    assert!(message.contains(remedy), "{message}");
    assert!(
        message.contains("next try in 3m") || message.contains("next try in 4m"),
        "{message}"
    );
    let metrics = told(&controller, "/metrics").await;
    for (state, count) in [("issued", "0"), ("lacking", "1"), ("wildcard", "1")] {
        let hosts = format!("hiveway_acme_hosts{{state=\"{state}\"}}");
        assert_eq!(sample(&metrics, &hosts), Some(count), "{metrics}");
    }
    let refused = "hiveway_acme_orders_total{result=\"refused\"}";
    assert_eq!(sample(&metrics, refused), Some("1"), "{metrics}");
    let ready = told(&controller, "/ready").await;
    assert!(
        ready.contains("2 names have no certificate; the first is shop.test"),
        "{ready}"
    );
    controller.end().await;
    stage.edge.end().await;
}
