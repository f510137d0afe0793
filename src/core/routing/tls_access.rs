//! Whether clients can reach a gateway by TLS, so that a redirect to `https://` leads somewhere.
//!
//! # Design notes
//!
//! A route with `https://` is never served in plaintext. A redirect to a port where nothing listens
//! hides the reason, so it is sent only where TLS is terminated: by a listener of this gateway, or
//! by a proxy of `--trusted-proxies` in front of it. A gateway does not know the listeners of others.

use crate::core::model::route::is_local;

/// What terminates TLS for the clients of one gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsAccess {
    /// A listener of the gateway (`--listen-public-tls`).
    pub listener: bool,
    /// A proxy in front may do it (`--trusted-proxies` names any).
    pub proxy: bool,
}

impl TlsAccess {
    /// Whether `https://HOST/` reaches the gateway. The listener for TLS is public, where `.local`
    /// hosts do not exist. `host` is normalised.
    #[must_use]
    pub fn reaches(self, host: &str) -> bool {
        self.proxy || self.listener && !is_local(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_hosts_are_reached_by_tls_through_a_proxy_only() {
        for (listener, proxy, public, local) in [
            (false, false, false, false),
            (true, false, true, false),
            (false, true, true, true),
            (true, true, true, true),
        ] {
            let access = TlsAccess { listener, proxy };
            let reached = (access.reaches("a.test"), access.reaches("a.local"));
            assert_eq!(reached, (public, local), "{access:?}");
        }
    }
}
