//! What can go wrong with an engine, each in one line: what, where, why, and the remedy.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ApiVersion;

/// A request to the engine, or the preparation of one, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configured address cannot be used.
    #[error(
        "the Docker engine's address {host:?} is not understood: {reason}; write unix:///path/to/docker.sock or \
         tcp://HOST:PORT"
    )]
    ParseHost {
        /// The address as configured.
        host: Arc<str>,
        /// What is wrong with it.
        reason: String,
    },
    /// The files for TLS cannot be used.
    #[error(
        "cannot use {} for TLS to the Docker engine: {reason}; DOCKER_CERT_PATH must name a folder with ca.pem, \
         cert.pem and key.pem",
        path.display()
    )]
    ReadCertificates {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection came about.
    #[error("cannot reach the Docker engine at {host}: {reason}; {remedy}")]
    Connect {
        /// The engine's address.
        host: Arc<str>,
        /// What the system said.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The connection ended before the answer did.
    #[error(
        "the Docker engine at {host} broke off its answer to {request}: {reason}; is it restarting?"
    )]
    Read {
        /// The engine's address.
        host: Arc<str>,
        /// Method and path.
        request: String,
        /// What the connection said.
        reason: String,
    },
    /// The answer took too long.
    #[error(
        "the Docker engine at {host} did not answer {request} within {}; is it overloaded or stuck?",
        humantime::format_duration(*limit)
    )]
    Await {
        /// The engine's address.
        host: Arc<str>,
        /// Method and path.
        request: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The engine answered with an error of its own.
    #[error("the Docker engine at {host} refused {request} with status {status}: {message}{}", remedy_of(*status, message))]
    Request {
        /// The engine's address.
        host: Arc<str>,
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The engine's message.
        message: String,
    },
    /// The answer is larger than any swarm explains.
    #[error(
        "the Docker engine at {host} answered {request} with more than {limit} MiB; is this a Docker engine?"
    )]
    Hold {
        /// The engine's address.
        host: Arc<str>,
        /// Method and path.
        request: String,
        /// The largest answer that is read.
        limit: usize,
    },
    /// The answer is not what the Engine API describes.
    #[error(
        "the Docker engine at {host} answered {request} with something that is not understood: {reason}; is this a \
         Docker engine, and no proxy between that changes answers?"
    )]
    Decode {
        /// The engine's address.
        host: Arc<str>,
        /// Method and path.
        request: String,
        /// Where it stopped making sense.
        reason: String,
    },
    /// What was to be sent is no JSON.
    #[error("cannot write the body of {request}: {reason}")]
    Encode {
        /// Method and path.
        request: String,
        /// Why.
        reason: String,
    },
    /// There is no API version that both sides speak.
    #[error(
        "the Docker engine at {host} refuses API versions below {oldest}, and this Hiveway speaks up to {newest}; use a \
         newer Hiveway"
    )]
    AgreeOnVersion {
        /// The engine's address.
        host: Arc<str>,
        /// The oldest version that the engine accepts.
        oldest: ApiVersion,
        /// The newest version that Hiveway speaks.
        newest: ApiVersion,
    },
    /// The engine's node is in no swarm.
    #[error(
        "the Docker engine at {host} is in no swarm; run `docker swarm init` there, or join it to a swarm as a manager"
    )]
    FindSwarm {
        /// The engine's address.
        host: Arc<str>,
    },
    /// The engine's node is a worker.
    #[error(
        "the Docker engine at {host} is a Swarm worker, which cannot list services; give --control-secret-file, so that \
         routes come from the controllers on managers, or run on managers only (constraint node.role == manager)"
    )]
    FindManager {
        /// The engine's address.
        host: Arc<str>,
    },
    /// The engine's node is in a swarm and cannot take part in it now.
    #[error(
        "the Docker engine at {host} takes no part in its swarm now (state {state}{reason}); {remedy}"
    )]
    JoinSwarm {
        /// The engine's address.
        host: Arc<str>,
        /// The state of the node, in Docker's words.
        state: String,
        /// Why, in Docker's words, after a colon; or empty.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl Error {
    /// What a failed connection means, and what helps.
    pub(super) fn connect(host: &Arc<str>, error: &io::Error) -> Self {
        let local = host.starts_with("unix:");
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                "is the engine running, and is its socket mounted into this container?"
            }
            io::ErrorKind::PermissionDenied => {
                "run as root, or as a member of the group that owns the socket"
            }
            io::ErrorKind::ConnectionRefused if local => {
                "the socket is there, but nobody listens: is the engine running?"
            }
            io::ErrorKind::InvalidData => {
                "is this the engine's TLS port, and do ca.pem, cert.pem and key.pem belong to it?"
            }
            _ if local => "is this the engine's socket?",
            _ => "is the engine running, does it listen there, and is no firewall between?",
        };
        Self::Connect {
            host: Arc::clone(host),
            reason: plain(error),
            remedy,
        }
    }

    /// Why an engine without control of a swarm has none.
    pub(super) fn swarm_needed(host: &Arc<str>, state: &str, reason: &str) -> Self {
        let host = Arc::clone(host);
        match state {
            "" | "inactive" => Self::FindSwarm { host },
            state => Self::JoinSwarm {
                host,
                state: state.to_owned(),
                reason: match reason {
                    "" => String::new(),
                    reason => format!(": {}", one_line(reason)),
                },
                remedy: match state {
                    "locked" => "run `docker swarm unlock` there",
                    _ => "see `docker info` and the engine's log there",
                },
            },
        }
    }

    /// Whether a write was refused because what it was based on has changed meanwhile.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Request { message, .. } if message.contains("update out of sequence"))
    }

    /// Whether the engine knows nothing by that name.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Request { status: 404, .. })
    }
}

