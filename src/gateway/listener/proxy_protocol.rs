//! The PROXY protocol: what a proxy in front says of its client, before the client's own first byte.
//!
//! # Design notes
//!
//! Both versions are understood, and told apart by their first bytes. No byte behind the header is read, so that TLS or
//! HTTP can begin there. Whether a peer is asked for a header is decided by who it is and not by what it sends: a client
//! that could choose would choose its own address.

use std::net::IpAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::core::request::origin::Origin;

/// What the second version begins with, and no text does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What the first version begins with.
const PREFIX: &[u8] = b"PROXY ";
/// The longest header of the first version, its line's end included.
const LONGEST_LINE: usize = 107;
/// The longest rest of a header of the second version that is read. Addresses take 216 bytes at most; what follows them are
/// a proxy's notes, of which a client certificate is the largest.
const LONGEST_REST: usize = 4096;

/// Why a connection's beginning is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The peer is gone.
    #[error("the connection ended: {0}")]
    Read(#[from] std::io::Error),
    /// It begins with something else, or is too long.
    #[error("it does not begin with a PROXY header")]
    Recognise,
    /// A header of the first version is wrong.
    #[error("its PROXY header of version 1 is wrong: {0}")]
    ReadText(#[from] v1::BinaryParseError),
    /// A header of the second version is wrong.
    #[error("its PROXY header of version 2 is wrong: {0}")]
    ReadBinary(#[from] v2::ParseError),
}

/// Reads the header that a connection from the proxy `behind` begins with. `None` if the proxy speaks for itself, as it does to
/// see whether anybody listens. A client that it does not name is not the proxy, and nothing is known of its address.
///
/// # Errors
///
/// [`Error`]; nothing on this connection can be believed then.
pub(crate) async fn client(
    stream: &mut (impl AsyncRead + Unpin),
    behind: IpAddr,
) -> Result<Option<Origin>, Error> {
    // The shortest header of either version is longer.
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        return binary(stream, behind, header).await;
    }
    if !header.starts_with(PREFIX) {
        return Err(Error::Recognise);
    }
    while !header.ends_with(b"\r\n") {
        if header.len() == LONGEST_LINE {
            return Err(Error::Recognise);
        }
        header.push(stream.read_u8().await?);
    }
    Ok(Some(match v1::Header::try_from(&header[..])?.addresses {
        v1::Addresses::Tcp4(pair) => IpAddr::V4(pair.source_address).into(),
        v1::Addresses::Tcp6(pair) => IpAddr::V6(pair.source_address).into(),
        v1::Addresses::Unknown => Origin::Unknown { behind },
    }))
}

async fn binary(
    stream: &mut (impl AsyncRead + Unpin),
    behind: IpAddr,
    mut header: Vec<u8>,
) -> Result<Option<Origin>, Error> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [.., high, low] = fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > LONGEST_REST {
        return Err(Error::Recognise);
    }
    header.extend(fixed);
    let begin = header.len();
    header.resize(begin + rest, 0);
    stream.read_exact(&mut header[begin..]).await?;
    let header = v2::Header::try_from(&header[..])?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(pair)) => {
            Some(IpAddr::V4(pair.source_address).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(pair)) => {
            Some(IpAddr::V6(pair.source_address).into())
        }
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => {
            Some(Origin::Unknown { behind })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    const BEHIND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    /// Who is read from these bytes, all of which are there, and how many bytes are left.
    fn read(mut bytes: &[u8]) -> (Result<Option<Origin>, String>, usize) {
        let told = client(&mut bytes, BEHIND).now_or_never();
        let told = told.expect("a slice is never waited for");
        (told.map_err(|error| error.to_string()), bytes.len())
    }

    fn binary(command: v2::Command, addresses: v2::Addresses, note: &[u8]) -> Vec<u8> {
        let first = v2::Version::Two as u8 | command as u8;
        let builder = v2::Builder::with_addresses(first, v2::Protocol::Stream, addresses);
        let builder = builder.write_tlv(v2::Type::NoOp, note);
        builder.and_then(v2::Builder::build).expect("a header")
    }

    fn pair(source: &str, destination: &str) -> v2::Addresses {
        let parse = |it: &str| it.parse::<SocketAddr>().expect("an address");
        (parse(source), parse(destination)).into()
    }

    #[test]
    fn both_versions_name_the_client_and_what_follows_is_left() {
        let four = Some(IpAddr::from([203, 0, 113, 9]).into());
        let six: Option<IpAddr> = "2001:db8::9".parse().ok();
        let six = six.map(Origin::from);
        // A client that the proxy does not name is not the proxy.
        let unknown = Some(Origin::Unknown { behind: BEHIND });
        let four_pair = pair("203.0.113.9:5000", "10.0.0.1:80");
        let six_pair = pair("[2001:db8::9]:5000", "[2001:db8::1]:80");
        let unix = v2::Addresses::Unix(v2::Unix::new([b'a'; 108], [b'b'; 108]));
        use v2::Command::{Local, Proxy};
        for (header, expected) in [
            (
                b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n".to_vec(),
                four,
            ),
            (
                b"PROXY TCP6 2001:db8::9 2001:db8::1 5000 80\r\n".to_vec(),
                six,
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), unknown),
            (b"PROXY UNKNOWN what ever 1 2\r\n".to_vec(), unknown),
            (binary(Proxy, four_pair, b""), four),
            (binary(Proxy, four_pair, &[7; 3000]), four),
            (binary(Proxy, six_pair, b"note"), six),
            (binary(Proxy, v2::Addresses::Unspecified, b""), unknown),
            (binary(Proxy, unix, b""), unknown),
            (binary(Local, four_pair, b""), None),
        ] {
            let bytes = [&header[..], b"GET /"].concat();
            let told = String::from_utf8_lossy(&header);
            assert_eq!(read(&bytes), (Ok(expected), 5), "{told}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused_with_the_reason() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        let huge = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
        let version = [&SIGNATURE[..], &[0x31, 0x11, 0, 0]].concat();
        for (bytes, reason) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "it does not begin"),
            (b"PROXY_TCP4 203.0.113.9".to_vec(), "it does not begin"),
            (long, "it does not begin"),
            (huge, "it does not begin"),
            (version, "of version 2 is wrong"),
            (
                b"PROXY TCP4 203.0.113.9 10.0.0.1 5000\r\n".to_vec(),
                "of version 1 is wrong",
            ),
            (
                b"PROXY TCP4 2001:db8::9 10.0.0.1 1 2\r\n".to_vec(),
                "of version 1 is wrong",
            ),
            (
                b"PROXY TCP4 203.0.113.9 10.0.0.1 70000 1\r\n".to_vec(),
                "of version 1 is wrong",
            ),
            (
                b"PROXY TCP4 \xff\xff\xff\xff\r\n".to_vec(),
                "of version 1 is wrong",
            ),
            (b"PROXY".to_vec(), "the connection ended"),
        ] {
            let (told, _) = read(&bytes);
            let told = told.expect_err(&String::from_utf8_lossy(&bytes));
            assert!(told.contains(reason), "{told}");
        }
    }

    proptest! {
        #[test]
        fn result_depends_only_on_the_bytes_of_the_header(
            start in prop::sample::select(vec![
                &b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY UNKNOWN ", SIGNATURE,
                b"\r\n\r\n\0\r\nQUIT\n\x20\0\0", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
            end in prop::sample::select(vec![&b""[..], b"\r\n"]),
            behind in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [start, &rest, end, &behind].concat();
            let (result, left) = read(&bytes);
            let header = &bytes[..bytes.len() - left];
            if result.is_ok() {
                let text = header.starts_with(PREFIX) && header.ends_with(b"\r\n");
                prop_assert!(text || header.starts_with(SIGNATURE), "{:?}", header);
            }
            prop_assert_eq!(read(header), (result, 0));
        }

        #[test]
        fn who_is_written_is_who_is_read(
            source: IpAddr,
            port: u16,
            note in prop::collection::vec(any::<u8>(), 0..300),
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let (own, family) = match source {
                IpAddr::V4(_) => ("10.0.0.1", "TCP4"),
                IpAddr::V6(_) => ("2001:db8::1", "TCP6"),
            };
            let text = format!("PROXY {family} {source} {own} {port} 80\r\n").into_bytes();
            let source_pair = SocketAddr::new(source, port).to_string();
            let own_pair = SocketAddr::new(own.parse().expect("an address"), 80).to_string();
            let binary = binary(v2::Command::Proxy, pair(&source_pair, &own_pair), &note);
            for header in [text, binary] {
                let bytes = [&header[..], &rest].concat();
                prop_assert_eq!(read(&bytes), (Ok(Some(source.into())), rest.len()));
            }
        }

        #[test]
        fn a_damaged_header_is_never_read_past_what_it_may_have(
            begin in prop::sample::select(vec![false, true]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            behind in prop::collection::vec(any::<u8>(), 0..9000),
        ) {
            let mut header = match begin {
                true => binary(v2::Command::Proxy, pair("203.0.113.9:5000", "10.0.0.1:80"), b"note"),
                false => b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n".to_vec(),
            };
            for (place, byte) in changes {
                let place = place.index(header.len());
                header[place] = byte;
            }
            let bytes = [header, behind].concat();
            let (_, left) = read(&bytes);
            prop_assert!(bytes.len() - left <= SIGNATURE.len() + 4 + LONGEST_REST);
        }
    }
}
