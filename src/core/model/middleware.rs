//! What is done to a service's requests and answers on their way: who is let in, and what is changed.
//!
//! Written by [`labels`](crate::core::labels), made ready and applied by the gateway, always in this order: redirect, guards that
//! cannot be read, addresses, rate, password, size of the body, then the path and the headers. An answer has its headers set and is compressed last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::core::request::origin::Origin;

/// Everything of that kind that a service's labels ask for. A service that asks for nothing has none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Middleware {
    /// Where all requests are sent instead (`redirect`).
    pub redirect: Option<Redirect>,
    /// The clients that are let in (`allow_cidrs`); empty: nobody, because nothing of the label could be read.
    pub allow: Option<Vec<IpNet>>,
    /// Keys that were meant to guard the service and are not known: while there are any, no client is let in.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unreadable_guards: BTreeSet<Arc<str>>,
    /// Requests a second of one client (`rate_limit`).
    pub rate_limit: Option<u32>,
    /// Who may come in with which password (`basic_auth`); empty: nobody, because nothing of the label could be read.
    pub basic_auth: Option<Vec<Credential>>,
    /// The largest body of a request (`max_body_bytes`).
    pub max_body_bytes: Option<u64>,
    /// Headers of requests, by their names in lower case; an empty value removes.
    pub request_headers: BTreeMap<Arc<str>, Arc<str>>,
    /// Headers of answers.
    pub response_headers: BTreeMap<Arc<str>, Arc<str>>,
    /// How answers may be compressed, the preferred first; empty: not at all.
    pub compress: Vec<Encoding>,
}

impl Middleware {
    /// Whether a client from there is let in. One whose address is unknown is in no network, not even in that of all.
    #[must_use]
    pub fn allows(&self, client: Origin) -> bool {
        let is_in = |networks: &Vec<IpNet>| {
            let address = client.address();
            address.is_some_and(|it| networks.iter().any(|network| network.contains(&it)))
        };
        self.allow.as_ref().is_none_or(is_in)
    }

    /// The same with every password's hash left out, fit to be shown.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        for credential in shown.basic_auth.iter_mut().flatten() {
            credential.hash = PasswordHash(HIDDEN.into());
        }
        shown
    }
}

/// Stands where a secret is not shown.
pub(crate) const HIDDEN: &str = "…";

/// Where requests are sent instead: path and query are appended to the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// 301, 302, 307 or 308.
    pub status: u16,
    /// `http://` or `https://`, an authority, and perhaps a path that does not end in a slash.
    pub target: Arc<str>,
}

impl Redirect {
    /// Where a request for this path and query is sent.
    #[must_use]
    pub fn location(&self, path_and_query: &str) -> String {
        let Self { status: _, target } = self;
        let slash = if path_and_query.starts_with('/') {
            ""
        } else {
            "/"
        };
        format!("{target}{slash}{path_and_query}")
    }
}

/// A user and the hash of the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The name.
    pub user: Arc<str>,
    /// The hash.
    pub hash: PasswordHash,
}

/// A password's hash in the form of bcrypt (`$2y$…`) or Argon2 (`$argon2id$…`). It is a secret: what is shown of it by
/// `Debug` says nothing, and [`Middleware::without_secrets`] is for all else that people see.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub Arc<str>);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A way to compress an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Zstandard.
    Zstd,
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// All of them, the preferred first: by what they cost for what they save.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The name in HTTP and in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The one of these that a client likes best, by its `Accept-Encoding`; of those that it likes alike, the first. A
    /// client that says nothing, names none of them, or says that it likes an answer better as it is, gets none.
    #[must_use]
    pub fn accepted(offered: &[Self], accept_encoding: &str) -> Option<Self> {
        let quality = |coding: &str, otherwise: Option<u16>| {
            let mut any = otherwise.unwrap_or(0);
            for item in accept_encoding.split(',') {
                let mut parts = item.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let weight =
                    parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
                let weight = weight.map_or(1_000, thousandths);
                if name.eq_ignore_ascii_case(coding) {
                    return weight;
                }
                if name == "*" && otherwise.is_none() {
                    any = weight;
                }
            }
            any
        };
        let liked = offered.iter();
        let liked = liked.map(|encoding| (quality(encoding.as_str(), None), encoding));
        // The first of the best: `max_by_key` would give the last.
        let best = liked.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        // Who does not speak of it takes an answer as it is, and likes it less than all that is named.
        let as_it_is = quality("identity", Some(0));
        (best.0 > 0 && best.0 >= as_it_is).then_some(*best.1)
    }
}

