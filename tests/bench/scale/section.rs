//! What is written down of the control plane: the figures, and each target with whether it is met.

use std::fmt::Write;

use super::controller::Usage;
use super::followers::Sizes;
use super::lookup::{FEW, Finding, ROUTES};
use super::probing::Probe;
use super::{ANNOUNCED, BATCH, Change, Phase, QUIET, Size};
use crate::report::number;

/// The targets: shares of a core, megabytes, milliseconds, and how much dearer a look-up may be with most routes.
const CPU: f64 = 0.05;
const MEMORY: f64 = 150.0;
const CHANGE: f64 = 300.0;
const FLAT: f64 = 1.25;

/// How the figures are to be read.
const READING: &str = "The target at rest is for probes that are answered in-process. What connections cost on top is the kernel's work, \
     which grows with nothing but the number of probes a second: a longer `probe.interval_seconds` is what lessens it. A change \
     is seen by a glance at the services that move, of which there is one every 100 ms and one behind every look at all of the \
     swarm, which nothing interrupts. What a change costs after that is reading the swarm through its labels, reconciling, and \
     the delta. A look-up reads a place of the hash table, which holds the host's name and its route. Their number has no part \
     in that; but the places of 100 000 hosts fit into no cache of the processor, so that a look-up of hosts in no order waits \
     for memory once, which no layout of a table can avoid. Requests come for the hosts that are in use, again and again.";

/// The section of the report.
pub(super) fn write(machine: &str, size: Size, phases: &[Phase], findings: &[Finding]) -> String {
    let mut text = String::new();
    let sections = method(&mut text, machine, size)
        .and_then(|()| usage(&mut text, phases))
        .and_then(|()| probe_cost(&mut text, phases))
        .and_then(|()| sizes(&mut text, phases))
        .and_then(|()| changes(&mut text, size, phases))
        .and_then(|()| finding(&mut text, findings))
        .and_then(|()| targets(&mut text, phases, findings))
        .and_then(|()| writeln!(text, "\n{READING}"));
    sections.expect("writing to a string does not fail");
    text
}

fn method(text: &mut String, machine: &str, size: Size) -> std::fmt::Result {
    let Size {
        services,
        replicas,
        nodes,
        followers,
        ..
    } = size;
    writeln!(
        text,
        "{machine}. By `make bench-scale`.\n\n\
         Method: {services} services with {replicas} tasks each on {nodes} nodes exist on paper only. A process on core 0 speaks \
         the Docker API for them on a Unix socket, from texts that are ready (about 3 kB a task), and one listener of it is \
         the port of all tasks, each of which has an address of its own in 127.0.0.0/8: probes connect. The controller is \
         the real program as a manager's, with core 1 for itself; where probes are answered in-process, it is the library's in \
         the same runtime, and all of probing is real but the connection; {followers} gateways follow it over the real control channel. \
         They are followers of the library in one process on core 0, each with its own connection, that apply to a `watch`: \
         {followers} processes on that core would measure how it is shared out. All of it is in a network namespace of its own. \
         The update replaces {BATCH} tasks at a time, one service after the other, by the times in which Swarm was seen to do \
         it: the service says that it is updated, {} ms later the tasks are meant to end and successors wait; 2.1 s later the \
         old have ended, 2.3 s: the new start, 3.6 s: they run. Only services send events, at the begin and the end of an \
         update, as Swarm does. CPU is user and system time of the controller's process, as a share of a core; memory is \
         the greatest PSS of one sample a second.\n",
        ANNOUNCED.as_millis()
    )
}

