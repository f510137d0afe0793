//! Which controller is followed, and what is taken from it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::link::{Heard, Subscription};
use super::links::Links;
use super::{Outputs, OwnState, TICK};
use crate::core::certificates::acme::{self, IssuedCertificate};
use crate::core::event::Event;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::following::{self, Source};
use crate::core::protocol::{Standing, ToNode};
use crate::process::clock;
use crate::process::watch_ext;

/// The state of a follower: it is settled anew from all of it after every change.
pub(super) struct Follower {
    pub(super) links: Links,
    outputs: Outputs,
    /// Who is followed.
    source: Option<Source>,
    /// Tells apart what links were asked.
    asked: u64,
    /// Chooses among controllers that are all the same.
    ticket: usize,
    /// Since when no controller has known the swarm as it is; none while one does.
    stale: Option<Instant>,
    /// Whether that was told.
    told_stale: bool,
}

impl Follower {
    pub(super) fn new(links: Links, outputs: Outputs) -> Self {
        Self {
            links,
            outputs,
            source: None,
            asked: 0,
            ticket: RandomState::new().hash_one(0) as usize,
            stale: Some(Instant::now()),
            told_stale: false,
        }
    }

    /// Does whatever follows from the latest state.
    pub(super) fn settle(&mut self, own: Option<&OwnState>) {
        let snapshot = self.outputs.snapshots.borrow().clone();
        self.links.open(snapshot.as_deref());
        self.choose(own);
        if self.source == Some(Source::Own)
            && let Some(snapshot) = own.and_then(|own| own.snapshot.clone())
        {
            self.take(snapshot);
        }
        self.gather_commands(own);
        self.gather_challenges();
        self.links.report_away();
        self.tell(own);
    }

    /// Takes in what a link told.
    pub(super) fn hear(&mut self, address: SocketAddr, heard: Heard) {
        let followed = self.source == Some(Source::Remote(address));
        let Some(link) = self.links.get_mut(address) else {
            return;
        };
        match heard {
            Heard::Said(ToNode::Standing { standing, by_hand }) => {
                link.hear(standing);
                self.outputs.order_book.take_in(&by_hand);
            }
            Heard::Said(ToNode::Commands { commands }) => link.commands = commands,
            Heard::Said(ToNode::Challenges { challenges }) => link.challenges = challenges,
            Heard::Said(ToNode::Issued { certificates }) => self.take_issued(certificates),
            Heard::Said(ToNode::Certificates { certificates }) if followed => {
                self.outputs.certificates.send_replace(certificates);
            }
            Heard::Said(ToNode::Snapshot { snapshot }) if followed => self.take(snapshot),
            Heard::Said(ToNode::Delta { delta }) if followed => {
                let have = self.outputs.snapshots.borrow().clone();
                match have.and_then(|have| delta.apply(&have)) {
                    Some(snapshot) => self.take(Arc::new(snapshot)),
                    // Something is missing in between.
                    None => self.ask(address, false),
                }
            }
            // What was still on its way from one that is followed no more.
            Heard::Said(
                ToNode::Snapshot { .. } | ToNode::Delta { .. } | ToNode::Certificates { .. },
            ) => {}
            Heard::Ended(ended) => self.links.end(address, &ended),
        }
    }

    fn choose(&mut self, own: Option<&OwnState>) {
        let remote = self
            .links
            .iter()
            .filter_map(|(address, link)| Some((Source::Remote(*address), link.standing.clone()?)));
        let mut heard: BTreeMap<Source, Standing> = remote.collect();
        heard.extend(own.map(|own| (Source::Own, own.standing())));
        let has_snapshot = self.outputs.snapshots.borrow().is_some();
        let next = following::choose(&heard, self.source, has_snapshot, self.ticket);
        self.count(&heard, next);
        if next == self.source {
            return;
        }
        if let Some(Source::Remote(address)) = self.source
            && let Some(link) = self.links.get(address)
        {
            link.wish.send_replace(Subscription::Nothing);
        }
        self.source = next;
        let controller: Arc<str> = match next {
            Some(Source::Own) => "this node".into(),
            Some(Source::Remote(address)) => {
                self.ask(address, true);
                address.ip().to_string().into()
            }
            None => {
                self.outputs.followed.send_replace(None);
                return;
            }
        };
        let followed = Some(controller.clone());
        self.outputs.followed.send_replace(followed);
        self.outputs
            .emitter
            .emit(Event::ControllerFollowed { controller });
    }

