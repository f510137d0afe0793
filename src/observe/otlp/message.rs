//! A batch of spans as OTLP's JSON writes it: ids in hexadecimal, names as protobuf's JSON has them, 64 bits as text.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

use super::resource::Resource;
use super::{Span, Value};

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// Of a span's flags, above W3C's: that it is known whether its parent is another process', and that it is.
const REMOTE_IS_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// An `ExportTraceServiceRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    resource_spans: [OfResource<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfResource<'a> {
    resource: Attributes<'a>,
    scope_spans: [OfScope<'a>; 1],
}

#[derive(Serialize)]
struct Attributes<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct OfScope<'a> {
    scope: Scope,
    spans: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    flags: u32,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Said<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Said<'a> {
    StringValue(&'a str),
    IntValue(String),
}

/// The message of a batch.
pub(super) fn of(resource: &Resource, batch: &[Span]) -> Bytes {
    let attributes = resource.attributes.iter().map(|(key, value)| Attribute {
        key,
        value: Said::StringValue(value),
    });
    let message = Message {
        resource_spans: [OfResource {
            resource: Attributes {
                attributes: attributes.collect(),
            },
            scope_spans: [OfScope {
                scope: Scope {
                    name: "hiveway",
                    version: env!("CARGO_PKG_VERSION"),
                },
                spans: batch.iter().map(line).collect(),
            }],
        }],
    };
    let text = serde_json::to_vec(&message).expect("strings and numbers are always JSON");
    text.into()
}

fn line(span: &Span) -> Line<'_> {
    let ids = &span.ids;
    let remote = ids.parent.map_or(0, |_| REMOTE);
    let end = span.end.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = |time: Duration| time.as_nanos().to_string();
    Line {
        trace_id: format!("{:032x}", ids.trace),
        span_id: format!("{:016x}", ids.own),
        parent_span_id: ids.parent.map(|parent| format!("{parent:016x}")),
        trace_state: span.trace_state.as_deref(),
        flags: u32::from(ids.flags) | REMOTE_IS_KNOWN | remote,
        name: &span.name,
        kind: SERVER,
        start_time_unix_nano: nanoseconds(end.saturating_sub(span.duration)),
        end_time_unix_nano: nanoseconds(end),
        attributes: span.attributes.iter().map(attribute).collect(),
        status: span.failed.then_some(Status { code: ERROR }),
    }
}

fn attribute<'a>((key, value): &'a (&'static str, Value)) -> Attribute<'a> {
    let value = match value {
        Value::Text(text) => Said::StringValue(text),
        Value::Number(number) => Said::IntValue(number.to_string()),
    };
    Attribute { key, value }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value as Json, json};

    use super::super::SpanIds;
    use super::*;

    pub(in crate::observe::otlp) fn span() -> Span {
        Span {
            ids: SpanIds {
                trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                own: 0xf0_67aa_0ba9_02b7,
                parent: None,
                flags: 1,
            },
            trace_state: None,
            name: "GET".to_owned(),
            end: UNIX_EPOCH + Duration::from_nanos(1_795_597_849_250_000_001),
            duration: Duration::from_nanos(50_000_002),
            failed: false,
            attributes: vec![],
        }
    }

    #[test]
    fn a_batch_is_one_message_as_otlp_writes_it() {
        let child = Span {
            ids: SpanIds {
                parent: Some(1),
                ..span().ids
            },
            trace_state: Some("a=b".to_owned()),
            name: "GET shop.test/".to_owned(),
            failed: true,
            attributes: vec![
                ("url.path", Value::text("/a")),
                ("http.response.status_code", Value::Number(503)),
            ],
            ..span()
        };
        let resource = Resource {
            attributes: vec![("service.name", "hiveway".to_owned())],
        };
        let message = of(&resource, &[span(), child]);
        let message: Json = serde_json::from_slice(&message).expect("JSON");
        let expected = json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "hiveway" } }] },
            "scopeSpans": [{
                "scope": { "name": "hiveway", "version": env!("CARGO_PKG_VERSION") },
                "spans": [
                    {
                        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                        "spanId": "00f067aa0ba902b7",
                        "flags": 0x101,
                        "name": "GET",
                        "kind": 2,
                        "startTimeUnixNano": "1795597849199999999",
                        "endTimeUnixNano": "1795597849250000001",
                        "attributes": [],
                    },
                    {
                        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                        "spanId": "00f067aa0ba902b7",
                        "parentSpanId": "0000000000000001",
                        "traceState": "a=b",
                        "flags": 0x301,
                        "name": "GET shop.test/",
                        "kind": 2,
                        "startTimeUnixNano": "1795597849199999999",
                        "endTimeUnixNano": "1795597849250000001",
                        "attributes": [
                            { "key": "url.path", "value": { "stringValue": "/a" } },
                            { "key": "http.response.status_code", "value": { "intValue": "503" } },
                        ],
                        "status": { "code": 2 },
                    },
                ],
            }],
        }] });
        assert_eq!(message, expected);
    }
}
