//! The links to all controllers: which are kept, and what is known of whoever is at their other end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::link::{Ended, Linking, Subscription};
use super::search::Found;
use crate::core::certificates::acme::Challenge;
use crate::core::event::Event;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::following;
use crate::core::protocol::{CommandTargets, Standing};
use crate::observe::event_log::Emitter;
use crate::process::backoff;
use crate::sync::transport;

/// How long a controller is away before that is a warning. An instance that is replaced start-first
/// leaves the name within Docker's ten seconds before SIGKILL and the two of a look-up; and a node
/// that restarts is worth a warning.
const LASTS: Duration = Duration::from_secs(20);

/// The links of one follower. Their tasks end with it.
pub(super) struct Links {
    linking: Linking,
    emitter: Emitter,
    /// The port of controllers that are known by their address only.
    port: u16,
    /// What names resolve to.
    pub(super) found: Found,
    links: BTreeMap<SocketAddr, Link>,
    tasks: JoinSet<()>,
}

/// A controller's address, and what is known of it.
#[derive(Default)]
pub(super) struct Link {
    /// What is asked of it.
    pub(super) wish: watch::Sender<Subscription>,
    /// What it said last of itself; none before it has, and after it is gone.
    pub(super) standing: Option<Standing>,
    /// The commands that it wants to be run here.
    pub(super) commands: Arc<CommandTargets>,
    /// What it says that an ACME server is about to ask.
    pub(super) challenges: Arc<[Challenge]>,
    /// Failures since it was heard last.
    failures: u32,
    /// When it is tried again; none while there is a link.
    retry: Option<Instant>,
    /// Why there is no link.
    failure: Option<Arc<str>>,
    /// Since when a controller that was there is away, until that was reported as lasting.
    away: Option<Instant>,
    /// It is this process itself, which needs none.
    itself: bool,
    /// That it has another secret was told.
    refused: bool,
}

