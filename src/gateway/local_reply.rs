//! The answers that the gateway gives itself: what was missing, in a status, a header and one line.

pub(crate) mod grpc;
pub(crate) mod subject;
pub(crate) mod upstream_failure;

use bytes::Bytes;
use http::header::EXPECT;
use http::{HeaderValue, Method};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use self::subject::Subject;
use crate::core::request::origin::Origin;

/// The error of a body that is larger than allowed.
pub(super) const BODY_TOO_LARGE: ErrorType = ErrorType::HTTPStatus(413);

/// The error of a body that arrives too slowly.
pub(super) const BODY_TOO_SLOW: ErrorType = ErrorType::HTTPStatus(408);

/// An answer of the gateway's own.
pub(super) struct LocalReply {
    /// The status.
    pub(super) status: u16,
    /// The value of `x-hiveway-reason` and the label of the metric: a few fixed words.
    pub(super) reason: &'static str,
    /// The line that a person reads.
    pub(super) line: String,
    /// Where the client should go instead.
    pub(super) location: Option<String>,
    /// By which the request is known to others; none where requests are given no ids.
    pub(super) request_id: Option<HeaderValue>,
    /// The service that it is about; `None` if no route was met.
    pub(super) about: Option<Box<Subject>>,
}

/// Tells programs why the gateway answered itself.
const REASON_HEADER: &str = "X-Hiveway-Reason";

impl LocalReply {
    pub(super) fn new(status: u16, reason: &'static str, line: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            line: line.into(),
            location: None,
            request_id: None,
            about: None,
        }
    }

    /// The same about a service, for which it counts.
    pub(super) fn about(self, subject: impl Into<Option<Subject>>) -> Self {
        Self {
            about: subject.into().map(Box::new),
            ..self
        }
    }

    /// Nothing is known of the connection, which cannot be.
    pub(super) fn no_listener() -> Self {
        Self::new(500, "internal", "the request came by no listener of ours")
    }

    /// What an ACME server wants to read.
    pub(super) fn challenge(file: &str) -> Self {
        Self::new(200, "acme-challenge", file)
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

    /// All endpoints of a service work on as many requests as they may.
    pub(super) fn overloaded(service: &str) -> Self {
        let line = format!(
            "every endpoint of service {service} has routing.max_in_flight requests already"
        );
        Self::new(503, "overloaded", line)
    }

    /// Too many wait already for an endpoint of a service.
    pub(super) fn queue_full(service: &str) -> Self {
        let line = format!("too many requests wait for an endpoint of service {service}");
        Self::new(503, "queue-full", line)
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

    /// The route is served by TLS only, which nothing here terminates.
    pub(super) fn no_tls(host: &str) -> Self {
        let line = format!(
            "{} is served by TLS only, and neither does this gateway speak TLS (--listen-public-tls) nor a proxy in \
             front of it (--trusted-proxies)",
            printable(host)
        );
        Self::new(404, "no-tls", line)
    }

    /// The connection was opened for other names.
    pub(super) fn misdirected(host: &str) -> Self {
        let line = format!(
            "this connection's certificate is not for {}; ask for it on a connection of its own",
            printable(host)
        );
        Self::new(421, "misdirected", line)
    }

    /// The service has moved.
    pub(super) fn redirect(status: u16, location: String) -> Self {
        let line = format!("this is to be found at {}", printable(&location));
        Self {
            location: Some(location),
            ..Self::new(status, "redirect", line)
        }
    }

    /// A guard of the service is not known, so that no client is let in.
    pub(super) fn guard_unreadable(service: &str) -> Self {
        let line = format!(
            "a label that seems to guard service {service} cannot be read, so no client is let in"
        );
        Self::new(503, "guard-unreadable", line)
    }

    /// The client comes from where nobody may come from.
    pub(super) fn not_allowed(client: Origin) -> Self {
        let line = match client.address() {
            Some(address) => format!("clients from {address} are not allowed here"),
            None => "clients that the proxy in front does not name are not allowed here".to_owned(),
        };
        Self::new(403, "not-allowed", line)
    }

    /// The client sends more than it may.
    pub(super) fn rate_limited(client: Origin) -> Self {
        let line = match client.address() {
            Some(address) => format!("{address} sends more requests a second than one client may"),
            None => {
                "the clients that the proxy in front does not name send more requests a second \
                     than one client may"
                    .to_owned()
            }
        };
        Self::new(429, "rate-limit", line)
    }

    /// The client has to say who it is, or said it wrongly.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            401,
            "unauthorized",
            "a known name and its password are needed here",
        )
    }

    /// Too many passwords wait to be checked.
    pub(super) fn auth_busy() -> Self {
        let line = "too many passwords wait to be checked; come again in a second";
        Self::new(503, "auth-busy", line)
    }

    /// Too many passwords of one client wait to be checked.
    pub(super) fn too_many_guesses(client: Origin) -> Self {
        let line = match client.address() {
            Some(address) => format!(
                "too many passwords from {address} wait to be checked; come again in a second"
            ),
            None => "too many passwords from clients that the proxy in front does not name wait \
                     to be checked; come again in a second"
                .to_owned(),
        };
        Self::new(429, "auth-per-client", line)
    }

    /// The request's body is larger than the service allows.
    pub(super) fn body_too_large(service: &str) -> Self {
        let line =
            format!("the body is larger than service {service} takes (routing.max_body_bytes)");
        Self::new(413, "body-too-large", line)
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
            (ErrorSource::Downstream, kind) if *kind == BODY_TOO_LARGE => {
                return Some(Self::body_too_large(service));
            }
            (ErrorSource::Downstream, kind) if *kind == BODY_TOO_SLOW => (
                408,
                "slow-body",
                "the request's body came more slowly than it may".to_owned(),
            ),
            (ErrorSource::Downstream, ReadTimedout) => (
                408,
                "client-timeout",
                "the request's body took too long".to_owned(),
            ),
            (ErrorSource::Downstream, _) => {
                (400, "bad-request", "the request is malformed".to_owned())
            }
            (ErrorSource::Upstream, ReadTimedout | WriteTimedout)
                if !upstream_failure::vanished(error) =>
            {
                (
                    504,
                    "response-timeout",
                    format!(
                        "service {service} did not answer within routing.response_timeout_seconds"
                    ),
                )
            }
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
        if matches!(self.status, 429 | 503) {
            header.insert_header("Retry-After", "1")?;
        }
        if self.status == 401 {
            header.insert_header(
                "WWW-Authenticate",
                "Basic realm=\"restricted\", charset=\"UTF-8\"",
            )?;
        }
        if let Some(request_id) = &self.request_id {
            header.insert_header("X-Request-Id", request_id)?;
        }
        if let Some(location) = &self.location {
            header.insert_header("Location", location.as_str())?;
        }
        if self.status == 426 {
            header.insert_header("Upgrade", "h2c")?;
        }
        if matches!(self.status, 400 | 413 | 414 | 431) {
            session.set_keepalive(None);
        }
        if session.req_header().method == Method::HEAD {
            return send_alone(session, header).await;
        }
        session
            .write_response_header(Box::new(header), false)
            .await?;
        session.write_response_body(Some(body), true).await?;
        if self.status == 413 && !session.req_header().headers.contains_key(EXPECT) {
            // A socket that is closed over unread bytes takes the answer back. Who has not stopped by then has read it.
            let _ = session.as_downstream_mut().drain_request_body().await;
        }
        Ok(())
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
