//! The proxies that run beside Hiveway: where each is found, and the settings that make all of them do the same work.
//!
//! The work: one host name routed to four endpoints in turn, connections kept alive on both sides, the three
//! forwarding headers set, one worker thread, no access log.

mod configuration;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub(crate) use self::configuration::inventory;
use crate::client::HOST;
use crate::process::{PROXY_CORE, Process};
use crate::traffic::{self, Credentials};

/// Where everything of a run is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Where the proxy listens.
    pub(crate) proxy: SocketAddr,
    /// Where Hiveway's admin listener is.
    pub(crate) admin: SocketAddr,
    /// The four endpoints: one port on four loopback addresses.
    pub(crate) backends: Vec<SocketAddr>,
    /// A directory for the configuration files of the run.
    pub(crate) directory: PathBuf,
    /// What else it serves; none: plain HTTP/1.1 alone is asked for.
    pub(crate) public: Option<Public>,
}

/// What a proxy serves beside plain HTTP/1.1.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    /// Where it listens for TLS.
    pub(crate) tls: SocketAddr,
    /// Where it listens for HTTP/2 in clear, if it cannot tell that from HTTP/1.1.
    pub(crate) http2: SocketAddr,
    /// What it shows.
    pub(crate) credentials: Credentials,
}

impl Layout {
    /// The host that is routed.
    pub(crate) fn host(&self) -> &'static str {
        match self.public {
            Some(_) => traffic::HOST,
            None => HOST,
        }
    }

    /// What is served beside plain HTTP/1.1.
    pub(crate) fn public(&self) -> anyhow::Result<&Public> {
        let public = self.public.as_ref();
        public.context("proxies were not told to serve more than plain HTTP/1.1")
    }
}

/// A proxy to measure.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The row's name.
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) version: String,
    kind: Kind,
    program: PathBuf,
    arguments: Vec<String>,
    /// A program that runs it, and its arguments, such as a profiler.
    wrapper: Option<(String, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hiveway,
    HivewaySticky,
    Bare,
    HaProxy,
    Nginx,
    Traefik,
    Envoy,
    Caddy,
    /// Whatever is configured by its arguments alone, in which `{listen}`, `{admin}`, `{endpoints}` and `{directory}`
    /// are replaced.
    ByArguments,
}

impl Peer {
    fn new(name: &str, version: &str, kind: Kind, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            kind,
            program: program.into(),
            arguments: Vec::new(),
            wrapper: None,
        }
    }

    /// A row that the user asks for: `NAME=PROGRAM ARGUMENT…`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, command) = text
            .split_once('=')
            .context("--also takes NAME=PROGRAM ARGUMENT…")?;
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = words.next().context("--also names no program")?;
        let mut peer = Self::new(name, "", Kind::ByArguments, program);
        peer.arguments = words.collect();
        Ok(peer)
    }

    /// The same under another program, which gets this one's path and arguments after its own.
    pub(crate) fn under(mut self, program: &str, arguments: Vec<String>) -> Self {
        self.wrapper = Some((program.to_owned(), arguments));
        self
    }

    /// Where it takes HTTP/2 in clear.
    pub(crate) fn http2(&self, layout: &Layout) -> anyhow::Result<SocketAddr> {
        match self.kind {
            Kind::Nginx => Ok(layout.public()?.http2),
            _ => Ok(layout.proxy),
        }
    }

    /// Starts it on its core. It may not be ready yet.
    pub(crate) fn start(&self, layout: &Layout) -> anyhow::Result<Process> {
        let mut arguments = self.configured(layout)?;
        let mut program = self.program.clone();
        if let Some((wrapper, own)) = &self.wrapper {
            let wrapped = program.display().to_string();
            arguments = own
                .iter()
                .cloned()
                .chain([wrapped])
                .chain(arguments)
                .collect();
            program = wrapper.into();
        }
        let place = layout.directory.display().to_string();
        let environment = match self.kind {
            Kind::Traefik => vec![("GOMAXPROCS", "1".to_owned())],
            Kind::Caddy => vec![
                ("GOMAXPROCS", "1".to_owned()),
                ("XDG_CONFIG_HOME", place.clone()),
                ("XDG_DATA_HOME", place),
            ],
            _ => Vec::new(),
        };
        let log = layout.directory.join("proxy.log");
        Process::start(
            &self.name,
            PROXY_CORE,
            program,
            arguments,
            &environment,
            &log,
        )
    }

    /// Writes its configuration file and gives its arguments.
    fn configured(&self, layout: &Layout) -> anyhow::Result<Vec<String>> {
        let file = |name: &str, text: String| {
            let path = layout.directory.join(name);
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            anyhow::Ok(path.display().to_string())
        };
        let strings = |arguments: &[&str]| {
            arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect()
        };
        let (listen, admin) = (layout.proxy.to_string(), layout.admin.to_string());
        let directory = layout.directory.display().to_string();
        Ok(match self.kind {
            Kind::Hiveway | Kind::HivewaySticky => {
                let text = inventory(layout, self.kind == Kind::HivewaySticky, &[]);
                let file = file(INVENTORY, text)?;
                let mut arguments: Vec<String> =
                    strings(&["run", "--threads", "1", "--inventory", &file]);
                // As many as the others are told to take; by default it is a third of the files that may be open, and half of
                // that for one client.
                arguments.push("--max-connections=30000".to_owned());
                arguments.push("--max-connections-per-client=30000".to_owned());
                arguments.extend([
                    "--listen-internal".to_owned(),
                    listen,
                    "--admin".to_owned(),
                    admin,
                ]);
                if let Some(Public {
                    tls, credentials, ..
                }) = &layout.public
                {
                    arguments.extend([
                        format!("--listen-public-tls={tls}"),
                        format!("--certs={}", credentials.folder.display()),
                    ]);
                }
                arguments
            }
            Kind::Bare => {
                let endpoints = listed(&layout.backends);
                let mut arguments: Vec<String> =
                    strings(&["bare", "--listen", &listen, "--endpoints", &endpoints]);
                if let Some(Public {
                    tls, credentials, ..
                }) = &layout.public
                {
                    arguments.extend([
                        format!("--listen-tls={tls}"),
                        format!("--certificate={}", credentials.certificate.display()),
                        format!("--key={}", credentials.key.display()),
                    ]);
                }
                arguments
            }
            Kind::HaProxy => strings(&[
                "-db",
                "-q",
                "-f",
                &file("haproxy.cfg", configuration::haproxy(layout))?,
            ]),
            Kind::Nginx => {
                let file = file("nginx.conf", configuration::nginx(layout))?;
                strings(&["-p", &directory, "-e", "stderr", "-c", &file])
            }
            Kind::Traefik => {
                let file = file("traefik.yml", configuration::traefik(layout))?;
                let mut arguments = vec![
                    format!("--entrypoints.web.address={listen}"),
                    "--entrypoints.web.transport.respondingtimeouts.idletimeout=600s".to_owned(),
                    format!("--providers.file.filename={file}"),
                    "--global.checknewversion=false".to_owned(),
                    "--global.sendanonymoususage=false".to_owned(),
                    "--log.level=ERROR".to_owned(),
                ];
                let public = layout.public.iter();
                arguments.extend(public.map(|it| format!("--entrypoints.tls.address={}", it.tls)));
                arguments
            }
            Kind::Envoy => {
                let file = file("envoy.json", configuration::envoy(layout))?;
                strings(&[
                    "--concurrency",
                    "1",
                    "--use-dynamic-base-id",
                    "--log-level",
                    "error",
                    "-c",
                    &file,
                ])
            }
            Kind::Caddy => {
                let file = file("caddy.json", configuration::caddy(layout))?;
                strings(&["run", "--config", &file])
            }
            Kind::ByArguments => {
                let endpoints = listed(&layout.backends);
                let fill = |argument: &String| {
                    argument
                        .replace("{listen}", &listen)
                        .replace("{admin}", &admin)
                        .replace("{endpoints}", &endpoints)
                        .replace("{directory}", &directory)
                };
                self.arguments.iter().map(fill).collect()
            }
        })
    }
}