/// A quality value such as `0.8`, in thousandths; 0 for what is none.
fn thousandths(quality: &str) -> u16 {
    let quality: f32 = quality.trim().parse().unwrap_or(0.0);
    // At most 1000, and a number that is none becomes 0.
    (quality.clamp(0.0, 1.0) * 1_000.0) as u16
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn only_clients_of_the_networks_are_let_in() {
        let networks = |list: &[&str]| {
            let networks = list.iter().map(|it| it.parse().expect("a network"));
            Some(networks.collect::<Vec<IpNet>>())
        };
        for (allow, client, allowed) in [
            (None, "192.0.2.1", true),
            (networks(&[]), "192.0.2.1", false),
            (networks(&["10.0.0.0/8", "192.0.2.1/32"]), "192.0.2.1", true),
            (networks(&["10.0.0.0/8"]), "11.0.0.1", false),
            (networks(&["10.0.0.0/8"]), "::ffff:10.1.2.3", true),
            (networks(&["2001:db8::/32"]), "2001:db8::7", true),
            (networks(&["2001:db8::/32"]), "10.0.0.1", false),
        ] {
            let middleware = Middleware {
                allow,
                ..Middleware::default()
            };
            let client: IpAddr = client.parse().expect("an address");
            assert_eq!(
                middleware.allows(client.into()),
                allowed,
                "{middleware:?} {client}"
            );
        }
    }

    #[test]
    fn a_client_of_unknown_address_is_in_no_network() {
        let behind: IpAddr = "10.0.0.1".parse().expect("an address");
        let unknown = Origin::Unknown { behind };
        let all = ["0.0.0.0/0", "::/0", "10.0.0.1/32"];
        let networks = all.map(|it| it.parse().expect("a network"));
        for (allow, allowed) in [
            (None, true),
            (Some(vec![]), false),
            (Some(networks.into()), false),
        ] {
            let middleware = Middleware {
                allow,
                ..Middleware::default()
            };
            assert_eq!(middleware.allows(unknown), allowed, "{middleware:?}");
        }
    }

    #[test]
    fn the_client_chooses_the_encoding_and_the_order_breaks_ties() {
        use Encoding::{Brotli, Gzip, Zstd};
        let all = &Encoding::ALL[..];
        for (offered, accept, expected) in [
            (all, "gzip, br, zstd", Some(Zstd)),
            (&[Gzip, Zstd][..], "zstd, deflate, gzip", Some(Gzip)),
            (all, "gzip", Some(Gzip)),
            (all, "GZIP;q=0.5, br;q=0.8, zstd; q=0.1", Some(Brotli)),
            (
                &[Zstd, Gzip],
                "GZIP;q=0.5, br;q=0.8, zstd; q=0.1",
                Some(Gzip),
            ),
            (all, "gzip, br", Some(Brotli)),
            (all, "gzip;q=1.0, deflate, *;q=0.5", Some(Gzip)),
            (all, "br;q=0.001", Some(Brotli)),
            (all, "*", Some(Zstd)),
            (all, "zstd;q=0, *;q=0.1", Some(Brotli)),
            (all, "zstd;q=0, br;q=0, *;q=0.1", Some(Gzip)),
            (all, "br", Some(Brotli)),
            (&[Zstd, Gzip], "br", None),
            (all, "identity, br;q=0.5", None),
            (all, "identity;q=0.5, br;q=0.5", Some(Brotli)),
            (all, "identity;q=0, gzip", Some(Gzip)),
            (&[Gzip], "gzip;q=0, *", None),
            (all, "gzip;q=x", None),
            (all, "gzip;q=NaN", None),
            (all, "gzip;q=7", Some(Gzip)),
            (all, "identity, deflate", None),
            (all, "", None),
            (&[], "gzip", None),
        ] {
            assert_eq!(Encoding::accepted(offered, accept), expected, "{accept}");
        }
    }

    #[test]
    fn a_hash_is_not_shown() {
        let secret = "$2y$05$secret";
        let middleware = Middleware {
            basic_auth: Some(vec![Credential {
                user: "alice".into(),
                hash: PasswordHash(secret.into()),
            }]),
            rate_limit: Some(3),
            ..Middleware::default()
        };
        assert!(!format!("{middleware:?}").contains("secret"));
        let shown = middleware.without_secrets();
        let json = serde_json::to_string(&shown).expect("JSON");
        assert!(!json.contains("secret") && json.contains("alice"), "{json}");
        assert_eq!(shown.rate_limit, Some(3));
        // What travels between instances is whole.
        let json = serde_json::to_string(&middleware).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Middleware>(&json).expect("the same"),
            middleware
        );
    }

    #[test]
    fn a_redirect_keeps_path_and_query() {
        for (target, path, location) in [
            ("https://b.test", "/a/b?c=d", "https://b.test/a/b?c=d"),
            ("https://b.test/new", "/", "https://b.test/new/"),
            ("https://b.test/new", "?x=1", "https://b.test/new/?x=1"),
            ("https://b.test", "//evil.test", "https://b.test//evil.test"),
        ] {
            let redirect = Redirect {
                status: 308,
                target: target.into(),
            };
            assert_eq!(redirect.location(path), location);
        }
    }
}
