//! The bound on everything that a test waits for.

use std::future::Future;
use std::time::Duration;

/// Fails a test that would wait for ever. Far above what anything takes on a busy machine.
pub(crate) async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it happens in time")
}
