//! The prober against real sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hiveway::controller::probe::{self, Network, Targets};
use hiveway::core::model::TaskId;
use hiveway::core::model::route::{Check, ProbeSpec};
use hiveway::core::protocol::ProbeReport;
use hiveway::core::reconcile::desired::ProbeTarget;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than any probe here takes.
const BOUND: Duration = Duration::from_secs(10);

/// The prober at work, and what it reports.
struct Probing {
    targets: watch::Sender<Arc<Targets>>,
    reports: mpsc::Receiver<ProbeReport>,
    metrics: Metrics,
    _prober: JoinSet<()>,
}

impl Probing {
    fn of(targets: impl IntoIterator<Item = (&'static str, ProbeTarget)>) -> Self {
        let (targets, watched) = watch::channel(Arc::new(named(targets)));
        let (reporter, reports) = mpsc::channel(16);
        let metrics = Metrics::new(event_log::channel().0.drop_counter());
        let mut prober = JoinSet::new();
        prober.spawn(probe::run(
            Network,
            watched,
            reporter,
            metrics.clone(),
            CancellationToken::new(),
        ));
        Self {
            targets,
            reports,
            metrics,
            _prober: prober,
        }
    }

    async fn next(&mut self) -> ProbeReport {
        timeout(BOUND, self.reports.recv())
            .await
            .expect("a report in time")
            .expect("a prober")
    }

    /// The failure of the next report.
    async fn failure(&mut self) -> String {
        self.next().await.result.expect_err("a failure").to_string()
    }
}

fn named(targets: impl IntoIterator<Item = (&'static str, ProbeTarget)>) -> Targets {
    let targets = targets
        .into_iter()
        .map(|(task, target)| (TaskId::from(task), target));
    targets.collect::<BTreeMap<_, _>>()
}

fn target(check: Check) -> ProbeTarget {
    let spec = ProbeSpec {
        check,
        timeout: Duration::from_millis(300),
        interval: Duration::from_millis(20),
        ..ProbeSpec::default()
    };
    ProbeTarget {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        since: None,
        spec,
    }
}

fn http(port: u16, path: &str) -> ProbeTarget {
    target(Check::Http {
        port,
        path: path.into(),
    })
}

/// Answers every connection with these bytes, and says what it was asked.
async fn server(answer: &'static str) -> (u16, mpsc::Receiver<String>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, asks) = mpsc::channel(16);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap_or_default();
            // Nobody may be left to be told.
            let _ = asked.try_send(String::from_utf8_lossy(&head[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, asks, tasks)
}

#[tokio::test]
async fn probe_passes_on_2xx_and_3xx_and_reports_other_answers() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        ("HTTP/1.1 204 No Content\r\n\r\n", None),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
            None,
        ),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", None),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            Some("GET /health?full was answered 503 Service Unavailable"),
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            Some("GET /health?full was answered 404 Not Found"),
        ),
    ] {
        let (port, mut asks, _server) = server(answer).await;
        let mut probing = Probing::of([("task", http(port, "/health?full"))]);
        let report = probing.next().await;
        assert_eq!(report.task, TaskId::from("task"));
        assert_eq!(report.result.err().as_deref(), expected, "{answer:?}");
        let asked = asks.recv().await.unwrap();
        assert!(
            asked.starts_with("GET /health?full HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains(&format!("host: 127.0.0.1:{port}\r\n")),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_in_words() {
    let (port, _asks, _server) = server("").await;
    let told = Probing::of([("task", http(port, "/"))]).failure().await;
    assert!(told.starts_with("GET / failed: "), "{told}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let told = Probing::of([("task", http(port, "/"))]).failure().await;
    assert_eq!(told, "no answer within 300ms");

    drop(silent);
    let told = Probing::of([("task", target(Check::Tcp { port }))])
        .failure()
        .await;
    assert_eq!(told, format!("connection to 127.0.0.1:{port} refused"));
}

#[tokio::test]
async fn a_task_is_probed_again_and_again_until_it_is_no_target() {
    let (port, _asks, _server) = server("").await;
    let tcp = || target(Check::Tcp { port });
    let mut probing = Probing::of([("a", tcp()), ("b", tcp())]);
    let mut seen = BTreeMap::new();
    while seen.values().min().is_none_or(|least| *least < 3) || seen.len() < 2 {
        *seen.entry(probing.next().await.task).or_insert(0) += 1;
    }
    probing
        .targets
        .send_replace(Arc::new(named([("b", tcp())])));
    // What was on its way may still come; then there is only the other.
    let mut in_a_row = 0;
    while in_a_row < 20 {
        in_a_row = if probing.next().await.task == TaskId::from("b") {
            in_a_row + 1
        } else {
            0
        };
    }
    let shown = probing.metrics.render(None);
    assert!(
        shown.contains("hiveway_probes_total{result=\"passed\"}"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_probe_waits_for_the_initial_delay() {
    let unused = {
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let mut target = target(Check::Tcp { port: unused });
    target.spec.initial_delay = Duration::from_secs(7);
    let began = tokio::time::Instant::now();
    Probing::of([("task", target)]).failure().await;
    assert!(
        began.elapsed() >= Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}
