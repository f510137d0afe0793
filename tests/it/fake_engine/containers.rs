//! The containers of the fake engine and the commands in them, as a real one tells of them (`recordings/record_exec.sh`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::{FakeEngine, recording, refuse};
use crate::pause::pause;

/// How commands in a container end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    /// As the recorded one of this name: `passed`, `failed` or `shell`.
    EndLike(&'static str),
    /// Only when they are made to.
    Hang,
    /// The container does not run.
    Stopped,
}

#[derive(Default)]
pub(super) struct Containers {
    state: Arc<Mutex<State>>,
    streams: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct State {
    /// The task and the commands of each container.
    containers: BTreeMap<String, (String, Commands)>,
    execs: Vec<Exec>,
}

struct Exec {
    container: String,
    command: Value,
    running: bool,
    status: Option<i64>,
}

impl FakeEngine {
    /// Makes a container of that task, or changes it.
    pub(crate) fn contain(&self, container: &str, task: &str, commands: Commands) {
        let mut state = self.world.containers.state.lock().unwrap();
        let container = container.to_owned();
        state.containers.insert(container, (task.into(), commands));
    }

    /// Ends all commands that run.
    pub(crate) fn end_commands(&self) {
        let mut state = self.world.containers.state.lock().unwrap();
        for exec in state.execs.iter_mut().filter(|exec| exec.running) {
            (exec.running, exec.status) = (false, Some(0));
        }
    }

    /// The commands that were begun in that container.
    pub(crate) fn begun(&self, container: &str) -> Vec<Value> {
        let state = self.world.containers.state.lock().unwrap();
        let begun =
            |exec: &&Exec| exec.container == container && (exec.running || exec.status.is_some());
        let execs = state.execs.iter().filter(begun);
        execs.map(|exec| exec.command.clone()).collect()
    }
}

impl Containers {
    /// Answers what is below `/containers` and `/exec`.
    pub(super) fn serve(&self, path: &[&str], body: &[u8], upgrade: Option<OnUpgrade>) -> Response {
        let recorded = recording("exec");
        let as_recorded = |name: &str| answer(&recorded[name]);
        let mut state = self.state.lock().unwrap();
        match *path {
            ["containers", id, "json"] => match state.containers.get(id) {
                Some((task, _)) => {
                    let mut answer = recorded["container_with"]["body"].clone();
                    let running = state.execs.iter().enumerate();
                    let running = running.filter(|(_, exec)| exec.running && exec.container == id);
                    let ids: Vec<_> = running.map(|(id, _)| id.to_string()).collect();
                    answer["Id"] = json!(id);
                    answer["ExecIDs"] = if ids.is_empty() {
                        Value::Null
                    } else {
                        json!(ids)
                    };
                    answer["Config"]["Labels"]["com.docker.swarm.task.id"] = json!(task);
                    answer.to_string().into_response()
                }
                None => as_recorded("missing"),
            },
            ["containers", id, "exec"] => match state.containers.get(id) {
                Some((_, Commands::Stopped)) => as_recorded("stopped"),
                Some(_) => {
                    let wish: Value = serde_json::from_slice(body).unwrap();
                    assert_eq!(wish["AttachStdout"], true);
                    state.execs.push(Exec {
                        container: id.to_owned(),
                        command: wish["Cmd"].clone(),
                        running: false,
                        status: None,
                    });
                    let mut created = recorded["passed"]["created"].clone();
                    created["body"]["Id"] = json!((state.execs.len() - 1).to_string());
                    answer(&created)
                }
                None => as_recorded("missing"),
            },
            ["exec", id, "json"] => match state.execs.get(id.parse::<usize>().unwrap()) {
                Some(exec) => {
                    let mut answer = recorded["running"]["body"].clone();
                    answer["ID"] = json!(id);
                    answer["Running"] = json!(exec.running);
                    answer["ExitCode"] = json!(exec.status);
                    let words = exec.command.as_array().unwrap();
                    answer["ProcessConfig"]["entrypoint"] = words[0].clone();
                    answer["ProcessConfig"]["arguments"] = json!(words[1..]);
                    answer["ContainerID"] = json!(exec.container);
                    answer.to_string().into_response()
                }
                None => as_recorded("forgotten"),
            },
            ["exec", id, "start"] => {
                let id: usize = id.parse().unwrap();
                let exec = &mut state.execs[id];
                exec.running = true;
                let (_, commands) = state.containers[&state.execs[id].container];
                self.run(id, commands, upgrade.expect("an upgrade is asked for"));
                upgraded(&recorded)
            }
            _ => refuse(404, "page not found"),
        }
    }

    /// Brings the command's output once the client is there, and ends it.
    fn run(&self, id: usize, commands: Commands, upgrade: OnUpgrade) {
        let state = Arc::clone(&self.state);
        self.streams.lock().unwrap().spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            if let Commands::EndLike(name) = commands {
                let recorded = &recording("exec")[name];
                let bytes = bytes(recorded["started"]["body"].as_str().unwrap());
                stream.write_all(&bytes).await.unwrap();
                let exec = &mut state.lock().unwrap().execs[id];
                exec.running = false;
                exec.status = recorded["after"]["body"]["ExitCode"].as_i64();
            }
            // The command runs for as long as its test wants.
            while state.lock().unwrap().execs[id].running {
                pause(Duration::from_millis(5)).await;
            }
            // The client may have gone away.
            let _ = stream.shutdown().await;
        });
    }
}

fn answer(recorded: &Value) -> Response {
    let status = StatusCode::from_u16(recorded["status"].as_u64().unwrap() as u16).unwrap();
    (status, recorded["body"].to_string()).into_response()
}

/// The head that a real engine begins a command's output with.
fn upgraded(recorded: &Value) -> Response {
    let head = recorded["passed"]["started"]["head"].as_str().unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("HTTP/1.1 101 UPGRADED"));
    let mut response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        response = response.header(name, value);
    }
    response.body(Body::empty()).unwrap()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
