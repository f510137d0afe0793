//! Requests of HTTP/2, several at once on one connection.

use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::HOST;
use crate::backend::BODY_LENGTH;
use crate::load::Exchange;

/// One request after another on a connection that others use as well.
pub(crate) struct Stream {
    sender: SendRequest<Bytes>,
    request: Request<()>,
    /// What reads and writes the connection, for as long as anybody uses it.
    _driver: Arc<JoinSet<()>>,
}

/// So many that share one new connection.
pub(crate) async fn open<S>(stream: S, scheme: &str, streams: usize) -> anyhow::Result<Vec<Stream>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = h2::client::handshake(stream).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Those who use it see an error of their own.
        let _ = connection.await;
    });
    let driver = Arc::new(driver);
    let request = Request::get(format!("{scheme}://{HOST}/"))
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .body(())?;
    let one = || Stream {
        sender: sender.clone(),
        request: request.clone(),
        _driver: driver.clone(),
    };
    Ok(std::iter::repeat_with(one).take(streams).collect())
}

impl Exchange for Stream {
    async fn exchange(&mut self) -> anyhow::Result<()> {
        let sender = self.sender.clone().ready().await;
        let mut sender = sender.context("waiting for a stream")?;
        let (answer, _) = sender
            .send_request(self.request.clone(), true)
            .context("sending")?;
        let answer = answer.await.context("waiting for an answer")?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "answered {status}");
        let mut body = answer.into_body();
        let mut length = 0;
        while let Some(bytes) = body.data().await {
            let bytes = bytes.context("reading a body")?;
            length += bytes.len();
            body.flow_control().release_capacity(bytes.len())?;
        }
        ensure!(
            length == BODY_LENGTH,
            "a body of {length} bytes, not {BODY_LENGTH}"
        );
        Ok(())
    }
}
