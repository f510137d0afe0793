//! Values that are lists: each item stands or falls by itself.

use super::label::Label;
use super::quotes;
use super::report::{LabelFault, Report};

/// Reads the items of a list, which these characters separate, and reports those that are refused. `parse` is told the
/// items that stand so far. An empty list is reported as `empty`.
pub(super) fn read<T>(
    label: Label<'_>,
    separators: &[char],
    empty: LabelFault,
    report: &mut Report,
    parse: impl Fn(&str, &[T]) -> Result<T, LabelFault>,
) -> Vec<T> {
    let mut items = Vec::new();
    let mut any = false;
    let texts = label.value.split(separators).map(str::trim);
    for text in texts.filter(|text| !text.is_empty()) {
        any = true;
        match parse(text, &items) {
            Ok(item) => items.push(item),
            Err(fault) => {
                let accepted = |text: &str| parse(text, &items).is_ok();
                let fault = quotes::blame(fault.suggesting_only(accepted), text, accepted);
                report.add(label.key, text, fault);
            }
        }
    }
    if !any {
        report.add(label.key, label.value, empty);
    }
    items
}
