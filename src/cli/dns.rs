//! The flags of the name server.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use clap::Args;

use crate::dns::{Config, Limits};

/// Where name servers listen unless told otherwise.
const PORT: u16 = 53;

#[derive(Args, Debug)]
pub(super) struct DnsArgs {
    /// Where names are answered, by UDP and TCP, or off: .local hosts of routes have the addresses of the gateways, that of
    /// the own node first
    #[arg(
        long,
        env = "HIVEWAY_DNS",
        value_name = "ADDRESS",
        default_value = "off"
    )]
    dns: Listen,

    /// Resolvers that are asked for all names but .local ones, by commas, the preferred first, or off: such names are
    /// refused
    #[arg(
        long,
        env = "HIVEWAY_DNS_FORWARD",
        value_name = "ADDRESS",
        default_value = "off"
    )]
    dns_forward: Resolvers,
}

impl DnsArgs {
    pub(super) fn configure(self) -> Option<Config> {
        let Self {
            dns: Listen(address),
            dns_forward: Resolvers(forward),
        } = self;
        Some(Config {
            address: address?,
            forward,
            node: None,
            limits: Limits::default(),
        })
    }
}

/// An address to listen on; none for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(Option<SocketAddr>);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = address(text).ok_or("give an address, such as 0.0.0.0:53, or off")?;
        Ok(Self(Some(address)))
    }
}

/// Addresses to ask; none for `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resolvers(Vec<SocketAddr>);

impl FromStr for Resolvers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(Vec::new()));
        }
        let addresses = text.split(',').map(|it| address(it.trim()));
        addresses.collect::<Option<_>>().map(Self).ok_or_else(|| {
            "give addresses, such as 127.0.0.11 or 10.0.0.2:53,10.0.0.3:53, or off".into()
        })
    }
}

/// With a port or without.
fn address(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_with_a_port_or_without() {
        let parsed = |text: &str| text.parse::<Resolvers>().ok().map(|it| it.0);
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        for (text, expected) in [
            ("off", Some(vec![])),
            ("127.0.0.11", Some(vec![address("127.0.0.11:53")])),
            (
                "10.0.0.2:5353, ::1,[::1]:54",
                Some(vec![
                    address("10.0.0.2:5353"),
                    address("[::1]:53"),
                    address("[::1]:54"),
                ]),
            ),
            ("", None),
            ("off,10.0.0.2", None),
            ("10.0.0.2,", None),
            ("resolver.example.com", None),
            ("10.0.0.2:0x35", None),
        ] {
            assert_eq!(parsed(text), expected, "{text:?}");
        }
        let listen = |text: &str| text.parse::<Listen>().ok();
        assert_eq!(listen("0.0.0.0"), Some(Listen(Some(address("0.0.0.0:53")))));
        assert_eq!(listen("off"), Some(Listen(None)));
        assert_eq!(listen("53"), None);
    }
}
