//! How values on the command line are written.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::core::model::network::{self, NotANetwork};
use crate::gateway::ListenerName;

/// An address to listen on; none for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(pub(super) Option<SocketAddr>);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse();
        address
            .map(|address| Self(Some(address)))
            .map_err(|_| "give ADDRESS:PORT, such as 0.0.0.0:80, or off".into())
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "give ADDRESS:PORT, such as 127.0.0.1:9900".into())
}

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "give a number of threads, at least 1".into())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "give a number with its unit, such as 10s or 1m 30s".into())
}

/// A network, or a single address that stands for itself.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    network::parse(text.trim()).map_err(|why| match why {
        NotANetwork::Unreadable => "give networks such as 10.0.0.0/8, or addresses".into(),
        NotANetwork::BeyondMapped => {
            "give networks of IPv4-mapped addresses as what they are, such as 10.0.0.0/8".into()
        }
    })
}

pub(super) fn listener(text: &str) -> Result<ListenerName, String> {
    let named = |listener: &ListenerName| listener.as_str() == text.trim();
    let listener = ListenerName::ALL.into_iter().find(named);
    listener.ok_or_else(|| "give internal, public or public-tls, separated by commas".into())
}

/// The id of a task or a container, or the beginning of one.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let of_id = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    match !text.is_empty() && text.bytes().all(of_id) {
        true => Ok(text.to_owned()),
        false => Err(
            "give the id of a task or a container, or its beginning, as docker ps shows it".into(),
        ),
    }
}

/// The name of a Docker network.
pub(super) fn network_name(text: &str) -> Result<Arc<str>, String> {
    match text.trim() {
        "" => Err("give the names of networks, separated by commas".into()),
        name => Ok(name.into()),
    }
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    match text.trim() {
        "" => Err("give the paths of folders, separated by commas".into()),
        path => Ok(path.into()),
    }
}

pub(super) fn domain(text: &str) -> Result<Arc<str>, String> {
    let name = text.trim_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    if name.len() <= 190 && name.split('.').all(label) {
        Ok(name.into())
    } else {
        Err("give a domain name such as apps.example.com".into())
    }
}
