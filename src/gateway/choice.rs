//! How a request comes to its endpoint, and on to another when that one fails.

use std::sync::Arc;

use super::table::{Pool, Route, Target};

/// The endpoint that a request was given.
pub(super) struct Choice {
    route: Arc<Route>,
    /// The client came by TLS, to us or to a trusted proxy in front.
    pub(super) secure: bool,
    pool: usize,
    target: usize,
    /// The client came with a valid cookie.
    pub(super) stuck: bool,
    /// The endpoints that failed it.
    tried: Vec<usize>,
    attempts: u8,
}

impl Choice {
    /// The endpoint that the client is bound to by one of the containers that its cookies name, or else the one whose turn
    /// it is; none when no service of the route has one.
    pub(super) fn make<'a>(
        route: &Arc<Route>,
        secure: bool,
        containers: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let shares = route.shares(secure);
        let (pool, target, stuck) = match shares.stuck(containers) {
            Some((pool, target)) => (pool, target, true),
            None => {
                let pool = shares.choose()?;
                (pool, shares.pool(pool).next()?, false)
            }
        };
        Some(Self {
            route: route.clone(),
            secure,
            pool,
            target,
            stuck,
            tried: Vec::new(),
            attempts: 1,
        })
    }

    pub(super) fn pool(&self) -> &Pool {
        self.route.shares(self.secure).pool(self.pool)
    }

    pub(super) fn target(&self) -> &Target {
        self.pool().target(self.target)
    }

    /// How many endpoints were tried before this one.
    pub(super) fn retries(&self) -> u8 {
        self.attempts - 1
    }

    /// Moves on to an endpoint that has not failed this request. Without another, the same may be tried again if only a
    /// pooled connection to it had gone stale.
    pub(super) fn move_on(&mut self, stale: bool) -> bool {
        if self.attempts > self.pool().policy.retries {
            return false;
        }
        self.tried.push(self.target);
        match self.pool().other(&self.tried) {
            Some(next) => {
                self.target = next;
                self.stuck = false;
            }
            None if stale => {}
            None => return false,
        }
        self.attempts += 1;
        self.pool().runtime.metrics.retried();
        true
    }
}
