//! What is written down of each kind of traffic: medians, and the ratios of the rounds, which are the result.

use std::fmt::Write;

use super::{HOST, STREAMS, Traffic};
use crate::backend::LARGE_BODY;
use crate::load::Window;
use crate::measure::{Plan, STRANGERS};
use crate::peer::{HAPROXY, Peer};
use crate::report::{median, number};

/// One kind of traffic and all proxies under it.
pub(super) struct Table {
    pub(super) traffic: Traffic,
    pub(super) rows: Vec<Row>,
}

/// One proxy and what its rounds gave. An error is no result.
pub(super) struct Row {
    pub(super) peer: Peer,
    pub(super) rounds: Vec<Result<Window, String>>,
}

impl Row {
    /// A row of which nothing is known yet.
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            rounds: Vec::new(),
        }
    }

    fn figure(&self, figure: impl Fn(&Window) -> Option<f64>) -> Option<f64> {
        let windows = self.rounds.iter().flatten();
        median(windows.filter_map(figure))
    }

    /// The median of the rounds' ratios of CPU to another row's.
    fn ratio(&self, base: &Self) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&base.rounds);
        median(pairs.filter_map(|(own, base)| {
            let (own, base) = (own.as_ref().ok()?, base.as_ref().ok()?);
            Some(own.cpu_per_request() / base.cpu_per_request())
        }))
    }
}

/// How the figures of one kind of traffic are told.
struct Telling {
    heading: &'static str,
    /// What is counted by the second, and how many of it one exchange is.
    unit: &'static str,
    per_exchange: f64,
    /// What CPU time is told of.
    of: &'static str,
    /// Whether memory could grow with it.
    memory: bool,
}

impl Telling {
    fn of(traffic: Traffic) -> Self {
        let requests = |heading| Self {
            heading,
            unit: "requests/s",
            per_exchange: 1.0,
            of: "request",
            memory: false,
        };
        let megabytes = |heading| Self {
            heading,
            unit: "MB/s",
            per_exchange: LARGE_BODY as f64 / 1e6,
            of: "MB",
            memory: true,
        };
        match traffic {
            Traffic::Handshakes => Self {
                unit: "handshakes/s",
                of: "connection with one request",
                ..requests("New TLS connections, 64 at once, a full handshake and one request each")
            },
            Traffic::Tls => requests("HTTP/1.1 over 64 TLS connections that are kept"),
            Traffic::Http2 => requests("HTTP/2 in clear, 4 connections with 16 requests at once"),
            Traffic::Http2Tls => {
                requests("HTTP/2 over TLS, 4 connections with 16 requests at once")
            }
            Traffic::Download => megabytes("Answers of 1 MiB over 16 connections"),
            Traffic::Upload => megabytes("Requests of 1 MiB over 16 connections"),
            Traffic::Websocket => Self {
                unit: "messages/s",
                of: "message and its echo",
                ..requests("Echo of messages of 64 bytes over 64 WebSockets")
            },
        }
    }

    fn rate(&self, window: &Window) -> f64 {
        window.rate() * self.per_exchange
    }

    fn cpu(&self, window: &Window) -> f64 {
        window.cpu_per_request() / self.per_exchange
    }
}

/// One window in one line, for who watches the run.
pub(super) fn line(traffic: Traffic, measured: &Result<Window, String>) -> String {
    let telling = Telling::of(traffic);
    match measured {
        Ok(window) => format!(
            "{:.0} {}, {:.1} µs",
            telling.rate(window),
            telling.unit,
            telling.cpu(window)
        ),
        Err(error) => format!("no result: {error}"),
    }
}

/// The section of the report.
pub(super) fn markdown(
    machine: &str,
    plan: &Plan,
    tables: &[Table],
    absent: &[String],
) -> Result<String, std::fmt::Error> {
    let (rounds, seconds) = (plan.rounds, plan.seconds);
    let peers = tables.iter().take(1).flat_map(|table| &table.rows);
    let versions: Vec<String> = peers
        .map(|row| format!("{} {}", row.peer.name, row.peer.version))
        .collect();
    let versions = versions.join("; ");
    let mut text = format!(
        "{machine}. By `cargo bench --bench proxies -- --traffic`, a part of `make bench`.\n\nVersions: {versions}.\n\n\
         Method: as side by side, and with the host {HOST}. Every proxy shows the same certificate (ECDSA on P-256, \
         vouched for by an authority that the clients trust alone), speaks TLS 1.2 and 1.3, of which the clients choose 1.3, \
         and offers HTTP/2 and HTTP/1.1; the clients resume no session. Tasks are spoken to in HTTP/1.1 without TLS. \
         {STREAMS} requests share a connection of HTTP/2. {rounds} rounds, every proxy in each under each kind of traffic, started \
         afresh for every window of {seconds} s after 1 s of warm-up; closed loops. CPU is user and system time of the \
         proxy's processes, its ratio the median of the rounds' ratios. Every answer is checked; a run with a wrong one is \
         no result, nor is one during which other processes used more than {STRANGERS} cores. Where less than 95 % of the \
         core was used, the load was the limit, and what went through is a lower bound. Memory is resident, of a fresh process \
         after its first request, and the most until the end of the window.\n"
    );
    for table in tables {
        table.write(&mut text)?;
    }
    for missing in absent {
        writeln!(text, "\nAbsent: {missing}.")?;
    }
    for table in tables {
        table.failures(&mut text)?;
    }
    Ok(text)
}

impl Table {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let telling = Telling::of(self.traffic);
        let Telling {
            heading, unit, of, ..
        } = telling;
        let (columns, lines) = match telling.memory {
            true => (" MB ready | MB at most |", "---|---|"),
            false => ("", ""),
        };
        writeln!(
            text,
            "\n{heading}:\n\n| proxy | {unit} | core used, % | CPU µs a {of} | CPU to HAProxy |{columns}\n\
             |---|---|---|---|---|{lines}"
        )?;
        let base = self.rows.iter().find(|row| row.peer.name == HAPROXY);
        for row in &self.rows {
            let mut cells = vec![
                row.peer.name.clone(),
                number(row.figure(|it| Some(telling.rate(it))), 0),
                number(row.figure(|it| Some(it.core() * 100.0)), 0),
                number(row.figure(|it| Some(telling.cpu(it))), 1),
                number(base.and_then(|base| row.ratio(base)), 2),
            ];
            if telling.memory {
                cells.push(number(row.figure(|it| Some(it.resident?.ready)), 1));
                cells.push(number(row.figure(|it| Some(it.resident?.peak)), 1));
            }
            writeln!(text, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    fn failures(&self, text: &mut String) -> std::fmt::Result {
        for row in &self.rows {
            for (number, round) in row.rounds.iter().enumerate() {
                if let Err(error) = round {
                    let (name, word, round) = (&row.peer.name, self.traffic.word(), number + 1);
                    writeln!(text, "\nNo result: {name}, {word}, round {round}: {error}.")?;
                }
            }
        }
        Ok(())
    }
}
