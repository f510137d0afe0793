//! What is due for which host, and how long nothing is tried again after a failure.
//!
//! # Design notes
//!
//! A server counts what fails, and turns away whoever fails too often: Let's Encrypt lets a host fail five times an hour. So a
//! host that failed waits for minutes, and for twice as long after every further failure, up to a day. A server that is away
//! counts nothing; what waits for it waits together, and an hour at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Issued, Wanted, longer};
use crate::core::model::Timestamp;

/// The waits after the first failure, and the longest.
const AWAY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60 * 60));
const REFUSED: (Duration, Duration) = (
    Duration::from_secs(5 * 60),
    Duration::from_secs(24 * 60 * 60),
);
const LIMITED: (Duration, Duration) = (
    Duration::from_secs(60 * 60),
    Duration::from_secs(24 * 60 * 60),
);

/// How long nothing at all is asked of a server that has had enough. Most limits are of one name, some of one account.
const LULL: Duration = Duration::from_secs(5 * 60);

/// The longest that a server's own word about the next try is heeded: it may be wrong by years. The
/// longest limit of Let's Encrypt is one of seven days.
const LONGEST_ASKED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The same of a server that does not work, which keeps all hosts waiting: longer than any
/// maintenance should take.
const LONGEST_AWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first wait where a server says itself when it can be asked again, and it may be at once. It
/// doubles as the others do: a busy server says "in a second" to everybody (Let's Encrypt: 503 and
/// `Retry-After: 1`), and an order is ten requests.
const SOONEST: Duration = Duration::from_secs(5);

/// Why an order came to nothing, as far as the next try is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server cannot be reached, or does not work.
    Away,
    /// It does not issue, or does not believe the host.
    Refused,
    /// It was asked too much.
    Limited,
}

impl Failure {
    /// The failure's name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Refused => "refused",
            Self::Limited => "rate-limited",
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Order a certificate for this host now.
    Order(Arc<str>),
    /// Nothing before this moment.
    Wait(Timestamp),
    /// Nothing, as things are.
    Rest,
}

/// Remembers failures. Kept by the leading controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenewalState {
    hosts: BTreeMap<Arc<str>, Trouble>,
    /// Failures to reach the server in a row.
    away: u32,
    /// Before this nothing is asked of the server.
    quiet_until: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Trouble {
    failures: u32,
    retry: Timestamp,
}

impl RenewalState {
    /// What to do, given what is wanted and what is there. Of several hosts that are due, those come first that have been
    /// without a valid certificate, or will be soonest.
    #[must_use]
    pub fn next(&self, wanted: &Wanted, issued: &Issued, now: Timestamp) -> Next {
        let due = |host: &Arc<str>| {
            let renewal = issued.get(host).map_or(Timestamp(0), |it| it.renewal());
            let trouble = self.hosts.get(host).copied().unwrap_or_default();
            renewal.max(trouble.retry).max(self.quiet_until)
        };
        let end = |host: &Arc<str>| issued.get(host).map_or(Timestamp(0), |it| it.not_after);
        let hosts = wanted.hosts.iter().map(|host| (due(host), host));
        let hosts: Vec<_> = hosts.collect();
        let ripe = hosts.iter().filter(|(due, _)| *due <= now);
        if let Some((_, host)) = ripe.min_by_key(|(due, host)| (end(host), *due)) {
            return Next::Order((*host).clone());
        }
        let soonest = hosts.iter().map(|(due, _)| *due).min();
        soonest.map_or(Next::Rest, Next::Wait)
    }

    /// Notes that a host was given a certificate.
    pub fn succeed(&mut self, host: &str) {
        self.hosts.remove(host);
        self.away = 0;
    }

    /// Notes that a host was not, and tells how long it waits now. `asked` is how long the server
    /// wants to be left alone, where it said so; `random` takes off up to a quarter of what Hiveway
    /// waits by itself.
    pub fn fail(
        &mut self,
        host: &Arc<str>,
        failure: Failure,
        asked: Option<Duration>,
        now: Timestamp,
        random: u64,
    ) -> Duration {
        let after = |wait: Duration| Timestamp(now.0.saturating_add(wait.as_millis() as u64));
        if failure == Failure::Away {
            self.away += 1;
            let asked = asked.map(|it| it.min(LONGEST_AWAY));
            let wait = as_asked(AWAY, self.away, asked, random);
            self.quiet_until = self.quiet_until.max(after(wait));
            return wait;
        }
        self.away = 0;
        let trouble = self.hosts.entry(host.clone()).or_default();
        trouble.failures += 1;
        let asked = asked.map(|it| it.min(LONGEST_ASKED));
        let wait = match failure {
            Failure::Limited => {
                let wait = as_asked(LIMITED, trouble.failures, asked, random);
                self.quiet_until = self.quiet_until.max(after(wait.min(LULL)));
                wait
            }
            // What is counted is the host that was not believed, so that the server's word never
            // makes the wait shorter.
            Failure::Away | Failure::Refused => {
                longer(grown(REFUSED, trouble.failures, random), asked)
            }
        };
        trouble.retry = after(wait);
        wait
    }

    /// Forgets the failures of hosts that are wanted no more.
    pub fn retain(&mut self, wanted: &Wanted) {
        self.hosts.retain(|host, _| wanted.hosts.contains(host));
    }
}

/// What the server asks for, but no more often than a busy server can bear; or else Hiveway's own
/// wait.
fn as_asked(
    own: (Duration, Duration),
    failures: u32,
    asked: Option<Duration>,
    random: u64,
) -> Duration {
    match asked {
        Some(asked) => asked.max(grown((SOONEST, own.1), failures, random)),
        None => grown(own, failures, random),
    }
}

/// Doubles from the first wait to the longest.
fn grown((first, longest): (Duration, Duration), failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = first.saturating_mul(1 << doublings).min(longest);
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    whole.mul_f64(1.0 - share / 4.0)
}
