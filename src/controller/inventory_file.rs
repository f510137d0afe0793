//! A static inventory in a file, the source beside Docker: for trying Hiveway out, for tests, and for benchmarks.
//!
//! ```json
//! { "services": [ {
//!     "name": "restserver",
//!     "labels": { "hiveway.routing.port_8080": "restserver.local" },
//!     "tasks": [ { "container": "5f3c…", "address": "127.0.0.2" } ]
//! } ] }
//! ```
//!
//! The file is read again when it changes. One that cannot be read is an error at the start; later the last good one
//! stands, and an event reports what is wrong. A name that is given twice is such an error: to keep either of the two
//! would lose the other in silence.

mod unique;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::event::Event;
use crate::core::model::{
    ContainerId, DesiredState, Inventory, Mode, NodeId, Service, ServiceId, Task, TaskAddress,
    TaskId, TaskState,
};
use crate::observe::event_log::Emitter;
use crate::process::watch_ext;

/// How often the file is looked at. Reading a small file costs less than being told of its changes would.
const LOOK: Duration = Duration::from_millis(100);

/// Why an inventory file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(
        "cannot read the inventory file {path}: {source}; check the path given with --inventory"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not an inventory.
    #[error(
        "the inventory file {path} is broken: {source}; it holds {{\"services\": [{{\"name\", \"labels\", \"tasks\": \
         [{{\"container\", \"address\"}}]}}]}}"
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
}

/// An inventory file that has been read once.
pub struct InventoryFile {
    path: PathBuf,
    network: Arc<str>,
    text: String,
    inventory: Inventory,
}

impl InventoryFile {
    /// Reads the file for the first time. Its addresses count as being on `network`.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no inventory.
    pub async fn open(path: PathBuf, network: Arc<str>) -> Result<Self, Error> {
        let text = read(&path).await?;
        let inventory = parse(&path, &text, &network)?;
        Ok(Self {
            path,
            network,
            text,
            inventory,
        })
    }

    /// Publishes the inventory, and again whenever the file changes, until `stop`.
    pub async fn run(
        self,
        inventory: watch::Sender<Option<Arc<Inventory>>>,
        emitter: Emitter,
        stop: CancellationToken,
    ) {
        let Self {
            path,
            network,
            mut text,
            inventory: first,
        } = self;
        let engine: Arc<str> = format!("file {}", path.display()).into();
        inventory.send_replace(Some(Arc::new(first)));
        emitter.emit(Event::EngineReached {
            engine: engine.clone(),
            version: "a static inventory".into(),
        });
        let mut lost = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let latest = match read(&path).await {
                Ok(latest) if latest == text && !lost => continue,
                Ok(latest) => parse(&path, &latest, &network).map(|parsed| (latest, parsed)),
                Err(error) => Err(error),
            };
            match latest {
                Ok((latest, parsed)) => {
                    text = latest;
                    if std::mem::take(&mut lost) {
                        let version = "a static inventory".into();
                        emitter.emit(Event::EngineReached {
                            engine: engine.clone(),
                            version,
                        });
                    }
                    watch_ext::tell(&inventory, Some(Arc::new(parsed)));
                }
                Err(error) if !std::mem::replace(&mut lost, true) => {
                    let reason = error.to_string().into();
                    emitter.emit(Event::EngineLost {
                        engine: engine.clone(),
                        reason,
                    });
                }
                Err(_) => {}
            }
        }
    }
}

async fn read(path: &Path) -> Result<String, Error> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })
}

fn parse(path: &Path, text: &str, network: &Arc<str>) -> Result<Inventory, Error> {
    let file: File = serde_json::from_str(text).map_err(|source| Error::Parse {
        path: path.to_owned(),
        source,
    })?;
    Ok(file.inventory(network))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "unique::services")]
    services: Vec<FileService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileService {
    name: Arc<str>,
    #[serde(default, deserialize_with = "unique::labels")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    tasks: Vec<FileTask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTask {
    container: String,
    address: IpAddr,
}

