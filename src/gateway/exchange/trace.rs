//! By which ids a request is known to others: `X-Request-Id` and W3C's `traceparent`, made where the client has none.
//!
//! # Design notes
//!
//! What a client sends is kept where it is well formed: ids only help to find things. Where Hiveway reports no spans, a
//! `traceparent` that was kept is passed on as it is, since a parent that nobody knows would break the trace; and one that is
//! made says "sampled": with the other flag, services that follow it, as OpenTelemetry's do by default, would record nothing.
//!
//! Where it reports spans, the client's flag decides, or else the share of traces that begin here. A span comes between the
//! client's and the task's, so only a sampled request's `traceparent` is written anew; one that is not sampled is passed on,
//! or made with the flag that says so, which others follow.
//!
//! An id is a counter under a keyed hash: as unlike any other as a random one, and no system call.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::observe::otlp::{Share, SpanIds};

/// The header in which clients, tasks and logs find one request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// W3C's flags: that a trace is recorded, and that its id is random. Others are not understood, and not passed on.
const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// Makes ids.
pub(crate) struct IdGenerator {
    keys: [RandomState; 3],
    count: AtomicU64,
    /// Of which traces that begin here spans are told; none where none are.
    share: Option<Share>,
}

/// One request's.
pub(crate) struct Ids {
    pub(crate) request_id: HeaderValue,
    /// What the task is told.
    pub(crate) trace_parent: HeaderValue,
    /// Whether the trace is the client's.
    joined: bool,
    /// By which ids its span is told of; none where it is not.
    pub(crate) span: Option<SpanIds>,
}

impl IdGenerator {
    pub(crate) fn new(share: Option<Share>) -> Self {
        Self {
            keys: std::array::from_fn(|_| RandomState::new()),
            count: AtomicU64::new(0),
            share,
        }
    }

    /// The ids that a request came with, and new ones for those that it has not. One that has neither gets the trace's id as
    /// its own.
    pub(crate) fn ids(&self, request: &RequestHeader) -> Ids {
        let known = |name: HeaderName, sound: fn(&[u8]) -> bool| {
            let mut values = request.headers.get_all(name).iter();
            let only = values.next().filter(|value| sound(value.as_bytes()));
            only.filter(|_| values.next().is_none()).cloned()
        };
        let parent = known(TRACE_PARENT, is_trace_parent);
        let joined = parent.is_some();
        let (trace_parent, span) = match parent {
            Some(parent) => match self.share.and_then(|_| self.child(&parent)) {
                Some(span) => (trace_parent(&span), Some(span)),
                None => (parent, None),
            },
            None => {
                let span = self.root();
                let told = self.share.is_some() && span.flags & SAMPLED != 0;
                (trace_parent(&span), told.then_some(span))
            }
        };
        let request_id = known(REQUEST_ID, is_request_id);
        let request_id = request_id.unwrap_or_else(|| {
            HeaderValue::from_bytes(trace_id(&trace_parent)).expect("digits make a header value")
        });
        Ids {
            request_id,
            trace_parent,
            joined,
            span,
        }
    }

    /// The ids of a trace that begins here.
    fn root(&self) -> SpanIds {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [a, b, own] = [0, 1, 2].map(|key: usize| self.keys[key].hash_one(count));
        let trace = u128::from(a) << 64 | u128::from(b);
        let sampled = self.share.is_none_or(|share| share.has(trace));
        SpanIds {
            trace,
            // All zeros would be no id; that it comes to this is as likely as that two ids are one.
            own: own.max(1),
            parent: None,
            flags: if sampled { SAMPLED } else { 0 },
        }
    }

    /// The ids of a span below a client's; none where that is not sampled.
    fn child(&self, parent: &HeaderValue) -> Option<SpanIds> {
        let number = |from, to| u128::from_str_radix(parent.to_str().ok()?.get(from..to)?, 16).ok();
        let flags = u8::try_from(number(53, 55)?).ok()? & (SAMPLED | RANDOM);
        if flags & SAMPLED == 0 {
            return None;
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Some(SpanIds {
            trace: number(3, 35)?,
            own: self.keys[2].hash_one(count).max(1),
            parent: u64::try_from(number(36, 52)?).ok(),
            flags,
        })
    }
}

impl Ids {
    /// The id of the trace.
    pub(crate) fn trace_id(&self) -> &[u8] {
        trace_id(&self.trace_parent)
    }

