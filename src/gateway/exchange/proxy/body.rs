//! A request's body on its way to the task: how large it may become, and how slowly it may come.

use bytes::Bytes;
use pingora::proxy::Session;
use pingora::{Error, Result};
use tokio::time::Instant;

use super::super::context::Context;
use super::Proxy;
use crate::gateway::local_reply::BODY_TOO_SLOW;

impl Proxy {
    /// Fails when a body has become larger than its service allows, or drips. `part` is what has just arrived, and `whole`
    /// whether that was the last of it.
    pub(super) fn measure(
        &self,
        session: &Session,
        part: Option<&Bytes>,
        whole: bool,
        context: &mut Context,
    ) -> Result<()> {
        let Some(choice) = &mut context.choice else {
            return Ok(());
        };
        if whole && session.body_bytes_read() > 0 {
            choice.body_sent();
        }
        let pool = choice.pool();
        if let Some(chain) = &pool.chain {
            chain.measure(session)?;
        }
        let (Some(floor), Some(part)) = (self.floor, part) else {
            return Ok(());
        };
        if whole || pool.http2 || session.response_written().is_some() {
            return Ok(());
        }
        let now = Instant::now();
        let kept = match &mut context.pace {
            Some(pace) => floor.is_kept(pace, part.len(), now),
            None => {
                context.pace = Some(Box::new(floor.begin(now)));
                true
            }
        };
        if kept {
            return Ok(());
        }
        self.metrics.refused_connections("slow-body").inc();
        let mut error = Error::explain(BODY_TOO_SLOW, "a body that drips");
        error.as_down();
        Err(error)
    }
}
