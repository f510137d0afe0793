//! A connection by TLS that is passed on undecrypted (`tcp://` items): to whom, and what became of it.
//!
//! # Design notes
//!
//! Whether a connection is passed on is known once the client's first message is in, and it has to be asked for on the
//! listener that serves TLS as well. A gateway whose snapshot has no TCP route looks at one field a connection and at nothing
//! else. With one, the first message is read here ([`hello`]) and given back: to TLS, which reads it a second time where
//! the connection is ours after all, or to the task.
//!
//! The endpoint is chosen by what chooses those of requests ([`EndpointLease`]): the same turns, keys, counts, lines and ejections. A
//! connection is one request to all of them. What is retried is the connection to a task, never anything that was sent.
//!
//! A task that takes the connection and ends it before it has said a word, while the client still waits, counts against it
//! as a broken answer does. Later ends do not: both sides end such connections as they like, many by a reset.
//!
//! # What it does not do
//!
//! Clients that speak in clear first (STARTTLS and its likes), and all that is no TLS, say no name to go by; see `tcp_item` of
//! the [labels](crate::core::labels) for why there are no ports for them. First messages that rustls does not take are not
//! passed on either: those without the extension for signature algorithms, which are of clients that know no TLS 1.2. Tasks are
//! not told the client's address: the PROXY protocol is understood, and not spoken.

mod flow;
mod hello;
mod note;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::protocols::GetSocketDigest as _;
use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket as _};
use tokio::time::Instant;

use crate::core::model::route::{Balance, is_local};
use crate::core::request::origin::Origin;
use crate::core::routing::lookup::normal_host;
use crate::observe::access_log::AccessLog;

use self::flow::{End, Flow};
use self::note::ConnectionLogEntry;
use super::filters::Chain;
use super::limits::clients::ClientShare;
use super::limits::task_connections::TaskConnections;
use super::limits::tcp_probes::TcpProbes;
use super::local_reply::LocalReply;
use super::local_reply::upstream_failure;
use super::routing::choice::{EndpointLease, Failure, NoEndpoint};
use super::routing::hold::{PendingRequests, Unserved, Waiting, closed};
use super::routing::table::{Route, RouteTable};
use super::upstream::peer::IDLE_KEEP_ALIVE;
use super::upstream::watched::{Connector, Socket};

/// What all passages share.
pub(super) struct Passthrough {
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) holding: Arc<PendingRequests>,
    pub(super) tasks: Arc<TaskConnections>,
    /// None where connections are not written down.
    pub(super) access_log: Option<AccessLog>,
    /// How a client that has vanished is found out.
    pub(super) probes: TcpProbes,
}

/// What a connection asks for.
pub(super) enum Asked {
    /// To be served here, or nothing that can be told.
    Ours(Plain),
    /// To be passed on.
    Passage(PassthroughConnection),
}

/// A connection that is passed on.
pub(super) struct PassthroughConnection {
    /// Gives the first message again.
    stream: Plain,
    /// The name that the client asked for.
    name: Arc<str>,
    /// What was found for it when it asked.
    route: Arc<Route>,
    passages: Arc<Passthrough>,
}

impl Passthrough {
    /// Finds out what a connection that has just begun asks for. To be bounded in time. Fails with a reason for the
    /// metric where there is nothing to go on with.
    pub(super) async fn ask(self: &Arc<Self>, mut stream: Plain) -> Result<Asked, &'static str> {
        if self.table.load().tcp.is_none() {
            return Ok(Asked::Ours(stream));
        }
        let hello = hello::read(&mut stream).await?;
        stream.rewind(&hello.bytes);
        let name = hello.name.as_deref().map(normal_host);
        let found = name.and_then(|name| Some((self.find(&name)?, name.into())));
        Ok(match found {
            None => Asked::Ours(stream),
            Some((route, name)) => Asked::Passage(PassthroughConnection {
                stream,
                name,
                route,
                passages: self.clone(),
            }),
        })
    }

    /// The TCP route of a normalised name, in the table of now. Listeners that speak TLS face the outside.
    fn find(&self, name: &str) -> Option<Arc<Route>> {
        let table = self.table.load();
        let index = table.tcp.as_ref().filter(|_| !is_local(name))?;
        index.find(name).cloned()
    }
}

impl PassthroughConnection {
    /// Passes the connection on to its end. `told` is whose it is, where a proxy has told that, and `share` what it counts to.
    pub(super) async fn run(mut self, told: Option<Origin>, share: &Arc<ClientShare>) {
        self.passages.probes.watch_silence_only(&mut self.stream);
        let client = told.unwrap_or_else(|| peer(&self.stream));
        let mut note = ConnectionLogEntry::new(client, self.name.clone());
        let mut admitted = None;
        let end = match EndpointLease::of_connection(&self.route, note.client(), None) {
            Ok(choice) => self.carry(choice, share, &mut admitted, &mut note).await,
            Err(lack) => match self.wait(lack, &mut admitted, &mut note).await {
                Ok(choice) => self.carry(choice, share, &mut admitted, &mut note).await,
                Err(reason) => reason,
            },
        };
        note.conclude(end, self.passages.access_log.as_ref());
    }

