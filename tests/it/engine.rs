//! Reaching an engine, by every transport, and what is said when that fails.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hiveway::docker::{Engine, EngineConfig, Scope};
use pingora::tls;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fake_engine::{FakeEngine, Fault, recording};

async fn refusal(config: &EngineConfig) -> String {
    match Engine::connect(config).await {
        Ok(_) => panic!("{config:?} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_request_carries_the_version_that_was_agreed_on() {
    let fake = FakeEngine::start(recording("rest"));
    let engine = Engine::connect(&fake.config()).await.unwrap();
    assert_eq!(engine.version(), "Docker 20.10.24+dfsg1, API 1.41");
    assert_eq!(
        engine.node().as_str(),
        recording("rest")["info"]["Swarm"]["NodeID"]
    );

    let nodes: Value = engine.get_json("/nodes").await.unwrap();
    assert_eq!(nodes, recording("rest")["nodes"]);
    assert_eq!(engine.docker().ping().await.unwrap(), "OK");
    let lines: Vec<String> = fake.seen("/").into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /version",
            "GET /v1.41/info",
            "GET /v1.41/nodes",
            "GET /v1.41/_ping"
        ]
    );
}

#[tokio::test]
async fn recorded_events_are_hints() {
    let fake = FakeEngine::start(recording("rest"));
    let engine = Engine::connect(&fake.config()).await.unwrap();
    let mut hints = engine.hints(Scope::Swarm).await.unwrap();
    for event in recording("events").as_array().unwrap() {
        fake.announce(event);
        let hint = hints.next().await.unwrap();
        assert_eq!(
            (hint.r#type.into(), hint.action.into()),
            (event["Type"].clone(), event["Action"].clone())
        );
    }
    fake.end_events();
    assert_eq!(hints.next().await, None);
}

#[tokio::test]
async fn all_clones_use_the_new_api_version_of_an_upgraded_engine() {
    let fake = FakeEngine::start(recording("rest"));
    let engine = Engine::connect(&fake.config()).await.unwrap();
    let clone = engine.clone();
    fake.recording()["version"]["ApiVersion"] = json!("1.44");
    engine.negotiate().await.unwrap();
    let _: Value = clone.get_json("/nodes").await.unwrap();
    assert_eq!(fake.seen("/nodes")[0].line, "GET /v1.44/nodes");
}

#[tokio::test]
async fn a_worker_s_engine_is_reached_and_cannot_list_services() {
    let fake = FakeEngine::start(recording("no_swarm"));
    fake.recording()["info"]["Swarm"]["LocalNodeState"] = json!("active");
    let engine = Engine::connect(&fake.config()).await.unwrap();
    assert!(!engine.manages());
    assert_eq!(
        engine.require_manager().unwrap_err().to_string(),
        format!(
            "the Docker engine at {} is a Swarm worker, which cannot list services; give --control-secret-file, so that \
             routes come from the controllers on managers, or run on managers only (constraint node.role == manager)",
            fake.host()
        )
    );
}

#[tokio::test]
async fn an_engine_without_a_swarm_is_refused_with_the_remedy() {
    let fake = FakeEngine::start(recording("no_swarm"));
    let host = fake.host();
    assert_eq!(
        refusal(&fake.config()).await,
        format!(
            "the Docker engine at {host} is in no swarm; run `docker swarm init` there, or join it to a swarm as a manager"
        )
    );
    fake.recording()["version"]["MinAPIVersion"] = json!("1.99");
    assert_eq!(
        refusal(&fake.config()).await,
        format!(
            "the Docker engine at {host} refuses API versions below 1.99, and this Hiveway speaks up to 1.51; use a newer \
             Hiveway"
        )
    );
}

#[tokio::test]
async fn an_address_where_no_engine_is_gets_the_remedy() {
    let connect = async |host: &str| {
        let config = EngineConfig {
            host: host.to_owned(),
            cert_path: None,
            answer_timeout: Duration::from_secs(10),
        };
        refusal(&config).await
    };
    assert_eq!(
        connect("unix:///nowhere/docker.sock").await,
        "cannot reach the Docker engine at unix:///nowhere/docker.sock: No such file or directory; is the engine running, \
         and is its socket mounted into this container?"
    );
    for (host, reason) in [
        ("/var/run/docker.sock", "the scheme is missing"),
        ("unix://", "the path is missing"),
        ("ssh://manager", "ssh:// is not supported"),
        ("tcp://", "what follows tcp:// is no HOST:PORT"),
        (
            "tcp://user@manager:2375",
            "what follows tcp:// is no HOST:PORT",
        ),
        ("tcp://manager/path", "what follows tcp:// is no HOST:PORT"),
        ("tcp://manager:port", "what follows tcp:// is no HOST:PORT"),
    ] {
        assert_eq!(
            connect(host).await,
            format!(
                "the Docker engine's address {host:?} is not understood: {reason}; write unix:///path/to/docker.sock or \
                 tcp://HOST:PORT"
            )
        );
    }
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(
        connect(&format!("tcp://{unused}")).await,
        format!(
            "cannot reach the Docker engine at tcp://{unused}: Connection refused; is the engine running, does it listen \
             there, and is no firewall between?"
        )
    );
}

#[tokio::test]
async fn an_answer_that_goes_wrong_says_where_and_how() {
    let fake = FakeEngine::start(recording("rest"));
    let host = fake.host();
    for (fault, expected) in [
        (
            Fault::Refuse,
            "refused GET /v1.41/info with status 500: rpc error: code = Unknown desc = the disk is full",
        ),
        (
            Fault::Malformed,
            "answered GET /v1.41/info with something that is not understood: missing field `NodeID` at line 1 \
             column 10; is this a Docker engine, and no proxy between that changes answers?",
        ),
        (
            Fault::Hang,
            "did not answer GET /v1.41/info within 300ms; is it overloaded or stuck?",
        ),
        (
            Fault::Cut,
            "broke off its answer to GET /v1.41/info: error reading a body from connection: unexpected EOF during chunk size line; is it restarting?",
        ),
    ] {
        fake.fail("/info", fault);
        let mut config = fake.config();
        if matches!(fault, Fault::Hang) {
            config.answer_timeout = Duration::from_millis(300);
        }
        let expected = format!("the Docker engine at {host} {expected}");
        assert_eq!(refusal(&config).await, expected, "{fault:?}");
    }
}

#[tokio::test]
async fn an_engine_behind_tls_is_reached_with_a_client_certificate() {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/recordings/tls"
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://localhost:{}", listener.local_addr().unwrap().port());
    let _server = serve_tls(listener, folder);
    let mut config = EngineConfig {
        host: host.clone(),
        cert_path: Some(folder.to_owned()),
        answer_timeout: Duration::from_secs(10),
    };
    let engine = Engine::connect(&config).await.unwrap();
    assert_eq!(engine.version(), "Docker 20.10.24+dfsg1, API 1.41");

    // The certificate does not name this address.
    let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
    config.host = format!("tcp://{}", elsewhere.local_addr().unwrap());
    let _other = serve_tls(elsewhere, folder);
    let error = refusal(&config).await;
    assert!(error.contains("certificate not valid for name"), "{error}");

    config.cert_path = Some("/nowhere".into());
    assert_eq!(
        refusal(&config).await,
        "cannot use /nowhere/ca.pem for TLS to the Docker engine: No such file or directory; DOCKER_CERT_PATH must name a \
         folder with ca.pem, cert.pem and key.pem"
    );
}

/// Answers `/version` and `/info` to clients that show a certificate of the test authority.
fn serve_tls(listener: TcpListener, folder: &Path) -> JoinSet<()> {
    tls::install_default_crypto_provider();
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut roots = tls::RootCertStore::empty();
    tls::load_ca_file_into_store(file("ca.pem"), &mut roots).unwrap();
    let verifier = tls::WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .unwrap();
    let (chain, key) = tls::load_certs_and_key_files(&file("cert.pem"), &file("key.pem"))
        .unwrap()
        .unwrap();
    let config = tls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tls::TlsAcceptor::from(Arc::new(config));
    let recording = recording("rest");
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let name = if request.starts_with(b"GET /version ") {
                "version"
            } else {
                "info"
            };
            let body = recording[name].to_string();
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    server
}
