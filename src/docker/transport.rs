//! How bytes get to the engine and back: over a Unix socket, TCP or TLS, one connection a request.
//!
//! # Design notes
//!
//! A connection is not used again: a kept one may have died unnoticed, which would make every request a "perhaps", and
//! a connection to a local socket costs microseconds. Each is driven by a task of [`Transport::connections`], which ends
//! with the answer, or with the transport.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::{BollardRequest, body_full};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::elements::{Broken, Elements};
use super::error::one_line;
use super::tls::Connector;
use super::{EngineConfig, Error};

/// The largest answer that is read, in MiB: eight times the task list of the largest swarm that Hiveway is made for.
const LARGEST_ANSWER: usize = 256;

/// The way to one engine.
pub(super) struct Transport {
    host: Arc<str>,
    target: Target,
    answer_timeout: Duration,
    /// Drives the open connections. Locked only to add one.
    connections: Mutex<JoinSet<()>>,
}

enum Target {
    Unix(PathBuf),
    Tcp(String, u16),
    Tls(String, u16, Connector),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Transport {
    /// Makes ready; nothing is connected yet.
    pub(super) fn open(config: &EngineConfig) -> Result<Self, Error> {
        Ok(Self {
            host: config.host.as_str().into(),
            target: Target::new(&config.host, config.cert_path.as_deref())?,
            answer_timeout: config.answer_timeout,
            connections: Mutex::default(),
        })
    }

    pub(super) fn host(&self) -> &Arc<str> {
        &self.host
    }

    pub(super) fn answer_timeout(&self) -> Duration {
        self.answer_timeout
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.exchange(Method::GET, path, Vec::new()).await
    }

    /// One request and its whole answer, as JSON, within the time-out.
    pub(super) async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let described = describe(&method, path);
        let answer = self
            .in_time(&described, async {
                let response = self.request(method, path, body, &described).await?;
                self.read(response, &described).await
            })
            .await?;
        serde_json::from_slice(&answer).map_err(|error| Error::Decode {
            host: Arc::clone(&self.host),
            request: described,
            reason: error.to_string(),
        })
    }

    /// Asks for a list, and gives the text of one element after the other to `read`, all within the time-out. What was given
    /// before an error is of a list that is not whole.
    pub(super) async fn list(
        &self,
        path: &str,
        read: &mut (impl FnMut(&[u8]) -> serde_json::Result<()> + Send),
    ) -> Result<(), Error> {
        let described = describe(&Method::GET, path);
        let broken = |error: Broken| Error::Decode {
            host: Arc::clone(&self.host),
            request: described.clone(),
            reason: error.to_string(),
        };
        self.in_time(&described, async {
            let response = self
                .request(Method::GET, path, Vec::new(), &described)
                .await?;
            let mut body = Limited::new(response.into_body(), LARGEST_ANSWER << 20);
            let mut elements = Elements::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| self.unread(&described, &*error))?;
                if let Ok(data) = frame.into_data() {
                    elements.push(&data, read).map_err(broken)?;
                }
            }
            elements.finish().map_err(broken)
        })
        .await
    }

    /// A request whose answer goes on for ever; only its beginning has to come within the time-out.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, Error> {
        let described = describe(&Method::GET, path);
        let response = self
            .in_time(
                &described,
                self.request(Method::GET, path, Vec::new(), &described),
            )
            .await?;
        Ok(response.into_body())
    }

    /// One request, on a connection of its own, as far as the header of its answer.
    pub(super) async fn send(
        &self,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, Error> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.target.authority());
        headers.insert(USER_AGENT, HeaderValue::from_static("hiveway"));
        let described = describe(request.method(), &request.uri().to_string());
        let stream = self
            .target
            .dial()
            .await
            .map_err(|error| Error::connect(&self.host, &error))?;
        let lost = |error: hyper::Error| self.lost(&described, &error);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        self.drive(async move {
            // Whoever waits for the answer is told the same error.
            let _ = connection.with_upgrades().await;
        });
        sender.send_request(request).await.map_err(lost)
    }

    /// A request of ours; an answer with an error status is an error.
    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        described: &str,
    ) -> Result<Response<Incoming>, Error> {
        let uri = Uri::try_from(path).map_err(|error| Error::Encode {
            request: described.to_owned(),
            reason: error.to_string(),
        })?;
        let mut request = Request::new(body_full(Bytes::from(body)));
        if method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response, described).await?;
        Err(Error::Request {
            host: Arc::clone(&self.host),
            request: described.to_owned(),
            status: status.as_u16(),
            message: message(&body),
        })
    }

    async fn read(&self, response: Response<Incoming>, described: &str) -> Result<Bytes, Error> {
        let limited = Limited::new(response.into_body(), LARGEST_ANSWER << 20);
        match limited.collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => Err(self.unread(described, &*error)),
        }
    }

    /// Why a body could not be read to its end.
    fn unread(&self, described: &str, error: &(dyn std::error::Error + 'static)) -> Error {
        match error.is::<LengthLimitError>() {
            true => Error::Hold {
                host: Arc::clone(&self.host),
                request: described.to_owned(),
                limit: LARGEST_ANSWER,
            },
            false => self.lost(described, error),
        }
    }

    async fn in_time<T>(
        &self,
        described: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.answer_timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::Await {
                host: Arc::clone(&self.host),
                request: described.to_owned(),
                limit: self.answer_timeout,
            }),
        }
    }

    fn lost(&self, described: &str, error: &(dyn std::error::Error + 'static)) -> Error {
        let reason = match error.source() {
            Some(source) => one_line(&format!("{error}: {source}")),
            None => one_line(&error.to_string()),
        };
        // With TLS 1.3 an engine refuses a client's certificate only after the handshake.
        if reason.contains("fatal alert") {
            return Error::connect(
                &self.host,
                &io::Error::new(io::ErrorKind::InvalidData, reason),
            );
        }
        Error::Read {
            host: Arc::clone(&self.host),
            request: described.to_owned(),
            reason,
        }
    }

    fn drive(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while connections.try_join_next().is_some() {}
        connections.spawn(connection);
    }
}

