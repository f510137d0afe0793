//! How many connections to tasks requests may use: in all, and each client.
//!
//! # Design notes
//!
//! A client pays one connection for a hundred requests of HTTP/2, and this process one descriptor for each of them. So the
//! bound on clients' connections alone leaves the number of descriptors to clients. Here each request takes a [`Permit`]
//! before it goes to a task, a WebSocket and a connection that is passed on as well, and keeps it to its end. A request
//! that waits for an endpoint has none.
//!
//! One that finds no room waits for [`WAIT`] in a line, which smooths the bursts of a client that is at its bound. The line
//! is bounded, too, and a client's part of it. What becomes free is given to the first in line whose client may have it.
//!
//! Requests to tasks that speak HTTP/2 share connections. Which one a request goes by is known once it is connected: all
//! but the first on a descriptor give their permit back ([`shared_connections`]), and the last to leave gives back that one.
//!
//! The counters are changed by comparing and swapping, not by adding and taking back: a refused request that was counted
//! for a moment would make room look taken that is free.

mod shared_connections;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::observe::metrics::TaskConnectionFigures;

use super::alarm::{Alarm, Alarms};
use super::clients::ClientShare;
use super::open_files::Division;
use crate::gateway::Limits;
use crate::gateway::local_reply::LocalReply;

use self::shared_connections::Shared;

/// The flags' names, which are the reasons of refusals.
pub(crate) const ALL: &str = "max-task-connections";
pub(crate) const CLIENT: &str = "max-task-connections-per-client";

/// How long a request waits for room. Most answers take less, so that some room comes.
const WAIT: Duration = Duration::from_secs(1);

/// How many requests may wait. Each costs some 45 KB.
const WAITING: usize = 1_024;

/// The connections to tasks that may be in use. Shared by all requests.
pub(crate) struct TaskConnections {
    most: usize,
    per_client: Option<NonZeroUsize>,
    figures: Arc<TaskConnectionFigures>,
    line: Mutex<Line>,
    shared: Shared,
    full: Arc<Alarm>,
    client_full: Arc<Alarm>,
}

#[derive(Default)]
struct Line {
    next: u64,
    places: VecDeque<Place>,
}

struct Place {
    number: u64,
    client: Arc<ClientShare>,
    give: oneshot::Sender<Permit>,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All that there may be are in use.
    All,
    /// The client uses as many as it may.
    Client,
}

/// The right to use a connection to a task; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    all: Arc<TaskConnections>,
    client: Arc<ClientShare>,
    /// Whether it counts for its client.
    of_client: bool,
    /// The connection that it shares with others, once that is known.
    file: Option<RawFd>,
}

impl TaskConnections {
    pub(crate) fn new(
        division: &Division,
        limits: &Limits,
        files: usize,
        figures: Arc<TaskConnectionFigures>,
        alarms: &mut Alarms,
    ) -> Arc<Self> {
        let most = division.task_connections;
        figures.most.store(most, Ordering::Relaxed);
        Arc::new(Self {
            most,
            per_client: limits.task_connections_per_client,
            figures,
            line: Mutex::default(),
            shared: Shared::new(files),
            full: alarms.add(ALL),
            client_full: alarms.add(CLIENT),
        })
    }

    /// A permit for a request of this client; after a while, where it has to wait for one. `left` ends when the client
    /// has left.
    pub(crate) async fn take(
        self: &Arc<Self>,
        client: &Arc<ClientShare>,
        left: impl Future<Output = ()>,
    ) -> Result<Permit, Full> {
        match self.try_take(client) {
            Ok(permit) => Ok(permit),
            Err(full) => Box::pin(self.wait(client, full, left)).await,
        }
    }

    fn try_take(self: &Arc<Self>, client: &Arc<ClientShare>) -> Result<Permit, Full> {
        self.enter(client)?;
        Ok(Permit {
            all: self.clone(),
            client: client.clone(),
            of_client: true,
            file: None,
        })
    }

    fn enter(&self, client: &ClientShare) -> Result<(), Full> {
        let open = self.figures.open.load(Ordering::SeqCst);
        let free = self.most.saturating_sub(open);
        if free == 0 {
            return Err(Full::All);
        }
        if !client.takes_task(self.per_client, free) {
            return Err(Full::Client);
        }
        let more = |open: usize| (open < self.most).then_some(open + 1);
        let entered = self
            .figures
            .open
            // Ordered against the line, which is looked at after leaving and joined before entering.
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if entered.is_err() {
            client.leaves_task();
            return Err(Full::All);
        }
        Ok(())
    }

    /// Gives one place back, and it to the first in line who may have it.
    fn leave(self: &Arc<Self>) {
        self.figures.open.fetch_sub(1, Ordering::SeqCst);
        self.give();
    }

