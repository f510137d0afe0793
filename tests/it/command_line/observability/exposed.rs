//! What a process tells Prometheus: the metrics, their kinds, and the values of their labels.

use std::collections::{BTreeMap, BTreeSet};

/// The families of an exposition.
pub(super) struct Exposed {
    kinds: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exposed {
    /// Reads Prometheus' text format. Values of labels that hold quotes are cut short, which no query here asks for.
    pub(super) fn read(text: &str) -> Self {
        let mut exposed = Self {
            kinds: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                exposed.kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let end = line.find(['{', ' ']).expect("a sample");
                let (name, rest) = line.split_at(end);
                let labels = exposed.labels.entry(name.to_owned()).or_default();
                let mut parts = rest.trim_start_matches('{').split('"');
                while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
                    let label = label.trim_start_matches(',').trim_end_matches('=');
                    labels
                        .entry(label.to_owned())
                        .or_default()
                        .insert(value.to_owned());
                }
            }
        }
        exposed
    }

    /// The same with nothing but these families.
    pub(super) fn under(mut self, families: &[&str]) -> Self {
        self.kinds
            .retain(|name, _| families.contains(&name.as_str()));
        self
    }

    /// The kind of a sample's family; none where there is no such sample.
    pub(super) fn kind(&self, sample: &str) -> Option<&str> {
        if !self.labels.contains_key(sample) {
            return None;
        }
        if let Some(kind) = self.kinds.get(sample) {
            return Some(kind);
        }
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| sample.strip_suffix(suffix))?;
        self.kinds.get(family).map(String::as_str)
    }

    /// The labels of a metric.
    pub(super) fn labels(&self, sample: &str) -> impl Iterator<Item = String> {
        let labels = self.labels.get(sample).into_iter();
        labels.flat_map(|labels| labels.keys().cloned())
    }

    /// The values of one of its labels; none where it has no such label.
    pub(super) fn values(&self, sample: &str, label: &str) -> BTreeSet<String> {
        let labels = self.labels.get(sample);
        let values = labels.and_then(|labels| labels.get(label));
        values.cloned().unwrap_or_default()
    }
}
