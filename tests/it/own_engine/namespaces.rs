//! The namespaces that a machine of our own consists of, for as long as somebody holds them.
//!
//! The first process of a machine's PID namespace waits for this process's end of a pipe: when that is closed, also
//! because this process was killed, the kernel ends everything in there at once.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::Estate;

/// What a machine does when it boots; its arguments are its name and what its /etc/resolv.conf says.
const BOOT: &str = r#"
    echo "$1" >/proc/sys/kernel/hostname && ip link set lo up && mount -t tmpfs tmpfs /run &&
    resolv=$(readlink -m /etc/resolv.conf) && mkdir -p "${resolv%/*}" &&
    { [ -e "$resolv" ] || touch "$resolv"; } && mount --bind "$2" "$resolv" && echo up && read
"#;

/// How long it may take to connect to something in there; a machine that is cut off does not refuse.
const CONNECT_BOUND: Duration = Duration::from_secs(2);

/// Somebody who holds namespaces.
pub(crate) struct Namespaces {
    /// `unshare`, or what it became. Ends when its standard input does.
    holder: Child,
}

impl Namespaces {
    /// A machine: processes, files, a network and a name of its own.
    pub(crate) async fn of_a_machine(estate: &Estate, name: &str, resolv: &Path) -> Self {
        let flags =
            "--net --uts --mount --propagation private --pid --fork --kill-child --mount-proc";
        let resolv = resolv.to_str().expect("a path of our own");
        Self::hold(estate, flags, BOOT, &[name, resolv]).await
    }

    /// Nothing but a network.
    pub(crate) async fn of_a_network(estate: &Estate, set_up: &str) -> Self {
        Self::hold(
            estate,
            "--net",
            &format!("{set_up} && echo up && read"),
            &[],
        )
        .await
    }

    async fn hold(estate: &Estate, flags: &str, script: &str, arguments: &[&str]) -> Self {
        // bash, because the first process of a namespace has to reap what its children leave behind.
        let mut holder = Command::new("unshare")
            .args(flags.split(' '))
            .args(["bash", "-c", script, "bash"])
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(estate.share())
            .spawn()
            .expect("unshare was found");
        let output = holder.stdout.take().expect("a pipe");
        let up = BufReader::new(output).lines().next_line().await;
        assert_eq!(up.expect("a pipe").as_deref(), Some("up"), "namespaces");
        Self { holder }
    }

    /// Ends everything in them, and waits for that.
    pub(crate) async fn end(mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().await.expect("an end");
    }

    /// The process that holds them.
    pub(crate) fn id(&self) -> String {
        self.holder.id().expect("it runs").to_string()
    }

    /// A command that runs in their network, and sees everything else as we do.
    pub(crate) fn enter_network(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.id(), "--net", program]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// A command that runs on the machine, and ends with it.
    pub(crate) fn enter_all(&self, program: &str) -> Command {
        let holder = self.id();
        let mut command = Command::new("nsenter");
        command.args(["--target", &holder, "--net", "--uts", "--mount"]);
        // The holder itself is outside of the namespace that it made for its child.
        command.arg(format!("--pid=/proc/{holder}/ns/pid_for_children"));
        command.arg(program);
        command
    }

    /// Their network, for those who connect to something in there.
    pub(crate) fn network(&self) -> Network {
        Network(format!("/proc/{}/ns/net", self.id()).into())
    }
}

/// A network that sockets can be opened in from outside.
#[derive(Clone, Debug)]
pub(crate) struct Network(PathBuf);

impl Network {
    /// Connects to an address in there.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
        let path = self.0.clone();
        let (send, receive) = tokio::sync::oneshot::channel();
        // A thread of its own, since it never comes back to the network of this process.
        std::thread::spawn(move || {
            let connect = || {
                let file = std::fs::File::open(path)?;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                let stream = TcpStream::connect_timeout(&address, CONNECT_BOUND)?;
                stream.set_nonblocking(true)?;
                Ok(stream)
            };
            // Who asked may have stopped waiting.
            let _ = send.send(connect());
        });
        let stream = receive
            .await
            .unwrap_or_else(|_| Err(io::Error::other("a panic")))?;
        tokio::net::TcpStream::from_std(stream)
    }
}