    fn give(self: &Arc<Self>) {
        if self.figures.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        // Dropped after the lock: a permit that is not taken is given to the next.
        let mut refused = Vec::new();
        let mut line = self.line();
        let mut at = 0;
        while let Some(place) = line.places.get(at) {
            match self.try_take(&place.client) {
                Ok(permit) => {
                    let place = line.places.remove(at);
                    self.left_line(&permit.client);
                    let given = place.map(|place| place.give.send(permit));
                    refused.extend(given.and_then(Result::err));
                }
                Err(Full::Client) => at += 1,
                Err(Full::All) => break,
            }
        }
        drop(line);
    }

    async fn wait(
        self: &Arc<Self>,
        client: &Arc<ClientShare>,
        full: Full,
        left: impl Future<Output = ()>,
    ) -> Result<Permit, Full> {
        let Some((number, mut given)) = self.join(client) else {
            return Err(self.refuse(full, client));
        };
        // There may be room since it was looked for.
        self.give();
        let _place = Leaving {
            all: self,
            client,
            number,
        };
        tokio::select! {
            biased;
            given = &mut given => given.map_err(|_| full),
            () = sleep(WAIT) => Err(self.refuse(full, client)),
            () = left => Err(full),
        }
    }

    /// A place at the end of the line; `None` where it is full, or the client's part of it.
    fn join(&self, client: &Arc<ClientShare>) -> Option<(u64, oneshot::Receiver<Permit>)> {
        let mut line = self.line();
        let free = WAITING.saturating_sub(line.places.len());
        if free == 0 || !client.waits(free) {
            return None;
        }
        let (give, given) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.places.push_back(Place {
            number,
            client: client.clone(),
            give,
        });
        self.figures.waiting.fetch_add(1, Ordering::SeqCst);
        self.figures.waited.fetch_add(1, Ordering::Relaxed);
        Some((number, given))
    }

    fn left_line(&self, client: &ClientShare) {
        client.waited();
        self.figures.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts a refusal.
    fn refuse(&self, full: Full, client: &ClientShare) -> Full {
        let most = self.most;
        match full {
            Full::All => self.full.refuse(|| {
                format!(
                    "requests use {most} connections to tasks, and further ones are refused; raise \
                     --{ALL}, and the limit of open files with it, or add gateways"
                )
            }),
            Full::Client => self.client_full.refuse(|| {
                let bound = self.per_client.map_or_else(
                    || format!("as many of {most} connections to tasks as it leaves free"),
                    |most| format!("{most} connections to tasks"),
                );
                format!(
                    "client {} uses {bound}, and further requests are refused; raise --{CLIENT}, or \
                     name it in --trusted-proxies if it is a proxy that stands for many",
                    client.address()
                )
            }),
        }
        full
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line
            .lock()
            .expect("nothing panics while it holds the line")
    }
}

impl std::fmt::Debug for TaskConnections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskConnections").finish_non_exhaustive()
    }
}

/// Leaves the line, where its place is still there.
struct Leaving<'a> {
    all: &'a TaskConnections,
    client: &'a ClientShare,
    number: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut line = self.all.line();
        let at = line
            .places
            .binary_search_by_key(&self.number, |place| place.number);
        if let Ok(at) = at {
            line.places.remove(at);
            self.all.left_line(self.client);
        }
    }
}

impl Permit {
    /// Its request goes by this connection, which others may share. Only the first of them goes on to count.
    pub(crate) fn shares(&mut self, file: RawFd) {
        let Some(first) = self.all.shared.enter(file) else {
            return;
        };
        self.file = Some(file);
        if !first {
            self.leaves_client();
            self.all.leave();
        }
    }

    /// Its request goes by another connection from here on.
    pub(crate) fn begin_again(&mut self) -> Result<(), Full> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        self.leaves_client();
        if self.all.shared.leave(file) {
            self.all.leave();
        }
        let entered = self.all.enter(&self.client);
        match entered {
            Ok(()) => self.of_client = true,
            // It counts for nothing, and gives nothing back.
            Err(full) => {
                self.file = Some(shared_connections::NONE);
                self.all.refuse(full, &self.client);
            }
        }
        entered
    }

    fn leaves_client(&mut self) {
        if std::mem::take(&mut self.of_client) {
            self.client.leaves_task();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.leaves_client();
        let counts = match self.file {
            None => true,
            Some(file) => self.all.shared.leave(file),
        };
        if counts {
            self.all.leave();
        } else {
            // Its client may have room now that all have.
            self.all.give();
        }
    }
}

impl Full {
    /// What the request is answered.
    pub(crate) fn answer(self) -> LocalReply {
        match self {
            Self::All => LocalReply::new(
                503,
                ALL,
                "this gateway uses as many connections to tasks as it may (--max-task-connections)",
            ),
            Self::Client => LocalReply::new(
                503,
                CLIENT,
                "this client uses as many connections to tasks as one client may \
                 (--max-task-connections-per-client)",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
