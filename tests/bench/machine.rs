//! The machine that a report speaks of.

use std::process::Command;

/// Its description for a report: when, which processor, how many, which kernel.
pub(crate) fn description() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}; {model}, {cores} cores, {} GB; {}; load average before the run {}",
        said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        memory * 1024 / 1_000_000_000,
        said_by("uname", &["-sr"]),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

/// The version of Pingora that this binary is built with, read from the lock file that decided it.
pub(crate) fn pingora_version() -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    lock.split_once("name = \"pingora\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}

/// The first line that a program prints, or that it could not be asked.
pub(crate) fn said_by(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or("")
            .trim()
            .to_owned(),
        Err(error) => format!("({program}: {error})"),
    }
}
