//! An ACME server that refuses in one way, over real TLS, and remembers what was ordered.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::folder::Folder;

/// In what way it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is out of order: 503, and no ACME.
    OutOfOrder,
    /// It is no ACME server.
    Page,
    /// It has had enough, and says for how long.
    Limited {
        /// In seconds.
        retry_after: u64,
    },
    /// It does not know the account.
    Stranger,
    /// It is busy at one step, and takes all others.
    Busy {
        /// The path of the step.
        step: &'static str,
        status: u16,
        /// Whether it says so as ACME does.
        problem: Option<&'static str>,
        /// As it stands in the header.
        retry_after: &'static str,
    },
}

/// A running server; it ends when dropped.
pub(super) struct Server {
    /// The URL of its directory.
    pub(super) directory: Arc<str>,
    /// The file with who vouches for it.
    pub(super) root: std::path::PathBuf,
    seen: Arc<Seen>,
    _folder: Folder,
    _running: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    paths: Mutex<Vec<String>>,
    hosts: Mutex<Vec<String>>,
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let authority = Authority::new("the test");
        let acceptor = authority.acceptor();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let folder = Folder::with("root.pem", &authority.pem());
        let seen = Arc::<Seen>::default();
        let mut running = JoinSet::new();
        running.spawn({
            let seen = seen.clone();
            async move {
                let mut serving = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, seen) = (acceptor.clone(), seen.clone());
                    serving.spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        let answer = service_fn(|request| answer(manner, address, &seen, request));
                        let connection = http1::Builder::new();
                        // A client that leaves has had its answer.
                        let _ = connection
                            .serve_connection(TokioIo::new(stream), answer)
                            .await;
                    });
                }
            }
        });
        Self {
            directory: format!("https://{address}/dir").into(),
            root: folder.path().join("root.pem"),
            seen,
            _folder: folder,
            _running: running,
        }
    }

    /// The hosts for which certificates were ordered.
    pub(super) fn ordered(&self) -> Vec<String> {
        self.seen.hosts.lock().expect("no panic").clone()
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        let paths = self.seen.paths.lock().expect("no panic");
        paths.iter().filter(|it| *it == path).count()
    }
}

async fn answer(
    manner: Manner,
    address: SocketAddr,
    seen: &Seen,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    seen.paths.lock().expect("no panic").push(path.clone());
    let body = request.into_body().collect().await;
    let body = body.map(|it| it.to_bytes()).unwrap_or_default();
    let url = |path: &str| format!("https://{address}{path}");
    let json = |status: u16, body: Value| {
        Response::builder()
            .status(status)
            .header("Content-Type", "application/json")
            .header("Replay-Nonce", "AAAA")
            .header("Location", url("/account/1"))
            .body(Full::new(Bytes::from(body.to_string())))
    };
    let problem = |status, kind: &str, detail: &str| {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        json(
            status,
            json!({ "type": kind, "detail": detail, "status": status }),
        )
    };
    let order = |status: &str| {
        json!({
            "status": status,
            "authorizations": [url("/authorization")],
            "finalize": url("/finalize"),
            "certificate": url("/certificate"),
        })
    };
    let answer = match (&*path, manner) {
        (
            _,
            Manner::Busy {
                step,
                status,
                problem: said,
                retry_after,
            },
        ) if step == path => {
            let told = match said {
                Some(kind) => problem(status, kind, "come again"),
                None => Response::builder().status(status).body(Full::default()),
            };
            told.map(|mut told| {
                let value = retry_after.parse().expect("a value");
                told.headers_mut().insert("Retry-After", value);
                told
            })
        }
        (_, Manner::OutOfOrder) => Response::builder().status(503).body(Full::default()),
        (_, Manner::Page) => Response::builder()
            .header("Content-Type", "text/html")
            .body(Full::new(Bytes::from_static(b"<h1>Hello</h1>"))),
        ("/dir", _) => json(
            200,
            json!({
                "newNonce": url("/nonce"),
                "newAccount": url("/account"),
                "newOrder": url("/order"),
                "revokeCert": url("/revoke"),
                "keyChange": url("/key"),
            }),
        ),
        ("/nonce", _) => json(200, Value::Null),
        ("/account", _) => json(201, json!({ "status": "valid" })),
        ("/order", manner) => {
            seen.hosts.lock().expect("no panic").extend(hosts(&body));
            match manner {
                Manner::Limited { retry_after } => {
                    let told = problem(429, "rateLimited", "too many certificates already");
                    told.map(|mut told| {
                        told.headers_mut().insert("Retry-After", retry_after.into());
                        told
                    })
                }
                Manner::Busy { .. } => json(201, order("pending")).map(|mut told| {
                    let place = url("/order/1").parse().expect("a value");
                    told.headers_mut().insert("Location", place);
                    // A step that succeeds says nothing of the next.
                    told.headers_mut().insert("Retry-After", 7_200.into());
                    told
                }),
                _ => problem(400, "accountDoesNotExist", "who are you"),
            }
        }
        ("/order/1", Manner::Busy { step, .. }) => match step {
            "/certificate" => json(200, order("valid")),
            _ => json(200, order("ready")),
        },
        ("/finalize", _) => json(200, order("processing")),
        ("/authorization", _) => json(
            200,
            json!({
                "status": "valid",
                "identifier": { "type": "dns", "value": "shop.test" },
                "challenges": [],
            }),
        ),
        _ => problem(404, "malformed", "no such thing"),
    };
    Ok(answer.expect("an answer"))
}

/// The hosts that an order is about.
fn hosts(body: &[u8]) -> Vec<String> {
    let signed: Value = serde_json::from_slice(body).expect("a signed object");
    let payload = signed["payload"].as_str().expect("a payload");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let order: Value = serde_json::from_slice(&payload).expect("an order");
    let identifiers = order["identifiers"].as_array().expect("identifiers");
    let value = |it: &Value| it["value"].as_str().expect("a name").to_owned();
    identifiers.iter().map(value).collect()
}
