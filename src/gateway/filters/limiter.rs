//! How many requests each client may send, in bounded memory.
//!
//! # Design notes
//!
//! The clients are spread over shards by their address, so that the threads that proxy wait for each other seldom. At the
//! most a limit remembers 32 768 clients, which is some three megabytes; those beyond share a bucket in each shard.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Mutex;

use tokio::time::Instant;

use crate::core::request::origin::Origin;
use crate::core::routing::rate_limit::{Rate, RateLimit};

const SHARDS: usize = 16;

/// The clients that one shard remembers.
const ROOM: usize = 2_048;

/// The buckets of one service's clients.
#[derive(Debug)]
pub(super) struct Limiter {
    shards: [Mutex<RateLimit<Origin>>; SHARDS],
    hasher: RandomState,
    started: Instant,
}

impl Limiter {
    /// So many requests a second, and as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        let rate = Rate {
            per_second,
            burst: per_second,
        };
        Self {
            shards: std::array::from_fn(|_| Mutex::new(RateLimit::new(rate, ROOM))),
            hasher: RandomState::new(),
            started: Instant::now(),
        }
    }

    /// Whether the client may send a request now.
    pub(super) fn admit(&self, client: Origin) -> bool {
        let client = client.subscriber();
        // The remainder is less than the number of shards, so it fits.
        let shard = (self.hasher.hash_one(client) % SHARDS as u64) as usize;
        let mut limit = self.shards[shard]
            .lock()
            .expect("nothing panics while it holds a limit");
        // Taken under the lock, so that it does not run backwards.
        let now = self.started.elapsed();
        limit.admit(client, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_rate_and_a_network_of_ipv6_is_one_client() {
        let limiter = Limiter::new(2);
        let address = |client: &str| client.parse::<IpAddr>().expect("an address");
        let admitted = |client: &str| limiter.admit(address(client).into());
        assert_eq!([(); 3].map(|()| admitted("10.0.0.1")), [true, true, false]);
        assert!(!admitted("::ffff:10.0.0.1"));
        assert!(admitted("10.0.0.2"));
        assert!(admitted("2001:db8::1") && admitted("2001:db8::2"));
        assert!(!admitted("2001:db8::3"));
        assert!(admitted("2001:db8:0:1::1"));
        // The unknown clients of a proxy are one, and do not use up what the proxy itself may send.
        let behind = address("10.0.0.2");
        let unknown = || limiter.admit(Origin::Unknown { behind });
        assert_eq!([(); 3].map(|()| unknown()), [true, true, false]);
        assert!(admitted("10.0.0.2"));
        tokio::time::advance(std::time::Duration::from_millis(500)).await;
        assert_eq!([(); 2].map(|()| admitted("10.0.0.1")), [true, false]);
    }
}
