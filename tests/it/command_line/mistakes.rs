//! What users do wrong: one line that says what, where and the remedy, and nothing half-started.

use std::net::{SocketAddr, TcpListener};

use super::process::hiveway;
use crate::folder::Folder;

#[tokio::test]
async fn command_line_mistake_is_one_line_with_exit_code_64() {
    for (arguments, told) in [
        (vec![], vec!["no command", "hiveway --help"]),
        (vec!["walk"], vec!["'walk'", "hiveway --help"]),
        (vec!["rum"], vec!["'rum'", "'run'"]),
        (vec!["run", "--frob"], vec!["--frob", "hiveway run --help"]),
        (
            vec!["run", "--listen-interna", "x"],
            vec!["'--listen-internal'"],
        ),
        (vec!["run", "now"], vec!["'now'"]),
        (vec!["run", "--admin"], vec!["--admin", "ADDRESS"]),
        (
            vec!["run", "--admin", "9900"],
            vec!["--admin", "'9900'", "127.0.0.1:9900"],
        ),
        (
            vec!["run", "--listen-internal", "80"],
            vec!["--listen-internal", "'80'", "0.0.0.0:80", "off"],
        ),
        (
            vec!["run", "--listen-public", "here"],
            vec!["--listen-public", "'here'", "off"],
        ),
        (
            vec!["run", "--listen-public-tls", "443"],
            vec!["--listen-public-tls", "'443'", "off"],
        ),
        (
            vec!["run", "--listen-public-tls", "127.0.0.1:0"],
            vec!["--listen-public-tls", "--certs"],
        ),
        (
            vec!["run", "--client-ca", "ca.pem"],
            vec!["--client-ca", "--listen-public-tls"],
        ),
        (
            vec!["run", "--certs", "certs,"],
            vec!["--certs", "separated by commas"],
        ),
        (
            vec!["run", "--dns", "53"],
            vec!["--dns", "'53'", "0.0.0.0:53", "off"],
        ),
        (
            vec!["run", "--dns-forward", "10.0.0.2,dns.example.com"],
            vec!["--dns-forward", "'10.0.0.2,dns.example.com'", "127.0.0.11"],
        ),
        (vec!["run", "--grace", "10"], vec!["--grace", "'10'", "10s"]),
        (
            vec!["run", "--eject-after", "three"],
            vec!["--eject-after", "0 for never"],
        ),
        (
            vec!["run", "--eject-5xx", "0"],
            vec!["--eject-5xx", "'0'", "from 1 to 100"],
        ),
        (
            vec!["run", "--trusted-proxies", "10.0.0.0/33"],
            vec!["--trusted-proxies", "10.0.0.0/8"],
        ),
        (
            vec!["run", "--domain-suffix", "a b"],
            vec!["--domain-suffix", "'a b'", "apps.example.com"],
        ),
        (
            vec!["run", "--log-format", "xml"],
            vec!["--log-format", "'xml'", "human", "json"],
        ),
        (
            vec!["run", "--threads", "0"],
            vec!["--threads", "'0'", "at least 1"],
        ),
        (
            vec!["run", "--inventory", "a", "--docker-host", "b"],
            vec!["--inventory", "--docker-host"],
        ),
        (
            vec!["run", "--edge", "--inventory", "a"],
            vec!["--edge", "--inventory"],
        ),
        (
            vec!["run", "--edge"],
            vec!["--edge", "--control-secret-file"],
        ),
        (
            vec!["run", "--listen-control", "0.0.0.0:9901"],
            vec!["0.0.0.0:9901", "--control-secret-file"],
        ),
        (
            vec!["run", "--controllers", "http://x"],
            vec!["--controllers", "'http://x'", "tasks.hiveway"],
        ),
        (
            vec!["run", "--grace", "1s", "--grace", "2s"],
            vec!["--grace"],
        ),
    ] {
        let ended = hiveway(&arguments).await;
        let line = ended.assert_one_line(64);
        for told in told {
            assert!(line.contains(told), "{told} for {arguments:?}: {line}");
        }
    }
}

#[tokio::test]
async fn a_malformed_target_is_refused_before_anybody_is_asked() {
    // No process listens at this address, which is the error of a command that connects.
    let nobody = ["--admin-url", "http://127.0.0.1:1"];
    for (arguments, told) in [
        (
            &["explain", "foo://first.local"][..],
            "http, https, ws, wss and tcp",
        ),
        (&["explain", "htpp://first.local"], "did you mean http://?"),
        (&["explain", "http://"], "it names no host"),
        (&["explain", "http://a:65536"], "ports go up to 65535"),
        (&["explain", "a.test", "--method", "GET IT"], "GET or POST"),
        (&["explain", "a.test", "--client", "me"], "--client"),
        (&["events", "--severity", "warning"], "'warn'"),
        (&["drain", "a/b", "--admin-token-file", "none"], "docker ps"),
        (&["undrain", "", "--admin-token-file", "none"], "docker ps"),
    ] {
        let ended = hiveway([arguments, &nobody].concat()).await;
        let line = ended.assert_one_line(64);
        assert!(line.contains(told), "{told} for {arguments:?}: {line}");
    }
}

