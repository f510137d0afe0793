//! Certificates that change while they are served, and files that cannot be used.

use std::time::Duration;

use hiveway::core::event::Event;

use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::Secure;
use crate::authority::{Authority, DAY, Pair, ahead, past};
use crate::pause::pause;

const WEB: [(&str, &[&str]); 1] = [("web", &["web.test"])];

/// What is said of a certificate whose key is another's.
const UNFIT: &str = "does not match its key";

impl Secure {
    fn put(&self, name: &str, text: &str) {
        let (file, next) = (self.folder.file(name), self.folder.file("next"));
        std::fs::write(&next, text).expect("a writable folder");
        std::fs::rename(&next, &file).expect("a writable folder");
    }

    fn take_away(&self, name: &str) {
        std::fs::remove_file(self.folder.file(name)).expect("a file");
    }

    fn read(&self, name: &str) -> Pair {
        let read = |extension: &str| {
            let file = self.folder.file(&format!("{name}.{extension}"));
            std::fs::read_to_string(file).expect("a file")
        };
        Pair {
            certificate: read("crt"),
            key: read("key"),
        }
    }

    /// The next complaint: the file's name, and what is said about it.
    async fn complaint(&self) -> (String, String) {
        let Event::CertificateRefused { file, reason } = self.event("certificate_refused").await
        else {
            unreachable!("of this kind");
        };
        let name = file.rsplit('/').next().expect("a name").to_owned();
        (name, reason.to_string())
    }

