//! What proxies are asked for beside plain HTTP/1.1: TLS, HTTP/2, large bodies and WebSockets, each under its own load.

mod body;
mod credentials;
mod http2;
mod report;
mod websocket;

use std::path::Path;

use clap::ValueEnum;

use self::body::{Download, Upload};
pub(crate) use self::credentials::Credentials;
use self::credentials::{Handshake, Tls};
use self::report::{Row, Table};
use self::websocket::WebSocket;
use crate::cli::{Cli, Common};
use crate::load::{Connection, Window, closed, connect};
use crate::measure::Bench;
use crate::peer;
use crate::{directory, machine, process, report as results};

/// The host that is asked for; `.local` ones do not exist outside.
pub(crate) const HOST: &str = "restserver.example.com";

/// How many requests share a connection of HTTP/2.
const STREAMS: usize = 16;

/// One kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Traffic {
    /// A TLS connection for each request, without resumption
    Handshakes,
    /// HTTP/1.1 over TLS connections that are kept
    Tls,
    /// HTTP/2 in clear, with prior knowledge
    Http2,
    /// HTTP/2 over TLS
    Http2Tls,
    /// Answers of 1 MiB over HTTP/1.1
    Download,
    /// Requests of 1 MiB over HTTP/1.1
    Upload,
    /// Messages of 64 bytes that come back
    Websocket,
}

impl Traffic {
    /// How it is written on the command line.
    fn word(self) -> String {
        let value = self.to_possible_value();
        value
            .expect("no kind of traffic is skipped")
            .get_name()
            .to_owned()
    }

    /// The connections of its load.
    fn connections(self) -> usize {
        match self {
            Self::Handshakes | Self::Tls | Self::Websocket => 64,
            Self::Http2 | Self::Http2Tls => 64 / STREAMS,
            Self::Download | Self::Upload => 16,
        }
    }
}

/// Measures all proxies under all kinds of traffic that are asked for, round after round.
pub(crate) async fn run(cli: &Cli, asked: &[Traffic]) -> anyhow::Result<()> {
    process::raise_open_files();
    let whole = cli.only.is_empty() && asked.is_empty() && !cli.is_trial();
    let kinds = match asked {
        [] => Traffic::value_variants(),
        some => some,
    };
    let (others, absent) = peer::others(&cli.peers());
    let mut peers = vec![peer::hiveway(), peer::bare()?];
    peers.extend(others);
    peers.retain(|peer| cli.wants(&peer.name));
    let plan = cli.plan();
    let machine = machine::description();
    let mut bench = Bench::start(&directory(), plan.clone()).await?;
    bench.go_public()?;
    let table = |kind: &Traffic| Table {
        traffic: *kind,
        rows: peers.iter().cloned().map(Row::new).collect(),
    };
    let mut tables: Vec<Table> = kinds.iter().map(table).collect();
    for round in 1..=plan.rounds {
        for table in &mut tables {
            for row in &mut table.rows {
                let measured = measure(&mut bench, table.traffic, &row.peer).await;
                let measured = measured.map_err(|error| format!("{error:#}"));
                println!(
                    "round {round} of {}: {:10} {:12} {}",
                    plan.rounds,
                    table.traffic.word(),
                    row.peer.name,
                    report::line(table.traffic, &measured)
                );
                row.rounds.push(measured);
            }
        }
    }
    let text = report::markdown(&machine, &plan, &tables, &absent)?;
    println!("\n{text}");
    if whole {
        results::write(&cli.output, results::TRAFFIC, &text)?;
    }
    Ok(())
}

async fn measure(bench: &mut Bench, traffic: Traffic, peer: &peer::Peer) -> anyhow::Result<Window> {
    let layout = bench.layout();
    let public = layout.public()?;
    let target = match traffic {
        Traffic::Handshakes | Traffic::Tls | Traffic::Http2Tls => public.tls,
        Traffic::Http2 => peer.http2(layout)?,
        Traffic::Download | Traffic::Upload | Traffic::Websocket => layout.proxy,
    };
    let authority = public.credentials.authority.display().to_string();
    let connections = traffic.connections().to_string();
    let word = traffic.word();
    let kind: [&str; 6] = [
        "traffic",
        &word,
        "--authority",
        &authority,
        "--connections",
        &connections,
    ];
    bench.window(peer, target, &kind).await
}

/// The load of one window.
pub(crate) async fn load(
    traffic: Traffic,
    authority: &Path,
    common: &Common,
) -> anyhow::Result<Window> {
    let (target, times, meter) = (common.target, common.times(), common.meter());
    let numbers = 0..common.connections;
    let tls = |protocol| Tls::trusting(authority, protocol);
    match traffic {
        Traffic::Handshakes => {
            let tls = tls("http/1.1")?;
            let one = |number| Handshake::new(tls.clone(), target, number);
            closed(numbers.map(one).collect(), times, None, &meter).await
        }
        Traffic::Tls => {
            let tls = tls("http/1.1")?;
            let mut open = Vec::new();
            for number in numbers {
                open.push(Connection::new(tls.connect(target, number).await?, HOST));
            }
            closed(open, times, None, &meter).await
        }
        Traffic::Http2 => {
            let mut open = Vec::new();
            for number in numbers {
                let stream = connect(target, number).await?;
                open.extend(http2::open(stream, "http", STREAMS).await?);
            }
            closed(open, times, None, &meter).await
        }
        Traffic::Http2Tls => {
            let tls = tls("h2")?;
            let mut open = Vec::new();
            for number in numbers {
                let stream = tls.connect(target, number).await?;
                open.extend(http2::open(stream, "https", STREAMS).await?);
            }
            closed(open, times, None, &meter).await
        }
        Traffic::Download => {
            let mut open = Vec::new();
            for number in numbers {
                open.push(Download::new(connect(target, number).await?));
            }
            closed(open, times, None, &meter).await
        }
        Traffic::Upload => {
            let mut open = Vec::new();
            for number in numbers {
                open.push(Upload::new(connect(target, number).await?));
            }
            closed(open, times, None, &meter).await
        }
        Traffic::Websocket => {
            let mut open = Vec::new();
            for number in numbers {
                open.push(WebSocket::open(connect(target, number).await?).await?);
            }
            closed(open, times, None, &meter).await
        }
    }
}
