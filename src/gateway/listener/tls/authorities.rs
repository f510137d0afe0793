//! The authorities of which one has to vouch for every client: read again and again, so that a change of their file is followed.
//!
//! # Design notes
//!
//! A file that cannot be used, or is gone, changes nothing: a mistake neither lets anybody in nor locks everybody out. As it may be
//! half written at one look, it is complained about when it is still so at the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::TlsError;
use crate::core::event::Event;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::tls::trust_roots;

/// What a file holds, or why it cannot be read.
type Content = Result<Vec<u8>, String>;

/// What clients' certificates are checked by.
pub(super) type Verifier = Arc<dyn ClientCertVerifier>;

/// The file, and what has become of it.
pub(super) struct Authorities {
    path: PathBuf,
    look_every: Duration,
    /// When it is looked at next.
    next: Instant,
    /// The look that is on its way.
    looking: Option<JoinHandle<Content>>,
    /// What was read last.
    read: Content,
    /// What is in use.
    used: Vec<u8>,
    /// Why what was read last is not in use, and whether that was told.
    complaint: Option<(String, bool)>,
}

impl Authorities {
    /// Reads the file for the first time.
    pub(super) fn open(path: &Path, look_every: Duration) -> Result<(Self, Verifier), TlsError> {
        let refuse = |reason: String| TlsError::ClientAuthorities {
            path: path.to_owned(),
            reason,
        };
        let content = read(path).map_err(refuse)?;
        let (verifier, _) = verifier(&content).map_err(refuse)?;
        let authorities = Self {
            path: path.to_owned(),
            look_every,
            next: Instant::now() + look_every,
            looking: None,
            read: Ok(content.clone()),
            used: content,
            complaint: None,
        };
        Ok((authorities, verifier))
    }

    /// Looks at the file until others are to be used, which it gives, and what is to be told once they are. It may be given up
    /// at any time, and called again.
    pub(super) async fn changed(
        &mut self,
        emitter: &Emitter,
        metrics: &Metrics,
    ) -> (Verifier, Event) {
        loop {
            let looking = match &mut self.looking {
                Some(looking) => looking,
                None => {
                    sleep_until(self.next).await;
                    let path = self.path.clone();
                    let look = tokio::task::spawn_blocking(move || read(&path));
                    self.looking.insert(look)
                }
            };
            let content = looking.await.expect("reading a file does not panic");
            self.looking = None;
            self.next = Instant::now() + self.look_every;
            let others = self.take(content, emitter);
            let refused = self.complaint.as_ref().is_some_and(|(_, told)| *told);
            let file = refused.then(|| self.path.display().to_string().into());
            metrics.tls().authorities(file);
            if let Some(others) = others {
                return others;
            }
        }
    }

    /// Takes in what the file holds now. None: what is in use stays.
    fn take(&mut self, content: Content, emitter: &Emitter) -> Option<(Verifier, Event)> {
        let file = || self.path.display().to_string().into();
        if content == self.read {
            if let Some((reason, told)) = &mut self.complaint
                && !std::mem::replace(told, true)
            {
                emitter.emit(Event::CertificateRefused {
                    file: file(),
                    reason: reason.as_str().into(),
                });
            }
            return None;
        }
        self.read = content;
        let made = match &self.read {
            Ok(content) => verifier(content).map(|made| (made, content)),
            Err(error) => Err(error.clone()),
        };
        let ((verifier, authorities), content) = match made {
            Ok(made) => made,
            Err(reason) => {
                let reason = format!("{reason}; mend what --client-ca names");
                self.complaint = Some((reason, false));
                return None;
            }
        };
        let mended = self.complaint.take().is_some_and(|(_, told)| told);
        let event = Event::ClientAuthoritiesReplaced {
            file: file(),
            authorities,
        };
        if *content == self.used {
            if mended {
                emitter.emit(event);
            }
            return None;
        }
        self.used.clone_from(content);
        Some((verifier, event))
    }
}

fn read(path: &Path) -> Content {
    std::fs::read(path).map_err(|error| error.to_string())
}

/// What a file makes clients' certificates be checked by, and how many authorities that are; or what is wrong with it.
fn verifier(pem: &[u8]) -> Result<(Verifier, usize), String> {
    let roots = trust_roots::parse(pem)?;
    let count = roots.len();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok((verifier.map_err(|error| error.to_string())?, count))
}
