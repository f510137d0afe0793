//! `hiveway status`: conditions, services with what their requests come to, and nodes.

mod endpoints;
mod order;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::client::{Client, Error};
use super::paint::Colour;
use super::screen::Screen;
use super::table::{Cell, Table, printable};
use super::{Format, complain, json};
use crate::core::model::Timestamp;
use crate::core::reconcile::status::{NodeStatus, ServiceStatus, Status, Truth, select};
use crate::core::routing::misses::{Missed, Misses};
use crate::core::routing::rates::{EndpointRates, Rates, RequestCounts};
use crate::tools::stdout;

/// Empties the screen of a terminal.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// The shortest time between two looks; an instance has other things to do.
const SHORTEST: Duration = Duration::from_millis(100);

/// How many hosts that the gateway answered for itself are shown: what fits a screen beside the rest.
const MISSES_SHOWN: usize = 5;

/// What programs are given.
#[derive(Serialize)]
struct Both<'a> {
    status: &'a Status,
    /// By service, over the time between two looks.
    rates: &'a BTreeMap<String, Rates>,
    /// By task, where endpoints are asked for.
    endpoint_rates: &'a BTreeMap<String, EndpointRates>,
}

/// The latest answer.
struct Seen {
    status: Status,
    rates: BTreeMap<String, Rates>,
    endpoint_rates: BTreeMap<String, EndpointRates>,
    at: Instant,
}

/// Watching goes on while there is no answer, because an instance that is replaced comes back.
pub(super) async fn run(asked: super::Status) -> Result<(), Error> {
    let client = Client::new(&asked.admin_url)?;
    // Whoever names services wants to see which of their containers is slow.
    let path = match asked.endpoints || !asked.names.is_empty() {
        true => "/v1/status?endpoints=true",
        false => "/v1/status",
    };
    let mut first: Status = client.get(path).await?;
    first.services = selected(first.services, &asked.names)?;
    let mut seen = Seen {
        status: first,
        rates: BTreeMap::new(),
        endpoint_rates: BTreeMap::new(),
        at: Instant::now(),
    };
    let mut away: Option<Error> = None;
    let replaces = asked.watch && asked.format == Format::Human && Screen::of_stdout().moves();
    if replaces {
        stdout::write(CLEAR)?;
    }
    loop {
        sleep(asked.interval.max(SHORTEST)).await;
        match client.get::<Status>(path).await {
            Ok(mut status) => {
                // A service may go while it is watched.
                let services = std::mem::take(&mut status.services);
                status.services = select::matching(services, &asked.names);
                let between = seen.at.elapsed();
                seen = Seen {
                    rates: rates(&seen.status, &status, between),
                    endpoint_rates: endpoints::rates(&seen.status, &status, between),
                    at: Instant::now(),
                    status,
                };
                if away.take().is_some() && !replaces {
                    complain("the instance answers again");
                }
            }
            Err(error) if asked.watch => {
                let new = away.is_none();
                let error = away.insert(error);
                if !replaces {
                    if new {
                        complain(&format!("{error}; asking again"));
                    }
                    continue;
                }
            }
            Err(error) => return Err(error),
        }
        let screen = Screen::of_stdout();
        let text = match asked.format {
            Format::Human => {
                let away = away.iter().map(|error| banner(error, &seen, screen));
                let whole = asked.names.is_empty();
                away.collect::<String>() + &show(&seen, whole, screen)
            }
            Format::Json => json(&Both {
                status: &seen.status,
                rates: &seen.rates,
                endpoint_rates: &seen.endpoint_rates,
            }),
        };
        let instead = replaces.then(|| screen.instead(&text)).flatten();
        if !stdout::write(&instead.unwrap_or(text))? || !asked.watch {
            return Ok(());
        }
    }
}

/// The services that are asked for. Each name has to be known.
fn selected(services: Vec<ServiceStatus>, names: &[String]) -> Result<Vec<ServiceStatus>, Error> {
    if let Some(unknown) = select::unknown(&services, names) {
        let meant = unknown.suggestion;
        return Err(Error::NoService {
            name: unknown.name,
            suggestion: meant.map_or_else(String::new, |it| format!(" (did you mean {it}?)")),
        });
    }
    Ok(select::matching(services, names))
}

