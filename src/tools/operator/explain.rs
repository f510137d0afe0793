//! `hiveway explain`: where a request would go, step by step.

use super::client::{Client, Error, escape};
use super::paint::Colour;
use super::screen::Screen;
use super::table::{Cell, Table, printable};
use super::{Explain, Format, json};
use crate::core::model::snapshot::EndpointState;
use crate::core::routing::explain::{
    EndpointView, Explanation, RotationRank, ServiceView, Verdict,
};
use crate::core::routing::rates::EndpointCounts;
use crate::tools::stdout;

pub(super) async fn run(explain: Explain) -> Result<(), Error> {
    let client = Client::new(&explain.admin_url)?;
    let mut path = format!(
        "/v1/explain?url={}&method={}",
        escape(&explain.url),
        escape(&explain.method)
    );
    if let Some(client) = explain.client {
        path.push_str(&format!("&client={}", escape(&client.to_string())));
    }
    let explanation: Explanation = client.get(&path).await?;
    stdout::write(&match explain.format {
        Format::Human => show(&explanation, Screen::of_stdout()),
        Format::Json => json(&explanation),
    })?;
    Ok(())
}

fn show(explanation: &Explanation, screen: Screen) -> String {
    let Explanation {
        request,
        generation,
        steps,
        route: _,
        services,
        outcome,
        diagnostics,
        unknown,
    } = explanation;
    let by = match generation {
        Some(generation) => format!("by snapshot {}", generation.sequence),
        None => "without a snapshot".to_owned(),
    };
    let title = match (request.tcp, request.secure) {
        (true, _) => format!("tcp://{}", request.host),
        (false, secure) => format!(
            "{} {}://{}{}",
            request.method,
            if secure { "https" } else { "http" },
            request.host,
            request.path_and_query
        ),
    };
    let mut text = format!(
        "{} {by}\n\n",
        screen.paint.colour(Colour::Strong, &printable(&title))
    );
    let mut table = Table::of_text(&[]);
    for (number, step) in (1..).zip(steps) {
        let verdict = match step.verdict {
            Verdict::Passes => Cell::coloured("ok", Colour::Good),
            Verdict::Stops => Cell::coloured("stop", Colour::Bad),
            Verdict::Note => Cell::coloured("·", Colour::Quiet),
        };
        table.add([
            Cell::new(number.to_string()),
            Cell::new(&*step.about),
            verdict,
            Cell::new(&*step.says),
        ]);
    }
    text.push_str(&table.show(1, screen));
    for service in services {
        text.push('\n');
        text.push_str(&show_service(service, screen));
    }
    let reason = outcome.reason.as_deref().unwrap_or_default();
    let (colour, answer) = match (outcome.forwarded, outcome.status) {
        (true, _) => (Colour::Good, outcome.says.clone()),
        (false, Some(status)) => (
            Colour::Bad,
            format!("hiveway answers {status} ({reason}): {}", outcome.says),
        ),
        (false, None) => (
            Colour::Bad,
            format!("no answer ({reason}): {}", outcome.says),
        ),
    };
    let answer = screen.paint.colour(colour, &printable(&answer));
    text.push_str(&format!(
        "\n{}",
        screen.prose(None, &format!("=> {answer}"))
    ));
    for diagnostic in diagnostics {
        let label = screen.paint.colour(Colour::Worse, "label:");
        let says = printable(&diagnostic.to_string());
        text.push_str(&screen.prose(None, &format!("{label} {says}")));
    }
    for unknown in unknown {
        let says = printable(&format!("not known here: {unknown}"));
        text.push_str(&screen.prose(Some(Colour::Quiet), &says));
    }
    text
}

fn show_service(service: &ServiceView, screen: Screen) -> String {
    let mut told = format!("{}, port {}", service.service, service.port);
    match (service.claims, service.share_percent) {
        (false, _) => told.push_str(": not for requests of this kind"),
        (true, share) => told.push_str(&format!(
            ": {share} % of the requests, weight {}",
            service.weight
        )),
    }
    if service.probes_disbelieved {
        told.push_str(", probes are not believed");
    }
    let mut table = Table::of_text(&["CONTAINER", "NODE", "ADDRESS", "STATE", "PLACE", "REASON"]);
    for endpoint in &service.endpoints {
        table.add(row(endpoint));
        for more in more(endpoint) {
            table.add([
                Cell::new(""),
                Cell::new(""),
                Cell::new(""),
                Cell::new(""),
                Cell::new(""),
                Cell::coloured(more, Colour::Quiet),
            ]);
        }
    }
    let told = screen.prose(Some(Colour::Strong), &printable(&told));
    if service.endpoints.is_empty() {
        return format!(
            "{told}  no task of it runs with an address on the network that it is reached on\n"
        );
    }
    format!("{told}{}", table.show(2, screen))
}

fn row(endpoint: &EndpointView) -> [Cell; 6] {
    let colour = match endpoint.state {
        EndpointState::Ready => Colour::Good,
        EndpointState::Starting | EndpointState::Draining => Colour::Worse,
        EndpointState::Unproven
        | EndpointState::Failing
        | EndpointState::Ended
        | EndpointState::Lost => Colour::Bad,
    };
    let state = match endpoint.ejected_seconds {
        Some(seconds) => format!("{}, ejected for {seconds} s more", endpoint.state.as_str()),
        None => endpoint.state.as_str().to_owned(),
    };
    let place = match endpoint.place {
        RotationRank::First => Cell::coloured("first", Colour::Good),
        RotationRank::Next => Cell::coloured("next", Colour::Worse),
        RotationRank::Out => Cell::coloured("out", Colour::Bad),
    };
    [
        Cell::new(endpoint.container.short()),
        Cell::new(endpoint.node.short()),
        Cell::new(endpoint.address.to_string()),
        Cell::coloured(state, colour),
        place,
        Cell::new(&*endpoint.reason),
    ]
}

/// What more is known of an endpoint, a line each.
fn more(endpoint: &EndpointView) -> impl Iterator<Item = String> {
    let story = endpoint.story.as_ref().map(|story| {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(story.at.0);
        format!("{} {}", humantime::format_rfc3339_seconds(at), story.says)
    });
    let requests = endpoint.requests.as_ref().map(requests);
    let probe = endpoint.probe.clone().into_iter();
    probe.chain(story).chain(requests)
}

/// What the requests to an endpoint have come to, in words.
fn requests(counts: &EndpointCounts) -> String {
    let wait = match counts.recent_wait_seconds {
        Some(seconds) => format!("lately answers begin after {:.1} ms", seconds * 1e3),
        None => "no answer yet".to_owned(),
    };
    format!(
        "{} requests here: {} failed, {} broken, {} aborted; {} in flight; {wait}",
        counts.total, counts.failed, counts.broken, counts.aborted, counts.in_flight
    )
}

#[cfg(test)]
mod tests;
