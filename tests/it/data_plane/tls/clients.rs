//! Clients with certificates of their own, and clients that do not look at names.

use std::sync::Arc;

use hiveway::core::event::Event;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, version,
};

use super::super::client::Client;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::{Opened, Secure, open};
use crate::authority::Authority;
use crate::bounded::bounded;
use crate::folder::Folder;

/// Trusts an authority for any name.
#[derive(Debug)]
pub(super) struct AnyName(pub(super) Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A gateway whose clients have to be vouched for by the authorities in `staff.pem`.
struct Guarded {
    secure: Secure,
    folder: Folder,
    task: Origin,
}

impl Guarded {
    async fn start(staff: &Authority) -> Self {
        let [task] = origins([Behaviour::Answer]).await;
        let services = [Service::new("web", "web.test").endpoints([&task])];
        let folder = Folder::with("staff.pem", &staff.pem());
        let change = |config: &mut hiveway::gateway::Config| {
            let tls = config.tls.as_mut().expect("TLS");
            tls.client_ca = Some(folder.path().join("staff.pem"));
        };
        let secure = Secure::start_with(change, &[("web", &["web.test"])], &services).await;
        Self {
            secure,
            folder,
            task,
        }
    }

    /// Replaces the file at once, so that nobody sees half of it.
    fn put(&self, text: &str) {
        let next = self.folder.file("next");
        std::fs::write(&next, text).expect("a writable folder");
        std::fs::rename(&next, self.folder.file("staff.pem")).expect("a file");
    }

    /// What somebody speaks that an authority vouches for.
    fn shown_by(&self, authority: &Authority) -> ClientConfig {
        let pair = authority.vouch(&["alice.test"]);
        self.secure.showing(&version::TLS13, &pair)
    }

    /// A connection that is served, and whether its session is one of an earlier connection.
    async fn served(&self, config: ClientConfig) -> (Client, bool) {
        let opened = open(self.secure.address(), "web.test", config).await;
        let Opened {
            mut client,
            resumed,
            ..
        } = opened.expect("a handshake");
        assert_eq!(client.get("web.test", "/").await.body, self.task.container);
        (client, resumed)
    }

    /// Checks that a connection is not served. In TLS 1.3 a client learns that it is refused after its own last word.
    async fn refused(&self, config: ClientConfig) {
        match open(self.secure.address(), "web.test", config).await {
            Ok(mut opened) => {
                let asked = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
                let _ = opened.client.wire.send(asked).await;
                assert_eq!(opened.client.closed().await, "");
            }
            Err(Error::AlertReceived(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    /// How many authorities are in use once they have changed.
    async fn replaced(&self) -> usize {
        match self.secure.event("client_authorities_replaced").await {
            Event::ClientAuthoritiesReplaced { file, authorities } => {
                assert_eq!(*file, *self.folder.file("staff.pem"));
                authorities
            }
            _ => unreachable!("of this kind"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_with_a_trusted_certificate_are_served() {
    let (staff, stranger) = (Authority::new("staff"), Authority::new("staff"));
    let guarded = Guarded::start(&staff).await;
    let secure = &guarded.secure;
    for (count, version) in [&version::TLS13, &version::TLS12].into_iter().enumerate() {
        let pair = staff.vouch(&["alice.test"]);
        guarded.served(secure.showing(version, &pair)).await;
        guarded.refused(secure.trusting(version)).await;
        secure.refused("no-client-certificate", count + 1).await;
        let pair = stranger.vouch(&["mallory.test"]);
        guarded.refused(secure.showing(version, &pair)).await;
        secure.refused("bad-client-certificate", count + 1).await;
    }
    assert_eq!(guarded.task.requests().len(), 2);
    // What came by another listener never needed one.
    let answer = secure.edge.get("web.test", "/").await;
    assert_eq!(answer.body, guarded.task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_are_followed_as_their_file_changes() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let guarded = Guarded::start(&old).await;
    let (mut open, _) = guarded.served(guarded.shown_by(&old)).await;
    guarded.put(&(old.pem() + &new.pem()));
    assert_eq!(guarded.replaced().await, 2);
    guarded.served(guarded.shown_by(&old)).await;
    guarded.served(guarded.shown_by(&new)).await;
    guarded.put(&new.pem());
    assert_eq!(guarded.replaced().await, 1);
    guarded.refused(guarded.shown_by(&old)).await;
    guarded.served(guarded.shown_by(&new)).await;
    // Who is in already stays.
    assert_eq!(open.get("web.test", "/").await.body, guarded.task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_of_other_trust_roots_is_not_resumed() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let guarded = Guarded::start(&old).await;
    let mut alice = guarded.shown_by(&old);
    alice.resumption = Resumption::in_memory_sessions(8);
    let resumed = guarded.served(alice.clone()).await.1;
    assert!(!resumed);
    let resumed = guarded.served(alice.clone()).await.1;
    assert!(resumed, "else this test says nothing");
    guarded.put(&new.pem());
    guarded.replaced().await;
    guarded.refused(alice).await;
    guarded.secure.refused("bad-client-certificate", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_trust_roots_leave_the_previous_in_force() {
    let staff = Authority::new("staff");
    let guarded = Guarded::start(&staff).await;
    let secure = &guarded.secure;
    let file = guarded.folder.file("staff.pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        (Some("not PEM"), "it holds no certificate"),
        (Some(broken), "invalid"),
        (None, "No such file"),
    ] {
        match text {
            Some(text) => guarded.put(text),
            None => std::fs::remove_file(&file).expect("a file"),
        }
        let Event::CertificateRefused { file: told, reason } =
            secure.event("certificate_refused").await
        else {
            unreachable!("of this kind");
        };
        assert_eq!(*told, *file);
        for part in [expected, "--client-ca"] {
            assert!(reason.contains(part), "{reason}");
        }
        let refused = format!("hiveway_certificate_refused{{file=\"{file}\"}} 1");
        secure.shows(&refused).await;
        guarded.served(guarded.shown_by(&staff)).await;
        guarded
            .refused(guarded.shown_by(&Authority::new("other")))
            .await;
    }
    guarded.put(&staff.pem());
    assert_eq!(guarded.replaced().await, 1);
    let gone = async {
        while secure
            .edge
            .metrics
            .render(None)
            .contains("certificate_refused{")
        {
            tokio::task::yield_now().await;
        }
    };
    bounded(gone).await;
}
