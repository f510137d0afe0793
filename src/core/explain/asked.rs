//! The request that is asked about, read from a URL as an operator writes it.

use serde::{Deserialize, Serialize};

use crate::core::lookup::normal_host;

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
            _ => return refuse("its scheme is none of http, https, ws, wss and tcp"),
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

    /// Whether it may be sent twice.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
        safe.contains(&&*self.method)
    }
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
