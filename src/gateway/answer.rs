//! The answers that the gateway gives itself: what was missing, in a status, a header and one line.

use bytes::Bytes;
use http::Method;
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::{fault, grpc};

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The value of `x-hiveway-reason` and the label of the metric: a few fixed words.
    pub(super) reason: &'static str,
    /// The line that a person reads.
    pub(super) line: String,
    /// Where the client should go instead.
    pub(super) location: Option<String>,
}

/// Tells programs why the gateway answered itself.
const REASON_HEADER: &str = "X-Hiveway-Reason";

impl Answer {
    pub(super) fn new(status: u16, reason: &'static str, line: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            line: line.into(),
            location: None,
        }
    }

    /// Nothing is known of any route yet.
    pub(super) fn warming_up() -> Self {
        Self::new(
            503,
            "warming-up",
            "hiveway has just started and knows no routes yet",
        )
    }

    /// No route matches.
    pub(super) fn no_route(host: &str, path: &str) -> Self {
        let line = format!("no service claims {}{}", printable(host), printable(path));
        Self::new(404, "no-route", line)
    }

    /// A route matches, and none of its services can serve.
    pub(super) fn no_endpoint(service: &str) -> Self {
        let line = format!("service {service} has no endpoint in rotation");
        Self::new(503, "no-endpoint", line)
    }

    /// The service speaks HTTP/2, and the client does not.
    pub(super) fn use_http2(service: &str) -> Self {
        let line = format!(
            "service {service} is routed by grpc:// and takes HTTP/2 only, with prior knowledge where there is no TLS"
        );
        Self::new(426, "http2-only", line)
    }

    /// The route is served by TLS only.
    pub(super) fn use_tls(host: &str, path_and_query: &str) -> Self {
        let location = format!("https://{host}{path_and_query}");
        let line = format!("this route is served by TLS only: {}", printable(&location));
        Self {
            location: Some(location),
            ..Self::new(308, "tls-only", line)
        }
    }

    /// A request that failed on its way; none when nobody is left to read an answer.
    pub(super) fn to_failure(error: &Error, service: &str) -> Option<Self> {
        use ErrorType::{
            ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed,
            H2Error, HandshakeError, InvalidH2, ReadError, ReadTimedout, WriteError, WriteTimedout,
        };
        let (status, reason, line) = match (error.esource(), error.etype()) {
            // What ends a stream of HTTP/2 on this side is the client.
            (ErrorSource::Downstream, ReadError | WriteError | ConnectionClosed | H2Error) => {
                return None;
            }
            (ErrorSource::Downstream, ReadTimedout) => (
                408,
                "client-timeout",
                "the request's body took too long".to_owned(),
            ),
            (ErrorSource::Downstream, _) => {
                (400, "bad-request", "the request is malformed".to_owned())
            }
            (ErrorSource::Upstream, ReadTimedout | WriteTimedout) if !fault::vanished(error) => (
                504,
                "response-timeout",
                format!("service {service} did not answer within routing.response_timeout_seconds"),
            ),
            (
                ErrorSource::Upstream,
                ConnectTimedout | ConnectRefused | ConnectNoRoute | ConnectError,
            ) => (
                502,
                "connect-failed",
                format!("no connection to an endpoint of service {service} could be made"),
            ),
            (ErrorSource::Upstream, HandshakeError | InvalidH2) => (
                502,
                "response-failed",
                format!(
                    "the endpoint of service {service} does not speak HTTP/2, as its grpc:// route says"
                ),
            ),
            (ErrorSource::Upstream, _) => (
                502,
                "response-failed",
                format!("the endpoint of service {service} broke off before it had answered"),
            ),
            _ => (
                500,
                "internal",
                "hiveway could not handle the request".to_owned(),
            ),
        };
        Some(Self::new(status, reason, line))
    }

    /// Sends it. The connection can be used again, but for a malformed request, after which nothing on it can be
    /// trusted.
    pub(super) async fn send(&self, session: &mut Session) -> Result<()> {
        if grpc::is_call(session.req_header()) {
            let mut header = grpc::status_only(self.status, &self.line)?;
            header.insert_header(REASON_HEADER, self.reason)?;
            return send_alone(session, header).await;
        }
        let mut header = ResponseHeader::build(self.status, Some(6))?;
        let body = Bytes::from(format!("{}\n", self.line));
        header.insert_header("Content-Type", "text/plain; charset=utf-8")?;
        header.insert_header("Content-Length", body.len())?;
        header.insert_header(REASON_HEADER, self.reason)?;
        if self.status == 503 {
            header.insert_header("Retry-After", "1")?;
        }
        if let Some(location) = &self.location {
            header.insert_header("Location", location.as_str())?;
        }
        if self.status == 426 {
            header.insert_header("Upgrade", "h2c")?;
        }
        if matches!(self.status, 400 | 414 | 431) {
            session.set_keepalive(None);
        }
        if session.req_header().method == Method::HEAD {
            return send_alone(session, header).await;
        }
        session
            .write_response_header(Box::new(header), false)
            .await?;
        session.write_response_body(Some(body), true).await
    }
}

/// Sends an answer that ends with its head. Only in this way does Pingora end a stream of HTTP/2 by it, which an empty body
/// behind it is not the same as to gRPC.
async fn send_alone(session: &mut Session, header: ResponseHeader) -> Result<()> {
    let head = HttpTask::Header(Box::new(header), true);
    session.write_response_tasks(vec![head]).await.map(|_| ())
}

/// What a client sent, fit to be shown: cut to a sensible length, without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}
