//! What the story is played on: two embedded servers, an inventory file that names them, and `hiveway run` over both.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Error;
use super::instance::Instance;
use super::server;

/// How often to look for a port that is free on all addresses before giving up.
const PORT_TRIES: u32 = 20;

/// The whole stage. Dropped, it kills what runs and removes its files; [`Stage::clear`] ends it well.
#[derive(Debug)]
pub(super) struct Stage {
    /// The servers that play the containers.
    pub(super) servers: [EmbeddedServer; 2],
    /// The process that steers requests to them.
    pub(super) instance: Instance,
    /// Where it listens for requests.
    pub(super) internal: SocketAddr,
    /// Where it answers for itself.
    pub(super) admin: SocketAddr,
    directory: TemporaryDirectory,
}

impl Stage {
    /// Starts the servers and the process.
    pub(super) async fn set(program: &Path) -> Result<Self, Error> {
        let mut servers = embedded_servers().await?;
        for server in &mut servers {
            server.start().await?;
        }
        let directory = TemporaryDirectory::make()?;
        let inventory = directory.path.join("inventory.json");
        let text = format!("{:#}\n", inventory_of(&servers));
        fs::write(&inventory, text).map_err(|source| Error::WriteInventory {
            path: inventory.clone(),
            source,
        })?;
        let (internal, admin) = (free_address().await?, free_address().await?);
        let instance = Instance::start(program, &inventory, internal, admin)?;
        Ok(Self {
            servers,
            instance,
            internal,
            admin,
            directory,
        })
    }

    /// Ends the process by SIGTERM, then the servers, and removes the files.
    pub(super) async fn clear(self) -> Result<(), Error> {
        let stopped = self.instance.stop().await;
        for mut server in self.servers {
            server.stop().await;
        }
        drop(self.directory);
        stopped
    }
}

/// A demo server inside this process, in the part of a container.
#[derive(Debug)]
pub(super) struct EmbeddedServer {
    /// The id of the container that it plays.
    pub(super) container: String,
    /// Where it listens while it runs.
    pub(super) address: SocketAddr,
    running: JoinSet<()>,
}

impl EmbeddedServer {
    fn new(container: &str, address: SocketAddr) -> Self {
        Self {
            container: container.to_owned(),
            address,
            running: JoinSet::new(),
        }
    }

    /// The beginning of the id: what Docker makes a container's host name, and what the server answers as.
    pub(super) fn name(&self) -> &str {
        &self.container[..12]
    }

    /// Listens and serves.
    pub(super) async fn start(&mut self) -> Result<(), Error> {
        let listener = server::listen(self.address).await?;
        let name = self.name().to_owned();
        self.running.spawn(async move {
            server::serve(listener, &name, std::future::pending()).await;
        });
        Ok(())
    }

    /// Closes the listener and every connection, as a crash would.
    pub(super) async fn stop(&mut self) {
        self.running.shutdown().await;
    }
}

/// Two servers, not started, on one port that is free on both of their addresses.
async fn embedded_servers() -> Result<[EmbeddedServer; 2], Error> {
    let at = |last, port| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
    let mut tries = 0;
    let port = loop {
        let both_free = async {
            let first = TcpListener::bind(at(2, 0)).await?;
            let port = first.local_addr()?.port();
            TcpListener::bind(at(3, port)).await.map(|_| port)
        };
        match both_free.await {
            Ok(port) => break port,
            Err(source) if tries == PORT_TRIES => return Err(Error::FindPort { source }),
            Err(_) => tries += 1,
        }
    };
    Ok([
        EmbeddedServer::new(&"a1".repeat(32), at(2, port)),
        EmbeddedServer::new(&"b2".repeat(32), at(3, port)),
    ])
}

/// An address of loopback where nothing listens at the moment.
async fn free_address() -> Result<SocketAddr, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let free = async { TcpListener::bind(address).await?.local_addr() };
    free.await
        .map_err(|source| Error::Listen { address, source })
}

/// The inventory file: the example's service with its labels, probed more often so that the story is short.
fn inventory_of(servers: &[EmbeddedServer; 2]) -> serde_json::Value {
    let port = servers[0].address.port();
    let tasks = servers
        .each_ref()
        .map(|server| json!({ "container": server.container, "address": server.address.ip() }));
    json!({ "services": [{
        "name": "restserver",
        "labels": {
            format!("aliyun.routing.port_{port}"): "restserver.local",
            "aliyun.probe.url": format!("http://container:{port}/health"),
            "aliyun.probe.interval_seconds": "0.5",
            "aliyun.probe.timeout_seconds": "1",
        },
        "tasks": tasks,
    }] })
}

/// A directory of this process alone, removed when dropped.
#[derive(Debug)]
struct TemporaryDirectory {
    path: PathBuf,
}

impl TemporaryDirectory {
    fn make() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("hiveway-demo-{}", std::process::id()));
        let make = || DirBuilder::new().mode(0o700).create(&path);
        let made = match make() {
            // A process of the same number that was killed left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&path).and_then(|()| make())
            }
            made => made,
        };
        made.map_err(|source| Error::WriteInventory {
            path: path.clone(),
            source,
        })?;
        Ok(Self { path })
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed is one small file in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}
