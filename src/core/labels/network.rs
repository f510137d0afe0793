//! `routing.allow_cidrs`: networks and addresses of clients.

use ipnet::IpNet;

use super::report::LabelFault;
use crate::core::model::network::{self, NotANetwork};

/// A network, or a single address that stands for itself.
pub(super) fn parse(text: &str) -> Result<IpNet, LabelFault> {
    match network::parse(text) {
        Ok(network) if network.trunc() == network => Ok(network),
        Ok(network) => Err(LabelFault::error(
            "has bits set behind its prefix, so that it is not clear which network is meant",
            "write the network's first address, or leave the prefix out for a single address",
        )
        .suggesting(network.trunc().to_string())),
        Err(NotANetwork::Unreadable) => Err(LabelFault::error(
            "is no network and no address",
            "write networks such as 10.0.0.0/8 or 2001:db8::/32, or addresses, separated by commas",
        )),
        Err(NotANetwork::BeyondMapped) => Err(LabelFault::error(
            "is a network of IPv4-mapped addresses with a prefix shorter than 96 bits",
            "write the IPv4 network itself, such as 10.0.0.0/8",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_parse_and_unclear_ones_fail() {
        let no_network = "is no network and no address";
        let mapped = "is a network of IPv4-mapped addresses with a prefix shorter than 96 bits";
        let unclear =
            "has bits set behind its prefix, so that it is not clear which network is meant";
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1/128")),
            ("10.1.0.0/8", Err((unclear, Some("10.0.0.0/8")))),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("::ffff:192.0.2.7", Ok("192.0.2.7/32")),
            ("::ffff:10.1.0.0/104", Err((unclear, Some("10.0.0.0/8")))),
            ("::ffff:0:0/95", Err((mapped, None))),
            ("::ffff:10.0.0.0/8", Err((mapped, None))),
            ("10.0.0.0/33", Err((no_network, None))),
            ("10.0.0", Err((no_network, None))),
            ("localhost", Err((no_network, None))),
            ("", Err((no_network, None))),
        ] {
            let read = parse(text).map_err(|fault| (fault.reason, fault.suggestion));
            let expected = expected
                .map(|network| network.parse().expect("a network"))
                .map_err(|(reason, near): (&str, Option<&str>)| {
                    (reason.to_owned(), near.map(str::to_owned))
                });
            assert_eq!(read, expected, "{text}");
        }
    }
}
