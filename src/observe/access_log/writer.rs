//! Writes the lines of the access log, as many at once as there are.

use std::io;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The most lines in one write.
const BATCH: usize = 512;

/// How long the last lines may take when the process ends: who reads them may have stopped.
const LAST: Duration = Duration::from_secs(1);

/// Who writes the access log. Owned by the supervisor.
#[derive(Debug)]
pub struct Writer {
    lines: mpsc::Receiver<String>,
    dropped: IntCounter,
}

impl Writer {
    pub(super) fn new(lines: mpsc::Receiver<String>, dropped: IntCounter) -> Self {
        Self { lines, dropped }
    }

    /// Writes until `stop`, and then what has come until then. An end of the output ends nothing else: it is told once, and
    /// every line is counted as dropped from then on.
    pub async fn run(mut self, mut output: impl AsyncWrite + Unpin, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut broken = false;
        loop {
            let count = tokio::select! {
                biased;
                count = self.lines.recv_many(&mut batch, BATCH) => count,
                () = stop.cancelled() => break,
            };
            if count == 0 {
                // Nobody is left who could tell anything.
                stop.cancelled().await;
                break;
            }
            tokio::select! {
                written = self.write(&mut batch, &mut output, broken) => broken = written.is_err(),
                () = ended(&stop) => return,
            }
        }
        let rest = async {
            while self.lines.try_recv().map(|line| batch.push(line)).is_ok() {}
            let _ = self.write(&mut batch, &mut output, broken).await;
        };
        // What is not read by now never will be.
        let _ = timeout(LAST, rest).await;
    }

    async fn write(
        &self,
        batch: &mut Vec<String>,
        output: &mut (impl AsyncWrite + Unpin),
        broken: bool,
    ) -> io::Result<()> {
        let count = batch.len() as u64;
        let text = batch.drain(..).collect::<String>();
        let written = async {
            output.write_all(text.as_bytes()).await?;
            output.flush().await
        };
        let written = written.await;
        if let Err(error) = &written {
            self.dropped.inc_by(count);
            if !broken {
                tracing::warn!(
                    %error,
                    "the access log cannot be written to standard output; its lines are dropped and counted, see that \
                     somebody reads them, or set --access-log off"
                );
            }
        }
        written
    }
}

/// Some time after the stop.
async fn ended(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST).await;
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::io::AsyncReadExt as _;

    use super::super::{Config, Format, Selection, channel, line};
    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").expect("a counter")
    }

    const CONFIG: Config = Config {
        selection: Selection::All,
        format: Format::Combined,
    };

    async fn bounded<T>(future: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(10), future)
            .await
            .expect("in time")
    }

    #[tokio::test]
    async fn every_line_is_written_also_those_that_wait_at_the_stop() {
        let (log, writer) = channel(CONFIG, counter());
        for _ in 0..1_000 {
            log.write(&line::tests::record());
        }
        let (mut read, output) = tokio::io::duplex(1 << 20);
        let stop = CancellationToken::new();
        stop.cancel();
        bounded(writer.run(output, stop)).await;
        let mut text = String::new();
        bounded(read.read_to_string(&mut text)).await.expect("text");
        assert_eq!(text.lines().count(), 1_000);
        assert!(text.lines().all(|line| line.ends_with("\"-\" \"-\"")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_nobody_reads_does_not_hold_up_the_end() {
        let (log, writer) = channel(CONFIG, counter());
        log.write(&line::tests::record());
        let (_read, output) = tokio::io::duplex(8);
        let stop = CancellationToken::new();
        let running = writer.run(output, stop.clone());
        tokio::pin!(running);
        let soon = timeout(Duration::from_millis(10), &mut running).await;
        assert!(soon.is_err(), "it waits for the reader");
        stop.cancel();
        bounded(running).await;
    }

    #[tokio::test]
    async fn lines_for_an_output_that_is_gone_are_counted() {
        let dropped = counter();
        let (log, writer) = channel(CONFIG, dropped.clone());
        let (read, output) = tokio::io::duplex(8);
        drop(read);
        log.write(&line::tests::record());
        log.write(&line::tests::record());
        let stop = CancellationToken::new();
        stop.cancel();
        bounded(writer.run(output, stop)).await;
        assert_eq!(dropped.get(), 2);
    }
}
