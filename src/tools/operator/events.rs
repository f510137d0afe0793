//! `hiveway events`: what happened, and what happens.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::client::{Client, Error, Stream, escape};
use super::paint::{Colour, Style};
use super::table::printable;
use super::{Events, Format, complain};
use crate::process::clock;
use crate::tools::stdout;

/// How long an instance that has gone away is left alone.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// What is shown of an event. Read leniently, so that another version's can be shown as well.
#[derive(Deserialize)]
struct Told {
    at: u64,
    severity: String,
    kind: String,
    message: String,
}

#[derive(Deserialize)]
struct Recent {
    events: Vec<Value>,
}

pub(super) async fn run(events: Events) -> Result<(), Error> {
    let client = Client::new(&events.admin_url)?;
    let paint = Style::for_stdout();
    let query = query(&events);
    if !events.follow {
        let recent: Recent = client.get(&format!("/v1/events{query}")).await?;
        let text: String = recent
            .events
            .iter()
            .map(|event| show(event, events.format, paint))
            .collect();
        stdout::write(&text)?;
        return Ok(());
    }
    let path = format!("/v1/events/stream{query}");
    let mut stream = client.stream(&path, None).await?;
    let mut last: Option<String> = None;
    loop {
        let sent = match stream.next().await {
            Ok(sent) => sent,
            Err(error) => {
                complain(&format!("{error}; asking again"));
                stream = again(&client, &path, last.as_deref()).await;
                complain("the instance answers again");
                continue;
            }
        };
        let value: Value = serde_json::from_str(&sent.data).unwrap_or_default();
        last = sent.id.or(last);
        let text = match (sent.name.as_deref(), events.format) {
            (Some("lagged"), Format::Human) => {
                let missed = value
                    .get("missed")
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                let line = format!(
                    "{missed} events were missed: they came faster than they could be shown"
                );
                format!("{}\n", paint.colour(Colour::Worse, &line))
            }
            (_, format) => show(&value, format, paint),
        };
        if !stdout::write(&text)? {
            return Ok(());
        }
    }
}

/// The stream of an instance that has gone away, which an update or a restart brings back.
async fn again<'a>(client: &'a Client, path: &str, last: Option<&str>) -> Stream<'a> {
    loop {
        sleep(BETWEEN_TRIES).await;
        if let Ok(stream) = client.stream(path, last).await {
            return stream;
        }
    }
}

fn query(events: &Events) -> String {
    let since = events.since.map(|since| {
        let before = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        format!("since={}", clock::now().0.saturating_sub(before))
    });
    let severity = events
        .severity
        .map(|it| format!("severity={}", it.as_str()));
    let service = events
        .service
        .as_ref()
        .map(|it| format!("service={}", escape(it)));
    let all: Vec<String> = [since, severity, service].into_iter().flatten().collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("?{}", all.join("&")),
    }
}

/// An event as one line.
fn show(event: &Value, format: Format, paint: Style) -> String {
    let told = match format {
        Format::Human => Told::deserialize(event).ok(),
        Format::Json => None,
    };
    let Some(told) = told else {
        return format!("{event}\n");
    };
    let at = std::time::UNIX_EPOCH + Duration::from_millis(told.at);
    let at = humantime::format_rfc3339_millis(at).to_string();
    let colour = match told.severity.as_str() {
        "error" => Colour::Bad,
        "warn" => Colour::Worse,
        "info" => Colour::Good,
        _ => Colour::Quiet,
    };
    format!(
        "{} {} {} {}\n",
        paint.colour(Colour::Quiet, &at),
        paint.colour(colour, &format!("{:7}", told.severity.to_uppercase())),
        printable(&told.message),
        paint.colour(Colour::Quiet, &format!("kind={}", told.kind)),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_and_none_moves_the_cursor() {
        let event = json!({ "sequence": 4, "at": 1_700_000_000_123_u64, "severity": "warn", "kind": "scale_refused",
            "message": "b could not be\u{1b}[2J\n scaled", "service": "b" });
        assert_eq!(
            show(&event, Format::Human, Style::none()),
            "2023-11-14T22:13:20.123Z WARN    b could not be\u{fffd}[2J\u{fffd} scaled kind=scale_refused\n"
        );
        assert_eq!(
            show(&event, Format::Json, Style::none()),
            format!("{event}\n")
        );
        // What is not understood is shown all the same.
        assert_eq!(
            show(&json!({"missed": 3}), Format::Human, Style::all()),
            "{\"missed\":3}\n"
        );
    }
}
