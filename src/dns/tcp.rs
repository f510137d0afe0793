//! Questions by TCP, each behind its length (RFC 7766): one after another on a connection, and so many connections at once.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::framing::{read_message, write_message};
use super::resolver::{Resolver, Verdict};
use super::{Limits, PAUSE, Transport};

/// Answers for as long as it is polled.
pub(super) async fn serve(listener: TcpListener, resolver: Arc<Resolver>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            unreachable!("nobody closes the semaphore");
        };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, most often.
                tracing::debug!(%error, "a connection with questions could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let resolver = resolver.clone();
        connections.spawn(async move {
            // However it ends, the client knows.
            let _ = converse(stream, client.ip(), &resolver, limits.idle).await;
            drop(place);
        });
    }
}

/// Answers until the client closes, is idle for too long, or says what cannot be answered.
async fn converse(
    mut stream: TcpStream,
    client: IpAddr,
    resolver: &Resolver,
    idle: Duration,
) -> io::Result<()> {
    // An answer is one small write, which must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    loop {
        let packet = timeout(idle, read_message(&mut stream)).await??;
        let reply = match resolver.decide(&packet, client, Transport::Tcp) {
            Verdict::Reply(reply) => reply,
            Verdict::Silence => return Ok(()),
            Verdict::Forward(question, permit) => {
                resolver.forward(question, permit, Transport::Tcp).await
            }
        };
        timeout(idle, write_message(&mut stream, &reply)).await??;
    }
}