impl Target {
    fn new(host: &str, cert_path: Option<&Path>) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::ParseHost {
            host: host.into(),
            reason: reason.to_owned(),
        };
        match host.split_once("://") {
            Some(("unix", "")) => Err(refuse("the path is missing")),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) => {
                let authority = Authority::try_from(address.trim_end_matches('/')).ok();
                // The parser lets through a user's name, and a port that is no number.
                let authority = authority.filter(|authority| {
                    let rest = authority.as_str().strip_prefix(authority.host());
                    rest.is_some_and(|rest| rest.is_empty() || authority.port_u16().is_some())
                });
                let authority =
                    authority.ok_or_else(|| refuse("what follows tcp:// is no HOST:PORT"))?;
                let name = authority.host().trim_matches(['[', ']']).to_owned();
                // The ports that Docker registered, plain and with TLS.
                Ok(match cert_path {
                    None => Self::Tcp(name, authority.port_u16().unwrap_or(2375)),
                    Some(folder) => {
                        let connector = Connector::open(folder)?;
                        Self::Tls(name, authority.port_u16().unwrap_or(2376), connector)
                    }
                })
            }
            Some((scheme, _)) => Err(refuse(&format!("{scheme}:// is not supported"))),
            None => Err(refuse("the scheme is missing")),
        }
    }

    async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(name, port) => {
                Ok(Box::new(TcpStream::connect((name.as_str(), *port)).await?))
            }
            Self::Tls(name, port, connector) => {
                let stream = TcpStream::connect((name.as_str(), *port)).await?;
                Ok(Box::new(connector.connect(name, stream).await?))
            }
        }
    }

    /// The Host header. Behind a socket any name does.
    fn authority(&self) -> HeaderValue {
        match self {
            Self::Unix(_) => HeaderValue::from_static("engine"),
            Self::Tcp(name, port) | Self::Tls(name, port, _) => {
                let bracketed = if name.contains(':') {
                    format!("[{name}]")
                } else {
                    name.clone()
                };
                HeaderValue::try_from(format!("{bracketed}:{port}"))
                    .expect("the parts of a parsed authority are a header value")
            }
        }
    }
}

/// Method and path for people: without the query, which is long and always ours.
fn describe(method: &Method, path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{method} {path}")
}

/// What the engine says in an answer with an error status.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => one_line(refusal.message.trim_end_matches('.')),
        Err(_) => one_line(String::from_utf8_lossy(body).trim_end_matches(['.', '\n'])),
    }
}
