//! Networks of clients and proxies, as labels and flags write them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The length of the prefix of `::ffff:0:0/96`, in which IPv4 addresses are mapped (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANetwork {
    /// It is not a network, and not an address either.
    Unreadable,
    /// It is written as one of IPv4-mapped addresses, but has more than those in it.
    BeyondMapped,
}

/// Reads a network, or an address that stands for itself. IPv4-mapped ones are IPv4: clients are compared by such addresses, so
/// that another reading would match no client.
///
/// # Errors
///
/// [`NotANetwork`] with the reason.
pub fn parse(text: &str) -> Result<IpNet, NotANetwork> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| NotANetwork::Unreadable)?;
    let IpNet::V6(written) = network else {
        return Ok(network);
    };
    let Some(address) = written.addr().to_ipv4_mapped() else {
        return Ok(network);
    };
    let length = written.prefix_len().checked_sub(MAPPED_PREFIX);
    let length = length.ok_or(NotANetwork::BeyondMapped)?;
    let mapped = Ipv4Net::new(address, length);
    mapped.map(IpNet::V4).map_err(|_| NotANetwork::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_mapped_addresses_is_one_of_ipv4() {
        use NotANetwork::{BeyondMapped, Unreadable};
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("10.1.0.0/8", Ok("10.1.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("::/0", Ok("::/0")),
            ("::1", Ok("::1/128")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("::FFFF:0a00:0/104", Ok("10.0.0.0/8")),
            ("::ffff:10.1.2.3/128", Ok("10.1.2.3/32")),
            ("::ffff:10.1.2.3", Ok("10.1.2.3/32")),
            ("::ffff:0:0/96", Ok("0.0.0.0/0")),
            ("::ffff:0:0/95", Err(BeyondMapped)),
            ("::ffff:10.0.0.0/8", Err(BeyondMapped)),
            ("::ffff:10.0.0.0/129", Err(Unreadable)),
            ("10.0.0.0/33", Err(Unreadable)),
            ("10.0.0", Err(Unreadable)),
            ("", Err(Unreadable)),
        ] {
            let expected = expected.map(|it: &str| it.parse().expect("a network"));
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
