//! What is written down: medians, the ratios of the rounds, which are the result, and whether the bar is met.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::load::{Latency, Window};
use crate::measure::{Memory, Plan, Round, STRANGERS};
use crate::peer::{BARE, HAPROXY, HIVEWAY, HIVEWAY_STICKY, Peer, TRAEFIK};

/// The sections of the report; each is written by one way to run the benchmark and leaves the others alone.
pub(crate) const COMPARISON: &str = "Side by side";
pub(crate) const TRAFFIC: &str = "TLS, HTTP/2, bodies and WebSockets";
pub(crate) const FLOOD: &str = "Under a flood of HTTP/2";
pub(crate) const INSTRUCTIONS: &str = "Instructions a request";
pub(crate) const SWARM: &str = "On a real swarm";
pub(crate) const SCALE: &str = "The control plane at scale";

/// What the report begins with.
const TITLE: &str = "# Benchmark results\n\nWritten by `make bench` (`tests/bench/`). Figures hold for the machine and the \
                     run that a section names; compare ratios, not times.\n";

/// One proxy and all that was measured of it.
pub(crate) struct Row {
    /// The proxy.
    pub(crate) peer: Peer,
    /// Its rounds, in the order of the run.
    pub(crate) rounds: Vec<Round>,
    /// Its memory, once measured.
    pub(crate) memory: Option<Result<Memory, String>>,
}

impl Row {
    /// A row of which nothing is known yet.
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            peer,
            rounds: Vec::new(),
            memory: None,
        }
    }

    fn closed(&self, figure: fn(&Window) -> f64) -> Option<f64> {
        median(
            self.rounds
                .iter()
                .filter_map(|round| round.closed.as_ref().ok().map(figure)),
        )
    }

    fn open(&self, figure: fn(&Window) -> f64) -> Option<f64> {
        median(
            self.rounds
                .iter()
                .filter_map(|round| round.open.as_ref().ok().map(figure)),
        )
    }

    fn latency(&self, figure: fn(Latency) -> f64) -> Option<f64> {
        let latencies = self
            .rounds
            .iter()
            .filter_map(|round| round.open.as_ref().ok()?.latency);
        median(latencies.map(figure))
    }

    /// The median of the rounds' ratios of CPU a request to another row's.
    fn ratio(&self, base: &Self, window: fn(&Round) -> &Result<Window, String>) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&base.rounds);
        median(pairs.filter_map(|(own, base)| {
            let (own, base) = (window(own).as_ref().ok()?, window(base).as_ref().ok()?);
            Some(own.cpu_per_request() / base.cpu_per_request())
        }))
    }
}

/// Everything that one run gave.
pub(crate) struct Comparison {
    /// Where and when.
    pub(crate) machine: String,
    /// What was measured.
    pub(crate) plan: Plan,
    /// The proxies.
    pub(crate) rows: Vec<Row>,
    /// Why others are missing.
    pub(crate) absent: Vec<String>,
    /// Milliseconds from a route change to its first request, sorted; none when it was not asked for.
    pub(crate) changes: Option<Result<Vec<f64>, String>>,
}

