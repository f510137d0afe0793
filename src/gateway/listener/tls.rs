//! TLS with clients: who shows which certificate, how long a handshake may take, and why one came to nothing.
//!
//! # Design notes
//!
//! Pingora has a TLS endpoint of its own. It gives a handshake a whole minute, logs an error for each that fails, which any port
//! scan fills a disk with, and answers a name without a certificate with the wrong alert. So its endpoint stays plain, and the
//! handshake is made here, on the connection that it accepted: the client's first message is read, the certificate is
//! chosen by the name in it, and only then the rest is done. The connection remembers the certificate for its life, and
//! serves the names of this certificate only.
//!
//! TLS 1.2 and 1.3 alone are spoken, by rustls with the cryptography of ring. Sessions are resumed by tickets, whose keys change
//! every six hours and never leave the process. A session that is resumed is not asked for the client's certificate again, so
//! tickets die with the authorities ([`authorities`]) that they were given under.

mod authorities;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as Plain;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring::{Ticketer, default_provider};
use tokio_rustls::rustls::server::{Acceptor, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::core::certificates::CertificateIndex;
use crate::core::routing::lookup::normal_host;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::tls::certificates::ActiveCertificates;

use self::authorities::{Authorities, Verifier};
use crate::gateway::client::tls_info::{Identity, TlsInfo};
use crate::gateway::client::tls_stream::TlsStream;
use crate::gateway::exchange::challenge::Challenges;
use crate::gateway::passthrough::{Asked, Passthrough, PassthroughConnection};

/// What a listener for TLS needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Where the outside connects by TLS. `.local` hosts do not exist there.
    pub address: SocketAddr,
    /// The file with the authorities of which one has to vouch for every client; none: clients show no certificates.
    pub client_ca: Option<PathBuf>,
    /// From one look at that file to the next.
    pub look_every: Duration,
    /// What a handshake may cost.
    pub limits: TlsLimits,
}

/// What handshakes may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsLimits {
    /// From the connection to the end of the handshake. Who needs longer is stuck, or holds connections open on purpose.
    pub handshake: Duration,
    /// So many at once. More than that are turned away at once, so that those that have begun come to an end.
    pub at_once: usize,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            at_once: 4096,
        }
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the clients' authorities cannot be used.
    #[error(
        "cannot use the clients' authorities in {path}: {reason}; --client-ca names a file with their certificates as PEM"
    )]
    ClientAuthorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The protocols that are offered inside TLS (ALPN), the preferred first. Which of them was chosen
/// is what the connection's `selected_alpn_proto` says. Some clients name HTTP/1.0 alone, as the
/// `curl --http1.0` of Debian 12. A client that names none of these is refused by
/// `no_application_protocol` (RFC 7301, section 3.2), as nginx and Go's servers do.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// The alert that there is no certificate for the name that a client asked for (RFC 6066, section 3), as a record.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What a connection by TLS has become.
pub(crate) enum Opened {
    /// Requests come by it.
    Requests(Stream),
    /// It is passed on as it is.
    Passage(Box<PassthroughConnection>),
}

/// Makes TLS of connections. Shared by the connections of a listener.
pub(crate) struct Terminator {
    index: ArcSwap<CertificateIndex<Arc<Identity>>>,
    limits: TlsLimits,
    room: Semaphore,
    challenges: Challenges,
    metrics: Metrics,
    passages: Arc<Passthrough>,
}

impl Terminator {
    /// Answers with these certificates from now on. Open connections keep theirs. `template` is what all have in common.
    fn use_certificates(&self, in_use: &ActiveCertificates, template: &ServerConfig) {
        let identities = in_use.iter().map(|loaded| {
            let mut config = template.clone();
            config.cert_resolver = Arc::new(SingleCertAndKey::from(loaded.key.clone()));
            let identity = Identity {
                certificate: loaded.certificate.clone(),
                config: Arc::new(config),
            };
            (&loaded.certificate, Arc::new(identity))
        });
        self.index.store(Arc::new(CertificateIndex::of(identities)));
    }

    /// TLS on a connection that was accepted; none where there is none, which was counted.
    pub(crate) async fn accept(&self, stream: Stream) -> Option<Opened> {
        let refused = match self.room.try_acquire() {
            Ok(_room) => match timeout(self.limits.handshake, self.shake_hands(stream)).await {
                Ok(Ok(opened)) => return Some(opened),
                Ok(Err(refused)) => refused,
                Err(_) => "timeout",
            },
            Err(_) => "too-many",
        };
        self.metrics.tls().refused(refused).inc();
        None
    }