    /// Waits until this file, and nothing else, counts as refused, or nothing at all.
    async fn counts_as_refused(&self, name: Option<&str>) {
        match name {
            Some(name) => {
                let file = self.folder.file(name);
                self.shows(&format!("hiveway_certificate_refused{{file=\"{file}\"}} 1"))
                    .await;
            }
            None => {
                let gone = async {
                    while self
                        .edge
                        .metrics
                        .render(None)
                        .contains("hiveway_certificate_refused")
                    {
                        tokio::task::yield_now().await;
                    }
                };
                crate::bounded::bounded(gone).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_without_dropping_a_connection() {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let secure = Secure::start(&WEB, &services).await;
    secure.event("certificate_loaded").await;
    let mut busy = secure.client("web.test").await;
    let mut idle = secure.client("web.test").await;
    busy.send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
    let mut exchange = task.handed().await;

    let next = secure.authority.vouch(&["web.test", "more.test"]);
    next.write(secure.folder.path(), "web");
    let Event::CertificateReplaced(told) = secure.event("certificate_replaced").await else {
        unreachable!("of this kind");
    };
    assert_eq!(told.names, ["web.test".into(), "more.test".into()]);
    secure.serves("web.test", &next).await;
    secure.open("more.test").await;

    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        .await
        .unwrap();
    assert_eq!(busy.answer("GET").await.body, "done");
    drop(exchange);
    // A connection keeps what it was opened with: names that came later want another one.
    idle.get("more.test", "/")
        .await
        .assert_refused(421, "misdirected");
    idle.send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
    let mut exchange = task.handed().await;
    exchange
        .wire
        .send("HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(idle.answer("GET").await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_come_and_go() {
    let secure = Secure::start(&WEB, &[]).await;
    let second = secure.authority.vouch(&["two.test"]);
    secure.put("two.pem", &second.combined());
    let Event::CertificateLoaded(first) = secure.event("certificate_loaded").await else {
        unreachable!("of this kind");
    };
    assert_eq!(first.names, ["web.test".into()]);
    let Event::CertificateLoaded(told) = secure.event("certificate_loaded").await else {
        unreachable!("of this kind");
    };
    assert_eq!(told.names, ["two.test".into()]);
    secure.serves("two.test", &second).await;
    secure
        .shows(&format!(
            "hiveway_certificate_not_after_timestamp_seconds{{file=\"{}\",names=\"two.test\"}} {}",
            secure.folder.file("two.pem"),
            told.not_after.0 / 1000
        ))
        .await;

    secure.take_away("two.pem");
    let Event::CertificateRemoved(told) = secure.event("certificate_removed").await else {
        unreachable!("of this kind");
    };
    assert_eq!(told.names, ["two.test".into()]);
    let refused = async {
        while secure.try_open("two.test").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    crate::bounded::bounded(refused).await;
    let shown = secure.edge.metrics.render(None);
    assert!(!shown.contains("two.test"), "{shown}");
    secure.open("web.test").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_changes_nothing_and_is_told_once() {
    let secure = Secure::start(&WEB, &[]).await;
    let good = secure.read("web");
    let other = secure.authority.vouch(&["web.test"]);
    let over = secure
        .authority
        .vouch_within(&["web.test"], past(20 * DAY), past(DAY));
    let early = secure
        .authority
        .vouch_within(&["web.test"], ahead(DAY), ahead(20 * DAY));
    let nameless = secure.authority.vouch(&[]);
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let chain = format!("{}{}", secure.authority.pem(), good.certificate);
    let damaged = good.certificate.replace("MII", "MAA");
    let cases: [(&str, &str, &str, &[&str]); 9] = [
        (&other.certificate, &good.key, "web.crt", &[UNFIT]),
        (
            &chain,
            &good.key,
            "web.crt",
            &["certificate 2 of the file", "put that one first"],
        ),
        (
            &over.certificate,
            &over.key,
            "web.crt",
            &["it ended on 20", "put a newer one"],
        ),
        (
            &early.certificate,
            &early.key,
            "web.crt",
            &["valid from 20", "used from then on"],
        ),
        (
            &nameless.certificate,
            &nameless.key,
            "web.crt",
            &["names no host", "default.pem"],
        ),
        (
            &good.certificate,
            &encrypted,
            "web.crt",
            &["web.key", "passphrase", "openssl pkey"],
        ),
        (
            "garbage",
            &good.key,
            "web.crt",
            &["web.crt is broken", "-----BEGIN"],
        ),
        ("", &good.key, "web.crt", &["it is empty"]),
        (
            &damaged,
            &good.key,
            "web.crt",
            &["certificate cannot be read"],
        ),
    ];
    for (certificate, key, file, told) in cases {
        let pair = Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        pair.write(secure.folder.path(), "web");
        let (mut name, mut reason) = secure.complaint().await;
        // On a busy machine two looks may fall between the certificate and its key, which do not fit for so long.
        if reason.contains(UNFIT) && *told != [UNFIT] {
            (name, reason) = secure.complaint().await;
        }
        assert_eq!(name, file, "{reason}");
        for part in told {
            assert!(reason.contains(part), "{part} in {reason}");
        }
        assert!(!reason.contains('\n'), "{reason}");
        assert!(!reason.contains("MII"), "{reason}");
        secure.counts_as_refused(Some(file)).await;
        secure.serves("web.test", &good).await;
    }
    // Twenty looks later nothing was told again.
    pause(Duration::from_millis(400)).await;
    assert_eq!(secure.edge.told().await, None);
    // What is right again is told as well.
    good.write(secure.folder.path(), "web");
    secure.event("certificate_loaded").await;
    secure.counts_as_refused(None).await;
    secure.serves("web.test", &good).await;

    secure.take_away("web.key");
    let (name, reason) = secure.complaint().await;
    assert_eq!(name, "web.crt");
    assert!(
        reason.contains("there is no key") && reason.contains("web.key"),
        "{reason}"
    );
    secure.serves("web.test", &good).await;
    secure.put("web.key", &good.key);
    secure.event("certificate_loaded").await;
    secure.put("web.pem", &other.certificate);
    let (_, reason) = secure.complaint().await;
    assert!(
        reason.contains("web.crt and in") && reason.contains("web.pem"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_is_replaced_file_by_file_is_not_complained_about() {
    let secure = Secure::start(&WEB, &[]).await;
    secure.event("certificate_loaded").await;
    for _ in 0..5 {
        let next = secure.authority.vouch(&["web.test"]);
        secure.put("web.crt", &next.certificate);
        secure.put("web.key", &next.key);
        secure.event("certificate_replaced").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_certificate_is_reported_and_others_still_serve() {
    let (folder, authority) = (crate::folder::Folder::new(), Authority::new("the test"));
    authority.vouch(&["web.test"]).write(folder.path(), "web");
    let lone = authority.vouch(&["lone.test"]);
    std::fs::write(folder.file("lone.key"), &lone.key).expect("a file");
    std::fs::write(folder.file("broken.pem"), "broken").expect("a file");
    std::fs::write(folder.file("large.pem"), vec![b'x'; 300_000]).expect("a file");
    let edge = super::Edge::secure(folder.path(), |_| {}, &[]).await;
    let secure = Secure {
        edge,
        folder,
        authority,
    };
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(secure.complaint().await);
    }
    let parts = [
        ("broken.pem", "it holds no PEM"),
        ("large.pem", "larger than 256 KiB"),
        ("lone.key", "no certificate for the key"),
    ];
    for ((name, reason), (file, part)) in told.iter().zip(parts) {
        assert_eq!(name, file);
        assert!(reason.contains(part), "{part} in {reason}");
    }
    secure.open("web.test").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_certificate_is_told_of() {
    let secure = Secure::start(&WEB, &[]).await;
    for (name, left, days) in [("weeks", 10 * DAY, Some(9)), ("hours", 2 * DAY, Some(1))] {
        let names = [&*format!("{name}.test")];
        let authority = &secure.authority;
        let pair = authority.vouch_within(&names, past(80 * DAY), ahead(left));
        pair.write(secure.folder.path(), name);
        let Event::CertificateExpiring {
            certificate,
            days: told,
        } = secure.event("certificate_expiring").await
        else {
            unreachable!("of this kind");
        };
        assert_eq!(
            (&*certificate.names[0], told),
            (&*format!("{name}.test"), days)
        );
    }
    // It ends while it is served.
    let pair =
        secure
            .authority
            .vouch_within(&["soon.test"], past(DAY), ahead(Duration::from_secs(3)));
    pair.write(secure.folder.path(), "soon");
    for expected in [Some(0), None] {
        let event = secure.event("certificate_expiring").await;
        let Event::CertificateExpiring { days, .. } = &event else {
            unreachable!("of this kind");
        };
        assert_eq!(*days, expected, "{event}");
        assert_eq!(event.severity().as_str(), "error");
    }
    // And is still served, for lack of another.
    let refused = async {
        loop {
            if let Err(error) = secure.try_open("soon.test").await {
                return error.to_string();
            }
        }
    };
    let refused = crate::bounded::bounded(refused).await;
    assert!(refused.contains("expired"), "{refused}");
    let next = secure.authority.vouch(&["soon.test"]);
    secure.put("later.pem", &next.combined());
    secure.serves("soon.test", &next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_read_any_more_loses_nothing() {
    let secure = Secure::start(&WEB, &[]).await;
    let good = secure.read("web");
    let away = secure.folder.path().with_extension("away");
    std::fs::rename(secure.folder.path(), &away).expect("the folder moves");
    let (_, reason) = secure.complaint().await;
    assert!(reason.contains("the folder cannot be read"), "{reason}");
    secure.serves("web.test", &good).await;
    std::fs::rename(&away, secure.folder.path()).expect("it moves back");
    secure.counts_as_refused(None).await;
    secure.serves("web.test", &good).await;
    assert_eq!(secure.edge.told().await, None);
}