fn listed(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

/// The file of the inventory in the run's directory.
pub(crate) const INVENTORY: &str = "inventory.json";

/// Hiveway without cookies, which is the work that the others do.
pub(crate) fn hiveway() -> Peer {
    Peer::new(
        HIVEWAY,
        env!("CARGO_PKG_VERSION"),
        Kind::Hiveway,
        env!("CARGO_BIN_EXE_hiveway"),
    )
}

/// Hiveway with its default labels: every answer of this load sets a cookie.
pub(crate) fn hiveway_sticky() -> Peer {
    Peer::new(
        HIVEWAY_STICKY,
        env!("CARGO_PKG_VERSION"),
        Kind::HivewaySticky,
        env!("CARGO_BIN_EXE_hiveway"),
    )
}

/// Bare Pingora: this binary in another role.
pub(crate) fn bare() -> anyhow::Result<Peer> {
    Ok(Peer::new(
        BARE,
        crate::machine::pingora_version(),
        Kind::Bare,
        std::env::current_exe()?,
    ))
}

/// The names of the rows that ratios and bars speak of.
pub(crate) const HIVEWAY: &str = "Hiveway";
pub(crate) const HIVEWAY_STICKY: &str = "Hiveway, sticky";
pub(crate) const BARE: &str = "bare Pingora";
pub(crate) const HAPROXY: &str = "HAProxy";
pub(crate) const TRAEFIK: &str = "Traefik";

/// The other proxies of this machine, and of those that are missing where they come from.
pub(crate) fn others(downloaded: &Path) -> (Vec<Peer>, Vec<String>) {
    let mut found = Vec::new();
    let mut absent = Vec::new();
    for (name, kind, program, version, source) in [
        (
            HAPROXY,
            Kind::HaProxy,
            PathBuf::from("/usr/sbin/haproxy"),
            "-v",
            "apt-get install haproxy",
        ),
        (
            "nginx",
            Kind::Nginx,
            PathBuf::from("/usr/sbin/nginx"),
            "-v",
            "apt-get install nginx",
        ),
        (
            TRAEFIK,
            Kind::Traefik,
            downloaded.join("traefik"),
            "version",
            "tests/bench/peers.sh",
        ),
        (
            "Envoy",
            Kind::Envoy,
            downloaded.join("envoy"),
            "--version",
            "tests/bench/peers.sh",
        ),
        (
            "Caddy",
            Kind::Caddy,
            downloaded.join("caddy"),
            "version",
            "tests/bench/peers.sh",
        ),
    ] {
        match version_of(&program, version) {
            Ok(version) => found.push(Peer::new(name, &version, kind, program)),
            Err(error) => absent.push(format!(
                "{name}: {} does not run ({error:#}); `{source}` would bring it",
                program.display()
            )),
        }
    }
    (found, absent)
}

/// The first version number in what a program says when asked.
fn version_of(program: &Path, flag: &str) -> anyhow::Result<String> {
    let output = std::process::Command::new(program).arg(flag).output()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .split(|c: char| c.is_whitespace() || c == '/')
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .context("it names no version")
}