impl FileService {
    /// The id of a task, which the file does not have.
    fn task_id(&self, task: &FileTask) -> String {
        format!("{}.{}", self.name, task.container)
    }
}

impl File {
    /// As Docker would have told it: every task runs, on one node. A service's id is its name.
    fn inventory(self, network: &Arc<str>) -> Inventory {
        let mut inventory = Inventory::default();
        for service in self.services {
            let id = ServiceId::from(&*service.name);
            inventory
                .tasks
                .extend(service.tasks.iter().map(|task| Task {
                    id: TaskId::from(service.task_id(task).as_str()),
                    service: id.clone(),
                    node: Some(NodeId::from("file")),
                    slot: None,
                    container: Some(ContainerId::from(task.container.as_str())),
                    desired: DesiredState::Running,
                    state: TaskState::Running,
                    since: None,
                    error: None,
                    addresses: vec![TaskAddress {
                        network: network.clone(),
                        address: task.address,
                    }],
                }));
            inventory.services.push(Service {
                id,
                mode: Mode::Replicated {
                    replicas: service.tasks.len() as u64,
                },
                name: service.name,
                labels: service.labels,
                container_labels: BTreeMap::new(),
                updating: false,
            });
        }
        inventory.sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_told_with_line_and_column() {
        let network: Arc<str> = "mesh".into();
        let parse = |text| parse(Path::new("inventory.json"), text, &network);
        let told = parse("{\n  \"services\": [ { \"nam\": 1 } ]\n}")
            .expect_err("a typo")
            .to_string();
        assert!(
            told.contains("inventory.json") && told.contains("unknown field `nam`"),
            "{told}"
        );
        assert!(told.contains("line 2 column"), "{told}");
        assert!(parse("").is_err());
        let address =
            "{\"services\":[{\"name\":\"a\",\"tasks\":[{\"container\":\"c\",\"address\":\"x\"}]}]}";
        assert!(parse(address).is_err());
        assert_eq!(
            parse("{\"services\": []}").expect("empty"),
            Inventory::default()
        );
    }
    #[test]
    fn what_is_there_twice_is_refused_with_its_place() {
        let network: Arc<str> = "mesh".into();
        let web = "{\"name\":\"web\"}";
        let task = "{\"container\":\"c\",\"address\":\"127.0.0.2\"}";
        for (services, expected) in [
            (format!("{web},\n{web}"), "service \"web\" is there already"),
            (
                format!("{{\"name\":\"web\",\"tasks\":[{task},\n{task}]}}"),
                "container \"c\" of service \"web\" is there already",
            ),
            // Both would be the task `a.b.c`.
            (
                format!(
                    "{{\"name\":\"a.b\",\"tasks\":[{task}]}},\n{{\"name\":\"a\",\"tasks\":[{}]}}",
                    task.replace("\"c\"", "\"b.c\"")
                ),
                "the task \"a.b.c\" is there already",
            ),
            (
                "{\"name\":\"web\",\"labels\":{\"a\":\"1\",\n\"a\":\"2\"}}".into(),
                "the label \"a\" is there already",
            ),
            (
                "{\"name\":\"web\",\n\"name\":\"api\"}".into(),
                "duplicate field `name`",
            ),
            (
                format!("{{\"name\":\"web\",\"tasks\":[],\n\"tasks\":[{task}]}}"),
                "duplicate field `tasks`",
            ),
        ] {
            let text = format!("{{\"services\":[{services}]}}");
            let refused = parse(Path::new("inventory.json"), &text, &network);
            let refused = refused.expect_err(expected).to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(refused.contains("line 2 column"), "{refused}");
        }
        let twice = "{\"services\":[],\"services\":[]}";
        assert!(parse(Path::new("inventory.json"), twice, &network).is_err());
    }
}
