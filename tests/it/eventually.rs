//! Waiting for something to be so, with a bound; the only way in which these tests wait.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// From one look to the next.
const PACE: Duration = Duration::from_millis(100);

/// Looks until `look` says that it is so. `Err` says what was seen instead.
///
/// # Errors
///
/// It was not so within the bound: what was waited for, how long, and what was seen last.
pub(crate) async fn eventually<T>(
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + bound;
    loop {
        // The last look begins after the deadline, so that a slow machine is not taken for a slow product.
        let last = Instant::now() >= deadline;
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if last => {
                return Err(format!(
                    "{what}: not so within {bound:?}; last seen: {seen}"
                ));
            }
            Err(_) => sleep(PACE).await,
        }
    }
}

/// Waits until `condition` holds, which costs nothing to look at.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(Duration::from_secs(30), wait).await.is_err() {
        panic!("not within 30 s: {what}");
    }
}
