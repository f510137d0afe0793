//! The load generator: many clients at a constant pace, and an account of every request that went wrong.
//!
//! A request has failed when no whole answer came in time, or its status was not of the 2xx. Nothing is sent twice. Once a
//! second, and at the end, a line of JSON says how things stand, a [`Summary`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::header::{CONNECTION, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

use super::request::{Answer, Connection, Deadline, Failure, Target};
use super::{Error, asked_to_end, say};

/// How many failed requests are told in full.
const TOLD: usize = 10;
/// From one line to the next.
const TELLING: Duration = Duration::from_secs(1);

/// How the load runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is asked for, by GET.
    pub target: Target,
    /// How many clients ask at once.
    pub connections: u32,
    /// Whether each client keeps its connection, or opens one for every request.
    pub keep_alive: bool,
    /// Whether each client sends back the cookie that it was last given.
    pub sticky: bool,
    /// Requests a second, of all clients together.
    pub rate: f64,
    /// How long one request may take, from the look-up of the name to the last byte.
    pub timeout: Duration,
    /// How many requests to make; none for no end.
    pub requests: Option<u64>,
    /// How long to go on; none for no end.
    pub duration: Option<Duration>,
}

/// What came of the requests so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests that have ended, well or not.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that failed, by how: a status, or why no answer came.
    pub failures: BTreeMap<String, u64>,
    /// The first of them.
    pub first_failures: Vec<Failed>,
    /// The one of them that was begun last.
    pub last_failure: Option<Failed>,
    /// Requests that went well, by the container that answered.
    pub served_by: BTreeMap<String, u64>,
    /// Connections that were opened.
    pub connections: u64,
    /// How long the slowest request took, in milliseconds.
    pub slowest_ms: u64,
    /// Whether this is the last word.
    pub finished: bool,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When it was begun, by RFC 3339.
    pub at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What went wrong.
    pub what: String,
}

/// Asks until the requests are made, the time is over, or SIGTERM or SIGINT; then lets what is in flight end.
///
/// # Errors
///
/// Standard output is closed, or the signals cannot be had. A failed request is counted, not an error.
pub async fn run(config: Config) -> Result<(), Error> {
    let (summary, stop) = (
        Arc::new(Mutex::new(Summary::default())),
        CancellationToken::new(),
    );
    let mut clients = JoinSet::new();
    let pace = Duration::from_secs_f64(f64::from(config.connections) / config.rate);
    let start = Instant::now();
    for number in 0..config.connections {
        let client = Client {
            config: config.clone(),
            share: share(config.requests, config.connections, number),
            // Spread over the pace, so that the load is even.
            start: start + pace.mul_f64(f64::from(number) / f64::from(config.connections)),
            pace,
            connection: None,
            cookie: None,
            summary: summary.clone(),
        };
        clients.spawn(client.run(stop.clone()));
    }
    let mut lines = interval(TELLING);
    let over = async {
        match config.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let ended = asked_to_end();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = lines.tick() => tell(&summary, false)?,
            () = &mut over, if !stop.is_cancelled() => stop.cancel(),
            asked = &mut ended, if !stop.is_cancelled() => {
                asked?;
                stop.cancel();
            }
            client = clients.join_next() => match client {
                Some(Err(panic)) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
                Some(_) => {}
                None => return tell(&summary, true),
            },
        }
    }
}

/// One client's part of so many requests.
fn share(requests: Option<u64>, clients: u32, number: u32) -> Option<u64> {
    let (clients, number) = (u64::from(clients), u64::from(number));
    requests.map(|all| all / clients + u64::from(number < all % clients))
}