    /// Fails with a reason for the metric.
    async fn shake_hands(&self, stream: Stream) -> Result<Opened, &'static str> {
        let stream = stream.into_any().downcast::<Plain>();
        let stream = stream.map_err(|_| "internal")?;
        let begun = match self.passages.ask(*stream).await? {
            Asked::Passage(passage) => return Ok(Opened::Passage(Box::new(passage))),
            Asked::Ours(stream) => {
                let start = LazyConfigAcceptor::new(Acceptor::default(), stream);
                start.await
            }
        };
        let mut start = begun.map_err(|error| reason(&error))?;
        let hello = start.client_hello();
        let asked: Option<Arc<str>> = hello.server_name().map(|name| normal_host(name).into());
        if let Some(proof) = self.challenges.proof(&hello, asked.as_deref()) {
            let proved = start.into_stream(proof).await;
            let mut stream = proved.map_err(|error| reason(&error))?;
            let _ = stream.shutdown().await;
            return Err("acme-challenge");
        }
        let identity = self.index.load().find(asked.as_deref()).cloned();
        let Some(identity) = identity else {
            // Who does not read it misses nothing else.
            let _ = start.io.write_all(&UNRECOGNIZED_NAME).await;
            let _ = start.io.shutdown().await;
            return Err(match asked {
                Some(_) => "unknown-name",
                None => "no-name",
            });
        };
        let accepted = start.into_stream(identity.config.clone()).await;
        let stream = accepted.map_err(|error| reason(&error))?;
        let stream = TlsStream::new(stream, TlsInfo { identity, asked });
        Ok(Opened::Requests(Box::new(stream)))
    }
}

/// Keeps a terminator's certificates and the clients' authorities up to date. Owned by the gateway's loop.
pub(crate) struct Serving {
    pub(crate) terminator: Arc<Terminator>,
    /// Of every connection, but for the certificate.
    template: ServerConfig,
    /// None where clients show no certificates.
    authorities: Option<Authorities>,
    in_use: Option<watch::Receiver<ActiveCertificates>>,
}

impl Serving {
    /// One that has no certificate yet.
    pub(crate) fn new(
        config: &TlsConfig,
        challenges: &Challenges,
        passages: Passthrough,
        metrics: &Metrics,
    ) -> Result<Self, TlsError> {
        let opened = config.client_ca.as_deref();
        let opened = opened.map(|path| Authorities::open(path, config.look_every));
        let (authorities, verifier) = opened.transpose()?.unzip();
        let terminator = Terminator {
            index: ArcSwap::default(),
            limits: config.limits,
            room: Semaphore::new(config.limits.at_once),
            challenges: challenges.clone(),
            metrics: metrics.clone(),
            passages: Arc::new(passages),
        };
        Ok(Self {
            terminator: Arc::new(terminator),
            template: template(verifier),
            authorities,
            in_use: None,
        })
    }

    /// Takes the certificates from here, those of now at once.
    pub(crate) fn follow(&mut self, mut in_use: watch::Receiver<ActiveCertificates>) {
        let now = in_use.borrow_and_update().clone();
        self.terminator.use_certificates(&now, &self.template);
        self.in_use = Some(in_use);
    }

    /// Returns when certificates or authorities changed and are in use; never without anybody who changes them.
    pub(crate) async fn renew(serving: Option<&mut Self>, emitter: &Emitter) {
        let Some(Self {
            terminator,
            template: common,
            authorities,
            in_use: Some(in_use),
        }) = serving
        else {
            return std::future::pending().await;
        };
        let renewed = async {
            match authorities {
                Some(authorities) => authorities.changed(emitter, &terminator.metrics).await,
                None => std::future::pending().await,
            }
        };
        let told = tokio::select! {
            // What was in use stays so without its keeper, whose end ends the process elsewhere.
            Ok(()) = in_use.changed() => None,
            (verifier, event) = renewed => {
                *common = template(Some(verifier));
                Some(event)
            }
        };
        let latest = in_use.borrow_and_update().clone();
        terminator.use_certificates(&latest, common);
        if let Some(event) = told {
            emitter.emit(event);
        }
    }
}

/// What the connections under all certificates have in common. Tickets that were given under another are worth nothing.
fn template(verifier: Option<Verifier>) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring speaks both");
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut template = builder.with_cert_resolver(Arc::new(Nobody));
    template.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    match Ticketer::new() {
        Ok(ticketer) => {
            template.ticketer = ticketer;
            template.session_storage = Arc::new(NoServerSessionStorage {});
        }
        // Sessions are then resumed from memory, which is the template's own.
        Err(error) => tracing::debug!(%error, "no tickets for TLS sessions"),
    }
    template
}

/// Why a handshake came to nothing: a few words for the metric.
fn reason(error: &io::Error) -> &'static str {
    use rustls::Error::{
        AlertReceived, InappropriateHandshakeMessage, InappropriateMessage, InvalidCertificate,
        InvalidMessage, NoApplicationProtocol, NoCertificatesPresented, PeerIncompatible,
    };
    let inner = error.get_ref().and_then(|it| it.downcast_ref());
    match inner {
        Some(NoCertificatesPresented) => "no-client-certificate",
        Some(InvalidCertificate(_)) => "bad-client-certificate",
        Some(PeerIncompatible(_) | NoApplicationProtocol) => "incompatible",
        Some(AlertReceived(_)) => "refused-by-client",
        Some(
            InvalidMessage(_) | InappropriateMessage { .. } | InappropriateHandshakeMessage { .. },
        ) => "malformed",
        Some(_) => "other",
        None => "gone",
    }
}

/// Stands where a certificate will.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(
        &self,
        _hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}
