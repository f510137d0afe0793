//! Where a collector takes spans.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// Where OTLP's signal of traces is taken, below what an endpoint of all signals is given as.
const TRACES: &str = "/v1/traces";

/// Where a collector takes spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    /// Host and port as they were given.
    pub(super) authority: Authority,
    /// Where spans are posted.
    pub(super) path: PathAndQuery,
}

impl Endpoint {
    /// Reads a URL; spans go to its path, or to `/v1/traces` where it has none.
    ///
    /// # Errors
    ///
    /// What to give instead.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let endpoint = Self::exact(url)?;
        match endpoint.path.as_str() {
            "/" => Self::below(url),
            _ => Ok(endpoint),
        }
    }

    /// Reads a URL that spans are posted to as it is.
    ///
    /// # Errors
    ///
    /// What to give instead.
    pub fn exact(url: &str) -> Result<Self, &'static str> {
        const REFUSE: &str =
            "give the URL of a collector that speaks OTLP over HTTP, such as http://collector:4318";
        let url: Uri = url.trim().parse().map_err(|_| REFUSE)?;
        let secure = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(REFUSE),
        };
        let authority = url.authority().filter(|it| !it.host().is_empty());
        let authority = authority.ok_or(REFUSE)?.clone();
        if authority.as_str().contains('@') {
            return Err("give the URL of a collector without a user, whom logs would show");
        }
        let path = url.path_and_query().cloned();
        Ok(Self {
            secure,
            authority,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// Reads a URL below which every signal has its path.
    ///
    /// # Errors
    ///
    /// What to give instead.
    pub fn below(url: &str) -> Result<Self, &'static str> {
        Self::exact(&format!("{}{TRACES}", url.trim().trim_end_matches('/')))
    }

    /// The host to connect to, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.authority.host();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to: the scheme's where none was given.
    pub(super) fn port(&self) -> u16 {
        let usual = if self.secure { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(usual)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_to_the_path_of_their_signal_unless_another_is_given() {
        for (url, told, host, port) in [
            (
                "http://collector:4318",
                "http://collector:4318/v1/traces",
                "collector",
                4318,
            ),
            ("https://c.test/", "https://c.test/v1/traces", "c.test", 443),
            (
                "http://[::1]/otlp/v1/traces",
                "http://[::1]/otlp/v1/traces",
                "::1",
                80,
            ),
        ] {
            let endpoint = Endpoint::parse(url).expect(url);
            let seen = (endpoint.to_string(), endpoint.host(), endpoint.port());
            assert_eq!(seen, (told.to_owned(), host, port));
        }
        let below = Endpoint::below("http://c.test/otlp/").expect("a URL");
        assert_eq!(below.to_string(), "http://c.test/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_collectors_url_is_refused() {
        for wrong in [
            "",
            "collector:4318",
            "grpc://c:4317",
            "http://",
            "/v1/traces",
        ] {
            let refused = Endpoint::parse(wrong).expect_err(wrong);
            assert!(refused.contains("http://collector:4318"), "{refused}");
        }
        let refused = Endpoint::parse("http://me:secret@c.test").expect_err("a user");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
