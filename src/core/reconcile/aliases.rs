//! Which network aliases Hiveway's own service should have, so that every `.local` host of a route resolves to it, and when
//! they are to be written.
//!
//! # Design notes
//!
//! An alias is a part of the service's spec, and whatever changes the spec has Swarm replace Hiveway's own tasks, one after
//! the other. So a change waits until the names have settled, and many of them cost one update; a name that nobody wants
//! any more does no harm and goes along with the next change. Because the process that wrote is among those replaced, all
//! that has to outlive it is in the swarm: the aliases, and the state of the update.
//!
//! There is one haste. A `docker stack deploy` of Hiveway's own stack writes a spec without the names, and from each task
//! that is replaced on, they resolve to one task less; in the end to none. Waiting for the end of that update cost every
//! client the name for ten seconds (measured on one node). So names that did resolve are written into the update in
//! progress, as soon as one of its tasks runs; the tasks of other nodes still resolve then, and where there are none, half
//! of the time is won. Not sooner: Swarm rolls back to the spec before the last write, and if that were the deployed one, a
//! deploy that cannot work would not be undone any more (tried: it was not). What Swarm takes back itself is left alone, or
//! each would undo the other for ever.

mod change;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use self::change::AliasChange;
use self::refusal::Refusal;
use super::wishes::{AliasRequest, DesiredChanges};
use crate::core::model::route::is_local;
use crate::core::model::{OwnNetwork, UpdateState};

/// How long the names must have been the same before any is added.
const SETTLED: Duration = Duration::from_secs(2);
/// How long a name waits for the others to settle, at most.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a name has to be unwanted to be worth an update of its own.
const LINGERING: Duration = Duration::from_secs(600);

/// What to do about aliases now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, until the swarm or the wishes change.
    Nothing,
    /// Decide again at that time.
    Wait(Duration),
    /// Tell why names cannot be added; not told again while it is the same.
    Refuse(Arc<str>),
    /// Write it.
    Write(AliasChange),
}

/// What is remembered from one decision to the next. Times count from any beginning that stays the same.
#[derive(Clone, Debug, Default)]
pub struct AliasPlan {
    names: BTreeSet<Arc<str>>,
    /// Since when `names` are what they are.
    settling: Duration,
    /// Since when names are missing, if any are.
    missing: Option<Duration>,
    /// The names that are wanted and have resolved.
    resolved: BTreeSet<Arc<str>>,
    /// Since when each alias has been unwanted.
    unwanted: BTreeMap<Arc<str>, Duration>,
    /// The names that were wanted when Swarm was first seen to have taken the last change back.
    failed: Option<BTreeSet<Arc<str>>>,
    /// Why which names were not added, as it was told.
    told: Option<(Refusal, BTreeSet<Arc<str>>)>,
    /// Nothing is written before.
    paused: Duration,
}

impl AliasPlan {
    /// Decides at `now`. A warm controller that does not lead remembers, and writes nothing.
    pub fn decide(&mut self, now: Duration, wishes: &DesiredChanges) -> Decision {
        let Some(wish) = &wishes.aliases else {
            return Decision::Nothing;
        };
        let missing = wish.missing();
        self.remember(now, wish, &missing);
        let restores = wish.service.proven && !self.resolved.is_disjoint(&missing);
        if !wishes.leading || wish.service.update.is_in_progress() && !restores {
            return Decision::Nothing;
        }
        let due = match self.missing {
            Some(_) if restores => Some(now),
            // Swarm says that an update is in progress some moments after it was written.
            Some(since) => Some((self.settling.max(since) + SETTLED).min(since + PATIENCE)),
            None => self.unwanted.values().min().map(|since| *since + LINGERING),
        };
        let Some(due) = due.map(|due| due.max(self.paused)) else {
            return Decision::Nothing;
        };
        if now < due {
            return Decision::Wait(due);
        }
        if let Some(refusal) = Refusal::of(wish, self.failed.as_ref()) {
            return self.refuse(refusal, wish, missing);
        }
        // An update that adds names costs no more when it removes all that it can.
        let goes = |since: &Duration| !missing.is_empty() || *since + LINGERING <= now;
        let gone = self.unwanted.iter().filter(|(_, since)| goes(since));
        Decision::Write(AliasChange {
            targets: wish.attached().map(|it| it.target.clone()).collect(),
            remove: gone.map(|(name, _)| name.clone()).collect(),
            add: missing,
        })
    }

    /// Something was written, or could not be: nothing more is before `until`. Gives the next look the time to show it.
    pub fn pause(&mut self, until: Duration) {
        self.paused = until;
    }

    fn remember(&mut self, now: Duration, wish: &AliasRequest, missing: &BTreeSet<Arc<str>>) {
        if self.names != wish.names {
            self.names = wish.names.clone();
            self.settling = now;
        }
        self.missing = (!missing.is_empty()).then(|| self.missing.unwrap_or(now));
        let update = wish.service.update;
        let is_taken_back = matches!(update, UpdateState::RollingBack | UpdateState::RolledBack);
        let resolved = wish.names.iter().filter(|name| {
            !missing.contains(*name) || !is_taken_back && self.resolved.contains(*name)
        });
        self.resolved = resolved.cloned().collect();
        let since = |name| (name, now);
        let mut unwanted: BTreeMap<_, _> = wish.unwanted().into_iter().map(since).collect();
        for (name, since) in &mut unwanted {
            *since = self.unwanted.get(name).copied().unwrap_or(now);
        }
        self.unwanted = unwanted;
        self.failed =
            is_taken_back.then(|| self.failed.take().unwrap_or_else(|| wish.names.clone()));
        if missing.is_empty() {
            self.told = None;
        }
    }

    /// Says so once. That a name lingers is not worth a word.
    fn refuse(
        &mut self,
        refusal: Refusal,
        wish: &AliasRequest,
        missing: BTreeSet<Arc<str>>,
    ) -> Decision {
        let is_told = self
            .told
            .as_ref()
            .is_some_and(|(why, names)| *why == refusal && missing.is_subset(names));
        if is_told || missing.is_empty() {
            return Decision::Nothing;
        }
        let reason = refusal.sentence(wish, &missing).into();
        self.told = Some((refusal, missing));
        Decision::Refuse(reason)
    }
}

impl AliasRequest {
    /// The service's networks on which names should resolve.
    fn attached(&self) -> impl Iterator<Item = &OwnNetwork> {
        let networks = self.service.networks.iter();
        networks.filter(|network| self.networks.contains(&network.name))
    }

    /// The names that some network lacks; all of them where there is no network.
    fn missing(&self) -> BTreeSet<Arc<str>> {
        let resolves = |name: &&Arc<str>| {
            self.attached().count() > 0
                && self
                    .attached()
                    .all(|network| network.aliases.contains(name))
        };
        let missing = self.names.iter().filter(|name| !resolves(name));
        missing.cloned().collect()
    }

    /// The `.local` aliases that no route wants. Others are none of Hiveway's business.
    fn unwanted(&self) -> BTreeSet<Arc<str>> {
        let aliases = self.attached().flat_map(|network| &network.aliases);
        let unwanted = aliases.filter(|name| is_local(name) && !self.names.contains(*name));
        unwanted.cloned().collect()
    }
}

#[cfg(test)]
mod tests;
