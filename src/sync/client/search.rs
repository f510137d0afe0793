//! Where controllers are: names, resolved again and again.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::process::watch_ext;
use crate::sync::transport::PORT;

/// From one look-up to the next. Docker's own DNS answers, from memory.
const PAUSE: Duration = Duration::from_secs(2);
/// How long one may take. A name that Docker does not know goes to resolvers that may be out of reach.
const PATIENCE: Duration = Duration::from_secs(3);

/// A place where controllers may be: a name or an address, with the port of the control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    host: Arc<str>,
    port: u16,
}

impl FromStr for PeerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || "give HOST or HOST:PORT, such as tasks.hiveway or 10.0.0.5:9901".to_owned();
        let (host, port) = match (text.parse::<IpAddr>(), text.rsplit_once(':')) {
            (Ok(_), _) | (Err(_), None) => (text, PORT),
            (Err(_), Some((host, port))) => (host, port.parse().map_err(|_| wrong())?),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What the places resolve to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) addresses: BTreeSet<SocketAddr>,
    /// The last look-up's failures, for people.
    pub(super) failures: Vec<Arc<str>>,
}

impl PeerAddress {
    /// Whether it is an address of this machine's own, which nobody else can answer at.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        self.host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
    }

    /// The port of the control channel there.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Arc<str>> {
        let look_up = tokio::net::lookup_host((&*self.host, self.port));
        match timeout(PATIENCE, look_up).await {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(format!("{self} does not resolve: {error}").into()),
            Err(_) => Err(format!("{self} does not resolve within {PATIENCE:?}").into()),
        }
    }
}

/// Looks the places up for as long as somebody wants to know. One that does not resolve keeps what it resolved to before.
pub(super) async fn run(places: Vec<PeerAddress>, found: watch::Sender<Found>) {
    let mut known: Vec<Vec<SocketAddr>> = vec![Vec::new(); places.len()];
    while !found.is_closed() {
        let mut failures = Vec::new();
        for (place, known) in places.iter().zip(&mut known) {
            match place.resolve().await {
                Ok(addresses) => *known = addresses,
                Err(failure) => failures.push(failure),
            }
        }
        let latest = Found {
            addresses: known.iter().flatten().copied().collect(),
            failures,
        };
        watch_ext::tell(&found, latest);
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_with_or_without_its_port() {
        for (text, expected) in [
            ("tasks.hiveway", "tasks.hiveway:9901"),
            ("hive:7", "hive:7"),
            ("10.0.0.5", "10.0.0.5:9901"),
            ("10.0.0.5:99", "10.0.0.5:99"),
            ("::1", "::1:9901"),
            ("[::1]:99", "::1:99"),
        ] {
            let place: PeerAddress = text.parse().expect(text);
            assert_eq!(place.to_string(), expected);
        }
        for text in ["", ":9901", "host:port", "http://host", "a b"] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }
}
