//! What a request carries through its phases.

use std::sync::Arc;

use pingora::Result;
use pingora::proxy::Session;
use tokio::time::Instant;

use super::timings::RequestTimings;
use super::trace::Ids;
use crate::gateway::client::Client;
use crate::gateway::client::pace::RateCredit;
use crate::gateway::filters::{Chain, User};
use crate::gateway::limits::task_connections::Permit;
use crate::gateway::local_reply::LocalReply;
use crate::gateway::local_reply::subject::{About, Subject};
use crate::gateway::routing::choice::EndpointLease;
use crate::gateway::upstream::peer::UpstreamMode;

/// One request's.
pub(crate) struct Context {
    pub(crate) started: Instant,
    pub(crate) client: Option<Arc<Client>>,
    pub(crate) choice: Option<EndpointLease>,
    /// The service that the request is about while it has no endpoint.
    pub(crate) subject: Option<Box<Subject>>,
    /// The right to a connection to a task; taken before the first.
    pub(crate) permit: Option<Permit>,
    /// By what kind of connection the request goes.
    pub(crate) way: UpstreamMode,
    /// Why the gateway answered itself, or cut the answer off.
    pub(crate) reason: Option<&'static str>,
    /// With which status, which a call of gRPC is not told as such.
    pub(crate) status: Option<u16>,
    /// What it is answered after it has waited for another endpoint in vain.
    pub(crate) refusal: Option<Box<LocalReply>>,
    /// How fast its body comes; none before any of it has come, or where nobody asks.
    pub(crate) pace: Option<Box<RateCredit>>,
    /// Who came with a password.
    pub(crate) user: User,
    /// By which service's word it was let in before it waited; none where it did not have to wait.
    pub(crate) admitted: Option<Arc<Chain>>,
    /// By which ids the request is known to others; none where there are none.
    pub(crate) ids: Option<Box<Ids>>,
    /// What is noted for the access log and for spans; none where there are none.
    pub(crate) noted: Option<Box<RequestTimings>>,
}

impl Context {
    /// That of a request that begins now.
    pub(crate) fn new(noted: bool) -> Self {
        Self {
            started: Instant::now(),
            client: None,
            choice: None,
            subject: None,
            permit: None,
            way: UpstreamMode::Pooled,
            reason: None,
            status: None,
            refusal: None,
            pace: None,
            user: None,
            admitted: None,
            ids: None,
            noted: noted.then(Box::default),
        }
    }

    /// The service that the request is about; `None` if it met no route.
    pub(crate) fn about(&self) -> Option<About<'_>> {
        let chosen = self.choice.as_ref().map(EndpointLease::about);
        chosen.or_else(|| self.subject.as_deref().map(Subject::about))
    }

    /// Answers the request here.
    pub(crate) async fn answer(
        &mut self,
        session: &mut Session,
        mut answer: LocalReply,
    ) -> Result<()> {
        self.reason = Some(answer.reason);
        self.subject = answer.about.take();
        answer.request_id = self.ids.as_ref().map(|ids| ids.request_id.clone());
        answer.send(session).await?;
        self.status = Some(answer.status);
        Ok(())
    }
}