fn usage(text: &mut String, phases: &[Phase]) -> std::fmt::Result {
    writeln!(
        text,
        "| tasks are probed | when | seconds | CPU % of a core | user + system % | MB | probes/s | looks at all | ms each | glances at what moves | ms each | reconciliations | ms each | strangers % |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for phase in phases {
        let rows = [
            ("at rest", Some(&phase.rest)),
            ("rolling update", phase.update.as_ref()),
        ];
        for (when, usage) in rows {
            let Some(usage) = usage else { continue };
            row(text, phase.probe.name(), when, usage)?;
        }
    }
    writeln!(text)?;
    for phase in phases {
        let failed =
            phase.rest.failed_probes + phase.update.as_ref().map_or(0.0, |it| it.failed_probes);
        let dropped = phase.update.as_ref().unwrap_or(&phase.rest).dropped_events;
        let complaints = phase
            .log
            .lines()
            .filter(|line| line.contains(" WARN ") || line.contains("ERROR"));
        writeln!(
            text,
            "{}: all endpoints in rotation everywhere {:.1} s after the start; {failed:.0} probes failed, {dropped:.0} events were \
             dropped, {} warnings in the log.\n",
            capital(phase.probe.name()),
            phase.started,
            complaints.count()
        )?;
    }
    Ok(())
}

fn row(text: &mut String, probes: &str, when: &str, usage: &Usage) -> std::fmt::Result {
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    writeln!(
        text,
        "| {probes} | {when} | {:.0} | {} | {} + {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} | {:.1} | {:.0} | {:.2} | {} |",
        usage.seconds,
        percent(usage.cpu),
        percent(usage.user),
        percent(usage.system),
        usage.memory,
        usage.probes,
        usage.looks,
        usage.look,
        usage.glances,
        usage.glance,
        usage.reconciles,
        usage.reconcile,
        percent(usage.strangers)
    )
}

/// What one probe costs at rest: without a connection, and with one.
fn probe_cost(text: &mut String, phases: &[Phase]) -> std::fmt::Result {
    let of = |probe| {
        let mut phases = phases.iter();
        phases.find(|it| it.probe == probe).map(|it| &it.rest)
    };
    let (Some(answered), Some(connected), Some(not)) =
        (of(Probe::InProcess), of(Probe::Default), of(Probe::None))
    else {
        return Ok(());
    };
    let each = |share: f64, of: &Usage| share / of.probes.max(1.0) * 1e6;
    writeln!(
        text,
        "At rest a probe costs {:.1} µs of CPU where it is answered in-process: its timer, the report, and taking it in. With a \
         connection it costs {:.1} µs, {:.1} of them in the kernel, which opens and closes it, on loopback for both ends.\n",
        each(answered.cpu - not.cpu, answered),
        each(connected.cpu - not.cpu, connected),
        each(connected.system - not.system, connected),
    )
}

fn sizes(text: &mut String, phases: &[Phase]) -> std::fmt::Result {
    let Some(Sizes { snapshot, deltas }) = phases.first().map(|phase| &phase.sizes) else {
        return Ok(());
    };
    let mut deltas: Vec<f64> = deltas.iter().map(|&it| it as f64).collect();
    deltas.sort_by(f64::total_cmp);
    writeln!(
        text,
        "| message of the control channel | bytes |\n|---|---|\n\
         | whole snapshot | {snapshot} |\n| delta, median of {} | {} |\n| delta, largest | {} |\n",
        deltas.len(),
        number(quantile(&deltas, 0.5), 0),
        number(deltas.last().copied(), 0),
    )
}

fn changes(text: &mut String, size: Size, phases: &[Phase]) -> std::fmt::Result {
    writeln!(
        text,
        "From the moment before the engine is told that a task is meant to end, to the moment at which none of {} followers has it \
         in rotation any more; the look at the swarm is part of it. Out of rest the swarm had been quiet for {} to {} s.\n\n\
         | change | changes | slowest follower: p50 ms | p99 ms | longest ms | any follower: p50 ms | fastest: p50 ms |\n\
         |---|---|---|---|---|---|---|",
        size.followers,
        QUIET.as_secs_f64(),
        QUIET.as_secs_f64() + 1.0
    )?;
    for (what, changes) in rows(phases) {
        let slowest = slowest(changes);
        let mut all: Vec<f64> = changes.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let mut fastest: Vec<f64> = changes
            .iter()
            .filter_map(|it| it.first().copied())
            .collect();
        fastest.sort_by(f64::total_cmp);
        let cells = [
            quantile(&slowest, 0.5),
            quantile(&slowest, 0.99),
            slowest.last().copied(),
            quantile(&all, 0.5),
            quantile(&fastest, 0.5),
        ];
        let cells = cells.map(|it| number(it, 0));
        writeln!(
            text,
            "| {what} | {} | {} |",
            changes.len(),
            cells.join(" | ")
        )?;
    }
    writeln!(text)
}

