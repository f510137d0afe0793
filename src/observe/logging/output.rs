//! Where log lines are written: never an error for the caller, but a count, and a line about the gap once there is
//! room for it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// An output of log lines. Clones are the same.
#[derive(Clone)]
pub(super) struct Output<F> {
    open: F,
    format: LogFormat,
    dropped: IntCounter,
    gap: Arc<Gap>,
}

/// Lines that were lost since the last that was written.
#[derive(Default)]
struct Gap {
    lines: AtomicU64,
    /// Held while a line is written, so that the line about a gap stands where the gap is.
    writing: Mutex<()>,
}

impl<F> Output<F> {
    /// Writes to what `open` gives.
    pub(super) fn new(open: F, format: LogFormat, dropped: IntCounter) -> Self {
        Self {
            open,
            format,
            dropped,
            gap: Arc::default(),
        }
    }

    /// The line about a gap.
    fn notice(&self, lost: u64) -> String {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let message = format!(
            "{lost} log lines are missing here, because they could not be written; hiveway_log_dropped_total counts them"
        );
        match self.format {
            LogFormat::Human => format!("{time} WARN  {message}\n"),
            LogFormat::Json => {
                let line = serde_json::json!({
                    "timestamp": time.to_string(),
                    "level": "WARN",
                    "message": message,
                    "target": "hiveway",
                });
                format!("{line}\n")
            }
        }
    }
}

impl<W: Write, F: Fn() -> W> Write for &Output<F> {
    /// Takes one line. The subscriber gives whole lines, each by one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _writing = self
            .gap
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut output = (self.open)();

        let lost = self.gap.lines.load(Ordering::Relaxed);
        let written = match lost {
            0 => Ok(()),
            _ => output.write_all(self.notice(lost).as_bytes()),
        };
        if written.is_ok() {
            self.gap.lines.store(0, Ordering::Relaxed);
        }

        let written = written.and_then(|()| output.write_all(line));
        if written.is_err() {
            self.gap.lines.fetch_add(1, Ordering::Relaxed);
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What cannot be flushed was counted when it was written, or is in the hands of the system.
        let _ = (self.open)().flush();
        Ok(())
    }
}

impl<'a, W, F> MakeWriter<'a> for Output<F>
where
    W: Write,
    F: Fn() -> W + 'a,
{
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has no room while `full`.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Disk {
        fn fill(&self, full: bool) {
            self.0.lock().unwrap().0 = full;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            if disk.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(format: LogFormat) -> (Output<impl Fn() -> Disk>, Disk, IntCounter) {
        let disk = Disk::default();
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let open = {
            let disk = disk.clone();
            move || disk.clone()
        };
        (Output::new(open, format, dropped.clone()), disk, dropped)
    }

    #[test]
    fn lost_lines_are_counted_and_the_gap_is_told_where_it_is() {
        for format in [LogFormat::Human, LogFormat::Json] {
            let (output, disk, dropped) = output(format);
            let mut writer = &output;
            writer.write_all(b"one\n").unwrap();
            disk.fill(true);
            writer.write_all(b"two\n").unwrap();
            writer.write_all(b"three\n").unwrap();
            disk.fill(false);
            writer.write_all(b"four\n").unwrap();
            writer.write_all(b"five\n").unwrap();

            let text = disk.text();
            let lines: Vec<&str> = text.lines().collect();
            let [one, gap, four, five] = &*lines else {
                panic!("{text}");
            };
            assert_eq!((*one, *four, *five), ("one", "four", "five"));
            assert!(gap.contains("2 log lines are missing here"), "{gap}");
            let is_json = serde_json::from_str::<serde_json::Value>(gap).is_ok();
            assert_eq!(is_json, format == LogFormat::Json, "{gap}");
            assert_eq!(dropped.get(), 2);
        }
    }
}
