//! Makes metric families by hand, for figures that no registry keeps.

use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// A family: one name, one help text, and a metric for each set of labels.
pub(super) fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: impl Iterator<Item = Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics.collect());
    family
}

/// A counter's value.
pub(super) fn counter(labels: &[(&str, &str)], value: u64) -> Metric {
    counter_of(labels, value as f64)
}

/// The value of a counter that adds up parts, such as seconds.
pub(super) fn counter_of(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

/// A gauge's value.
pub(super) fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

/// A histogram's value: its upper bounds with how many observations lie between each and the one before, how many lie
/// above all of them, and their sum.
pub(super) fn histogram(
    labels: &[(&str, &str)],
    buckets: impl Iterator<Item = (f64, u64)>,
    above: u64,
    sum: f64,
) -> Metric {
    let mut count = 0;
    let cumulative = buckets.map(|(bound, within)| {
        count += within;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = prometheus::proto::Histogram::default();
    histogram.set_bucket(cumulative.collect());
    histogram.set_sample_count(count + above);
    histogram.set_sample_sum(sum);
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}
