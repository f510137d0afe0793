//! One service's endpoints, and which of them a request is given.
//!
//! # Design notes
//!
//! How many requests an endpoint works on is counted whatever the policy: operators are shown it,
//! and where another policy comes into force the number is right from the first request on.
//!
//! A full endpoint is passed over by every method, and the ejected are no way out of a full
//! service: they would answer no better.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderValue;
use pingora::http::RequestHeader;
use tokio::time::Instant;

use crate::core::model::TaskId;
use crate::core::model::route::{Balance, RoutingPolicy};
use crate::core::model::snapshot::Cluster;
use crate::core::routing::balance::{self, FULL};

use super::runtime::{ClusterRuntime, EndpointRuntime};
use crate::gateway::filters::{Chain, Prefix};
use crate::gateway::local_reply::LocalReply;

/// One service's endpoints that may be given requests, at one port.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The service's name.
    pub(crate) service: Arc<str>,
    /// Whether its endpoints are spoken to in HTTP/2.
    pub(crate) http2: bool,
    /// How its traffic is steered.
    pub(crate) policy: RoutingPolicy,
    /// What answers by TLS say about it being the only way to come; none: nothing.
    pub(crate) hsts: Option<HeaderValue>,
    /// What is done to its requests and answers on their way; none: nothing.
    pub(crate) chain: Option<Arc<Chain>>,
    /// What is cut off from the path; none: nothing.
    pub(crate) prefix: Option<Prefix>,
    /// What outlives a snapshot.
    pub(crate) runtime: Arc<ClusterRuntime>,
    /// The preferred first, then the others, and the ejected last.
    targets: Vec<Target>,
    /// So many are preferred: those on the own node where that matters and any is well, or else all that are not ejected.
    preferred: usize,
    /// So many are not ejected.
    well: usize,
    /// Those that are not ejected: who is bound to an ejected one is bound anew.
    by_container: HashMap<Box<str>, usize>,
    /// When the last of them is no longer new; none where none is.
    warm_at: Option<Instant>,
}

/// An endpoint, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Target {
    /// Which task it is.
    pub(crate) task: TaskId,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The same for the same task in every snapshot. Keeps pooled connections of one task from being used for another that
    /// was given the same address, and tells what a request has tried.
    pub(crate) group_key: u64,
    /// The `Set-Cookie` that binds a client to it.
    pub(crate) cookie: HeaderValue,
    /// What outlives a snapshot.
    pub(crate) runtime: Arc<EndpointRuntime>,
}

/// What a request brings with it to the choice of an endpoint.
#[derive(Clone, Copy, Default)]
pub(crate) struct LbContext<'a> {
    /// Its key, where the policy asks for one and it has one.
    pub(crate) key: Option<u64>,
    /// The endpoints that failed it, by their group keys.
    pub(crate) tried: &'a [u64],
}

impl Pool {
    pub(crate) fn new(
        cluster: &Cluster,
        targets: Vec<Target>,
        runtime: Arc<ClusterRuntime>,
        preferred: usize,
        well: usize,
        by_container: HashMap<Box<str>, usize>,
    ) -> Self {
        let policy = cluster.policy.clone();
        let since = targets.iter().filter_map(|it| it.runtime.since()).max();
        let warm_at = since.map(|since| since + policy.slow_start);
        Self {
            service: cluster.service.clone(),
            hsts: policy.hsts_seconds.map(hsts),
            http2: false,
            chain: None,
            prefix: None,
            runtime,
            targets,
            preferred,
            well,
            by_container,
            warm_at: warm_at.filter(|at| *at > Instant::now()),
            policy,
        }
    }

    /// Connections are passed on to it.
    pub(crate) fn counts_connections(&self) {
        self.runtime.metrics.tcp.begin();
    }