    /// Tells the task.
    pub(crate) fn tell_task(&self, request: &mut RequestHeader) -> Result<()> {
        // What stands beside a `traceparent` that was not kept belongs to no trace.
        if !self.joined {
            request.remove_header(&TRACE_STATE);
        }
        request.insert_header("X-Request-Id", &self.request_id)?;
        request.insert_header(TRACE_PARENT, &self.trace_parent)
    }

    /// Tells the client, unless the task did.
    pub(crate) fn tell_client(&self, response: &mut ResponseHeader) -> Result<()> {
        if response.headers.contains_key(REQUEST_ID) {
            return Ok(());
        }
        response.insert_header("X-Request-Id", &self.request_id)
    }
}

/// As W3C writes it.
fn trace_parent(ids: &SpanIds) -> HeaderValue {
    let SpanIds {
        trace, own, flags, ..
    } = ids;
    let text = format!("00-{trace:032x}-{own:016x}-{flags:02x}");
    HeaderValue::try_from(text).expect("digits and hyphens make a header value")
}

/// The second of four parts.
fn trace_id(trace_parent: &HeaderValue) -> &[u8] {
    trace_parent.as_bytes().get(3..35).unwrap_or_default()
}

/// Whether this can be an id of anybody's making.
fn is_request_id(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(allowed)
}

/// Whether this is W3C's header: of version 00, or of a later one, of which the beginning is the same.
fn is_trace_parent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| {
        part.iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let Some((head, rest)) = value.split_at_checked(55) else {
        return false;
    };
    let parts = [&head[..2], &head[3..35], &head[36..52], &head[53..]];
    let later = &head[..2] != b"00";
    [2, 35, 52].iter().all(|place| head[*place] == b'-')
        && parts.iter().all(|part| hex(part))
        && &head[..2] != b"ff"
        && !zero(parts[1])
        && !zero(parts[2])
        && (rest.is_empty() || (later && rest[0] == b'-'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[test]
    fn only_well_formed_trace_parents_are_kept() {
        assert!(is_trace_parent(SOUND.as_bytes()));
        assert!(is_trace_parent(SOUND.replacen("00-", "cc-", 1).as_bytes()));
        assert!(is_trace_parent(
            format!("{}-more", SOUND.replacen("00-", "cc-", 1)).as_bytes()
        ));
        for broken in [
            String::new(),
            SOUND[..54].to_owned(),
            format!("{SOUND}-more"),
            format!("{SOUND}x"),
            SOUND.to_uppercase(),
            SOUND.replacen("00-", "ff-", 1),
            SOUND.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            SOUND.replace("00f067aa0ba902b7", &"0".repeat(16)),
            SOUND.replace('-', "_"),
        ] {
            assert!(!is_trace_parent(broken.as_bytes()), "{broken}");
        }
    }

    #[test]
    fn ids_that_are_made_are_well_formed_and_all_different() {
        let mint = IdGenerator::new(None);
        let request = RequestHeader::build("GET", b"/", None).expect("a request");
        let made: HashSet<_> = (0..10_000)
            .map(|_| mint.ids(&request).trace_parent)
            .collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|made| is_trace_parent(made.as_bytes())));
    }

    #[test]
    fn valid_trace_context_is_kept_and_invalid_is_replaced() {
        let mint = IdGenerator::new(None);
        let long = "x".repeat(129);
        for (lines, request_id, trace_parent) in [
            (vec![("X-Request-Id", "abc/1=")], Some("abc/1="), None),
            (
                vec![("traceparent", SOUND)],
                Some(&SOUND[3..35]),
                Some(SOUND),
            ),
            (vec![("X-Request-Id", "a b")], None, None),
            (vec![("X-Request-Id", &long)], None, None),
            (
                vec![("X-Request-Id", "a"), ("X-Request-Id", "b")],
                None,
                None,
            ),
            (
                vec![("traceparent", SOUND), ("traceparent", SOUND)],
                None,
                None,
            ),
            (vec![], None, None),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            request
                .append_header("tracestate", "a=b")
                .expect("a header");
            for (name, value) in &lines {
                request.append_header(*name, *value).expect("a header");
            }
            let ids = mint.ids(&request);
            ids.tell_task(&mut request).expect("a request");
            let told = |name: &str| request.headers.get(name).and_then(|it| it.to_str().ok());
            let parent = told("traceparent").expect("one");
            assert_eq!(parent, trace_parent.unwrap_or(parent), "{lines:?}");
            assert_eq!(
                told("x-request-id"),
                Some(request_id.unwrap_or(&parent[3..35]))
            );
            assert_eq!(
                told("tracestate").is_some(),
                trace_parent.is_some(),
                "{lines:?}"
            );
        }
    }
    #[test]
    fn a_span_comes_between_a_sampled_parent_and_the_task() {
        let mint = IdGenerator::new(Some("0".parse().expect("a share")));
        let ids = |parent: &str| {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            request
                .append_header("traceparent", parent)
                .expect("a header");
            request
                .append_header("tracestate", "a=b")
                .expect("a header");
            let ids = mint.ids(&request);
            ids.tell_task(&mut request).expect("a request");
            assert!(request.headers.contains_key("tracestate"), "{parent}");
            ids
        };
        assert_eq!(ids(SOUND).span, None, "the parent is not sampled");
        assert_eq!(ids(SOUND).trace_parent, SOUND);
        for (flags, kept) in [("01", 1), ("03", 3), ("ff", 3)] {
            let parent = format!(
                "{}{flags}-later",
                SOUND.replacen("00-", "cc-", 1).trim_end_matches("00")
            );
            let ids = ids(&parent);
            let span = ids.span.expect("the parent is sampled");
            let expected = SpanIds {
                trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                own: span.own,
                parent: Some(0xf0_67aa_0ba9_02b7),
                flags: kept,
            };
            assert_eq!(span, expected);
            let told = format!("00-{}-{:016x}-{kept:02x}", &SOUND[3..35], span.own);
            assert_eq!(ids.trace_parent, told);
            assert_eq!(ids.request_id, &SOUND[3..35]);
        }
    }

    #[test]
    fn sample_rate_decides_for_new_traces_and_is_propagated() {
        let request = RequestHeader::build("GET", b"/", None).expect("a request");
        for (share, told) in [("0", 0), ("1", 1_000)] {
            let mint = IdGenerator::new(share.parse().ok());
            let made: Vec<_> = (0..1_000).map(|_| mint.ids(&request)).collect();
            assert_eq!(made.iter().filter(|ids| ids.span.is_some()).count(), told);
            let flag = format!("-0{share}");
            let says = |ids: &Ids| ids.trace_parent.as_bytes().ends_with(flag.as_bytes());
            assert!(made.iter().all(says), "{share}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_says_a_task_is_told_well_formed_ids(
            version in "(00|cc|ff|0)",
            trace in "(4bf92f3577b34da6a3ce929d0e0e4736|0{32}|[0-9a-g]{32})",
            own in "(00f067aa0ba902b7|0{16}|[0-9a-fA]{16})",
            rest in "(0[0-3]|[0-9a-f]{2}|\u{e9})(-[!-~]{0,300})?",
            request_id in "([a-z0-9]{1,130}|[ -~]{0,20})",
            share in prop::sample::select(vec![None, Some("0"), Some("1")]),
        ) {
            let mint = IdGenerator::new(share.and_then(|share| share.parse().ok()));
            let said = format!("{version}-{trace}-{own}-{rest}");
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            request.append_header(TRACE_PARENT, said.as_bytes()).expect("a header");
            request.append_header("X-Request-Id", &*request_id).expect("a header");
            let ids = mint.ids(&request);
            prop_assert!(is_trace_parent(ids.trace_parent.as_bytes()), "{:?}", ids.trace_parent);
            prop_assert!(is_request_id(ids.request_id.as_bytes()), "{:?}", ids.request_id);
            // A trace is the client's where its header is sound, and then has the same id.
            prop_assert_eq!(ids.joined, is_trace_parent(said.as_bytes()));
            prop_assert_eq!(ids.joined, ids.trace_id() == trace.as_bytes());
            if ids.span.is_none() && ids.joined {
                prop_assert_eq!(ids.trace_parent.as_bytes(), said.as_bytes());
            }
        }
    }
}
