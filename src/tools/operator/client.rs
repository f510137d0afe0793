//! Requests to an admin listener.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::tools::healthcheck::Target;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer. Each is one line with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not that of an admin listener.
    #[error(
        "admin URL {url:?}: {reason}; write it as http://HOST:PORT (--admin-url, HIVEWAY_ADMIN_URL)"
    )]
    ParseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The answer cannot be shown.
    #[error(transparent)]
    Write(#[from] crate::tools::stdout::Error),
    /// Nothing answers there.
    #[error(
        "cannot connect to the admin listener at {url}: {reason}; where hiveway runs in a container, ask inside of it: \
         docker exec $(docker ps -lq -f name=hiveway_hiveway -f status=running) hiveway …; elsewhere give its address with --admin-url"
    )]
    Connect {
        /// Where.
        url: String,
        /// Why not.
        reason: io::Error,
    },
    /// It gave no whole answer.
    #[error(
        "no whole answer from {url}{path}: {reason}; is another program listening there, or is it stopping?"
    )]
    Hear {
        /// Where.
        url: String,
        /// What was asked for.
        path: String,
        /// Why not.
        reason: Cause,
    },
    /// It took too long.
    #[error(
        "no answer from {url}{path} within {PATIENCE:?}; the process is stuck or overloaded: its log says more"
    )]
    Await {
        /// Where.
        url: String,
        /// What was asked for.
        path: String,
    },
    /// It refused.
    #[error("{says}")]
    Refused {
        /// Why, in its own words.
        says: String,
    },
    /// It answers what this version does not read.
    #[error(
        "{url}{path} answers {status} and nothing that this version reads; is it another program, or another version of hiveway?"
    )]
    Understand {
        /// Where.
        url: String,
        /// What was asked for.
        path: String,
        /// The status.
        status: StatusCode,
    },
    /// No service has this name.
    #[error(
        "no routed service, stack or route host is called {name:?}{suggestion}; hiveway status shows all"
    )]
    NoService {
        /// What was given.
        name: String,
        /// What was probably meant, as the rest of a sentence.
        suggestion: String,
    },
    /// The token cannot be read.
    #[error(
        "cannot read the admin token in {path}: {reason}; give the file that the instance was started with: --admin-token-file"
    )]
    Token {
        /// The file.
        path: String,
        /// Why not.
        reason: io::Error,
    },
}

/// Who asks an admin listener.
pub(super) struct Client {
    target: Target,
    url: String,
}

impl Client {
    pub(super) fn new(admin_url: &str) -> Result<Self, Error> {
        let target = Target::parse(admin_url).map_err(|reason| Error::ParseUrl {
            url: admin_url.to_owned(),
            reason,
        })?;
        let url = format!("http://{}", target.authority);
        Ok(Self { target, url })
    }

    /// What a GET is answered with.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None).await
    }

    /// What a POST with a token is answered with.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &str,
    ) -> Result<T, Error> {
        let token = (header::AUTHORIZATION, format!("Bearer {token}"));
        self.ask(Method::POST, path, Some(token)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        field: Option<(HeaderName, String)>,
    ) -> Result<T, Error> {
        let exchange = async {
            let answer = self.open(method, path, field).await?;
            let status = answer.status;
            let body = answer.body.collect().await;
            let body = body.map_err(|error| self.unheard(path, error))?.to_bytes();
            Ok::<_, Error>((status, body))
        };
        let (status, body) = match timeout(PATIENCE, exchange).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(Error::Await {
                    url: self.url.clone(),
                    path: path.to_owned(),
                });
            }
        };
        match serde_json::from_slice(&body) {
            Ok(answer) if status.is_success() => Ok(answer),
            _ => Err(self.refused(path, status, &body)),
        }
    }

    /// Opens a stream of server-sent events: those after this one.
    pub(super) async fn stream(
        &self,
        path: &str,
        after: Option<&str>,
    ) -> Result<Stream<'_>, Error> {
        let after = after.map(|id| (HeaderName::from_static("last-event-id"), id.to_owned()));
        let answer = self.open(Method::GET, path, after).await?;
        if answer.status != StatusCode::OK {
            let body = answer.body.collect().await;
            let body = body.map_err(|error| self.unheard(path, error))?.to_bytes();
            return Err(self.refused(path, answer.status, &body));
        }
        Ok(Stream {
            client: self,
            path: path.to_owned(),
            body: answer.body,
            _connection: answer.connection,
            read: Vec::new(),
        })
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        field: Option<(HeaderName, String)>,
    ) -> Result<Answer, Error> {
        let connect = TcpStream::connect((self.target.host.as_str(), self.target.port));
        let stream = match timeout(PATIENCE, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(reason)) => return Err(self.unreached(reason)),
            Err(_) => return Err(self.unreached(io::ErrorKind::TimedOut.into())),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unheard(path, error))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Why it ended shows in the answer.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.target.authority);
        if let Some((name, value)) = field {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|error| self.unheard(path, error))?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| self.unheard(path, error))?;
        Ok(Answer {
            status: answer.status(),
            body: answer.into_body(),
            connection: driver,
        })
    }

    fn refused(&self, path: &str, status: StatusCode, body: &[u8]) -> Error {
        let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let says = problem.as_ref().and_then(|it| it.get("error")?.as_str());
        let plain = || std::str::from_utf8(body).ok().map(str::trim);
        // What a query was refused for is plain text.
        let says = says.or_else(|| plain().filter(|_| status == StatusCode::BAD_REQUEST));
        match says {
            Some(says) => Error::Refused {
                says: says.to_owned(),
            },
            None => Error::Understand {
                url: self.url.clone(),
                path: path.to_owned(),
                status,
            },
        }
    }

    fn unreached(&self, reason: io::Error) -> Error {
        Error::Connect {
            url: self.url.clone(),
            reason,
        }
    }

    fn unheard(&self, path: &str, reason: impl Into<Cause>) -> Error {
        Error::Hear {
            url: self.url.clone(),
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

struct Answer {
    status: StatusCode,
    body: Incoming,
    /// The connection lives for as long as this does.
    connection: JoinSet<()>,
}

/// A stream of server-sent events.
pub(super) struct Stream<'a> {
    client: &'a Client,
    path: String,
    body: Incoming,
    _connection: JoinSet<()>,
    read: Vec<u8>,
}

/// An event of a stream.
pub(super) struct Sent {
    /// What kind of event it is, where that is told.
    pub(super) name: Option<String>,
    /// Where it stands in the stream, to go on after it.
    pub(super) id: Option<String>,
    pub(super) data: String,
}

impl Stream<'_> {
    /// The next event. An instance that stops ends the stream, which is an error: nobody asked for that.
    pub(super) async fn next(&mut self) -> Result<Sent, Error> {
        loop {
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block);
                let field = |name: &str| {
                    let mut lines = block.lines();
                    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    value.map(str::to_owned)
                };
                if let Some(data) = field("data") {
                    return Ok(Sent {
                        name: field("event"),
                        id: field("id"),
                        data,
                    });
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.read.extend(frame.data_ref().into_iter().flatten()),
                Some(Err(error)) => return Err(self.client.unheard(&self.path, error)),
                None => return Err(self.client.unheard(&self.path, "the instance ended it")),
            }
        }
    }
}

/// A value as it stands in a query.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_query_is_escaped() {
        assert_eq!(
            escape("http://a.b/c?d=ä&e"),
            "http%3A%2F%2Fa.b%2Fc%3Fd%3D%C3%A4%26e"
        );
        assert_eq!(escape("plain-1_2~3.x"), "plain-1_2~3.x");
    }
}
