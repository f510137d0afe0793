//! A task with one resource and one tag, behind a gateway that compresses.

use hiveway::core::model::middleware::Encoding;

use super::super::super::edge::Edge;
use super::super::super::message::Head;
use super::super::super::origin::{Behaviour, Origin, origins};
use super::super::super::service::Service;
use crate::bounded::bounded;

pub(super) const LENGTH: usize = 10_000;
const CHANGED: &str = "Tue, 01 Dec 2026 08:00:00 GMT";

/// How a task compares tags.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reader {
    /// As RFC 9110 says: lists, and weakly where that is enough.
    Rfc,
    /// As many small servers do: the header's text is the tag's, or it is not.
    Text,
}

/// A task with one resource.
struct Task {
    tag: &'static str,
    reader: Reader,
}

impl Task {
    fn matches(&self, condition: &str, weakly: bool) -> bool {
        if self.reader == Reader::Text || condition == "*" {
            return condition == "*" || condition == self.tag;
        }
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        condition.split(',').map(str::trim).any(|tag| match weakly {
            true => opaque(tag) == opaque(self.tag),
            false => tag == self.tag && !tag.starts_with("W/"),
        })
    }

    /// Answers by the rules of RFC 9110, section 13.2.2.
    fn answer(&self, request: &Head) -> String {
        let tag = self.tag;
        let method = request.first.split(' ').next().expect("a method");
        let reads = matches!(method, "GET" | "HEAD");
        if let Some(condition) = request.one("if-match")
            && !self.matches(condition, false)
        {
            return "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n".to_owned();
        }
        let fresh = match request.one("if-none-match") {
            Some(condition) => self.matches(condition, true),
            None => request.one("if-modified-since") == Some(CHANGED),
        };
        let validators = format!("ETag: {tag}\r\nLast-Modified: {CHANGED}\r\n");
        if fresh && reads {
            // Some send the length as well, which is that of the 200 (RFC 9110, section 8.6).
            return format!(
                "HTTP/1.1 304 Not Modified\r\n{validators}Content-Length: {LENGTH}\r\n\r\n"
            );
        }
        if !reads {
            return format!("HTTP/1.1 204 No Content\r\nETag: {tag}\r\n\r\n");
        }
        let kind = "Content-Type: application/json\r\nAccept-Ranges: bytes\r\n";
        let same = request
            .one("if-range")
            .is_none_or(|it| self.matches(it, false));
        match request.one("range").filter(|_| same && method == "GET") {
            Some("bytes=0-99") => format!(
                "HTTP/1.1 206 Partial Content\r\n{validators}{kind}Content-Range: bytes 0-99/{LENGTH}\r\n\
                 Content-Length: 100\r\n\r\n{}",
                "a".repeat(100)
            ),
            Some(_) => format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{LENGTH}\r\n\
                 Content-Length: 0\r\n\r\n"
            ),
            None => {
                let body = if method == "HEAD" { 0 } else { LENGTH };
                format!(
                    "HTTP/1.1 200 OK\r\n{validators}{kind}Content-Length: {LENGTH}\r\n\r\n{}",
                    "a".repeat(body)
                )
            }
        }
    }
}

/// A gateway in front of a task, which compresses.
pub(super) struct Stage {
    edge: Edge,
    origin: Origin,
    task: Task,
}

impl Stage {
    pub(super) async fn start(tag: &'static str, reader: Reader) -> Self {
        let [origin] = origins([Behaviour::Hand]).await;
        let service = Service::new("web", "web.test").endpoints([&origin]);
        let offered = Encoding::ALL.to_vec();
        let service = service.middleware(|it| it.compress = offered);
        let edge = Edge::start(&[service]).await;
        let task = Task { tag, reader };
        Self { edge, origin, task }
    }

    /// What the task is asked, and what the client is answered, body left out.
    pub(super) async fn exchange(&self, method: &str, version: &str, lines: &str) -> (Head, Head) {
        let mut client = self.edge.client().await;
        let request = format!("{method} / HTTP/{version}\r\nHost: web.test\r\n{lines}\r\n");
        client.send(request).await;
        let mut exchange = self.origin.handed().await;
        let answer = self.task.answer(&exchange.head);
        exchange.wire.send(answer).await.expect("it is read");
        let head = bounded(client.wire.head()).await.expect("a head");
        let body = bounded(client.wire.body(head.answer_framing(method))).await;
        assert!(body.is_some(), "{method} {lines}: {head:?}");
        (exchange.head, head)
    }
}

/// What an answer says of its representation.
#[derive(Debug, PartialEq)]
pub(super) struct Shown<'a> {
    pub(super) status: u16,
    pub(super) tag: Option<&'a str>,
    pub(super) coding: Option<&'a str>,
    pub(super) length: Option<&'a str>,
    pub(super) vary: Option<&'a str>,
}

pub(super) fn shown(head: &Head) -> Shown<'_> {
    Shown {
        status: head.status(),
        tag: head.one("etag"),
        coding: head.one("content-encoding"),
        length: head.one("content-length"),
        vary: head.one("vary"),
    }
}
