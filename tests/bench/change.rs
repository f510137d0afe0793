//! How long after a change the first request takes the new route: a further host in the inventory file.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use crate::load::first_answer;
use crate::measure::Bench;
use crate::peer::{self, INVENTORY, inventory};

/// How many changes are made.
const CHANGES: usize = 30;

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Milliseconds from the file's replacement to the first right answer for the new host, sorted.
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<f64>> {
    let proxy = bench.ready(&peer::hiveway()).await?;
    let layout = bench.layout().clone();
    let (place, next) = (
        layout.directory.join(INVENTORY),
        layout.directory.join("inventory.next"),
    );
    let mut hosts = Vec::new();
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let host = format!("change-{number}.local");
        hosts.push(host.clone());
        std::fs::write(&next, inventory(&layout, false, &hosts))
            .context("writing the next inventory")?;
        let start = Instant::now();
        std::fs::rename(&next, &place).context("replacing the inventory")?;
        let routed = first_answer(layout.proxy, &host, LIMIT).await?;
        times.push((routed - start).as_secs_f64() * 1e3);
    }
    proxy.stop().await;
    times.sort_by(f64::total_cmp);
    Ok(times)
}
