//! Asks a running instance whether it is ready: the HEALTHCHECK of an image that has neither shell nor curl.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, Either};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::observe::readiness::Report;

/// The most that is read of an answer. A report is a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why the instance is not known to be ready. Each is one line with the remedy.
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
    /// Nothing answers there.
    #[error(
        "cannot connect to the admin listener at {url}: {reason}; is hiveway running there, with --admin on this address?"
    )]
    Connect {
        /// Where.
        url: String,
        /// Why not.
        reason: io::Error,
    },
    /// It accepted the connection and gave no answer to the request.
    #[error("no answer from {url}/ready: {reason}; is another program listening there?")]
    Ask {
        /// Where.
        url: String,
        /// Why not.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error(
        "no answer from {url}/ready within {timeout:?}; the process is stuck or overloaded: its log says more"
    )]
    Await {
        /// Where.
        url: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// It answers, and says that it is not ready.
    #[error(
        "{url}/ready answers {status}, not ready: {report}; {url}/events and the log tell how it came to this"
    )]
    BeReady {
        /// Where.
        url: String,
        /// The status.
        status: StatusCode,
        /// What does not hold.
        report: Report,
    },
    /// It answers what a Hiveway does not answer.
    #[error(
        "{url}/ready answers {status} and no readiness report; is another program listening there?"
    )]
    Understand {
        /// Where.
        url: String,
        /// The status.
        status: StatusCode,
    },
}

/// Succeeds when the instance at `admin_url` is ready.
///
/// # Errors
///
/// When the URL is not `http://HOST:PORT`, or no report of a ready process arrives within `timeout`.
pub async fn run(admin_url: &str, timeout: Duration) -> Result<(), Error> {
    let target = Target::parse(admin_url).map_err(|reason| Error::ParseUrl {
        url: admin_url.to_owned(),
        reason,
    })?;
    let url = format!("http://{}", target.authority);
    let (status, body) = match tokio::time::timeout(timeout, ask(&target, &url)).await {
        Ok(answer) => answer?,
        Err(_elapsed) => return Err(Error::Await { url, timeout }),
    };
    match serde_json::from_slice::<Report>(&body) {
        Ok(report) if report.ready && status == StatusCode::OK => Ok(()),
        Ok(report) => Err(Error::BeReady {
            url,
            status,
            report,
        }),
        Err(_) => Err(Error::Understand { url, status }),
    }
}

/// Where an admin listener is.
pub(crate) struct Target {
    /// Host and port as in the URL.
    pub(crate) authority: String,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "it is no URL")?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("the admin listener speaks plain http, not https"),
            Some(_) => return Err("only http is spoken"),
            None => return Err("the scheme is missing"),
        }
        let authority = uri.authority().ok_or("the host is missing")?;
        if authority.as_str().contains('@') {
            return Err("a user name has no meaning here");
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err("it must end after the port");
        }
        let port = authority
            .port_u16()
            .filter(|port| *port > 0)
            .ok_or("a port from 1 to 65535 is missing")?;
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if bare.is_empty() {
            return Err("the host is missing");
        }
        Ok(Self {
            authority: authority.to_string(),
            host: bare.to_owned(),
            port,
        })
    }
}

async fn ask(target: &Target, url: &str) -> Result<(StatusCode, Bytes), Error> {
    let failed = |reason: Box<dyn std::error::Error + Send + Sync>| Error::Ask {
        url: url.to_owned(),
        reason,
    };
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(|reason| Error::Connect {
            url: url.to_owned(),
            reason,
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.into()))?;
    let request = Request::get("/ready")
        .header(header::HOST, &target.authority)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .expect("the authority of a parsed URL is a valid header value");
    let exchange = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed(error.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(failed)?;
        Ok((status, body.to_bytes()))
    };
    let (exchange, connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
    match future::select(exchange, connection).await {
        Either::Left((answer, _)) => answer,
        // The peer has closed; what it sent, or why it failed, has reached the exchange.
        Either::Right((_, exchange)) => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_and_a_port_over_plain_http_are_taken() {
        for (url, host, port) in [
            ("http://127.0.0.1:9900", "127.0.0.1", 9900),
            ("http://127.0.0.1:9900/", "127.0.0.1", 9900),
            ("http://[::1]:1", "::1", 1),
            ("http://tasks.hiveway:80", "tasks.hiveway", 80),
        ] {
            let target = Target::parse(url).unwrap_or_else(|reason| panic!("{url}: {reason}"));
            assert_eq!((target.host.as_str(), target.port), (host, port));
        }
        for (url, reason) in [
            ("", "it is no URL"),
            ("127.0.0.1:9900", "the scheme is missing"),
            ("/ready", "the scheme is missing"),
            (
                "https://127.0.0.1:9900",
                "the admin listener speaks plain http, not https",
            ),
            ("unix://run/hiveway.sock", "only http is spoken"),
            ("http://127.0.0.1", "a port from 1 to 65535 is missing"),
            (
                "http://127.0.0.1:99000",
                "a port from 1 to 65535 is missing",
            ),
            ("http://127.0.0.1:9900/ready", "it must end after the port"),
            ("http://127.0.0.1:9900?a", "it must end after the port"),
            (
                "http://user@127.0.0.1:9900",
                "a user name has no meaning here",
            ),
        ] {
            assert_eq!(Target::parse(url).err(), Some(reason), "{url}");
        }
    }
}
