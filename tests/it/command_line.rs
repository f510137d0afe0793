//! The binary as people and engines meet it: arguments, exit codes, single lines, signals.

mod access_log;
mod acme;
mod agreement;
mod check;
mod dashboard;
mod drain;
mod following;
mod log;
mod mistakes;
mod observability;
mod open_files;
mod operator;
mod outputs;
mod plan;
mod process;
mod scene;
mod secrets;
mod spans;
mod stop;
mod terminal;

use self::process::{Process, hiveway};
use crate::folder::Folder;

#[tokio::test]
async fn the_version_is_one_line() {
    let expected = format!("hiveway {}\n", env!("CARGO_PKG_VERSION"));
    for argument in ["version", "--version", "-V"] {
        let ended = hiveway([argument]).await;
        assert_eq!(ended.told(), (0, expected.as_str(), ""), "{argument}");
    }
}

#[tokio::test]
async fn the_help_names_every_command() {
    for argument in ["--help", "-h", "help"] {
        let ended = hiveway([argument]).await;
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{argument}");
        for command in [
            "run",
            "check",
            "plan",
            "labels",
            "healthcheck",
            "status",
            "explain",
            "events",
            "drain",
            "undrain",
            "completions",
            "man",
            "demo",
            "help",
            "version",
        ] {
            let named = format!("\n  {command} ");
            assert!(
                ended.stdout.contains(&named),
                "{command} in {}",
                ended.stdout
            );
        }
        let plain = !ended.stdout.contains('\u{1b}');
        assert!(plain, "colours are for terminals: {:?}", ended.stdout);
    }
}

#[tokio::test]
async fn help_of_a_command_is_its_own_help() {
    for command in ["run", "status", "explain", "help"] {
        let (long, word) = tokio::join!(hiveway([command, "--help"]), hiveway(["help", command]));
        assert_eq!(word.told(), long.told(), "{command}");
        assert_eq!(word.code, 0, "{command}");
    }
    let refused = hiveway(["help", "stats"]).await;
    let line = refused.assert_one_line(64);
    assert!(
        line.contains("'stats'") && line.contains("'status'"),
        "{line}"
    );
}

