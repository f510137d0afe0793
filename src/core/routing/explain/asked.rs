//! The request that is asked about, read from a URL as an operator writes it.

use serde::{Deserialize, Serialize};

use crate::core::routing::lookup::normal_host;

/// A request, as far as it decides where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The method, in capitals.
    pub method: String,
    /// Whether the client speaks TLS, to this gateway or to a proxy in front.
    pub secure: bool,
    /// Whether it is no request but a connection by TLS, which is to be passed on undecrypted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tcp: bool,
    /// The host, in lower case, without port and trailing dot.
    pub host: String,
    /// The path without its query.
    pub path: String,
    /// The path with its query.
    pub path_and_query: String,
}

impl Asked {
    /// Reads `[http[s]://|ws[s]://|tcp://]HOST[:PORT][/PATH][?QUERY]`. The port is of no account: every listener has every route.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write instead.
    pub fn read(url: &str, method: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            Err(format!(
                "url {url:?}: {why}; give one like http://shop.example.com/api"
            ))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (secure, tcp) = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => (false, false),
            "https" | "wss" => (true, false),
            "tcp" => (true, true),
            other => {
                let meant = suggestion(other);
                return refuse(&format!(
                    "its scheme is none of http, https, ws, wss and tcp{meant}"
                ));
            }
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return refuse("a user name has no meaning here");
        }
        if rest.contains(|it: char| it.is_whitespace() || it.is_control()) {
            return refuse("there are blanks in it");
        }
        let host = normal_host(authority);
        if host.is_empty() {
            return refuse("it names no host");
        }
        if !authority.is_ascii() {
            return refuse("routes and clients have the host in its ASCII form (xn--…)");
        }
        if !is_host(&host) {
            return refuse("its host has a character that no host has, or a port that is none");
        }
        if port(authority).is_some_and(|port| port.parse::<u16>().is_err()) {
            return refuse("its port is none: ports go up to 65535");
        }
        let path_and_query = match target {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            target => target.to_owned(),
        };
        let path = path_and_query.split('?').next().unwrap_or_default();
        let path = path.to_owned();
        let method = method.to_ascii_uppercase();
        let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        if method.is_empty() || !method.bytes().all(token) {
            return Err(format!(
                "method {method:?} is none; give one like GET or POST"
            ));
        }
        Ok(Self {
            method,
            secure,
            tcp,
            host: host.into_owned(),
            path,
            path_and_query,
        })
    }

    /// The request's URL as it was written, where it can be read.
    ///
    /// # Errors
    ///
    /// As for [`Asked::read`].
    pub fn check_url(url: &str) -> Result<String, String> {
        Self::read(url, "GET").map(|_| url.to_owned())
    }

    /// The request's method as it was written, where it can be one.
    ///
    /// # Errors
    ///
    /// As for [`Asked::read`].
    pub fn check_method(method: &str) -> Result<String, String> {
        Self::read("localhost", method).map(|_| method.to_owned())
    }

    /// Whether it may be sent twice.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
        safe.contains(&&*self.method)
    }
}

/// The scheme that was probably meant, as the rest of a sentence.
fn suggestion(scheme: &str) -> String {
    let known = ["http", "https", "ws", "wss", "tcp"];
    let near = known.map(|it| (strsim::damerau_levenshtein(scheme, it), it));
    match near.into_iter().min() {
        Some((1..=2, near)) if scheme.len() > 2 => format!(" (did you mean {near}://?)"),
        _ => String::new(),
    }
}

/// Whether each character may stand in a host, normalised: a name, or an address in brackets.
fn is_host(host: &str) -> bool {
    let of_name = |it: u8| it.is_ascii_alphanumeric() || b"-._*".contains(&it);
    match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(of_name),
    }
}

/// The port that a URL's authority ends with.
fn port(authority: &str) -> Option<&str> {
    let (before, port) = authority.rsplit_once(':')?;
    let bracketed = before.starts_with('[') && !before.ends_with(']');
    (!bracketed && !port.is_empty()).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_operators_write_them() {
        for (url, secure, host, path, path_and_query) in [
            ("shop.example.com", false, "shop.example.com", "/", "/"),
            (
                "http://Shop.Example.com:8080",
                false,
                "shop.example.com",
                "/",
                "/",
            ),
            (
                "https://shop.example.com./api?x=/y",
                true,
                "shop.example.com",
                "/api",
                "/api?x=/y",
            ),
            ("wss://a.local?x", true, "a.local", "/", "/?x"),
            ("a.local/b/#c", false, "a.local", "/b/", "/b/"),
            ("http://[::1]:80/", false, "[::1]", "/", "/"),
        ] {
            let asked = Asked::read(url, "get").expect(url);
            assert_eq!(
                asked,
                Asked {
                    method: "GET".into(),
                    secure,
                    tcp: false,
                    host: host.into(),
                    path: path.into(),
                    path_and_query: path_and_query.into()
                },
                "{url}"
            );
        }
        for (url, method, why) in [
            ("", "GET", "names no host"),
            ("http:///path", "GET", "names no host"),
            ("ftp://a/", "GET", "http, https, ws, wss and tcp"),
            ("foo://a/", "GET", "http, https, ws, wss and tcp"),
            ("htps://a/", "GET", "(did you mean https://?)"),
            ("http://a:99999/", "GET", "up to 65535"),
            ("http://a:b/", "GET", "a port that is none"),
            ("http://a<b/", "GET", "no host has"),
            ("http://[::zz]/", "GET", "no host has"),
            ("http://bücher.test/", "GET", "xn--"),
            ("http://me@a/", "GET", "user name"),
            ("http://a/b c", "GET", "blanks"),
            ("http://a/", "GET IT", "GET or POST"),
            ("http://a/", "", "GET or POST"),
        ] {
            let refused = Asked::read(url, method).expect_err(url);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
