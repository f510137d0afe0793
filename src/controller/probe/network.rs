//! Asks a task over the network: whether it accepts a connection, or answers a GET.
//!
//! # Design notes
//!
//! Every probe opens a connection of its own, since what is asked is whether the task accepts one, and closes it in the usual
//! way. To reset it instead saves nothing that could be measured, and reaches the program behind the port as an error; to
//! reset it before the handshake is over saves a sixth of the processor's time, but then nobody has been connected to.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Ask;
use crate::core::model::route::Check;
use crate::core::protocol::ProbeResult;
use crate::core::reconcile::desired::ProbeTarget;

/// Asks over the network.
#[derive(Clone, Copy, Debug)]
pub struct Network;

impl Ask for Network {
    async fn ask(&self, target: &ProbeTarget) -> ProbeResult {
        match &target.spec.check {
            Check::Tcp { port } => connect(target, *port).await.map(drop),
            // Boxed: the state of a request is large, and there is a task of this size for every endpoint, all the time.
            Check::Http { port, path } => Box::pin(get(target, *port, path)).await,
            // These are resolved, left to agents or left out before a target is made.
            Check::Connect | Check::None | Check::Command(_) => Ok(()),
        }
    }
}

async fn connect(target: &ProbeTarget, port: u16) -> Result<TcpStream, Arc<str>> {
    let address = SocketAddr::new(target.address, port);
    TcpStream::connect(address)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                format!("connection to {address} refused").into()
            }
            _ => format!("connection to {address} failed: {error}").into(),
        })
}

async fn get(target: &ProbeTarget, port: u16, path: &str) -> ProbeResult {
    let stream = connect(target, port).await?;
    let broken = |error: hyper::Error| -> Arc<str> { format!("GET {path} failed: {error}").into() };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = http::Request::get(path)
        .header(HOST, SocketAddr::new(target.address, port).to_string())
        .header(
            USER_AGENT,
            concat!("hiveway/", env!("CARGO_PKG_VERSION"), " (probe)"),
        )
        .header(CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| -> Arc<str> { format!("GET {path} cannot be asked: {error}").into() })?;
    // The connection has to be driven while the answer is awaited. It may end in the same moment that it brings it, and it
    // goes on for as long as there is a body, which nobody reads.
    let mut asked = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut asked => answer,
        _ended = connection => asked.await,
    };
    let answer = answer.map_err(broken)?;
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("GET {path} was answered {status}").into())
    }
}
