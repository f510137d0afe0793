//! Tells the access log of a request that has ended.

use std::time::SystemTime;

use http::header::{HOST, REFERER, USER_AGENT};
use http::{HeaderName, Version};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::observe::access_log::{AccessLog, Record};

use super::context::Context;
use super::spelling;
use crate::gateway::filters::forwarded;

/// Writes a request down, where the log wants it. `broken`: it did not come to its end.
pub(crate) fn write(
    log: &AccessLog,
    session: &Session,
    context: &Context,
    status: u16,
    broken: bool,
    trusted: &[IpNet],
) {
    if !log.wants(broken || status >= 500) {
        return;
    }
    let request = session.req_header();
    let text = |name: HeaderName| {
        let value = request.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    };
    let client = context.client.as_deref();
    let choice = context.choice.as_ref();
    let noted = context.noted.as_deref();
    let ids = context.ids.as_deref();
    let id = |bytes: &'_ [u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = text(HOST).or_else(|| request.uri.host().map(Into::into));
    log.write(&Record {
        time: SystemTime::now(),
        client: client.and_then(|client| forwarded::origin(request, client, trusted).address()),
        user: context.user.as_deref(),
        host: host.as_deref().unwrap_or_default(),
        method: request.method.as_str(),
        path: &path(request),
        protocol: protocol(request.version),
        status,
        bytes_in: session.body_bytes_read() as u64,
        bytes_out: session.body_bytes_sent() as u64,
        duration: context.started.elapsed(),
        connect: noted.and_then(|noted| noted.connect),
        first_byte: noted.and_then(|noted| noted.first_byte),
        service: context.about().map(|about| about.service),
        task: choice.map(|choice| choice.target().task.as_str()),
        retries: choice.map_or(0, |choice| choice.retries()),
        reason: context.reason,
        referer: text(REFERER).as_deref(),
        user_agent: text(USER_AGENT).as_deref(),
        request_id: ids.map(|ids| id(ids.request_id.as_bytes())).as_deref(),
        trace_id: ids.map(|ids| id(ids.trace_id())).as_deref(),
    });
}

/// The path as it was sent, without the query, in which people put what nobody should read.
pub(crate) fn path(request: &RequestHeader) -> String {
    String::from_utf8_lossy(spelling::came(request)).into_owned()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