/// What to do about an answer with an error status, where that is known.
fn remedy_of(status: u16, message: &str) -> &'static str {
    if message.contains("HTTP request to an HTTPS server") {
        "; it expects TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
    } else if message.contains("not a swarm manager") {
        "; run the controller on a manager (constraint node.role == manager)"
    } else if message.contains("does not have a leader") {
        "; most managers are away: bring them back"
    } else if status == 403 {
        "; where a proxy guards the socket, let it pass /version /info /services /tasks /nodes /events, POST for scale and aliases, and \
         /containers /exec for probe.cmd"
    } else {
        ""
    }
}

/// An IO error without the number that the standard library appends.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Somebody else's message on one line, of a length that a log line bears.
pub(super) fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_names_the_remedy() {
        let connect = |host: &str, code| {
            Error::connect(&host.into(), &io::Error::from_raw_os_error(code)).to_string()
        };
        assert_eq!(
            connect("unix:///x.sock", 2),
            "cannot reach the Docker engine at unix:///x.sock: No such file or directory; is the engine running, and is \
             its socket mounted into this container?"
        );
        assert_eq!(
            connect("unix:///x.sock", 13),
            "cannot reach the Docker engine at unix:///x.sock: Permission denied; run as root, or as a member of the \
             group that owns the socket"
        );
        assert_eq!(
            connect("tcp://manager:2375", 111),
            "cannot reach the Docker engine at tcp://manager:2375: Connection refused; is the engine running, does it \
             listen there, and is no firewall between?"
        );
    }

    #[test]
    fn a_node_without_control_is_told_apart() {
        let host: Arc<str> = "unix:///x.sock".into();
        assert_eq!(
            Error::swarm_needed(&host, "inactive", ""),
            Error::FindSwarm {
                host: Arc::clone(&host)
            }
        );
        assert_eq!(
            Error::swarm_needed(&host, "error", "no\nroute").to_string(),
            "the Docker engine at unix:///x.sock takes no part in its swarm now (state error: no route); see `docker \
             info` and the engine's log there"
        );
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        assert_eq!(one_line("a\n b"), "a b");
        assert_eq!(one_line(&"é".repeat(400)), format!("{}…", "é".repeat(300)));
    }
}
