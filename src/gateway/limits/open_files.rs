//! How the files that this process may hold open are divided: connections of clients, connections to tasks, and a reserve.
//!
//! # Design notes
//!
//! A proxy holds two kinds of descriptors that clients decide the number of: their own connections, and the connections to
//! tasks that their requests use. Each kind has a bound, and the two together leave a reserve, so that the admin listener,
//! the control channel, the name server, probes and files never fail for want of a descriptor. A process that cannot
//! answer its health check is killed by Swarm, which makes the flood of one client an outage for all.
//!
//! The reserve is an eighth of all, and [`ALWAYS`] on top; never more than [`RESERVE`]. Connections to tasks that are kept
//! for the next request are no request's: they have a part of their own, which is the size of Pingora's two pools.

use std::num::NonZeroUsize;

use rustix::process::{Resource, getrlimit};

use crate::gateway::Limits;

/// The most connections of either kind by default. 65 536 requests at work hold some gigabytes of memory.
const MOST: usize = 65_536;

/// The least of either kind, however few files there are; otherwise nothing could be served at all.
const LEAST: usize = 8;

/// Files that are kept for the process itself in any case: listeners, the log, the engine, the store, the runtime.
const ALWAYS: usize = 128;

/// The most that is ever kept: the control channel's own bound on peers (4 096), half of its probes' (512), those of the
/// admin listener (512) and the name server (128 connections, 1 024 questions that are forwarded), and as much again for
/// what is accepted and closed at once.
const RESERVE: usize = 8_192;

/// The size of Pingora's pool of idle connections, for each thread; its own default.
const IDLE_OF_A_THREAD: usize = 128;

/// A pool of idle connections gets no more than this part of the files.
const IDLE_PART: usize = 16;

/// What each kind gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Division {
    /// Connections of clients.
    pub(crate) connections: usize,
    /// Connections to tasks that are in use.
    pub(crate) task_connections: usize,
    /// Idle connections to tasks for each thread, in each of two pools: of HTTP/1 and of HTTP/2.
    pub(crate) idle_of_a_thread: usize,
    /// The limit of open files that the flags would need; `None` where there are enough.
    pub(crate) needed: Option<usize>,
}

impl Division {
    /// Divides this number of files, by the flags where they are given.
    pub(crate) fn new(files: usize, limits: &Limits, threads: usize) -> Self {
        let threads = threads.max(1);
        let shared = files - reserve(files);
        let idle_of_a_thread = (shared / IDLE_PART / threads).clamp(1, IDLE_OF_A_THREAD);
        let rest = shared.saturating_sub(2 * idle_of_a_thread * threads);

        let asked = |flag: Option<NonZeroUsize>| flag.map(NonZeroUsize::get);
        let left = |taken: usize| rest.saturating_sub(taken).clamp(LEAST, MOST);
        let flags = (asked(limits.connections), asked(limits.task_connections));
        let (connections, task_connections) = match flags {
            (None, None) => (left(rest.div_ceil(2)), left(rest.div_ceil(2))),
            // A quarter is the least that makes sense, since most connections of clients idle.
            (Some(clients), None) => (clients, left(clients).max((clients / 4).min(rest / 3))),
            (None, Some(tasks)) => (left(tasks).max((tasks / 4).min(rest / 3)), tasks),
            (Some(clients), Some(tasks)) => (clients, tasks),
        };

        let sum = connections as u128 + task_connections as u128;
        let fits = sum <= rest as u128 || flags == (None, None);
        // Shares in proportion, so that the reserve stays whatever the flags are.
        let share = |count: usize| match fits {
            true => count,
            false => {
                let scaled = rest as u128 * count as u128 / sum;
                usize::try_from(scaled).unwrap_or(rest).max(LEAST)
            }
        };
        Self {
            connections: share(connections),
            task_connections: share(task_connections),
            idle_of_a_thread,
            needed: (!fits).then(|| needed(flags, threads)),
        }
    }

