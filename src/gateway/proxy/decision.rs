//! Where a request goes, or what it is answered instead.

use http::HeaderValue;
use http::header::HOST;
use pingora::http::RequestHeader;

use crate::core::lookup::normal_host;
use crate::core::route::is_local;

use super::super::answer::Answer;
use super::super::choice::Choice;
use super::super::client::{Client, Side};
use super::super::context::Context;
use super::super::{cookie, forwarded, middleware};
use super::Proxy;

impl Proxy {
    /// Decides where a request goes, or what it is answered.
    pub(super) fn decide(
        &self,
        request: &RequestHeader,
        client: &Client,
    ) -> Result<Choice, Answer> {
        let host = request
            .headers
            .get(HOST)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let host = normal_host(std::str::from_utf8(host).unwrap_or_default());
        let path = request.uri.path();
        if client.side == Side::Public && is_local(&host) {
            return Err(Answer::no_route(&host, path));
        }
        let table = self.table.load();
        if !table.warm {
            return Err(Answer::warming_up());
        }
        let Some(route) = table.find(&host, path) else {
            return Err(Answer::no_route(&host, path));
        };
        let secure = self.trusts(client) && forwarded::says_tls(request);
        let shares = route.shares(secure);
        if shares.is_empty() {
            let path_and_query = request.uri.path_and_query().map_or("/", |it| it.as_str());
            return Err(match secure {
                false => Answer::use_tls(&host, path_and_query),
                true => Answer::no_route(&host, path),
            });
        }
        Choice::make(route, secure, cookie::containers(request)).ok_or_else(|| {
            let first = shares.first();
            first
                .and_then(|pool| middleware::without_endpoint(pool, request))
                .unwrap_or_else(|| Answer::no_endpoint(first.map_or("", |pool| &pool.service)))
        })
    }

    /// Lets a request in to a service that does not let everybody in, or says what it is answered.
    pub(super) async fn admit(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        choice: Choice,
    ) -> Result<Choice, Answer> {
        let pool = choice.pool();
        let Some(chain) = &pool.chain else {
            return Ok(choice);
        };
        // Nobody whose address is not known is let in where it may matter.
        let Some(client) = &context.client else {
            return Err(Answer::no_listener());
        };
        let origin = forwarded::origin(request, client, &self.trusted);
        let admitted = chain.admit(pool, request, origin).await;
        if let (Err(_), Some(noted)) = (&admitted, &mut context.noted) {
            noted.refused_for(&pool.service);
        }
        context.user = admitted?;
        Ok(choice)
    }
}
