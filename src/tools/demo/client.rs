//! The demo client: one request after the other, one line each, like `curl --head` in a loop.

use std::time::{Duration, SystemTime};

use axum::http::Method;
use tokio::time::{MissedTickBehavior, interval};

use super::request::{Answer, Failure, Target, ask};
use super::{Error, asked_to_end, say};

/// How the client runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What it asks for.
    pub target: Target,
    /// GET or HEAD.
    pub method: Method,
    /// From the start of one request to the start of the next.
    pub interval: Duration,
    /// How long one request may take, from the look-up of the name to the last byte.
    pub timeout: Duration,
    /// How many requests to make; none for no end.
    pub count: Option<u64>,
}

/// Asks until the count is reached, or SIGTERM or SIGINT.
///
/// # Errors
///
/// Standard output is closed, or the signals cannot be had. An unanswered request is a line, not an error.
pub async fn run(config: Config) -> Result<(), Error> {
    tokio::select! {
        asked = ask_on_and_on(&config) => asked,
        ended = asked_to_end() => ended,
    }
}

async fn ask_on_and_on(config: &Config) -> Result<(), Error> {
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut made = 0;
    while config.count.is_none_or(|count| made < count) {
        ticks.tick().await;
        let outcome = ask(&config.target, config.method.clone(), config.timeout).await;
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        say(format_args!("{now}  {}", line(&outcome)))?;
        made += 1;
    }
    Ok(())
}

/// What there is to say of a request: the status, who answered, the cookie, or what went wrong.
pub(super) fn line(outcome: &Result<Answer, Failure>) -> String {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => return format!("error  {failure}"),
    };
    let mut line = format!(
        "{}  served by {}",
        answer.status.as_u16(),
        answer.served_by().unwrap_or("nobody")
    );
    for (label, header) in [("Set-Cookie", "set-cookie"), ("reason", "x-hiveway-reason")] {
        if let Some(value) = answer.header(header) {
            line.push_str(&format!("  {label}: {value}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Result<Answer, Failure> {
        let pairs = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: pairs.collect::<HeaderMap>(),
            body: Default::default(),
        })
    }

    #[test]
    fn a_line_says_who_answered_or_why_nobody_did() {
        let cases = [
            (
                answer(
                    200,
                    &[
                        ("x-served-by", "a1b2"),
                        ("set-cookie", "CONTAINERID=a1b2; path=/"),
                    ],
                ),
                "200  served by a1b2  Set-Cookie: CONTAINERID=a1b2; path=/",
            ),
            (
                answer(503, &[("x-hiveway-reason", "no endpoint in rotation")]),
                "503  served by nobody  reason: no endpoint in rotation",
            ),
            (
                Err(Failure::TimedOut {
                    bound: Duration::from_millis(2500),
                    waiting_for: "the answer of 10.0.0.3:80".into(),
                }),
                "error  no answer within 2.5 s, waiting for the answer of 10.0.0.3:80",
            ),
        ];
        for (outcome, expected) in cases {
            assert_eq!(line(&outcome), expected);
        }
    }
}
