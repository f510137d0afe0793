//! A running process with services that really answer: what the dashboard and the figures are looked at by.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::process::Process;
use crate::eventually::eventually;
use crate::folder::Folder;

/// A server on loopback, whose answers have the status that it is told.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    status: Arc<AtomicU16>,
    _running: JoinSet<()>,
}

impl Server {
    /// Listens on this address of loopback, on a free port.
    pub(super) async fn start(last: u8) -> Self {
        Self::start_at(last, 0).await
    }

    /// Listens on this address of loopback, on this port.
    pub(super) async fn start_at(last: u8, port: u16) -> Self {
        let place = (Ipv4Addr::new(127, 0, 0, last), port);
        let listener = TcpListener::bind(place).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let status = Arc::new(AtomicU16::new(200));
        let mut running = JoinSet::new();
        let told = status.clone();
        running.spawn(async move {
            let mut answering = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                answering.spawn(answer(client, told.load(Ordering::Relaxed)));
            }
        });
        Self {
            address,
            status,
            _running: running,
        }
    }

    /// Answers with this status from now on.
    pub(super) fn says(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// A service of this one task, as an inventory file tells it.
    pub(super) fn service(&self, name: &str, host: &str, labels: &[(&str, &str)]) -> Value {
        let container = container(name);
        let mut all = json!({
            format!("hiveway.routing.port_{}", self.address.port()): host,
            "hiveway.probe.url": format!("http://container:{}/", self.address.port()),
            "hiveway.probe.interval_seconds": "0.2",
            "hiveway.probe.fall": "1",
        });
        for (key, value) in labels {
            all[*key] = (*value).into();
        }
        let tasks = json!([{ "container": container, "address": self.address.ip() }]);
        json!({ "name": name, "labels": all, "tasks": tasks })
    }
}

/// The id of a service's container, which its name can be read from.
pub(super) fn container(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().cycle().take(64).collect()
}

async fn answer(mut client: TcpStream, status: u16) {
    let mut head = [0; 4096];
    let _ = client.read(&mut head).await;
    let answer =
        format!("HTTP/1.1 {status} Told\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    let _ = client.write_all(answer.as_bytes()).await;
}

/// `hiveway run` with an inventory.
pub(super) struct Scene {
    pub(super) admin: SocketAddr,
    pub(super) internal: SocketAddr,
    process: Process,
    _folder: Folder,
}

impl Scene {
    /// Starts it with these services and waits until it has routes.
    pub(super) async fn start(services: &[Value]) -> Self {
        Self::start_with(services, &[]).await
    }

    /// The same with further flags.
    pub(super) async fn start_with(services: &[Value], flags: &[&str]) -> Self {
        Self::start_by(Process::start, services, flags).await
    }

    /// The same under a limit of open files.
    pub(super) async fn start_limited(files: u32, services: &[Value], flags: &[&str]) -> Self {
        let start = |arguments, variables| Process::start_limited(files, arguments, variables);
        Self::start_by(start, services, flags).await
    }

    async fn start_by(
        start: impl FnOnce(Vec<String>, [(&'static str, String); 0]) -> Process,
        services: &[Value],
        flags: &[&str],
    ) -> Self {
        let inventory = json!({ "services": services });
        let folder = Folder::with("inventory.json", &inventory.to_string());
        let file = folder.file("inventory.json");
        let arguments = format!(
            "--inventory {file} --listen-internal 127.0.0.1:0 --admin 127.0.0.1:0 --grace 1s --log-format json"
        );
        let arguments = arguments.split(' ').chain(flags.iter().copied());
        let mut process = start(arguments.map(str::to_owned).collect(), []);
        let line = process.listens().await;
        let address = |name: &str| {
            let address = line[name].as_str().expect("an address");
            address.parse().expect("an address")
        };
        let (admin, internal) = (address("admin"), address("internal"));
        process.line_with("warmed up").await;
        let scene = Self {
            admin,
            internal,
            process,
            _folder: folder,
        };
        // That is told just before the gateway has the routes.
        let look = async || {
            let report = scene.told("/ready").await;
            let ready = report.contains("\"ready\":true");
            if ready { Ok(()) } else { Err(report) }
        };
        let ready = eventually("it is ready", Duration::from_secs(30), look).await;
        ready.expect("it warmed up");
        scene
    }

    /// Sends a request to a host through the gateway, and gives the status.
    pub(super) async fn ask(&self, host: &str) -> u16 {
        let target: Target = format!("http://{host}/").parse().expect("a URL");
        let target = target.through(self.internal);
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        answer.expect("an answer").status.as_u16()
    }

    /// What the admin listener says under a path.
    pub(super) async fn told(&self, path: &str) -> String {
        let target: Target = format!("http://{}{path}", self.admin)
            .parse()
            .expect("a URL");
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        let body = answer.expect("an answer").body;
        String::from_utf8(body.to_vec()).expect("text")
    }

    /// How many files it has open.
    pub(super) fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.id());
        std::fs::read_dir(folder).expect("it runs").count()
    }

    /// Ends it; it must end in peace.
    pub(super) async fn end(self) {
        self.process.terminate();
        assert_eq!(self.process.ended().await.code, 0);
    }
}