    /// Waits for an endpoint, where the service lets its clients wait. The error is how it ended otherwise. Guards come first: places
    /// in the line are few, and a client that they refuse gets none.
    async fn wait(
        &mut self,
        lack: NoEndpoint,
        admitted: &mut Option<Arc<Chain>>,
        note: &mut ConnectionLogEntry,
    ) -> Result<EndpointLease, &'static str> {
        note.is_of(&lack.service, &lack.runtime.metrics);
        admit(lack.chain.as_ref(), &lack.service, admitted, note)?;
        let Self {
            stream,
            name,
            passages,
            ..
        } = self;
        let client = note.client();
        // Another table is in force by now, perhaps without the route.
        let decide = |_: &Plain, lack: &NoEndpoint| match passages.find(name) {
            Some(route) => {
                EndpointLease::of_connection(&route, client, Some(lack)).map_err(Unserved::Lack)
            }
            None => Err(Unserved::Answer(LocalReply::no_route(name, ""))),
        };
        let waited = passages.holding.wait(stream, note.started, lack, decide);
        match waited.await {
            Ok(Ok(choice)) => Ok(choice),
            Ok(Err(answer)) => Err(answer.reason),
            Err(_) => Err("client-left"),
        }
    }

    /// Connects to the endpoint, or to others where it cannot be reached, and passes on what comes. Returns how it ended.
    async fn carry(
        &mut self,
        mut choice: EndpointLease,
        share: &Arc<ClientShare>,
        admitted: &mut Option<Arc<Chain>>,
        note: &mut ConnectionLogEntry,
    ) -> &'static str {
        let mut permit = None;
        let socket = loop {
            if let Some(lack) = choice.lack() {
                // Others may use the connection meanwhile.
                permit = None;
                choice = match self.wait(lack, admitted, note).await {
                    Ok(choice) => choice,
                    Err(reason) => return reason,
                };
            }
            let pool = choice.pool();
            note.is_of(&pool.service, &pool.runtime.metrics);
            if let Err(reason) = admit(pool.chain.as_ref(), &pool.service, admitted, note) {
                return reason;
            }
            if permit.is_none() {
                match self.passages.tasks.take(share, self.stream.left()).await {
                    Ok(taken) => permit = Some(taken),
                    Err(full) => return full.answer().reason,
                }
            }
            choice.sent(Instant::now());
            note.connects(&choice.target().task, choice.retries());
            match reach(&choice).await {
                Ok(socket) => break socket,
                Err(error) => {
                    choice.failed(upstream_failure::connecting(&error));
                    if !choice.move_on(Failure::Unsent) {
                        return "unreachable";
                    }
                }
            }
        };
        note.connected();
        let pool = choice.pool();
        let figures = &pool.runtime.metrics.tcp;
        let _open = figures.open();
        let runtime = &choice.target().runtime;
        let asked = Instant::now();
        let answered = || {
            runtime.answered(200);
            runtime.metrics.waited(asked.elapsed());
            if pool.policy.balance == Balance::PeakEwma {
                runtime.took(asked.elapsed());
            }
        };
        let flow = Flow::new(figures);
        let idle = pool.policy.idle_timeout;
        let end = flow.pass(&mut self.stream, socket, idle, answered).await;
        note.carried(&flow);
        if end.is_the_tasks_fault(&flow) {
            runtime.broke();
        } else if !flow.is_answered() {
            runtime.metrics.aborted(false);
        }
        match end {
            End::Closed => "closed",
            End::Idle => "idle",
            End::Broken { .. } => "reset",
        }
    }
}

/// Lets a connection in to a service by its guards: once for a service, whatever is tried. The error is how it ends.
fn admit(
    chain: Option<&Arc<Chain>>,
    service: &str,
    admitted: &mut Option<Arc<Chain>>,
    note: &ConnectionLogEntry,
) -> Result<(), &'static str> {
    let new = |chain: &&Arc<Chain>| !admitted.iter().any(|it| Arc::ptr_eq(it, chain));
    if let Some(chain) = chain.filter(new) {
        let let_in = chain.admit_connection(service, note.client());
        let_in.map_err(|answer| answer.reason)?;
        *admitted = Some(chain.clone());
    }
    Ok(())
}

impl Waiting for Plain {
    async fn left(&mut self) {
        let digest = self.get_socket_digest();
        closed(digest.as_deref()).await;
    }
}

async fn reach(choice: &EndpointLease) -> pingora::Result<Socket> {
    let connector = Connector {
        timeout: choice.pool().policy.connect_timeout,
        upgrade: false,
    };
    let socket = connector.reach(choice.target().address).await?;
    for option in [
        VirtualSockOpt::NoDelay,
        VirtualSockOpt::KeepAlive(IDLE_KEEP_ALIVE),
    ] {
        // A connection without them is slower at most, and later to be given up.
        let _ = socket.set_socket_option(option);
    }
    Ok(socket)
}

/// Where a connection comes from.
fn peer(stream: &Plain) -> Origin {
    let digest = stream.get_socket_digest();
    let address = digest
        .as_ref()
        .and_then(|digest| digest.peer_addr()?.as_inet().copied());
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    address.map_or(unknown, |address| address.ip()).into()
}