fn finding(text: &mut String, findings: &[Finding]) -> std::fmt::Result {
    writeln!(
        text,
        "Finding a route, medians of rounds in each of which every index was asked. Of hosts in no order most are in no cache of \
         the processor once there are many; of {FEW} hosts, all are.\n\n\
         | routes | ns, any host | ratio | ns, {FEW} hosts | ratio |\n|---|---|---|---|---|"
    )?;
    for it in findings {
        writeln!(
            text,
            "| {} | {:.1} | {:.2} | {:.1} | {:.2} |",
            it.routes, it.any, it.any_ratio, it.few, it.few_ratio
        )?;
    }
    writeln!(text)
}

fn targets(text: &mut String, phases: &[Phase], findings: &[Finding]) -> std::fmt::Result {
    writeln!(text, "| target | figure | |\n|---|---|---|")?;
    let mut judge = |target: String, figure: f64, limit: f64, shown: String| {
        let verdict = if figure <= limit { "met" } else { "**missed**" };
        writeln!(text, "| {target} | {shown} | {verdict} |")
    };
    // The target leaves the kernel's work for connections out; what those cost stands above.
    let no_connections = [Probe::InProcess, Probe::None];
    for phase in phases
        .iter()
        .filter(|it| no_connections.contains(&it.probe))
    {
        let cpu = phase.rest.cpu;
        let target = format!(
            "at rest below 5 % of a core, looks included; {}",
            phase.probe.name()
        );
        judge(target, cpu, CPU, format!("{:.1} %", cpu * 100.0))?;
    }
    for phase in phases {
        let update = phase.update.as_ref().map(|it| ("during an update", it));
        for (when, usage) in [Some(("at rest", &phase.rest)), update]
            .into_iter()
            .flatten()
        {
            let target = format!("at most 150 MB {when}; {}", phase.probe.name());
            judge(
                target,
                usage.memory,
                MEMORY,
                format!("{:.0} MB", usage.memory),
            )?;
        }
    }
    for (what, changes) in rows(phases) {
        let slowest = slowest(changes);
        for (kind, figure) in [
            ("p99", quantile(&slowest, 0.99)),
            ("p50", quantile(&slowest, 0.5)),
        ] {
            let target = format!("a change applied by all followers within 300 ms, {kind}; {what}");
            let figure = figure.unwrap_or(f64::INFINITY);
            judge(target, figure, CHANGE, format!("{figure:.0} ms"))?;
        }
    }
    if let Some(many) = findings.last() {
        let target = |what: &str| {
            format!(
                "finding one of {} routes costs what one of {} does; {what}",
                ROUTES[2], ROUTES[0]
            )
        };
        judge(
            target("of the same few hosts"),
            many.few_ratio,
            FLAT,
            format!("{:.2} times", many.few_ratio),
        )?;
        judge(
            target("of any host, cache misses included"),
            many.any_ratio,
            FLAT,
            format!("{:.2} times", many.any_ratio),
        )?;
    }
    Ok(())
}

fn rows(phases: &[Phase]) -> impl Iterator<Item = (String, &[Change])> {
    phases.iter().flat_map(|phase| {
        let probes = phase.probe.name();
        let rows = [
            ("out of rest", &phase.alone),
            ("within a rolling update", &phase.within),
        ];
        let filled = rows.into_iter().filter(|(_, changes)| !changes.is_empty());
        filled.map(move |(what, changes)| (format!("{what}, {probes}"), &changes[..]))
    })
}

/// The time of each change's slowest follower, in ascending order.
fn slowest(changes: &[Change]) -> Vec<f64> {
    let mut slowest: Vec<f64> = changes.iter().filter_map(|it| it.last().copied()).collect();
    slowest.sort_by(f64::total_cmp);
    slowest
}

/// Of values in ascending order, the smallest that so many are not above.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
