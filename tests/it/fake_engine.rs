//! A Docker engine that serves recordings of a real one (`recordings/record.sh`), and can misbehave.

mod containers;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use hiveway::docker::{ANSWER_TIMEOUT, EngineConfig};
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_stream::wrappers::BroadcastStream;

pub(crate) use self::containers::Commands;
use self::containers::Containers;
pub(crate) use crate::eventually::until;
use crate::pause::pause;

/// What `record.sh` wrote.
pub(crate) fn recording(name: &str) -> Value {
    let path = format!(
        "{}/tests/it/recordings/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The engine says 500.
    Refuse,
    /// The answer is no JSON.
    Malformed,
    /// No answer comes.
    Hang,
    /// The connection ends in mid-answer.
    Cut,
    /// The service is changed by somebody else just before it is updated.
    Overtake,
}

/// A request that was seen: method, path with query, and body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) body: Value,
}

/// A running engine; it ends when dropped.
pub(crate) struct FakeEngine {
    socket: PathBuf,
    world: Arc<World>,
    server: JoinSet<()>,
}

struct World {
    /// `version`, `info`, `services`, `tasks` and `nodes`, as recorded.
    recording: Mutex<Value>,
    fault: Mutex<Option<(&'static str, Fault)>>,
    /// How late `/nodes` is answered.
    delay: Mutex<Duration>,
    seen: Mutex<Vec<Seen>>,
    /// Lines for the open event streams; none ends them.
    events: broadcast::Sender<Option<String>>,
    containers: Containers,
}

impl FakeEngine {
    pub(crate) fn start(recording: Value) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hiveway-{}-{number}.sock", std::process::id());
        let mut engine = Self {
            socket: std::env::temp_dir().join(name),
            world: Arc::new(World {
                recording: Mutex::new(recording),
                fault: Mutex::default(),
                delay: Mutex::default(),
                seen: Mutex::default(),
                events: broadcast::channel(1024).0,
                containers: Containers::default(),
            }),
            server: JoinSet::new(),
        };
        engine.listen();
        engine
    }

    /// Ends as a process does: all connections break, and the socket goes.
    pub(crate) async fn stop(&mut self) {
        self.end_events();
        self.server.shutdown().await;
        std::fs::remove_file(&self.socket).unwrap();
    }