fn tell(summary: &Mutex<Summary>, finished: bool) -> Result<(), Error> {
    let summary = Summary {
        finished,
        ..summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    say(serde_json::to_string(&summary).expect("numbers and strings always serialise"))
}

/// One of those who ask.
struct Client {
    config: Config,
    share: Option<u64>,
    start: Instant,
    pace: Duration,
    connection: Option<Connection>,
    cookie: Option<HeaderValue>,
    summary: Arc<Mutex<Summary>>,
}

impl Client {
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval_at(self.start, self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut made = 0;
        while self.share.is_none_or(|share| made < share) {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let (at, began) = (SystemTime::now(), Instant::now());
            let outcome = self.ask(Deadline::after(self.config.timeout)).await;
            if outcome.is_err() {
                self.connection = None;
            }
            self.take(at, began.elapsed(), &outcome);
            made += 1;
        }
    }

    /// One request, over the connection that is there if it is still open.
    async fn ask(&mut self, deadline: Deadline) -> Result<Answer, Failure> {
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && !connection.is_open().await
        {
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connection = Connection::open(&self.config.target, deadline).await?;
                self.summary().connections += 1;
                connection
            }
        };
        let mut headers = HeaderMap::new();
        if !self.config.keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers.extend(self.cookie.clone().map(|cookie| (COOKIE, cookie)));
        let target = &self.config.target;
        let answer = connection
            .ask(target, Method::GET, headers, deadline)
            .await?;
        if self.config.keep_alive {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn take(&mut self, at: SystemTime, took: Duration, outcome: &Result<Answer, Failure>) {
        if let Ok(answer) = outcome
            && self.config.sticky
            && let Some(set) = answer.headers.get(SET_COOKIE)
        {
            let pair = set.as_bytes().split(|&byte| byte == b';').next();
            self.cookie = pair.and_then(|pair| HeaderValue::from_bytes(pair).ok());
        }
        self.summary().take(at, took, outcome);
    }

    fn summary(&self) -> std::sync::MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Summary {
    fn take(&mut self, at: SystemTime, took: Duration, outcome: &Result<Answer, Failure>) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.requests += 1;
        self.slowest_ms = self.slowest_ms.max(took_ms);
        let kind = match outcome {
            Ok(answer) if answer.status.is_success() => {
                let name = answer.served_by().unwrap_or("nobody").to_owned();
                *self.served_by.entry(name).or_default() += 1;
                return;
            }
            Ok(answer) => format!("status {}", answer.status.as_u16()),
            Err(Failure::Connect { .. }) => "no connection".to_owned(),
            Err(Failure::Exchange(_)) => "no whole answer".to_owned(),
            Err(Failure::TimedOut { .. }) => "too late".to_owned(),
        };
        self.failed += 1;
        *self.failures.entry(kind).or_default() += 1;
        let failed = Failed {
            at: humantime::format_rfc3339_millis(at).to_string(),
            took_ms,
            what: super::client::line(outcome),
        };
        // Times of one format and one zone are in the order of their texts.
        let last = self.last_failure.as_ref();
        if last.is_none_or(|last| last.at <= failed.at) {
            self.last_failure = Some(failed.clone());
        }
        if self.first_failures.len() < TOLD {
            self.first_failures.push(failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Default::default(),
        }
    }

    #[test]
    fn every_request_is_accounted_for() {
        let mut summary = Summary::default();
        let at = SystemTime::UNIX_EPOCH;
        let late = Failure::TimedOut {
            bound: Duration::from_millis(2500),
            waiting_for: "the answer of 10.0.0.3:80".into(),
        };
        for (took, outcome) in [
            (3, Ok(answer(200, &[("x-served-by", "a1")]))),
            (9, Ok(answer(200, &[("x-served-by", "b2")]))),
            (4, Ok(answer(204, &[("x-served-by", "a1")]))),
            (1, Ok(answer(503, &[("x-hiveway-reason", "no-endpoint")]))),
            (2500, Err(late)),
        ] {
            summary.take(at, Duration::from_millis(took), &outcome);
        }
        let failed = |took_ms, what: &str| Failed {
            at: "1970-01-01T00:00:00.000Z".into(),
            took_ms,
            what: what.into(),
        };
        let expected = Summary {
            requests: 5,
            failed: 2,
            failures: [("status 503".into(), 1), ("too late".into(), 1)].into(),
            first_failures: vec![
                failed(1, "503  served by nobody  reason: no-endpoint"),
                failed(
                    2500,
                    "error  no answer within 2.5 s, waiting for the answer of 10.0.0.3:80",
                ),
            ],
            last_failure: Some(failed(
                2500,
                "error  no answer within 2.5 s, waiting for the answer of 10.0.0.3:80",
            )),
            served_by: [("a1".into(), 2), ("b2".into(), 1)].into(),
            connections: 0,
            slowest_ms: 2500,
            finished: false,
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn all_requests_are_shared_out() {
        let shares = |requests| (0..3).map(move |number| share(requests, 3, number));
        assert!(shares(Some(8)).eq([Some(3), Some(3), Some(2)]));
        assert!(shares(None).eq([None, None, None]));
    }
}