/// Runs with these further arguments, and checks the one line that it fails with.
async fn assert_fails(arguments: &[&str], told: &[&str]) {
    let ended = hiveway([&["run"], arguments].concat()).await;
    let line = ended.assert_one_line(1);
    for told in told {
        let times = line.matches(told).count();
        assert_eq!(times, 1, "{told} for {arguments:?}: {line}");
    }
}

/// An address at which nothing listens, for as long as nobody else asks for one.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_leaves_nothing_behind() {
    let (internal, admin) = (free(), free());
    let listeners = ["--listen-internal", &internal, "--admin", &admin];
    let refused = format!("tcp://{}", free());
    for (host, told) in [
        (
            "unix:///nowhere/docker.sock",
            vec![
                "/nowhere/docker.sock",
                "No such file",
                "is the engine running",
            ],
        ),
        (&refused, vec![&*refused, "refused"]),
        ("ftp://engine", vec!["ftp://engine", "tcp://HOST:PORT"]),
    ] {
        let arguments = [&listeners[..], &["--docker-host", host]].concat();
        assert_fails(&arguments, &told).await;
        for address in [&internal, &admin] {
            let bound = TcpListener::bind(&**address);
            assert!(bound.is_ok(), "{address} is free again");
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_listener() {
    let folder = Folder::with("inventory.json", r#"{"services": []}"#);
    let inventory = folder.file("inventory.json");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_listener, address) = taken.expect("a bound address");
    let address = SocketAddr::to_string(&address);
    let elsewhere = "127.0.0.1:0";
    for (internal, public, dns, admin, side) in [
        (&*address, "off", "off", elsewhere, "for the internal side"),
        (
            elsewhere,
            &*address,
            "off",
            elsewhere,
            "for the public side",
        ),
        (
            elsewhere,
            "off",
            &*address,
            elsewhere,
            "for the name server",
        ),
        (elsewhere, "off", "off", &*address, "for admin"),
    ] {
        let arguments = [
            "--inventory",
            &inventory,
            "--listen-internal",
            internal,
            "--listen-public",
            public,
            "--dns",
            dns,
            "--admin",
            admin,
        ];
        assert_fails(&arguments, &[&address, "in use", "stop what listens there"]).await;
        assert_fails(&arguments, &[side]).await;
    }
    // Port 1 of an address that is not this machine's.
    let foreign = [
        "--inventory",
        &inventory,
        "--admin",
        elsewhere,
        "--listen-internal",
        "192.0.2.1:1",
    ];
    assert_fails(
        &foreign,
        &["192.0.2.1:1", "internal", "address of this machine"],
    )
    .await;
}

#[tokio::test]
async fn a_broken_inventory_file_is_told_with_its_place() {
    let folder = Folder::with("inventory.json", "{\n  \"services\": [ { \"nam\": 1 } ]\n}");
    let inventory = folder.file("inventory.json");
    let internal = free();
    let listeners = ["--listen-internal", &internal, "--admin", "127.0.0.1:0"];
    let arguments = [&listeners[..], &["--inventory", &inventory]].concat();
    assert_fails(&arguments, &[&inventory, "line 2 column", "`nam`"]).await;
    let missing = folder.file("missing.json");
    let arguments = [&listeners[..], &["--inventory", &missing]].concat();
    assert_fails(&arguments, &[&missing, "No such file", "--inventory"]).await;
    assert!(
        TcpListener::bind(&*internal).is_ok(),
        "the port is free again"
    );
}

#[tokio::test]
async fn certificates_that_cannot_be_had_are_told_with_their_remedy() {
    let folder = Folder::with("inventory.json", r#"{"services": []}"#);
    let inventory = folder.file("inventory.json");
    let (internal, tls) = (free(), free());
    let (missing, secret) = (folder.file("missing"), folder.file("secret"));
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").expect("a file");
    std::fs::write(folder.file("empty.pem"), "").expect("a file");
    let empty = folder.file("empty.pem");
    let common = [
        "--inventory",
        &inventory,
        "--listen-internal",
        &internal,
        "--admin",
        "127.0.0.1:0",
        "--listen-public-tls",
        &tls,
        "--control-secret-file",
        &secret,
        "--listen-control",
        "off",
    ];
    let here = folder.file("");
    for (further, told) in [
        (
            vec!["--certs", &missing],
            vec![&*missing, "No such file", "--certs"],
        ),
        (vec![], vec!["this process is a controller", "--certs"]),
        (
            vec!["--certs", &here, "--client-ca", &missing],
            vec![&*missing, "No such file", "--client-ca"],
        ),
        (
            vec!["--certs", &here, "--client-ca", &empty],
            vec![&*empty, "holds no certificate", "--client-ca"],
        ),
    ] {
        assert_fails(&[&common[..], &further].concat(), &told).await;
        for address in [&internal, &tls] {
            assert!(TcpListener::bind(&**address).is_ok(), "{address} is free");
        }
    }
}

#[tokio::test]
async fn a_healthcheck_of_nobody_fails_in_one_line() {
    let url = format!("http://{}", free());
    let ended = hiveway(["healthcheck", "--admin-url", &url]).await;
    let line = ended.assert_one_line(1);
    assert!(
        line.contains(&url) && line.contains("is hiveway running"),
        "{line}"
    );
    let ended = hiveway(["healthcheck", "--admin-url", "nonsense"]).await;
    let line = ended.assert_one_line(1);
    assert!(
        line.contains("nonsense") && line.contains("http://HOST:PORT"),
        "{line}"
    );
}