impl Comparison {
    /// The section of the report.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a string does not fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Plan {
            rounds,
            seconds,
            rate,
            idle,
            ..
        } = &self.plan;
        writeln!(text, "{}.\n", self.machine)?;
        let versions: Vec<String> = self
            .rows
            .iter()
            .map(|row| format!("{} {}", row.peer.name, row.peer.version))
            .collect();
        writeln!(text, "Versions: {}.\n", versions.join("; "))?;
        writeln!(
            text,
            "Method: the proxy has core 1 and one worker thread, the load and four backends (612 bytes, keep-alive) share \
             core 0. Each proxy routes one host over the four backends in turn, keeps connections alive on both sides, \
             adds the three X-Forwarded headers and logs no requests. Bare Pingora is a round robin over a fixed list in \
             the same build and with the same allocator, buffers and time-outs as Hiveway. {rounds} rounds, every proxy \
             in each, started afresh for every window of {seconds} s after 1 s of warm-up: a closed loop over 64 \
             connections, and an open loop at {rate} requests/s whose latencies count from the time at which a request \
             was due. CPU is user and system time of the proxy's processes. Memory is PSS, of a fresh process after its \
             first request and with {idle} idle connections that have made one request each. Every answer is checked; a \
             run with a wrong one is no result, nor is one during which other processes used more than {STRANGERS} cores. Where less than 95 % of the core was used, the load was the limit, and \
             requests/s are a lower bound.\n"
        )?;
        self.figures(text)?;
        self.ratios(text)?;
        self.bars(text)?;
        self.route_changes(text)?;
        for missing in &self.absent {
            writeln!(text, "Absent: {missing}.\n")?;
        }
        self.failures(text)
    }

    fn figures(&self, text: &mut String) -> std::fmt::Result {
        let (rate, idle) = (self.plan.rate, self.plan.idle);
        writeln!(
            text,
            "| proxy | requests/s | core used, % | CPU µs/request | CPU µs at {rate}/s | p50 ms | p99 ms | p99.9 ms | \
             MB idle | MB with {idle} connections |\n|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for row in &self.rows {
            let memory = row.memory.as_ref().and_then(|memory| memory.as_ref().ok());
            let cells = [
                number(row.closed(Window::rate), 0),
                number(row.closed(|window| window.core() * 100.0), 0),
                number(row.closed(Window::cpu_per_request), 1),
                number(row.open(Window::cpu_per_request), 1),
                number(row.latency(|latency| latency.p50), 3),
                number(row.latency(|latency| latency.p99), 3),
                number(row.latency(|latency| latency.p999), 3),
                number(memory.map(|memory| memory.idle), 1),
                number(memory.map(|memory| memory.connected), 1),
            ];
            writeln!(text, "| {} | {} |", row.peer.name, cells.join(" | "))?;
        }
        writeln!(text)
    }

    fn ratios(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "CPU a request, median of the rounds' ratios, closed loop / open loop:\n\n\
             | proxy | to HAProxy | to bare Pingora | to Traefik |\n|---|---|---|---|"
        )?;
        for row in &self.rows {
            let cell = |base| {
                let base = self.row(base);
                let closed = base.and_then(|base| row.ratio(base, |round| &round.closed));
                let open = base.and_then(|base| row.ratio(base, |round| &round.open));
                format!("{} / {}", number(closed, 2), number(open, 2))
            };
            let cells = [cell(HAPROXY), cell(BARE), cell(TRAEFIK)];
            writeln!(text, "| {} | {} |", row.peer.name, cells.join(" | "))?;
        }
        writeln!(text)
    }

    fn bars(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "| bar | {HIVEWAY} | {HIVEWAY_STICKY} |\n|---|---|---|"
        )?;
        let own = [HIVEWAY, HIVEWAY_STICKY].map(|name| self.row(name));
        let ratio = |base| own.map(|row| row?.ratio(self.row(base)?, |round| &round.closed));
        let memory = own.map(|row| Some(row?.memory.as_ref()?.as_ref().ok()?.connected));
        let idle = format!("at most 300 MB with {} idle connections", self.plan.idle);
        for (name, figures, limit, digits) in [
            (
                "CPU a request at most 1.10 × bare Pingora's",
                ratio(BARE),
                1.10,
                2,
            ),
            (
                "CPU a request below 0.7 × Traefik's",
                ratio(TRAEFIK),
                0.70,
                2,
            ),
            (&idle, memory, 300.0, 0),
        ] {
            let cells = figures.map(|figure| match figure {
                Some(value) if value <= limit => format!("{value:.digits$}: met"),
                Some(value) => format!("{value:.digits$}: **missed**"),
                None => "not measured".to_owned(),
            });
            writeln!(text, "| {name} | {} |", cells.join(" | "))?;
        }
        writeln!(text)
    }

    fn route_changes(&self, text: &mut String) -> std::fmt::Result {
        match &self.changes {
            Some(Ok(times)) => writeln!(
                text,
                "From the replacement of the inventory file, which is looked at every 100 ms, to the first routed \
                 request: p50 {} ms, longest {} ms of {} changes.\n",
                number(median(times.iter().copied()), 0),
                number(times.last().copied(), 0),
                times.len()
            ),
            Some(Err(error)) => writeln!(text, "Route changes: no result: {error}.\n"),
            None => Ok(()),
        }
    }

    fn failures(&self, text: &mut String) -> std::fmt::Result {
        for row in &self.rows {
            let name = &row.peer.name;
            for (number, round) in row.rounds.iter().enumerate() {
                for (kind, window) in [("closed", &round.closed), ("open", &round.open)] {
                    if let Err(error) = window {
                        writeln!(
                            text,
                            "No result: {name}, {kind} loop of round {}: {error}.\n",
                            number + 1
                        )?;
                    }
                }
            }
            if let Some(Err(error)) = &row.memory {
                writeln!(text, "No result: {name}, memory: {error}.\n")?;
            }
        }
        Ok(())
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.peer.name == name)
    }
}

/// A figure, or a dash where there is none.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The middle of the values, none when there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Replaces one section of the report, or adds it.
pub(crate) fn write(path: &Path, section: &str, text: &str) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(path).unwrap_or_else(|_| TITLE.to_owned());
    let mut parts = old.split("\n## ");
    let mut new = parts.next().unwrap_or_default().trim_end().to_owned();
    let mut sections: Vec<String> = parts
        .filter(|part| part.lines().next() != Some(section))
        .map(str::to_owned)
        .collect();
    sections.push(format!("{section}\n\n{text}"));
    let order = [COMPARISON, TRAFFIC, FLOOD, INSTRUCTIONS, SWARM, SCALE];
    sections.sort_by_key(|part| {
        order
            .iter()
            .position(|&name| part.lines().next() == Some(name))
            // Sections that were written by other means come last.
            .unwrap_or(order.len())
    });
    for part in sections {
        new += &format!("\n\n## {}", part.trim_end());
    }
    std::fs::write(path, new + "\n").with_context(|| format!("writing {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