    /// Reports flags that the limit of open files is too low for, and what they come to.
    pub(crate) fn warn(&self, files: usize) {
        let Some(needed) = self.needed else {
            return;
        };
        tracing::warn!(
            target: "hiveway",
            "--max-connections and --max-task-connections ask for more than the limit of {files} open files allows: \
             {} and {} are in force; raise the limit to {needed} (ulimits.nofile in a stack file, LimitNOFILE in a \
             unit of systemd), or lower the flags",
            self.connections,
            self.task_connections
        );
    }
}

/// How many files this process may hold open; as many as anybody needs where there is no limit.
pub(crate) fn limit() -> usize {
    const UNLIMITED: usize = 1 << 20;
    let files = getrlimit(Resource::Nofile).current;
    files.map_or(UNLIMITED, |files| {
        usize::try_from(files).unwrap_or(UNLIMITED)
    })
}

/// `--max-connections` and `--max-task-connections`, where they are given.
type Flags = (Option<usize>, Option<usize>);

/// What is kept of this number of files.
fn reserve(files: usize) -> usize {
    (ALWAYS + files / 8).min(RESERVE).min(files / 2)
}

/// A limit of open files that is enough for these flags.
fn needed((connections, task_connections): Flags, threads: usize) -> usize {
    let given = connections.or(task_connections).unwrap_or_default();
    let both = [connections, task_connections].map(|flag| flag.unwrap_or(given / 4));
    let idle = 2 * IDLE_OF_A_THREAD * threads;
    let shared = both[0].saturating_add(both[1]).saturating_add(idle);

    let by_part = (shared.saturating_add(ALWAYS) / 7)
        .saturating_mul(8)
        .saturating_add(8);
    by_part.min(shared.saturating_add(RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(files: usize, clients: usize, tasks: usize) -> Division {
        let limits = Limits {
            connections: NonZeroUsize::new(clients),
            task_connections: NonZeroUsize::new(tasks),
            ..Limits::default()
        };
        Division::new(files, &limits, 2)
    }

    #[test]
    fn by_default_clients_and_tasks_get_the_same() {
        for (files, each, idle) in [
            (1_024, 336, 24),
            (4_096, 1_512, 108),
            (20_000, 8_430, 128),
            (1_048_576, 65_536, 128),
        ] {
            let division = divide(files, 0, 0);
            let got = (division.connections, division.task_connections);
            assert_eq!(got, (each, each), "{files}");
            assert_eq!((division.idle_of_a_thread, division.needed), (idle, None));
        }
    }

    #[test]
    fn flags_that_fit_are_taken_as_they_are() {
        for (files, clients, tasks, expected) in [
            (1_024, 500, 100, (500, 100)),
            (1_024, 500, 0, (500, 172)),
            (1_024, 0, 72, (600, 72)),
            (1_048_576, 200_000, 0, (200_000, 65_536)),
        ] {
            let division = divide(files, clients, tasks);
            let got = (division.connections, division.task_connections);
            assert_eq!(
                (got, division.needed),
                (expected, None),
                "{clients} {tasks}"
            );
        }
    }

    #[test]
    fn flags_that_do_not_fit_are_scaled_and_told_what_they_need() {
        for (files, clients, tasks) in [
            (1_024, 1_000, 1_000),
            (1_024, 5_000, 0),
            (1_024, 0, 5_000),
            (20_000, 30_000, 0),
            (4_096, usize::MAX, usize::MAX),
        ] {
            let division = divide(files, clients, tasks);
            let sum = division.connections + division.task_connections;
            assert!(sum + reserve(files) <= files, "{division:?}");
            let needed = division.needed.expect("it does not fit");
            if clients < usize::MAX {
                assert_eq!(divide(needed, clients, tasks).needed, None, "{division:?}");
            }
        }
    }

    #[test]
    fn however_few_files_there_are_something_is_served() {
        for files in [0, 1, 16, 64, 256] {
            let division = divide(files, 0, 0);
            assert!(division.connections >= LEAST && division.task_connections >= LEAST);
        }
    }
}