    /// Begins, at first or again.
    pub(crate) fn listen(&mut self) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&self.world));
        self.server
            .spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub(crate) fn config(&self) -> EngineConfig {
        EngineConfig {
            host: self.host(),
            cert_path: None,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }

    /// What the engine says from now on.
    pub(crate) fn recording(&self) -> MutexGuard<'_, Value> {
        self.world.recording.lock().unwrap()
    }

    /// Every answer to a path that contains `path` goes wrong, until [`FakeEngine::mend`].
    pub(crate) fn fail(&self, path: &'static str, fault: Fault) {
        *self.world.fault.lock().unwrap() = Some((path, fault));
    }

    /// `/nodes` is answered so late from now on, which makes a look last so long.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.world.delay.lock().unwrap() = delay;
    }

    pub(crate) fn mend(&self) {
        *self.world.fault.lock().unwrap() = None;
    }

    /// Sends an event to whoever is subscribed.
    pub(crate) fn announce(&self, event: &Value) {
        let _ = self.world.events.send(Some(format!("{event}\n")));
    }

    /// Ends all event streams.
    pub(crate) fn end_events(&self) {
        let _ = self.world.events.send(None);
    }

    /// The requests whose path contains `path`, in their order.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.world.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.line.contains(path))
            .cloned()
            .collect()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default();
    world.seen.lock().unwrap().push(Seen {
        line: format!("{} {}", head.method, head.uri),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    if path.ends_with("/nodes") {
        let delay = *world.delay.lock().unwrap();
        pause(delay).await;
    }
    let fault = *world.fault.lock().unwrap();
    let fault = fault
        .filter(|(part, _)| path.contains(part))
        .map(|(_, fault)| fault);
    match fault {
        Some(Fault::Refuse) => refuse(500, "rpc error: code = Unknown desc = the disk is full"),
        Some(Fault::Malformed) => "[{\"ID\": 7}]".into_response(),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Cut) => {
            let begin = stream::once(async { Ok(Bytes::from_static(b"[{\"ID\":")) });
            let end = stream::once(async {
                // Lets the beginning go out first.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(begin.chain(end)).into_response()
        }
        Some(Fault::Overtake) => {
            for service in world.recording.lock().unwrap()["services"]
                .as_array_mut()
                .unwrap()
            {
                let index = service["Version"]["Index"].as_u64().unwrap();
                service["Version"]["Index"] = (index + 1).into();
            }
            *world.fault.lock().unwrap() = None;
            world.serve(&path, query, &body, upgrade)
        }
        None => world.serve(&path, query, &body, upgrade),
    }
}

impl World {
    fn serve(&self, path: &str, query: &str, body: &[u8], upgrade: Option<OnUpgrade>) -> Response {
        let mut recording = self.recording.lock().unwrap();
        if path == "/version" {
            return recording["version"].to_string().into_response();
        }
        let version = format!(
            "/v{}/",
            recording["version"]["ApiVersion"].as_str().unwrap()
        );
        let Some(path) = path.strip_prefix(&version) else {
            return refuse(400, &format!("{path} is not of version {version}"));
        };
        match path.split('/').collect::<Vec<_>>()[..] {
            ["_ping"] => "OK".into_response(),
            [list @ ("info" | "nodes")] => recording[list].to_string().into_response(),
            ["services"] => filtered(&recording["services"], query)
                .to_string()
                .into_response(),
            ["tasks"] if asks_for_a_missing_service(&recording["services"], query) => {
                recorded("missing")
            }
            ["tasks"] => filtered(&recording["tasks"], query)
                .to_string()
                .into_response(),
            ["events"] => self.stream(),
            ["services", id] => match find(&mut recording, id) {
                Some(service) => service.to_string().into_response(),
                None => recorded("missing"),
            },
            ["services", id, "update"] => match find(&mut recording, id) {
                Some(service) if query == format!("version={}", service["Version"]["Index"]) => {
                    let index = service["Version"]["Index"].as_u64().unwrap();
                    service["Version"]["Index"] = (index + 1).into();
                    service["Spec"] = serde_json::from_slice(body).unwrap();
                    json!({ "Warnings": null }).to_string().into_response()
                }
                Some(_) => recorded("conflict"),
                None => recorded("missing"),
            },
            ref path => self.containers.serve(path, body, upgrade),
        }
    }

    fn stream(&self) -> Response {
        let lines = BroadcastStream::new(self.events.subscribe());
        let lines = lines
            .map(|line| line.expect("the channel holds more than a test sends"))
            .take_while(|line| std::future::ready(line.is_some()))
            .map(|line| Ok::<_, std::io::Error>(Bytes::from(line.unwrap_or_default())));
        Body::from_stream(lines).into_response()
    }
}

/// The objects that pass the only filters that are used.
fn filtered(objects: &Value, query: &str) -> Value {
    let filters = filters(query);
    let fits = |object: &&Value| {
        filters.iter().all(|(name, values)| {
            let field = match name.as_str() {
                "desired-state" => "DesiredState",
                "id" => "ID",
                "service" => "ServiceID",
                name => panic!("a filter that the fake does not know: {name}"),
            };
            values.as_array().unwrap().contains(&object[field])
        })
    };
    let objects = objects.as_array().unwrap().iter();
    objects.filter(fits).cloned().collect()
}

/// An engine refuses to list the tasks of what it does not know.
fn asks_for_a_missing_service(services: &Value, query: &str) -> bool {
    let filters = filters(query);
    let asked = filters.get("service").and_then(Value::as_array);
    let is_there = |id: &Value| {
        services
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["ID"] == *id)
    };
    asked.is_some_and(|ids| !ids.iter().all(is_there))
}

fn filters(query: &str) -> serde_json::Map<String, Value> {
    let json = query.strip_prefix("filters=").unwrap_or("%7B%7D");
    serde_json::from_str(&decode(json)).unwrap()
}

fn decode(query: &str) -> String {
    let (first, rest) = query.split_once('%').unwrap_or((query, ""));
    if rest.is_empty() {
        return first.to_owned();
    }
    let byte = u8::from_str_radix(&rest[..2], 16).unwrap();
    format!("{first}{}{}", char::from(byte), decode(&rest[2..]))
}

fn find<'a>(recording: &'a mut Value, id: &str) -> Option<&'a mut Value> {
    let services = recording["services"].as_array_mut().unwrap();
    services.iter_mut().find(|service| service["ID"] == id)
}

/// An answer with an error status that was recorded.
fn recorded(name: &str) -> Response {
    let answer = &recording("after")[name];
    let status = StatusCode::from_u16(answer["status"].as_u64().unwrap() as u16).unwrap();
    (status, answer["body"].to_string()).into_response()
}

fn refuse(status: u16, message: &str) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        json!({ "message": message }).to_string(),
    )
        .into_response()
}
