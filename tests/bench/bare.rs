//! Bare Pingora: the least that a proxy on it can do, which is what Hiveway's own work is measured against.
//!
//! Round robin over a fixed list and the three forwarding headers, with no look-up, cookie, metric or log line. Its
//! runtime, allocator, buffers, time-outs and pool of upstream connections are set as the gateway sets its own. The loop
//! that waits for a client's next request is Pingora's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use clap::Args;
use pingora::apps::HttpServerOptions;
use pingora::http::RequestHeader;
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::proxy::{ProxyHttp, ProxyServiceBuilder, Session};
use pingora::server::configuration::ServerConf;
use pingora::services::Service;
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::watch;

/// The gateway's values: how long an endpoint may take to be connected to, to answer, to take a request, and how long an
/// idle connection to it is kept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The gateway's values towards clients: seconds between two requests, and the time to drain a body that nobody read.
const CLIENT_IDLE_SECONDS: u64 = 75;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The gateway's listener: no read buffer, and a write buffer of one TCP segment.
const READ_BUFFER: usize = 0;
const WRITE_BUFFER: usize = 1460;

struct Bare {
    endpoints: Vec<SocketAddr>,
    next: AtomicUsize,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        _: &mut Self::CTX,
    ) -> pingora::Result<()> {
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(CLIENT_IDLE_SECONDS));
        }
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _: &mut Session,
        _: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut peer = HttpPeer::new(
            self.endpoints[turn % self.endpoints.len()],
            false,
            String::new(),
        );
        peer.options.connection_timeout = Some(CONNECT_TIMEOUT);
        peer.options.read_timeout = Some(RESPONSE_TIMEOUT);
        peer.options.write_timeout = Some(WRITE_TIMEOUT);
        peer.options.idle_timeout = Some(POOL_IDLE);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        _: &mut Self::CTX,
    ) -> pingora::Result<()> {
        if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
            upstream.insert_header("x-forwarded-for", client.ip().to_string())?;
        }
        upstream.insert_header("x-forwarded-proto", "http")?;
        if let Some(host) = upstream.headers.get("host").cloned() {
            upstream.insert_header("x-forwarded-host", host)?;
        }
        Ok(())
    }
}

/// Where it listens, and what it sends requests to.
#[derive(Args)]
pub(crate) struct BareArguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, value_delimiter = ',')]
    endpoints: Vec<SocketAddr>,
    /// Where it listens for TLS; it then speaks HTTP/2 as well
    #[arg(long, requires_all = ["certificate", "key"])]
    listen_tls: Option<SocketAddr>,
    #[arg(long)]
    certificate: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

impl BareArguments {
    /// How it makes TLS, where it is told to.
    fn tls(&self) -> anyhow::Result<Option<(SocketAddr, TlsSettings)>> {
        let (Some(listen), Some(certificate), Some(key)) =
            (self.listen_tls, &self.certificate, &self.key)
        else {
            return Ok(None);
        };
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        let mut settings = TlsSettings::intermediate(&certificate, &key)?;
        settings.enable_h2();
        Ok(Some((listen, settings)))
    }
}

/// Serves until the process is killed.
pub(crate) async fn serve(arguments: BareArguments) -> anyhow::Result<()> {
    let tls = arguments.tls()?;
    let BareArguments {
        listen, endpoints, ..
    } = arguments;
    let conf = ServerConf {
        threads: 1,
        max_retries: 8,
        ..ServerConf::default()
    };
    let proxy = Bare {
        endpoints,
        next: AtomicUsize::new(0),
    };
    let mut options = HttpServerOptions::default();
    options.h2c = tls.is_some();
    let mut service = ProxyServiceBuilder::new(&Arc::new(conf), proxy)
        .name("bare")
        .server_options(options)
        .build();
    let listener = |address: SocketAddr| {
        ListenerConfig::tcp(address.to_string())
            .l4_buffer(L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER))
    };
    service.add_listener(listener(listen));
    if let Some((address, settings)) = tls {
        service.add_listener(listener(address).tls(settings));
    }
    let (_stop, shutdown) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { Service::start_service(&mut service, None, shutdown, 1).await });
    tasks
        .join_next()
        .await
        .context("the listener's task was spawned")?
        .with_context(|| format!("listening on {listen}"))
}
