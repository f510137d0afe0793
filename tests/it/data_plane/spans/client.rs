//! The client's address in a span.

use super::super::client::Client;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::{PROXY, QUICK, SAMPLED, attributes, traced};
use crate::collector::Collector;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_its_proxy_does_not_name_has_no_address() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let collector = Collector::start();
    let (edge, _exporting) = traced(&collector, "0", QUICK, &services).await;
    let mut client = Client::connect_from(PROXY, edge.internal).await;
    for (number, said, expected) in [(1, "unknown", None), (2, "192.0.2.9:80", Some("192.0.2.9"))] {
        let lines = format!("{SAMPLED}X-Forwarded-For: {said}\r\nX-Forwarded-Proto: wss,http\r\n");
        assert_eq!(client.get_with("web.test", "/", &lines).await.status, 200);
        let span = collector.spans(number).await.remove(number - 1);
        let attributes = attributes(&span);
        let text = |name: &str| {
            attributes
                .get(name)
                .and_then(|it| it["stringValue"].as_str())
        };
        assert_eq!(text("client.address"), expected, "{span}");
        assert_eq!(text("url.scheme"), Some("https"), "{span}");
    }
}
