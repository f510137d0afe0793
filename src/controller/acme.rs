//! Orders certificates from an ACME server (RFC 8555) for the public hosts whose routes ask for TLS, and keeps them.
//!
//! Which hosts those are, when each is due and how long one that failed waits is decided in [`core::certificates::acme`](crate::core::certificates::acme).
//! Here is the loop around it, with what it knows on disk; below it, what speaks to the server. Nobody else names the crate
//! that does.
//!
//! # Design notes
//!
//! Only the leading controller orders, one certificate at a time, each for one host: a server counts orders, and one host that
//! cannot be proved must not keep others waiting. A route that is to have a certificate says `https://`. One without a scheme
//! takes TLS where a certificate is at hand, and asks for none.
//!
//! Whoever of the gateways is asked has to know the answer. So a challenge is told to all of them over the control channel, and
//! the server is asked to look only after [`SPREAD`]: a gateway that has not heard of it by then has lost its controller.
//!
//! What was issued travels to gateways that serve TLS and to all controllers, which write it down in their `--state-dir`, so
//! that a new leader goes on where the old one was. The account's key stays with the controller that made it: gateways that face
//! the internet have no use for it, and an account costs nothing. A controller that leads for the first time makes its own.
//! Keys lie in files that only their owner can read, in folders of one server each, so that what a server for trials issued is
//! not taken for what is wanted of another.
//!
//! Failures are remembered in memory. A controller that starts again tries again, once for every host.

mod client;
mod folder;
mod order;
mod outlook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::client::Client;
use self::folder::Folder;
use self::order::{OrderError, Orderer};
use self::outlook::RenewalStatus;
use crate::core::certificates::acme::{
    self, Challenge, ChallengeKind, Issued, IssuedCertificate, Next, RenewalState, Wanted,
};
use crate::core::event::Event;
use crate::core::model::snapshot::Snapshot;
use crate::core::reconcile::wishes::DesiredChanges;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::observe::readiness::Readiness;
use crate::process::clock;
use crate::sync::server;
use crate::tls::certificates::NotIssued;

/// How long after a challenge was told the server is asked to look: as long as a controller may be silent before it counts as
/// gone.
pub const SPREAD: Duration = crate::sync::transport::SILENCE;

/// How long after the start nothing is ordered, so that what other controllers were issued is heard first.
const LISTEN: Duration = Duration::from_secs(3);

/// The longest sleep. Certificates end by the time of day, which may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// What has to be known to order certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The URL of the server's directory.
    pub directory: Arc<str>,
    /// Whom the server may write to, as URLs (`mailto:`).
    pub contacts: Vec<String>,
    /// A file with the authorities that vouch for the server; none: those that browsers trust.
    pub root: Option<PathBuf>,
    /// By what hosts prove who they are.
    pub challenge: ChallengeKind,
    /// The folder in which account and certificates are kept, in one of their own.
    pub state_dir: PathBuf,
}

