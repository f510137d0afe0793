//! Pebble, the ACME server that Let's Encrypt tests clients with, from Debian's package of that name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::authority::Authority;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::needs::needed;

/// An ACME server that looks at hosts on this machine; it ends when dropped.
pub(super) struct Pebble {
    /// The URL of its directory.
    pub(super) directory: String,
    /// The file with who vouches for its own certificate.
    pub(super) root: String,
    management: SocketAddr,
    authority: Authority,
    folder: Folder,
    server: Child,
    _names: Child,
}

/// How a server is to be.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// The port at which it looks for files.
    pub(super) http: u16,
    /// The port at which it looks for certificates.
    pub(super) tls: u16,
    /// For how long what it issues is valid.
    pub(super) validity: Duration,
}

impl Pebble {
    /// Starts one.
    pub(super) async fn start(wanted: Wanted) -> Self {
        needed(installed()).await;
        let (folder, authority) = (Folder::new(), Authority::new("the test"));
        let own = authority.vouch(&["127.0.0.1"]);
        own.write(folder.path(), "pebble");
        let root = folder.file("root.pem");
        std::fs::write(&root, authority.pem()).expect("a writable folder");
        let [address, management, names, names_management] = [(); 4].map(|()| free());
        let config = json!({ "pebble": {
            "listenAddress": address,
            "managementListenAddress": management,
            "certificate": folder.file("pebble.crt"),
            "privateKey": folder.file("pebble.key"),
            "httpPort": wanted.http,
            "tlsPort": wanted.tls,
            "certificateValidityPeriod": wanted.validity.as_secs(),
        } });
        let file = folder.file("pebble.json");
        std::fs::write(&file, config.to_string()).expect("a writable folder");
        let log = folder.file("pebble.log");
        let server = start(
            "pebble",
            &[
                "-strict",
                "-config",
                &file,
                "-dnsserver",
                &names.to_string(),
            ],
            &log,
        );
        // Every name is this machine.
        let names = start(
            "pebble-challtestsrv",
            &[
                "-dns01",
                &names.to_string(),
                "-management",
                &names_management.to_string(),
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
            ],
            &folder.file("names.log"),
        );
        let pebble = Self {
            directory: format!("https://{address}/dir"),
            root,
            management,
            authority,
            folder,
            server,
            _names: names,
        };
        let look = async || pebble.issuer().await.map_err(|error| error.to_string());
        let up = eventually("Pebble answers", Duration::from_secs(30), look).await;
        up.expect("it starts");
        pebble
    }

    /// What a client trusts that trusts what it issues.
    pub(super) async fn roots(&self) -> RootCertStore {
        let pem = self.issuer().await.expect("it answers");
        let mut roots = RootCertStore::empty();
        let issuer = CertificateDer::from_pem_slice(pem.as_bytes());
        roots
            .add(issuer.expect("a certificate"))
            .expect("an authority");
        roots
    }

    /// What it wrote down.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.file("pebble.log")).expect("a log")
    }

    /// Ends it.
    pub(super) async fn end(&mut self) {
        self.server.kill().await.expect("it runs");
    }

    /// The certificate of who vouches for what it issues, which it makes anew at every start.
    async fn issuer(&self) -> io::Result<String> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.authority.roots())
            .with_no_client_auth();
        let stream = TcpStream::connect(self.management).await?;
        let name = ServerName::from(self.management.ip());
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await?;
        let request = "GET /roots/0 HTTP/1.1\r\nHost: pebble\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let begin = answer.find("-----BEGIN");
        let begin = begin.ok_or_else(|| io::Error::other(answer.clone()))?;
        Ok(answer.split_off(begin))
    }
}

async fn installed() -> Result<(), String> {
    for program in ["pebble", "pebble-challtestsrv"] {
        let mut command = Command::new(program);
        let asked = command.arg("-h").output().await;
        asked.map_err(|error| {
            format!("{program} cannot be run: {error} (apt-get install pebble)")
        })?;
    }
    Ok(())
}

fn start(program: &str, arguments: &[&str], log: &str) -> Child {
    let log = std::fs::File::create(log).expect("a writable folder");
    let both = log.try_clone().expect("a file");
    Command::new(program)
        .args(arguments)
        .env("PEBBLE_VA_NOSLEEP", "1")
        // Every order is proved, and a few requests are refused that only have to be made again. An order has some ten of them, and
        // fails where one is refused three times, so this share in a hundred has to be small.
        .env("PEBBLE_AUTHZREUSE", "0")
        .env("PEBBLE_WFE_NONCEREJECT", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(both))
        .kill_on_drop(true)
        .spawn()
        .expect("it starts")
}

/// An address on loopback that nobody listens on. It cannot be told to choose one by itself.
pub(super) fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address")
}
