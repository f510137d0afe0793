//! How many complaints about labels stand.

use std::collections::BTreeSet;

use prometheus::{IntGaugeVec, Registry};

use super::gauges;
use crate::core::model::route::{Diagnostic, Level};

/// A gauge for each level. There is none before the first count: a process that reads no labels has nothing to tell.
pub(super) struct DiagnosticMetrics(IntGaugeVec);

impl DiagnosticMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self(gauges(
            registry,
            "hiveway_label_diagnostics",
            "Complaints about labels that stand now, by level; told by those who read labels.",
            &["level"],
        ))
    }

    pub(super) fn tell(&self, diagnostics: &BTreeSet<Diagnostic>) {
        let levels = [
            (Level::Notice, "notice"),
            (Level::Warning, "warn"),
            (Level::Error, "error"),
        ];
        for (level, name) in levels {
            let count = diagnostics.iter().filter(|it| it.level == level).count();
            let gauge = self.0.with_label_values(&[name]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;
    use crate::observe::metrics::tests::{metrics, samples};

    #[test]
    fn complaints_that_stand_are_counted_by_level() {
        let diagnostic = |level, key: &str| Diagnostic {
            level,
            service: "shop".into(),
            key: key.into(),
            value: "x".into(),
            reason: String::new(),
            remedy: String::new(),
            suggestion: None,
        };
        let metrics = metrics();
        assert_eq!(
            samples(&metrics.render(None), "hiveway_label_diag"),
            [""; 0]
        );
        let both = [
            ("a", Level::Error),
            ("b", Level::Error),
            ("c", Level::Notice),
        ];
        metrics.diagnosed(&both.map(|(key, level)| diagnostic(level, key)).into());
        let standing = |metrics: &Metrics| samples(&metrics.render(None), "hiveway_label_diag");
        let count =
            |level, count| format!("hiveway_label_diagnostics{{level=\"{level}\"}} {count}");
        assert_eq!(
            standing(&metrics),
            [count("error", 2), count("notice", 1), count("warn", 0)]
        );
        metrics.diagnosed(&BTreeSet::new());
        assert_eq!(
            standing(&metrics),
            [count("error", 0), count("notice", 0), count("warn", 0)]
        );
    }
}
