//! Which certificate answers for which name, and which requests belong on its connections.

use tokio_rustls::rustls::client::danger::DangerousClientConfig;
use tokio_rustls::rustls::{AlertDescription, Error, version};

use super::super::local_replies::comes_to;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::{Secure, any_name, open};
use crate::authority::Authority;
use crate::folder::Folder;

const UNRECOGNISED: Error = Error::AlertReceived(AlertDescription::UnrecognisedName);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_name_beats_a_wildcard_and_an_unknown_one_fails() {
    let names = ["shop.web.test", "*.web.test", "web.test"];
    let certificates: [(&str, &[&str]); 2] = [("a", &names[1..]), ("b", &names[..1])];
    let secure = Secure::start(&certificates, &[]).await;
    let read = |file: &str| std::fs::read_to_string(secure.folder.file(file)).expect("a file");
    let pair = |file: &str| crate::authority::Pair {
        certificate: read(&format!("{file}.crt")),
        key: read(&format!("{file}.key")),
    };
    for (name, file) in [
        ("shop.web.test", "b"),
        ("SHOP.web.test", "b"),
        ("other.web.test", "a"),
        ("web.test", "a"),
    ] {
        let opened = secure.open(name).await;
        assert_eq!(opened.certificate, pair(file).der(), "{name}");
    }
    for (count, name) in ["a.shop.web.test", "else.test"].into_iter().enumerate() {
        let refused = secure.try_open(name).await.err();
        assert_eq!(refused, Some(UNRECOGNISED), "{name}");
        secure.refused("unknown-name", count + 1).await;
    }
    // An address is no name, so that a client asks for none.
    assert_eq!(secure.try_open("127.0.0.1").await.err(), Some(UNRECOGNISED));
    secure.refused("no-name", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_named_default_answers_where_no_other_does() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test")
        .route("else.test")
        .route("*.box.test")
        .endpoints([&task])];
    let certificates: [(&str, &[&str]); 2] = [("default", &["box.test"]), ("web", &["web.test"])];
    let secure = Secure::start(&certificates, &services).await;
    let unchecked = || {
        let mut config = secure.trusting(&version::TLS13);
        DangerousClientConfig { cfg: &mut config }
            .set_certificate_verifier(any_name(&secure.authority));
        config
    };
    let mut asked = open(secure.address(), "else.test", unchecked())
        .await
        .expect("the default");
    assert_eq!(
        asked.client.get("else.test", "/").await.body,
        task.container
    );
    let answer = asked.client.get("web.test", "/").await;
    answer.assert_refused(421, "misdirected");
    let mut unasked = open(secure.address(), "127.0.0.1", unchecked())
        .await
        .expect("the default");
    for host in ["else.test", "web.test"] {
        assert_eq!(
            unasked.client.get(host, "/").await.body,
            task.container,
            "{host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_for_a_name_outside_the_certificate_is_421() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "a.test")
        .route("b.test")
        .route("c.test")
        .endpoints([&task])];
    let certificates: [(&str, &[&str]); 2] = [("ab", &["a.test", "b.test"]), ("c", &["c.test"])];
    let secure = Secure::start(&certificates, &services).await;
    let mut client = secure.client("a.test").await;
    // A client may use one connection for all names of the certificate.
    for host in ["a.test", "B.test:443", "a.test."] {
        assert_eq!(client.get(host, "/").await.body, task.container, "{host}");
    }
    for host in ["c.test", "nobody.test", "a.test.b.test"] {
        client
            .get(host, "/")
            .await
            .assert_refused(421, "misdirected");
    }
    let absolute = "GET http://c.test/ HTTP/1.1\r\nHost: c.test\r\n\r\n";
    client
        .request(absolute)
        .await
        .assert_refused(421, "misdirected");
    assert_eq!(client.get("a.test", "/").await.body, task.container);
    assert_eq!(task.requests().len(), 4);
    // Each counts for the service that its host names, where one does.
    for (name, labels, count) in [
        (
            "hiveway_local_replies_total",
            &[("service", "web"), ("reason", "misdirected")][..],
            2,
        ),
        (
            "hiveway_unrouted_requests_total",
            &[("reason", "misdirected")],
            2,
        ),
    ] {
        comes_to(&secure.edge, name, labels, count).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_under_local_do_not_exist_outside() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.local").endpoints([&task])];
    let secure = Secure::start(&[("web", &["web.local"])], &services).await;
    let mut client = secure.client("web.local").await;
    client
        .get("web.local", "/")
        .await
        .assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_read_from_one_or_two_files_only() {
    let (folder, authority) = (Folder::new(), Authority::new("the test"));
    let write = |name: &str, text: &str| std::fs::write(folder.file(name), text).expect("a file");
    let all = ["pem", "split", "cert", "both"].map(|name| {
        let pair = authority.vouch(&[&format!("{name}.test")]);
        (name, pair)
    });
    let [(_, pem), (_, split), (_, cert), (_, both)] = &all;
    write("combined.pem", &pem.combined());
    write("split.pem", &split.certificate);
    write("split.key", &split.key);
    write("cert.cert", &cert.certificate);
    write("cert.key", &cert.key);
    // What comes before the first line of PEM, and the key first.
    write(
        "both.crt",
        &format!("subject=both\n{}{}", both.key, both.certificate),
    );
    for other in ["hiveway_control", "notes.txt", ".hidden.pem"] {
        write(other, "nobody's business");
    }
    std::fs::create_dir(folder.path().join("folder.pem")).expect("a folder");
    let edge = super::Edge::secure(folder.path(), |_| {}, &[]).await;
    let secure = Secure {
        edge,
        folder,
        authority,
    };
    for (name, pair) in &all {
        let opened = secure.open(&format!("{name}.test")).await;
        assert_eq!(opened.certificate, pair.der(), "{name}");
    }
    let mut kinds = Vec::new();
    while let Some(event) = secure.edge.told().await {
        kinds.push(event.kind());
    }
    assert_eq!(kinds, ["certificate_loaded"; 4]);
}
