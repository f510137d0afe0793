//! Messages on a connection: each is JSON behind its length.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

/// The longest message. The snapshot of a thousand services with ten tasks each is about 3 MB.
const LONGEST: usize = 64 << 20;

/// How long a peer may take to accept one message. One that is slower is better off with a new connection, and with the
/// latest state on it.
const SENDING: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer closed it.
    #[error("it closed the connection")]
    Close,
    /// It broke.
    #[error("the connection broke: {0}")]
    Break(std::io::Error),
    /// A message was not accepted in time.
    #[error("it accepted nothing for {SENDING:?}")]
    Send,
    /// Nothing came in time.
    #[error("it said nothing for {0:?}")]
    Hear(Duration),
    /// A message is none that is known here.
    #[error("it said something that this version does not understand: {0}")]
    Decode(serde_json::Error),
}

/// So much of a message is copied, so that it goes out in one packet with its length. The rest is written from where it lies:
/// a controller says the same megabytes to hundreds of peers.
const COPIED: usize = 4096;

/// The sending half.
pub struct Sender(WriteHalf<TlsStream<TcpStream>>);

/// The receiving half.
pub struct Receiver(FramedRead<ReadHalf<TlsStream<TcpStream>>, LengthDelimitedCodec>);

pub(super) fn split(stream: TlsStream<TcpStream>) -> (Receiver, Sender) {
    let (read, write) = tokio::io::split(stream);
    let mut codec = LengthDelimitedCodec::new();
    codec.set_max_frame_length(LONGEST);
    (Receiver(FramedRead::new(read, codec)), Sender(write))
}

/// A message, ready to be sent to many.
///
/// # Panics
///
/// Never: what is said has no map with a key that is no string, which is all that JSON refuses.
#[must_use]
pub fn encode(message: &impl Serialize) -> Bytes {
    let json = serde_json::to_vec(message);
    json.expect("messages have nothing that JSON refuses")
        .into()
}

impl Sender {
    /// Sends one message.
    ///
    /// # Errors
    ///
    /// The peer is gone, or accepts nothing.
    pub async fn send(&mut self, message: &impl Serialize) -> Result<(), WireError> {
        self.send_encoded(encode(message)).await
    }

    /// Sends one that is [encoded](encode) already.
    ///
    /// # Errors
    ///
    /// The peer is gone, or accepts nothing.
    pub async fn send_encoded(&mut self, message: Bytes) -> Result<(), WireError> {
        match timeout(SENDING, self.write(&message)).await {
            Ok(sent) => sent.map_err(WireError::Break),
            Err(_) => Err(WireError::Send),
        }
    }

    async fn write(&mut self, message: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(message.len()).ok();
        let length = length.filter(|_| message.len() <= LONGEST);
        let length = length.ok_or(std::io::ErrorKind::InvalidInput)?;
        let (first, rest) = message.split_at(message.len().min(COPIED));
        let mut begin = BytesMut::with_capacity(size_of::<u32>() + first.len());
        begin.put_u32(length);
        begin.put_slice(first);
        self.0.write_all(&begin).await?;
        self.0.write_all(rest).await?;
        self.0.flush().await
    }
}

impl Receiver {
    /// The next message. May be cancelled without loss.
    ///
    /// # Errors
    ///
    /// The peer is gone, or says nothing that is understood.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<T, WireError> {
        match self.0.next().await {
            Some(Ok(frame)) => serde_json::from_slice(&frame).map_err(WireError::Decode),
            // A process that ends takes no leave of TLS.
            Some(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => Err(WireError::Close),
            Some(Err(error)) => Err(WireError::Break(error)),
            None => Err(WireError::Close),
        }
    }

    /// The next message, where one comes in time.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::next`], and [`WireError::Hear`].
    pub async fn next_within<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
    ) -> Result<T, WireError> {
        let heard = timeout(patience, self.next()).await;
        heard.unwrap_or(Err(WireError::Hear(patience)))
    }
}
