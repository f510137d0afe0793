//! Connections by TLS that are passed on before any request is decided about.

use super::*;

/// A snapshot in which `db` takes connections for a host, and `web` is served for another.
fn stage() -> Snapshot {
    let mut snapshot = of(&[
        ("web", "shop.test/", &[Ready]),
        ("db", "db.test/", &[Ready, Ready]),
    ]);
    let claims = snapshot.routes.remove(&key("db.test/")).expect("a route");
    let tcp = claims.iter().cloned().map(|claim| Claim {
        scheme: Scheme::Tcp,
        ..claim
    });
    let host = HostPattern::Under("test".into());
    snapshot.tcp_routes.insert(host, tcp.collect());
    snapshot
}

#[test]
fn tls_passthrough_is_explained_before_http_routes() {
    let tls = Listener {
        tls: true,
        ..listener(true, 443)
    };
    let known = Known {
        listeners: vec![listener(false, 80), tls],
        ..Known::default()
    };
    let snapshot = stage();
    let passed = ask("tcp://db.test", &snapshot, &known);
    assert_eq!(
        says(&passed),
        [
            "! listener: internal, 0.0.0.0:80: no TLS is spoken there",
            "+ listener: public by TLS, 0.0.0.0:443: any host but .local ones",
            "+ host: tcp://*.test goes before what is served here: a connection by TLS that asks for db.test is passed on \
             undecrypted",
            "+ service: db: 100 % of the requests (weight 100), over 2 of 2 endpoints",
            ". endpoint: while none takes the connection, up to 2 further endpoints are tried",
            "+ endpoint: the connection is passed on to one of 10.0.0.1:80, 10.0.0.2:80",
        ]
    );
    assert!(passed.outcome.forwarded);
    // A browser that asks for it by TLS meets the same.
    let by_https = ask("https://db.test/x", &snapshot, &known);
    assert_eq!(by_https.outcome, passed.outcome);
    for (url, forwarded, reason) in [
        ("http://db.test/", false, Some("no-route")),
        ("https://shop.test/", true, None),
        ("tcp://shop.test", false, Some("no-route")),
        ("tcp://db.local", false, Some("no-route")),
    ] {
        let outcome = ask(url, &snapshot, &known).outcome;
        let told = (outcome.forwarded, outcome.reason.as_deref());
        assert_eq!(told, (forwarded, reason), "{url}");
    }
}

#[test]
fn a_gateway_without_tls_passes_nothing_on() {
    let known = Known {
        listeners: vec![listener(false, 80)],
        ..Known::default()
    };
    let refused = ask("tcp://db.test", &stage(), &known);
    let says = "this gateway does not listen for TLS (--listen-public-tls)";
    assert_eq!(refused.outcome.says, says);
    assert_eq!(refused.outcome.status, None);
}
