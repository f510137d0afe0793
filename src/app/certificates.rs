//! The keeper of certificates, where there is anything to keep.

use std::sync::Arc;

use tokio::sync::watch;

use crate::core::certificates::acme::Issued;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::process::supervisor::Supervisor;
use crate::tls::certificates::{
    ActiveCertificates, CertificateManager, Config, FromController, NotIssued,
};

/// The certificates of this process.
pub(super) struct Certificates {
    keeper: Option<CertificateManager>,
    /// Whether there are folders of its own, which a controller may give from.
    own: bool,
}

impl Certificates {
    /// Reads them for the first time.
    ///
    /// # Errors
    ///
    /// A folder cannot be read, or nobody could ever have a certificate for TLS that is to be served.
    pub(super) async fn open(
        config: Config,
        serves_tls: bool,
        issues: bool,
        controls: bool,
        emitter: &Emitter,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let own = !config.folders.is_empty();
        if serves_tls && !own && !issues && controls {
            anyhow::bail!(
                "--listen-public-tls needs certificates, and this process is a controller, which is given none by others; \
                 give their folder with --certs, or have them issued with --acme-directory"
            );
        }
        let keeper = match own || serves_tls {
            true => Some(CertificateManager::open(config, emitter.clone(), metrics.clone()).await?),
            false => None,
        };
        Ok(Self { keeper, own })
    }

    /// Those that TLS is served with.
    pub(super) fn in_use(&self) -> Option<watch::Receiver<ActiveCertificates>> {
        self.keeper.as_ref().map(CertificateManager::in_use)
    }

    /// Those that a controller gives to others; none where it has no folder, so that nobody loses what another gave.
    pub(super) fn to_give(&self) -> Option<watch::Receiver<FromController>> {
        self.keeper
            .as_ref()
            .filter(|_| self.own)
            .map(CertificateManager::own)
    }

    /// Those for whose names nothing has to be issued.
    pub(super) fn not_issued(&self) -> watch::Receiver<NotIssued> {
        let none = || watch::channel(Arc::default()).1;
        self.keeper
            .as_ref()
            .map_or_else(none, CertificateManager::not_issued)
    }

    /// Keeps them from now on, what a controller gives, and what was issued.
    pub(super) fn serve(
        self,
        given: watch::Receiver<FromController>,
        issued: watch::Receiver<Arc<Issued>>,
        supervisor: &mut Supervisor,
    ) {
        let Some(keeper) = self.keeper else { return };
        let keeping = keeper.run(given, issued, supervisor.stop());
        supervisor.serve("the keeper of certificates", keeping);
    }
}