    /// Where all requests are sent instead, whether there is an endpoint or not; `None` if they are not.
    pub(crate) fn redirect(&self, request: &RequestHeader) -> Option<LocalReply> {
        let chain = self.chain.as_ref()?;
        chain.redirect(self.prefix.as_ref(), request)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    pub(crate) fn target(&self, index: usize) -> &Target {
        &self.targets[index]
    }

    /// The endpoint that is this container, unless it is ejected.
    pub(crate) fn named(&self, container: &str) -> Option<usize> {
        self.by_container.get(container).copied()
    }

    /// Whether it has the endpoint of this group key.
    pub(crate) fn has(&self, group_key: u64) -> bool {
        self.targets.iter().any(|it| it.group_key == group_key)
    }

    /// Whether others wait for room here, so that who comes has to wait behind them.
    pub(crate) fn has_line(&self) -> bool {
        self.policy.max_in_flight.is_some() && !self.runtime.queue.is_empty()
    }

    /// Gives a request to this endpoint, unless it is full or has failed it. Who enters has to leave.
    pub(crate) fn enter(&self, index: usize, wish: LbContext<'_>) -> bool {
        let target = &self.targets[index];
        !tried(target, wish) && target.runtime.metrics.enter(self.policy.max_in_flight)
    }

    /// Gives it to this endpoint even if that is full: it has just been there.
    pub(crate) fn enter_again(&self, index: usize) {
        self.targets[index].runtime.metrics.enter(None);
    }

    /// A request has ended there, or goes elsewhere. Whoever waits for its room is woken.
    pub(crate) fn leave(&self, index: usize) {
        self.targets[index].runtime.metrics.leave();
        if !self.runtime.queue.is_empty() {
            self.runtime.queue.wake();
        }
    }

    /// Gives a request to the endpoint that is to have it; none when all are full.
    pub(crate) fn enter_next(&self, wish: LbContext<'_>) -> Option<usize> {
        let [preferred, others, _] = self.tiers();
        let of = |tier| self.enter_one_of(tier, wish, None);
        of(preferred).or_else(|| of(others))
    }

    /// Another endpoint, for a request that failed at those that it tried, the last of them `from`: a preferred one, or else
    /// any that is well, or else one that is ejected. It takes nobody's turn: otherwise, of two endpoints the one that is
    /// dead would be met by every request.
    pub(crate) fn enter_other(&self, from: usize, wish: LbContext<'_>) -> Option<usize> {
        self.tiers().into_iter().find_map(|tier| {
            // A turn that would begin outside of the tier is taken as one inside, so that those who come from one endpoint
            // are not all sent to the same.
            let turn = (from + 1).wrapping_sub(tier.start);
            self.enter_one_of(tier, wish, Some(turn))
        })
    }

    fn enter_one_of(
        &self,
        tier: Range<usize>,
        wish: LbContext<'_>,
        turn: Option<usize>,
    ) -> Option<usize> {
        // Another request may take the room that was seen.
        (0..=tier.len())
            .map_while(|_| self.choose(tier.clone(), wish, turn))
            .find(|index| self.enter(*index, wish))
    }

    /// The endpoint that the policy's method chooses among those that have room and were not tried.
    fn choose(
        &self,
        tier: Range<usize>,
        wish: LbContext<'_>,
        turn: Option<usize>,
    ) -> Option<usize> {
        let count = tier.len();
        let target = |index: usize| &self.targets[tier.start + index];
        let usable = |index: usize| self.has_room(target(index)) && !tried(target(index), wish);
        let now = self.warm_at.and_then(|at| {
            let now = Instant::now();
            (now < at).then_some(now)
        });
        let part = |index: usize| now.map_or(FULL, |now| self.part(target(index), now));
        let id = |index: usize| target(index).group_key;
        let in_flight = |index: usize| target(index).runtime.metrics.in_flight();
        let load = |index: usize| target(index).runtime.load();
        let chosen =
            match (&self.policy.balance, wish.key) {
                (Balance::LeastRequest, _) => self.better(count, usable, part, id, |a, b| {
                    in_flight(a).cmp(&in_flight(b))
                }),
                (Balance::PeakEwma, _) => self.better(count, usable, part, id, |a, b| {
                    balance::compare(load(a), load(b))
                }),
                (method, Some(key)) if method.is_keyed() => {
                    hashed(key, count, usable, part, id, |index| {
                        in_flight(index).into()
                    })
                }
                (method, _) => {
                    let turn = match method {
                        Balance::Random => self.runtime.chance() as usize,
                        _ => turn
                            .unwrap_or_else(|| self.runtime.turn.fetch_add(1, Ordering::Relaxed)),
                    };
                    match now {
                        Some(_) => balance::by_weight(turn, count, |index| {
                            if usable(index) { part(index) } else { 0 }
                        }),
                        None => balance::round_robin(turn, count, usable),
                    }
                }
            };
        Some(tier.start + chosen?)
    }

    /// The better of two, drawn from those that are admitted while they are new, or else from all.
    fn better(
        &self,
        count: usize,
        usable: impl Fn(usize) -> bool,
        part: impl Fn(usize) -> u32,
        id: impl Fn(usize) -> u64,
        compare: impl Fn(usize, usize) -> std::cmp::Ordering,
    ) -> Option<usize> {
        let draw = self.runtime.chance();
        let admitted =
            |index: usize| usable(index) && balance::admits(draw, id(index), part(index));
        balance::two_choices(draw, count, admitted, &compare)
            .or_else(|| balance::two_choices(draw, count, &usable, &compare))
    }

    fn has_room(&self, target: &Target) -> bool {
        let most = self.policy.max_in_flight;
        most.is_none_or(|most| target.runtime.metrics.in_flight() < most)
    }

    /// The part of its share that an endpoint gets at this time.
    fn part(&self, target: &Target, now: Instant) -> u32 {
        target.runtime.since().map_or(FULL, |since| {
            balance::part(now.saturating_duration_since(since), self.policy.slow_start)
        })
    }

    fn tiers(&self) -> [Range<usize>; 3] {
        let Self {
            preferred, well, ..
        } = *self;
        [0..preferred, preferred..well, well..self.targets.len()]
    }
}

fn tried(target: &Target, wish: LbContext<'_>) -> bool {
    !wish.tried.is_empty() && wish.tried.contains(&target.group_key)
}

/// The endpoint of a key, within the bound on its load.
fn hashed(
    key: u64,
    count: usize,
    usable: impl Fn(usize) -> bool,
    part: impl Fn(usize) -> u32,
    id: impl Fn(usize) -> u64,
    in_flight: impl Fn(usize) -> u64,
) -> Option<usize> {
    let admitted = |index: usize| usable(index) && balance::admits(key, id(index), part(index));
    let own = balance::rendezvous(key, count, &id, admitted)
        .or_else(|| balance::rendezvous(key, count, &id, &usable))?;
    // Nearly always it has few, and nobody else has to be looked at.
    if in_flight(own) < balance::bound(0, count) {
        return Some(own);
    }
    let most = balance::bound((0..count).map(&in_flight).sum(), count);
    let within = |index: usize| admitted(index) && in_flight(index) < most;
    balance::rendezvous(key, count, &id, within).or(Some(own))
}

fn hsts(seconds: u32) -> HeaderValue {
    let value = HeaderValue::try_from(format!("max-age={seconds}"));
    value.expect("digits make a header value")
}
