//! A name that a certificate is for.

use std::fmt;
use std::sync::Arc;

/// A name that a certificate is for, in lower case and without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateName {
    /// Just this name.
    Exact(Arc<str>),
    /// Every name that is one label, a dot and this name: `*.example.com` holds `example.com`.
    Wildcard(Arc<str>),
}

impl CertificateName {
    /// Reads it as a certificate says it; none for what no host can be called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, &*text),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
        if !name.split('.').all(label) {
            return None;
        }
        Some(match wildcard {
            true => Self::Wildcard(name.into()),
            false => Self::Exact(name.into()),
        })
    }

    /// Whether it stands for this host, a normalised name.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Wildcard(name) => parent(host).is_some_and(|parent| *parent == **name),
        }
    }
}

/// What is left of a name without its first label; none where either is empty.
pub(super) fn parent(host: &str) -> Option<&str> {
    let (first, rest) = host.split_once('.')?;
    (!first.is_empty() && !rest.is_empty()).then_some(rest)
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(name) => write!(f, "*.{name}"),
        }
    }
}