/// What stands above an answer that is old.
fn banner(error: &Error, seen: &Seen, screen: Screen) -> String {
    let age = humantime::format_duration(Duration::from_secs(seen.at.elapsed().as_secs()));
    let says = format!("no answer for {age}, what follows is old; asking again: {error}");
    screen.prose(Some(Colour::Bad), &printable(&says)) + "\n"
}

fn rates(before: &Status, after: &Status, between: Duration) -> BTreeMap<String, Rates> {
    let none = RequestCounts::default();
    let earlier = |name: &str| {
        let mut services = before.services.iter();
        let known = services.find(|service| &*service.service == name);
        known.map_or(&none, |service| &service.requests)
    };
    let rates = after.services.iter().map(|service| {
        let before = earlier(&service.service);
        let rates = Rates::between(before, &service.requests, between.as_secs_f64());
        (service.service.to_string(), rates)
    });
    rates.collect()
}

fn show(seen: &Seen, whole: bool, screen: Screen) -> String {
    let Seen { status, rates, .. } = seen;
    let mut text = head(status, screen);
    text.push('\n');
    let mut table = Table::of_text(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"]);
    for condition in &status.conditions {
        let truth = match condition.status {
            Truth::True => Cell::coloured("True", Colour::Good),
            Truth::False => Cell::coloured("False", Colour::Bad),
        };
        let since = condition.since.map(|since| age(since, status.at));
        table.add([
            Cell::new(&*condition.kind),
            truth,
            Cell::new(&*condition.reason),
            Cell::new(since.unwrap_or_else(|| "-".to_owned())),
            Cell::new(&*condition.message),
        ]);
    }
    text.push_str(&table.show(0, screen));
    if !status.services.is_empty() {
        let heads = [
            "SERVICE", "READY", "EJECTED", "REQ/S", "5XX/S", "P99", "REQUESTS", "5XX", "ROUTES",
        ];
        let mut table = Table::of_names(&heads, &[0, 8]);
        let services = order::by_trouble(&status.services, rates);
        for service in &services {
            table.add(service_row(service, rates.get(&*service.service)));
        }
        text.push('\n');
        text.push_str(&table.show(0, screen));
        if let Some(table) = endpoints::table(services, &seen.endpoint_rates) {
            text.push('\n');
            text.push_str(&table.show(0, screen));
        }
    }
    if whole && !status.misses.hosts.is_empty() {
        text.push('\n');
        text.push_str(&misses(&status.misses).show(0, screen));
    }
    if whole && !status.nodes.is_empty() {
        let mut table =
            Table::of_names(&["NODE", "ADDRESS", "ROLE", "FOLLOWS", "GENERATION"], &[3]);
        for node in &status.nodes {
            table.add(node_row(node, status));
        }
        text.push('\n');
        text.push_str(&table.show(0, screen));
    }
    for task in &status.drained_by_hand {
        text.push_str(&format!("drained by hand: task {task}\n"));
    }
    for unknown in &status.unknown {
        let says = printable(&format!("not known here: {unknown}"));
        text.push_str(&screen.prose(Some(Colour::Quiet), &says));
    }
    text
}

fn head(status: &Status, screen: Screen) -> String {
    let name = screen.paint.colour(
        Colour::Strong,
        &format!("hiveway {}", printable(&status.version)),
    );
    let node = status
        .node
        .as_ref()
        .map(|node| format!(" on node {}", node.short()));
    let snapshot = match &status.snapshot {
        None => "no snapshot yet".to_owned(),
        Some(snapshot) => {
            let since = snapshot
                .since
                .map(|since| format!(", since {}", age(since, status.at)));
            format!(
                "snapshot {} with {} {}{}",
                snapshot.generation.sequence,
                snapshot.routes,
                if snapshot.routes == 1 {
                    "route"
                } else {
                    "routes"
                },
                since.unwrap_or_default()
            )
        }
    };
    let follows = match &status.controller {
        Some(controller) => format!("follows {controller}"),
        None => "follows nobody".to_owned(),
    };
    let told = format!(
        "{}{}; {follows}; {snapshot}",
        status.role,
        node.unwrap_or_default()
    );
    screen.prose(None, &format!("{name}: {}", printable(&told)))
}

fn service_row(service: &ServiceStatus, rates: Option<&Rates>) -> [Cell; 9] {
    let ready = format!("{}/{}", service.ready, service.total);
    let colour = match (service.ready, service.total) {
        (0, _) => Colour::Bad,
        (ready, total) if ready < total => Colour::Worse,
        _ => Colour::Good,
    };
    let ready = match service.probes_disbelieved {
        true => format!("{ready} (probes not believed)"),
        false => ready,
    };
    let rate =
        |pick: fn(&Rates) -> f64| rates.map_or("-".to_owned(), |it| format!("{:.1}", pick(it)));
    let p99 = rates.and_then(|it| it.p99_seconds);
    let failed = match rates {
        Some(rates) if rates.failed > 0.0 => Cell::coloured(rate(|it| it.failed), Colour::Bad),
        _ => Cell::new(rate(|it| it.failed)),
    };
    [
        Cell::new(&*service.service),
        Cell::coloured(ready, colour),
        Cell::new(service.ejected.to_string()),
        Cell::new(rate(|it| it.requests)),
        failed,
        Cell::new(p99.map_or("-".to_owned(), |it| format!("{:.1} ms", it * 1e3))),
        Cell::new(service.requests.total.to_string()),
        Cell::new(service.requests.failed.to_string()),
        routes(&service.routes),
    ]
}

/// The hosts for which the gateway answered itself most often.
fn misses(misses: &Misses) -> Table {
    let mut table = Table::of_names(&["ANSWERED HERE FOR HOST", "404", "503"], &[0]);
    let row = |host: &str, missed: Missed| {
        let [not_found, unavailable] =
            [missed.not_found, missed.unavailable].map(|it| Cell::new(it.to_string()));
        [Cell::new(host), not_found, unavailable]
    };
    for it in misses.hosts.iter().take(MISSES_SHOWN) {
        table.add(row(&it.host, it.missed));
    }
    let mut other = misses.other;
    for it in misses.hosts.iter().skip(MISSES_SHOWN) {
        other.add(it.missed);
    }
    if other != Missed::default() {
        table.add(row("others", other));
    }
    table
}

/// The first two; the others are counted, and told as JSON.
fn routes(all: &[String]) -> Cell {
    match all {
        [first, second] => Cell::new(format!("{first} {second}")).or(format!("{first} +1")),
        [first, second, ..] => Cell::new(format!("{first} {second} +{}", all.len() - 2))
            .or(format!("{first} +{}", all.len() - 1)),
        few => Cell::new(few.join(" ")),
    }
}

fn node_row(node: &NodeStatus, status: &Status) -> [Cell; 5] {
    let dash = || "-".to_owned();
    let role = if node.controller {
        "controller"
    } else {
        "gateway"
    };
    let follows = match (node.own, node.follows) {
        (true, _) => status.controller.clone().unwrap_or_else(dash),
        (false, Some(true)) => "this one".to_owned(),
        (false, Some(false)) => "another, or none".to_owned(),
        (false, None) => "?".to_owned(),
    };
    let latest = status.snapshot.as_ref().map(|it| it.generation);
    let generation = match node.generation {
        None => Cell::new("?"),
        it if it == latest => Cell::coloured(
            it.map_or_else(dash, |it| it.sequence.to_string()),
            Colour::Good,
        ),
        Some(it) => Cell::coloured(it.sequence.to_string(), Colour::Worse),
    };
    let own = if node.own { " (this)" } else { "" };
    [
        Cell::new(format!("{}{own}", node.node.short())),
        Cell::new(node.address.map_or_else(dash, |it| it.to_string())),
        Cell::new(role),
        Cell::new(follows),
        generation,
    ]
}

/// How long ago something was, in its two greatest units.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(since.0) / 1000;
    let words = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    words.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
