//! The first message of TLS, read without being taken: for the name that it asks for.
//!
//! # Design notes
//!
//! It is parsed by rustls, which joins what comes in several records or segments and is strict about the rest. What it does
//! not take is nobody's to pass on, and is left to the handshake, which says so to the client in an alert. Of its size more is
//! bounded than of its parts: the largest that are sent today, with keys against quantum computers, have 2 KiB.

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_rustls::rustls::server::Acceptor;

/// The most that is read of it, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// So much is read at once.
const PIECE: usize = 2 * 1024;

/// What a connection begins with.
#[derive(Debug)]
pub(super) struct Hello {
    /// All that was read.
    pub(super) bytes: BytesMut,
    /// The name that it asks for; none where it asks for none, or is no such message.
    pub(super) name: Option<String>,
}

/// Reads until the message is whole, or cannot be one. Fails with a reason for the metric.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Hello, &'static str> {
    let mut bytes = BytesMut::new();
    let mut parser = Parser::default();
    loop {
        let begin = bytes.len();
        let room = LONGEST - begin;
        if room == 0 {
            return Err("hello-too-large");
        }
        bytes.reserve(PIECE.min(room));
        let piece = stream
            .read_buf(&mut (&mut bytes).limit(PIECE.min(room)))
            .await;
        if piece.map_or(0, |read| read) == 0 {
            return Err("gone");
        }
        match parser.feed(&bytes[begin..]) {
            Parsed::Part => {}
            Parsed::Whole(name) => return Ok(Hello { bytes, name }),
            Parsed::Foreign => return Ok(Hello { bytes, name: None }),
        }
    }
}

/// Parses the message as it comes.
#[derive(Default)]
struct Parser(Acceptor);

/// What the bytes up to now are.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    /// The beginning of one.
    Part,
    /// One, with the name that it asks for.
    Whole(Option<String>),
    /// None.
    Foreign,
}

impl Parser {
    fn feed(&mut self, mut piece: &[u8]) -> Parsed {
        while !piece.is_empty() {
            // What there is more of than fits would be no first message.
            if !matches!(self.0.read_tls(&mut piece), Ok(1..)) {
                return Parsed::Foreign;
            }
            match self.0.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    return Parsed::Whole(hello.server_name().map(str::to_owned));
                }
                Err(_) => return Parsed::Foreign,
            }
        }
        Parsed::Part
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::version::{TLS12, TLS13};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// What a client begins with, in one record.
    fn hello(name: &str, protocols: usize) -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![vec![b'x'; 255]; protocols];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("a vector");
        bytes
    }

    /// The same message in records of this length.
    fn in_records(hello: &[u8], length: usize) -> Vec<u8> {
        let records = hello[5..].chunks(length).flat_map(|part| {
            let length = u16::try_from(part.len()).expect("a short part");
            [&[22, 3, 1][..], &length.to_be_bytes(), part].concat()
        });
        records.collect()
    }

    fn told(mut bytes: &[u8]) -> Result<Option<String>, &'static str> {
        let read = read(&mut bytes).now_or_never();
        let read = read.expect("a slice is never waited for");
        read.map(|hello| hello.name)
    }

    #[test]
    fn the_name_is_found_and_nothing_is_lost() {
        let db = Ok(Some("db.example.com".to_owned()));
        let message = hello("db.example.com", 0);
        let early = [&message[..], &[23, 3, 3, 0, 1, 7]].concat();
        let mut rest = &early[..];
        let read = read(&mut rest)
            .now_or_never()
            .expect("a slice")
            .expect("a hello");
        assert_eq!([&read.bytes[..], rest].concat(), early);
        assert_eq!(read.name.as_deref(), Some("db.example.com"));
        for bytes in [
            message.clone(),
            in_records(&message, 1),
            in_records(&message, 100),
            hello("db.example.com", 40),
        ] {
            assert_eq!(told(&bytes), db);
        }
        assert_eq!(told(&hello("192.0.2.1", 0)), Ok(None));
    }

    #[test]
    fn other_bytes_go_to_the_handshake_and_endless_ones_fail() {
        let endless = hello("db.example.com", 250);
        assert!(endless.len() > LONGEST);
        for (bytes, expected) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Ok(None)),
            (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), Ok(None)),
            // What PostgreSQL asks in clear.
            (vec![0, 0, 0, 8, 4, 210, 22, 47], Ok(None)),
            (vec![21, 3, 3, 0, 2, 2, 112], Ok(None)),
            (Vec::new(), Err("gone")),
            (hello("db.example.com", 0)[..60].to_vec(), Err("gone")),
            (endless[..LONGEST].to_vec(), Err("hello-too-large")),
        ] {
            assert_eq!(told(&bytes), expected, "{:?}", bytes.get(..20));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(
            keep in 0_usize..600,
            at in 0_usize..600,
            put in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = hello("db.example.com", 0);
            bytes.truncate(keep);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = put;
            }
            bytes.extend(rest);
            let mut left = &bytes[..];
            if let Ok(hello) = read(&mut left).now_or_never().expect("a slice is never waited for") {
                prop_assert_eq!([&hello.bytes[..], left].concat(), &bytes[..]);
                prop_assert!(hello.name.is_none_or(|name| ServerName::try_from(name).is_ok()));
            }
        }

        #[test]
        fn a_length_that_is_wrong_anywhere_gives_another_name_to_nobody(at in 5_usize..500, by in 1_u8..=255) {
            let mut bytes = hello("db.example.com", 0);
            let place = bytes.windows(14).position(|it| it == b"db.example.com").expect("it stands there");
            // All but the name itself and its length: a shorter one leaves a name of another kind behind it (RFC 6066, section 3).
            let at = at % bytes.len();
            prop_assume!(!(place - 2..place + 14).contains(&at));
            bytes[at] = bytes[at].wrapping_add(by);
            if let Ok(Some(name)) = told(&bytes) {
                prop_assert_eq!(name, "db.example.com");
            }
        }

        #[test]
        fn it_is_read_alike_however_it_comes(cuts in prop::collection::vec(1_usize..50, 0..12)) {
            let message = hello("db.example.com", 0);
            let mut rest = &message[..];
            let mut parser = Parser::default();
            for cut in cuts {
                let (piece, later) = rest.split_at(cut.min(rest.len() - 1));
                prop_assert_eq!(parser.feed(piece), Parsed::Part);
                rest = later;
            }
            let name = Some("db.example.com".to_owned());
            prop_assert_eq!(parser.feed(rest), Parsed::Whole(name));
        }
    }
}
