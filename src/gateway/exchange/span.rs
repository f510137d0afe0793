//! Tells of a request that has ended as a span, by the names of OpenTelemetry's conventions for servers of HTTP.
//!
//! # Design notes
//!
//! The query of a URL is left out, in which people put what nobody should read, as it is in the access log. The route is named
//! as its label writes it, host and path, since one gateway serves many hosts.

use std::borrow::Cow;
use std::time::SystemTime;

use http::Version;
use http::header::{HOST, USER_AGENT};
use http::uri::Authority;
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource};

use crate::observe::metrics::MethodLabel;
use crate::observe::otlp::{Span, Spans, Value};

use super::access;
use super::context::Context;
use super::trace::TRACE_STATE;
use crate::gateway::client::paced::SLOW_READER;
use crate::gateway::filters::forwarded;

/// Tells of a request whose trace is sampled. `written`: the status that the client was sent; none where it had left before.
pub(crate) fn tell(
    spans: &Spans,
    session: &Session,
    context: &Context,
    written: Option<u16>,
    error: Option<&Error>,
    trusted: &[IpNet],
) {
    let Some(ids) = context.ids.as_ref().and_then(|ids| ids.span) else {
        return;
    };
    let request = session.req_header();
    let choice = context.choice.as_ref();
    let about = context.about();
    let route = about.map(|about| format!("{}{}", about.route.host, about.route.path));
    // Clients can write any method, which makes no good name.
    let known = MethodLabel::from(&request.method) != MethodLabel::Other;
    let method = if known {
        request.method.as_str()
    } else {
        "HTTP"
    };
    let failure = failure(context, written, error);
    let mut attributes = Vec::with_capacity(20);
    if known {
        attributes.push(("http.request.method", Value::text(request.method.as_str())));
    } else {
        let original = Value::text(request.method.as_str());
        attributes.push(("http.request.method", Value::Text("_OTHER".into())));
        attributes.push(("http.request.method_original", original));
    }
    attributes.push(("url.path", Value::text(&access::path(request))));
    let scheme = if is_secure(request, context, trusted) {
        "https"
    } else {
        "http"
    };
    attributes.push(("url.scheme", Value::Text(scheme.into())));
    attributes.extend(server(request));
    if let Some(status) = written.or(context.status) {
        attributes.push(("http.response.status_code", Value::Number(status.into())));
    }
    let mut text = |name, value: Option<&str>| {
        attributes.extend(value.map(|value| (name, Value::text(value))));
    };
    text("http.route", route.as_deref());
    let client = context.client.as_deref();
    let client = client.and_then(|client| forwarded::origin(request, client, trusted).address());
    let client = client.map(|address| address.to_string());
    text("client.address", client.as_deref());
    text("network.protocol.version", Some(version(request.version)));
    let agent = request.headers.get(USER_AGENT);
    let agent = agent.map(|it| String::from_utf8_lossy(it.as_bytes()));
    text("user_agent.original", agent.as_deref());
    text("error.type", failure.as_deref());
    text("hiveway.service", about.map(|about| about.service));
    text("hiveway.task", choice.map(|it| it.target().task.as_str()));
    text("hiveway.reason", context.reason);
    if let Some(choice) = choice {
        let retries = Value::Number(choice.retries().into());
        attributes.push(("hiveway.retries", retries));
    }
    spans.tell(Span {
        ids,
        trace_state: trace_state(request).filter(|_| ids.parent.is_some()),
        name: match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        },
        end: SystemTime::now(),
        duration: context.started.elapsed(),
        failed: failure.is_some(),
        attributes,
    });
}

/// What went wrong; none where nothing did, or it was the client's mistake.
fn failure(
    context: &Context,
    written: Option<u16>,
    error: Option<&Error>,
) -> Option<Cow<'static, str>> {
    match context.status.or(written) {
        Some(status @ 500..) => Some(status.to_string().into()),
        _ if context.reason == Some(SLOW_READER) => Some(SLOW_READER.into()),
        // It was answered here, and whole.
        _ if context.reason.is_some() => None,
        None => Some("client-left".into()),
        Some(_) => error.map(|error| match error.esource() {
            ErrorSource::Downstream => "client-left".into(),
            _ => "response-failed".into(),
        }),
    }
}

/// The name that the client asked for, and the port where it gave one.
fn server(request: &RequestHeader) -> impl Iterator<Item = (&'static str, Value)> {
    let named = request.headers.get(HOST).map(|host| host.as_bytes());
    let named = named.and_then(|host| Authority::try_from(host).ok());
    let named = named.or_else(|| request.uri.authority().cloned());
    let port = named.as_ref().and_then(Authority::port_u16);
    let name = named.map(|named| ("server.address", Value::text(named.host())));
    let port = port.map(|port| ("server.port", Value::Number(port.into())));
    name.into_iter().chain(port)
}

/// Whether the client came by TLS, to us or to a trusted proxy in front.
fn is_secure(request: &RequestHeader, context: &Context, trusted: &[IpNet]) -> bool {
    if let Some(choice) = &context.choice {
        return choice.secure;
    }
    let client = context.client.as_deref();
    client.is_some_and(|client| forwarded::is_secure(request, client, trusted))
}

/// The client's own, in one line; none where it is longer than others have to take.
fn trace_state(request: &RequestHeader) -> Option<String> {
    const LONGEST: usize = 512;
    let lines = request.headers.get_all(TRACE_STATE).iter();
    let lines: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    let line = lines?.join(",");
    (1..=LONGEST).contains(&line.len()).then_some(line)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
