//! The control channel's wire: encrypted connections between processes that hold the same secret, and messages on them.
//!
//! What is said is in [`core::control`](crate::core::protocol); who says it, in [`publish`](super::server) and
//! [`follow`](super::client). This module knows how it gets there, and neither controllers nor followers.
//!
//! # Design notes
//!
//! Both ends prove that they know the secret: one key pair is derived from it, each shows its public half and accepts no
//! other. The key is shown as it is (a raw public key, RFC 7250), so that there is no certificate with a name and a date
//! that could be wrong. TLS 1.3 alone is spoken, which gives every connection keys of its own: who learns the secret later
//! cannot read what was said before.

mod identity;
mod secret;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

pub use self::identity::Identity;
pub use self::secret::{Secret, SecretError};
pub use self::wire::{Receiver, Sender, WireError, encode};

/// The port of the control channel, where none is named.
pub const PORT: u16 = 9901;

/// How long a connection may take until both sides know each other.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// How long a peer may say nothing before it counts as gone. Controllers speak once a [`BEAT`].
pub const SILENCE: Duration = Duration::from_secs(2);

/// How often a controller says how it stands, whether or not anything is new.
pub const BEAT: Duration = Duration::from_millis(500);

/// How long what was sent may go unacknowledged. Without it a peer whose cable was cut counts as connected for a quarter of
/// an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer cannot be reached.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// It took too long.
    #[error("no answer within {HANDSHAKE:?}")]
    Hang,
    /// The peer derives another key.
    #[error(
        "it has another control secret; give all instances the same file with --control-secret-file"
    )]
    Secret,
    /// The peer speaks something else.
    #[error("it does not speak Hiveway's control channel: {0}")]
    Speak(std::io::Error),
}

/// Opens a connection to a controller.
///
/// # Errors
///
/// [`Error`]; one with another secret is told apart.
pub async fn connect(
    address: SocketAddr,
    identity: &Identity,
) -> Result<(Sender, Receiver, SocketAddr), Error> {
    let open = async {
        let stream = TcpStream::connect(address).await.map_err(Error::Connect)?;
        prepare(&stream).map_err(Error::Connect)?;
        let own = stream.local_addr().map_err(Error::Connect)?;
        let stream = identity.connect(stream).await.map_err(explain)?;
        let (receiver, sender) = wire::split(stream);
        Ok((sender, receiver, own))
    };
    timeout(HANDSHAKE, open).await.unwrap_or(Err(Error::Hang))
}

/// Completes a connection that was accepted.
///
/// # Errors
///
/// [`Error`]; one with another secret is told apart.
pub async fn accept(stream: TcpStream, identity: &Identity) -> Result<(Sender, Receiver), Error> {
    let open = async {
        prepare(&stream).map_err(Error::Connect)?;
        let stream = identity.accept(stream).await.map_err(explain)?;
        let (receiver, sender) = wire::split(stream);
        Ok((sender, receiver))
    };
    timeout(HANDSHAKE, open).await.unwrap_or(Err(Error::Hang))
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    // A message is written whole, and the next may be long in coming.
    stream.set_nodelay(true)?;
    let milliseconds = UNACKNOWLEDGED.as_millis() as u32;
    Ok(rustix::net::sockopt::set_tcp_user_timeout(
        stream,
        milliseconds,
    )?)
}

fn explain(error: std::io::Error) -> Error {
    match identity::is_another_secret(&error) {
        true => Error::Secret,
        false => Error::Speak(error),
    }
}
