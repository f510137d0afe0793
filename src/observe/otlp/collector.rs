//! Asks a collector to take spans: each batch on a connection of its own, bounded in time and size.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Endpoint, Error};
use crate::tls::trust_roots;

/// How long a collector may take to take a batch, from the look-up of its name to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer in bytes that is read: some say in words what was wrong.
const LONGEST: usize = 64 * 1_024;

/// How much of a collector's words is told, in characters.
const TOLD: usize = 200;

/// The longest that a collector is left alone when it asks for it.
const LEFT_ALONE: Duration = Duration::from_secs(5 * 60);

/// Why a collector did not take a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untaken {
    #[error("no connection: {0}; is it running, and on a network with the gateway?")]
    Connect(std::io::Error),
    #[error("the connection broke: {0}; does it speak OTLP over HTTP there (port 4318), not gRPC?")]
    Exchange(hyper::Error),
    #[error("it did not answer within {PATIENCE:?}")]
    Hang,
    #[error("it answered {status}{says}")]
    Status {
        status: StatusCode,
        /// What it said, in front of which stands a colon; or nothing.
        says: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What a collector said of a batch that it took.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// How many of its spans it did not take.
    pub(super) rejected: u64,
    /// Why, in its own words.
    pub(super) says: String,
}

/// A collector.
pub(super) struct Collector {
    pub(super) endpoint: Endpoint,
    /// None where it speaks no TLS.
    connector: Option<TlsConnector>,
}

impl Collector {
    /// The collector at an endpoint; nobody is asked yet.
    pub(super) fn open(endpoint: Endpoint, root: Option<&Path>) -> Result<Self, Error> {
        let connector = match endpoint.secure {
            true => {
                let config = trust_roots::client(root).map_err(|reason| Error::Authorities {
                    path: root.map(Path::to_owned).unwrap_or_default(),
                    reason,
                })?;
                Some(TlsConnector::from(Arc::new(config)))
            }
            false => None,
        };
        Ok(Self {
            endpoint,
            connector,
        })
    }

    /// Sends a batch.
    pub(super) async fn take(&self, batch: Bytes) -> Result<Taken, Untaken> {
        let taken = timeout(PATIENCE, self.connect(batch)).await;
        taken.unwrap_or(Err(Untaken::Hang))
    }

    async fn connect(&self, batch: Bytes) -> Result<Taken, Untaken> {
        let endpoint = &self.endpoint;
        let place = (endpoint.host(), endpoint.port());
        let stream = TcpStream::connect(place).await.map_err(Untaken::Connect)?;
        let Some(connector) = &self.connector else {
            return self.exchange(stream, batch).await;
        };
        let name = ServerName::try_from(endpoint.host().to_owned());
        let name = name.map_err(|error| Untaken::Connect(std::io::Error::other(error)))?;
        let stream = connector.connect(name, stream).await;
        self.exchange(stream.map_err(Untaken::Connect)?, batch)
            .await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        batch: Bytes,
    ) -> Result<Taken, Untaken> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Untaken::Exchange)?;
        // It ends with this request.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.path.as_str())
            .header(HOST, self.endpoint.authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("hiveway/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(batch))
            .expect("a path and an authority make a request");
        let answer = sender.send_request(request).await;
        let (parts, body) = answer.map_err(Untaken::Exchange)?.into_parts();
        // An answer that cannot be read to its end says enough by its status.
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map(|it| it.to_bytes()).unwrap_or_default();
        match parts.status.is_success() {
            true => Ok(taken(&body)),
            false => Err(Untaken::Status {
                status: parts.status,
                says: said(&body),
                retry_after: retry_after(&parts.headers),
            }),
        }
    }
}

impl Untaken {
    /// Whether the same batch may be taken another time, as OTLP has it.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502..=504),
            Self::Connect(_) | Self::Exchange(_) | Self::Hang => true,
        }
    }

    /// How long the collector wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Connect(_) | Self::Exchange(_) | Self::Hang => None,
        }
    }
}

/// An `ExportTraceServiceResponse`, of which all is optional.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<PartialSuccess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PartialSuccess {
    rejected_spans: Count,
    error_message: String,
}

/// 64 bits are text in protobuf's JSON; some write a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Text(String),
    Number(u64),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

fn taken(body: &[u8]) -> Taken {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let Some(partial) = answer.and_then(|it| it.partial_success) else {
        return Taken::default();
    };
    let rejected = match partial.rejected_spans {
        Count::Text(text) => text.parse().unwrap_or(0),
        Count::Number(number) => number,
    };
    Taken {
        rejected,
        says: partial.error_message.chars().take(TOLD).collect(),
    }
}

/// What a collector says to a batch that it does not take: the message of a status, or a text.
fn said(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|it| it.get("message")?.as_str());
    let text = message.or_else(|| std::str::from_utf8(body).ok());
    let words = text.unwrap_or_default().split_whitespace();
    let line = words.collect::<Vec<_>>().join(" ");
    let line: String = line
        .chars()
        .filter(|it| !it.is_control())
        .take(TOLD)
        .collect();
    match line.is_empty() {
        true => line,
        false => format!(": {line}"),
    }
}

/// What a collector asks for, as far as it is followed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = crate::process::retry_after::retry_after(headers, SystemTime::now());
    asked.map(|asked| asked.min(LEFT_ALONE))
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, RETRY_AFTER};

    use super::*;

    #[test]
    fn what_a_collector_says_is_one_line() {
        for (body, expected) in [
            (&b""[..], ""),
            (b"{\"code\": 3, \"message\": \"no\\nspans\"}", ": no spans"),
            (b"<h1>not\r\nfound</h1>", ": <h1>not found</h1>"),
            (b"\n\xb9\x00", ""),
        ] {
            assert_eq!(said(body), expected);
        }
        assert_eq!(said("ä".repeat(300).as_bytes()).chars().count(), TOLD + 2);
    }

    #[test]
    fn rejected_span_count_is_parsed_from_text_and_number() {
        for (body, rejected, says) in [
            ("", 0, ""),
            ("{}", 0, ""),
            (r#"{"partialSuccess":{}}"#, 0, ""),
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#,
                3,
                "old",
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3, ""),
            (r#"{"partialSuccess":{"errorMessage":"soon"}}"#, 0, "soon"),
        ] {
            let taken = taken(body.as_bytes());
            assert_eq!((taken.rejected, &*taken.says), (rejected, says), "{body}");
        }
    }

    #[test]
    fn only_transient_failures_are_retried_at_the_given_time() {
        for (status, passes) in [
            (400, false),
            (404, false),
            (429, true),
            (500, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let refused = Untaken::Status {
                status: StatusCode::from_u16(status).expect("a status"),
                says: String::new(),
                retry_after: None,
            };
            assert_eq!(refused.passes(), passes, "{status}");
        }
        for (value, seconds) in [
            ("7", Some(7)),
            ("100000", Some(300)),
            ("Fri, 27 Nov 2026 14:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let date = "Fri, 27 Nov 2026 15:00:00 GMT";
            let headers = [
                (RETRY_AFTER, value.parse().expect("a value")),
                (DATE, date.parse().expect("a value")),
            ];
            let wait = retry_after(&headers.into_iter().collect());
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value}");
        }
    }
}
