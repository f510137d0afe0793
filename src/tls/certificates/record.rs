//! What is known of one certificate through its changes, and what of it was told.

use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::Patience;
use super::folder::Found;
use super::pair::{self, Loaded};
use crate::core::certificates::{Term, days_left, succeed};
use crate::core::event::{CertificateRef, Event};
use crate::core::model::Timestamp;
use crate::observe::event_log::Emitter;

/// One certificate's record.
#[derive(Default)]
pub(super) struct Record {
    /// Of what was read last.
    digest: Option<Vec<u8>>,
    /// What is in use.
    loaded: Option<Arc<Loaded>>,
    /// What could be used later.
    next: Option<Arc<Loaded>>,
    /// The file, and why what it holds is not in use.
    complaint: Option<(Arc<str>, Arc<str>)>,
    /// Whether that was told.
    told: bool,
    /// How much time was left when that was told last.
    term: Term,
    /// Whether its files were missing at the last look.
    missing: bool,
}

impl Record {
    pub(super) fn loaded(&self) -> Option<&Arc<Loaded>> {
        self.loaded.as_ref()
    }

    /// The file whose content is not in use, once that was told.
    pub(super) fn refused(&self) -> Option<&Arc<str>> {
        let (file, _) = self.complaint.as_ref().filter(|_| self.told)?;
        Some(file)
    }

    /// Takes in what the files hold now.
    pub(super) fn take(
        &mut self,
        files: &[Found],
        patience: Patience,
        now: Timestamp,
        emitter: &Emitter,
    ) {
        self.missing = false;
        let digest = Some(digest(files));
        let news = digest != self.digest;
        if news {
            self.digest = digest;
            self.next = None;
            match pair::read(files) {
                Ok(loaded) => self.next = Some(Arc::new(loaded)),
                Err(refusal) => {
                    let file = files.first().map_or("".into(), |file| file.name.clone());
                    self.complaint = Some((file, refusal.to_string().into()));
                    self.told = false;
                }
            }
        }
        self.move_on(news, now, emitter);
        if news && patience == Patience::OneLook {
            return;
        }
        if let Some((file, reason)) = &self.complaint
            && !std::mem::replace(&mut self.told, true)
        {
            emitter.emit(Event::CertificateRefused {
                file: file.clone(),
                reason: reason.clone(),
            });
        }
    }

    /// Uses what was read last, if it may take the place of what is in use; `news`: it was read just now.
    fn move_on(&mut self, news: bool, now: Timestamp, emitter: &Emitter) {
        let Some(next) = self.next.take() else {
            return;
        };
        let before = self.loaded.as_deref().map(|it| &it.certificate);
        if let Err(unfit) = succeed(before, &next.certificate, now) {
            let file = next.certificate.file.clone();
            self.complaint = Some((file, unfit.to_string().into()));
            self.told &= !news;
            self.next = Some(next);
            return;
        }
        let certificate = CertificateRef::to(&next.certificate);
        let mended = self.complaint.take().is_some() && std::mem::take(&mut self.told);
        match &self.loaded {
            Some(loaded) if loaded.key.cert == next.key.cert => {
                if mended {
                    emitter.emit(Event::CertificateLoaded(certificate));
                }
                return;
            }
            Some(_) => emitter.emit(Event::CertificateReplaced(certificate)),
            None => emitter.emit(Event::CertificateLoaded(certificate)),
        }
        self.loaded = Some(next);
        self.term = Term::default();
        self.pass_time(now, emitter);
    }

    /// Tells that a certificate's end has come nearer.
    pub(super) fn pass_time(&mut self, now: Timestamp, emitter: &Emitter) {
        let Some(loaded) = &self.loaded else { return };
        let term = Term::of(&loaded.certificate, now);
        if term > self.term {
            emitter.emit(Event::CertificateExpiring {
                certificate: CertificateRef::to(&loaded.certificate),
                days: days_left(loaded.certificate.not_after, now),
            });
        }
        self.term = term;
    }

    /// Notes that no file is there; tells whether that was so at the last look already.
    pub(super) fn is_missing(&mut self) -> bool {
        std::mem::replace(&mut self.missing, true)
    }

    /// Tells that it is used no more.
    pub(super) fn remove(self, emitter: &Emitter) {
        if let Some(loaded) = self.loaded {
            let certificate = CertificateRef::to(&loaded.certificate);
            emitter.emit(Event::CertificateRemoved(certificate));
        }
    }
}

/// Of names and contents, so that a change of either is seen.
fn digest(files: &[Found]) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    for file in files {
        let content = match &file.content {
            Ok(content) => content.as_slice(),
            Err(error) => error.as_bytes(),
        };
        for part in [file.name.as_bytes(), content] {
            digest.update(&part.len().to_le_bytes());
            digest.update(part);
        }
    }
    digest.finish().as_ref().to_vec()
}
