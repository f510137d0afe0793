//! Time in which a client, a task or an engine of a test does nothing: part of the load, never a wait for the product.

use std::time::Duration;

/// Does nothing for this time.
///
/// A pause between the pieces of a slow body, silence for longer than a limit, or work that takes its time. It cannot be
/// replaced by a predicate, because nothing happens that could be observed. A test that waits for something to happen uses
/// [`eventually`](crate::eventually::eventually).
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
