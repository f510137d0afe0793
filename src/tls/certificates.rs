//! Keeps the certificates that TLS is served with: reads them from folders, takes those that a controller gives and those that
//! an ACME server issued, looks again and again whether they changed, and tells what became of them.
//!
//! Written by the [`CertificateManager`]: the certificates in use, for the gateway, and those of its own folders, for the controller to
//! give to others.
//!
//! # Files
//!
//! A certificate is `NAME.crt`, `NAME.pem` or `NAME.cert` with its key in `NAME.key`, or both in one of these, all as PEM and
//! flat in the folder, as Docker mounts secrets. The server's own certificate comes first, those that vouch for it behind it.
//! The file's name says nothing about hosts, which are those that the certificate names, but for `default`: that certificate
//! answers where no other does. Other files, and hidden ones, are nobody's business.
//!
//! # Design notes
//!
//! The folders are read through every few seconds. Notifications of the kernel do not come for every mount, and reading some
//! small files costs less than being wrong about one.
//!
//! Nothing is lost on a mistake: a file that cannot be used changes nothing, and what it held before stays in use. As a pair of
//! files is replaced one after the other, what cannot be used is complained about when it is still there at the next look, and
//! what is missing is believed then.
//!
//! A controller gives its certificates to those who ask for them over the control channel, which is encrypted, and where both sides
//! prove that they know the secret; without a secret nothing is given. Whoever knows the secret can therefore have the keys.
//! Only a process that serves TLS asks.
//!
//! Keys are kept in memory alone, but for those that an ACME server issued on controllers. A gateway that gets them from a
//! controller does not write them to its disk, where they would outlive their use on
//! machines that face the internet: one that starts while no controller can be reached serves TLS with its own
//! certificates, or not before it has heard one.

mod folder;
mod pair;
mod record;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use self::folder::Found;
use self::record::Record;
use crate::core::certificates::acme::Issued;
use crate::core::certificates::{Certificate, GivenCertificate, Origin};
use crate::core::event::Event;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::{CertificateFigure, Metrics};
use crate::process::clock;
use crate::process::watch_ext;

pub use self::pair::{Loaded, Refusal};

/// How often the folders are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Folders with files; none where all certificates come from a controller.
    pub folders: Vec<PathBuf>,
    /// From one look to the next.
    pub look_every: Duration,
}

/// Why certificates cannot be kept at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder cannot be read at the start.
    #[error(
        "cannot read the certificates in {folder}: {source}; give a folder that can be read with --certs"
    )]
    Read {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The certificates in use, the preferred first. Written by the keeper, read by the gateway.
pub type ActiveCertificates = Arc<[Arc<Loaded>]>;

/// Certificates that a controller gives. Written by its keeper and by who follows it.
pub type FromController = Arc<[GivenCertificate]>;

/// What is known of the certificates that no ACME server issued. Written by the keeper, read by who orders from one.
pub type NotIssued = Arc<[Certificate]>;

/// Where a certificate comes from: it is followed by this through its changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CertificateSource {
    /// A file's path without its extension.
    Own(PathBuf),
    /// The file on the controller.
    Given(Arc<str>),
    /// The host that an ACME server issued it for.
    Issued(Arc<str>),
}

impl CertificateSource {
    fn origin(&self) -> Origin {
        match self {
            Self::Own(_) => Origin::Own,
            Self::Given(_) => Origin::Given,
            Self::Issued(_) => Origin::Issued,
        }
    }
}

/// Keeps certificates.
pub struct CertificateManager {
    config: Config,
    records: BTreeMap<CertificateSource, Record>,
    /// Folders that could not be read at the last look, and why.
    unread: BTreeMap<PathBuf, String>,
    in_use: watch::Sender<ActiveCertificates>,
    own: watch::Sender<FromController>,
    not_issued: watch::Sender<NotIssued>,
    emitter: Emitter,
    metrics: Metrics,
}

impl CertificateManager {
    /// Reads the folders for the first time.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] for a folder that cannot be read. Files in it that cannot be used are told of in events.
    pub async fn open(config: Config, emitter: Emitter, metrics: Metrics) -> Result<Self, Error> {
        let mut keeper = Self {
            config,
            records: BTreeMap::new(),
            unread: BTreeMap::new(),
            in_use: watch::Sender::new(Arc::new([])),
            own: watch::Sender::new(Arc::new([])),
            not_issued: watch::Sender::new(Arc::new([])),
            emitter,
            metrics,
        };
        for (folder, found) in keeper.read().await {
            match found {
                Ok(found) => keeper.take(found, Patience::None),
                Err(source) => return Err(Error::Read { folder, source }),
            }
        }
        keeper.publish();
        Ok(keeper)
    }

    /// The certificates in use, for the gateway.
    #[must_use]
    pub fn in_use(&self) -> watch::Receiver<ActiveCertificates> {
        self.in_use.subscribe()
    }

    /// Those of the own folders, for the controller to give to gateways on other nodes.
    #[must_use]
    pub fn own(&self) -> watch::Receiver<FromController> {
        self.own.subscribe()
    }

    /// Those for whose names no ACME server is needed.
    #[must_use]
    pub fn not_issued(&self) -> watch::Receiver<NotIssued> {
        self.not_issued.subscribe()
    }