    /// Asks a controller for snapshots: for what is new, or for all of it.
    fn ask(&mut self, address: SocketAddr, from_here: bool) {
        let have = self
            .outputs
            .snapshots
            .borrow()
            .as_deref()
            .map(|it| it.generation);
        self.asked += 1;
        let wish = Subscription::Follow {
            have: have.filter(|_| from_here),
            number: self.asked,
        };
        if let Some(link) = self.links.get(address) {
            link.wish.send_replace(wish);
        }
    }

    /// Takes over a snapshot of the followed controller, unless it is an old one.
    fn take(&self, snapshot: Arc<Snapshot>) {
        let taken = self.outputs.snapshots.send_if_modified(|current| {
            let have = current.as_deref().map(|it| it.generation);
            let news = following::is_news(snapshot.generation, have);
            if news {
                *current = Some(snapshot);
            }
            news
        });
        if taken {
            self.outputs.metrics.control().applied.inc();
        }
    }

    /// The commands of all controllers, which want the same but for moments.
    fn gather_commands(&self, own: Option<&OwnState>) {
        let links = self.links.iter().map(|(_, link)| &link.commands);
        let mut all = links.chain(own.map(|own| &own.commands));
        let mut commands = all.next().cloned().unwrap_or_default();
        for more in all.filter(|it| !it.is_empty()) {
            if commands != *more {
                let merged = Arc::make_mut(&mut commands);
                merged.extend(more.iter().map(|(task, it)| (task.clone(), it.clone())));
            }
        }
        watch_ext::tell(&self.outputs.commands, commands);
    }

    /// What all controllers expect to be asked; only one of them does, but for moments.
    fn gather_challenges(&self) {
        let links = self.links.iter().map(|(_, link)| &link.challenges);
        let mut open = links.filter(|it| !it.is_empty());
        let challenges = match (open.next(), open.next()) {
            (None, _) => Arc::default(),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let all = first.iter().chain(&**second);
                all.chain(open.flat_map(|it| &**it)).cloned().collect()
            }
        };
        watch_ext::tell(&self.outputs.challenges, challenges);
    }

    fn take_issued(&self, certificates: Vec<Arc<IssuedCertificate>>) {
        let told = certificates.into_iter().map(|it| (it.host.clone(), it));
        let told = told.collect();
        self.outputs.issued.send_if_modified(|known| {
            let known = Arc::make_mut(known);
            let news = acme::join(known, &told);
            acme::forget_ended(known, clock::now()) || news
        });
    }

    /// Notes whether anybody knows the swarm as it is.
    fn count(&mut self, heard: &BTreeMap<Source, Standing>, next: Option<Source>) {
        let standing = next.and_then(|source| heard.get(&source));
        let fresh = standing.is_some_and(|standing| standing.frozen.is_none());
        self.stale = match fresh {
            true => None,
            false => self.stale.or_else(|| Some(Instant::now())),
        };
        let remote = heard.keys().filter(|source| **source != Source::Own);
        let metrics = self.outputs.metrics.control();
        metrics.controllers.set(remote.count() as i64);
        let seconds = self.stale.map_or(0, |since| since.elapsed().as_secs());
        metrics
            .stale
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Tells people whether the routes follow the swarm.
    fn tell(&mut self, own: Option<&OwnState>) {
        let has_snapshot = self.outputs.snapshots.borrow().is_some();
        let Some(since) = self.stale else {
            self.outputs.readiness.inform("routes", Ok(()));
            if std::mem::take(&mut self.told_stale) {
                self.outputs.emitter.emit(Event::RoutesFresh);
            }
            return;
        };
        let reason = self.why_stale(own);
        if !has_snapshot {
            let waiting = format!("no snapshot yet: {reason}");
            self.outputs.readiness.require("snapshot", Err(waiting));
        }
        let seconds = since.elapsed().as_secs();
        let frozen = format!("frozen for {seconds} s: {reason}");
        self.outputs.readiness.inform("routes", Err(frozen));
        // A controller that is replaced by another leaves a gap of moments, which nobody needs to be told of.
        if has_snapshot && since.elapsed() >= TICK && !std::mem::replace(&mut self.told_stale, true)
        {
            self.outputs.emitter.emit(Event::RoutesStale { reason });
        }
    }

    fn why_stale(&self, own: Option<&OwnState>) -> Arc<str> {
        let own = own.map(|own| match (&own.snapshot, &own.frozen) {
            (_, Some(reason)) => format!("this node: {reason}"),
            (None, None) => "this node's controller is warming up".to_owned(),
            (Some(_), None) => "this node's controller is about to be followed".to_owned(),
        });
        let all: Vec<_> = own.into_iter().chain(self.links.complaints()).collect();
        match all.is_empty() {
            true => "no controller has been found yet".into(),
            false => all.join("; ").into(),
        }
    }
}
