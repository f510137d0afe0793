//! Hiveway beside other proxies, on this machine, in one run: `make bench`, or `cargo bench --bench proxies -- --help`.
//!
//! One binary for everything: started by itself again, it is the backends, the load, or the bare proxy, so that each can
//! have its own core. `measure` holds the method, `report` what is written down.

#![allow(clippy::print_stdout, reason = "a benchmark talks to its user")]

mod backend;
mod bare;
mod change;
mod cli;
mod client;
mod flood;
mod instructions;
mod load;
mod machine;
mod measure;
mod meter;
mod open_loop;
mod peer;
mod process;
mod report;
mod scale;
mod swarm;
mod traffic;

use std::path::PathBuf;

use clap::Parser;

use crate::cli::{Cli, Load, Role};
use crate::measure::Bench;
use crate::peer::Peer;
use crate::report::{Comparison, Row};

/// The allocator of the `hiveway` binary, so that the bare proxy differs from it in nothing but its work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut cli = Cli::parse();
    let role = cli.role.take();
    if role.is_none() && !cli.bench {
        println!("proxies: nothing is measured outside `cargo bench --bench proxies`");
        return Ok(());
    }
    // These get the runtime that Hiveway has with one thread; everything else needs none.
    let runtime = match role {
        Some(Role::Bare(_) | Role::Control { .. }) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?,
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        match role {
            Some(Role::Bare(bare)) => bare::serve(bare).await,
            Some(Role::Backend { addresses }) => backend::serve(&addresses).await,
            Some(Role::Load { kind }) => run_load(kind).await,
            Some(Role::SwarmOnPaper { socket, size }) => scale::serve(&socket, size).await,
            Some(Role::Control { arguments }) => scale::control(arguments).await,
            None if cli.instructions => instructions::run(&cli).await,
            None if cli.flood => flood::run(&cli).await,
            None if cli.scale => scale::run(&cli).await,
            None if cli.swarm => swarm::run(&cli).await,
            None => match &cli.traffic {
                Some(kinds) => traffic::run(&cli, kinds).await,
                None => compare(&cli).await,
            },
        }
    })
}

async fn run_load(kind: Load) -> anyhow::Result<()> {
    let window = match kind {
        Load::Closed { common, requests } => {
            let open = load::plain(common.target, common.connections).await?;
            load::closed(open, common.times(), requests, &common.meter()).await?
        }
        Load::Traffic {
            traffic,
            authority,
            common,
        } => traffic::load(traffic, &authority, &common).await?,
        Load::Open { common, rate } => open_loop::run(
            common.target,
            common.connections,
            rate,
            common.times(),
            &common.meter(),
        )?,
        Load::Flood { common } => return flood::flood(common.target, common.connections).await,
        Load::Idle { common } => return load::idle(common.target, common.connections).await,
    };
    println!("{}", serde_json::to_string(&window)?);
    Ok(())
}

/// All rows, round after round; then the memory, the changes, and the report.
async fn compare(cli: &Cli) -> anyhow::Result<()> {
    process::raise_open_files();
    let whole = cli.only.is_empty() && cli.also.is_empty() && !cli.is_trial();
    let (others, mut absent) = peer::others(&cli.peers());
    let mut peers = vec![peer::hiveway(), peer::hiveway_sticky(), peer::bare()?];
    peers.extend(others);
    for also in &cli.also {
        peers.push(Peer::parse(also)?);
    }
    peers.retain(|peer| cli.wants(&peer.name));
    absent.retain(|text| cli.wants(text));
    for text in &absent {
        println!("absent: {text}");
    }
    let plan = cli.plan();
    let machine = machine::description();
    let mut bench = Bench::start(&directory(), plan.clone()).await?;
    let mut rows: Vec<Row> = peers.into_iter().map(Row::new).collect();
    for round in 1..=plan.rounds {
        for row in &mut rows {
            let measured = bench.round(&row.peer).await;
            println!(
                "round {round} of {}: {:18} {measured}",
                plan.rounds, row.peer.name
            );
            row.rounds.push(measured);
        }
    }
    for row in &mut rows {
        let memory = bench
            .memory(&row.peer)
            .await
            .map_err(|error| format!("{error:#}"));
        println!("memory: {:18} {memory:?}", row.peer.name);
        row.memory = Some(memory);
    }
    let changes = if whole {
        let times = change::measure(&mut bench).await;
        Some(times.map_err(|error| format!("{error:#}")))
    } else {
        None
    };
    let comparison = Comparison {
        machine,
        plan,
        rows,
        absent,
        changes,
    };
    let text = comparison.markdown();
    println!("\n{text}");
    if whole {
        report::write(&cli.output, report::COMPARISON, &text)?;
    }
    Ok(())
}

/// Where configuration files and logs of a run go.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench")
}
