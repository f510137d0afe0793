//! One label as it stands on a service, and which of several labels with one meaning decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::guard;
use super::key::{self, Key, Prefix};
use super::report::{LabelFault, Report, shown};
use crate::core::model::Service;
use crate::core::model::route::Level;

/// A label with a known key. Labels of the same meaning sort by precedence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label<'a> {
    place: LabelSource,
    prefix: Prefix,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// On which of Docker's objects a label stands, the one that takes precedence first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LabelSource {
    Service,
    Container,
}

/// The labels with known keys, those of one meaning in order of precedence. Keys that are refused are reported, and those of
/// them that were meant to guard the service are added to `misread`.
pub(super) fn by_key<'a>(
    service: &'a Service,
    misread: &mut BTreeSet<Arc<str>>,
    report: &mut Report,
) -> BTreeMap<Key, Vec<Label<'a>>> {
    let mut labels: BTreeMap<Key, Vec<Label<'a>>> = BTreeMap::new();
    for (place, written) in [
        (LabelSource::Service, &service.labels),
        (LabelSource::Container, &service.container_labels),
    ] {
        for (written, value) in written {
            match key::parse(written) {
                Ok(Some((prefix, key))) => labels.entry(key).or_default().push(Label {
                    place,
                    prefix,
                    key: written,
                    value,
                }),
                Ok(None) if guard::is_meant_by_other(written) => {
                    misread.insert(shown(written).into());
                    let fault = LabelFault::error(
                        "the key has no prefix of Hiveway's, so the label is not read",
                        "write the key with the prefix hiveway., or remove the label",
                    );
                    report.add(written, value, fault.shutting());
                }
                Ok(None) => {}
                Err(fault) if fault.level == Level::Error && guard::is_meant(written) => {
                    misread.insert(shown(written).into());
                    report.add(written, value, fault.shutting());
                }
                Err(fault) => report.add(written, value, fault),
            }
        }
    }
    for same in labels.values_mut() {
        same.sort();
    }
    labels
}

/// Finds the first label that `accept` accepts, and reports those that it overrides.
pub(super) fn decide<'a>(
    labels: &[Label<'a>],
    report: &mut Report,
    mut accept: impl FnMut(Label<'a>, &mut Report) -> bool,
) -> Option<Label<'a>> {
    let mut decisive = None;
    for label in labels {
        if let Some(decisive) = &decisive {
            label.report_overridden(decisive, report);
            continue;
        }
        if label.place == LabelSource::Container {
            let notice = LabelFault::notice(
                "is read from the container's labels",
                "write it under `deploy.labels`, where labels for Hiveway belong",
            );
            report.add(label.key, label.value, notice);
        }
        if accept(*label, report) {
            decisive = Some(*label);
        }
    }
    decisive
}

impl Label<'_> {
    fn report_overridden(&self, by: &Self, report: &mut Report) {
        let fault = match self.place {
            LabelSource::Container => LabelFault::notice(
                format!(
                    "stands on the container and is overridden by {} on the {}",
                    by.key,
                    by.place.as_str()
                ),
                "remove it from the container's labels",
            ),
            LabelSource::Service if self.value == by.value => return,
            LabelSource::Service => LabelFault::notice(
                format!("is overridden by {} with another value", by.key),
                "remove one of the two",
            ),
        };
        report.add(self.key, self.value, fault);
    }
}

impl LabelSource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Container => "container",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{REPLICATED, Written, parsed, route, said};
    use crate::core::model::route::Level;

    #[test]
    fn the_first_readable_label_in_order_of_precedence_decides() {
        let beside = "is overridden by hiveway.routing.weight with another value";
        let container =
            "stands on the container and is overridden by aliyun.routing.weight on the service";
        let containers =
            "stands on the container and is overridden by hiveway.routing.weight on the container";
        let from_container = "is read from the container's labels";
        let outside = "is outside 0 to 100";
        let (hiveway, aliyun) = ("hiveway.routing.weight", "aliyun.routing.weight");
        type Said<'a> = &'a [(Level, &'a str, &'a str, &'a str)];
        let cases: [(Written<'_>, Written<'_>, u8, Said<'_>); 7] = [
            (
                &[(hiveway, "1"), (aliyun, "2")],
                &[],
                1,
                &[(Level::Notice, aliyun, "2", beside)],
            ),
            (&[(hiveway, "1"), (aliyun, "1")], &[], 1, &[]),
            (
                &[(aliyun, "2")],
                &[(hiveway, "3")],
                2,
                &[(Level::Notice, hiveway, "3", container)],
            ),
            (
                &[(aliyun, "2")],
                &[(aliyun, "2")],
                2,
                &[(Level::Notice, aliyun, "2", container)],
            ),
            (
                &[],
                &[(aliyun, "4")],
                4,
                &[(Level::Notice, aliyun, "4", from_container)],
            ),
            (
                &[],
                &[(hiveway, "3"), (aliyun, "4")],
                3,
                &[
                    (Level::Notice, aliyun, "4", containers),
                    (Level::Notice, hiveway, "3", from_container),
                ],
            ),
            (
                &[(hiveway, "101"), (aliyun, "2")],
                &[],
                2,
                &[(Level::Error, hiveway, "101", outside)],
            ),
        ];
        for (labels, container_labels, weight, expected) in cases {
            let labels = [labels, &[("hiveway.routing.port_80", "a.example")]].concat();
            let (spec, diagnostics) = parsed(REPLICATED, &labels, container_labels);
            assert_eq!(
                (spec.policy.weight, said(&diagnostics)),
                (weight, expected.to_vec()),
                "{labels:?} {container_labels:?}"
            );
        }
    }

    #[test]
    fn routes_of_two_labels_for_one_port_are_not_mixed() {
        let hiveway = ("hiveway.routing.port_80", "a.example;10.0.0.1");
        let aliyun = ("aliyun.routing.port_80", "b.example");
        let (spec, _) = parsed(REPLICATED, &[hiveway, aliyun], &[]);
        assert_eq!(spec.routes, [route("a.example", 80)]);
        let unreadable = ("hiveway.routing.port_80", " ; ftp://a.example");
        let (spec, diagnostics) = parsed(REPLICATED, &[unreadable, aliyun], &[]);
        assert_eq!(spec.routes, [route("b.example", 80)]);
        assert_eq!(
            said(&diagnostics),
            [(
                Level::Error,
                "hiveway.routing.port_80",
                "ftp://a.example",
                "has the unknown scheme \"ftp\""
            )]
        );
    }
}
