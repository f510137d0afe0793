//! A network of a test's own, behind a cable that the test can cut.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};

/// A network namespace with one address, reached by a pair of virtual cards. All of it goes with this process, also when
/// that is killed, if some minutes later: the namespace belongs to a program that waits for its standard input to end.
pub(super) struct Namespace {
    holder: Child,
    /// The card inside.
    card: String,
    /// The card outside.
    outside: String,
    address: Ipv4Addr,
    /// The address of this side, as it is seen from inside.
    pub(super) near: Ipv4Addr,
}

impl Namespace {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Why there cannot be one on this machine.
    pub(super) async fn make() -> Result<Self, String> {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make a network namespace".into());
        }
        let holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut holder = holder.map_err(|error| format!("unshare does not start: {error}"))?;
        // It is in its namespace once it says something.
        let mut stdout = holder.stdout.take().expect("it is a pipe");
        let said = tokio::io::AsyncReadExt::read_u8(&mut stdout).await;
        said.map_err(|_| "no network namespace can be made here".to_owned())?;
        let process = holder.id().expect("it runs").to_string();
        let own = std::process::id();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let [card, outside] = ["i", "o"].map(|side| format!("hw{own}{side}{number}"));
        // A range for tests between networks (RFC 2544), of which processes that run at once take different parts.
        let part = u8::try_from(own % 250).expect("a small number");
        let [near, far] = [1, 2].map(|last| Ipv4Addr::new(198, 18, part, number * 4 + last));
        let namespace = Self {
            holder,
            card: card.clone(),
            outside: outside.clone(),
            address: far,
            near,
        };
        let pair = [
            "link", "add", &outside, "type", "veth", "peer", "name", &card,
        ];
        ip(pair.into_iter().chain(["netns", &process])).await?;
        let near = format!("{near}/30");
        ip(["address", "add", &near, "dev", &outside]).await?;
        ip(["link", "set", &outside, "up"]).await?;
        let far = format!("{far}/30");
        namespace.ip(["address", "add", &far, "dev", &card]).await?;
        namespace.ip(["link", "set", &card, "up"]).await?;
        Ok(namespace)
    }

    /// A bound socket inside.
    pub(super) fn socket(&self) -> TcpSocket {
        let process = self.holder.id().expect("it runs");
        let place = (self.address, 0).into();
        // A thread that has moved stays where it is, so it must be one that ends.
        let moved = std::thread::spawn(move || {
            let file = File::open(format!("/proc/{process}/ns/net")).expect("a namespace");
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), network).expect("root may");
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(place).expect("an address of this namespace");
            socket
        });
        moved.join().expect("it does not panic")
    }

    /// Cuts the cable: nothing passes any more, in either direction, and nobody is told.
    pub(super) async fn cut(&self) {
        let down = ["link", "set", &self.card, "down"];
        self.ip(down).await.expect("the card is there");
    }

    /// Runs `ip` inside.
    async fn ip<const N: usize>(&self, arguments: [&str; N]) -> Result<(), String> {
        let process = self.holder.id().expect("it runs");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{process}/ns/net"));
        run(command.arg("ip").args(arguments)).await
    }
}

impl Drop for Namespace {
    /// Connections that the cut left half open would hold the namespace, and with it the cards, for some minutes.
    fn drop(&mut self) {
        let _ = std::process::Command::new("ip")
            .args(["link", "delete", &self.outside])
            .stderr(Stdio::null())
            .status();
    }
}

async fn ip<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    run(Command::new("ip").args(arguments)).await
}

async fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{:?}", command.as_std());
    let output = command.output().await;
    let output = output.map_err(|error| format!("{shown} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{shown} failed: {}", said.trim()))
}
