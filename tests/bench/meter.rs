//! Whose CPU time went by: the proxy's, which is the figure, and that of strangers, which spoils it.

use std::time::Duration;

use anyhow::Context;

/// The unit of the times in `/proc/PID/stat`, the same on every architecture that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// The processes of a measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    /// Those that are measured.
    pub(crate) proxy: Vec<u32>,
    /// Those that take part: the backends, and whoever started them. The reader itself need not be named.
    pub(crate) ours: Vec<u32>,
}

/// CPU time so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// User and system time of the proxy's threads, as exact as the scheduler knows it.
    pub(crate) proxy: Duration,
    /// That of every process that has no part in the measurement.
    pub(crate) others: Duration,
}

impl Meter {
    /// Reads both clocks.
    pub(crate) fn read(&self) -> anyhow::Result<Reading> {
        let own = [self.proxy.as_slice(), &self.ours, &[std::process::id()]].concat();
        Ok(Reading {
            proxy: threads_time(&self.proxy)?,
            others: others_time(&own),
        })
    }
}

fn threads_time(pids: &[u32]) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for pid in pids {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
            .with_context(|| format!("process {pid} ended"))?;
        for thread in threads {
            // A thread that ended between the two reads has no file any more.
            let text = std::fs::read_to_string(thread?.path().join("schedstat"));
            nanos += text
                .ok()
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Sums the processes with their ended children, so that a compiler that comes and goes in between counts through its
/// parent. Kernel threads are left out: what they do here is mostly the measurement's own network traffic.
fn others_time(own: &[u32]) -> Duration {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ticks: u64 = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| !own.contains(pid))
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Behind the name in parentheses: state, parent, process group, …; 11 to 14 are the four times.
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            let kernel_thread = fields.get(2) == Some(&"0");
            let times = fields.get(11..15).filter(|_| !kernel_thread)?;
            Some(
                times
                    .iter()
                    .filter_map(|time| time.parse::<u64>().ok())
                    .sum::<u64>(),
            )
        })
        .sum();
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}
