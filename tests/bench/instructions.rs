//! Instructions a request in user space, counted by callgrind: what decides between two versions of one's own code, since
//! it stays within a hundredth on a machine whose times swing by half.

use std::fmt::Write;

use anyhow::Context;

use crate::cli::Cli;
use crate::measure::{Bench, Plan};
use crate::peer::{self, Peer};
use crate::{directory, machine, process, report};

/// The two runs whose difference counts, so that starting and stopping do not.
const REQUESTS: [u64; 2] = [2_000, 10_000];

/// Few connections: valgrind runs one thread at a time, and the others only wait.
const CONNECTIONS: usize = 8;

/// Counts for bare Pingora, Hiveway, and what `--also` names.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    process::raise_open_files();
    std::process::Command::new("valgrind")
        .arg("--version")
        .output()
        .context("starting valgrind; apt-get install valgrind brings it")?;
    let plan = Plan {
        rounds: 1,
        ..cli.plan()
    };
    let machine = machine::description();
    let mut bench = Bench::start(&directory(), plan).await?;
    let mut peers = vec![peer::bare()?, peer::hiveway(), peer::hiveway_sticky()];
    for also in &cli.also {
        peers.push(Peer::parse(also)?);
    }
    peers.retain(|peer| cli.wants(&peer.name));
    let mut counts = Vec::new();
    for peer in peers {
        let name = peer.name.clone();
        let count = per_request(&mut bench, peer)
            .await
            .with_context(|| format!("counting for {name}"))?;
        println!("{name}: {count:.0} instructions a request");
        counts.push((name, count));
    }
    let mut text = format!(
        "{machine}; {}. User space only, {CONNECTIONS} connections, difference between {} and {} requests.\n\n\
         | proxy | instructions a request | ratio to bare Pingora |\n|---|---|---|\n",
        machine::said_by("valgrind", &["--version"]),
        REQUESTS[0],
        REQUESTS[1],
    );
    let bare = counts
        .iter()
        .find(|(name, _)| name == peer::BARE)
        .map(|(_, count)| *count);
    for (name, count) in &counts {
        let ratio = bare.map_or("–".to_owned(), |bare| format!("{:.3}", count / bare));
        writeln!(text, "| {name} | {count:.0} | {ratio} |")?;
    }
    println!("\n{text}");
    if cli.only.is_empty() && cli.also.is_empty() {
        report::write(&cli.output, report::INSTRUCTIONS, &text)?;
    }
    Ok(())
}

async fn per_request(bench: &mut Bench, peer: Peer) -> anyhow::Result<f64> {
    // One file a proxy, so that `callgrind_annotate` can compare them afterwards.
    let name = peer.name.replace(|c: char| !c.is_alphanumeric(), "-");
    let out = bench
        .layout()
        .directory
        .join(format!("callgrind.{name}.out"))
        .display()
        .to_string();
    let arguments = vec![
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={out}"),
    ];
    let peer = peer.under("valgrind", arguments);
    let mut points = Vec::new();
    for requests in REQUESTS {
        let proxy = bench.ready(&peer).await?;
        let window = bench.requests(CONNECTIONS, requests).await?;
        let log = proxy.stop().await;
        let collected = log
            .lines()
            .find_map(|line| {
                line.split_once("Collected : ")?
                    .1
                    .trim()
                    .parse::<f64>()
                    .ok()
            })
            .context("callgrind did not say what it collected")?;
        points.push((window.requests as f64, collected));
    }
    let [(few, before), (many, after)] = points[..] else {
        anyhow::bail!("two runs make a difference");
    };
    Ok((after - before) / (many - few))
}
