//! How the tasks of a routed service begin and end: probes, updates, replicas, time to stop.

use std::time::Duration;

use super::Read;
use super::finding::{Finding, Findings};
use super::source::Span;
use super::stack::Label;
use crate::core::model::Mode;
use crate::core::model::route::RoutingPolicy;

/// How long Docker waits between SIGTERM and SIGKILL unless it is told.
const DOCKERS_GRACE: Duration = Duration::from_secs(10);

/// Tells of what goes on in every update, and of what contradicts itself.
pub(super) fn check(services: &[Read<'_>], findings: &mut Findings) {
    for read in services {
        let mut told = vec![refused_replicas(read), contradicted_replicas(read)];
        if !read.spec.routes.is_empty() {
            told.extend([unprobed(read), away(read), killed_early(read)]);
        }
        let told = told.into_iter().flatten();
        findings.extend(told.map(|finding| finding.of(read.name)));
    }
}

fn refused_replicas(read: &Read<'_>) -> Option<Finding> {
    let replicas = read.service.replicas?;
    let mode = read.service.mode?;
    if mode.value != Mode::Global {
        return None;
    }
    let message =
        "Docker refuses `replicas` for a global service, which runs one task on every node";
    let finding = Finding::error(
        replicas.span,
        message,
        "remove it, or write `mode: replicated`",
    );
    Some(finding.beside(mode.span, "the mode"))
}

fn contradicted_replicas(read: &Read<'_>) -> Option<Finding> {
    let wanted = read.spec.scale?;
    let replicas = read.service.replicas?;
    let label = read.service.label("scale")?;
    if wanted == replicas.value {
        return None;
    }
    let message = format!(
        "its scale label asks for {wanted} replicas, and `replicas` for {}: each deployment makes them {}, and Hiveway \
         {wanted} again",
        replicas.value, replicas.value
    );
    let finding = Finding::warning(
        label.value_span,
        message,
        "write the same number, or one of the two",
    );
    Some(finding.beside(replicas.span, "`replicas`"))
}

/// A TCP connection says little: many servers listen before they can answer.
fn unprobed(read: &Read<'_>) -> Option<Finding> {
    let probe = ["probe.url", "probe.cmd"];
    if read.service.has_healthcheck || probe.iter().any(|it| read.service.label(it).is_some()) {
        return None;
    }
    let port = read.spec.routes.iter().map(|route| route.port).min()?;
    let message = format!(
        "has no probe: a task counts as healthy once port {port} accepts a connection, and its image's HEALTHCHECK, if any, passes"
    );
    let remedy = format!(
        "ask for more by hiveway.probe.url: \"http://container:{port}/\", with a path that tells"
    );
    Some(Finding::notice(route(read, port), message, remedy))
}

/// Docker stops the old task first, unless it is told.
fn away(read: &Read<'_>) -> Option<Finding> {
    let Mode::Replicated { replicas } = read.service.mode() else {
        return None;
    };
    let order = read.service.start_first;
    let single = read.spec.scale.unwrap_or(replicas) == 1;
    if !single || order.is_some_and(|it| it.value) || read.spec.policy.hold > Duration::ZERO {
        return None;
    }
    let message = "has one replica, which is stopped before its successor starts: it is away during each update";
    let remedy = "write `update_config: { order: start-first }` below `deploy`, have two replicas, or let requests wait by \
                  hiveway.routing.hold_seconds";
    let span = order.map_or(read.service.span, |it| it.span);
    Some(Finding::notice(span, message, remedy))
}

/// Requests in flight end with the task.
fn killed_early(read: &Read<'_>) -> Option<Finding> {
    let written = read.service.stop_grace_period;
    let grace = written.map_or(DOCKERS_GRACE, |it| it.value);
    let answers = read.spec.policy.response_timeout;
    let chosen = answers != RoutingPolicy::default().response_timeout;
    let label = read.service.label("routing.response_timeout_seconds");
    if let (Some(Label { value_span, .. }), true) = (label, chosen && answers > grace) {
        let message = format!(
            "an answer may take {}, but a task that is stopped is killed after {}",
            seconds(answers),
            seconds(grace)
        );
        let remedy = format!("write `stop_grace_period: {}` or more", seconds(answers));
        let finding = Finding::notice(*value_span, message, remedy);
        return Some(match written {
            Some(written) => finding.beside(written.span, "`stop_grace_period`"),
            None => finding,
        });
    }
    let written = written.filter(|it| it.value < DOCKERS_GRACE)?;
    let message = format!(
        "a task that is stopped is killed after {}, with the requests that take longer",
        seconds(grace)
    );
    let remedy = "give it as long as its longest request takes; Docker's own default is 10s";
    Some(Finding::notice(written.span, message, remedy))
}

fn seconds(length: Duration) -> String {
    format!("{}s", length.as_secs_f64())
}

/// Where the routes to a port are written.
fn route(read: &Read<'_>, port: u16) -> Span {
    let label = read.service.label(&format!("routing.port_{port}"));
    label.map_or(read.service.span, |label| label.key_span)
}
