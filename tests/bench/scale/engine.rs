//! The engine of a swarm that exists on paper only, as a process of its own: what Hiveway asks for over a Unix socket, from
//! texts that are ready, a listener that is every task's port, and the path `/bench/…`, by which the swarm is changed.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UnixListener, UnixStream};
use tokio::sync::broadcast;

use super::Size;
use super::objects::{node_id, service_id};
use super::world::{Stage, World};

/// The API that it speaks.
const API: &str = "1.47";

struct Engine {
    world: Mutex<World>,
    events: broadcast::Sender<Arc<[u8]>>,
}

/// Serves until it is killed.
pub(crate) async fn serve(socket: &Path, size: Size) -> anyhow::Result<()> {
    let probes = TcpSocket::new_v4()?;
    probes.bind(([0, 0, 0, 0], 0).into())?;
    let probes = probes.listen(4096)?.into_std()?;
    let port = probes.local_addr()?.port();
    probes.set_nonblocking(false)?;
    // It ends with the process: whoever probes has all of a thread.
    std::thread::spawn(move || {
        for stream in probes.incoming() {
            drop(stream);
        }
    });
    let engine = Arc::new(Engine {
        world: Mutex::new(World::new(size, port)),
        events: broadcast::channel(64).0,
    });
    let listener =
        UnixListener::bind(socket).with_context(|| format!("listening on {}", socket.display()))?;
    println!("{}", json!({"ready": true}));
    let mut calls = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("accepting")?;
                let engine = engine.clone();
                // Whoever asks may go away in mid-answer.
                calls.spawn(async move { drop(engine.answer(stream).await) });
            }
            Some(_) = calls.join_next() => {}
        }
    }
}

impl Engine {
    /// Answers one request, which is all that a connection brings.
    async fn answer(&self, mut stream: UnixStream) -> anyhow::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head)?;
        let path = head.split(' ').nth(1).context("a request without a path")?;
        if path.contains("/events?") {
            // The agent subscribes as well, to what happens to containers: nothing does.
            return self.tell(stream, path.contains("service")).await;
        }
        let (status, parts) = match self.parts(path)? {
            Some(parts) => ("200 OK", parts),
            None => ("404 Not Found", text(&json!({"message": "not found"}))),
        };
        // One chunk, however large: this is what an engine does with a list.
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        for part in &parts {
            stream.write_all(part).await?;
        }
        stream.write_all(b"\r\n0\r\n\r\n").await?;
        Ok(())
    }

    /// Events of services, if those are wanted, until the stream ends.
    async fn tell(&self, mut stream: UnixStream, wanted: bool) -> anyhow::Result<()> {
        let mut events = self.events.subscribe();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        loop {
            let event = events.recv().await?;
            if !wanted {
                continue;
            }
            let length = event.len();
            stream
                .write_all(format!("{length:x}\r\n").as_bytes())
                .await?;
            stream.write_all(&event).await?;
            stream.write_all(b"\r\n").await?;
        }
    }

    /// The parts of the answer; none where there is nothing by that name.
    fn parts(&self, path: &str) -> anyhow::Result<Option<Vec<Arc<[u8]>>>> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "/version" {
            return Ok(Some(text(
                &json!({"Version": "28.0.4", "ApiVersion": API, "MinAPIVersion": "1.24"}),
            )));
        }
        if let Some(change) = path.strip_prefix("/bench/") {
            return Ok(Some(text(&json!(self.change(change)?))));
        }
        let filters = filters(query)?;
        let values = |name: &str| -> Option<Vec<String>> {
            serde_json::from_value(filters.get(name)?.clone()).ok()
        };
        let world = self.world();
        Ok(match path.strip_prefix(&format!("/v{API}")) {
            Some("/info") => Some(text(&json!({"Swarm": {
                "NodeID": node_id(0), "LocalNodeState": "active", "ControlAvailable": true, "Error": "",
            }}))),
            Some("/nodes") => Some(world.nodes()),
            Some("/services") => Some(world.services(values("id").as_deref())),
            Some("/tasks") => match values("id") {
                Some(ids) => Some(world.tasks(&ids)),
                None => world.listed(values("service").as_deref()),
            },
            _ => None,
        })
    }

    /// A change: `STEP/SERVICE` or `STEP/SERVICE/SLOT,SLOT…`. Gives the ids of the tasks that it was about.
    fn change(&self, change: &str) -> anyhow::Result<Vec<String>> {
        let mut words = change.split('/');
        let step = words.next().context("no step")?;
        let service: usize = words.next().context("no service")?.parse()?;
        let slots: Result<Vec<usize>, _> = words
            .next()
            .unwrap_or("0")
            .split(',')
            .map(str::parse)
            .collect();
        let slots = slots?;
        let mut world = self.world();
        Ok(match step {
            "begin" | "complete" => {
                let updating = step == "begin";
                world.set_updating(service, updating);
                self.announce(service, if updating { "updating" } else { "completed" });
                Vec::new()
            }
            "leave" => world.leave(service, &slots),
            "end" => world.advance(service, &slots, Stage::Leaves, Stage::Ended),
            "start" => world.advance(service, &slots, Stage::Waits, Stage::Starts),
            "run" => world.advance(service, &slots, Stage::Starts, Stage::Runs),
            step => anyhow::bail!("no such step: {step}"),
        })
    }

    fn announce(&self, service: usize, state: &str) {
        let event = json!({
            "Type": "service",
            "Action": "update",
            "Actor": {"ID": service_id(service), "Attributes": {"name": format!("shop_svc-{service}"), "updatestate.new": state}},
            "scope": "swarm",
            "time": 1_795_390_717,
            "timeNano": 1_795_390_717_704_951_000_u64,
        });
        // An error says that nobody is subscribed.
        let _ = self.events.send(format!("{event}\n").into_bytes().into());
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(value: &Value) -> Vec<Arc<[u8]>> {
    vec![value.to_string().into_bytes().into()]
}

/// Reads `filters=…`, percent-encoded JSON.
fn filters(query: &str) -> anyhow::Result<Value> {
    let Some(encoded) = query.strip_prefix("filters=") else {
        return Ok(Value::Null);
    };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [
                    rest.next().context("a cut filter")?,
                    rest.next().context("a cut filter")?,
                ];
                u8::from_str_radix(std::str::from_utf8(&digits)?, 16)?
            }
            byte => byte,
        });
    }
    Ok(serde_json::from_slice(&bytes)?)
}
