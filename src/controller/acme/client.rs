//! Requests to an ACME server: over TLS, each on a connection of its own, bounded in time and size.
//!
//! # Design notes
//!
//! The crate that speaks ACME brings a client of its own, with a second provider of cryptography or a verifier that wants the
//! machine's file of authorities. An image with one binary has none, so the authorities that browsers trust are in the binary.

use std::error::Error as StdError;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Error;
use crate::process::retry_after::retry_after;
use crate::tls::trust_roots;

/// How long one request may take, from the look-up of the name to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer. A chain of certificates is some kilobytes.
const LONGEST: usize = 1 << 20;

/// Why a server does not answer, or not as an ACME server does.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("{0} is no URL of a server that speaks TLS")]
    Address(Uri),
    #[error("no connection to {0}: {1}")]
    Connect(String, std::io::Error),
    #[error("the connection to {0} broke: {1}")]
    Exchange(String, hyper::Error),
    #[error("the answer of {0} cannot be read: {1}")]
    Read(String, Box<dyn StdError + Send + Sync>),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("{0} did not answer within {PATIENCE:?}")]
    Hang(String),
}

impl Unanswered {
    /// Whether the server, or a proxy in front of it, was asked too much.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self, Self::Status(_, StatusCode::TOO_MANY_REQUESTS))
    }
}

/// A client of one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

struct Inner {
    connector: TlsConnector,
    /// How long the server wants to be left alone, by its last answer.
    retry_after: Mutex<Option<Duration>>,
}

impl Client {
    /// One that trusts the authorities in a file, or those that browsers trust.
    pub(super) fn open(root: Option<&Path>) -> Result<Self, Error> {
        let config = trust_roots::client(root).map_err(|reason| Error::Authorities {
            path: root.map(Path::to_owned).unwrap_or_default(),
            reason,
        })?;
        Ok(Self(Arc::new(Inner {
            connector: TlsConnector::from(Arc::new(config)),
            retry_after: Mutex::default(),
        })))
    }

    /// How long the server wants to be left alone, if its last answer said so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let retry_after = self.0.retry_after.lock();
        *retry_after.unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let server = request.uri().authority().map(ToString::to_string);
            let server = server.unwrap_or_default();
            let answer = timeout(PATIENCE, inner.exchange(request, &server)).await;
            let answer = answer.unwrap_or(Err(Unanswered::Hang(server)));
            let answer = answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(answer))
        })
    }
}

impl Inner {
    /// Notes how long the server wants to be left alone.
    fn asks_for(&self, wait: Option<Duration>) {
        let retry_after = self.retry_after.lock();
        *retry_after.unwrap_or_else(PoisonError::into_inner) = wait;
    }

    async fn exchange(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
        server: &str,
    ) -> Result<Response<Full<Bytes>>, Unanswered> {
        // What an earlier answer asked for is over, also where there is no other.
        self.asks_for(None);
        let named = || server.to_owned();
        let uri = request.uri().clone();
        let unfit = || Unanswered::Address(uri.clone());
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(unfit)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| unfit())?;
        let value = HeaderValue::try_from(server).map_err(|_| unfit())?;
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let is_read = request.method() == Method::GET;
        *request.uri_mut() = path.parse().map_err(|_| unfit())?;
        request.headers_mut().insert(HOST, value);

        let connect = |error| Unanswered::Connect(named(), error);
        let port = uri.port_u16().unwrap_or(443);
        let stream = TcpStream::connect((host, port)).await.map_err(connect)?;
        let stream = self.connector.connect(name, stream).await;
        let stream = TokioIo::new(stream.map_err(connect)?);
        let broke = |error| Unanswered::Exchange(named(), error);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(broke)?;
        // It ends with this request.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let answer = sender.send_request(request).await.map_err(broke)?;

        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|error| Unanswered::Read(named(), error))?;
        self.asks_for(retry_after(&parts.headers, SystemTime::now()));
        let header = |name| parts.headers.get(name)?.to_str().ok();
        // Problems are told in JSON; anything else comes from a proxy in front, or from no ACME
        // server. The crate takes any JSON in place of the directory for that.
        let failed = parts.status.is_client_error() || parts.status.is_server_error();
        let is_problem = header(CONTENT_TYPE).is_some_and(|it| it.contains("json"));
        if failed && (is_read || !is_problem) {
            return Err(Unanswered::Status(named(), parts.status));
        }
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    }
}
