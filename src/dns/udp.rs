//! Questions by UDP: one loop answers what is known at once, and what has to be asked of others waits beside it.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::resolver::{Resolver, Verdict};
use super::{PAUSE, Transport};

/// Longer than any question; what is longer is cut off, and then malformed.
const BUFFER: usize = 4096;

/// Answers for as long as it is polled.
pub(super) async fn serve(socket: UdpSocket, resolver: Arc<Resolver>) {
    let socket = Arc::new(socket);
    // As many at most as the forwarder has permits.
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "a question by UDP could not be received");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while waiting.try_join_next().is_some() {}
        match resolver.decide(&buffer[..length], client.ip(), Transport::Udp) {
            Verdict::Silence => {}
            // A client that cannot be reached is its own trouble, here and below: it asks again.
            Verdict::Reply(reply) => drop(socket.send_to(&reply, client).await),
            Verdict::Forward(question, permit) => {
                let (socket, resolver) = (socket.clone(), resolver.clone());
                waiting.spawn(async move {
                    let reply = resolver.forward(question, permit, Transport::Udp).await;
                    let _ = socket.send_to(&reply, client).await;
                });
            }
        }
    }
}
