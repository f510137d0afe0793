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

    /// The next message, from a peer that is never silent for longer than `patience`. One whose long message is still coming in
    /// over a slow line is not silent.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::next`], and [`WireError::Hear`].
    pub async fn next_within<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
    ) -> Result<T, WireError> {
        let mut arrived = self.0.read_buffer().len();
        loop {
            if let Ok(heard) = timeout(patience, self.next()).await {
                return heard;
            }
            let before = std::mem::replace(&mut arrived, self.0.read_buffer().len());
            if arrived <= before {
                return Err(WireError::Hear(patience));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;
    use crate::sync::transport::{Identity, Secret, accept, connect};

    const PATIENCE: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn slow_message_is_received_and_a_stalled_one_is_not() {
        let identity = Identity::derive(&Secret::none());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let accepting = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            accept(stream, &identity).await.expect("the same secret")
        };
        let (accepted, connected) = tokio::join!(accepting, connect(address, &identity));
        let ((mut sender, _), (_, mut receiver, _)) = (accepted, connected.expect("accepted"));

        let said = "word ".repeat(1000);
        let json = encode(&said);
        let mut message = BytesMut::new();
        message.put_u32(json.len() as u32);
        message.put_slice(&json);
        let speaking = async {
            for part in message.chunks(message.len() / 8) {
                sender.0.write_all(part).await.expect("it is read");
                sender.0.flush().await.expect("it is read");
                sleep(PATIENCE * 3 / 4).await;
            }
            let half = &message[..message.len() / 2];
            sender.0.write_all(half).await.expect("it is read");
            sender.0.flush().await.expect("it is read");
        };
        let hearing = async {
            let whole = receiver.next_within::<String>(PATIENCE).await;
            (whole, receiver.next_within::<String>(PATIENCE).await)
        };
        let ((), (whole, half)) = tokio::join!(speaking, hearing);
        assert_eq!(whole.expect("all of it came"), said);
        assert!(matches!(half, Err(WireError::Hear(PATIENCE))), "{half:?}");
    }
}
