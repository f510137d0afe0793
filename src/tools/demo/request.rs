//! Plain HTTP requests, each over a connection of its own or one after the other over the same: no cookie jar, no
//! redirects, no second try.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// How long an address of several may take to let us connect.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a request goes and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to connect: `host:port`.
    connect: String,
    /// The Host header.
    host: String,
    path: String,
}

impl Target {
    /// The same request, sent to this address whatever the URL's host resolves to.
    #[must_use]
    pub fn through(mut self, address: SocketAddr) -> Self {
        self.connect = address.to_string();
        self
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

impl FromStr for Target {
    type Err = String;

    /// Reads a URL; `http://` may be left out.
    fn from_str(url: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("{url:?} {why}; give one like http://restserver.local/");
        let full = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let uri: Uri = full.parse().map_err(|_| refuse("is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(refuse("is not a plain http URL"));
        }
        let authority = uri.authority().filter(|a| !a.host().is_empty());
        let authority = authority.ok_or_else(|| refuse("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("carries a user name"));
        }
        Ok(Self {
            connect: format!(
                "{}:{}",
                authority.host(),
                authority.port_u16().unwrap_or(80)
            ),
            host: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value as text, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The container that answered, as the demo server names it.
    #[must_use]
    pub fn served_by(&self) -> Option<&str> {
        self.header("x-served-by")
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name does not resolve, or nothing listens there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// What the resolver or the kernel said.
        source: io::Error,
    },
    /// The connection broke, or the answer was no HTTP.
    #[error("no whole answer: {0}")]
    Exchange(#[source] hyper::Error),
    /// It took too long.
    #[error("no answer within {} s, waiting for {waiting_for}", .bound.as_secs_f64())]
    TimedOut {
        /// How long it might take.
        bound: Duration,
        /// What had not come by then.
        waiting_for: String,
    },
}

/// By when a whole request has to be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    bound: Duration,
    at: Instant,
}

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn after(bound: Duration) -> Self {
        Self {
            bound,
            at: Instant::now() + bound,
        }
    }

    /// A step of the request, or the failure that says which one took too long.
    async fn hold<T>(
        self,
        step: impl Future<Output = T>,
        waiting_for: impl FnOnce() -> String,
    ) -> Result<T, Failure> {
        let held = timeout_at(self.at, step).await;
        held.map_err(|_| Failure::TimedOut {
            bound: self.bound,
            waiting_for: waiting_for(),
        })
    }
}

/// Sends one request and reads the whole answer, all within `bound`.
///
/// # Errors
///
/// There is no answer, or none in time. A status such as 503 is an answer.
pub async fn ask(target: &Target, method: Method, bound: Duration) -> Result<Answer, Failure> {
    let deadline = Deadline::after(bound);
    let mut connection = Connection::open(target, deadline).await?;
    let headers = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
    connection.ask(target, method, headers, deadline).await
}

/// Connects to the first address of a name that lets us. As most clients do, it waits for an address only a while where
/// there are others: one that has just gone does not refuse, it is silent.
async fn connect(name: &str, deadline: Deadline) -> Result<TcpStream, Failure> {
    let refused = |source| Failure::Connect {
        address: name.to_owned(),
        source,
    };
    let looking_up = deadline.hold(lookup_host(name), || format!("the addresses of {name}"));
    let addresses: Vec<_> = looking_up.await?.map_err(refused)?.collect();
    let mut others = addresses.len();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        others -= 1;
        let connecting = TcpStream::connect(address);
        let patient = async {
            match others {
                0 => connecting.await,
                _ => timeout(PATIENCE, connecting)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            }
        };
        let outcome = deadline.hold(patient, || format!("a connection to {address}"));
        match outcome.await? {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(refused(failed))
}

/// A connection that takes one request after the other, for as long as the other side keeps it.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    /// Who answers.
    peer: SocketAddr,
    /// Reads and writes; what it fails with reaches the answer, too.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

impl Connection {
    /// Connects to where the target's requests go.
    ///
    /// # Errors
    ///
    /// [`Failure::Connect`], [`Failure::TimedOut`]; [`Failure::Exchange`] never before the first request.
    pub async fn open(target: &Target, deadline: Deadline) -> Result<Self, Failure> {
        Self::over(connect(&target.connect, deadline).await?).await
    }

    /// The same over a stream that is connected already.
    ///
    /// # Errors
    ///
    /// [`Failure::Connect`] when it is closed already; [`Failure::Exchange`], but never before the first request.
    pub async fn over(stream: TcpStream) -> Result<Self, Failure> {
        let peer = stream.peer_addr().map_err(|source| Failure::Connect {
            address: "a peer that has gone".to_owned(),
            source,
        })?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Exchange)?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self {
            sender,
            peer,
            _driver: driver,
        })
    }

    /// Whether another request may be sent; false once the other side has closed, or announced to.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends one request with these headers besides Host, and reads the whole answer.
    ///
    /// # Errors
    ///
    /// [`Failure::Exchange`] when the connection broke, [`Failure::TimedOut`].
    pub async fn ask(
        &mut self,
        target: &Target,
        method: Method,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(&target.path)
            .header(HOST, &target.host)
            .body(Empty::<Bytes>::new())
            .expect("a Target's parts were read from a valid URL");
        request.headers_mut().extend(headers);
        let answer = async {
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.collect().await?.to_bytes(),
            })
        };
        let peer = self.peer;
        let answer = deadline.hold(answer, || format!("the answer of {peer}"));
        answer.await?.map_err(Failure::Exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        let target = |connect: &str, host: &str, path: &str| {
            Ok(Target {
                connect: connect.into(),
                host: host.into(),
                path: path.into(),
            })
        };
        let cases = [
            (
                "http://restserver.local/",
                target("restserver.local:80", "restserver.local", "/"),
            ),
            (
                "restserver.local",
                target("restserver.local:80", "restserver.local", "/"),
            ),
            ("HTTP://a:8080/b?c=d", target("a:8080", "a:8080", "/b?c=d")),
            ("http://[::1]:81", target("[::1]:81", "[::1]:81", "/")),
        ];
        for (url, expected) in cases {
            assert_eq!(url.parse::<Target>(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_refused_with_the_reason() {
        let cases = [
            ("https://a/", "is not a plain http URL"),
            ("http://u:p@a/", "carries a user name"),
            ("http://", "is no URL"),
            ("http:// a", "is no URL"),
        ];
        for (url, why) in cases {
            let error = url.parse::<Target>().unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
