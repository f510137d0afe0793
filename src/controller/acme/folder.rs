//! The folder of one ACME server in the controller's state: the account, and the certificates that were issued.
//!
//! # Files
//!
//! `acme/SERVER/account.json` is the account with its key; `acme/SERVER/HOST.pem` holds a certificate, those that vouch for it
//! and its key. Both can be read by their owner alone. SERVER is the name of the server and a digest of its directory's URL.
//!
//! # Design notes
//!
//! A file is written beside the old one and moved over it, so there is always a whole one; it is written under a name of this
//! process's own, because two instances share the folder while one replaces the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use tokio::io::AsyncWriteExt as _;

use super::Error;
use crate::core::certificates::PrivatePem;
use crate::core::certificates::acme::{Issued, IssuedCertificate};
use crate::core::event::Event;
use crate::observe::event_log::Emitter;
use crate::tls::certificates::Loaded;

/// The account's file.
const ACCOUNT: &str = "account.json";

/// The largest file that is read.
const LARGEST: u64 = 256 * 1024;

/// One server's folder. Cheap to clone.
#[derive(Clone)]
pub(super) struct Folder {
    /// The URL of the server's directory.
    pub(super) directory: Arc<str>,
    path: Arc<Path>,
    /// What tells the drafts of this process from those of others.
    own: Arc<str>,
}

impl Folder {
    /// Makes the folder where it is missing, and proves that it can be written to.
    pub(super) async fn open(state_dir: &Path, directory: &Arc<str>) -> Result<Self, Error> {
        let digest = digest(&SHA256, directory.as_bytes());
        let digest = digest.as_ref()[..4].iter();
        let digest: String = digest.map(|byte| format!("{byte:02x}")).collect();
        let server = directory.split('/').nth(2).unwrap_or_default();
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-');
        let server = server.replace(|it| !plain(it), "_");
        let path = state_dir.join("acme").join(format!("{server}-{digest}"));
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let folder = Self {
            directory: directory.clone(),
            path: path.clone().into(),
            own: format!("{host}.{}", std::process::id()).into(),
        };
        let probe = async {
            let mut builder = tokio::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&path).await?;
            folder.write("probe", b"").await?;
            tokio::fs::remove_file(path.join("probe")).await
        };
        let kept = probe.await;
        kept.map_err(|source| Error::Keep { path, source })?;
        Ok(folder)
    }

    /// The account, as it was kept.
    pub(super) async fn account(&self) -> io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(self.path.join(ACCOUNT)).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn keep_account(&self, text: &[u8]) -> io::Result<()> {
        self.write(ACCOUNT, text).await
    }

    /// Forgets an account that the server does not know.
    pub(super) async fn forget_account(&self) {
        // One that stays is found out again.
        let _ = tokio::fs::remove_file(self.path.join(ACCOUNT)).await;
    }

    /// The certificates that were kept. What cannot be used is told.
    pub(super) async fn certificates(&self, emitter: &Emitter) -> Issued {
        let mut known = Issued::new();
        for path in self.files().await {
            match self.read(&path).await {
                Ok(certificate) => {
                    known.insert(certificate.host.clone(), Arc::new(certificate));
                }
                Err(reason) => emitter.emit(Event::CertificateNotKept {
                    file: path.display().to_string().into(),
                    reason: format!("it cannot be used, and is ordered again: {reason}").into(),
                }),
            }
        }
        known
    }

    pub(super) async fn keep(&self, certificate: &IssuedCertificate) -> io::Result<()> {
        let name = format!("{}.pem", certificate.host);
        self.write(&name, certificate.pem.expose().as_bytes()).await
    }

    /// A certificate's file, for people.
    pub(super) fn file(&self, host: &str) -> String {
        self.path.join(format!("{host}.pem")).display().to_string()
    }

    async fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        // It was written to a moment ago.
        let Ok(mut entries) = tokio::fs::read_dir(&self.path).await else {
            return files;
        };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if path.extension().is_some_and(|it| it == "pem") && !hidden {
                files.push(path);
            }
        }
        files
    }

    async fn read(&self, path: &Path) -> Result<IssuedCertificate, String> {
        let host = path.file_stem().and_then(|it| it.to_str());
        let host = host.ok_or("its name is no host")?;
        let size = tokio::fs::metadata(path).await;
        if size.map_err(|error| error.to_string())?.len() > LARGEST {
            return Err("it is larger than 256 KiB".to_owned());
        }
        let text = tokio::fs::read_to_string(path).await;
        let pem = PrivatePem::new(&text.map_err(|error| error.to_string())?);
        describe(host, &self.directory, pem)
    }

    async fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let draft = self.path.join(format!(".{name}.{}", self.own));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft).await?;
        file.write_all(content).await?;
        file.sync_all().await?;
        tokio::fs::rename(&draft, self.path.join(name)).await
    }
}

/// What is known of a certificate that an ACME server issued for a host, or why it cannot be used.
pub(super) fn describe(
    host: &str,
    directory: &Arc<str>,
    pem: PrivatePem,
) -> Result<IssuedCertificate, String> {
    let loaded = Loaded::parse(host, &pem).map_err(|refusal| refusal.to_string())?;
    if !loaded.certificate.covers(host) {
        return Err(format!("it is not for {host}"));
    }
    Ok(IssuedCertificate {
        host: host.into(),
        directory: directory.clone(),
        not_before: loaded.certificate.not_before,
        not_after: loaded.certificate.not_after,
        pem,
    })
}
