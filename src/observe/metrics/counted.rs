//! A gauge that counts what lives.

use prometheus::IntGauge;

/// Keeps a gauge one higher while it lives, also when the task that holds it is cancelled or panics.
pub struct Counted(IntGauge);

impl Counted {
    /// Counts one more.
    #[must_use]
    pub fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
