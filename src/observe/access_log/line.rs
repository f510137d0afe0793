//! How a request is written down. Nothing that a client sends can end a line or a field.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::Record;

/// The fields in their order; durations in milliseconds.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    host: &'a str,
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(serialize_with = "milliseconds")]
    duration_ms: Option<Duration>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "milliseconds"
    )]
    connect_ms: Option<Duration>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "milliseconds"
    )]
    first_byte_ms: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    retries: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

// Serde hands over a reference to the field.
#[allow(clippy::ref_option)]
fn milliseconds<S: Serializer>(
    length: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let microseconds = length.unwrap_or_default().as_micros();
    serializer.serialize_f64(microseconds as f64 / 1_000.0)
}

/// One JSON object and a line's end.
pub(super) fn json(record: &Record<'_>) -> String {
    let line = Line {
        time: humantime::format_rfc3339_millis(record.time).to_string(),
        client: record.client,
        user: record.user,
        host: record.host,
        method: record.method,
        path: record.path,
        protocol: record.protocol,
        status: record.status,
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        duration_ms: Some(record.duration),
        connect_ms: record.connect,
        first_byte_ms: record.first_byte,
        service: record.service,
        task: record.task,
        retries: record.retries,
        reason: record.reason,
        referer: record.referer.map(without_query),
        user_agent: record.user_agent,
        request_id: record.request_id,
        trace_id: record.trace_id,
    };
    let mut line = serde_json::to_string(&line).expect("strings and numbers are always JSON");
    line.push('\n');
    line
}

/// Apache's `combined`, which nginx has too.
pub(super) fn combined(record: &Record<'_>) -> String {
    let mut line = String::with_capacity(256);
    match record.client {
        Some(client) => write!(line, "{client}"),
        None => line.write_str("-"),
    }
    .expect("a string takes any length");
    line.push_str(" - ");
    match record.user {
        // Fields end at blanks.
        Some(user) => escape(&mut line, &user.replace(' ', "_")),
        None => line.push('-'),
    }
    write!(line, " [{}] \"", calendar(record.time)).expect("a string takes any length");
    escape(&mut line, record.method);
    line.push(' ');
    escape(&mut line, record.path);
    write!(
        line,
        " {}\" {} {} \"",
        record.protocol, record.status, record.bytes_out
    )
    .expect("a string takes any length");
    escape(&mut line, record.referer.map_or("-", without_query));
    line.push_str("\" \"");
    escape(&mut line, record.user_agent.unwrap_or("-"));
    line.push_str("\"\n");
    line
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// As Apache does it: what could end the field, or does not print, in hexadecimal.
fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            ' '..='~' => line.push(character),
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(line, "\\x{byte:02x}").expect("a string takes any length");
                }
            }
        }
    }
}

/// `25/Nov/2026:09:10:49 +0000`.
fn calendar(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month: usize = part(5, 7).parse().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    format!(
        "{}/{month}/{}:{} +0000",
        part(8, 10),
        part(0, 4),
        part(11, 19)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::observe::access_log) fn record() -> Record<'static> {
        Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_597_849_250),
            client: Some([192, 0, 2, 1].into()),
            user: None,
            host: "shop.example.com",
            method: "GET",
            path: "/a",
            protocol: "HTTP/1.1",
            status: 200,
            bytes_in: 0,
            bytes_out: 512,
            duration: Duration::from_micros(1_234),
            connect: None,
            first_byte: None,
            service: None,
            task: None,
            retries: 0,
            reason: None,
            referer: None,
            user_agent: None,
            request_id: None,
            trace_id: None,
        }
    }

    #[test]
    fn a_line_of_json_has_what_is_known_and_no_query() {
        assert_eq!(
            json(&record()),
            "{\"time\":\"2026-11-25T09:10:49.250Z\",\"client\":\"192.0.2.1\",\"host\":\"shop.example.com\",\
             \"method\":\"GET\",\"path\":\"/a\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes_in\":0,\
             \"bytes_out\":512,\"duration_ms\":1.234,\"retries\":0}\n"
        );
        let full = Record {
            user: Some("alice"),
            connect: Some(Duration::from_micros(80)),
            first_byte: Some(Duration::from_millis(1)),
            service: Some("shop"),
            task: Some("t1"),
            retries: 1,
            reason: Some("no-route"),
            referer: Some("https://b.example/x?token=1"),
            user_agent: Some("curl\n\"8\""),
            request_id: Some("r1"),
            trace_id: Some("4bf9"),
            ..record()
        };
        let line = json(&full);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains("token"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        for (name, expected) in [
            ("user", serde_json::json!("alice")),
            ("connect_ms", serde_json::json!(0.08)),
            ("first_byte_ms", serde_json::json!(1.0)),
            ("service", serde_json::json!("shop")),
            ("task", serde_json::json!("t1")),
            ("retries", serde_json::json!(1)),
            ("reason", serde_json::json!("no-route")),
            ("referer", serde_json::json!("https://b.example/x")),
            ("user_agent", serde_json::json!("curl\n\"8\"")),
            ("request_id", serde_json::json!("r1")),
            ("trace_id", serde_json::json!("4bf9")),
        ] {
            assert_eq!(value[name], expected, "{name}");
        }
    }

    #[test]
    fn a_combined_line_is_what_tools_expect_and_cannot_be_forged() {
        assert_eq!(
            combined(&record()),
            "192.0.2.1 - - [25/Nov/2026:09:10:49 +0000] \"GET /a HTTP/1.1\" 200 512 \"-\" \"-\"\n"
        );
        let forged = Record {
            client: None,
            user: Some("a b"),
            path: "/\"x\\",
            referer: Some("https://b.example/?q"),
            user_agent: Some("e\"vil\n\u{e4}"),
            ..record()
        };
        assert_eq!(
            combined(&forged),
            "- - a_b [25/Nov/2026:09:10:49 +0000] \"GET /\\\"x\\\\ HTTP/1.1\" 200 512 \
             \"https://b.example/\" \"e\\\"vil\\x0a\\xc3\\xa4\"\n"
        );
    }
}