    /// Looks again and again, and takes what a controller gives and what was issued, until `stop`.
    pub async fn run(
        mut self,
        mut given: watch::Receiver<FromController>,
        mut issued: watch::Receiver<Arc<Issued>>,
        stop: CancellationToken,
    ) {
        let every = self.config.look_every;
        let mut looks = interval_at(tokio::time::Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        given.mark_changed();
        issued.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = given.changed() => {
                    let latest = given.borrow_and_update().clone();
                    self.take_given(&latest);
                }
                Ok(()) = issued.changed() => {
                    let latest = issued.borrow_and_update().clone();
                    self.take_issued(&latest);
                }
                _ = looks.tick() => self.look().await,
            }
            self.publish();
        }
    }

    async fn read(&self) -> Vec<(PathBuf, std::io::Result<folder::Groups>)> {
        let folders = self.config.folders.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = |folder: PathBuf| {
                let found = folder::read(&folder);
                (folder, found)
            };
            folders.into_iter().map(read).collect()
        });
        read.await.expect("reading a folder does not panic")
    }

    async fn look(&mut self) {
        let mut found = folder::Groups::new();
        let mut unread = BTreeMap::new();
        for (folder, groups) in self.read().await {
            match groups {
                Ok(groups) => found.extend(groups),
                Err(error) => {
                    unread.insert(folder, error.to_string());
                }
            }
        }
        for (folder, error) in &unread {
            if self.unread.get(folder) != Some(error) {
                let reason = format!("the folder cannot be read: {error}; mend what --certs names");
                self.emitter.emit(Event::CertificateRefused {
                    file: folder.display().to_string().into(),
                    reason: reason.into(),
                });
            }
        }
        self.unread = unread;
        let stems: Vec<_> = found.keys().cloned().collect();
        self.take(found, Patience::OneLook);
        let unread = &self.unread;
        let mut gone = Vec::new();
        for (place, record) in &mut self.records {
            let CertificateSource::Own(stem) = place else {
                continue;
            };
            // A folder that cannot be read says nothing about its files.
            let known = stem.parent().is_none_or(|it| !unread.contains_key(it));
            if known && stems.binary_search(stem).is_err() && record.is_missing() {
                gone.push(place.clone());
            }
        }
        for place in gone {
            self.forget(&place);
        }
        let now = clock::now();
        for record in self.records.values_mut() {
            record.pass_time(now, &self.emitter);
        }
    }

    fn take(&mut self, found: folder::Groups, patience: Patience) {
        for (stem, files) in found {
            let record = self
                .records
                .entry(CertificateSource::Own(stem))
                .or_default();
            record.take(&files, patience, clock::now(), &self.emitter);
        }
    }

    fn take_given(&mut self, given: &[GivenCertificate]) {
        let named = |file: &Arc<str>| given.iter().any(|it| it.file == *file);
        self.forget_all(|place| matches!(place, CertificateSource::Given(file) if !named(file)));
        for certificate in given {
            let name = format!("controller:{}", certificate.file);
            let file = Found::in_memory(&name, &certificate.pem);
            self.take_one(CertificateSource::Given(certificate.file.clone()), file);
        }
    }

    fn take_issued(&mut self, issued: &Issued) {
        self.forget_all(
            |place| matches!(place, CertificateSource::Issued(host) if !issued.contains_key(host)),
        );
        for (host, certificate) in issued {
            let file = Found::in_memory(&issued_name(host), &certificate.pem);
            self.take_one(CertificateSource::Issued(host.clone()), file);
        }
    }

    fn take_one(&mut self, place: CertificateSource, file: Found) {
        let record = self.records.entry(place).or_default();
        record.take(&[file], Patience::None, clock::now(), &self.emitter);
    }

    fn forget_all(&mut self, which: impl Fn(&CertificateSource) -> bool) {
        let gone = self.records.keys().filter(|place| which(place));
        for place in gone.cloned().collect::<Vec<_>>() {
            self.forget(&place);
        }
    }

    fn forget(&mut self, place: &CertificateSource) {
        if let Some(record) = self.records.remove(place) {
            record.remove(&self.emitter);
        }
    }

    /// Says which certificates are in use, where that changed, and what is to be known of them.
    fn publish(&self) {
        let now = clock::now();
        let loaded = self.records.iter().filter_map(|(place, record)| {
            let loaded = record.loaded()?;
            Some((place.origin(), loaded.clone()))
        });
        let mut loaded: Vec<_> = loaded.collect();
        loaded.sort_by_key(|(origin, it)| it.certificate.precedence(*origin, now));
        let own = loaded.iter().filter(|(origin, _)| *origin == Origin::Own);
        let own: FromController = own.map(|(_, it)| it.give()).collect();
        watch_ext::tell(&self.own, own);
        let others = loaded
            .iter()
            .filter(|(origin, _)| *origin != Origin::Issued);
        let others: NotIssued = others.map(|(_, it)| it.certificate.clone()).collect();
        watch_ext::tell(&self.not_issued, others);
        let figures = loaded
            .iter()
            .map(|(_, it)| CertificateFigure::of(&it.certificate));
        let refused = self.records.values().filter_map(Record::refused).cloned();
        let unread = self.unread.keys().map(|it| it.display().to_string().into());
        let metrics = self.metrics.tls();
        metrics.certificates(figures.collect(), refused.chain(unread).collect());
        let in_use: ActiveCertificates = loaded.into_iter().map(|(_, it)| it).collect();
        self.in_use.send_if_modified(|old| {
            let same = old.len() == in_use.len()
                && old.iter().zip(&*in_use).all(|(a, b)| Arc::ptr_eq(a, b));
            *old = in_use;
            !same
        });
    }
}

/// How people are told of a certificate that was issued for a host: it has no file of its own on most nodes.
#[must_use]
pub fn issued_name(host: &str) -> String {
    format!("acme:{host}")
}

/// For how long what cannot be used may be about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It is told of at once.
    None,
    /// Until the next look.
    OneLook,
}
