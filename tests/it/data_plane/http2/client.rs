//! A client that speaks HTTP/2 in clear, with prior knowledge.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bounded::bounded;

/// A connection, driven by a task of its own.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    driving: JoinSet<Result<(), h2::Error>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: Option<HeaderMap>,
}

/// A plain GET.
pub(crate) fn get(host: &str, path: &str) -> Request<()> {
    Request::get(format!("http://{host}{path}"))
        .body(())
        .expect("a request")
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = bounded(TcpStream::connect(to)).await.expect("a listener");
        stream.set_nodelay(true).expect("an open socket");
        Self::on(stream).await
    }

    /// One on a connection that was opened already.
    pub(crate) async fn on(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let opening = Builder::new().initial_max_send_streams(1).handshake(stream);
        let (send, connection) = bounded(opening).await.expect("an HTTP/2 server");
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        Self { send, driving }
    }

    /// Sends the head of a request; `whole`: it has no body.
    pub(crate) async fn start(
        &mut self,
        request: Request<()>,
        whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut send = bounded(self.send.clone().ready()).await?;
        send.send_request(request, whole)
    }

    /// Sends a request without a body and reads its answer.
    pub(crate) async fn request(&mut self, request: Request<()>) -> Result<Answer, h2::Error> {
        let (response, _) = self.start(request, true).await?;
        answer(response).await
    }

    pub(crate) async fn get(&mut self, host: &str, path: &str) -> Answer {
        self.request(get(host, path)).await.expect("an answer")
    }

    /// How many requests may be open at once.
    pub(crate) fn allowed(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// How the connection ended.
    pub(crate) async fn closed(&mut self) -> Result<(), h2::Error> {
        let ended = bounded(self.driving.join_next()).await;
        ended.expect("one connection").expect("no panic")
    }
}

/// Reads an answer to its end.
pub(crate) async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    bounded(async {
        let (head, mut body) = response.await?.into_parts();
        let mut text = Vec::new();
        while let Some(part) = part(&mut body).await? {
            text.extend(part);
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(text).expect("text"),
            trailers: body.trailers().await?,
        })
    })
    .await
}

/// The head of an answer, and its body that is still to come.
pub(crate) async fn head(response: ResponseFuture) -> Result<Response<RecvStream>, h2::Error> {
    bounded(response).await
}

/// The next part of a body; none at its end.
pub(crate) async fn part(body: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(part) = bounded(body.data()).await.transpose()? else {
        return Ok(None);
    };
    body.flow_control().release_capacity(part.len())?;
    Ok(Some(part))
}

/// Sends messages to a task that says the same, each once the one before has come back, and gives the trailers.
pub(crate) async fn converse(
    response: ResponseFuture,
    stream: &mut SendStream<Bytes>,
) -> HeaderMap {
    // The head of the answer comes before any message.
    let mut body = head(response).await.expect("a head").into_body();
    for message in ["one", "two", "three"] {
        let sent = push(stream, Bytes::from_static(message.as_bytes()), false);
        sent.await.expect("it is taken");
        assert_eq!(part(&mut body).await.unwrap().unwrap(), message);
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(part(&mut body).await.unwrap(), None);
    bounded(body.trailers()).await.unwrap().expect("trailers")
}

/// Sends so much of a body as soon as it is taken.
pub(crate) async fn push(
    stream: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    end: bool,
) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let capacity = poll_fn(|context| stream.poll_capacity(context)).await;
        let capacity = capacity.ok_or(h2::Reason::STREAM_CLOSED)??;
        let now = bytes.split_to(capacity.min(bytes.len()));
        let last = end && bytes.is_empty();
        stream.send_data(now, last)?;
    }
    Ok(())
}

impl Answer {
    /// Checks an answer of the gateway's own: its status, its reason, one line for people.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, reason: &str) {
        let told = self.headers.get("x-hiveway-reason");
        let told = told.map(|it| it.to_str().expect("text"));
        assert_eq!((self.status, told), (status, Some(reason)), "{self:?}");
        let line = self.body.strip_suffix('\n').expect("a whole line");
        assert!(!line.is_empty() && !line.contains('\n'), "{self:?}");
    }
}