impl Links {
    pub(super) fn new(linking: Linking, emitter: Emitter, port: u16) -> Self {
        Self {
            linking,
            emitter,
            port,
            found: Found::default(),
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn get(&self, address: SocketAddr) -> Option<&Link> {
        self.links.get(&address)
    }

    pub(super) fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Link> {
        self.links.get_mut(&address)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SocketAddr, &Link)> {
        self.links.iter()
    }

    /// Keeps a link to every candidate, and to nobody else.
    pub(super) fn open(&mut self, snapshot: Option<&Snapshot>) {
        if self.found == Found::default() {
            // There is no controller but the own one, or none has been looked for yet.
            return;
        }
        let candidates = following::candidates(&self.found.addresses, snapshot, self.port);
        // One that is being opened or is open stays until it ends by itself, whatever is said of its address: were it forgotten
        // and its address named again, there would be two, and the end of the one be taken for that of the other.
        self.links
            .retain(|address, link| candidates.contains(address) || link.is_under_way());
        let now = Instant::now();
        for address in candidates {
            let new = !self.links.contains_key(&address);
            let link = self.links.entry(address).or_default();
            if new || link.retry.is_some_and(|retry| retry <= now) {
                link.retry = None;
                let wishes = link.wish.subscribe();
                self.tasks.spawn(self.linking.clone().keep(address, wishes));
            }
        }
    }

    /// When a link that failed is due to be tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.links.values().filter_map(|link| link.retry).min()
    }

    /// Returns when a link's task has ended.
    pub(super) async fn reap(&mut self) {
        match self.tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    /// Notes that a link is over, and tells it where it matters.
    pub(super) fn end(&mut self, address: SocketAddr, ended: &Ended) {
        let Some(link) = self.links.get_mut(&address) else {
            return;
        };
        let reason: Arc<str> = ended.to_string().into();
        tracing::debug!(%address, %reason, "no link to a controller");
        link.failures += 1;
        link.itself = matches!(ended, Ended::Itself);
        link.retry = (!link.itself).then(|| Instant::now() + backoff::after(link.failures));
        link.failure = Some(reason.clone());
        link.commands = Arc::default();
        link.challenges = Arc::default();
        link.wish.send_replace(Subscription::Nothing);
        let controller: Arc<str> = address.ip().to_string().into();
        let secret = matches!(ended, Ended::Open(transport::Error::Secret));
        if link.standing.take().is_some() {
            link.away = Some(Instant::now());
            self.emitter
                .emit(Event::ControllerLeft { controller, reason });
        } else if secret && !std::mem::replace(&mut link.refused, true) {
            self.emitter.emit(Event::PeerRefused {
                peer: controller,
                reason,
            });
        }
    }

    /// Reports controllers that are away for long and still looked for. One that is replaced is
    /// not: its address is soon gone. Where none is left, frozen routes are reported much sooner.
    pub(super) fn report_away(&mut self) {
        for (address, link) in &mut self.links {
            let Some(_) = link.away.take_if(|since| since.elapsed() >= LASTS) else {
                continue;
            };
            let reason = link.failure.clone();
            self.emitter.emit(Event::ControllerLost {
                controller: address.ip().to_string().into(),
                reason: reason.unwrap_or_else(|| "no answer yet".into()),
            });
        }
    }

    /// Why nobody at the other ends knows the swarm as it is.
    pub(super) fn complaints(&self) -> impl Iterator<Item = String> {
        let links = self
            .links
            .iter()
            .filter_map(|(address, link)| Some(format!("{}: {}", address.ip(), link.complaint()?)));
        links.chain(self.found.failures.iter().map(ToString::to_string))
    }
}

impl Link {
    /// Whether a task opens or keeps it.
    fn is_under_way(&self) -> bool {
        self.retry.is_none() && !self.itself
    }

    /// Takes in how the controller stands.
    pub(super) fn hear(&mut self, standing: Standing) {
        self.standing = Some(standing);
        self.failures = 0;
        self.failure = None;
        self.away = None;
        self.refused = false;
    }

    fn complaint(&self) -> Option<String> {
        match (&self.standing, &self.failure) {
            _ if self.itself => None,
            (Some(standing), _) => Some(match &standing.frozen {
                Some(reason) => format!("it is frozen: {reason}"),
                None => "it is warming up".to_owned(),
            }),
            (None, Some(failure)) => Some(failure.to_string()),
            (None, None) => Some("no answer yet".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::sync::{broadcast, mpsc};

    use super::*;
    use crate::core::event::Severity;
    use crate::core::protocol::AcmeShare;
    use crate::observe::event_log;
    use crate::state::drain_store::OrderBook;
    use crate::sync::client::link::Heard;
    use crate::sync::transport::WireError;
    use crate::sync::transport::{Identity, Secret};

    fn linking(heard: mpsc::Sender<(SocketAddr, Heard)>) -> Linking {
        Linking {
            identity: Identity::derive(&Secret::none()),
            node: None,
            acme: AcmeShare::Nothing,
            public: false,
            order_book: OrderBook::default(),
            own_listener: None,
            serves_tls: false,
            notes: broadcast::Sender::new(1),
            heard,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_is_replaced_is_no_warning() {
        let (heard, _told) = mpsc::channel(1);
        let (emitter, mut events) = event_log::channel();
        let mut links = Links::new(linking(heard), emitter, transport::PORT);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut leaves = |links: &mut Links| {
            let link = links.links.entry(address).or_default();
            link.hear(Standing {
                generation: None,
                frozen: None,
            });
            links.end(address, &Ended::Speak(WireError::Close));
            let event = events.try_recv().expect("it left");
            (event.kind(), event.severity(), events.try_recv().is_err())
        };
        let left = ("controller_left", Severity::Info, true);
        assert_eq!(leaves(&mut links), left);

        // Its address is gone before long, and nothing more is reported.
        tokio::time::advance(LASTS / 2).await;
        links.report_away();
        links.links.clear();
        tokio::time::advance(LASTS).await;
        links.report_away();

        // One that comes back in time is no warning either; one that stays away is, once.
        assert_eq!(leaves(&mut links), left);
        assert_eq!(leaves(&mut links), left);
        tokio::time::advance(LASTS).await;
        links.report_away();
        links.report_away();
        let lost = events.try_recv().expect("it stays away");
        assert_eq!(
            (lost.kind(), lost.severity()),
            ("controller_lost", Severity::Warning)
        );
        assert!(events.try_recv().is_err());
    }

    #[tokio::test]
    async fn opening_link_outlasts_its_address_and_is_opened_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = silent.local_addr().expect("an address");
        let (heard, _told) = mpsc::channel(1);
        let mut links = Links::new(linking(heard), event_log::channel().0, transport::PORT);
        let mut find = |addresses: &[SocketAddr], ended: Option<Ended>| {
            links.found = Found {
                addresses: addresses.iter().copied().collect(),
                failures: vec!["another place does not resolve".into()],
            };
            if let Some(ended) = ended {
                links.end(address, &ended);
            }
            links.open(None);
            (links.links.len(), links.tasks.len())
        };
        assert_eq!(find(&[address], None), (1, 1));
        assert_eq!(find(&[], None), (1, 1));
        assert_eq!(find(&[address], None), (1, 1));
        let ended = Ended::Open(transport::Error::Hang);
        assert_eq!(find(&[], Some(ended)).0, 0);
    }
}
