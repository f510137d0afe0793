//! How the request reaches the gateway: by which listener, and whether it counts as one by TLS.

use super::trace::Trace;
use super::{Asked, Known, Listener, Outcome, Verdict};
use crate::core::model::route::is_local;

/// How the request reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In plaintext.
    Plain,
    /// By TLS, terminated here.
    Tls,
    /// By TLS, terminated by a trusted proxy, which reports it in `X-Forwarded-Proto`.
    Proxy,
}

impl Arrival {
    /// Whether the routes for TLS serve it.
    pub(super) fn is_secure(self) -> bool {
        self != Self::Plain
    }

    /// Whether the client connects to a listener for TLS.
    pub(super) fn is_tls(self) -> bool {
        self == Self::Tls
    }
}

impl Trace {
    /// Which listeners take the request; the error is that none does.
    pub(super) fn arrive(&mut self, asked: &Asked, known: &Known) -> Result<Arrival, Outcome> {
        let arrival = arrival(asked, known);
        for listener in &known.listeners {
            self.listener(asked, *listener, arrival);
        }
        // Whether a connection is passed on is decided by the TCP routes.
        if asked.tcp {
            return Ok(Arrival::Tls);
        }
        let Some(arrival) = arrival else {
            let says = no_listener(asked, known);
            self.say("listener", Verdict::Stops, says.clone());
            return Err(Outcome::closed("no-listener", says));
        };
        if arrival == Arrival::Proxy {
            self.by_proxy(known);
        }
        Ok(arrival)
    }

    fn by_proxy(&mut self, known: &Known) {
        let says = match (known.trusts_client, known.listens_tls()) {
            (Some(_), _) => {
                "the client is among --trusted-proxies: its X-Forwarded-Proto reports TLS"
            }
            (None, false) => {
                "this gateway serves no TLS: taken to come by a proxy of --trusted-proxies with X-Forwarded-Proto: https"
            }
            (None, true) => {
                "the host is not served by TLS here: taken to come by a proxy of --trusted-proxies with X-Forwarded-Proto: https"
            }
        };
        self.say("scheme", Verdict::Note, says);
    }

    fn listener(&mut self, asked: &Asked, listener: Listener, arrival: Option<Arrival>) {
        let Listener { address, .. } = listener;
        let name = match (listener.public, listener.tls) {
            (false, _) => "internal",
            (true, false) => "public",
            (true, true) => "public by TLS",
        };
        let wants_tls = asked.tcp || asked.secure && arrival != Some(Arrival::Proxy);
        let local = is_local(&asked.host);
        let (verdict, says) = match (listener.tls, wants_tls) {
            (false, true) => (Verdict::Stops, "no TLS is spoken there"),
            (true, false) => (Verdict::Stops, "nothing but TLS is spoken there"),
            // The handshake comes first.
            (true, true) if local => (Verdict::Note, ".local hosts exist inside the cluster only"),
            _ if listener.public && local => (
                Verdict::Stops,
                "404 no-route, for .local hosts exist inside the cluster only",
            ),
            _ if listener.public => (Verdict::Passes, "any host but .local ones"),
            _ => (Verdict::Passes, "every host"),
        };
        self.say("listener", verdict, format!("{name}, {address}: {says}"));
    }
}

/// `None` if no listener takes it. Where no listener is named, any is assumed.
fn arrival(asked: &Asked, known: &Known) -> Option<Arrival> {
    let named = !known.listeners.is_empty();
    let plain = known.listeners.iter().any(|it| !it.tls);
    if !asked.secure {
        return (plain || !named).then_some(Arrival::Plain);
    }

    let trusted = known.trusts_client.unwrap_or(known.trusts_proxies);
    let by_proxy = plain && trusted;
    let by_tls = known.listens_tls() || !named;
    // A proxy speaks plaintext to what is behind it as a rule, and the listener for TLS has no
    // `.local` hosts.
    let prefers_proxy = known.trusts_client == Some(true) || is_local(&asked.host);
    match (by_tls, by_proxy) {
        (true, true) if prefers_proxy => Some(Arrival::Proxy),
        (true, _) => Some(Arrival::Tls),
        (false, true) => Some(Arrival::Proxy),
        (false, false) => None,
    }
}

fn no_listener(asked: &Asked, known: &Known) -> String {
    if !asked.secure {
        return "no listener of this gateway takes requests without TLS (--listen-internal, --listen-public)"
            .to_owned();
    }
    let why = match (known.trusts_client, known.trusts_proxies) {
        (Some(false), _) => {
            "the client is not among --trusted-proxies, so that its X-Forwarded-Proto is not believed"
        }
        (_, false) => "no proxy in front is trusted to report that it does (--trusted-proxies)",
        (_, true) => "there is no listener that a proxy of --trusted-proxies could send it to",
    };
    format!("no listener of this gateway speaks TLS (--listen-public-tls), and {why}")
}