#[tokio::test]
async fn help_of_run_lists_each_flag_with_variable_and_default() {
    let help = hiveway(["run", "--help"]).await.stdout;
    for (flag, variable, default) in [
        (
            "--docker-host",
            "HIVEWAY_DOCKER_HOST",
            "unix:///var/run/docker.sock",
        ),
        ("--inventory", "HIVEWAY_INVENTORY", ""),
        (
            "--listen-internal",
            "HIVEWAY_LISTEN_INTERNAL",
            "[default: 0.0.0.0:80]",
        ),
        ("--listen-public", "HIVEWAY_LISTEN_PUBLIC", "[default: off]"),
        (
            "--listen-public-tls",
            "HIVEWAY_LISTEN_PUBLIC_TLS",
            "[default: off]",
        ),
        ("--certs", "HIVEWAY_CERTS", "NAME.key"),
        ("--client-ca", "HIVEWAY_CLIENT_CA", ""),
        ("--acme-directory", "HIVEWAY_ACME_DIRECTORY", "--state-dir"),
        ("--acme-agree", "HIVEWAY_ACME_AGREE", ""),
        ("--acme-contact", "HIVEWAY_ACME_CONTACT", ""),
        (
            "--acme-root",
            "HIVEWAY_ACME_ROOT",
            "[default: those that browsers trust]",
        ),
        (
            "--acme-challenge",
            "HIVEWAY_ACME_CHALLENGE",
            "[default: http-01]",
        ),
        ("--dns", "HIVEWAY_DNS", "[default: off]"),
        ("--dns-forward", "HIVEWAY_DNS_FORWARD", "[default: off]"),
        ("--admin", "HIVEWAY_ADMIN", "[default: 127.0.0.1:9900]"),
        ("--admin-token-file", "HIVEWAY_ADMIN_TOKEN_FILE", ""),
        ("--network", "HIVEWAY_NETWORK", "[default: mesh]"),
        ("--edge", "HIVEWAY_EDGE", ""),
        (
            "--controllers",
            "HIVEWAY_CONTROLLERS",
            "[default: tasks.hiveway]",
        ),
        ("--control-secret-file", "HIVEWAY_CONTROL_SECRET_FILE", ""),
        ("--listen-control", "HIVEWAY_LISTEN_CONTROL", "0.0.0.0:9901"),
        ("--secrets", "HIVEWAY_SECRETS", "[default: /run/secrets]"),
        ("--state-dir", "HIVEWAY_STATE_DIR", ""),
        ("--node", "HIVEWAY_NODE", "{{.Node.ID}}"),
        ("--aliases", "HIVEWAY_ALIASES", "[default: managed]"),
        ("--trusted-proxies", "HIVEWAY_TRUSTED_PROXIES", ""),
        ("--grace", "HIVEWAY_GRACE", "[default: 10s]"),
        ("--domain-suffix", "HIVEWAY_DOMAIN_SUFFIX", ""),
        ("--log-format", "HIVEWAY_LOG_FORMAT", "[default: human]"),
        (
            "--metrics-services",
            "HIVEWAY_METRICS_SERVICES",
            "[default: 2000]",
        ),
        ("--access-log", "HIVEWAY_ACCESS_LOG", "[default: off]"),
        (
            "--access-log-format",
            "HIVEWAY_ACCESS_LOG_FORMAT",
            "[default: json]",
        ),
        ("--trace-headers", "HIVEWAY_TRACE_HEADERS", ""),
        ("--otlp-endpoint", "HIVEWAY_OTLP_ENDPOINT", "or off]"),
        (
            "--otlp-root",
            "HIVEWAY_OTLP_ROOT",
            "[default: those that browsers trust]",
        ),
        ("--trace-sample", "HIVEWAY_TRACE_SAMPLE", "[default: 1]"),
        ("--threads", "HIVEWAY_THREADS", "number of processors"),
        ("--eject-after", "HIVEWAY_EJECT_AFTER", "[default: 3]"),
        ("--eject-5xx", "HIVEWAY_EJECT_5XX", "[default: off]"),
        ("--prefer-local", "HIVEWAY_PREFER_LOCAL", ""),
    ] {
        // The part about one flag ends where the next begins.
        let about = help
            .split("\n      --")
            .find_map(|part| {
                let about = part.strip_prefix(&flag[2..])?;
                about.starts_with([' ', '\n']).then_some(about)
            })
            .unwrap_or_else(|| panic!("{flag} in {help}"));
        assert!(about.contains(&format!("[env: {variable}=")), "{about}");
        let words = about.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(default), "{words}");
    }
    assert!(help.contains("DOCKER_HOST") && help.contains("DOCKER_TLS_VERIFY"));
    let help = hiveway(["healthcheck", "--help"]).await.stdout;
    assert!(help.contains("[env: HIVEWAY_ADMIN_URL="), "{help}");
}

#[tokio::test]
async fn variables_do_what_flags_do() {
    let folder = Folder::with("inventory.json", r#"{"services": []}"#);
    let mut process = Process::start(
        [],
        [
            ("HIVEWAY_INVENTORY", folder.file("inventory.json")),
            ("HIVEWAY_LISTEN_INTERNAL", "127.0.0.1:0".to_owned()),
            ("HIVEWAY_LISTEN_PUBLIC", "127.0.0.1:0".to_owned()),
            ("HIVEWAY_DNS", "127.0.0.1:0".to_owned()),
            ("HIVEWAY_DNS_FORWARD", "127.0.0.11,127.0.0.12:54".to_owned()),
            ("HIVEWAY_ADMIN", "127.0.0.1:0".to_owned()),
            ("HIVEWAY_LOG_FORMAT", "json".to_owned()),
        ],
    );
    let line = process.listens().await;
    for listener in ["internal", "public", "dns", "admin"] {
        let address = line[listener].as_str().expect("an address");
        assert!(address.starts_with("127.0.0.1:"), "{line}");
    }
    process.terminate();
    assert_eq!(process.ended().await.code, 0);
}

#[tokio::test]
async fn a_flag_goes_before_its_variable() {
    let ended = process::run(
        ["run", "--grace", "soon"],
        [("HIVEWAY_GRACE", "later".to_owned())],
    )
    .await;
    assert_eq!(ended.code, 64);
    assert!(ended.stderr.contains("'soon'"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_demo_tells_its_story_to_the_end() {
    let ended = hiveway(["demo"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.lines().count() > 10, "{}", ended.stdout);
}