/// Why certificates cannot be ordered at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the server's authorities cannot be used.
    #[error(
        "cannot use the ACME server's authorities in {path}: {reason}; --acme-root names a file with their certificates as PEM"
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Account and certificates could not be kept.
    #[error(
        "cannot keep the ACME account and certificates in {path}: {source}; give a folder that may be written to with \
         --state-dir"
    )]
    Keep {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What decides about orders.
pub struct Inputs {
    /// The routes; none while warming up.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Whether this controller leads.
    pub wishes: watch::Receiver<DesiredChanges>,
    /// Whether it does so without being told: there is no manager that could.
    pub alone: bool,
    /// The certificates of other origin.
    pub not_issued: watch::Receiver<NotIssued>,
    /// What other controllers were issued.
    pub heard: watch::Receiver<Arc<Issued>>,
}

/// Orders certificates. One that is open has read what was kept, and asked nobody anything.
pub struct Issuer {
    orderer: Orderer,
    folder: Folder,
    issued: watch::Sender<Arc<Issued>>,
    challenges: watch::Sender<Arc<[Challenge]>>,
    emitter: Emitter,
    metrics: Metrics,
    readiness: Readiness,
}

impl Issuer {
    /// Reads what was kept.
    ///
    /// # Errors
    ///
    /// [`Error`]: the authorities cannot be read, or the folder cannot be written to. A certificate in it that cannot be used
    /// is told of in an event.
    pub async fn open(
        config: Config,
        emitter: Emitter,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Result<Self, Error> {
        let client = Client::open(config.root.as_deref())?;
        let folder = Folder::open(&config.state_dir, &config.directory).await?;
        let mut known = folder.certificates(&emitter).await;
        acme::forget_ended(&mut known, clock::now());
        let challenges = watch::Sender::new(Arc::default());
        metrics.acme().begin();
        Ok(Self {
            orderer: Orderer::new(config, client, folder.clone(), challenges.clone()),
            folder,
            issued: watch::Sender::new(Arc::new(known)),
            challenges,
            emitter,
            metrics,
            readiness,
        })
    }

    /// What is told of the server to other nodes, and to this one.
    #[must_use]
    pub fn told(&self) -> server::Acme {
        server::Acme {
            issued: self.issued.subscribe(),
            challenges: self.challenges.subscribe(),
        }
    }

    /// Orders what is due until `stop`, or until nobody publishes routes any more.
    pub async fn run(self, mut inputs: Inputs, stop: CancellationToken) {
        let start = Instant::now() + LISTEN;
        let mut ledger = RenewalState::default();
        let mut outlook = RenewalStatus::new(&self.emitter, &self.metrics, &self.readiness);
        // One at most; it ends with this.
        let mut orders: JoinSet<(Arc<str>, Result<IssuedCertificate, OrderError>)> = JoinSet::new();
        inputs.heard.mark_changed();
        loop {
            let leads = inputs.alone || inputs.wishes.borrow_and_update().leading;
            if !leads && !orders.is_empty() {
                // It takes its challenge back.
                orders.shutdown().await;
            }
            if inputs.heard.has_changed().unwrap_or_default() {
                let heard = inputs.heard.borrow_and_update().clone();
                self.take(&heard).await;
            }
            let may_order = orders.is_empty() && start <= Instant::now();
            let next = match self.wanted(&mut inputs).filter(|_| leads) {
                Some(wanted) => {
                    ledger.retain(&wanted);
                    let issued = self.issued.borrow().clone();
                    let next = ledger.next(&wanted, &issued, clock::now());
                    if let Next::Order(host) = &next
                        && may_order
                    {
                        outlook.orders(host);
                    }
                    outlook.show(&wanted, &issued);
                    next
                }
                None => {
                    outlook.hide();
                    Next::Rest
                }
            };
            let pause = match next {
                Next::Order(host) if may_order => {
                    let orderer = self.orderer.clone();
                    orders.spawn(async move {
                        let outcome = orderer.order(&host).await;
                        (host, outcome)
                    });
                    LONGEST_SLEEP
                }
                Next::Wait(moment) if orders.is_empty() => {
                    let wait = moment.0.saturating_sub(clock::now().0);
                    Duration::from_millis(wait).min(LONGEST_SLEEP)
                }
                Next::Order(_) | Next::Wait(_) | Next::Rest => LONGEST_SLEEP,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = orders.join_next() => match ended {
                    Ok((host, Ok(certificate))) => {
                        ledger.succeed(&host);
                        outlook.issued(&certificate);
                        self.metrics.acme().orders("issued").inc();
                        self.take_one(certificate).await;
                    }
                    Ok((host, Err(refused))) => {
                        let random = rand();
                        let wait = ledger.fail(
                            &host,
                            refused.failure,
                            refused.retry_after,
                            clock::now(),
                            random,
                        );
                        self.metrics.acme().orders(refused.failure.as_str()).inc();
                        outlook.failed(&host, &refused.reason, wait);
                    }
                    Err(error) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    // Nobody aborts an order but above.
                    Err(_) => {}
                },
                changed = changed(&mut inputs) => if !changed { return },
                () = sleep(pause) => {}
                () = sleep_until(start), if Instant::now() < start => {}
            }
        }
    }

    /// The hosts that need a certificate; none while no routes are known.
    fn wanted(&self, inputs: &mut Inputs) -> Option<Wanted> {
        let snapshot = inputs.snapshots.borrow_and_update().clone()?;
        let others = inputs.not_issued.borrow_and_update().clone();
        Some(Wanted::of(&snapshot).without(&others, clock::now()))
    }

    async fn take_one(&self, certificate: IssuedCertificate) {
        let one = Issued::from([(certificate.host.clone(), Arc::new(certificate))]);
        self.take(&one).await;
    }

    /// Takes in what is new, writes it down and tells it.
    async fn take(&self, more: &Issued) {
        let mut known = (**self.issued.borrow()).clone();
        let before = known.clone();
        // What another server issued may be meant for trials.
        let ours =
            |(_, it): &(&Arc<str>, &Arc<IssuedCertificate>)| it.directory == self.folder.directory;
        let ours = more.iter().filter(ours);
        let ours = ours.map(|(host, it)| (host.clone(), it.clone()));
        if !acme::join(&mut known, &ours.collect()) {
            return;
        }
        for certificate in acme::news(&before, &known) {
            if let Err(error) = self.folder.keep(&certificate).await {
                self.emitter.emit(Event::CertificateNotKept {
                    file: self.folder.file(&certificate.host).into(),
                    reason: error.to_string().into(),
                });
            }
        }
        self.issued.send_replace(Arc::new(known));
    }
}

/// Waits until anything that decides about orders changed; false where nobody is left who could change it.
async fn changed(inputs: &mut Inputs) -> bool {
    tokio::select! {
        changed = inputs.snapshots.changed() => changed.is_ok(),
        Ok(()) = inputs.wishes.changed() => true,
        Ok(()) = inputs.not_issued.changed() => true,
        Ok(()) = inputs.heard.changed() => {
            // It is looked at where it is taken in.
            inputs.heard.mark_changed();
            true
        }
    }
}

/// A number that is not to be foreseen.
fn rand() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
